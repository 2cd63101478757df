"""Admission webhooks: called over HTTPS as the stored configurations say.

Mutating ones in the order of their configurations' names, their JSON patches applied one after
the other (a second round for those that ask for it); validating ones see the result. A service
in `clientConfig` is reached at the address the test names for it (`ApiServer.route`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from tests.fakes.apiserver import status
from tests.fakes.apiserver.intake import Hand
from tests.fakes.apiserver.patch import PatchFailed, json_patch
from tests.fakes.apiserver.request import Target
from tests.fakes.apiserver.selectors import selects
from tests.fakes.apiserver.world import World

Json = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"


@dataclass(slots=True)
class Attributes:
    """One operation, as webhooks are told of it."""

    target: Target
    action: str
    old: Json | None
    new: Json | None
    hand: Hand
    called: list[str] = field(default_factory=list)

    @property
    def body(self) -> Json:
        return self.new if self.new is not None else self.old or {}

    @property
    def namespace(self) -> str:
        return self.target.namespace


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was made: for assertions."""

    webhook: str
    uid: str
    operation: str
    kind: str
    dry: bool
    allowed: bool | None
    error: str


class Webhooks:
    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: list[Call] = []
        self.routes: dict[tuple[str, str], str] = {}  # (namespace, service) -> host:port

    # -- what the writer calls

    def mutate(self, target: Target, action: str, old: Json | None, new: Json, hand: Hand) -> Json:
        found = Attributes(target, action, old, new, hand)
        again: list[Json] = []
        for hook in self._matching(MUTATING, found):
            changed = self._patched(hook, found)
            if changed:
                again += [h for h in self._again(found) if h not in again and h is not hook]
        for hook in again:
            self._patched(hook, found)
        return found.new or new

    def _again(self, found: Attributes) -> list[Json]:
        """Those already called that want to see what others changed after them."""
        hooks = self._matching(MUTATING, found)
        named = set(found.called)
        return [
            h for h in hooks if h.get("reinvocationPolicy") == "IfNeeded" and h["name"] in named
        ]

    def _patched(self, hook: Json, found: Attributes) -> bool:
        before = found.new
        response = self._asked(hook, found)
        found.called.append(hook["name"])
        if response is None:
            return False
        self._judge(hook, found, response)
        if not response.get("patch"):
            return False
        if response.get("patchType") != "JSONPatch":
            self._failed(hook, found, f"unexpected patchType {response.get('patchType')!r}")
            return False
        try:
            operations = json.loads(base64.b64decode(response["patch"], validate=True))
            found.new = json_patch(found.new or {}, operations)
        except (ValueError, binascii.Error, status.ApiError) as failed:
            why = failed.why if isinstance(failed, PatchFailed) else str(failed)
            raise status.internal(why) from failed
        return found.new != before

    def validate(
        self, target: Target, action: str, old: Json | None, new: Json | None, hand: Hand
    ) -> None:
        found = Attributes(target, action, old, new, hand)
        for hook in self._matching(VALIDATING, found):
            response = self._asked(hook, found)
            if response is not None:
                self._judge(hook, found, response)

    # -- which

    def _matching(self, plural: str, found: Attributes) -> list[Json]:
        if found.target.served.group == GROUP:
            return []  # webhooks are never asked about webhooks
        return [hook for hook in self._all(plural) if self._means(hook, found)]

    def _all(self, plural: str) -> Iterator[Json]:
        for configuration in self._world.all(GROUP, plural):
            yield from configuration.get("webhooks") or ()

    def _means(self, hook: Json, found: Attributes) -> bool:
        if not any(_covers(rule, found) for rule in hook.get("rules") or ()):
            return False
        if not self._in_namespace(hook.get("namespaceSelector"), found):
            return False
        selector = hook.get("objectSelector") or {}
        bodies = [body for body in (found.old, found.new) if body is not None]
        return not selector or any(
            selects(selector, body["metadata"].get("labels")) for body in bodies
        )

    def _in_namespace(self, selector: Json | None, found: Attributes) -> bool:
        if not selector:
            return True
        if found.target.served.kind == "Namespace":
            return selects(selector, found.body["metadata"].get("labels"))
        if not found.namespace:
            return True
        space = self._world.namespace_of(found.namespace) or {"metadata": {}}
        return selects(selector, space["metadata"].get("labels"))

    # -- the call

    def _asked(self, hook: Json, found: Attributes) -> Json | None:
        """The webhook's response; None where it failed and its policy is to ignore that."""
        name = hook["name"]
        if found.hand.dry and hook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise status.bad_request(f'admission webhook "{name}" does not support dry run')
        review = self._review(found)
        uid = review["request"]["uid"]
        try:
            response = self._post(hook, review)
        except (httpx.HTTPError, ssl.SSLError, ValueError, KeyError, TypeError) as failed:
            self._note(hook, found, uid, None, str(failed) or type(failed).__name__)
            self._failed(hook, found, _words(failed, hook))
            return None
        self._note(hook, found, uid, bool(response.get("allowed")), "")
        return response

    def _note(
        self, hook: Json, found: Attributes, uid: str, allowed: bool | None, error: str
    ) -> None:
        kind, dry = found.target.served.kind, found.hand.dry
        self.calls.append(Call(hook["name"], uid, found.action, kind, dry, allowed, error))

    def _failed(self, hook: Json, found: Attributes, why: str) -> None:
        if hook.get("failurePolicy", "Fail") == "Ignore":
            found.hand.warn(f"Failed calling webhook, failing open {hook['name']}: {why}")
            return
        raise status.internal(f'failed calling webhook "{hook["name"]}": {why}')

    def _review(self, found: Attributes) -> Json:
        served, hand = found.target.served, found.hand
        kind = {"group": served.group, "version": served.version, "kind": served.kind}
        if found.target.subresource == "eviction":
            kind = {"group": "policy", "version": "v1", "kind": "Eviction"}
        resource = {"group": served.group, "version": served.version, "resource": served.plural}
        request: Json = {
            "uid": self._world.uid(),
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "operation": found.action,
            "userInfo": hand.user.body(),
            "object": found.new,
            "oldObject": found.old,
            "dryRun": hand.dry,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": _options(found.action)},
        }
        if found.target.subresource:
            request |= {
                "subResource": found.target.subresource,
                "requestSubResource": found.target.subresource,
            }
        name = found.body.get("metadata", {}).get("name", "")
        request |= {"name": name} if name else {}
        request |= {"namespace": found.namespace} if found.namespace else {}
        head = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
        return head | {"request": request}

    def _post(self, hook: Json, review: Json) -> Json:
        client = hook["clientConfig"]
        seconds = hook.get("timeoutSeconds", 10)
        url, host = self._address(client)
        context = ssl.create_default_context()
        if client.get("caBundle"):
            bundle = base64.b64decode(client["caBundle"]).decode()
            context = ssl.create_default_context(cadata=bundle)
        headers = {"content-type": "application/json", "accept": "application/json"}
        extensions = {"sni_hostname": host} if host else {}
        with httpx.Client(verify=context, timeout=seconds, trust_env=False) as http:
            answer = http.post(
                url,
                content=msgspec.json.encode(review),
                headers=headers | ({"host": host} if host else {}),
                params={"timeout": f"{seconds}s"},
                extensions=extensions,
            )
        if answer.status_code != 200:
            raise ValueError(
                f"an error on the server ({answer.text[:200]!r}): {answer.status_code}"
            )
        body = answer.json()
        wanted = (review["kind"], review["apiVersion"])
        if (body.get("kind"), body.get("apiVersion")) != wanted:
            text = "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview"
            raise ValueError(f"{text}, got {body.get('apiVersion')}, Kind={body.get('kind')}")
        response: Json = body["response"]
        if response.get("uid") != review["request"]["uid"]:
            text = f'expected response.uid="{review["request"]["uid"]}"'
            raise ValueError(f'{text}, got "{response.get("uid")}"')
        return response

    def _address(self, client: Json) -> tuple[str, str]:
        """Where to call, and the name the certificate must have (services only)."""
        if client.get("url"):
            return str(client["url"]), ""
        service = client["service"]
        space, name = service["namespace"], service["name"]
        where = self.routes.get((space, name))
        if where is None:
            raise ValueError(f'service "{name}" not found')
        return f"https://{where}{service.get('path', '/')}", f"{name}.{space}.svc"

    def _judge(self, hook: Json, found: Attributes, response: Json) -> None:
        for text in response.get("warnings") or ():
            found.hand.warn(str(text))
        if response.get("allowed"):
            return
        result = response.get("status") or {}
        head = f'admission webhook "{hook["name"]}" denied the request'
        said = result.get("message") or result.get("reason")
        message = f"{head}: {said}" if said else f"{head} without explanation"
        code = int(result.get("code") or 0)
        refused = status.ApiError(max(code, 400), result.get("reason", ""), message)
        refused.details = result.get("details") or {}
        raise refused


