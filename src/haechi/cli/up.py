"""``haechi up``: the server with its page, and a look at a folder to fill it.

The scan runs as a process of its own that pushes to the server with a token for one hour, as a
pipeline would: there is one way in, and judging never takes the server's breath away.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi import __version__
from haechi.errors import UsageError
from haechi.report.text import inert

if TYPE_CHECKING:
    from haechi.server.settings import Settings
    from haechi.server.world import World

STORE = ".haechi"
_HOUR = dt.timedelta(hours=1)
_SCANNER = ("scans.push", "waivers.list")
EPILOG = """\b
Examples:
  haechi up                        scan this repository, keep and show the result
  haechi up deploy/ --once         the same, then stop: for a script
  haechi up --no-scan --store /srv/haechi --listen 0.0.0.0:8420

\b
The store is a folder (./.haechi). The first start prints the administrator's token once.
Settings: --config FILE (docs/guide/server-configuration.md); no file is taken from the
repository, which may be a stranger's. Ctrl-C stops; nothing is lost.
"""


@click.command(name="up", epilog=EPILOG)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--store", "folder", type=click.Path(path_type=Path), help="[PATH/.haechi]")
@click.option("--config", type=click.Path(path_type=Path), help="a haechi.server.yaml")
@click.option("--listen", metavar="[ADDRESS:]PORT", help="[127.0.0.1:8420]")
@click.option("--no-scan", is_flag=True, help="serve what is kept; look at nothing")
@click.option("--once", is_flag=True, help="scan, keep, say what matters, and stop")
@click.pass_context
def command(
    ctx: click.Context,
    path: Path,
    folder: Path | None,
    config: Path | None,
    listen: str | None,
    no_scan: bool,
    once: bool,
) -> None:
    """Start the server and its page, and scan PATH (this folder) into it."""
    if once and no_scan:
        raise UsageError("--once and --no-scan leave nothing to do", do="name one of them")
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder", do="name the repository's folder")
    try:
        from haechi.server.run import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "haechi":
            raise
        raise UsageError(
            f"the server needs {error.name}, which is not installed",
            do="pip install 'haechi[server]'",
        ) from error
    settings = _settings(config, listen, once)
    if folder is None:
        _require_own_store(path)
    job = Job(path=path, folder=folder or path / STORE, scan=not no_scan, once=once)
    with _logged(settings, once=once):
        asyncio.run(
            serve(
                job.folder,
                settings,
                opened=job.opened,
                ready=job.ready,
                stop=job.stop,
                background=[job.work],
            )
        )
    ctx.exit(job.code)


@contextmanager
def _logged(settings: Settings, *, once: bool) -> Iterator[None]:
    """The server's log goes to standard error. Somebody who looks at a terminal reads the page,
    not a line for each request of it; ``debug`` shows those, too."""
    from haechi.server.logs import set_up, take_down

    level = settings.logging.level
    handler = set_up(level="warning" if once else level, form=settings.logging.format)
    requests = logging.getLogger("haechi.server.access")
    if sys.stderr.isatty() and level == "info":
        requests.setLevel(logging.WARNING)
    try:
        yield
    finally:
        requests.setLevel(logging.NOTSET)
        take_down(handler)


def _require_own_store(path: Path) -> None:
    """A store that came with the repository is a stranger's: it may hold tokens that they know."""
    from haechi.world.objects.command import Git

    told = Git(path).run("ls-files", "-z", "--", STORE)
    if told.code == 0 and told.out:
        raise UsageError(
            f"the repository brings a folder {STORE} of its own",
            why="a store holds tokens and keys; whoever committed it knows them",
            do="name another folder with --store, or take it out of the repository",
        )


def _settings(config: Path | None, listen: str | None, once: bool) -> Settings:
    from haechi.server.settings import load_settings

    options: dict[str, object] = {}
    if listen:
        address, _, port = listen.rpartition(":")
        if not port.isdecimal():
            raise UsageError(f"--listen {listen!r} has no port", do="write ADDRESS:PORT or PORT")
        options["listen.port"] = int(port)
        options["listen.address"] = address.strip("[]") or None
    elif once:
        options["listen.port"] = 0
    return load_settings(config, environ=os.environ, options=options)


class Job:
    """What happens around the server: words at the start, the scan, the end of ``--once``."""

    def __init__(self, *, path: Path, folder: Path, scan: bool, once: bool) -> None:
        self._path = path
        self.folder = folder
        self._scan = scan
        self._once = once
        self._entry: list[str] = []
        self._url = ""
        self._listening = asyncio.Event()
        self.stop = asyncio.Event()
        self.code = 0

    def opened(self, world: World) -> None:
        """Make what one gets in with: the first token, and the link for a person at this
        terminal."""
        from haechi.server.auth import ensure_admin, new_sign_in_code
        from haechi.server.settings import is_loopback

        state = world.store.state
        token = ensure_admin(state)
        if not self._once and is_loopback(world.settings.listen.address):
            self._entry += [
                f"  sign in  {{url}}/signin#code={new_sign_in_code(state)}",
                "           (works once, for ten minutes)",
            ]
        if token:
            self._entry += [
                f"  token    {token}",
                "           (the administrator's; it is shown this once)",
            ]

    def ready(self, url: str) -> None:
        """Say where the page is and how one gets in."""
        self._url = url
        head = [f"haechi {__version__} keeps its store in {self.folder}", "", f"  page     {url}"]
        entry = [line.replace("{url}", url) for line in self._entry]
        sys.stdout.write(inert("\n".join([*head, *entry])) + "\n\n")
        sys.stdout.flush()
        self._entry.clear()
        self._listening.set()

    async def work(self, world: World) -> None:
        """Scan, then stay or stop."""
        await self._listening.wait()
        try:
            if self._scan:
                self.code = await self._scanned(world)
                sys.stdout.write(inert(f"\nThe page shows it all: {self._url}\n"))
                sys.stdout.flush()
        finally:
            if self._once:
                self.stop.set()

    async def _scanned(self, world: World) -> int:
        token, ca = await asyncio.to_thread(_pass, world)
        words = ["-m", "haechi", "scan", str(self._path), "--summary", "--push", self._url]
        child = await asyncio.create_subprocess_exec(
            sys.executable, *words, env=_environment(token, ca)
        )
        try:
            return await child.wait()
        except asyncio.CancelledError:
            if child.returncode is None:
                child.terminate()
                await child.wait()
            raise


def _pass(world: World) -> tuple[str, Path | None]:
    """A token for the scan alone (an hour, pushes and waivers), and the authority to trust."""
    from haechi.model.access import Grant, Role
    from haechi.server.run import certificate
    from haechi.store.state.access_tokens import NewToken
    from haechi.store.state.access_users import OWNER

    wanted = NewToken(
        name="haechi up", grants=(Grant(role=Role.OPERATOR),), lasts=_HOUR, permissions=_SCANNER
    )
    secret = world.store.state.access.tokens.make(wanted, by=OWNER)[1]
    pair = certificate(world)
    return secret, pair.ca if pair else None


def _environment(token: str, ca: Path | None) -> dict[str, str]:
    """The environment of the scan: the token travels in it, not on the command line."""
    env = {key: value for key, value in os.environ.items() if key != "HAECHI_TOKEN_FILE"}
    env["HAECHI_TOKEN"] = token
    if ca is not None:
        env["HAECHI_CA_FILE"] = str(ca)
    return env
