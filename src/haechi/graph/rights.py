"""What a workload may do to the cluster with its service account's token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import msgspec

from haechi.checks.neighbours import may_share_namespace
from haechi.checks.pods.view import items, mapping, view_of
from haechi.checks.rbac.grants import RBAC, PolicyRule, allows, effective_rules, policy_rules
from haechi.checks.rbac.subjects import (
    SERVICE_ACCOUNT_USER,
    Subject,
    referred_role,
    role_ref,
    subjects,
)
from haechi.model.location import AttrPath
from haechi.model.resource import Resource, nearest
from haechi.model.review import Review, Scope


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """A dangerous right. ``what``/``what_ko`` complete "which can …"; ``weight`` ranks it.

    ``role`` and ``path`` are where it is granted; for roles outside the files the binding.
    """

    what: str
    what_ko: str
    weight: float
    cluster_wide: bool
    binding: Resource
    role: Resource | None
    resource: Resource
    path: AttrPath


class _Power(msgspec.Struct, frozen=True):
    what: str
    what_ko: str
    weight: float
    asks: tuple[tuple[str, str, str], ...]  # (group, resource, verb): any of them


_POWERS = (
    _Power(
        "rewrite who may do what",
        "누가 무엇을 할 수 있는지를 바꿀",
        9.5,
        (
            *product(
                (RBAC,),
                ("clusterroles", "clusterrolebindings", "roles", "rolebindings"),
                ("escalate", "bind", "create", "update", "patch"),
            ),
            ("", "users", "impersonate"),
            ("", "serviceaccounts", "impersonate"),
        ),
    ),
    _Power(
        "read every Secret",
        "모든 Secret을 읽을",
        9.0,
        (("", "secrets", "get"), ("", "secrets", "list"), ("", "secrets", "watch")),
    ),
    _Power(
        "run commands in other pods",
        "다른 파드에서 명령을 실행할",
        8.0,
        (("", "pods/exec", "create"), ("", "pods/attach", "create"), ("", "nodes/proxy", "get")),
    ),
    _Power(
        "start pods of its choice",
        "원하는 파드를 띄울",
        7.5,
        (
            ("", "pods", "create"),
            *product(
                ("apps",),
                ("deployments", "daemonsets", "statefulsets"),
                ("create", "patch", "update"),
            ),
            ("batch", "jobs", "create"),
            ("batch", "cronjobs", "create"),
        ),
    ),
)
_TOTAL = _Power("do anything", "무엇이든 할", 10.0, ())
_SECRETS = _POWERS[1]
_KNOWN_ROLES = {"cluster-admin": _TOTAL, "admin": _SECRETS, "edit": _SECRETS}
"""Roles that every cluster has, with the worst that they allow; ``view`` reads no Secrets."""
_ACCOUNTS = "system:serviceaccounts"
_ALL = "*"


class Rights:
    """The rights of a scope's workloads. Bindings are indexed by service account once."""

    def __init__(self, scope: Scope, templates: Mapping[str, AttrPath] | None = None) -> None:
        self._scope = scope
        self._templates = templates
        self._accounts: dict[str, list[Resource]] = defaultdict(list)
        self._bindings: dict[str, list[tuple[str, Resource]]] = defaultdict(list)
        self._granted: dict[int, list[Right]] = {}
        self._shared: dict[str, Any] = {}
        for account in scope.of_type("core/ServiceAccount"):
            self._accounts[account.name].append(account)
        for kind in ("ClusterRoleBinding", "RoleBinding"):
            for binding in scope.of_type(f"{RBAC}/{kind}"):
                for subject in subjects(binding.data):
                    meant = _account(subject)
                    if meant is not None:
                        self._bindings[meant[1]].append((meant[0], binding))

    def of(self, workload: Resource) -> list[Right]:
        """Dangerous rights of the workload, worst first; none when no token is mounted."""
        view = view_of(workload, self._templates)
        if view is None:
            return []
        spec = view.spec
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        if not isinstance(name, str) or not self._mounts_token(workload, spec, name):
            return []
        rights: list[Right] = []
        for binding in self._of_account(workload, name):
            if id(binding) not in self._granted:
                self._granted[id(binding)] = list(_granted(binding, self._scope, self._shared))
            rights += self._granted[id(binding)]
        return sorted(rights, key=lambda right: -right.weight)

    def _mounts_token(self, workload: Resource, spec: Mapping[str, Any], name: str) -> bool:
        mounts = spec.get("automountServiceAccountToken")
        if mounts is None:
            accounts = [a for a in self._accounts[name] if may_share_namespace(workload, a)]
            for account in nearest(workload, accounts)[:1]:
                mounts = mapping(account.data).get("automountServiceAccountToken")
        return mounts is not False or _projects_token(spec)

    def _of_account(self, workload: Resource, name: str) -> list[Resource]:
        """The bindings that name the account. Of bindings that share a name (one for each
        environment) those nearest in the tree of files; different ones add up."""
        found: dict[tuple[str, str], list[Resource]] = defaultdict(list)
        for namespace, binding in (*self._bindings[name], *self._bindings[_ALL]):
            if binding.kind == "RoleBinding" and not may_share_namespace(workload, binding):
                continue
            if namespace and workload.namespace and namespace != workload.namespace:
                continue
            same_name = found[binding.kind, binding.name]
            if binding not in same_name:
                same_name.append(binding)
        return [one for same_name in found.values() for one in nearest(workload, same_name)]


