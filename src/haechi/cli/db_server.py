"""``haechi db import --server``: advisories for a server, which judges its stored SBOMs by them.

The files go there as they are and are read there. What is fetched is fetched by this program, so
that a server in a closed network needs no way out. A folder goes as one archive.
"""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from haechi.cli.asking import connected, echo
from haechi.client.asks import ask, send_advisories
from haechi.client.http import Client
from haechi.errors import UsageError
from haechi.world.advisories import fetching
from haechi.world.advisories.importing import ecosystem_named, url_of

_RECORDS = (".json", ".yaml", ".yml")
_OPEN = ("waiting", "running")
_MOST = 400_000
_PAUSE, _LONGEST = 0.5, 3900.0


def send(
    server: str, sources: Sequence[str], covers: Sequence[str], format_: str, *, insecure: bool
) -> int:
    """Send them, wait for each; exit code 0, or 3 when not all of it was taken."""
    done: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, connected(server or None) as client:
        for source in sources:
            for path, name in _files(source, Path(folder), insecure):
                begun = client.send_file(send_advisories(name, covers), path)
                done.append(_ended(client, begun))
    echo({"imports": done}, (_line(one) for one in done), format_)
    return 0 if all(one["state"] == "done" for one in done) else 3


def _files(source: str, folder: Path, insecure: bool) -> Iterator[tuple[Path, str]]:
    """The files of a source with the names that say what they are."""
    path = Path(source)
    if not fetching.is_url(source) and path.is_dir():
        yield from _of_folder(path, folder)
    elif not fetching.is_url(source) and path.is_file():
        yield path, _name(path)
    else:
        yield _fetched(source, folder, insecure)


def _name(path: Path) -> str:
    """``PyPI/all.zip`` tells what it covers by its folder."""
    whole = path.absolute()
    return f"{whole.parent.name}/{whole.name}" if whole.name == "all.zip" else whole.name


def _of_folder(path: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    for root in (path, path / "osv-scanner"):
        archives = sorted(root.glob("*/all.zip"))
        if archives:
            yield from ((one, _name(one)) for one in archives)
            return
    if (path / "all.zip").is_file():
        yield path / "all.zip", _name(path / "all.zip")
        return
    target = folder / f"{len(list(folder.iterdir()))}.zip"
    count = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in one.relative_to(path).parts)
            if one.suffix.lower() in _RECORDS and one.is_file() and not one.is_symlink():
                if hidden:
                    continue
                count += 1
                if count > _MOST:
                    raise UsageError(f"{path}: more than {_MOST:,} files")
                archive.write(one, str(one.relative_to(path)))
    if not count:
        raise UsageError(f"{path}: there are no advisories in it", do="name a file or a folder")
    yield target, f"{path.absolute().name or 'advisories'}.zip"


def _fetched(source: str, folder: Path, insecure: bool) -> tuple[Path, str]:
    url = source
    if not fetching.is_url(source):
        ecosystem = ecosystem_named(source)
        if ecosystem is None:
            raise UsageError(f"{source}: no file, no folder, no URL, and no ecosystem of OSV")
        url = url_of(ecosystem)
    click.echo(f"haechi: fetching {fetching.shown(url)}", err=True)
    target = folder / f"{len(list(folder.iterdir()))}.fetched"
    fetching.fetch(url, target, insecure=insecure)
    parts = [part for part in fetching.shown(url).partition("?")[0].split("/") if part]
    return target, "/".join(parts[-2:])


def _ended(client: Client, begun: dict[str, Any]) -> dict[str, Any]:
    """The import when it is over. Raises what the server says."""
    one, began = begun, time.monotonic()
    while one["state"] in _OPEN and time.monotonic() - began < _LONGEST:
        time.sleep(_PAUSE)
        one = client.send(ask("GET", f"advisories/imports/{begun['id']}"))
    return one


def _line(one: dict[str, Any]) -> str:
    if one["state"] in ("done", "incomplete"):
        more = f"; {one['error']}" if one["error"] else ""
        return (
            f"{one['place']}: {one['records']:,} advisories, generation {one['generation']},"
            f" {one['changed']:,} packages whose answers may differ{more}"
        )
    return f"{one['place']}: {one['state']}: {one['error'] or 'it goes on'}"
