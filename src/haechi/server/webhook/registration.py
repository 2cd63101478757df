"""What registers the webhook: only the kinds that policies match, in two groups.

One entry has ``failurePolicy: Fail`` and asks for the policies that fail closed, the other
``Ignore`` for the rest; a kind that only mild policies match is never held up by an outage.
Namespaces that the cluster needs to heal itself are exempt, and so is traffic that no policy is
about (leases, events, status), by conditions that the API server evaluates itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from haechi.model.admission import FailureChoice, Family, Matched, PolicyInfo
from haechi.server.webhook.certificates.bundle import GROUP

Json = dict[str, Any]
PluralOf = Callable[[str, str], str]
ALWAYS_EXEMPT = ("kube-system", "kube-node-lease")
TIMEOUT_S = 3
NAME_LABEL = "kubernetes.io/metadata.name"
_WORKLOADS = (
    ("", ("replicationcontrollers", "podtemplates")),
    ("apps", ("deployments", "statefulsets", "daemonsets", "replicasets")),
    ("batch", ("jobs", "cronjobs")),
)
_POD_UPDATES = "pods/ephemeralcontainers"
_SUBRESOURCES = (
    ("", "Pod", "", ("pods/ephemeralcontainers", "pods/resize"), "UPDATE"),
    ("", "Service", "", ("services/status",), "UPDATE"),
    ("policy", "Eviction", "", ("pods/eviction",), "CREATE"),
    ("", "Binding", "", ("pods/binding",), "CREATE"),
    (
        "autoscaling",
        "Scale",
        "apps",
        ("deployments/scale", "replicasets/scale", "statefulsets/scale"),
        "UPDATE",
    ),
    ("autoscaling", "Scale", "", ("replicationcontrollers/scale",), "UPDATE"),
    ("", "PodExecOptions", "", ("pods/exec",), "CONNECT"),
    ("", "PodAttachOptions", "", ("pods/attach",), "CONNECT"),
    ("", "PodPortForwardOptions", "", ("pods/portforward",), "CONNECT"),
    ("", "PodProxyOptions", "", ("pods/proxy",), "CONNECT"),
    ("", "ServiceProxyOptions", "", ("services/proxy",), "CONNECT"),
    ("", "NodeProxyOptions", "", ("nodes/proxy",), "CONNECT"),
)
"""What Gatekeeper's webhook is registered for besides all resources: the kind (group, kind) that is
sent, and the resources (group, names) and operation it is sent for. ``services/status`` is where a
load balancer's address can be forged (CVE-2020-8554)."""
_NO_RESOURCES = {sent[:2] for sent in _SUBRESOURCES} - {
    ("", n) for n in ("Pod", "Service", "Binding")
}
"""Kinds that are sent to subresources only."""
_GROUP_OF = "request.resource.group"
_DROPPED = (
    ("leases", f'!({_GROUP_OF} == "coordination.k8s.io" && request.resource.resource == "leases")'),
    ("events", f'!({_GROUP_OF} in ["", "events.k8s.io"] && request.resource.resource == "events")'),
)
"""Resources that nobody writes policies about, and the condition that leaves them out."""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """How the webhook is called. ``workloads``: be asked about workloads, too, so that people are
    warned of pods that would be refused. ``ca_bundle`` (base64 PEM) only with a user's
    certificate: the webhook writes its own."""

    namespace: str = "haechi"
    service: str = "haechi-webhook"
    configuration: str = "haechi-webhook"
    account: str = "haechi-webhook"
    exempt: tuple[str, ...] = ()
    timeout_s: int = TIMEOUT_S
    workloads: bool = False
    ca_bundle: str = ""


def configurations(
    options: Registration,
    policies: Sequence[PolicyInfo],
    mutators: Sequence[PolicyInfo],
    plural_of: PluralOf,
) -> list[Json]:
    """The webhook configurations; without mutations there is no mutating one."""
    found: list[Json] = []
    for kind, word, infos in (
        ("ValidatingWebhookConfiguration", "admit", policies),
        ("MutatingWebhookConfiguration", "mutate", mutators),
    ):
        hooks = [
            hook
            for choice in FailureChoice
            if (hook := _hook(options, word, choice, infos, plural_of)) is not None
        ]
        if hooks:
            found.append(
                {
                    "apiVersion": f"{GROUP}/v1",
                    "kind": kind,
                    "metadata": {"name": options.configuration, "labels": labels(options)},
                    "webhooks": hooks,
                }
            )
    return found


def labels(options: Registration) -> dict[str, str]:
    """Of everything that belongs to the webhook."""
    return {
        "app.kubernetes.io/name": "haechi",
        "app.kubernetes.io/component": "webhook",
        "app.kubernetes.io/instance": options.service,
    }


def _hook(
    options: Registration,
    word: str,
    choice: FailureChoice,
    infos: Sequence[PolicyInfo],
    plural_of: PluralOf,
) -> Json | None:
    several = [info for info in infos if info.failure is choice]
    rules = rules_of(several, plural_of, workloads=options.workloads and word == "admit")
    if not rules:
        return None
    client: Json = {
        "service": {
            "namespace": options.namespace,
            "name": options.service,
            "path": f"/{word}/{choice.value.lower()}",
            "port": 443,
        }
    }
    if options.ca_bundle:
        client["caBundle"] = options.ca_bundle
    hook: Json = {
        "name": f"{choice.value.lower()}.{word}.haechi.dev",
        "clientConfig": client,
        "rules": rules,
        "failurePolicy": choice.value,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": options.timeout_s,
        "namespaceSelector": _selector(options),
        "matchConditions": _conditions(options, several, rules),
    }
    if word == "mutate":
        hook["reinvocationPolicy"] = "IfNeeded"
    return hook


