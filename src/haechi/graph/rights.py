"""What a workload may do to the cluster with its service account's token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from haechi.checks.neighbours import may_share_namespace
from haechi.checks.pods.view import mapping, view_of
from haechi.checks.rbac.grants import PolicyRule, allows, effective_rules
from haechi.checks.rbac.subjects import Subject, referred_role, role_ref, subjects
from haechi.model.location import AttrPath
from haechi.model.resource import Resource, nearest
from haechi.model.review import Review, Scope

_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
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


@dataclass(frozen=True, slots=True)
class _Power:
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
                (_RBAC,),
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
_KNOWN_ROLES = {"cluster-admin": 0, "admin": 2, "edit": 2}


class Rights:
    """The rights of a scope's workloads. Bindings are indexed by service account once."""

    def __init__(self, scope: Scope, templates: Mapping[str, AttrPath] | None = None) -> None:
        self._scope = scope
        self._templates = templates
        self._accounts: dict[str, list[Resource]] = defaultdict(list)
        self._bindings: dict[str, list[tuple[Subject, Resource]]] = defaultdict(list)
        self._granted: dict[int, list[Right]] = {}
        for account in scope.of_type("core/ServiceAccount"):
            self._accounts[account.name].append(account)
        for kind in ("ClusterRoleBinding", "RoleBinding"):
            for binding in scope.of_type(f"{_RBAC}/{kind}"):
                for subject in subjects(binding.data):
                    if subject.kind == "ServiceAccount":
                        self._bindings[subject.name].append((subject, binding))

    def of(self, workload: Resource) -> list[Right]:
        """Dangerous rights of the workload, worst first; none when no token is mounted."""
        view = view_of(workload, self._templates)
        if view is None:
            return []
        spec = view.spec
        name = str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
        if not self._mounts_token(workload, spec, name):
            return []
        rights: list[Right] = []
        for binding in nearest(workload, self._of_account(workload, name)):
            if id(binding) not in self._granted:
                self._granted[id(binding)] = list(_granted(binding, self._scope))
            rights += self._granted[id(binding)]
        return sorted(rights, key=lambda right: -right.weight)

    def _mounts_token(self, workload: Resource, spec: Mapping[str, Any], name: str) -> bool:
        mounts = spec.get("automountServiceAccountToken")
        if mounts is None:
            for account in self._accounts[name]:
                if may_share_namespace(workload, account):
                    mounts = mapping(account.data).get("automountServiceAccountToken")
                    break
        return mounts is not False

    def _of_account(self, workload: Resource, name: str) -> list[Resource]:
        return [
            binding
            for subject, binding in self._bindings[name]
            if (binding.kind == "ClusterRoleBinding" or may_share_namespace(workload, binding))
            and (
                not (subject.namespace and workload.namespace)
                or subject.namespace == workload.namespace
            )
        ]


def _granted(binding: Resource, scope: Scope) -> Iterator[Right]:
    cluster_wide = binding.kind == "ClusterRoleBinding"
    factor = 1.0 if cluster_wide else 0.7
    role = referred_role(Review(resource=binding, scope=scope), binding)
    if role is None:
        known = _KNOWN_ROLES.get(role_ref(binding.data).name)
        if known is not None:
            power = _TOTAL if known == 0 else _POWERS[1]
            yield _right(power, factor, cluster_wide, binding, None, ("roleRef", "name"))
        return
    rules = effective_rules(role, scope.of_type(f"{_RBAC}/ClusterRole"))
    for rule in rules:
        if rule.is_total:
            yield _right(_TOTAL, factor, cluster_wide, binding, role, ("rules", rule.index))
            return
    for power in _POWERS:
        index = _granted_by(rules, power)
        if index is not None:
            yield _right(power, factor, cluster_wide, binding, role, ("rules", index))


def _granted_by(rules: Sequence[PolicyRule], power: _Power) -> int | None:
    for rule in rules:
        if any(allows(rule, group, resource, verb) for group, resource, verb in power.asks):
            return rule.index
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
