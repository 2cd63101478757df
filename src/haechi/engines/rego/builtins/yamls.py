"""YAML, as sigs.k8s.io/yaml reads and writes it: YAML 1.1 with what Go's library makes of it.

A text with aliases may unfold to any size, so that every node an alias stands for is counted.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from functools import lru_cache
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.numerals import float_text
from haechi.engines.rego.values import BuiltinError, Value, show_number

_MAX_NODES: Final = operands.MAX_ITEMS
_MAX_DEPTH: Final = 200
_TRUE: Final = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE: Final = frozenset(
    ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
)
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_INTEGER: Final = re.compile(r"[-+]?(0b[01]+|0o?[0-7]+|0x[0-9a-fA-F]+|[0-9]+)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG: Final = "tag:yaml.org,2002:"


def unmarshal_yaml(text: str) -> Value:
    import yaml

    if len(text) > operands.MAX_TEXT:
        operands.too_large("a YAML text", operands.MAX_TEXT)
    try:
        _check_depth(text)
        loader = _loader()(text)
        try:
            node = loader.get_node() if loader.check_node() else None
            if node is None:
                return None
            return _Reading().value(node, 0)
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BuiltinError(f"yaml: {error}"[:200]) from error


def _check_depth(text: str) -> None:
    """The C parser composes nodes by recursion and crashes where they are deep: its events, which
    are a flat sequence, are counted first."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=_loader()):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise BuiltinError("yaml: exceeded max depth")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentEndEvent):
            return  # one document is read


def valid_yaml(value: Value) -> bool:
    if type(value) is not str:
        return False
    try:
        unmarshal_yaml(value)
    except BuiltinError:
        return False
    return True


@lru_cache(maxsize=1)
def _loader() -> Any:
    import yaml

    # The C parser where it is built in; both give the same nodes.
    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Reading:
    """One reading of a tree of nodes; ``left`` are the nodes that may still be made."""

    def __init__(self) -> None:
        self.left = _MAX_NODES

    def value(self, node: Any, depth: int) -> Value:
        self.left -= 1
        if self.left < 0:
            operands.too_large("what a YAML text unfolds to", _MAX_NODES)
        if depth > _MAX_DEPTH:
            raise BuiltinError("yaml: exceeded max depth")
        if node.id == "scalar":
            return _scalar(node)
        if node.id == "sequence":
            return [self.value(item, depth + 1) for item in node.value]
        return self.mapping(node, depth)

    def mapping(self, node: Any, depth: int) -> dict[str, Value]:
        made: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        for name, item in node.value:
            if name.id == "scalar" and name.value == "<<" and not name.style:
                self.merge(item, merged, depth)
                continue
            made[_name(self.value(name, depth + 1))] = self.value(item, depth + 1)
        return {**merged, **made}

    def merge(self, node: Any, merged: dict[str, Value], depth: int) -> None:
        parts = node.value if node.id == "sequence" else [node]
        for part in parts:
            if part.id != "mapping":
                raise BuiltinError("yaml: map merge requires map or sequence of maps as the value")
            for name, item in self.value(part, depth + 1).items():
                merged.setdefault(name, item)


def _name(value: Value) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return show_number(value)
    raise BuiltinError("yaml: unsupported map key")


def _scalar(node: Any) -> Value:
    text, tag = str(node.value), str(node.tag or "")
    if tag == f"{_TAG}binary":
        try:
            return base64.b64decode(text).decode("utf-8", "replace")
        except (binascii.Error, ValueError) as error:
            raise BuiltinError("yaml: !!binary value contains invalid base64 data") from error
    if node.style in ("'", '"', "|", ">"):
        return text
    return _resolved(text)


def _resolved(text: str) -> Value:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    bare = text.replace("_", "")
    if not bare or bare[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(bare) and len(bare) < 4000:
        return _integer(bare)
    if _FLOAT.fullmatch(bare):
        return _whole_or_float(float(bare))
    if _INFINITE.fullmatch(bare):
        raise BuiltinError("yaml: json: unsupported value")
    return text


def _integer(digits: str) -> Value:
    sign = -1 if digits.startswith("-") else 1
    bare = digits.lstrip("+-").lower()
    if bare.startswith(("0b", "0o", "0x")):
        made = int(bare, 0)
    elif len(bare) > 1 and bare.startswith("0") and set(bare) <= set("01234567"):
        made = int(bare, 8)
    else:
        made = int(bare)
    # Go's reader has 64 bits; what is larger is a float to it.
    return sign * made if sign * made >= -(1 << 63) and made < 1 << 64 else float(sign * made)


def _whole_or_float(made: float) -> Value:
    if math.isinf(made):
        raise BuiltinError("yaml: json: unsupported value")
    return int(made) if made.is_integer() and abs(made) < 1e21 else made


def marshal_yaml(value: Value) -> str:
    made = _dump(value)
    return operands.bounded(made.removesuffix("...\n"))


def _dump(value: Value) -> str:
    import yaml

    return str(
        yaml.dump(value, Dumper=_dumper(), width=1 << 30, allow_unicode=True, sort_keys=True)
    )


@lru_cache(maxsize=1)
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Nothing is written as an alias."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(str, _represent_text)
    Dumper.add_representer(float, _represent_float)
    Dumper.add_representer(int, _represent_integer)
    return Dumper


def _represent_float(dumper: Any, value: float) -> Any:
    if value.is_integer() and abs(value) < 1 << 63:
        return _represent_integer(dumper, int(value))
    return dumper.represent_scalar(f"{_TAG}float", float_text(value, "g", None))


def _represent_integer(dumper: Any, value: int) -> Any:
    if -(1 << 63) <= value < 1 << 64:
        return dumper.represent_scalar(f"{_TAG}int", str(value))
    return _represent_float(dumper, float(value))  # what Go's reader makes of it


def _represent_text(dumper: Any, value: str) -> Any:
    style = None
    if "\n" in value and value.strip() and not value.startswith((" ", "\t")):
        style = "|"
    elif _is_ambiguous(value) or any(ord(c) > 0xFFFF for c in value):
        style = '"'
    return dumper.represent_scalar(f"{_TAG}str", value, style=style)


def _is_ambiguous(value: str) -> bool:
    """Whether it would be read as something else than text."""
    try:
        return type(_resolved(value)) is not str
    except BuiltinError:
        return True
