"""Regular expressions. Go's RE2 and this one are of one family: linear in time, the same syntax.

They work on UTF-8 throughout, as Go does: positions are bytes, pieces are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.globs_intersection import intersect
from haechi.engines.rego.builtins.operands import small_integer, text
from haechi.engines.rego.values import BuiltinError, Value

_MAX_PATTERN: Final = 64 * 1024
_WORD: Final = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")

Span = tuple[int, int]


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The pattern for bytes; BuiltinError where it is none."""
    import re2

    if len(pattern) > _MAX_PATTERN:
        operands.too_large("a pattern", _MAX_PATTERN)
    options = re2.Options()
    options.log_errors = False
    if "\\C" in pattern.replace("\\\\", ""):
        raise BuiltinError("error parsing regexp: invalid escape sequence: `\\C`")
    try:
        return re2.compile(encoded(pattern), options=options)
    except re2.error as error:
        raise BuiltinError(f"error parsing regexp: {error}") from error


def encoded(value: str) -> bytes:
    return value.encode("utf-8", "replace")


def match(pattern: Value, value: Value) -> bool:
    if type(pattern) is not str or type(value) is not str:
        text(pattern, 1)
        text(value, 2)
    return compiled(pattern).search(encoded(value)) is not None


def is_valid(pattern: Value) -> bool:
    if type(pattern) is not str:
        return False
    try:
        compiled(pattern)
    except BuiltinError:
        return False
    return True


def _found(pattern: Any, subject: bytes, most: int) -> Iterator[list[Span]]:
    """Go's FindAll: matches that do not overlap; an empty one next to the last match is none.
    Each is a list of spans, of the whole and the groups; (-1, -1) where a group took no part."""
    at, last_end, count = 0, -1, 0
    while at <= len(subject) and count != most:
        found = pattern.search(subject, at)
        if found is None:
            return
        spans = [found.span(group) for group in range(pattern.groups + 1)]
        start, end = spans[0]
        if end > at:
            at = end
        else:
            at += _width(subject, at)
        if not (start == end == last_end):
            count += 1
            yield spans
        last_end = end
        if count > operands.MAX_ITEMS:
            operands.too_large("the matches of a pattern", operands.MAX_ITEMS)


def _width(subject: bytes, at: int) -> int:
    lead = subject[at] if at < len(subject) else 0
    return 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


def _piece(subject: bytes, span: Span) -> str:
    return subject[span[0] : span[1]].decode("utf-8", "replace") if span[0] >= 0 else ""


def find_n(pattern: Value, value: Value, most: Value) -> list[str]:
    wanted, subject = text(pattern, 1), encoded(text(value, 2))
    number = small_integer(most, 3)
    return [_piece(subject, spans[0]) for spans in _found(compiled(wanted), subject, number)]


def find_groups(pattern: Value, value: Value, most: Value) -> list[list[str]]:
    wanted, subject = text(pattern, 1), encoded(text(value, 2))
    number = small_integer(most, 3)
    return [
        [_piece(subject, span) for span in spans]
        for spans in _found(compiled(wanted), subject, number)
    ]


def split(pattern: Value, value: Value) -> list[str]:
    wanted, whole = text(pattern, 1), text(value, 2)
    subject = encoded(whole)
    expression = compiled(wanted)
    if wanted and not subject:
        return [""]
    made: list[str] = []
    begin = end = 0
    for spans in _found(expression, subject, -1):
        start, stop = spans[0]
        if begin == 0 and stop == 0 and not made:
            continue  # an empty match at the very beginning splits nothing off
        end = start
        if stop != 0:
            made.append(_piece(subject, (begin, end)))
        begin = stop
    if end != len(subject):
        made.append(_piece(subject, (begin, len(subject))))
    return made


