"""``haechi lock``: agree to the rules of this version; an upgrade alone never blocks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi import __version__
from haechi.cli.output import save
from haechi.cli.plain import plain
from haechi.model.counting import counted

if TYPE_CHECKING:
    from haechi.gate.lock import Lock
    from haechi.model.finding import Finding

_LISTED = 20


@click.group(name="lock")
def command() -> None:
    """Pin the rules that may block, in haechi.lock, and up to which day advisories may.

    With a lock, findings of rules that are new or became stricter since, and of advisories that
    were published since, are reported as `new` and do not block until `haechi lock update`.

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
    before = load_lock(project.root)
    changes = difference(before, rules)
    days, waiting = _advisories(path, before)
    click.echo(plain(changes.render()))
    for line in _told(days, before, waiting):
        click.echo(plain(line))
    if check:
        ctx.exit(1 if changes or waiting else 0)
    target = project.root / LOCK_FILE
    save(target, write_lock(rules, __version__, advisories=days))
    click.echo(f"wrote {target}: {counted(len(rules), 'rule')} pinned; commit it")


def _advisories(path: Path, before: Lock | None) -> tuple[dict[str, dt.date], list[Finding]]:
    """The day of each ecosystem's data, and the findings that would begin to block. Data that is
    older than what was agreed to, or that is not on this machine, takes nothing back."""
    from haechi.cli.pipeline import Options, run
    from haechi.model.finding import FindingState

    outcome = run(Options(path=path, only=("deps",)))
    found = outcome.looked.dependencies
    days = dict(before.advisories) if before else {}
    for ecosystem, day in (found.data if found else {}).items():
        days[ecosystem] = max(day, days.get(ecosystem, day))
    least = outcome.material.decision.fail_on
    waiting = [
        finding
        for finding in outcome.material.scan.findings
        if finding.state is FindingState.NEW and finding.severity.at_least(least)
    ]
    return days, waiting


def _told(
    days: Mapping[str, dt.date], before: Lock | None, waiting: Sequence[Finding]
) -> Iterator[str]:
    earlier = before.advisories if before else {}
    changed = [name for name in sorted(days) if days[name] != earlier.get(name)]
    if changed:
        yield "advisories may block up to:"
    for name in changed:
        since = f" (was {earlier[name].isoformat()})" if name in earlier else ""
        yield f"  {name}: {days[name].isoformat()}{since}"
    if waiting:
        yield f"{counted(len(waiting), 'finding')} would begin to block:"
    for finding in waiting[:_LISTED]:
        yield f"  {finding.severity} {finding.rule} {finding.label} at {finding.location}"
    if len(waiting) > _LISTED:
        yield f"  and {len(waiting) - _LISTED:,} more"
