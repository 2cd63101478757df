"""From the bytes of a line or a request to JSON objects, whatever the bytes are.

The fast decoder takes what is JSON. What it refuses is tried again leniently, because a security
event must not be lost for one invalid byte in a command line: bytes that are no UTF-8 and lone
surrogates become U+FFFD, numbers out of range become null. Nothing here raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from haechi.runtime.decode.refusal import Decoded

Record: TypeAlias = bytes | dict[str, Any]
MOST_BYTES = 64 * 1024 * 1024
MOST_DOCUMENTS = 100_000
_CONTAINER_LOG = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]{8,24}\S{1,6} (?:stdout|stderr) [FP] ")
"""What a container runtime writes before each line of a container's log."""
_decode = msgspec.json.Decoder().decode
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Unreadable(Exception):
    """Why bytes are no JSON."""


def each(record: Record, into: Decoded) -> Iterator[dict[str, Any]]:
    """The objects of a record: one, those of an array, or one a line. What is none is refused."""
    if isinstance(record, dict):
        yield record
        return
    for part in split(record):
        try:
            value = parse(part)
        except Unreadable as unreadable:
            into.refuse(str(unreadable), part)
            continue
        if isinstance(value, dict):
            yield value
        else:
            into.refuse(f"no JSON object but {_KINDS.get(type(value), 'something else')}", part)


def split(body: bytes) -> list[bytes]:
    """The JSON documents of a body: lines (also those of a container's log), the elements of an
    array, or the body itself."""
    body = bytes(body).removeprefix(b"\xef\xbb\xbf").strip()
    if len(body) > MOST_BYTES:
        return [body[:MOST_BYTES]]
    if body[:1] == b"[":
        return _elements(body)
    if body[:1].isdigit() and _CONTAINER_LOG.match(body):
        return lines(body)
    if b"\n" not in body:
        return [body] if body else []
    first, _, rest = body.partition(b"\n")
    if _is_whole(first) or not (_is_whole(body) or _spans_lines(first, rest)):
        return lines(body)
    return [body]


def lines(body: bytes) -> list[bytes]:
    """The lines of a body that hold anything, without what a container runtime put before."""
    found = []
    for line in body.split(b"\n", MOST_DOCUMENTS):
        if prefix := _CONTAINER_LOG.match(line):
            line = line[prefix.end() :]
        if line.strip():
            found.append(line)
    return found


def parse(data: bytes) -> Any:
    """The value of a JSON document. Raises Unreadable."""
    if len(data) >= MOST_BYTES:
        raise Unreadable(f"longer than {MOST_BYTES // 1024 // 1024} MiB")
    try:
        return _decode(data)
    except RecursionError:
        raise Unreadable("nested too deep") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    return _parse_leniently(data, why)


def _parse_leniently(data: bytes, why: str) -> Any:
    try:
        return json.loads(
            data.decode("utf-8", "replace"),
            strict=False,
            parse_int=_whole,
            parse_constant=_nothing,
        )
    except RecursionError:
        raise Unreadable("nested too deep") from None
    except ValueError:
        raise Unreadable(f"no JSON: {why}") from None


def _elements(body: bytes) -> list[bytes]:
    try:
        found = _decode_elements(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _elements_leniently(body)
    return [bytes(raw) for raw in found[:MOST_DOCUMENTS]]


def _elements_leniently(body: bytes) -> list[bytes]:
    """An array with a fault somewhere inside: each element by itself again."""
    try:
        value = _parse_leniently(body, "")
    except Unreadable:
        return [body]
    if not isinstance(value, list):
        return [body]
    return [json.dumps(inner).encode() for inner in value[:MOST_DOCUMENTS]]


def _is_whole(line: bytes) -> bool:
    try:
        _decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _spans_lines(first: bytes, rest: bytes) -> bool:
    """A document written over several lines that has a fault: it opens and goes on inside."""
    return first.strip() in (b"{", b"[") or rest[:1] in b" \t"


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= 300 else None


def _nothing(_: str) -> None:
    """NaN and infinities, which JSON does not have."""


_KINDS: dict[type, str] = {
    list: "an array",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
