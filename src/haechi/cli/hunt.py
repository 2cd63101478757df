"""``haechi hunt``: rules in the Falco language over stored events: what would have fired."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.asking import format_option, server_option
from haechi.cli.moments import moment
from haechi.cli.plain import plain
from haechi.errors import StoreError, UsageError

if TYPE_CHECKING:
    from haechi.engines.falco.ruleset import RuleText

EPILOG = """\b
Examples:
  haechi hunt rules/shells.yaml --since 30d
  haechi hunt --rule "Shell with a terminal opened in a container" --since 12h --cluster prod
  haechi hunt new-rule.yaml --since 2026-11-01 --format json > hits.ndjson
  haechi hunt rules/ --store .haechi          without a server

\b
RULES are files or folders. Without any, the server's own rules run: those of --rule, or all that
are on. The server is HAECHI_SERVER or --server; the token comes from HAECHI_TOKEN.
Exit codes: 0 everything was searched, 2 it could not be done, 3 a part was not searched.
"""


@click.command(name="hunt", epilog=EPILOG)
@click.argument("rules", metavar="[RULES]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--since", default="24h", show_default=True, help="30m, 12h, 30d, or a time (UTC)")
@click.option("--until", default="", help="likewise; now unless set")
@click.option("--cluster", multiple=True, help="of these clusters only; may be repeated")
@click.option("--namespace", multiple=True, help="of these namespaces only; may be repeated")
@click.option("--rule", "names", multiple=True, help="these rules only, by name or id")
@click.option("--limit", type=click.IntRange(0, 10_000), default=1_000, show_default=True,
              help="matches to show; all are counted")  # fmt: skip
@format_option
@server_option
@click.option("--store", "folder", type=click.Path(path_type=Path), help="read this store itself")
@click.pass_context
def command(
    ctx: click.Context,
    rules: tuple[Path, ...],
    since: str,
    until: str,
    cluster: tuple[str, ...],
    namespace: tuple[str, ...],
    names: tuple[str, ...],
    limit: int,
    format_: str,
    server: str | None,
    folder: Path | None,
) -> None:
    """Run rules over stored events and show what would have fired, newest first."""
    from haechi.server.shapes import HuntRequest, RuleText

    now = dt.datetime.now(dt.UTC)
    request = HuntRequest(
        files=[RuleText(name=one.name, text=one.text) for one in _texts(rules)],
        rules=list(names),
        since=when(since, now),
        until=when(until, now) if until else now,
        cluster=list(cluster),
        namespace=list(namespace),
        limit=limit,
    )
    lines = _offline(folder, request) if folder is not None else _asked(server, request)
    ctx.exit(_shown(lines, format_))


def when(text: str, now: dt.datetime) -> dt.datetime:
    """A span before now (``30d``), or a time; without a zone it is UTC. UsageError."""
    try:
        return moment(text, now)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time", do="for example: 30d, 12h, 2026-11-01T08:00"
        ) from error


def _texts(paths: tuple[Path, ...]) -> list[RuleText]:
    if not paths:
        return []
    from haechi.cli.rules_falco import rule_texts

    return list(rule_texts(paths))


def _asked(server: str | None, request: Any) -> Iterator[dict[str, Any]]:
    from haechi.client.asks import ask
    from haechi.client.http import Client

    with Client(server) as client:
        yield from client.stream(ask("POST", "hunts", body=request, again=False))


def _offline(folder: Path, request: Any) -> Iterator[dict[str, Any]]:
    """The same without a server: this process owns the store while it reads."""
    import msgspec

    from haechi.model.access import EVERYWHERE
    from haechi.runtime.hunt import Hunt
    from haechi.runtime.hunt_setup import setup_of
    from haechi.runtime.rulebook import Rulebook
    from haechi.server.api.hunts import book_of, filter_of_hunt
    from haechi.store.store import Store

    if not (folder / "state.db").is_file():
        raise StoreError(f"{folder} is not a store of haechi", do="name its folder with --store")
    store = Store.open(folder)
    try:
        book = book_of(request) or Rulebook(store.state.rules).book
        setup = setup_of(
            book,
            request.rules,
            folder=store.folder.cold,
            ask=filter_of_hunt(request, dt.datetime.now(dt.UTC)),
            within=(EVERYWHERE,),
            builtin=not request.files,
        )
        parts = store.events.hunt(setup.ask, within=setup.within)
        for line in Hunt(setup, parts, limit=request.limit, deadline_s=float("inf")).lines():
            yield msgspec.json.decode(msgspec.json.encode(line))
    finally:
        store.close()


def _shown(lines: Iterator[dict[str, Any]], format_: str) -> int:
    """Print them as they come; the exit code."""
    import msgspec

    done: dict[str, Any] = {}
    for line in lines:
        done = line.get("done", done)
        if format_ == "json":
            click.echo(msgspec.json.encode(line))
        else:
            for text in _words(line):
                click.echo(plain(text))
    return 0 if done.get("complete") and not done.get("faults") else 3


def _words(line: dict[str, Any]) -> Iterator[str]:
    if "match" in line:
        match = line["match"]
        event = match["event"]["event"]
        at = dt.datetime.fromtimestamp(event["ts_ns"] / 1e9, dt.UTC)
        place = "/".join(one for one in (event.get("cluster"), event.get("namespace")) if one)
        yield f"{at:%Y-%m-%d %H:%M:%S} {match['priority']:<13} {match['rule']}"
        yield f"    would have fired: {match['output']}" + (f"  [{place}]" if place else "")
    elif "unread" in line:
        yield f"not searched: {line['unread']}"
    elif "counts" in line and "range" not in line:
        yield from (f"{count:>8}  {rule}" for rule, count in line["counts"].items())
    elif "done" in line:
        done = line["done"]
        said = f"{done['matched']} matches in {done['scanned']} events that the rules may hold for"
        if done["shown"] < done["matched"]:
            said += f"; {done['shown']} shown, the newest"
        yield said if done["complete"] else f"{said}; not everything was searched"