def replace(value: Value, pattern: Value, new: Value) -> str:
    whole, wanted, template = text(value, 1), text(pattern, 2), text(new, 3)
    expression, subject = compiled(wanted), encoded(whole)
    parts = _template(template, expression)
    made: list[bytes] = []
    at = size = 0
    for spans in _found(expression, subject, -1):
        made.append(subject[at : spans[0][0]])
        made.append(_expanded(parts, subject, spans))
        size += len(made[-1])
        if size > operands.MAX_TEXT:
            operands.too_large("the result of regex.replace", operands.MAX_TEXT)
        at = spans[0][1]
    made.append(subject[at:])
    return b"".join(made).decode("utf-8", "replace")


def _expanded(parts: list[bytes | int], subject: bytes, spans: list[Span]) -> bytes:
    made = []
    for part in parts:
        if isinstance(part, bytes):
            made.append(part)
        elif part < len(spans) and spans[part][0] >= 0:
            made.append(subject[spans[part][0] : spans[part][1]])
    return b"".join(made)


def _template(template: str, expression: Any) -> list[bytes | int]:
    """``$1``, ``${1}``, ``$name`` (the longest run of letters, digits, underscores), ``$$``."""
    source = encoded(template)
    parts: list[bytes | int] = []
    at = 0
    while True:
        dollar = source.find(b"$", at)
        if dollar < 0:
            parts.append(source[at:])
            return parts
        parts.append(source[at:dollar])
        if source[dollar + 1 : dollar + 2] == b"$":
            parts.append(b"$")
            at = dollar + 2
            continue
        name, at = _reference(source, dollar + 1)
        if name is None:
            parts.append(b"$")
        else:
            group = int(name) if name.isdigit() else _group(expression, name)
            if group >= 0:
                parts.append(group)


def _group(expression: Any, name: str) -> int:
    """-1 where there is none of that name. Patterns for bytes have names in bytes."""
    named = expression.groupindex
    return int(named.get(name, named.get(name.encode(), -1)))


def _reference(source: bytes, start: int) -> tuple[str | None, int]:
    braced = source[start : start + 1] == b"{"
    at = start + 1 if braced else start
    end = at
    while end < len(source) and source[end] in _WORD:
        end += 1
    if end == at or (braced and source[end : end + 1] != b"}"):
        return None, start
    return source[at:end].decode(), end + 1 if braced else end


def template_match(template: Value, value: Value, opening: Value, closing: Value) -> bool:
    """``urn:foo:{.*}`` with its own marks around the regular expressions."""
    form, whole = text(template, 1), text(value, 2)
    first, last = text(opening, 3), text(closing, 4)
    for mark in (first, last):
        if len(encoded(mark)) != 1:
            raise BuiltinError("a delimiter has to be exactly one character long")
    return compiled(_from_template(form, first, last)).search(encoded(whole)) is not None


@lru_cache(maxsize=256)
def _from_template(form: str, first: str, last: str) -> str:
    import re2

    made, level, start, end = ["^"], 0, 0, 0
    for at, character in enumerate(form):
        if character == first:
            level += 1
            start = at if level == 1 else start
        elif character == last:
            level -= 1
            if level < 0:
                break
            if level == 0:
                inner = form[start + 1 : at]
                compiled(f"^{inner}$")
                made.append(f"{re2.escape(form[end:start])}({inner})")
                end = at + 1
    if level != 0:
        raise BuiltinError("unbalanced braces")
    return "".join([*made, re2.escape(form[end:]), "$"])


def globs_match(left: Value, right: Value) -> bool:
    return intersect(text(left, 1), text(right, 2))


TABLE: Final = (
    Builtin(name="regex.match", arity=2, call=match),
    Builtin(name="re_match", arity=2, call=match),
    Builtin(name="regex.is_valid", arity=1, call=is_valid),
    Builtin(name="regex.split", arity=2, call=split),
    Builtin(name="regex.find_n", arity=3, call=find_n),
    Builtin(name="regex.find_all_string_submatch_n", arity=3, call=find_groups),
    Builtin(name="regex.replace", arity=3, call=replace),
    Builtin(name="regex.template_match", arity=4, call=template_match),
    Builtin(name="regex.globs_match", arity=2, call=globs_match),
)
