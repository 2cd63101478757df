"""Quoted strings of the language: undoing escapes, and writing a text so that it reads back.

The escapes are those of libs (``filter/escaping.cpp``), including its one oddity: a backslash
before a blank stands for a backslash, because old rules were written that way.
"""

from __future__ import annotations

import re

from haechi.errors import ConditionError

_SIMPLE = {
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    " ": "\\",
    "\\": "\\",
    "/": "/",
}
_ESCAPE = re.compile(r"\\(?:x(.{0,2})|(.?))", re.DOTALL)
BARE = re.compile(r"[^()\"'\t\n\v\f\r =,]+")
"""A value without quotes, as the grammar has it."""
_BARE = re.compile(r"[^()\"'\t\n\v\f\r =,\x00\b\\]+")
_BYTES = re.compile("[\udc80-\udcff]+")
_WRITTEN = {
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\\": "\\\\",
    '"': '\\"',
    "\x00": "\\x00",
}


def unescape(body: str, quote: str) -> str:
    """The text that ``body``, found between two ``quote`` characters, stands for."""
    if "\\" not in body:
        return body
    high = False

    def undo(match: re.Match[str]) -> str:
        nonlocal high
        digits, one = match.groups()
        if digits is not None:
            code = _hex(digits)
            high = high or code > 0x7F
            return chr(0xDC00 + code) if code > 0x7F else chr(code)
        return _simple(one, quote)

    text = _ESCAPE.sub(undo, body)
    return _decoded(text) if high else text


def _simple(one: str, quote: str) -> str:
    if one in _SIMPLE:
        return _SIMPLE[one]
    if one in ('"', "'"):
        if one == quote:
            return one
        raise ConditionError(f"invalid \\{one} escape in {quote}-quoted string")
    raise ConditionError(f"unsupported string escape sequence: \\{one}")


def _hex(digits: str) -> int:
    if len(digits) < 2:
        raise ConditionError("truncated hex char escape sequence")
    if not re.fullmatch(r"[0-9a-fA-F]{2}", digits):
        raise ConditionError(f"invalid hex char escape sequence: {digits}")
    return int(digits, 16)


def _decoded(text: str) -> str:
    """Bytes written as ``\\xNN`` joined to characters; what is not UTF-8 becomes U+FFFD, as it
    does in events."""
    return _BYTES.sub(
        lambda match: match[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace"), text
    )


def quoted(text: str) -> str:
    """``text`` between double quotes, so that it reads back as it is.

    A quote never closes after a backslash, so a backslash at the end is written by its code.
    """
    body = "".join(_WRITTEN.get(char, char) for char in text)
    if text.endswith("\\"):
        body = body[:-2] + "\\x5c"
    return f'"{body}"'


def written(text: str) -> str:
    """``text`` as a value: bare where that reads back the same, else quoted."""
    return text if _BARE.fullmatch(text) else quoted(text)
