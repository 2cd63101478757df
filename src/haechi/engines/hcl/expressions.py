"""Expressions of HCL, by precedence and without recursion for operators in a row.

A level of brackets costs three frames of Python's stack, which ``cursor.MAX_DEPTH`` bounds.
"""

from __future__ import annotations

from decimal import Decimal

from haechi.engines.hcl.cursor import Cursor, SyntaxFault, told
from haechi.engines.hcl.lexer import Token
from haechi.engines.hcl.templates import template, unescape
from haechi.engines.hcl.tree import (
    Attribute,
    Binary,
    Call,
    Conditional,
    For,
    Index,
    Literal,
    Name,
    Node,
    Object,
    Splat,
    Tuple,
    Unary,
)

ITEM = "*"
"""The name that stands for each element inside ``Splat.each``; no text can write it."""

_LEVEL = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "<": 4,
    ">": 4,
    "<=": 4,
    ">=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
_WORDS = {"true": True, "false": False, "null": None}
_MAX_DIGITS = 400


def expression(cursor: Cursor) -> Node:
    """The expression that begins at the cursor. Raises SyntaxFault."""
    left = _operand(cursor)
    tokens = cursor.tokens
    kind = tokens[cursor.at][0]
    if kind in _LEVEL:
        left = _operators(cursor, left)
        kind = tokens[cursor.at][0]
    if kind != "?":
        return left
    cursor.at += 1
    cursor.deeper()
    then = expression(cursor)
    cursor.expect(":", "':' must stand between the two results of a condition")
    otherwise = expression(cursor)
    cursor.depth -= 1
    a, b = left.span, otherwise.span
    return Conditional((a[0], a[1], b[2], b[3]), left, then, otherwise)


def _operators(cursor: Cursor, first: Node) -> Node:
    """Operator precedence with stacks of operands and operators."""
    operands = [first]
    pending: list[str] = []
    tokens = cursor.tokens
    count = 0
    while True:
        operator = tokens[cursor.at][0]
        level = _LEVEL.get(operator, 0)
        while pending and _LEVEL[pending[-1]] >= level:
            right = operands.pop()
            left = operands[-1]
            a, b = left.span, right.span
            operands[-1] = Binary((a[0], a[1], b[2], b[3]), pending.pop(), left, right)
        if not level:
            return operands[0]
        count += 1
        cursor.chain(count)
        pending.append(operator)
        cursor.at += 1
        operands.append(_operand(cursor))


def _operand(cursor: Cursor) -> Node:
    """A value with everything that is asked of it, behind signs."""
    tokens = cursor.tokens
    token = tokens[cursor.at]
    kind = token[0]
    node: Node
    if kind == "str":
        cursor.at += 1
        node = Literal((token[2], token[3], token[2], token[4]), token[1])
    elif kind == "id":
        node = _word(cursor, token)
    elif kind == "num":
        cursor.at += 1
        node = Literal((token[2], token[3], token[2], token[4]), number(token[1], token))
    elif kind == "oq" or kind == "oh":
        node = template(cursor, expression)
    elif kind == "[":
        node = _tuple(cursor, token)
    elif kind == "{":
        node = _object(cursor, token)
    elif kind == "(":
        node = _bracketed(cursor, token)
    elif kind == "-" or kind == "!":
        return _signs(cursor)
    else:
        raise SyntaxFault(f"a value is missing before {told(token)}", token)
    kind = tokens[cursor.at][0]
    if kind == "." or kind == "[":
        return _steps(cursor, node, full=True)
    return node


def _signs(cursor: Cursor) -> Node:
    tokens = cursor.tokens
    signs: list[Token] = []
    while tokens[cursor.at][0] in ("-", "!"):
        signs.append(tokens[cursor.at])
        cursor.at += 1
    cursor.chain(len(signs))
    node = _operand(cursor)
    for sign in reversed(signs):
        end = node.span
        node = Unary((sign[2], sign[3], end[2], end[3]), sign[0], node)
    return node


def number(text: str, token: Token) -> int | float:
    """Whole numbers stay whole however they are written (``1e3``, ``2.0``)."""
    if len(text) > _MAX_DIGITS:
        raise SyntaxFault(f"a number of more than {_MAX_DIGITS} digits", token)
    if text.isdigit():
        return int(text)
    value = float(text)
    if value == float("inf"):
        raise SyntaxFault(f"{text} is too large", token)
    return int(Decimal(text)) if value.is_integer() else value


