"""Trees as text that parses to the same tree, and random trees to try that with."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from haechi.engines.falco.escaping import quoted
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

_BARE_ARG = re.compile(r"[^\]\[\"'\t\n\v\f\r \x00]+")


def shown(node: Node) -> str:
    """The condition as text, every group in parentheses."""
    match node:
        case Check():
            modifier = f" {node.modifier}" if node.modifier else ""
            right = "" if node.right is None else f" {_right(node.right)}"
            return f"{_operand(node.left)} {node.op}{modifier}{right}"
        case Macro():
            return node.name
        case Not():
            return f"not ({shown(node.part)})"
        case And():
            return " and ".join(f"({shown(part)})" for part in node.parts)
        case Or():
            return " or ".join(f"({shown(part)})" for part in node.parts)


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
            return quoted(operand.value) if operand.quoted else operand.value
        case Transform():
            args = ", ".join(_operand(arg) for arg in operand.args)
            return f"{operand.name}({args}){_argument(operand.arg)}"
        case Items():
            return f"({', '.join(_operand(item) for item in operand.items)})"


def _argument(arg: str | None) -> str:
    if arg is None:
        return ""
    return f"[{arg}]" if _BARE_ARG.fullmatch(arg) else f"[{quoted(arg)}]"


_KEYWORDS = {"and", "or", "not"}
_words = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda word: word not in _KEYWORDS
)
_any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_numbers = st.sampled_from(["0", "7", "-3", "+12", "0x1F", "3.25", "1e+5"])
_quoted = st.builds(Text, value=_any_text, quoted=st.just(True))
_bare = st.builds(Text, value=st.from_regex(r"[a-z0-9/.*:!{}\[\]<>|\\-]{1,8}", fullmatch=True))
_texts = _quoted | _bare
_fields = st.builds(
    Field,
    name=st.builds("{}.{}".format, _words, _words),
    arg=st.none() | _any_text | st.sampled_from(["0", "12", "/a/b", "key"]),
)
_literals = _quoted | st.builds(Text, value=_numbers)
_operands: st.SearchStrategy[Operand] = st.deferred(
    lambda: _fields | _literals | _transforms | _items
)
_transforms: st.SearchStrategy[Transform] = st.builds(
    Transform,
    name=st.sampled_from(["tolower", "b64", "len", "join", "getopt"]),
    args=st.lists(_operands, min_size=1, max_size=3).map(tuple),
    arg=st.none() | _any_text,
)
_items: st.SearchStrategy[Items] = st.builds(
    Items, items=st.lists(_fields | _literals | _transforms, max_size=3).map(tuple)
)
_values = st.builds(Values, values=st.lists(_texts, max_size=4).map(tuple))
_names = st.builds(ListName, name=_words)
_left = _fields | _transforms
_checks = st.one_of(
    st.builds(Check, left=_left, op=st.just("exists")),
    st.builds(
        Check,
        left=_left,
        op=st.sampled_from(["<", "<=", ">", ">="]),
        right=st.builds(Text, value=_numbers) | _fields | _transforms,
    ),
    st.builds(
        Check,
        left=_left,
        op=st.sampled_from(["=", "!=", "contains", "bcontains", "glob", "regex", "endswith"]),
        right=_texts | _fields | _transforms,
    ),
    st.builds(
        Check,
        left=_left,
        op=st.sampled_from(["=", "startswith", "iglob"]),
        modifier=st.sampled_from(["oneof", "anyof", "allof"]),
        right=_values | _names,
    ),
    st.builds(
        Check,
        left=_left,
        op=st.sampled_from(["in", "intersects", "pmatch"]),
        right=_values | _names | _fields | _transforms,
    ),
)
_leaves: st.SearchStrategy[Node] = _checks | st.builds(Macro, name=_words)


def _groups(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, part=parts) | st.builds(And, parts=several) | st.builds(Or, parts=several)


trees: st.SearchStrategy[Node] = st.recursive(_leaves, _groups, max_leaves=8)
