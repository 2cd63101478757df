"""May this user do that: the Roles and bindings stored, evaluated as the server's RBAC does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.apiserver.request import User
from tests.fakes.apiserver.world import World

Json = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    url: str = ""

    @property
    def resources(self) -> set[str]:
        whole = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        below = {f"*/{self.subresource}"} if self.subresource else set()
        return {whole, "*"} | below


class Authorizer:
    def __init__(self, world: World, *, enabled: bool) -> None:
        self._world, self.enabled = world, enabled

    def allows(self, user: User, wish: Wish) -> tuple[bool, str]:
        if "system:masters" in user.groups:
            return True, ""
        if not self.enabled:
            return True, ""
        for rule, reason in self.rules(user, wish.namespace):
            if _covers(rule, wish):
                return True, f"RBAC: allowed by {reason}"
        return False, ""

    def refusal(self, user: User, wish: Wish) -> str:
        """The server's words for what is not allowed."""
        if wish.url:
            return f'User "{user.name}" cannot {wish.verb} path "{wish.url}"'
        resource = f"{wish.resource}/{wish.subresource}" if wish.subresource else wish.resource
        text = f'User "{user.name}" cannot {wish.verb} resource "{resource}"'
        text += f' in API group "{wish.group}"'
        if wish.namespace:
            return f'{text} in the namespace "{wish.namespace}"'
        return f"{text} at the cluster scope"

    def rules(self, user: User, namespace: str) -> Iterator[tuple[Json, str]]:
        """Every rule that holds for the user there, with the binding it comes from."""
        for binding in self._world.all(GROUP, "clusterrolebindings"):
            yield from self._bound(binding, user, "")
        if namespace:
            for binding in self._world.all(GROUP, "rolebindings", namespace):
                yield from self._bound(binding, user, namespace)

    def _bound(self, binding: Json, user: User, namespace: str) -> Iterator[tuple[Json, str]]:
        if not any(_is(subject, user, namespace) for subject in binding.get("subjects") or ()):
            return
        reference = binding["roleRef"]
        plural, space = "clusterroles", ""
        if reference["kind"] == "Role":
            plural, space = "roles", namespace
        role = self._world.find(GROUP, plural, space, reference["name"])
        kind = "RoleBinding" if namespace else "ClusterRoleBinding"
        where = f'"{binding["metadata"]["name"]}{"/" + namespace if namespace else ""}"'
        reason = f'{kind} {where} of {reference["kind"]} "{reference["name"]}" to {user.name!r}'
        for rule in (role or {}).get("rules") or ():
            yield rule, reason.replace("'", '"')


def _is(subject: Json, user: User, namespace: str) -> bool:
    name = subject.get("name", "")
    match subject.get("kind"):
        case "User":
            return bool(user.name == name)
        case "Group":
            return name in user.groups
        case "ServiceAccount":
            space = subject.get("namespace") or namespace
            return user.name == f"system:serviceaccount:{space}:{name}"
    return False


def _covers(rule: Json, wish: Wish) -> bool:
    verbs = rule.get("verbs") or ()
    if wish.verb not in verbs and "*" not in verbs:
        return False
    if wish.url:
        return any(_path(each, wish.url) for each in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if wish.group not in groups and "*" not in groups:
        return False
    if not wish.resources & set(rule.get("resources") or ()):
        return False
    names = rule.get("resourceNames") or ()
    return not names or wish.name in names


def _path(pattern: str, url: str) -> bool:
    if pattern in ("*", url):
        return True
    return pattern.endswith("*") and url.startswith(pattern.rstrip("*"))