def _words(failed: Exception, hook: Json) -> str:
    client = hook["clientConfig"]
    where = client.get("url") or "https://{name}.{namespace}.svc".format(**client["service"])
    seconds = hook.get("timeoutSeconds", 10)
    if isinstance(failed, httpx.TimeoutException):
        return (
            f'failed to call webhook: Post "{where}?timeout={seconds}s": context deadline exceeded'
        )
    return f'failed to call webhook: Post "{where}?timeout={seconds}s": {failed}'


def _options(action: str) -> str:
    return f"{action.capitalize()}Options"


def _covers(rule: Json, found: Attributes) -> bool:
    served, below = found.target.served, found.target.subresource
    operations = rule.get("operations") or ()
    if found.action not in operations and "*" not in operations:
        return False
    groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
    if served.group not in groups and "*" not in groups:
        return False
    # matchPolicy Equivalent: any version of the kind will do
    if served.version not in versions and "*" not in versions and served.stored not in versions:
        return False
    scope = rule.get("scope", "*")
    if scope != "*" and (scope == "Namespaced") is not served.namespaced:
        return False
    own = f"{served.plural}/{below}" if below else served.plural
    patterns = [re.escape(each).replace(r"\*", "[^/]*") for each in rule.get("resources") or ()]
    whole = {"[^/]*/[^/]*": ".*"}
    return any(re.fullmatch(whole.get(each, each), own) for each in patterns)
