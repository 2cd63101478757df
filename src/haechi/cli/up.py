"""``haechi up``: the server with its page, and what fills it: a look at a folder, a recording,
the own sensor (``beside`` runs them).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi import __version__
from haechi.cli import beside
from haechi.errors import UsageError
from haechi.report.text import inert

if TYPE_CHECKING:
    from haechi.server.settings import Settings
    from haechi.server.world import World

STORE = ".haechi"
EPILOG = """\b
Examples:
  haechi up                        scan this repository, keep and show the result
  haechi up deploy/ --once         the same, then stop: for a script
  haechi up --no-scan --store /srv/haechi --listen 0.0.0.0:8420
  haechi up --sensor               watch this machine, too (needs root)

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
@click.option(
    "--replay",
    "recordings",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="recorded events or admission requests, as if they happened now; repeatable",
)
@click.option("--sensor", is_flag=True, help="watch this machine with the own sensor (root)")
@click.option("--once", is_flag=True, help="scan, keep, say what matters, and stop")
@click.pass_context
def command(
    ctx: click.Context,
    path: Path,
    folder: Path | None,
    config: Path | None,
    listen: str | None,
    no_scan: bool,
    recordings: tuple[Path, ...],
    sensor: bool,
    once: bool,
) -> None:
    """Start the server and its page, and scan PATH (this folder) into it."""
    if once and no_scan and not recordings:
        raise UsageError("--once and --no-scan leave nothing to do", do="name one of them")
    if once and sensor:
        raise UsageError("--once ends, the sensor does not", do="name one of them")
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
    if not no_scan:
        settings = _with_declared(settings, path)
    if folder is None:
        _require_own_store(path)
    programs = [] if no_scan else [beside.scan(path)]
    programs += [
        beside.door(file, settings) if _is_door(file) else beside.replay(file)
        for file in recordings
    ]
    job = Job(folder=folder or path / STORE, programs=programs, once=once, sensor=sensor)
    with _logged(settings, once=once):
        asyncio.run(
            serve(
                job.folder,
                settings,
                opened=job.opened,
                ready=job.ready,
                stop=job.stop,
                background=[job.work, job.watch],
            )
        )
    ctx.exit(job.code)


def _is_door(file: Path) -> bool:
    """Whether a recording holds admission requests rather than events."""
    with file.open("rb") as stream:
        return b'"AdmissionReview"' in stream.read(1 << 20).partition(b"\n")[0]


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


def _with_declared(settings: Settings, path: Path) -> Settings:
    """Where no cluster is followed, what the folder declares stands for the one without a name:
    responses to what happens in it are planned, and can never be applied."""
    from msgspec.structs import replace

    from haechi.model.access import NONE
    from haechi.server.settings import ClusterSettings

    if settings.clusters.followed:
        return settings
    declared = ClusterSettings(name=NONE, dump=str(path))
    return replace(settings, clusters=replace(settings.clusters, followed=[declared]))


class Job:
    """What happens around the server: words at the start, programs beside it, the end of
    ``--once``. ``code`` is that of the first program that did not go well."""

    def __init__(
        self, *, folder: Path, programs: Sequence[beside.Program], once: bool, sensor: bool
    ) -> None:
        self.folder = folder
        self._programs = programs
        self._sensor = sensor
        self._once = once
        self._entry: list[str] = []
        self._url = ""
        self._listening = asyncio.Event()
        self.stop = asyncio.Event()
        self.code = 0

    def opened(self, world: World) -> None:
        """Make what one gets in with: the first token, and the link for a person at this
        terminal."""
        from haechi.engines.addresses import is_loopback
        from haechi.server.auth import ensure_admin, new_sign_in_code

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
        """Run the programs one after another, then stay or stop."""
        await self._listening.wait()
        try:
            for program in self._programs:
                code = await beside.run(program, world, self._url)
                self.code = self.code or code
            if self._programs:
                await beside.settled(world)
                found = await asyncio.to_thread(beside.detections, world)
                found += await asyncio.to_thread(beside.incidents, world)
                sys.stdout.write(inert(f"\n{found}The page shows it all: {self._url}\n"))
                sys.stdout.flush()
        finally:
            if self._once:
                self.stop.set()

    async def watch(self, world: World) -> None:
        """The sensor, for as long as the server stays. It says itself why it cannot run."""
        await self._listening.wait()
        if self._sensor:
            await beside.run(beside.sensor(), world, self._url)
