"""base64, URL, JSON, YAML and CSV. What is encoded with unknown pieces keeps its structure."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import re
import urllib.parse
import zlib
from typing import Any

from haechi.engines.hcl.functions import yamls
from haechi.engines.hcl.functions.formatting import to_json
from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.json_values import loads
from haechi.engines.hcl.values import (
    Budget,
    EvalFault,
    joined,
    unknowns_in,
)
from haechi.errors import LimitExceeded
from haechi.model.unknown import Unknown

_MAX_DEPTH = 100
_MAX_UNPACKED = 16 * 1024 * 1024


def _encoded(value: Any, write: Any, context: Context) -> Any:
    """A text, or an unknown one that knows its structure."""
    _check_depth(value, context.budget)
    unknowns = list(unknowns_in(value, context.budget))
    if unknowns:
        whole = joined(unknowns, given=True)
        content = None if isinstance(value, Unknown) else value
        return Unknown(
            whole.reason, cause=whole.cause, refs=whole.refs, given=True, content=content
        )
    text = write(value)
    context.budget.grow(len(text))
    return text


def _check_depth(value: Any, budget: Budget, depth: int = 0) -> None:
    if depth > _MAX_DEPTH:
        raise LimitExceeded("a value is nested too deeply")
    if isinstance(value, (dict, list)):
        budget.step(len(value))
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, budget, depth + 1)


class _Encode(Function):
    """Takes anything, unknown too."""

    def __call__(self, context: Context, args: list[Any]) -> Any:
        self._count(len(args))
        return _encoded(args[0], self.code, context)


class _Decode(Function):
    """Gives back the structure that was encoded."""

    def __call__(self, context: Context, args: list[Any]) -> Any:
        if len(args) == 1 and isinstance(args[0], Unknown) and args[0].content is not None:
            return args[0].content
        return super().__call__(context, args)


def _jsondecode(context: Context, text: str) -> Any:
    context.budget.grow(len(text))
    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        raise EvalFault(f"jsondecode: this is not JSON: {str(error)[:100]}") from None


def _yamldecode(context: Context, text: str) -> Any:
    context.budget.grow(len(text))
    return yamls.decode(text, context.budget)


def _base64decode(context: Context, text: str) -> str:
    data = _bytes(text, "base64decode")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise EvalFault("base64decode: the content is not UTF-8") from None


def _bytes(text: str, function: str) -> bytes:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise EvalFault(f"{function}: this is not base64") from None


def _base64encode(context: Context, text: str) -> str:
    context.budget.grow(len(text) * 2)
    return base64.b64encode(text.encode()).decode()


def _base64gzip(context: Context, text: str) -> Unknown:
    return Unknown("the bytes of gzip depend on who packs", cause="base64gzip()", given=True)


def _base64gunzip(context: Context, text: str) -> str:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        data = unpacker.decompress(_bytes(text, "base64gunzip"), _MAX_UNPACKED)
        if unpacker.unconsumed_tail:
            raise LimitExceeded("base64gunzip: the content is too large")
        context.budget.grow(len(data))
        return data.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        raise EvalFault("base64gunzip: this is not packed text") from None


def _text_encode(context: Context, text: str, encoding: str) -> str:
    try:
        return base64.b64encode(text.encode(_codec(encoding))).decode()
    except (LookupError, UnicodeError):
        raise EvalFault(f"textencodebase64: cannot be written as {encoding[:40]!r}") from None


def _text_decode(context: Context, text: str, encoding: str) -> str:
    try:
        return _bytes(text, "textdecodebase64").decode(_codec(encoding))
    except (LookupError, UnicodeError):
        raise EvalFault(f"textdecodebase64: cannot be read as {encoding[:40]!r}") from None


def _codec(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:()-]{1,40}", name):
        raise LookupError(name)
    if not name.lower().startswith(
        (
            "utf",
            "iso",
            "windows",
            "cp",
            "us-ascii",
            "ascii",
            "latin",
            "shift",
            "euc",
            "big5",
            "gb",
            "koi8",
            "macintosh",
            "ibm",
        )
    ):
        raise LookupError(name)
    return "cp" + name[8:] if name.lower().startswith("windows-") else name


def _urldecode(context: Context, text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise EvalFault("urldecode: a '%' is followed by no two digits")
    return urllib.parse.unquote_plus(text)


def _csvdecode(context: Context, text: str) -> list[dict[str, str]]:
    context.budget.grow(len(text) * 2)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise EvalFault(f"csvdecode: {error}") from None
    if not rows:
        raise EvalFault("csvdecode: there is no line with names")
    names = rows[0]
    if len(set(names)) != len(names):
        raise EvalFault("csvdecode: two columns have one name")
    context.budget.grow(len(rows) * len(names))
    if any(len(row) != len(names) for row in rows):
        raise EvalFault("csvdecode: a line has another number of columns than the first")
    return [dict(zip(names, row, strict=True)) for row in rows[1:]]


FUNCTIONS = (
    Function("base64decode", "s", _base64decode),
    Function("base64encode", "s", _base64encode),
    Function("base64gunzip", "s", _base64gunzip),
    Function("base64gzip", "s", _base64gzip),
    Function("csvdecode", "s", _csvdecode),
    _Decode("jsondecode", "s", _jsondecode),
    _Encode("jsonencode", "a?", to_json),
    Function("textdecodebase64", "s s", _text_decode),
    Function("textencodebase64", "s s", _text_encode),
    Function("urldecode", "s", _urldecode),
    Function("urlencode", "s", lambda _, text: urllib.parse.quote_plus(text, safe="")),
    _Decode("yamldecode", "s", _yamldecode),
    _Encode("yamlencode", "a?", yamls.encode),
)
