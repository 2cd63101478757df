"""What the commands that ask a server have in common: whom they ask, and how they answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.plain import plain

if TYPE_CHECKING:
    from haechi.client.http import Client

server_option = click.option("--server", metavar="URL", help="the server  [HAECHI_SERVER]")
format_option = click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text"
)


def connected(server: str | None) -> Client:
    """The server that is meant."""
    from haechi.client.http import Client

    return Client(server)


def asked(
    server: str | None, method: str, path: str, *, query: Any = None, body: Any = None
) -> Any:
    """One question and its answer. What is no GET is sent once only."""
    with connected(server) as client:
        return answer(client, method, path, query=query, body=body)


def answer(client: Client, method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
    """The same, of a server that is asked several things."""
    from haechi.client.asks import ask

    return client.send(ask(method, path, query=query, body=body, again=method == "GET"))


def echo_lines(lines: Iterable[str]) -> None:
    """Lines that may quote what others wrote."""
    for line in lines:
        click.echo(plain(line))


def echo_json(value: Any) -> None:
    """A document for programs, indented."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def echo(value: Any, lines: Iterable[str], format_: str) -> None:
    """One of the two, as ``--format`` says."""
    if format_ == "json":
        echo_json(value)
    else:
        echo_lines(lines)
