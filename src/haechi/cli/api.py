"""``haechi api``: any operation of the server's API from a shell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.asking import server_option
from haechi.errors import UsageError
from haechi.report.text import inert

if TYPE_CHECKING:
    from haechi.client.asks import Ask

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
TWINS = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
_LARGEST = 64 << 20
EPILOG = """\b
Examples:
  haechi api                                    list the operations
  haechi api now
  haechi api findings severity=critical overdue=true
  haechi api findings state=fixed --as csv > fixed.csv
  haechi api PATCH findings/ID owner=@payments
  haechi api POST waivers --body waiver.json
  cat events.ndjson | haechi api POST events --body -

\b
PATH is below /api/v1. KEY=VALUE is the query of a GET and the body of the others (a value that
is JSON is taken as such: days=30, grants='[{"role": "viewer"}]'). The server is HAECHI_SERVER or
--server; the token comes from HAECHI_TOKEN or HAECHI_TOKEN_FILE.
"""


@click.command(name="api", epilog=EPILOG)
@click.argument("words", nargs=-1, metavar="[METHOD] [PATH] [KEY=VALUE]...")
@server_option
@click.option("--body", metavar="FILE|-", help="send this file, or standard input")
@click.option("--as", "form", type=click.Choice(list(TWINS)), help="all rows of a list, so")
def command(words: tuple[str, ...], server: str | None, body: str | None, form: str | None) -> None:
    """Call the server's API and print its answer."""
    from haechi.client.answers import refusal
    from haechi.client.http import Client

    one = asked(words, _read(body))
    with Client(server) as client:
        if one is None:
            _list(client.request("GET", "openapi.json"))
            return
        if form:
            one = _twin(one, form)
        answer = client.raw(one)
    if answer.status >= 400:
        raise refusal(answer, f"{one.method} {one.path}")
    _show(answer.body, answer.headers.get("content-type", ""))


def asked(words: tuple[str, ...], body: bytes | None) -> Ask | None:
    """The request that the words mean; None for a list of the operations. Raises UsageError."""
    from haechi.client.asks import NDJSON, ask

    rest = list(words)
    method = rest.pop(0).upper() if rest and rest[0].upper() in METHODS else ""
    if not rest:
        if method or body is not None:
            raise UsageError("no path is named", do="haechi api GET findings")
        return None
    path = _path(rest.pop(0))
    pairs = [_pair(word) for word in rest]
    method = method or ("POST" if body is not None else "GET")
    if method == "GET":
        query: dict[str, list[str]] = {}
        for key, value in pairs:
            query.setdefault(key, []).append(value)
        return ask(method, path, query=query)
    if body is not None:
        import msgspec

        if pairs:
            raise UsageError("--body and KEY=VALUE exclude each other", do="use one of them")
        one = ask(method, path, again=False)
        lines = path == "events" and body.lstrip()[:1] != b"["
        return msgspec.structs.replace(one, body=body, type=NDJSON if lines else one.type)
    values = {key: _value(value) for key, value in pairs}
    return ask(method, path, body=values or None, again=False)


def _path(text: str) -> str:
    path = text.removeprefix("/api/v1").strip("/")
    if not path or ".." in path.split("/") or "?" in path or "#" in path:
        raise UsageError(f"{text!r} is not a path of the API", do="for example: findings")
    return path


def _pair(word: str) -> tuple[str, str]:
    key, sign, value = word.partition("=")
    if not sign or not key:
        raise UsageError(f"{word!r} is not KEY=VALUE", do="for example: severity=critical")
    return key, value


def _value(text: str) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _read(name: str | None) -> bytes | None:
    if name is None:
        return None
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{name} cannot be read", why=error.strerror or "") from error
    if len(data) > _LARGEST:
        raise UsageError(f"{name} is larger than {_LARGEST >> 20} MiB", do="send it in parts")
    return data


def _twin(one: Ask, form: str) -> Ask:
    import msgspec

    if one.method != "GET":
        raise UsageError("--as is for lists", do="leave it out")
    return msgspec.structs.replace(one, query=(*one.query, ("format", form)))


def _show(body: bytes, kind: str) -> None:
    if "json" in kind and "ndjson" not in kind and sys.stdout.isatty():
        import msgspec

        body = msgspec.json.format(body, indent=2) + b"\n"
    text = body.decode("utf-8", "replace")
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")


def _list(document: dict[str, Any]) -> None:
    rows = [
        (method.upper(), path.removeprefix("/api/v1/"), operation.get("summary", ""))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method.upper() in METHODS
    ]
    width = max((len(path) for _, path, _ in rows), default=0)
    for method, path, summary in rows:
        sys.stdout.write(inert(f"{method:6} {path:{width}}  {summary}\n"))
