"""A pod that every version of every level allows, with one container of each kind, to spoil."""

from __future__ import annotations

from typing import Any

ROLES = {"initContainers": "init", "containers": "app", "ephemeralContainers": "debug"}
"""Field → name of the one container in it."""
GONE = object()
"""In a change: take the field away."""


def pod(os: str = "", **changes: Any) -> dict[str, Any]:
    """The pod; ``changes`` are merged into its spec."""
    spec: dict[str, Any] = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        **{role: [container(name)] for role, name in ROLES.items()},
    }
    if os:
        spec["os"] = {"name": os}
    merge(spec, changes)
    return {"metadata": {"name": "p"}, "spec": spec}


def container(name: str) -> dict[str, Any]:
    """One that the strictest standard allows."""
    return {
        "name": name,
        "image": "registry.example/app@sha256:" + "0" * 64,
        "ports": [{"containerPort": 8080}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    """Merge mappings into mappings; everything else replaces."""
    for key, value in changes.items():
        if value is GONE:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
