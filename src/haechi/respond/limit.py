"""Limiting traffic to a workload: Envoy's local rate limit in the pods' Istio sidecars.

The limit counts requests in each sidecar, before the application sees them: of one address where
one is named, else of everybody. It is not pretended elsewhere: without Istio, without sidecars
and in ambient mode there is nothing that could count. Source: Istio's rate limit task and
``samples/ratelimit``, Envoy ``extensions.filters.http.local_ratelimit.v3``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.checks.pods.view import items, mapping, view_of
from haechi.checks.reach import Pod, network_of
from haechi.errors import InputError
from haechi.model.resource import Resource
from haechi.model.response import ActionKind, Plan
from haechi.respond.isolate_policies import ACTION, as_resource, mark_of, planned_object, short
from haechi.respond.isolate_steps import apply_step
from haechi.respond.isolate_target import Target, cluster_of, target_of

_FILTER = "envoy.filters.http.local_ratelimit"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_MANAGER = "envoy.filters.network.http_connection_manager"
_SIDECAR = "istio-proxy"
_GROUP = "networking.istio.io"
_MODE, _AMBIENT = "istio.io/dataplane-mode", "ambient"
_OTHERS = 1_000_000
"""Tokens for whom the limit is not meant: more than a sidecar can answer."""
Body = dict[str, Any]


def limit(
    objects: Sequence[Resource],
    resource: str,
    address: str = "",
    *,
    action_id: str,
    requests: int = 10,
    seconds: int = 60,
) -> Plan:
    """A plan that lets ``requests`` in ``seconds`` through, in each pod of the workload.

    Raises InputError where no sidecar could count them, with the reason.
    """
    if not (0 < requests <= _OTHERS and 0 < seconds <= 86_400):
        raise InputError("a limit is 1 to 1,000,000 requests in 1 to 86,400 seconds")
    whom = _whom(address)
    network = network_of(objects)
    target = target_of(objects, network, resource, None, mark=mark_of(action_id))
    _check_istio(objects, target)
    labels = _labels(target)
    body = planned_object(
        f"{_GROUP}/v1alpha3",
        "EnvoyFilter",
        f"haechi-limit-{short(action_id)}",
        {
            "workloadSelector": {"labels": labels},
            "configPatches": _patches(whom, requests, seconds),
        },
        target.namespace,
    )
    body["metadata"]["annotations"] = {ACTION: action_id}
    planned = as_resource(body, cluster_of(resource))
    hit = [pod for pod in network.pods if _is_meant(pod, target, labels)]
    return Plan(
        action=ActionKind.LIMIT,
        resource=resource,
        steps=(apply_step(1, planned),),
        says=f"let {whom or 'all clients together'} send {requests} requests in {seconds} s to"
        f" each pod of {target.resource.label}",
        warnings=tuple(_warnings(objects, target, hit, whom)),
        touches=(planned.key, resource, *(pod.resource.key for pod in hit)),
    )


def _whom(address: str) -> str:
    if not address:
        return ""
    try:
        return str(ipaddress.ip_address(address.strip()))
    except ValueError:
        raise InputError(f"{address[:60]!r} is no IP address") from None


def _check_istio(objects: Sequence[Resource], target: Target) -> None:
    label = target.resource.label
    if not _has_istio(objects, target):
        raise InputError(
            f"the traffic of {label} cannot be limited",
            why="Istio's EnvoyFilter is not known in this cluster, and nothing else here counts"
            " requests",
            do="block the address or isolate the pods instead",
        )
    ambient = [pod for pod in target.pods if _is_ambient(pod)]
    if ambient and not any(_has_sidecar(pod) for pod in target.pods):
        raise InputError(
            f"the traffic of {label} cannot be limited",
            why="its pods are in Istio's ambient mode: there is no sidecar that an EnvoyFilter"
            " could change, and ztunnel does not count requests",
            do="limit it at a waypoint or gateway",
        )
    if not any(_has_sidecar(pod) for pod in target.pods):
        raise InputError(
            f"the traffic of {label} cannot be limited",
            why="none of its running pods has Istio's sidecar",
            do="block the address or isolate the pods instead",
        )


def _has_istio(objects: Sequence[Resource], target: Target) -> bool:
    """By its definition, any object of its kinds (what is stored has a definition), or a sidecar
    or mode that only it gives; the API server's dry run has the last word."""
    if any(_has_sidecar(pod) or _is_ambient(pod) for pod in target.pods):
        return True
    return any(
        one.group == _GROUP
        or (one.kind == "CustomResourceDefinition" and one.name == f"envoyfilters.{_GROUP}")
        for one in objects
    )


