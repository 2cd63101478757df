"""The subset of YAML that pnpm and yarn write, read line by line: mappings by indentation, quoted
and plain texts, flow mappings on one line. Values stay texts; lists, which no reader needs, are
passed over.

The general parser needs about 15 µs a line, and lock files have a hundred thousand lines. Whatever
is not in the subset is left to that parser.
"""

from __future__ import annotations

import json
import re
from typing import Any

from haechi.engines.documents import Document
from haechi.errors import InputError
from haechi.scan.deps.formats.decoding import text_of, yaml_of

_QUOTED = re.compile(r"('(?:[^']|'')*+'|\"(?:[^\"\\]|\\.)*+\"):(?: +(.*))?\Z")
_TEXT = r"'(?:[^']|'')*+'|\"(?:[^\"\\]|\\.)*+\""
_FLOW_PAIR = re.compile(
    rf"\s*({_TEXT}|[^\s,:{{}}\[\]'\"]+(?:(?: |:(?! ))[^\s,:{{}}\[\]'\"]+)*+)\s*:\s+"
    rf"({_TEXT}|\[[^\[\]{{}}]*+\]|[^,{{}}\[\]'\"\s][^,{{}}\[\]]*+|(?=[,}}]))\s*+(,|\}}\Z)"
)
_FOREIGN = frozenset("&*!%@`[{|>'\"")
_MAX_LEVEL = 20


class Blocks:
    """One document: ``data``, the lines of its keys (``lines[""]``) and of those below them
    (``lines[key]``); ``cut``: there were too many."""

    __slots__ = ("cut", "data", "lines")

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.lines: dict[str, dict[str, int]] = {}
        self.cut = False


class _Foreign(Exception):
    """A line outside of the subset."""


def read_blocks(data: bytes, path: str, limit: int) -> list[Blocks]:
    """The documents of a lock file. A mapping of the first or second level that has more than
    ``limit`` entries is cut there (``cut``). Raises InputError, LimitExceeded."""
    text = text_of(data, path)
    try:
        return _documents(text, limit)
    except _Foreign:
        return [_general(document, path) for document in yaml_of(data, path)]


def _documents(text: str, limit: int) -> list[Blocks]:
    found: list[Blocks] = []
    current = Blocks()
    stack: list[tuple[int, dict[str, Any]]] = [(-1, current.data)]
    top = ""
    listed = -1
    explicit = ""
    for number, row in enumerate(text.split("\n"), 1):
        body = row.lstrip(" ")
        if not body or body[0] in "#\r":
            continue
        indent = len(row) - len(body)
        if listed >= 0:
            if indent > listed:
                continue
            listed = -1
        if body[-1] == "\r" or body[-1] == " ":
            body = body.rstrip()
        if body[0] == "-":
            if body == "---" and not indent:
                found.append(current)
                current = Blocks()
                stack = [(-1, current.data)]
                continue
            if body[:2] != "- ":
                raise _Foreign
            if ": " in body or body[-1] == ":":
                listed = indent  # what belongs to a mapping in a list is passed over with it
            continue
        if body[0] == "?" and body[:2] == "? ":
            explicit = _scalar(body[2:].strip())
            continue
        if explicit and body[0] == ":":
            key, rest = explicit, body[1:].strip()
            explicit = ""
            if rest:
                raise _Foreign
        else:
            key, rest = _pair(body)
        while stack[-1][0] >= indent:
            stack.pop()
        holder = stack[-1][1]
        depth = len(stack)
        if depth <= 2:
            if depth == 1:
                top = key
            if len(holder) >= limit and key not in holder:
                current.cut = True
                stack.append((indent, {}))
                continue
            current.lines.setdefault(top if depth == 2 else "", {})[key] = number
        if rest:
            holder[key] = _value(rest)
        else:
            if depth > _MAX_LEVEL:
                raise _Foreign
            child: dict[str, Any] = {}
            holder[key] = child
            stack.append((indent, child))
    return [one for one in (*found, current) if one.data]


def _pair(body: str) -> tuple[str, str]:
    first = body[0]
    if first in "'\"":
        end = body.find(first, 1)
        if body[end + 1 : end + 3] == ": " and "\\" not in body[1:end]:
            return body[1:end], body[end + 3 :].lstrip()
        match = _QUOTED.match(body)
        if match is None:
            raise _Foreign
        return _scalar(match[1]), match[2] or ""
    if first in _FOREIGN or " #" in body:
        raise _Foreign
    key, colon, rest = body.partition(": ")
    if colon:
        return key, rest.strip()
    if body[-1] != ":":
        raise _Foreign
    return body[:-1], ""


def _value(rest: str) -> Any:
    first = rest[0]
    if first not in _FOREIGN:
        return rest
    if first in "'\"":
        return _scalar(rest)
    if first == "{":
        return _flow(rest)
    if first == "[" and rest[-1] == "]":
        return rest
    raise _Foreign


def _scalar(text: str) -> str:
    if text[:1] == "'":
        if len(text) < 2 or text[-1] != "'":
            raise _Foreign
        return text[1:-1].replace("''", "'")
    if text[:1] == '"':
        if "\\" not in text and len(text) > 1 and text[-1] == '"':
            return text[1:-1]
        try:
            return str(json.loads(text))
        except ValueError as error:
            raise _Foreign from error
    return text


def _flow(text: str) -> dict[str, str]:
    """``{integrity: sha512-…, tarball: https://…}``; empty for ``{}``."""
    found: dict[str, str] = {}
    if text == "{}":
        return found
    at = 1
    while True:
        match = _FLOW_PAIR.match(text, at)
        if match is None:
            raise _Foreign
        found[_scalar(match[1])] = _scalar(match[2].rstrip())
        at = match.end()
        if match[3] == "}":
            return found


def _general(document: Document, path: str) -> Blocks:
    """A document that the general parser read, and the lines that its nodes tell."""
    found = Blocks()
    if not isinstance(document.data, dict):
        do = "write the lock file again with its own tool"
        raise InputError("not a lock file: it holds no mapping", where=path, do=do)
    found.data = _as_texts(document.data)
    found.lines[""] = {key: document.locate((key,))[0] for key in document.data}
    for top, value in document.data.items():
        if isinstance(value, dict):
            found.lines[top] = {key: document.locate((top, key))[0] for key in value}
    return found


def _as_texts(value: Any) -> Any:
    """Numbers and truth values as the line reader gives them: texts."""
    if isinstance(value, dict):
        return {str(key): _as_texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_texts(one) for one in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
