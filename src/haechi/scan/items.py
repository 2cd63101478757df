"""What tells one item of a list from its neighbours: what people call it, not where it stands.

Fingerprints and the places of rendered values need it: both have to survive that somebody adds
an item above or sorts a list. Values that may be secret take no part.
"""

from __future__ import annotations

from typing import Any

from haechi.model.unknown import Unknown

_KEYS = (
    "name",
    "mountPath",
    "devicePath",
    "containerPort",
    "host",
    "key",
    "topologyKey",
    "port",
    "ip",
    "path",
    "cidr",
)
"""The most telling first. Volume mounts have a name, too, but it is that of the volume."""
_LISTS = ("resources", "nonResourceURLs")
_PLAIN_LISTS = frozenset(
    {
        "add",
        "drop",
        "verbs",
        "resources",
        "apiGroups",
        "nonResourceURLs",
        "resourceNames",
        "hosts",
        "externalIPs",
        "loadBalancerSourceRanges",
        "finalizers",
        "accessModes",
        "allowedCapabilities",
        "policyTypes",
        "except",
    }
)
"""Lists of words that are never secret, whose items are called by what they say."""


def identity_of(item: Any) -> tuple[str, str]:
    """(field, value) that names an item; two empty texts when nothing does."""
    if isinstance(item, Unknown) or not isinstance(item, dict):
        return ("", "")
    keys = ("mountPath", *_KEYS) if "mountPath" in item else _KEYS
    for key in keys:
        value = item.get(key)
        if not isinstance(value, Unknown) and isinstance(value, str | int) and value != "":
            return (key, str(value))
    for key in _LISTS:
        value = item.get(key)
        if isinstance(value, Unknown) or not isinstance(value, list):
            continue
        if value and all(type(word) is str for word in value):
            return (key, ",".join(sorted(value)))
    return ("", "")


def step_name(parent: str | int, item: Any, index: int) -> str:
    """How a fingerprint calls the item of the list ``parent``: by its name, else by its place."""
    key, value = identity_of(item)
    if parent == "steps" and key != "name" and isinstance(item, dict):
        key, value = _step(item) or (key, value)
    if key:
        return value if key == "name" else f"{key}={value}"
    if type(item) is str and parent in _PLAIN_LISTS:
        return f"={item}"
    return str(index)


def _step(item: dict[str, Any]) -> tuple[str, str] | None:
    """A step of a workflow without a name: its id, or the action without its version."""
    for key in ("id", "uses"):
        value = item.get(key)
        if isinstance(value, str) and value:
            return (key, value.partition("@")[0])
    return None
