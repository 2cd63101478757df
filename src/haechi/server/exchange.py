"""One operation's side of a request: read its query and body, run its handler, encode the answer.

``Endpoint.asked`` runs in the event loop, as it waits for the sender; ``Endpoint.made`` runs in a
worker thread, as unpacking, decoding, the handler and encoding take their time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive

from haechi.engines.typed import misfits
from haechi.errors import LimitExceeded
from haechi.model.location import format_path
from haechi.server import bodies, queries, twins
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.live import Follow
from haechi.server.problems import Refusal
from haechi.server.table import full_path
from haechi.server.wire import JSON, NDJSON, Made

FILES = (
    "application/octet-stream",
    "application/zip",
    "application/json",
    "application/gzip",
    "text/csv",
)
_FILE_SECONDS = 600.0
"""For a body that is kept as a file: exports have hundreds of megabytes."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks, before it is decoded."""

    pairs: queries.Pairs
    query: Any
    format: str
    body: bytes | Path
    encoding: str
    path: str


class Endpoint:
    """One operation with its decoders."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._query = queries.QueryReader(operation.query) if operation.query else None
        self._raw = operation.body is bytes
        self._file = operation.body is Path
        self._body = (
            None
            if operation.body is None or self._raw or self._file
            else msgspec.json.Decoder(operation.body)
        )
        self._strict = self._body is not None and refuses_unknown(operation.body)
        self._types = FILES if self._file else (JSON, NDJSON) if self._raw else (JSON,)
        self._row_type = twins.row_type(operation.answer) if operation.rows else None

    async def asked(
        self,
        request: Request,
        receive: Receive,
        pace: bodies.Pace,
        take: Callable[[int], None],
        folder: Callable[[], Path],
    ) -> Asked:
        """Read query and body; ``folder`` is where large ones are kept. Raises Refusal."""
        pairs = queries.parse(request.scope.get("query_string", b""))
        formats: list[str] = []
        if self.operation.rows is not None:
            pairs, formats = queries.without(pairs, "format")
        form = twins.chosen(request.headers.get("accept", ""), formats)
        query = self._query.read(pairs) if self._query else None
        if self._query is None:
            _refuse_query(pairs)
        body: bytes | Path = b""
        if self._file:
            self._check_type(request.headers)
            pace = msgspec.structs.replace(pace, seconds=max(pace.seconds, _FILE_SECONDS))
            body = await bodies.keep_body(
                receive,
                request.headers,
                limit=self.operation.limit,
                pace=pace,
                folder=folder(),
            )
        elif self.operation.body is not None:
            self._check_type(request.headers)
            body = await bodies.read_body(
                receive, request.headers, limit=self.operation.limit, pace=pace, take=take
            )
        return Asked(
            pairs=pairs,
            query=query,
            format=form if self.operation.rows is not None else twins.JSON,
            body=body,
            encoding=request.headers.get("content-encoding", ""),
            path=full_path(self.operation.path)
            if "{" not in self.operation.path
            else request.url.path,
        )

    def _check_type(self, headers: Headers) -> None:
        name, _, parameters = headers.get("content-type", "").partition(";")
        charset = parameters.strip().lower().replace('"', "")
        if name.strip().lower() not in self._types or charset not in ("", "charset=utf-8"):
            raise Refusal(
                415,
                "the body is not of a type that is read here",
                do=f"send Content-Type: {' or '.join(self._types)}",
                headers={"Accept": ", ".join(self._types), "Connection": "close"},
            )

    def made(self, asked: Asked, call: Callable[..., Call]) -> Made:
        """Decode, run the handler, encode: the part that runs in a thread."""
        body = self._decoded(asked)
        ready = call(query=asked.query, body=body)
        if asked.format != twins.JSON and self.operation.rows is not None:
            return self._twin(asked.format, partial(self.operation.rows, ready))
        given = self.operation.handler(ready)
        answer = given if isinstance(given, Answer) else Answer(value=given)
        status = self.operation.status if answer.status == 200 else answer.status
        value = answer.value
        headers = dict(answer.headers)
        kind = JSON
        if isinstance(value, (Future, Follow)):
            pass
        elif isinstance(value, Iterator):
            value, kind = partial(twins.ndjson, value), NDJSON
        elif value is None and (self.operation.answer is None or status >= 300):
            value, status = b"", 204 if status == 200 else status
        else:
            following = getattr(value, "next", None)
            if isinstance(following, str) and hasattr(value, "items"):
                headers["Link"] = next_link(asked, following)
            value = msgspec.json.encode(value)
        return Made(value=value, status=status, type=kind, headers=headers, cookies=answer.cookies)

    def _twin(self, form: str, rows: Callable[[], Iterable[Any]]) -> Made:
        name = f"{self.operation.id.replace('.', '-')}.{form}"

        def parts() -> Iterator[bytes]:
            if form == twins.NDJSON:
                return twins.ndjson(rows())
            return twins.table(rows(), self._row_type)

        return Made(
            value=parts,
            type=twins.MEDIA_TYPES[form],
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"},
        )

    def _decoded(self, asked: Asked) -> Any:
        if self.operation.body is None:
            return None
        if isinstance(asked.body, Path):
            return asked.body
        data = bodies.unpack(asked.body, asked.encoding, limit=self.operation.limit)
        if self._raw:
            return data
        if not data.strip():
            raise Refusal(400, "the body is missing", do="send a JSON document")
        try:
            if self._strict:
                self._refuse_unknown(data)
            return self._body.decode(data) if self._body else None
        except msgspec.ValidationError as error:
            raise self._invalid(data, error) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(400, f"the body is not JSON: {error}") from error
        except RecursionError as error:
            raise LimitExceeded("the body is nested too deeply") from error

    def _refuse_unknown(self, data: bytes) -> None:
        found = [
            one
            for one in misfits(msgspec.json.decode(data), self.operation.body)
            if one.message.startswith("unknown key")
        ]
        if found:
            raise _unfit([(one.path, one.message, one.do) for one in found])

    def _invalid(self, data: bytes, error: msgspec.ValidationError) -> Refusal:
        """All faults, not only the first, which is all that msgspec tells."""
        try:
            whole = msgspec.json.decode(data)
        except msgspec.ValidationError:  # a number beyond all numbers fits no type at all
            return _unfit([((), str(error), "")])
        found = [(one.path, one.message, one.do) for one in misfits(whole, self.operation.body)]
        return _unfit(found or [((), str(error), "")])


def _unfit(found: list[tuple[Any, str, str]]) -> Refusal:
    errors = [
        (f"body.{format_path(path)}" if path else "body", message) for path, message, _ in found
    ]
    return Refusal(
        422,
        f"the body does not fit: {errors[0][1]}",
        do=found[0][2],
        errors=errors[:50],
    )


def refuses_unknown(type_: Any) -> bool:
    """True for what a person or page writes: a key that is passed over there is a fault that
    nobody sees. A document that names its schema may have keys of a newer one."""
    return (
        isinstance(type_, type)
        and issubclass(type_, msgspec.Struct)
        and "schema" not in type_.__struct_fields__
    )


def _refuse_query(pairs: queries.Pairs) -> None:
    if pairs:
        key = pairs[0][0][:60]
        raise Refusal(
            400,
            f"there is no query key {key!r} here: it takes none",
            errors=[(f"query.{key}", "unknown key")],
        )


def next_link(asked: Asked, cursor: str) -> str:
    """The Link header to the following page (RFC 8288)."""
    pairs = queries.with_value(asked.pairs, "cursor", cursor)
    return f'<{asked.path}?{urlencode(pairs)}>; rel="next"'
