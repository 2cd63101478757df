"""``haechi incidents``: what detections mean together, from a shell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from haechi.cli.asking import (
    asked,
    echo,
    echo_json,
    echo_lines,
    format_option,
    server_option,
)
from haechi.cli.plain import plain

STATES = ("open", "acknowledged", "contained", "not_contained", "resolved", "false_positive")
LEVELS = ("critical", "high", "medium", "low", "info")
EPILOG = """\b
Examples:
  haechi incidents list
  haechi incidents list --level critical --namespace shop --format json
  haechi incidents show 6518ba980780a662b0
  haechi incidents ack 6518ba980780a662b0 --owner ana
  haechi incidents resolve 6518ba980780a662b0 --note "image rebuilt, token rotated"
  haechi incidents false-positive 6518ba980780a662b0
  haechi incidents exceptions -o exceptions.yaml      for rules that judge here
  haechi incidents exceptions --falco -o falco_exceptions.yaml

\b
The server is HAECHI_SERVER or --server; the token comes from HAECHI_TOKEN.
"""
_note = click.option("--note", default="", help="why; stands in the history")
_LINES = 30


@click.group(name="incidents", epilog=EPILOG)
def command() -> None:
    """List incidents, look at them, tend them, and silence what is none."""


@command.command(name="list")
@server_option
@click.option("--state", multiple=True, type=click.Choice(STATES), help="all not closed unless set")
@click.option("--level", multiple=True, type=click.Choice(LEVELS))
@click.option("--cluster", multiple=True)
@click.option("--namespace", multiple=True)
@click.option("--rule", multiple=True)
@click.option("--owner", multiple=True, help='"" is: nobody')
@click.option("--text", default="", help="words that stand in title, workload, rules, addresses")
@click.option("--sort", default="", help="rank, opened, changed, last_seen or detections")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@format_option
def list_(server: str | None, limit: int, format_: str, **filter_: Any) -> None:
    """Incidents, the worst first."""
    page = asked(server, "GET", "incidents", query={**filter_, "limit": limit})
    if format_ == "json":
        echo_json(page)
        return
    echo_lines(map(_line, page["items"]))
    total, shown = page.get("total") or 0, len(page["items"])
    click.echo(f"{shown} of {total} incidents", err=True)


@command.command()
@click.argument("id", metavar="ID")
@server_option
@format_option
def show(id: str, server: str | None, format_: str) -> None:
    """One incident: why its level, what happened, which processes, what was done."""
    detail = asked(server, "GET", _path(id))
    echo(detail, _shown(detail), format_)


def _changing(name: str, state: str, about: str) -> None:
    """A command that changes the state."""

    @command.command(name=name, help=about)
    @click.argument("id", metavar="ID")
    @click.option("--owner", default=None, help="give it to somebody, too")
    @_note
    @server_option
    def change(id: str, owner: str | None, note: str, server: str | None) -> None:
        body = {"state": state, "note": note} | ({} if owner is None else {"owner": owner})
        _change(server, id, body)


_changing("ack", "acknowledged", "Say that somebody looks at it.")
_changing("resolve", "resolved", "Close it: there was something, and it is over.")
_changing("false-positive", "false_positive", "Close it: there was nothing.")
_changing("reopen", "open", "Open a closed one again.")


@command.command()
@click.argument("id", metavar="ID")
@click.argument("owner")
@_note
@server_option
def assign(id: str, owner: str, note: str, server: str | None) -> None:
    """Give an incident to OWNER ("" to nobody)."""
    _change(server, id, {"owner": owner, "note": note})


@command.command()
@click.argument("id", metavar="ID")
@click.argument("text")
@server_option
def note(id: str, text: str, server: str | None) -> None:
    """Add words to the history of an incident."""
    _change(server, id, {"note": text})


@command.command()
@click.option("--incident", multiple=True, help="for these alone, false positives or not")
@click.option("--rule", multiple=True, help="of these rules alone")
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True,
              help="how far back to measure")  # fmt: skip
@click.option("--noisy/--no-noisy", default=True, help="also what is merely frequent")
@click.option("--id", "ids", multiple=True, help="write these into the file, also with a warning")
@click.option("--falco", is_flag=True, help="write those of Falco's rules")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="write a rule file")
@server_option
@format_option
def exceptions(
    incident: tuple[str, ...],
    rule: tuple[str, ...],
    days: int,
    noisy: bool,
    ids: tuple[str, ...],
    falco: bool,
    output: Path | None,
    server: str | None,
    format_: str,
) -> None:
    """What would silence false positives and noise, and how much of it."""
    from haechi.cli.output import save

    query = {"incident": incident, "rule": rule, "days": days, "noisy": noisy, "id": ids}
    found = asked(server, "GET", "incidents/exceptions", query=query)
    text = found["falco"] if falco else found["file"]["text"]
    if output is not None:
        save(output, text)
    if format_ == "json":
        echo_json(found)
        return
    for one in found["proposals"]:
        echo_lines(_proposal(one))
    click.echo(
        f"together, without those with a warning: {found['silences']:,} of {found['of']:,} "
        f"detections{'' if found['complete'] else ' (not all could be looked at)'}",
        err=True,
    )


def _path(id_: str) -> str:
    return f"incidents/{quote(id_, safe='')}"


def _change(server: str | None, id_: str, body: Mapping[str, Any]) -> None:
    click.echo(plain(_line(asked(server, "PATCH", _path(id_), body=body))))


def _line(one: Mapping[str, Any]) -> str:
    owner = f"  @{one['owner']}" if one.get("owner") else ""
    return (
        f"{one['id']}  {one['level']:<8} {one['score']:5.1f}  {one['state']:<14} "
        f"{one['detections']:>6}x  {one['last_seen'][:19]}  {one['title']}{owner}"
    )


def _shown(detail: Mapping[str, Any]) -> Iterator[str]:
    one = detail["incident"]
    yield _line(one)
    place = f"cluster {one['cluster']}, namespace {one['namespace']}, node {one['node'] or '-'}"
    yield f"  {one['resource']}  ({place})"
    for words in ("tactics", "techniques", "source_ips"):
        if one[words]:
            yield f"  {words.replace('_', ' ')}: {', '.join(one[words])}"
    yield "why this level:"
    for reason in detail["reasons"]:
        yield f"  {reason['points']:+5.1f}  {reason['text']}"
    yield "what happened:"
    for row in detail["timeline"][:_LINES]:
        times = f" {row['count']}x" if row["count"] > 1 else ""
        yield f"  {row['at'][:23]}  {row['level']:<8} {row['rule']}{times}"
        yield f"      {row['message'][:200]}"
    if detail["evidence"] > _LINES:
        more = detail["evidence"] - _LINES
        yield f"  and {more} more (haechi api incidents/{one['id']}/timeline)"
    yield "processes:"
    yield from _tree(detail["tree"])
    yield "history:"
    for step in detail["history"]:
        change = " → ".join(word for word in (step["before"], step["after"]) if word)
        note_ = f"  {step['note']}" if step["note"] else ""
        yield f"  {step['at'][:19]}  {step['what']} {change}  by {step['by']}{note_}"
    if one.get("former"):
        yield f"before it: {one['former']}"
    if detail["followed_by"]:
        yield f"after it: {', '.join(detail['followed_by'])}"


def _tree(nodes: list[Mapping[str, Any]]) -> Iterator[str]:
    depth: dict[tuple[str, int], int] = {}
    for one in nodes[:_LINES]:
        above = one.get("parent")
        level = 0 if above is None else depth.get((one["node"], above), 0) + 1
        depth[one["node"], one["pid"]] = level
        rules = f"  ← {', '.join(one['rules'])}" if one["rules"] else ""
        words = one["command"] or one["exe"] or one["name"]
        yield f"  {'  ' * level}{one['pid']} {one['name']}: {words[:120]}{rules}"


def _proposal(one: Mapping[str, Any]) -> Iterator[str]:
    fields = ", ".join(f"{v['field']} {v['comp']} {v['value']}" for v in one["fields"])
    why = one["why"].replace("_", " ")
    yield f"{one['id']}  {one['rule']}  ({why}, judged by {one['judged_by']})"
    yield f"  except where {fields}"
    spared = "none of them of an incident that somebody took seriously"
    effect = f"would silence {one['silences']:,} of {one['of']:,} detections"
    yield f"  {effect}, {spared}" if not one["warning"] else f"  {effect}"
    if one["warning"]:
        yield f"  WARNING: {one['warning']}: {', '.join(one['silences_true'][:5])}"
