"""YAML nodes → the plain values that Kubernetes sees.

The rules are those of ``sigs.k8s.io/yaml``: YAML 1.1 booleans, no timestamps, no base-60
numbers, string keys, merge keys. Source: YAML 1.1 specification; go-yaml v2 ``resolve.go``.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from haechi.errors import InputError, LimitExceeded


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on one file. ``values`` counts values of a document with aliases expanded."""

    size: int = 10 * 1024 * 1024
    documents: int = 10_000
    values: int = 1_000_000
    depth: int = 200


LIMITS = Limits()


_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(
        ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True
    ),
    **dict.fromkeys(
        ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False
    ),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_NUMERIC_START = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_OTHER_INT = re.compile(r"([-+]?)(?:0b([01]+)|0o?([0-7]+)|0x([0-9a-fA-F]+))\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


def plain_scalar(text: str) -> Any:
    """Value of an unquoted scalar as go-yaml resolves it."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMERIC_START or len(text) > 400:
        return text
    digits = text.replace("_", "") if "_" in text else text
    if _INT.match(digits):
        return int(digits)
    other = _OTHER_INT.match(digits)
    if other:
        sign = -1 if other[1] == "-" else 1
        for group, base in ((2, 2), (3, 8), (4, 16)):
            if other[group]:
                return sign * int(other[group], base)
    if _FLOAT.match(digits):
        return float(digits)
    return text


_TAG = "tag:yaml.org,2002:"


class Builder:
    """Node tree → plain values, counting values as if every alias were written out."""

    def __init__(self, limits: Limits, aliased: bool) -> None:
        self.limits = limits
        self.duplicates = False
        self._memo: dict[int, tuple[Any, int]] | None = {} if aliased else None
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: Any) -> Any:
        return self._value(node, 0)

    def _value(self, node: Any, depth: int) -> Any:
        self._count += 1
        if node.id == "scalar":
            return _scalar(node)
        if depth > self.limits.depth:
            raise LimitExceeded(f"nested deeper than {self.limits.depth} levels")
        if self._count > self.limits.values:
            raise LimitExceeded(f"more than {self.limits.values:,} values with aliases expanded")
        if self._memo is None:
            return self._collection(node, depth)
        return self._shared(node, depth, self._memo)

    def _shared(self, node: Any, depth: int, memo: dict[int, tuple[Any, int]]) -> Any:
        known = memo.get(id(node))
        if known is not None:
            self._count += known[1]
            return known[0]
        if id(node) in self._open:
            raise InputError("an alias stands inside the value that it refers to")
        self._open.add(id(node))
        before = self._count
        value = self._collection(node, depth)
        self._open.discard(id(node))
        memo[id(node)] = (value, self._count - before)
        return value

    def _collection(self, node: Any, depth: int) -> Any:
        if node.id == "sequence":
            return [self._value(item, depth + 1) for item in node.value]
        out: dict[str, Any] = {}
        merged: list[Any] = []
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                raise InputError("a mapping key is itself a mapping or a list")
            key = key_node.value
            if key_node.tag == "P":
                if key == "<<":
                    merged.append(value_node)
                    continue
                key = key_of(key)
            if key in out:
                self.duplicates = True
            out[key] = self._value(value_node, depth + 1)
        for source in merged:
            self._merge(out, source, depth)
        return out

    def _merge(self, out: dict[str, Any], source: Any, depth: int) -> None:
        for part in source.value if source.id == "sequence" else [source]:
            value = self._value(part, depth + 1)
            if not isinstance(value, dict):
                raise InputError("'<<' merges something that is not a mapping")
            for key, inner in value.items():
                out.setdefault(key, inner)


def key_of(text: str) -> str:
    """Kubernetes turns YAML into JSON, whose keys are strings: ``on:`` is the key "true"."""
    value = plain_scalar(text)
    if value is True or value is False:
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    return text


def _scalar(node: Any) -> Any:
    tag = node.tag
    if tag == "P":
        return plain_scalar(node.value)
    if tag == "S" or not tag.startswith(_TAG):
        return node.value
    match tag.removeprefix(_TAG):
        case "int" | "float" | "bool" | "null":
            return plain_scalar(node.value)
        case _:
            return node.value
