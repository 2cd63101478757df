"""Reviews: kinds that are answered and never stored (who am I, may I, is this token good)."""

from __future__ import annotations

from typing import Any

from tests.fakes.apiserver import status
from tests.fakes.apiserver.rbac import Authorizer, Wish
from tests.fakes.apiserver.request import Target, User
from tests.fakes.apiserver.tokens import AUDIENCE, Tokens

Json = dict[str, Any]


class Reviews:
    def __init__(self, tokens: Tokens, authorizer: Authorizer) -> None:
        self._tokens, self._authorizer = tokens, authorizer

    def answer(self, target: Target, body: Json, user: User) -> Json:
        kind, spec = target.served.kind, body.get("spec") or {}
        match kind:
            case "TokenReview":
                found = self._token(spec)
            case "SelfSubjectReview":
                found = {"userInfo": user.body()}
            case "SelfSubjectRulesReview":
                found = self._rules(user, spec)
            case "SelfSubjectAccessReview":
                found = self._access(user, spec)
            case _:
                found = self._access(self._named(target, spec), spec)
        head = {"kind": kind, "apiVersion": target.served.api_version}
        meta = {"creationTimestamp": None} | (body.get("metadata") or {})
        return head | {"metadata": meta, "spec": spec, "status": found}

    def _token(self, spec: Json) -> Json:
        token = spec.get("token", "")
        if not token:
            raise status.bad_request("token is required for TokenReview in authentication")
        try:
            user, audiences = self._tokens.user_of(token, list(spec.get("audiences") or [AUDIENCE]))
        except ValueError as failed:
            return {"authenticated": False, "user": {}, "error": str(failed)}
        return {"authenticated": True, "user": user.body(), "audiences": audiences}

    def _named(self, target: Target, spec: Json) -> User:
        kind = target.served.kind
        if not spec.get("user") and not spec.get("groups"):
            cause = status.required("spec.user", "at least one of user or group must be specified")
            raise status.invalid("authorization.k8s.io", kind, "", [cause])
        if kind == "LocalSubjectAccessReview":
            space = (spec.get("resourceAttributes") or {}).get("namespace", "")
            if space != target.namespace:
                text = "must match metadata.namespace"
                cause = status.invalid_value("spec.resourceAttributes.namespace", space, text)
                raise status.invalid("authorization.k8s.io", kind, "", [cause])
        groups = tuple(spec.get("groups") or ())
        return User(name=spec.get("user", ""), groups=groups)

    def _access(self, user: User, spec: Json) -> Json:
        resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if bool(resource) == bool(other):
            text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            cause = status.invalid_value("spec.resourceAttributes", resource, text)
            raise status.invalid("authorization.k8s.io", "SubjectAccessReview", "", [cause])
        if other:
            wish = Wish(verb=other.get("verb", ""), url=other.get("path", ""))
        else:
            wish = _wish(resource or {})
        allowed, reason = self._authorizer.allows(user, wish)
        return {"allowed": allowed} | ({"reason": reason} if reason else {})

    def _rules(self, user: User, spec: Json) -> Json:
        resources, urls = [], []
        for rule, _ in self._authorizer.rules(user, spec.get("namespace", "")):
            if rule.get("nonResourceURLs"):
                urls.append({k: rule.get(k, []) for k in ("verbs", "nonResourceURLs")})
            else:
                keys = ("verbs", "apiGroups", "resources", "resourceNames")
                resources.append({k: rule[k] for k in keys if k in rule})
        if "system:masters" in user.groups or not self._authorizer.enabled:
            resources.insert(0, {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
            urls.insert(0, {"verbs": ["*"], "nonResourceURLs": ["*"]})
        return {"resourceRules": resources, "nonResourceRules": urls, "incomplete": False}


def _wish(resource: Json) -> Wish:
    keys = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Wish(**{key: str(resource.get(key, "")) for key in keys})
