"""YAML for ``yamldecode`` (YAML 1.2's core schema, as go-cty-yaml reads it) and ``yamlencode``."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from haechi.engines.hcl.values import (
    MAX_DIGITS,
    Budget,
    EvalFault,
    Set,
    as_text,
    number_text,
    whole,
)

_MAX_DEPTH = 100
_QUOTED = frozenset({"'", '"', "|", ">"})
_INT = re.compile(r"[-+]?[0-9][0-9_]*\Z")
_OTHER_INT = re.compile(r"[-+]?0(x[0-9a-fA-F]+|o[0-7]+|b[01]+)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


def decode(text: str, budget: Budget) -> Any:
    """The value of one document. Raises EvalFault."""
    import yaml

    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(text, yaml, loader_class)
        loader = loader_class(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise EvalFault(f"yamldecode: {' '.join(str(error).split())[:200]}") from None
    return None if node is None else _value(node, budget, 0)


def _check_depth(text: str, yaml: Any, loader_class: Any) -> None:
    """libyaml composes nodes by recursion and crashes where they are deep: its events, which come
    one after the other, are counted first."""
    depth = 0
    for event in yaml.parse(text, Loader=loader_class):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise EvalFault("yamldecode: nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _value(node: Any, budget: Budget, depth: int) -> Any:
    """An alias is read anew each time, so a bomb of them spends the budget."""
    budget.step(4)
    budget.grow(32)
    if depth > _MAX_DEPTH:
        raise EvalFault("yamldecode: nested too deeply")
    if node.id == "sequence":
        out: list[Any] = []
        for item in node.value:
            out.append(_value(item, budget, depth + 1))  # noqa: PERF401 (a frame less)
        return out
    if node.id == "mapping":
        return _mapping(node, budget, depth)
    budget.grow(len(node.value))
    return _scalar(node)


def _mapping(node: Any, budget: Budget, depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key_node, value_node in node.value:
        value = _value(value_node, budget, depth + 1)
        if key_node.id != "scalar":
            raise EvalFault("yamldecode: a key is no scalar")
        if key_node.value == "<<" and key_node.style not in _QUOTED:
            for one in value if isinstance(value, list) else [value]:
                if not isinstance(one, dict):
                    raise EvalFault("yamldecode: '<<' needs a mapping")
                merged = {**one, **merged}
            continue
        key = _scalar(key_node)
        out["null" if key is None else as_text(key)] = value
    return {**merged, **out}


def _scalar(node: Any) -> Any:
    return node.value if node.style in _QUOTED else _plain(node.value)


def _plain(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.match(text) or _FLOAT.match(text):
        try:
            return whole(Decimal(text.replace("_", "")))
        except InvalidOperation:
            return text
    if _OTHER_INT.match(text):
        if len(text) > MAX_DIGITS:
            raise EvalFault("yamldecode: a number is too large")
        return int(text, 0)
    return text


def encode(value: Any) -> str:
    """As go-cty-yaml writes it: every text and key in quotes, keys in order."""
    out: list[str] = []
    if isinstance(value, (list, dict)) and value:
        _write(value, 0, out)
        return "\n".join(out) + "\n"
    bare = value is None or isinstance(value, (bool, int, float))
    return _flat(value) + ("\n...\n" if bare else "\n")


def _write(value: Any, depth: int, out: list[str]) -> None:
    if depth > _MAX_DEPTH:
        raise EvalFault("yamlencode: nested too deeply")
    pad = "  " * depth
    if isinstance(value, dict):
        for key in sorted(value):
            _entry(f"{pad}{_quoted(key)}:", value[key], depth, out)
        return
    for item in value:
        if isinstance(item, (list, dict)) and item:
            start = len(out)
            _write(item, depth + 1, out)
            out[start] = f"{pad}- {out[start][len(pad) + 2 :]}"
        else:
            out.append(f"{pad}- {_flat(item)}")


def _entry(head: str, value: Any, depth: int, out: list[str]) -> None:
    if isinstance(value, dict) and value:
        out.append(head)
        _write(value, depth + 1, out)
    elif isinstance(value, list) and value:
        out.append(head)
        _write(value, depth, out)
    elif isinstance(value, str) and "\n" in value and _is_block(value):
        out.append(f"{head} {_block_mark(value)}")
        pad = "  " * (depth + 1)
        body = value.removesuffix("\n").split("\n")
        out.extend(pad + line if line else "" for line in body)
    else:
        out.append(f"{head} {_flat(value)}")


def _is_block(text: str) -> bool:
    return not text[0].isspace() and "\r" not in text and "\t" not in text


def _block_mark(text: str) -> str:
    if not text.endswith("\n"):
        return "|-"
    return "|+" if text.endswith("\n\n") else "|"


def _flat(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, (list, Set)):
        return "[]"
    if isinstance(value, dict):
        return "{}"
    return _quoted(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