def _word(cursor: Cursor, token: Token) -> Node:
    cursor.at += 1
    name = token[1]
    following = cursor.tokens[cursor.at][0]
    if following == "(" or following == "::":
        return _call(cursor, token)
    span = (token[2], token[3], token[2], token[4])
    if name in _WORDS:
        return Literal(span, _WORDS[name])
    return Name(span, name)


def _call(cursor: Cursor, token: Token) -> Node:
    name = token[1]
    tokens = cursor.tokens
    while tokens[cursor.at][0] == "::":
        cursor.at += 1
        name += "::" + cursor.expect("id", "a name must follow '::'")[1]
    cursor.expect("(", f"'(' must follow the function {name}")
    cursor.deeper()
    args: list[Node] = []
    expand = False
    while cursor.skip_lines()[0] != ")":
        args.append(expression(cursor))
        following = cursor.skip_lines()
        if following[0] == "...":
            expand = True
            cursor.at += 1
            cursor.skip_lines()
            break
        if following[0] != ",":
            break
        cursor.at += 1
    end = cursor.expect(")", f"',' or ')' must follow an argument of {name}")
    cursor.depth -= 1
    return Call((token[2], token[3], end[2], end[4]), name, tuple(args), expand)


def _bracketed(cursor: Cursor, token: Token) -> Node:
    cursor.at += 1
    cursor.deeper()
    cursor.skip_lines()
    node = expression(cursor)
    cursor.skip_lines()
    cursor.expect(")", "')' must close '('")
    cursor.depth -= 1
    return node


def _tuple(cursor: Cursor, token: Token) -> Node:
    cursor.at += 1
    cursor.deeper()
    tokens = cursor.tokens
    first = cursor.skip_lines()
    if first[0] == "id" and first[1] == "for" and tokens[cursor.at + 1][0] == "id":
        return _for(cursor, token, "]")
    items: list[Node] = []
    while True:
        if tokens[cursor.at][0] == "]":
            break
        items.append(expression(cursor))
        if tokens[cursor.at][0] != ",":
            break
        cursor.at += 1
    end = cursor.expect("]", "',' or ']' must follow an element")
    cursor.depth -= 1
    return Tuple((token[2], token[3], end[2], end[4]), tuple(items))


def _object(cursor: Cursor, token: Token) -> Node:
    cursor.at += 1
    cursor.deeper()
    tokens = cursor.tokens
    first = cursor.skip_lines()
    if first[0] == "id" and first[1] == "for" and tokens[cursor.at + 1][0] == "id":
        return _for(cursor, token, "}")
    items: list[tuple[Node, Node]] = []
    while True:
        following = cursor.skip_lines()
        if following[0] == "}":
            break
        key = _key(cursor, following)
        cursor.skip_lines()
        if tokens[cursor.at][0] not in ("=", ":"):
            following = tokens[cursor.at]
            raise SyntaxFault(f"'=' or ':' must follow a key, not {told(following)}", following)
        cursor.at += 1
        cursor.skip_lines()
        items.append((key, expression(cursor)))
        separator = tokens[cursor.at]
        if separator[0] == "," or separator[0] == "nl":
            cursor.at += 1
        elif separator[0] != "}":
            raise SyntaxFault(
                f"a line break or ',' must follow an entry, not {told(separator)}", separator
            )
    end = tokens[cursor.at]
    cursor.at += 1
    cursor.depth -= 1
    return Object((token[2], token[3], end[2], end[4]), tuple(items))


def _key(cursor: Cursor, token: Token) -> Node:
    """A bare word is a text; anything else is evaluated."""
    if token[0] == "id" and cursor.tokens[cursor.at + 1][0] in ("=", ":", "nl"):
        cursor.at += 1
        return Literal((token[2], token[3], token[2], token[4]), token[1])
    return expression(cursor)


