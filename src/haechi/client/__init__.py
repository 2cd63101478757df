"""The server's API for programs, sync and async.

    from haechi.client import Client
    with Client("https://haechi.example.org") as haechi:
        print(haechi.now()["items"][0]["sentence"])

The names are loaded when they are asked for: httpx costs 60 ms, which only those pay who need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haechi.client.answers import ServerRefused, ServerUnreachable
    from haechi.client.http import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "ServerRefused", "ServerUnreachable"]


def __getattr__(name: str) -> Any:
    if name in ("Client", "AsyncClient"):
        from haechi.client import http

        return getattr(http, name)
    if name in ("ServerRefused", "ServerUnreachable"):
        from haechi.client import answers

        return getattr(answers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