def rules_of(
    infos: Iterable[PolicyInfo], plural_of: PluralOf, *, workloads: bool = False
) -> list[Json]:
    """Rules for what the policies match, merged: a resource stands in one rule only."""
    wanted: dict[tuple[str, str, str], set[str]] = {}
    for info in infos:
        for matched in info.matched or (Matched(),):
            for group, resource, operations in _resources(matched, plural_of, workloads):
                place = (group, resource, matched.scope)
                wanted.setdefault(place, set()).update(operations)
            if info.family is Family.GATEKEEPER:
                for group, resource, operation in _subresources(matched):
                    wanted.setdefault((group, resource, matched.scope), set()).add(operation)
    _absorb(wanted)
    merged: dict[tuple[str, tuple[str, ...], str, str], set[str]] = {}
    for (group, resource, scope), several in wanted.items():
        rule = (group, tuple(_ordered(several)), scope, _apart(resource))
        merged.setdefault(rule, set()).add(resource)
    return [
        {
            "apiGroups": [group],
            "apiVersions": ["*"],
            "operations": list(operations),
            "resources": sorted(resources),
            "scope": scope,
        }
        for (group, operations, scope, _), resources in sorted(merged.items())
    ]


def _apart(resource: str) -> str:
    """The API server takes no rule in which a wildcard stands beside what it means already."""
    return resource if "*" in resource else ""


def _resources(
    matched: Matched, plural_of: PluralOf, workloads: bool
) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    operations = matched.operations or ("CREATE", "UPDATE")
    kinds = list(matched.kinds)
    if not matched.kinds and not matched.resources:
        kinds = [(group, "*") for group in matched.groups or ("*",)]
    for group, kind in kinds:
        if (group, kind) in _NO_RESOURCES:
            continue
        yield group, "*" if kind == "*" else plural_of(group, kind), operations
        if group in ("", "*") and kind in ("Pod", "*"):  # who means all kinds means pods, too
            yield from _with_pods(operations, workloads and kind == "Pod")
    for group in matched.groups or ("*",):
        for resource in matched.resources:
            yield group, resource, operations
            if (group, resource) == ("", "pods"):
                yield from _with_pods(operations, workloads)


def _subresources(matched: Matched) -> Iterable[tuple[str, str, str]]:
    """What is sent as one of the kinds that Gatekeeper's constraints name, under another name."""
    for sent, kind, group, resources, operation in _SUBRESOURCES:
        named = any(a in ("*", sent) and b in ("*", kind) for a, b in matched.kinds)
        if named and {operation, "*"} & set(matched.operations):
            yield from ((group, resource, operation) for resource in resources)


def _with_pods(
    operations: tuple[str, ...], workloads: bool
) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    """A container can be added to a living pod; and pods come from workloads."""
    if "UPDATE" in operations or "*" in operations:
        yield "", _POD_UPDATES, ("UPDATE",)
    if workloads and {"CREATE", "*"} & set(operations):
        for group, resources in _WORKLOADS:
            for resource in resources:
                yield group, resource, ("CREATE", "UPDATE")


def _absorb(wanted: dict[tuple[str, str, str], set[str]]) -> None:
    """What a wildcard says already needs not be said again."""
    for place in list(wanted):
        group, resource, _ = place
        for wide in {(g, r, "*") for g in (group, "*") for r in (resource, "*")} - {place}:
            if "/" not in resource and wanted.get(wide, set()) >= wanted[place]:
                del wanted[place]
                break


def _ordered(operations: set[str]) -> list[str]:
    if "*" in operations:
        return ["*"]
    order = ("CREATE", "UPDATE", "DELETE", "CONNECT")
    return [one for one in order if one in operations]


def _selector(options: Registration) -> Json:
    names = dict.fromkeys((*ALWAYS_EXEMPT, options.namespace, *options.exempt))
    return {"matchExpressions": [{"key": NAME_LABEL, "operator": "NotIn", "values": sorted(names)}]}


def _conditions(
    options: Registration, infos: Sequence[PolicyInfo], rules: Sequence[Json]
) -> list[Json]:
    """What the API server leaves out by itself; not what a policy names."""
    named = {one for info in infos for matched in info.matched for one in _named(matched)}
    found = [
        {"name": f"not-{resource}", "expression": expression}
        for resource, expression in _DROPPED
        if resource not in named
    ]
    asked = named.union(*(rule["resources"] for rule in rules))
    if not any(resource.endswith(("/status", "/*")) for resource in asked):
        found.append({"name": "not-status", "expression": 'request.subResource != "status"'})
    own = f"system:serviceaccount:{options.namespace}:{options.account}"
    found.append({"name": "not-own-account", "expression": f'request.userInfo.username != "{own}"'})
    return found


def _named(matched: Matched) -> Iterable[str]:
    yield from matched.resources
    for _, kind in matched.kinds:
        yield f"{kind.lower()}s"