def _for(cursor: Cursor, token: Token, closing: str) -> Node:
    cursor.at += 1
    value_name = cursor.expect("id", "'for' needs a name")[1]
    key_name = None
    if cursor.skip_lines()[0] == ",":
        cursor.at += 1
        cursor.skip_lines()
        key_name = value_name
        value_name = cursor.expect("id", "'for' needs a second name")[1]
    cursor.skip_lines()
    word = cursor.expect("id", "'for' needs 'in'")
    if word[1] != "in":
        raise SyntaxFault(f"'for' needs 'in', not {told(word)}", word)
    collection = _lined(cursor)
    cursor.expect(":", "':' must follow the collection of 'for'")
    value = _lined(cursor)
    key = None
    if cursor.tokens[cursor.at][0] == "=>":
        cursor.at += 1
        key, value = value, _lined(cursor)
    if (key is None) is (closing == "}"):
        following = cursor.tokens[cursor.at]
        what = "'=>' must" if key is None else "'=>' cannot"
        raise SyntaxFault(f"{what} stand in a 'for' between {token[0]} and {closing}", following)
    group = condition = None
    if cursor.tokens[cursor.at][0] == "...":
        group = cursor.tokens[cursor.at]
        cursor.at += 1
    following = cursor.skip_lines()
    if following[0] == "id" and following[1] == "if":
        cursor.at += 1
        condition = _lined(cursor)
    end = cursor.expect(closing, f"'{closing}' must close 'for'")
    if group and key is None:
        raise SyntaxFault("'...' groups the values of an object only", group)
    cursor.depth -= 1
    span = (token[2], token[3], end[2], end[4])
    return For(span, key_name, value_name, collection, key, value, condition, group is not None)


def _lined(cursor: Cursor) -> Node:
    cursor.skip_lines()
    node = expression(cursor)
    cursor.skip_lines()
    return node


def _steps(cursor: Cursor, node: Node, *, full: bool) -> Node:
    """``.name``, ``[key]``, ``[*]…``, ``.*…`` behind a value."""
    tokens = cursor.tokens
    line, column = node.span[0], node.span[1]
    count = 0
    while True:
        token = tokens[cursor.at]
        if token[0] == ".":
            count += 1
            cursor.chain(count)
            cursor.at += 1
            following = tokens[cursor.at]
            if following[0] == "id":
                cursor.at += 1
                end = (line, column, following[2], following[4])
                node = Attribute(end, node, following[1])
            elif following[0] == "num":
                node = _numbers(cursor, node, following)
            elif following[0] == "*" and full:
                node = _attribute_splat(cursor, node, following)
            else:
                raise SyntaxFault(f"a name must follow '.', not {told(following)}", following)
        elif token[0] == "[" and full:
            count += 1
            cursor.chain(count)
            cursor.at += 1
            if tokens[cursor.at][0] == "*" and tokens[cursor.at + 1][0] == "]":
                return _full_splat(cursor, node)
            cursor.deeper()
            key = _lined(cursor)
            end_token = cursor.expect("]", "']' must close '['")
            cursor.depth -= 1
            node = Index((line, column, end_token[2], end_token[4]), node, key)
        else:
            return node


def _numbers(cursor: Cursor, node: Node, token: Token) -> Node:
    """``.0`` and ``.0.1``, which the lexer takes for a fraction."""
    cursor.at += 1
    line, column = node.span[0], node.span[1]
    for digits in token[1].split("."):
        if not digits.isdigit() or len(digits) > 9:
            raise SyntaxFault(f"{told(token)} is no index", token)
        node = Attribute((line, column, token[2], token[4]), node, digits)
    return node


def _full_splat(cursor: Cursor, node: Node) -> Node:
    end = cursor.tokens[cursor.at + 1]
    cursor.at += 2
    cursor.deeper()
    item = Name((end[2], end[3], end[2], end[4]), ITEM)
    each = _steps(cursor, item, full=True)
    cursor.depth -= 1
    a, b = node.span, each.span
    return Splat((a[0], a[1], b[2], b[3]), node, True, each)


def _attribute_splat(cursor: Cursor, node: Node, token: Token) -> Node:
    cursor.at += 1
    item = Name((token[2], token[3], token[2], token[4]), ITEM)
    each = _steps(cursor, item, full=False)
    a, b = node.span, each.span
    return Splat((a[0], a[1], b[2], b[3]), node, False, each)


__all__ = ["ITEM", "expression", "number", "unescape"]