def _has_sidecar(pod: Pod) -> bool:
    view = view_of(pod.resource)
    return view is not None and any(one.name == _SIDECAR for one in view.main)


def _is_ambient(pod: Pod) -> bool:
    own = pod.labels.values.get(_MODE)
    return (own or pod.space.values.get(_MODE)) == _AMBIENT and not _has_sidecar(pod)


def _labels(target: Target) -> dict[str, str]:
    """Labels by which the filter finds the workload's sidecars; it cannot use expressions."""
    found = mapping((target.selector or {}).get("matchLabels"))
    if not found and target.pods:
        shared = set.intersection(*(set(pod.labels.values.items()) for pod in target.pods))
        found = dict(sorted(shared))
    if not found:
        raise InputError(
            f"the traffic of {target.resource.label} cannot be limited",
            why="its pods have no label in common by which an EnvoyFilter could find them",
        )
    return {str(key): str(value) for key, value in found.items()}


def _is_meant(pod: Pod, target: Target, labels: Mapping[str, str]) -> bool:
    return pod.namespace == target.namespace and labels.items() <= pod.labels.values.items()


def _patches(whom: str, requests: int, seconds: int) -> list[Body]:
    """The filter, off by itself, and its settings at every inbound virtual host's routes."""
    insert = {
        "applyTo": "HTTP_FILTER",
        "match": {
            "context": "SIDECAR_INBOUND",
            "listener": {"filterChain": {"filter": {"name": _MANAGER}}},
        },
        "patch": {
            "operation": "INSERT_BEFORE",
            "value": {
                "name": _FILTER,
                "typed_config": {"@type": _TYPE, "stat_prefix": "haechi_limit"},
            },
        },
    }
    value: Body = {"typed_per_filter_config": {_FILTER: _settings(whom, requests, seconds)}}
    if whom:
        value["route"] = {"rate_limits": [{"actions": [{"remote_address": {}}]}]}
    route = {
        "applyTo": "HTTP_ROUTE",
        "match": {
            "context": "SIDECAR_INBOUND",
            "routeConfiguration": {"vhost": {"route": {"action": "ANY"}}},
        },
        "patch": {"operation": "MERGE", "value": value},
    }
    return [insert, route]


def _settings(whom: str, requests: int, seconds: int) -> Body:
    bucket = _bucket(requests, seconds)
    settings: Body = {
        "@type": _TYPE,
        "stat_prefix": "haechi_limit",
        "token_bucket": _bucket(_OTHERS, seconds) if whom else bucket,
        "filter_enabled": _all("haechi_limit_enabled"),
        "filter_enforced": _all("haechi_limit_enforced"),
    }
    if whom:
        entries = [{"key": "remote_address", "value": whom}]
        settings["descriptors"] = [{"entries": entries, "token_bucket": bucket}]
    return settings


def _bucket(tokens: int, seconds: int) -> Body:
    return {"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": f"{seconds}s"}


def _all(key: str) -> Body:
    share = {"numerator": 100, "denominator": "HUNDRED"}
    return {"runtime_key": key, "default_value": share}


def _warnings(
    objects: Sequence[Resource], target: Target, hit: Sequence[Pod], whom: str
) -> list[str]:
    out = ["only HTTP requests are counted (gRPC among them); other protocols pass as before"]
    bare = [pod.name for pod in target.pods if not _has_sidecar(pod)]
    if bare:
        out.append(f"{len(bare)} pod(s) have no sidecar and are not limited: {', '.join(bare[:5])}")
    strangers = len(hit) - sum(1 for pod in target.pods if pod in hit)
    if strangers:
        out.append(f"{strangers} pod(s) of other workloads carry the same labels: limited, too")
    if whom:
        out.append(
            "the sidecar takes the client's address from X-Forwarded-For where a request has one:"
            " behind a proxy it is the client's, and a client without a proxy can forge it"
        )
    others = [one for one in objects if _is_other_limit(one, target)]
    out += [f"{one.label} sets a rate limit, too: which of the two holds is open" for one in others]
    return out


def _is_other_limit(one: Resource, target: Target) -> bool:
    if one.kind != "EnvoyFilter" or one.namespace not in (target.namespace, "istio-system"):
        return False
    patches = items(mapping(mapping(one.data).get("spec")).get("configPatches"))
    return any(_FILTER in str(mapping(one).get("patch")) for one in patches)
