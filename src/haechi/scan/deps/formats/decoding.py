"""Text, JSON, TOML and YAML of lock files within bounds.

All of them are hostile input. Sizes are checked before anything is decoded, and so is the number
of values (counted by their separators, which costs a memory scan): a decoder that builds Python
values needs up to fifty times the size of what it reads. Faults are InputError with the line.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from haechi.engines import documents
from haechi.engines.values import Limits
from haechi.errors import InputError, LimitExceeded
from haechi.model.coverage import Gap

MAX_BYTES = 64 * 1024 * 1024
"""Of one file; the largest public lock files known have about 5 MB."""
MAX_VALUES = 6_000_000
"""Separators and opening brackets of one file."""
MAX_PACKAGES = 100_000
"""Of one file. The largest public monorepos have about 10,000."""
MAX_OBJECTS = 8 * MAX_PACKAGES
"""Of one JSON file, which can only be decoded as a whole."""
MAX_MANIFEST = 4 * 1024 * 1024
"""Bytes of a manifest: people write those."""
MAX_YAML = 8 * 1024 * 1024
"""Bytes that the general YAML parser is given; lock files that tools write do not need it."""
MAX_DEPTH = 100

T = TypeVar("T")

_BYTE = re.compile(r"\(byte (\d+)\)")
_LINE = re.compile(r"at line (\d+)")
_LIMITS = frozenset({"limit", "too-many-documents"})
DO = "write the lock file again with its own tool, or correct the line"


def text_of(data: bytes, path: str) -> str:
    """The text of a file in UTF-8 (or 16, 32 with a mark). Raises InputError, LimitExceeded."""
    bounded(data, path)
    try:
        text = documents.decode(data)
    except InputError as error:
        raise InputError(error.what, where=path, do=error.do) from error
    refuse_conflict(data, path)
    return text


def refuse_conflict(data: bytes, path: str) -> None:
    """Raise InputError for a file with the marks of a merge that was not finished."""
    at = 0 if data.startswith(b"<<<<<<< ") else data.find(b"\n<<<<<<< ") + 1
    if at or data.startswith(b"<<<<<<< "):
        line = data.count(b"\n", 0, at) + 1
        where = f"{path}:{line}"
        do = "resolve it, then write the lock file again with its own tool"
        raise InputError("an unresolved merge conflict", where=where, do=do)


def bounded(data: bytes, path: str, limit: int = MAX_BYTES) -> None:
    """Raise LimitExceeded for a file with more than ``limit`` bytes or too many values."""
    if len(data) > limit:
        raise LimitExceeded(f"{len(data):,} bytes; the limit is {limit:,}", where=path)
    if len(data) > MAX_VALUES:
        values = sum(map(data.count, (b",", b"{", b"[", b"\n")))
        if values > MAX_VALUES:
            raise LimitExceeded(f"about {values:,} values; the limit is {MAX_VALUES:,}", where=path)


def json_of(data: bytes, path: str, type: type[T]) -> T:
    """Decode JSON into a msgspec type (unknown keys are skipped, not built)."""
    bounded(data, path)
    if len(data) > MAX_OBJECTS and (objects := data.count(b"{")) > MAX_OBJECTS:
        what = f"about {objects:,} objects; the limit is {MAX_OBJECTS:,}"
        raise LimitExceeded(what, where=path)
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = text_of(data, path).encode()
    try:
        return msgspec.json.decode(data, type=type)
    except RecursionError as error:
        raise LimitExceeded("nested too deep", where=path) from error
    except msgspec.ValidationError as error:
        raise InputError(f"not as expected: {error}", where=path, do=DO) from error
    except msgspec.DecodeError as error:
        refuse_conflict(data, path)
        at = _BYTE.search(str(error))
        line = data.count(b"\n", 0, int(at[1])) + 1 if at else data.count(b"\n") + 1
        what = _BYTE.sub("", str(error)).strip().removeprefix("JSON is malformed: ")
        raise InputError(f"not valid JSON: {what}", where=f"{path}:{line}", do=DO) from error
    except UnicodeDecodeError as error:
        raise InputError("not valid UTF-8", where=path, do="save the file as UTF-8") from error


def toml_of(text: str, path: str) -> dict[str, Any]:
    """Decode TOML (by Rust's parser: tomllib reads 1.5 MB a second)."""
    import rtoml

    try:
        value: dict[str, Any] = rtoml.loads(text)
    except ValueError as error:
        what = str(error)
        if "recurs" in what:
            raise LimitExceeded("nested too deep", where=path) from error
        at = _LINE.search(what)
        what = what[: at.start()].rstrip() if at else what
        where = f"{path}:{at[1]}" if at else path
        raise InputError(f"not valid TOML: {what}", where=where, do=DO) from error
    return value


def yaml_of(data: bytes, path: str) -> list[documents.Document]:
    """YAML documents with places of their values; slow, for files that no tool wrote."""
    if len(data) > MAX_YAML:
        raise LimitExceeded(f"{len(data):,} bytes; the limit is {MAX_YAML:,}", where=path)
    limits = Limits(size=MAX_YAML, values=1_000_000, depth=MAX_DEPTH)
    read: list[documents.Document] = []
    try:
        for found in documents.parse_documents(data, limits=limits):
            if isinstance(found, documents.Fault):
                kind = LimitExceeded if found.kind in _LIMITS else InputError
                raise kind(found.message, where=f"{path}:{found.line}", do=DO)
            read.append(found)
    except LimitExceeded as error:
        raise LimitExceeded(error.what, where=error.where or path, do=error.do) from error
    return read


def too_many(path: str) -> Gap:
    """The gap of a file that holds more packages than are read."""
    return Gap(
        kind="too-large",
        path=path,
        reason=f"more than {MAX_PACKAGES:,} packages; only the first ones were read",
        do="split the project, or accept the gap",
    )


def unread(path: str, count: int, what: str = "lines") -> tuple[Gap, ...]:
    """A gap for parts of a list that are no entries: what they name was not looked at."""
    if not count:
        return ()
    reason = f"{what} that are not as the tool writes them: {count:,}"
    return (Gap(kind="syntax", path=path, reason=reason, do=DO),)


def table(value: Any) -> dict[str, Any]:
    """The value if it is an object with text keys, else an empty one: shapes are not trusted."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def word(value: Any) -> str:
    """The value if it is a text, else ""."""
    return value if isinstance(value, str) else ""
