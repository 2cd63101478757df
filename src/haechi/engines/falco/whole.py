"""A condition back to text, whole: it parses to the same tree. For whoever has to do something with
a rule whose macros and lists are known here alone (a sensor that asks its server for rules).
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

_BARE_ARG = re.compile(r"[^\]\[\"'\t\n\v\f\r \x00]+")


def whole(node: Node) -> str:
    """The condition as text, every group in parentheses."""
    match node:
        case Check():
            modifier = f" {node.modifier}" if node.modifier else ""
            right = "" if node.right is None else f" {_right(node.right)}"
            return f"{_operand(node.left)} {node.op}{modifier}{right}"
        case Macro():
            return node.name
        case Not():
            return f"not ({whole(node.part)})"
        case And() | Or():
            word = " and " if isinstance(node, And) else " or "
            return word.join(f"({whole(part)})" for part in node.parts)


def _right(right: Right) -> str:
    match right:
        case Field():
            return f"val({_operand(right)})"
        case Values():
            return f"({', '.join(_operand(text) for text in right.values)})"
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
            args = ", ".join(_operand(arg) for arg in operand.args)
            return f"{operand.name}({args}){_argument(operand.arg)}"
        case _:
            return f"({', '.join(_operand(item) for item in operand.items)})"


def _argument(arg: str | None) -> str:
    if arg is None:
        return ""
    return f"[{arg}]" if _BARE_ARG.fullmatch(arg) else f"[{quoted(arg)}]"
