"""``haechi alerts``: who is told of incidents, what was told, and whether a receiver works."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from haechi.cli.asking import asked, echo_lines, format_option, server_option
from haechi.cli.plain import plain

EPILOG = """\b
Examples:
  haechi alerts routes
  haechi alerts routes --incident 01HX…         which route would take it, and why not others
  haechi alerts test oncall
  haechi alerts deliveries --state dead
  haechi alerts retry ID                        or: haechi alerts retry --all --receiver oncall

\b
The server is HAECHI_SERVER or --server; the token comes from HAECHI_TOKEN.
Exit codes: 0 done, 1 the receiver did not take the test, 2 it could not be asked.
"""


@click.group(name="alerts", epilog=EPILOG)
def command() -> None:
    """Look at alerts: routes, deliveries, dead letters; test a receiver."""


@command.command()
@click.option("--incident", metavar="ID", help="explain which routes take this incident")
@server_option
def routes(incident: str | None, server: str | None) -> None:
    """Receivers and routes as configured; with --incident, where its news go and why."""
    if incident:
        found = asked(server, "GET", "alerts/preview", query={"incident": incident})
        echo_lines(_explained(found))
    else:
        echo_lines(_setup(asked(server, "GET", "alerts/setup")))


def _explained(found: dict[str, Any]) -> list[str]:
    rows = []
    for step in found["steps"]:
        if step["takes"]:
            said = f"takes it: {', '.join(step['receivers'])}"
        elif not step["reached"]:
            said = "is not asked: an earlier route took it"
        else:
            said = f"does not: {step['because']}"
        rows.append(f"{step['route']:<20} {said}")
    return [*rows, found["says"]]


def _setup(found: dict[str, Any]) -> list[str]:
    rows = []
    for one in found["receivers"]:
        state = f"{one['state']}, {one['waiting']} wait, {one['dead']} dead"
        where = " ".join(part for part in (one["address"], one["target"]) if part)
        rows.append(f"{one['name']:<20} {one['kind']:<13} {state:<28} {where}")
        rows += [f"    {one['error']}"] if one["error"] else []
        rows += ["    its secret cannot be read"] if one["secret"] in ("missing",) else []
    rows += [""] if rows else []
    for one in found["routes"]:
        parts = [f"level >= {one['level']}"]
        parts += [
            f"{name} {', '.join(one[name])}"
            for name in ("clusters", "namespaces", "owners", "rules", "tags", "events")
            if one[name]
        ]
        to = ", ".join(one["receivers"]) + (", and goes on" if one["goes_on"] else "")
        rows.append(f"{one['name']:<20} {'; '.join(parts)} -> {to}")
    return [*rows, *([f"nobody is told: {found['why']}"] if found["silent"] else [])]


@command.command()
@click.argument("receiver")
@server_option
@click.pass_context
def test(ctx: click.Context, receiver: str, server: str | None) -> None:
    """Send a marked test message to RECEIVER and print what it answered."""
    found = asked(server, "POST", f"alerts/receivers/{quote(receiver, safe='')}/test")
    said = " ".join(part for part in (found["status"], found["detail"]) if part)
    verdict = "took it" if found["ok"] else "did not take it"
    click.echo(plain(f"{receiver} {verdict} in {found['seconds']:.2f} s: {said}"))
    ctx.exit(0 if found["ok"] else 1)


@command.command()
@click.option("--state", type=click.Choice(["waiting", "sent", "dead", "skipped"]))
@click.option("--receiver", metavar="NAME")
@click.option("--incident", metavar="ID")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@format_option
@server_option
def deliveries(
    state: str | None,
    receiver: str | None,
    incident: str | None,
    limit: int,
    format_: str,
    server: str | None,
) -> None:
    """What was told, waits, or could not be told, newest first."""
    query = {"state": state, "receiver": receiver, "incident": incident, "limit": limit}
    page = asked(server, "GET", "alerts/deliveries", query=query)
    if format_ == "json":
        import msgspec

        echo_lines(msgspec.json.encode(one).decode() for one in page["items"])
        return
    for one in page["items"]:
        head = f"{one['created'][:19]} {one['state']:<8} {one['receiver']:<16} {one['what']:<13}"
        click.echo(plain(f"{head} {one['level']:<8} {one['title']}"))
        click.echo(plain(f"    {one['id']}"))
        if one.get("error"):
            click.echo(plain(f"    after {one['attempts']} tries: {one['error']}"))


@command.command()
@click.argument("delivery", required=False, metavar="[ID]")
@click.option("--all", "every", is_flag=True, help="all dead letters")
@click.option("--receiver", metavar="NAME", help="with --all: of this receiver only")
@server_option
def retry(delivery: str | None, every: bool, receiver: str | None, server: str | None) -> None:
    """Send a dead letter again, or all of them."""
    from haechi.errors import UsageError

    if bool(delivery) == every or (receiver and not every):
        raise UsageError("name one delivery, or --all", do="haechi alerts deliveries --state dead")
    if delivery:
        asked(server, "POST", f"alerts/deliveries/{quote(delivery, safe='')}/retry")
        click.echo("it waits to be sent")
        return
    query = {"receiver": receiver} if receiver else {}
    found = asked(server, "POST", "alerts/retry", query=query)
    click.echo(f"{found['retried']} wait to be sent")
