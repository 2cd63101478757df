"""OpenAPI 3.1 out of the operations: the description cannot say what the server does not do.

``python -m haechi.server.openapi > docs/api/openapi.json`` writes the page that a test keeps
equal to this.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from haechi import __version__
from haechi.server.endpoint import Operation
from haechi.server.exchange import FILES, refuses_unknown
from haechi.server.live import Follow
from haechi.server.queries import LONGEST_VALUE, MOST_ROWS, SAFE_INTEGER
from haechi.server.shapes import Problem
from haechi.server.table import full_path

SPEC = "3.1.0"
_REF = "#/components/schemas/{name}"
_JSON, _NDJSON, _CSV, _SSE = (
    "application/json",
    "application/x-ndjson",
    "text/csv",
    "text/event-stream",
)
_TAGS = {
    "session": "Signing in and out",
    "now": "What needs a person now",
    "findings": "Findings and their life",
    "waivers": "Accepted findings",
    "scans": "What was looked at, and pushes",
    "resources": "The things of the world and how they hang together",
    "rules": "Rules",
    "events": "Events: sending, searching, counting",
    "feeds": "Feeds: records of Falco, Tetragon, audit logs, flows, applications",
    "runtime": "Rules that judge events",
    "hunts": "Rules over stored events",
    "responses": "Responses to incidents: plans, approvals, undoing, the switch that stops all",
    "stream": "What happens, live",
    "admission": "Requests at the door: what webhooks decided, and the audit of what is there",
    "policies": "Policies at the door, and what they say of what is there",
    "sboms": "Packages of repositories: stored SBOMs, for download and for new advisories",
    "packages": "Where packages are used",
    "advisories": "The server's own advisories: imports, sources, records",
    "proposals": "Upgrades that clear what is known against packages",
    "audit": "The signed log",
    "tokens": "Tokens of programs",
    "users": "People",
    "health": "How the server is",
    "settings": "How the server is set up",
    "meta": "This description",
}
_EXAMPLES: Mapping[str, Any] = {
    "events.ingest": (
        '{"id":"7c0f","ts_ns":1774958400000000000,"source":"falco","type":"syscall",'
        '"cluster":"prod","namespace":"shop","rule":"Terminal shell in container",'
        '"priority":"notice","message":"A shell was started","fields":{"proc.name":"bash"}}\n'
    ),
    "session.start": {"code": "ABCD-EFGH"},
    "findings.tend": {"owner": "team-shop", "due": "2026-04-30"},
    "waivers.create": {
        "rule": "pods/run-as-root",
        "reason": "the vendor's image needs it until version 4",
        "owner": "team-shop",
        "expires": "2026-06-30",
        "path": "deploy/**",
    },
    "tokens.create": {
        "name": "ci-shop",
        "grants": [{"role": "operator", "reach": {"cluster": "*", "namespace": "shop"}}],
        "days": 90,
    },
}
_PROBLEMS: Mapping[int, str] = {
    400: "The request is not well-formed: a query key, a value, the body's syntax",
    401: "No, wrong or expired credentials",
    403: "The role, the reach or the permissions do not suffice, or the request was forged",
    404: "There is no such thing, or it is out of reach",
    408: "The body came too slowly",
    409: "It changed since it was read, or exists already",
    413: "The body is too large, packed or unpacked, or nested too deeply",
    415: "The body's type or encoding is not read here",
    422: "The body is well-formed and does not fit",
    429: "Too many requests, streams or failed sign-ins",
    500: "A fault of the server; its log has the reason under the request's id",
    503: "Busy, full, or it took too long; Retry-After says when to try again",
}
_UNREAD: Mapping[int, str] = {
    414: "The address is longer than 64 KiB",
    431: "The headers are longer than 32 KiB",
}
"""Refused before the request is read, where there may be no document to answer with."""
_RETRY = {
    "Retry-After": {
        "description": "seconds until it makes sense to try again",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_PAGED = {
    "Link": {
        "description": 'the following page: `<…>; rel="next"` (absent on the last)',
        "schema": {"type": "string"},
    }
}
_TAGGED = {
    "ETag": {
        "description": "changes with the answer; send it as If-None-Match",
        "schema": {"type": "string"},
    }
}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The description of these operations."""
    every = tuple(operations)
    types = list(dict.fromkeys(_types(every)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = dict(zip(types, schemas, strict=True))
    for one in every:
        if one.body is not None and refuses_unknown(one.body):
            _closed(components, by_type[one.body])
    paths: dict[str, dict[str, Any]] = {}
    for one in every:
        paths.setdefault(full_path(one.path), {})[one.method.lower()] = _operation(one, by_type)
    used = dict.fromkeys(_tag(one) for one in every)
    return {
        "openapi": SPEC,
        "info": {
            "title": "haechi",
            "version": __version__,
            "description": (
                "Findings, events, waivers and the signed log of a haechi server. Lists are "
                "parted by cursors; every list is there as CSV and NDJSON, too. Every failure "
                "is a problem document (RFC 9457)."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "this server"}],
        "tags": [{"name": name, "description": _TAGS.get(name, name)} for name in used],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {
                **{f"Unread{status}": {"description": what} for status, what in _UNREAD.items()},
                **{
                    f"Problem{status}": _problem(status, what, by_type[Problem])
                    for status, what in _PROBLEMS.items()
                },
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API token, or the OpenID token of a pipeline's run",
                },
                "password": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "for senders that cannot set a header: an API token as the "
                    "password, in the URL (`https://token:<token>@…`); the user name is not read",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "haechi_session",
                    "description": "a browser's session; changes need X-CSRF-Token besides",
                },
            },
        },
    }


