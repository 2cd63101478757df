"""The plural of a kind, where no cluster is at hand that could be asked."""

from __future__ import annotations

_ODD = {"Endpoints": "endpoints", "NetworkPolicy": "networkpolicies"}


def plural_of(group: str, kind: str) -> str:
    """The resource's name as Kubernetes guesses it (apimachinery, UnsafeGuessKindToResource)."""
    if kind in _ODD:
        return _ODD[kind]
    name = kind.lower()
    if name.endswith(("s", "x")):
        return f"{name}es"
    if name.endswith("y"):
        return f"{name[:-1]}ies"
    return f"{name}s"
