"""The real server for tests: granian on loopback, port 0, in a thread of its own.

``serving(world)`` serves a world (``real_world(tmp_path)`` opens a store for one); ``with`` gives
its URL. ``principals`` makes tests ask as whom they like without the store of tokens.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx

from haechi.errors import Unauthenticated
from haechi.model.access import EVERYWHERE, Grant, Principal, Reach, Role
from haechi.server.app import Observe, build_app
from haechi.server.endpoint import Operation
from haechi.server.jobs import Job
from haechi.server.live import Hub, Pacing
from haechi.server.routing import Authenticate
from haechi.server.run import made_world, serve_world
from haechi.server.settings import Listen, Settings
from haechi.server.world import World

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

NOW = dt.datetime(2026, 3, 31, 12, 0, tzinfo=dt.UTC)
PRINCIPALS: Mapping[str, Principal] = {
    role.value: Principal(id=f"token:{role}", name=role, grants=(Grant(role=role),))
    for role in Role
} | {
    "shop": Principal(
        id="token:shop",
        name="shop",
        grants=(Grant(role=Role.ADMIN, reach=Reach(cluster="east", namespace="shop")),),
    ),
    "narrow": Principal(
        id="token:narrow",
        name="narrow",
        grants=(Grant(role=Role.ADMIN, reach=EVERYWHERE),),
        permissions=frozenset({"things.list"}),
    ),
}
"""By the word after ``Bearer``."""


def by_word(
    principals: Mapping[str, Principal] = PRINCIPALS,
) -> Authenticate:
    """An authenticator that takes the names above as tokens."""

    def authenticate(
        request: Request, world: World, *, touch: bool = True, sends: bool = False
    ) -> Principal | None:
        shown = request.headers.get("authorization", "")
        if not shown:
            return None
        word = shown.removeprefix("Bearer ")
        if word not in principals:
            raise Unauthenticated("the token is not valid")
        return principals[word]

    return authenticate


def local_settings(**sections: Any) -> Settings:
    """Loopback, a free port."""
    return Settings(listen=sections.pop("listen", Listen(port=0)), **sections)


def bare_world(settings: Settings | None = None, **parts: Any) -> World:
    """A world without a store, for what asks none. ``parts`` replace some of it."""
    store = SimpleNamespace(subscribe=lambda listener: lambda: None)
    world: dict[str, Any] = {
        "store": cast("Any", store),
        "catalogue": cast("Any", None),
        "settings": settings or local_settings(),
        "hub": Hub(pacing=Pacing(pause=0.02)),
        "clock": lambda: NOW,
        "started": NOW,
    }
    return World(**{**world, **parts})


@contextmanager
def real_world(folder: Path, settings: Settings | None = None) -> Iterator[World]:
    """A world on a store in ``folder``, which is closed at the end."""
    from haechi.store.store import Store

    store = Store.open(folder)
    try:
        yield made_world(store, settings or local_settings())
    finally:
        store.close()


@dataclass
class Running:
    """A server that runs. ``stop`` ends it as a signal would."""

    url: str
    world: World
    thread: threading.Thread
    stop: Callable[[], None]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def client(self, who: str = "admin", **options: Any) -> httpx.Client:
        """A client with the token ``who``; to be closed."""
        headers = {"Authorization": f"Bearer {who}"} if who else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, **options)


@contextmanager
def serving(
    world: World,
    *,
    operations: Iterable[Operation] | None = None,
    authenticate: Authenticate | None = None,
    mounts: dict[str, ASGIApp] | None = None,
    observe: Observe | None = None,
    jobs: Iterable[Job] | None = (),
) -> Iterator[Running]:
    """Serve the world in a thread. Absent operations and authenticator are the server's own; jobs
    are none, or with None all that the server does beside answering (it follows clusters, makes
    incidents, responds, tells)."""
    told = threading.Event()
    urls: list[str] = []
    errors: list[BaseException] = []
    control: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        control.append((asyncio.get_running_loop(), stop))

        def ready(url: str) -> None:
            urls.append(url)
            told.set()

        await serve_world(
            world,
            ready=ready,
            stop=stop,
            operations=operations,
            authenticate=authenticate,
            mounts=mounts,
            observe=observe,
            jobs=jobs,
        )

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001  (it is raised again where it is waited for)
            errors.append(error)
        finally:
            told.set()

    def end() -> None:
        loop, stop = control[0]
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)

    thread = threading.Thread(target=run, name="server")
    thread.start()
    told.wait()
    if not urls:
        thread.join()
        raise errors[0]
    try:
        yield Running(url=urls[0], world=world, thread=thread, stop=end)
    finally:
        end()
        thread.join()
        if errors:
            raise errors[0]


def asked(
    world: World,
    requests: Iterable[httpx.Request] | httpx.Request,
    *,
    operations: Iterable[Operation],
    authenticate: Authenticate | None = None,
    **options: Any,
) -> list[httpx.Response]:
    """Ask the application itself, without a socket: for tables of many requests."""
    several = [requests] if isinstance(requests, httpx.Request) else list(requests)

    async def main() -> list[httpx.Response]:
        app = build_app(
            world, operations=operations, authenticate=authenticate or by_word(), **options
        )
        transport = httpx.ASGITransport(app=app)
        try:
            async with httpx.AsyncClient(transport=transport) as client:
                return [await client.send(one) for one in several]
        finally:
            app.close()

    return asyncio.run(main())
