"""Texts: format, join, regex, replace, split, … Patterns are RE2's, never Python's: a pattern
comes from the judged text and must not be able to run for ever."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from haechi.engines.hcl.functions import formatting, patterns
from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.structures import text_with_unknowns
from haechi.engines.hcl.values import EvalFault, as_text, kind_of, unknowns_in
from haechi.model.unknown import Unknown

_SPACE = " \t\n\v\f\r\x85\xa0\u2028\u2029\u3000"


def _text(function: str, value: Any) -> str:
    if value is None:
        raise EvalFault(f"{function}: an element is null")
    try:
        return as_text(value)
    except EvalFault:
        raise EvalFault(f"{function}: an element is {kind_of(value)}, not a string") from None


def _join(context: Context, separator: str, *lists: list[Any]) -> Any:
    items = [item for values in lists for item in values]
    if next(unknowns_in(items, context.budget), None) is None:
        texts = [_text("join", item) for item in items]
        context.budget.grow(sum(map(len, texts)) + len(separator) * len(texts))
        return separator.join(texts)
    pieces: list[Any] = []
    for item in items:
        if pieces:
            pieces.append(separator)
        if isinstance(item, Unknown):
            pieces.extend(item.parts or (item,))
        else:
            pieces.append(_text("join", item))
    context.budget.grow(sum(len(piece) for piece in pieces if isinstance(piece, str)))
    return text_with_unknowns(pieces)


def _split(context: Context, separator: str, text: str) -> list[str]:
    context.budget.grow(len(text))
    return text.split(separator) if separator else list(text)


def _replace(context: Context, text: str, search: str, into: str) -> str:
    if len(search) > 1 and search.startswith("/") and search.endswith("/"):
        return patterns.replace(context, text, search[1:-1], into)
    times = text.count(search) if search else len(text) + 1
    context.budget.grow(len(text) + times * len(into))
    return text.replace(search, into)


def _indent(context: Context, width: int, text: str) -> str:
    if width < 0:
        raise EvalFault("indent: the width is negative")
    lines = text.count("\n")
    context.budget.grow(len(text) + width * lines)
    return text.replace("\n", "\n" + " " * width) if lines else text


def _substr(context: Context, text: str, offset: int, length: int) -> str:
    if offset < 0:
        offset = max(len(text) + offset, 0)
    return text[offset:] if length < 0 else text[offset : offset + length]


def _title(context: Context, text: str) -> str:
    return re.sub(r"(?:^|(?<=[\s]))\w", lambda found: found[0].upper(), text)


def _upper(text: str) -> str:
    """Go changes letter by letter: what has two capitals stays."""
    if text.isascii():
        return text.upper()
    return "".join(up if len(up := one.upper()) == 1 else one for one in text)


def _lower(text: str) -> str:
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)


def _chomp(context: Context, text: str) -> str:
    return text.rstrip("\r\n")


def _sort(context: Context, values: list[Any]) -> list[str]:
    context.budget.step(len(values))
    return sorted((_text("sort", value) for value in values), key=lambda text: text.encode())


def _normal(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _formatlist(context: Context, form: str, *args: Any) -> list[Any]:
    lists = [arg for arg in args if isinstance(arg, list)]
    lengths = {len(arg) for arg in lists}
    if len(lengths) > 1:
        raise EvalFault("formatlist: the lists differ in length")
    count = lengths.pop() if lengths else 1
    context.budget.step(count)
    out: list[Any] = []
    for index in range(count):
        row = [arg[index] if isinstance(arg, list) else arg for arg in args]
        out.append(formatting.formatted(context, form, row))
    return out


def _format(context: Context, form: str, *args: Any) -> Any:
    return formatting.formatted(context, form, list(args))


class _Formats(Function):
    """``format`` and ``formatlist``: an unknown argument leaves the rest of the text known."""

    def __call__(self, context: Context, args: list[Any]) -> Any:
        if args and isinstance(args[0], str):
            context.budget.step(1 + len(args))
            whole_list = self.name == "formatlist"
            unknown = next((arg for arg in args if isinstance(arg, Unknown)), None)
            if unknown is None or not whole_list:
                return self.code(context, *args)
        return super().__call__(context, args)


FUNCTIONS = (
    Function("chomp", "s", _chomp),
    Function("endswith", "s s", lambda _, text, end: text.endswith(end)),
    _Formats("format", "s a?*", _format),
    _Formats("formatlist", "s a?*", _formatlist, open=True),
    Function("indent", "i s", _indent),
    Function("join", "s l*", _join, open=True),
    Function("lower", "s", lambda _, text: _lower(text)),
    Function("regex", "s s", patterns.regex),
    Function("regexall", "s s", patterns.regexall),
    Function("replace", "s s s", _replace),
    Function("sort", "l", _sort),
    Function("split", "s s", _split),
    Function("startswith", "s s", lambda _, text, start: text.startswith(start)),
    Function("strcontains", "s s", lambda _, text, part: part in text),
    Function("strrev", "s", lambda _, text: _normal(text)[::-1]),
    Function("substr", "s i i", _substr),
    Function("title", "s", _title),
    Function("trim", "s s", lambda _, text, cut: text.strip(cut) if cut else text),
    Function("trimprefix", "s s", lambda _, text, start: text.removeprefix(start)),
    Function("trimspace", "s", lambda _, text: text.strip(_SPACE)),
    Function("trimsuffix", "s s", lambda _, text, end: text.removesuffix(end)),
    Function("upper", "s", lambda _, text: _upper(text)),
)
