"""``haechi profile``: what is normal for a workload, and why an event is rare for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.asking import answer, asked, connected, echo, format_option, server_option
from haechi.cli.plain import plain
from haechi.errors import NotFound, UsageError

if TYPE_CHECKING:
    from haechi.model.event import Event
    from haechi.runtime.profile.profiles import Profiles

SHOWN, RAREST = 8, 20
_DOES = {
    "program": "programs started",
    "lineage": "by whom",
    "file": "files",
    "peer": "connections",
    "port": "listens on",
    "call": "other calls",
}


@click.group(name="profile")
def command() -> None:
    """Learnt behaviour of workloads. WORKLOAD is a profile's id, or words that only one profile's
    workload, image or command has.

    \b
    Examples:
      haechi profile show                  all profiles, the busiest first
      haechi profile show shop/web         what is normal for it
      haechi profile freeze shop/web       learn nothing until unfreeze
      haechi profile learn shop/web        learn again, after a change that was meant
      haechi profile explain EVENT         how usual a stored event is, and why
      haechi profile explain --events attack.jsonl --normal lastweek.jsonl

    \b
    The server is HAECHI_SERVER or --server; the token comes from HAECHI_TOKEN.
    """


@command.command()
@click.argument("workload", required=False, default="")
@click.option("--state", type=click.Choice(["learning", "active", "frozen"]), default=None)
@server_option
@format_option
def show(workload: str, state: str | None, server: str | None, format_: str) -> None:
    """List the profiles, or show what is normal for one WORKLOAD."""
    with connected(server) as client:
        if workload:
            found = answer(client, "GET", f"profiles/{_one(client, workload)['id']}")
            lines = _detail(found)
        else:
            query = {"limit": [1000], **({"state": [state]} if state else {})}
            found = answer(client, "GET", "profiles", query=query)
            lines = _listed(found)
    echo(found, lines, format_)


def _change(workload: str, to: str, server: str | None) -> None:
    with connected(server) as client:
        row = _one(client, workload)
        done = answer(client, "POST", f"profiles/{row['id']}/state", body={"to": to})
    told = "is forgotten" if to == "forget" else f"is {done['state']}"
    click.echo(plain(f"{done['name']} ({done['id']}) {told}"))


def _changing(to: str, says: str) -> click.Command:
    @click.argument("workload")
    @server_option
    def change(workload: str, server: str | None) -> None:
        _change(workload, to, server)

    return click.command(name=to, help=says)(change)


for _to, _says in (
    ("learn", "Learn a WORKLOAD again over what is known, for as long as a new one."),
    ("freeze", "Learn nothing of a WORKLOAD until it is unfrozen."),
    ("unfreeze", "Learn a WORKLOAD on. (What an open incident froze stays frozen.)"),
    ("forget", "Throw a WORKLOAD's profile away: it is learnt anew."),
):
    command.add_command(_changing(_to, _says))


@command.command()
@click.argument("event", required=False, default="")
@click.option("--events", type=click.Path(path_type=Path), help="explain a recording's events")
@click.option("--normal", type=click.Path(path_type=Path), help="after learning from this one")
@server_option
@format_option
def explain(
    event: str, events: Path | None, normal: Path | None, server: str | None, format_: str
) -> None:
    """How usual a stored EVENT (its id) is for its workload, and why. With --events and --normal,
    without a server: the rarest events of a recording, after learning from another one."""
    if (events is None) != (normal is None) or bool(event) == (events is not None):
        raise UsageError(
            "name an EVENT, or --events and --normal together",
            do="haechi profile explain --events attack.jsonl --normal lastweek.jsonl",
        )
    if events is not None and normal is not None:
        found: Any = _offline(events, normal)
        lines = _rarest(found)
    else:
        found = asked(server, "GET", "profiles/explain", query={"event": [event]})
        lines = _explained(found)
    echo(found, lines, format_)


def _one(client: Any, workload: str) -> dict[str, Any]:
    """The one profile that is meant. NotFound, UsageError."""
    query = {"limit": [1000]}
    rows = answer(client, "GET", "profiles", query=query)["items"]
    found = [one for one in rows if one["id"] == workload]
    if not found:
        folded = workload.casefold()
        texts = ("resource", "image", "command", "name")
        found = [
            one
            for one in rows
            if folded in "\n".join((*(one[text] for text in texts), _place(one))).casefold()
        ]
    if not found:
        raise NotFound(f"no profile's workload has {workload!r}", do="haechi profile show")
    if len(found) > 1:
        some = ", ".join(f"{one['id']} {one['name']}" for one in found[:SHOWN])
        raise UsageError(f"{workload!r} is not one profile: {some}", do="name its id")
    return dict(found[0])


def _place(row: dict[str, Any]) -> str:
    return f"{row['cluster']}/{row['namespace']}/{row['name']}"


def _listed(page: dict[str, Any]) -> Iterator[str]:
    for row in page["items"]:
        state = row["state"]
        if state == "learning":
            state += f" {row['progress']:.0%}"
        yield f"{row['id']}  {state:14} {row['events']:>12,} events  {_place(row)}"
        words = [one for one in (row["image"], row["command"]) if one]
        if words:
            yield f"    {' · '.join(words)}"
    yield f"{page['total']} profiles"


def _detail(found: dict[str, Any]) -> Iterator[str]:
    row = found["profile"]
    yield f"{_place(row)}  {row['image']} {row['command']}".rstrip()
    why = " (an incident is open)" if row["held"] else ""
    why += " (by hand)" if row["frozen_by_hand"] else ""
    why += " (began with what its image does elsewhere)" if row["cold_start"] else ""
    yield f"{row['state']}{why} since {row['since']}, {row['events']:,} events, {row['bytes']:,} B"
    for family in found["families"]:
        if not family["count"]:
            continue
        yield f"{_DOES[family['name']]}: {family['count']:,}, {family['known']} kinds"
        for one in family["values"][:SHOWN]:
            yield f"  {one['share']:>7.2%} {one['count']:>10,}  {one['value']}"
        for one in family["fresh"][:SHOWN]:
            yield f"      new {one['count']:>10,}  {one['value']}"


def _explained(found: dict[str, Any]) -> Iterator[str]:
    if found["behaviour"] is None:
        yield "nothing can be said: no profile fits the event, or it is still learning"
    else:
        then = ", as it was told when it came" if found["told"] else ""
        yield f"rarer than {found['behaviour']:.2%} of such events of its workload{then}"
    yield from (f"  {one}" for one in found["why"])
    for part in found["parts"]:
        named = f"{part['family']} {part['value']}".rstrip()
        yield f"    {part['rarity']:6.2f} of {part['most']:.0f} nats  {named}"


def _offline(events: Path, normal: Path) -> list[dict[str, Any]]:
    """The rarest events, each thing once."""
    from haechi.runtime.profile.profile import Habits
    from haechi.runtime.profile.profiles import Profiles

    at = [0.0]
    profiles = Profiles(Habits(learn_s=float("inf"), window_s=60.0), lambda: at[0])
    for one in _events(normal):
        at[0] = max(at[0], one.ts_ns / 1e9)
        if profiles.wants(one.source, one.type):
            profiles.observe(one)
    for profile in profiles.all():
        profile.activate(at[0])
    found: dict[str, dict[str, Any]] = {}
    for one in _events(events):
        told = _told(profiles, one)
        if told is None:
            continue
        known = found.setdefault(told["key"], told)
        known["count"] += 1
    order = sorted(found.values(), key=lambda one: (-one["behaviour"], -one["score"]))
    return [{key: value for key, value in one.items() if key != "key"} for one in order[:RAREST]]


def _told(profiles: Profiles, event: Event) -> dict[str, Any] | None:
    told = profiles.explain(event)
    if told is None or told.behaviour is None:
        return None
    done = "; ".join(part.value for part in told.parts if part.value)
    return {
        "key": f"{told.id} {done}",
        "event": event.id,
        "count": 0,
        "behaviour": round(told.behaviour, 4),
        "score": round(told.score, 2),
        "done": done,
        "why": list(told.why),
    }


def _events(path: Path) -> Iterator[Event]:
    from haechi.errors import InputError
    from haechi.runtime.replay import Unread, events_in

    try:
        for found in events_in(path):
            if isinstance(found, Unread):
                click.echo(plain(f"{path}:{found.line}: {found.message}"), err=True)
            else:
                yield found
    except InputError as error:
        raise UsageError(error.what, why=error.why) from error


def _rarest(found: list[dict[str, Any]]) -> Iterator[str]:
    for one in found:
        yield f"{one['behaviour']:.2%}  {one['done']}  ×{one['count']}  ({one['event']})"
        yield from (f"    {why}" for why in one["why"])
    if not found:
        yield "no event's workload was seen in what was learnt from"
