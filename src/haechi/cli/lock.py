"""``haechi lock``: agree to the rules of this version; an upgrade alone never blocks."""

from __future__ import annotations

from pathlib import Path

import click

from haechi import __version__
from haechi.cli.output import save
from haechi.cli.plain import plain
from haechi.model.counting import counted


@click.group(name="lock")
def command() -> None:
    """Pin the rules that may block, in haechi.lock.

    With a lock, findings of rules that are new or became stricter since are reported as `new`
    and do not block until `haechi lock update`.

    \b
    Examples:
      haechi lock update
      haechi lock update --check           in a pipeline: is the lock up to date?
    """


@command.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True), default=Path())
@click.option("--check", is_flag=True, help="show the difference, write nothing; 1 if there is one")
@click.pass_context
def update(ctx: click.Context, path: Path, check: bool) -> None:
    """Show what changes, then write haechi.lock.

    \b
    Examples:
      haechi lock update
      haechi lock update --check deploy/

    Exit codes: 0 written or up to date, 1 with --check when it is not, 2 wrong use.
    """
    from haechi.cli.project import load_lock, open_project
    from haechi.gate.lock import difference, pins, write_lock
    from haechi.model.config import LOCK_FILE
    from haechi.rules.catalogue import load_catalogue
    from haechi.rules.user import load_user_rules

    project = open_project(path)
    catalogue = load_catalogue()
    user, faults = load_user_rules(project.root, project.config.rules, catalogue.by_id)
    for fault in faults:
        click.echo(plain(f"haechi: {fault}"), err=True)
    rules = pins([*catalogue.rules, *user])
    changes = difference(load_lock(project.root), rules)
    click.echo(plain(changes.render()))
    if check:
        ctx.exit(1 if changes else 0)
    target = project.root / LOCK_FILE
    save(target, write_lock(rules, __version__))
    click.echo(f"wrote {target}: {counted(len(rules), 'rule')} pinned; commit it")
