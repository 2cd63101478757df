"""``haechi db``: the advisories that dependencies are judged by: import them, say what is there.

The only command of a scan's that may go to the network, and only when it is told to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.asking import echo, format_option
from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.world.advisories.reading import Advisories
    from haechi.world.advisories.shapes import EcosystemState, Imported, Outcome

STALE_DAYS = 30
_HEAD: tuple[str, ...] = (
    *("ECOSYSTEM", "ADVISORIES", "WITHDRAWN", "MALICIOUS", "NEWEST", "IMPORTED", ""),
)
SHOWN_FAULTS = 5
_WITH_LOCK_FILES = 8
"""Of the known ecosystems the first: those of languages."""
EPILOG = """\b
Examples:
  haechi db import PyPI npm Go            fetch their exports from OSV (goes to the network)
  haechi db import ~/.cache/osv-scanner   exports that another scanner keeps
  haechi db import Go/all.zip             one export, from a file
  haechi db import advisory-database/     a clone of pypa's, Go's or GitHub's repository
  haechi db import our-advisories/        advisories of your own, besides
  haechi db import epss_scores.csv.gz known_exploited_vulnerabilities.json
  haechi db import PyPI/all.zip --server https://haechi.example.com
  haechi db status

\b
The database is $HAECHI_DB, else $XDG_DATA_HOME/haechi/advisories.db. Scans never go to the
network: import again to be up to date.
Exit codes: 0 done, 2 it could not be done, 3 something was left out (import) or there is no
database (status).
"""

_database = click.option(
    "--db",
    "database",
    type=click.Path(path_type=Path, dir_okay=False),
    help="the file, instead of $HAECHI_DB or the usual place",
)


@click.group(name="db", epilog=EPILOG)
def command() -> None:
    """Advisories that dependencies are judged by: import, status, remove."""


@command.command(name="import")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@click.option(
    "--covers",
    multiple=True,
    metavar="ECOSYSTEM",
    help="the source is all that is known about this ecosystem (where its place does not say so)",
)
@click.option("--insecure-http", is_flag=True, help="plain HTTP to this machine itself is allowed")
@_database
@click.option("--server", metavar="URL", help="into a server's database, instead of this user's")
@format_option
@click.pass_context
def import_(
    ctx: click.Context,
    sources: tuple[str, ...],
    covers: tuple[str, ...],
    insecure_http: bool,
    database: Path | None,
    server: str | None,
    format_: str,
) -> None:
    """Import advisories. SOURCE is a file, a folder, a URL or an ecosystem's name (PyPI, npm, Go,
    crates.io, Maven, RubyGems, Packagist, NuGet …); names and URLs are fetched by HTTPS.

    An export replaces what the same export brought before. Single files and folders of your own
    are added. A source that cannot be read leaves everything as it was.
    """
    if server is not None:
        from haechi.cli.db_server import send

        if database is not None:
            raise UsageError("--db and --server name two databases", do="take one of them")
        ctx.exit(send(server, sources, covers, format_, insecure=insecure_http))
    from haechi.cli.screen import clear_progress, progress
    from haechi.world.advisories.importing import import_all
    from haechi.world.advisories.places import database as usual

    target = database or usual()
    for one in _fetched(sources):
        click.echo(f"haechi: fetching {one}", err=True)
    try:
        done = import_all(
            sources, target, covers=covers, insecure=insecure_http, progress=progress()
        )
    finally:
        clear_progress()
    echo({"database": str(target), **_builtins(done)}, _told(done, target), format_)
    if any(one.wrong_use for one in done.refused):
        ctx.exit(2)
    if not done.complete:
        ctx.exit(3)


def _fetched(sources: tuple[str, ...]) -> Iterator[str]:
    """What will be fetched, said before it is."""
    from haechi.world.advisories.fetching import is_url, shown
    from haechi.world.advisories.importing import ecosystem_named, url_of

    for one in sources:
        ecosystem = None if is_url(one) or Path(one).exists() else ecosystem_named(one)
        if ecosystem is not None:
            yield url_of(ecosystem)
        elif is_url(one):
            yield shown(one)


def _builtins(value: Any) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(value)
    return found


def _told(done: Outcome, target: Path) -> Iterator[str]:
    for one in done.imported:
        yield from _imported(one)
    for refused in done.refused:
        yield f"refused: {refused.what}"
        if refused.why:
            yield f"  why: {refused.why}"
        if refused.do:
            yield f"  do:  {refused.do}"
    if done.refused:
        yield "what was known of a refused source before is known still"
    if done.imported:
        first = done.imported[0]
        yield (
            f"{target}: generation {first.generation}, {_count(first.changed, 'package')} whose"
            " answers may differ"
        )


def _imported(one: Imported) -> Iterator[str]:
    rate = one.records / one.seconds if one.seconds else 0
    what = {"epss": "EPSS scores", "kev": "exploited CVEs"}.get(one.kind, "advisories")
    yield f"{one.source}: {one.records:,} {what} from {one.place} ({rate:,.0f}/s)"
    if one.kind == "osv":
        parts = [f"{one.added:,} new", f"{one.updated:,} changed", f"{one.removed:,} gone"]
        parts.append(f"{one.withdrawn:,} withdrawn")
        if one.malicious:
            parts.append(f"{one.malicious:,} about malicious packages")
        yield f"  {', '.join(parts)}"
        yield f"  covers {', '.join(one.covers)}" if one.covers else "  covers no ecosystem"
    if one.replaced and one.newest and one.newest < one.replaced:
        yield (
            f"  older than what it replaces: up to {one.newest:%Y-%m-%d}, before"
            f" {one.replaced:%Y-%m-%d}; what was found since is missing now"
        )
    if one.undecidable:
        yield (
            f"  {_count(one.undecidable, 'package')} with a boundary that is no version, or not"
            " mapped to one: where only that would tell, it is told as not evaluated"
        )
    if one.commit_ranges:
        yield f"  {_count(one.commit_ranges, 'range')} of commits left out"
    if one.faulty:
        yield f"  incomplete: {_count(one.faulty, 'entry', 'entries')} could not be taken"
        for fault in one.faults[:SHOWN_FAULTS]:
            yield f"    {fault.place}: {fault.why}"
        if one.faulty > SHOWN_FAULTS:
            yield f"    … and {one.faulty - SHOWN_FAULTS:,} more"


@command.command()
@click.option(
    "--max-age",
    type=click.IntRange(min=0),
    default=STALE_DAYS,
    show_default=True,
    help="warn about data older than so many days",
)
@_database
@format_option
@click.pass_context
def status(ctx: click.Context, max_age: int, database: Path | None, format_: str) -> None:
    """What is in the database: per ecosystem how much, how old, from where."""
    from haechi.world.advisories.places import database as usual
    from haechi.world.advisories.reading import open_default

    target = database or usual()
    found = open_default(database)
    if found is None:
        echo({"database": str(target), "exists": False}, _absent(target), format_)
        ctx.exit(3)
    with found as advisories:
        echo(_document(advisories, target, max_age), _lines(advisories, target, max_age), format_)


def _absent(target: Path) -> Iterator[str]:
    from haechi.world.advisories.places import offline_exports

    yield f"there is no database of advisories yet ({target})"
    exports = offline_exports()
    if exports is not None:
        yield f"another scanner keeps exports on this machine: haechi db import {exports}"
    yield "make one: haechi db import PyPI npm Go   (fetches their exports from OSV)"


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _document(advisories: Advisories, target: Path, max_age: int) -> dict[str, Any]:
    today = _today()
    ecosystems = []
    for state in advisories.states().values():
        age = state.age(today)
        more = {"age_days": age, "stale": age is not None and age > max_age}
        ecosystems.append({**_builtins(state), **more})
    return {
        "database": str(target),
        "exists": True,
        "bytes": target.stat().st_size,
        "generation": advisories.generation,
        "identity": advisories.identity,
        "ecosystems": ecosystems,
        "imports": [_builtins(one) for one in advisories.origins()],
        "risk": [_builtins(one) for one in advisories.risk_files()],
    }


def _lines(advisories: Advisories, target: Path, max_age: int) -> Iterator[str]:
    today = _today()
    states = list(advisories.states().values())
    size = target.stat().st_size / 1_000_000
    yield f"{target}: {size:,.1f} MB, generation {advisories.generation}"
    rows = [_HEAD, *map(_row, states)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [row[column].rjust(widths[column]) for column in range(1, 6)]
        yield "  ".join((*cells, row[6])).rstrip()
    for origin in advisories.origins():
        faults = f", {origin.faults} could not be taken" if origin.faults else ""
        digest = f", sha256 {origin.sha256[:16]}" if origin.sha256 else ""
        yield f"from {origin.source}: {origin.place} ({origin.records:,}{digest}{faults})"
    for risk in advisories.risk_files():
        day = risk.date or "no date"
        yield f"{risk.kind.upper()} of {day}: {risk.records:,} CVEs from {risk.place}"
    yield from _warnings(states, today, max_age)
    missing = _missing(states)
    if missing:
        yield (
            f"nothing is known of {', '.join(missing)}: packages of theirs are not evaluated"
            f" (haechi db import {' '.join(missing)})"
        )


def _missing(states: list[EcosystemState]) -> list[str]:
    """Ecosystems whose lock files are read, and of which no import says all."""
    from haechi.world.advisories.names import KNOWN

    covered = {state.ecosystem for state in states if state.covered}
    return [one for one in KNOWN[:_WITH_LOCK_FILES] if one not in covered]


def _row(state: EcosystemState) -> tuple[str, ...]:
    return (
        state.ecosystem,
        f"{state.records:,}",
        f"{state.withdrawn:,}" if state.covered else "-",
        f"{state.malicious:,}",
        f"{state.newest:%Y-%m-%d}" if state.newest else "-",
        f"{state.imported:%Y-%m-%d}" if state.imported else "-",
        "" if state.covered else "single advisories only: not covered",
    )


def _warnings(states: list[EcosystemState], today: dt.date, max_age: int) -> Iterator[str]:
    for state in states:
        age = state.age(today)
        if state.covered and age is not None and age > max_age:
            yield (
                f"warning: {state.ecosystem} is {_count(age, 'day')} old: what was found since is"
                f" missing; import it again (haechi db import {state.ecosystem})"
            )
        if state.covered and state.newest is None:
            yield f"warning: the records of {state.ecosystem} have no dates: how old is not known"
        if state.incomplete:
            yield f"warning: the import of {state.ecosystem} was incomplete"


@command.command()
@click.argument("source")
@_database
def remove(source: str, database: Path | None) -> None:
    """Take out all that an import brought. SOURCE is its name in `haechi db status`."""
    from haechi.cli.asking import echo_lines
    from haechi.world.advisories.importing import remove as run
    from haechi.world.advisories.places import database as usual

    count = run(source, database or usual())
    echo_lines([f"{source}: {_count(count, 'advisory', 'advisories')} taken out"])


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