def _account(subject: Subject) -> tuple[str, str] | None:
    """(namespace or empty, name or ``*``) of the service accounts that a subject means."""
    if subject.kind == "ServiceAccount":
        return subject.namespace, subject.name
    if subject.kind == "User" and subject.name.startswith(SERVICE_ACCOUNT_USER):
        namespace, _, name = subject.name.removeprefix(SERVICE_ACCOUNT_USER).partition(":")
        return namespace, name
    if subject.kind == "Group":
        if subject.name in (_ACCOUNTS, "system:authenticated"):
            return "", _ALL
        if subject.name.startswith(f"{_ACCOUNTS}:"):
            return subject.name.removeprefix(f"{_ACCOUNTS}:"), _ALL
    return None


def _projects_token(spec: Mapping[str, Any]) -> bool:
    """True when a volume brings a token for the API server, whatever automount says."""
    for volume in items(spec.get("volumes")):
        for source in items(mapping(mapping(volume).get("projected")).get("sources")):
            token = mapping(source).get("serviceAccountToken")
            if isinstance(token, dict) and not token.get("audience"):
                return True
    return False


def _granted(binding: Resource, scope: Scope, shared: dict[str, Any]) -> Iterator[Right]:
    cluster_wide = binding.kind == "ClusterRoleBinding"
    factor = 1.0 if cluster_wide else 0.7
    role = referred_role(Review(resource=binding, scope=scope, shared=shared), binding)
    if role is None:
        ref = role_ref(binding.data)
        power = _KNOWN_ROLES.get(ref.name) if ref.kind == "ClusterRole" else None
        if power is not None:
            yield _right(power, factor, cluster_wide, binding, None, ("roleRef", "name"))
        return
    rules = effective_rules(role, scope.of_type(f"{RBAC}/ClusterRole"))
    own = policy_rules(role.data)
    for power in (_TOTAL, *_POWERS):
        rule = _granted_by(rules, power)
        if rule is None:
            continue
        # Rules that come by aggregation stand in another role.
        path: AttrPath = ("rules", rule.index) if rule in own else ("aggregationRule",)
        yield _right(power, factor, cluster_wide, binding, role, path)
        if power is _TOTAL:
            return


def _granted_by(rules: Sequence[PolicyRule], power: _Power) -> PolicyRule | None:
    for rule in rules:
        if power is _TOTAL and rule.is_total:
            return rule
        if any(allows(rule, group, resource, verb) for group, resource, verb in power.asks):
            return rule
    return None


def _right(
    power: _Power,
    factor: float,
    cluster_wide: bool,
    binding: Resource,
    role: Resource | None,
    path: AttrPath,
) -> Right:
    what, what_ko, weight = power.what, power.what_ko, power.weight
    where = binding.namespace or "its namespace"
    where_ko = (
        f"네임스페이스 {binding.namespace}에서" if binding.namespace else "자기 네임스페이스에서"
    )
    return Right(
        what=f"{what} in the cluster" if cluster_wide else f"{what} in {where}",
        what_ko=f"클러스터에서 {what_ko}" if cluster_wide else f"{where_ko} {what_ko}",
        weight=weight * factor,
        cluster_wide=cluster_wide,
        binding=binding,
        role=role,
        resource=role or binding,
        path=path,
    )
