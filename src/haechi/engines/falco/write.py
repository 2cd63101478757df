"""A tree back to text, short enough to be quoted in a message."""

from __future__ import annotations

import re

from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
    Items,
    ListName,
    Macro,
    Node,
    Not,
    Operand,
    Or,
    Right,
    Text,
    Transform,
    Values,
)

MAX_LENGTH = 120
_BARE = re.compile(r"[A-Za-z0-9_./:*@+-]+\Z")
_VALUES_SHOWN = 4


def written(node: Node) -> str:
    """The condition as people write it, cut in the middle when it is long."""
    text = _node(node, top=True)
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"


def _node(node: Node, *, top: bool = False) -> str:
    match node:
        case Check():
            return _check(node)
        case Macro():
            return node.name
        case Not():
            return f"not {_node(node.part)}"
        case And() | Or():
            word = " and " if isinstance(node, And) else " or "
            text = word.join(_node(part) for part in node.parts[:20])
            return text if top else f"({text})"


def _check(check: Check) -> str:
    modifier = f" {check.modifier}" if check.modifier else ""
    right = f" {_right(check.right)}" if check.right is not None else ""
    return f"{_operand(check.left)} {check.op}{modifier}{right}"


def _right(right: Right) -> str:
    match right:
        case Field():
            return f"val({right})"
        case Values():
            more = ", …" if len(right.values) > _VALUES_SHOWN else ""
            shown = ", ".join(_operand(value) for value in right.values[:_VALUES_SHOWN])
            return f"({shown}{more})"
        case ListName():
            return f"({right.name})"
        case None:
            return ""
        case _:
            return _operand(right)


def _operand(operand: Operand) -> str:
    match operand:
        case Field():
            return str(operand)
        case Text():
            value = operand.value[:40]
            return value if _BARE.match(value) else f'"{value}"'
        case Transform():
            return f"{operand.name}({', '.join(_operand(part) for part in operand.args)})"
        case Items():
            return f"({', '.join(_operand(part) for part in operand.items)})"
