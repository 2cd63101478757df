"""The real application over a real store, asked in the process, with a clock that stands."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec

from haechi.model.access import Grant, Role
from haechi.server.api.session import OPERATIONS as SESSION
from haechi.server.api.tokens import OPERATIONS as TOKENS
from haechi.server.api.users import OPERATIONS as USERS
from haechi.server.app import build_app
from haechi.server.auth import authenticate
from haechi.server.auth.config import AuthSettings
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.settings import Listen, Settings
from haechi.server.world import World
from haechi.store.state.access_tokens import NewToken
from haechi.store.state.access_users import OWNER
from haechi.store.state.state import State

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PLAIN, TLS = "http://127.0.0.1:8420", "https://haechi.example"
FULL = Grant(role=Role.ADMIN)


class _Store:
    """The part of the store that signing in asks."""

    def __init__(self, state: State) -> None:
        self.state = state


def _push(call: Call) -> Answer:
    return Answer(value={"by": call.principal.id, "may": call.principal.may_push(call.body)})


PUSH = Operation(
    id="scans.push",
    method="POST",
    path="/scans",
    role=Role.OPERATOR,
    summary="Stands for a push",
    handler=_push,
    body=str,
    answer=dict[str, Any],
)

SEND = Operation(
    id="feeds.send",
    method="POST",
    path="/feeds/{kind}",
    role=Role.OPERATOR,
    summary="Stands for a feed",
    handler=_push,
    body=str,
    answer=dict[str, Any],
    sends=True,
)


class Rig:
    """``ask`` sends one request; cookies are kept as a browser keeps them."""

    def __init__(self, folder: Path, auth: AuthSettings, **listen: Any) -> None:
        self.now = START
        self.state = State(folder / "state.db", backups=folder, clock=lambda: self.now)
        listening = Listen(hosts=["haechi.example"], **listen)
        self.world = World(
            store=cast("Any", _Store(self.state)),
            catalogue=cast("Any", None),
            settings=Settings(listen=listening, auth=auth),
            hub=cast("Any", None),
            clock=lambda: self.now,
            started=START,
        )
        self.app = build_app(
            self.world,
            operations=(*SESSION, *TOKENS, *USERS, PUSH, SEND),
            authenticate=authenticate,
        )
        self.runner = asyncio.Runner()
        self.cookies = httpx.Cookies()
        self.csrf = ""

    def close(self) -> None:
        self.runner.close()
        self.app.close()
        self.state.close()

    def pass_(self, **span: float) -> None:
        """Lets time pass."""
        self.now += dt.timedelta(**span)

    def ask(
        self,
        method: str,
        path: str,
        *,
        at: str = PLAIN,
        home: str = "127.0.0.1",
        bearer: str = "",
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> httpx.Response:
        """One request from the address ``home`` to the server's URL ``at``."""
        every = dict(headers or {})
        if bearer:
            every["authorization"] = f"Bearer {bearer}"
        if body is not None:
            every["content-type"] = "application/json"

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(
                app=cast("Any", self.app), client=(home, 1), raise_app_exceptions=False
            )
            async with httpx.AsyncClient(
                transport=transport, base_url=at, cookies=self.cookies
            ) as client:
                answer = await client.request(
                    method,
                    path if path.startswith("/api") else f"/api/v1{path}",
                    headers=every,
                    content=None if body is None else msgspec.json.encode(body),
                )
                self.cookies = httpx.Cookies(client.cookies)
                return answer

        return self.runner.run(send())

    def sign_in(self, **way: str) -> httpx.Response:
        """By token or code; remembers the CSRF token."""
        answer = self.ask("POST", "/session", body=way)
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf"]
        return answer

    def signed_in(self) -> bool:
        """Whether the browser's session is in force."""
        return self.ask("GET", "/me").status_code == 200

    def token(self, *grants: Grant, user: str = "", **more: Any) -> str:
        """The secret of a new token."""
        wanted = NewToken(name="t", grants=grants or (FULL,), user=user, **more)
        return self.state.access.tokens.make(wanted, by=OWNER)[1]
