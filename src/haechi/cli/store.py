"""``haechi store``: look after the server's folder without the server's page."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from haechi.errors import StoreError
from haechi.report.text import inert

DEFAULT = Path(".haechi")
EPILOG = """\b
Examples:
  haechi store check
  haechi store backup /var/backups/haechi-2026-11-22
  haechi store restore /var/backups/haechi-2026-11-22 --store /srv/haechi
  haechi store export findings.ndjson
  haechi store admin

\b
Exit codes: 0 done and well, 1 the check found damage, 2 it could not be done.
"""

_store = click.option(
    "--store", "folder", type=click.Path(path_type=Path), default=DEFAULT, show_default=True
)


@click.group(name="store", epilog=EPILOG)
def command() -> None:
    """Check, back up, restore and export what the server keeps."""


@command.command()
@_store
@click.pass_context
def check(ctx: click.Context, folder: Path) -> None:
    """Read everything once and say what is damaged. Nothing is changed."""
    from haechi.store.check import check as run

    problems = run(_existing(folder))
    for problem in problems:
        sys.stdout.write(inert(f"{problem}\n"))
    if problems:
        ctx.exit(1)
    sys.stdout.write(f"{folder}: everything was read and is well\n")


@command.command()
@click.argument("target", type=click.Path(path_type=Path))
@_store
def backup(target: Path, folder: Path) -> None:
    """Copy the store to TARGET, a new folder; the server may be running."""
    from haechi.store.backup import backup as run

    made = run(_existing(folder), target)
    sys.stdout.write(inert(f"{made}: a whole copy, with checksums in manifest.json\n"))


@command.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_store
def restore(source: Path, folder: Path) -> None:
    """Make a store out of the backup SOURCE; its checksums are compared first."""
    from haechi.store.backup import restore as run

    run(source, folder)
    sys.stdout.write(inert(f"{folder}: restored from {source}\n"))


@command.command()
@click.argument("target", type=click.Path(path_type=Path))
@_store
def export(target: Path, folder: Path) -> None:
    """Write findings, waivers, scans and resources to TARGET, as NDJSON. No tokens."""
    from haechi.store.export import export as run

    count = run(_existing(folder), target)
    sys.stdout.write(inert(f"{target}: {count} rows\n"))


@command.command(name="admin")
@_store
def admin(folder: Path) -> None:
    """Make another administrator's token, for an owner who lost theirs. The server must not be
    running: whoever can do this can read the store anyway."""
    from haechi.server.auth import ensure_admin
    from haechi.store.store import Store

    store = Store.open(_existing(folder))
    try:
        token = ensure_admin(store.state, anew=True)
    finally:
        store.close()
    sys.stdout.write(f"{token}\n")


def _existing(folder: Path) -> Path:
    if not (folder / "state.db").is_file():
        raise StoreError(
            f"{folder} is not a store of haechi",
            do="name its folder with --store (the server says which one it uses)",
        )
    return folder