@cache
def encoded() -> msgspec.Raw:
    """The description of the server's own operations, as JSON."""
    from haechi.server.api import all_operations

    return msgspec.Raw(msgspec.json.encode(document(all_operations())))


def _types(operations: Iterable[Operation]) -> Iterator[Any]:
    yield Problem
    for one in operations:
        if one.body not in (None, bytes, Path):
            yield one.body
        if _is_document(one.answer):
            yield one.answer
        if one.query is not None:
            for field in msgspec.structs.fields(one.query):
                yield field.type


def _is_document(answer: Any) -> bool:
    return answer is not None and answer is not Follow and not _is_stream(answer)


def _is_stream(answer: Any) -> bool:
    origin = typing.get_origin(answer)
    return isinstance(origin, type) and issubclass(origin, Iterator)


def _tag(operation: Operation) -> str:
    return operation.id.partition(".")[0]


def _operation(one: Operation, by_type: Mapping[Any, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": one.id,
        "tags": [_tag(one)],
        "summary": one.summary,
        "description": _description(one),
        "parameters": [*_path_parameters(one), *_query_parameters(one, by_type)],
        "responses": {**_success(one, by_type), **_refusals(one)},
        "security": _security(one),
    }
    if one.body is not None:
        made["requestBody"] = _body(one, by_type)
    return {key: value for key, value in made.items() if value or key == "security"}


def _security(one: Operation) -> list[dict[str, Any]]:
    if one.role is None:
        return []
    return [{"token": []}, {"session": []}, *([{"password": []}] if one.sends else [])]


def _description(one: Operation) -> str:
    words = (one.handler.__doc__ or "").strip()
    needs = (
        "Needs no sign-in."
        if one.role is None
        else f"Needs the role {one.role}{' for all clusters and namespaces' * one.everywhere}."
    )
    return "\n\n".join(part for part in (re.sub(r"\s*\n\s*", " ", words), needs) if part)


def _path_parameters(one: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", one.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }


def _query_parameters(one: Operation, by_type: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    if one.query is not None:
        for field in msgspec.structs.fields(one.query):
            yield _query_parameter(field, by_type)
    if one.rows is not None:
        yield {
            "name": "format",
            "in": "query",
            "description": "the form of the answer; csv and ndjson hold all rows",
            "schema": {"enum": ["json", "csv", "ndjson"], "default": "json"},
        }


def _query_parameter(
    field: msgspec.structs.FieldInfo, by_type: Mapping[Any, Any]
) -> dict[str, Any]:
    schema = _in_a_query(by_type[field.type], times=_is_time(field.type))
    if field.encode_name == "limit":
        schema = {**schema, "minimum": 1, "maximum": MOST_ROWS}
    if isinstance(field.default, (str, int, float)) and "default" not in schema:
        schema = {**schema, "default": field.default}
    several = isinstance(
        inspect.type_info(field.type), (inspect.ListType, inspect.VarTupleType, inspect.SetType)
    )
    made: dict[str, Any] = {"name": field.encode_name, "in": "query", "schema": schema}
    if field.required:
        made["required"] = True
    if several:
        made |= {"style": "form", "explode": True}
    if "description" in schema:
        made["description"] = schema["description"]
    return made


def _is_time(type_: Any) -> bool:
    info = inspect.type_info(type_)
    options = info.types if isinstance(info, inspect.UnionType) else (info,)
    return any(isinstance(one, inspect.DateTimeType) for one in options)


def _in_a_query(schema: dict[str, Any], *, times: bool = False) -> dict[str, Any]:
    """A query has no null, and its texts are bounded. msgspec names no format for a time whose
    zone may be missing."""
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        schema = {**options[0], **rest}
    if times and schema.get("type") == "string":
        schema = {**schema, "format": "date-time"}
    if schema.get("type") == "string" and "format" not in schema:
        schema = {"maxLength": LONGEST_VALUE, "pattern": "^[^\\u0000]*$", **schema}
    if schema.get("type") == "integer":
        schema = {"minimum": -SAFE_INTEGER, "maximum": SAFE_INTEGER, **schema}
    if schema.get("type") == "array":
        schema = {**schema, "items": _in_a_query(schema["items"])}
        schema.pop("default", None)
    return schema


def _body(one: Operation, by_type: Mapping[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any]
    if one.body is Path:
        content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in FILES}
        return {
            "required": True,
            "description": f"a file of at most {one.limit} bytes, as it is",
            "content": content,
        }
    if one.body is bytes:
        content = {
            _NDJSON: {"schema": {"type": "string"}},
            _JSON: {
                "schema": {
                    "anyOf": [
                        {"type": "array", "items": {"type": "object"}},
                        {"type": "object"},
                    ]
                }
            },
        }
    else:
        content = {_JSON: {"schema": by_type[one.body]}}
    if one.id in _EXAMPLES:
        next(iter(content.values()))["example"] = _EXAMPLES[one.id]
    return {
        "required": True,
        "description": f"at most {one.limit} bytes; Content-Encoding gzip or zstd is read",
        "content": content,
    }


def _success(one: Operation, by_type: Mapping[Any, Any]) -> dict[str, Any]:
    if one.answer is Follow:
        content: dict[str, Any] = {_SSE: {"schema": {"type": "string"}}}
        return {
            "200": {"description": "Server-sent events until one side ends it", "content": content}
        }
    if one.answer is None:
        what = "Elsewhere" if one.status >= 300 else "Done"
        return {str(204 if one.status == 200 else one.status): {"description": what}}
    if _is_stream(one.answer):
        content = {_NDJSON: {"schema": {"type": "string"}}}
    else:
        content = {_JSON: {"schema": by_type[one.answer]}}
    headers: dict[str, Any] = {}
    if one.rows is not None:
        content |= {kind: {"schema": {"type": "string"}} for kind in (_CSV, _NDJSON)}
        headers |= _PAGED
    if one.method == "GET" and not _is_stream(one.answer):
        headers |= _TAGGED
    made: dict[str, Any] = {"description": one.summary, "content": content}
    if headers:
        made["headers"] = headers
    return {str(one.status): made}


def _refusals(one: Operation) -> dict[str, Any]:
    statuses = [400, 404, 429, 500, 503]
    if one.role is not None:
        statuses += [401, 403]
    if one.method != "GET":
        statuses += [403, 409]
    if one.body is not None:
        statuses += [401, 408, 413, 415, 422]
    names = {status: f"Problem{status}" for status in statuses}
    names |= {status: f"Unread{status}" for status in _UNREAD}
    return {
        str(status): {"$ref": f"#/components/responses/{name}"}
        for status, name in sorted(names.items())
    }


def _problem(status: int, what: str, schema: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": what,
        "content": {"application/problem+json": {"schema": schema}},
    }
    if status in (429, 503):
        made["headers"] = _RETRY
    if status == 401:
        made["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return made


def _closed(components: dict[str, Any], schema: Any) -> None:
    """Say of a body, and of what is in it, that further keys are refused."""
    for name in _references(schema):
        component = components[name]
        if component.get("type") == "object" and "additionalProperties" not in component:
            component["additionalProperties"] = False
            _closed(components, component)


def _references(schema: Any) -> Iterator[str]:
    match schema:
        case dict():
            if isinstance(reference := schema.get("$ref"), str):
                yield reference.rpartition("/")[2]
            for value in schema.values():
                yield from _references(value)
        case list():
            for value in schema:
                yield from _references(value)
        case _:
            return


def main() -> None:
    """Write the description to standard output, indented."""
    import sys

    sys.stdout.buffer.write(msgspec.json.format(bytes(encoded()), indent=1) + b"\n")


if __name__ == "__main__":
    main()
