"""A tree back to text: ``whole``, which parses to the same tree, for whoever has to do something
with a rule whose macros and lists are known here alone (a sensor that asks its server for rules),
and ``brief``, short enough to be quoted in a message.
"""

from __future__ import annotations

import re

from haechi.engines.falco.escaping import quoted, written
from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
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
_BARE_ARG = re.compile(r"[^\]\[\"'\t\n\v\f\r \x00]+")
_VALUES_SHOWN, _PARTS_SHOWN = 4, 20


def whole(node: Node) -> str:
    """The condition as text that parses to an equal tree: every group in parentheses, since
    ``not not a`` would be read as ``a``."""
    return _node(node, brief=False)


def brief(node: Node) -> str:
    """The condition as people write it, cut when it is long."""
    text = _node(node, brief=True)
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"


def _node(node: Node, *, brief: bool) -> str:
    match node:
        case Check():
            modifier = f" {node.modifier}" if node.modifier else ""
            right = "" if node.right is None else f" {_right(node.right, brief=brief)}"
            return f"{_operand(node.left)} {node.op}{modifier}{right}"
        case Macro():
            return node.name
        case Not():
            return f"not {_part(node.part, brief=brief)}"
        case And() | Or():
            word = " and " if isinstance(node, And) else " or "
            # What is cut away is not written first: conditions may have 20,000 parts.
            parts = node.parts[:_PARTS_SHOWN] if brief else node.parts
            return word.join(_part(part, brief=brief) for part in parts)


def _part(node: Node, *, brief: bool) -> str:
    text = _node(node, brief=brief)
    return text if brief and not isinstance(node, (And, Or)) else f"({text})"


def _right(right: Right, *, brief: bool) -> str:
    match right:
        case Field():
            return f"val({_operand(right)})"
        case Values():
            cut = brief and len(right.values) > _VALUES_SHOWN
            texts = right.values[:_VALUES_SHOWN] if cut else right.values
            return f"({', '.join(map(_operand, texts))}{', …' if cut else ''})"
        case ListName():
            return right.name
        case Text() | Transform():
            return _operand(right)
        case None:
            return ""


def _operand(operand: Operand) -> str:
    match operand:
        case Field():
            return operand.name + _argument(operand.arg)
        case Text():
            return quoted(operand.value) if operand.quoted else written(operand.value)
        case Transform():
            args = ", ".join(map(_operand, operand.args))
            return f"{operand.name}({args}){_argument(operand.arg)}"
        case _:
            return f"({', '.join(map(_operand, operand.items))})"


def _argument(arg: str | None) -> str:
    if arg is None:
        return ""
    return f"[{arg}]" if _BARE_ARG.fullmatch(arg) else f"[{quoted(arg)}]"
