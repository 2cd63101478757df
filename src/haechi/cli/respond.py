"""``haechi respond``: plans, approvals, undoing, and the switch that stops all automation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from haechi.cli.asking import (
    answer,
    asked,
    connected,
    echo,
    echo_json,
    echo_lines,
    format_option,
    server_option,
)
from haechi.cli.plain import plain
from haechi.cli.respond_words import barring, line, names_of, plan_lines, policy_lines
from haechi.errors import UsageError

KINDS = {
    "isolate": "isolate_workload",
    "block": "block_address",
    "limit": "limit_traffic",
    "monitor": "enhanced_monitoring",
    "verbose": "verbose_logging",
    "snapshot": "evidence_snapshot",
    "cordon": "cordon_node",
    "evict": "evict_pod",
    "delete": "delete_pod",
    "scale-to-zero": "scale_to_zero",
    "webhook": "webhook",
}
"""Words of the command line for the kinds of actions."""
EPILOG = """\b
Examples:
  haechi respond plan 6518ba980780a662b0                what would be done about an incident
  haechi respond plan isolate k8s:prod/apps/Deployment/shop/web --pod web-6c9d-x7x2p
  haechi respond list --state recommended --state waiting
  haechi respond approve a-3276c2da4429cf3a
  haechi respond apply isolate k8s:prod/core/Pod/shop/web-6c9d-x7x2p --yes
  haechi respond apply block k8s:prod/apps/Deployment/shop/web --address 203.0.113.9
  haechi respond undo a-3276c2da4429cf3a --note "cause found"
  haechi respond extend a-3276c2da4429cf3a 2h
  haechi respond stop                                   stop all automation, everywhere, at once
  haechi respond go --cluster stage
  haechi respond policy check response.yaml
  haechi respond policy --level critical --namespace shop

\b
The server is HAECHI_SERVER or --server; the token comes from HAECHI_TOKEN. With the server down,
a file HALT in its store's folder stops all automation as well.
Exit codes: 0 done, 1 checks stand in the way, 2 wrong use or refused, 3 no answer.
"""
_note = click.option("--note", default="", help="why; stands in the audit log")
_accept = click.option(
    "--accept", default="", metavar="CHECKS", help="take these checks upon yourself, by commas"
)
_ttl = click.option("--ttl", default="", metavar="SPAN", help="undone after this time: 30m, 2h")


@click.group(name="respond", epilog=EPILOG)
def command() -> None:
    """Plan, approve, apply and undo responses to incidents."""


def _target(function: Any) -> Any:
    """Options that say what is meant."""
    for option in (
        click.option("--receiver", default="", help="where a webhook goes, by its name"),
        click.option("--address", default="", help="the IP address to block or limit"),
        click.option("--pod", "pods", multiple=True, help="these pods only; may be repeated"),
    ):
        function = option(function)
    return function


@command.command()
@click.argument("what")
@click.argument("resource", required=False, default="")
@_target
@server_option
@format_option
@click.pass_context
def plan(
    ctx: click.Context, /, what: str, resource: str, server: str | None, format_: str, **more: Any
) -> None:
    """Show what would be done; nothing is kept or changed.

    \b
    WHAT is an incident's id, or a kind of action with the key of a RESOURCE:
      haechi respond plan 6518ba980780a662b0
      haechi respond plan isolate k8s:prod/apps/Deployment/shop/web
    """
    body = {"incident": what} if what not in KINDS and not resource else _body(what, resource, more)
    plans = asked(server, "POST", "responses/plan", body=body)
    if format_ == "json":
        echo_json(plans)
    else:
        for number, one in enumerate(plans):
            if number:
                click.echo()
            echo_lines(plan_lines(one))
        if not plans:
            click.echo("the policy does nothing about it")
    ctx.exit(1 if any(barring(one["checks"]) for one in plans) else 0)


@command.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("resource")
@_target
@_accept
@_ttl
@_note
@click.option("--yes", is_flag=True, help="do not ask")
@server_option
@click.pass_context
def apply(
    ctx: click.Context,
    /,
    kind: str,
    resource: str,
    accept: str,
    ttl: str,
    note: str,
    yes: bool,
    server: str | None,
    **more: Any,
) -> None:
    """Plan an action by hand and apply it.

    \b
    Examples:
      haechi respond apply isolate k8s:prod/apps/Deployment/shop/web --pod web-6c9d-x7x2p
      haechi respond apply evict k8s:prod/core/Pod/shop/web-6c9d-x7x2p --accept healthy
      haechi respond apply monitor host:prod/node-7 --ttl 2h --yes
    """
    body = _body(kind, resource, more)
    with connected(server) as client:
        (one,) = answer(client, "POST", "responses/plan", body=body)
        echo_lines(plan_lines(one))
        standing = [
            check for check in barring(one["checks"]) if check["name"] not in _words(accept)
        ]
        if standing:
            click.echo(f"haechi: not applied: {names_of(standing)}", err=True)
            ctx.exit(1)
        _confirmed(yes, f"apply this in {one['cluster']}?")
        more_ = {"approve": True, "accept": _words(accept), "ttl_s": _span(ttl), "note": note}
        made = answer(client, "POST", "responses", body=body | more_)
    click.echo(plain(f"{made['action']['id']} is approved: haechi respond show follows it"))


@command.command()
@click.argument("id", metavar="ID")
@_accept
@_ttl
@_note
@click.option("--yes", is_flag=True, help="do not ask")
@server_option
def approve(id: str, accept: str, ttl: str, note: str, yes: bool, server: str | None) -> None:
    """Let an action be applied. Its plan is shown first; all checks are made again."""
    with connected(server) as client:
        detail = answer(client, "GET", _path(id))
        echo_lines(plan_lines(detail["plan"]))
        _confirmed(yes, f"apply this in {detail['action']['cluster']}?")
        body = {"accept": _words(accept), "ttl_s": _span(ttl), "note": note}
        body["seen"] = detail["action"]["changed"]
        made = answer(client, "POST", _path(id, "approve"), body=body)
    click.echo(plain(line(made["action"])))


def _deciding(name: str, about: str) -> None:
    """A command that takes an id and a note."""

    @command.command(name=name, help=about)
    @click.argument("id", metavar="ID")
    @_note
    @server_option
    def decide(id: str, note: str, server: str | None) -> None:
        made = asked(server, "POST", _path(id, name), body={"note": note})
        click.echo(plain(line(made["action"])))


_deciding("dismiss", "Say no to an action.")
_deciding("undo", "Undo what was applied, now.")


@command.command()
@click.argument("id", metavar="ID")
@click.argument("span")
@_note
@server_option
def extend(id: str, span: str, note: str, server: str | None) -> None:
    """Set the undo clock anew: SPAN from now (30m, 2h)."""
    body = {"seconds": _span(span), "note": note}
    made = asked(server, "POST", _path(id, "extend"), body=body)
    click.echo(plain(line(made["action"])))


@command.command(name="list")
@click.option("--state", multiple=True, help="recommended, waiting, applied, stuck …")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)))
@click.option("--cluster", multiple=True)
@click.option("--namespace", multiple=True)
@click.option("--incident", multiple=True)
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@server_option
@format_option
def list_(kinds: tuple[str, ...], limit: int, server: str | None, format_: str, **ask: Any) -> None:
    """Actions, newest first."""
    query = {**ask, "kind": [KINDS[one] for one in kinds], "limit": limit}
    page = asked(server, "GET", "responses", query=query)
    if format_ == "json":
        echo_json(page)
        return
    echo_lines(map(line, page["items"]))
    click.echo(f"{len(page['items'])} of {page.get('total') or 0} actions", err=True)


@command.command()
@click.argument("id", metavar="ID")
@server_option
@format_option
def show(id: str, server: str | None, format_: str) -> None:
    """One action: plan, checks, steps, undo clock."""
    detail = asked(server, "GET", _path(id))
    if format_ == "json":
        echo_json(detail)
        return
    echo_lines((line(detail["action"]), *plan_lines(detail["plan"])))
    if detail.get("left_s") is not None:
        click.echo(f"undone by itself in {int(detail['left_s'])} s")


def _switch(name: str, stopped: bool, about: str) -> None:
    @command.command(name=name, help=about)
    @click.option("--cluster", default="*", show_default=True, help="this one; * is everywhere")
    @click.option("--why", default="")
    @server_option
    def switch(cluster: str, why: str, server: str | None) -> None:
        body = {"stopped": stopped, "cluster": cluster, "why": why}
        status = asked(server, "POST", "responses/halt", body=body)
        if status["file"]:
            click.echo("the file HALT in the store's folder stops all automation")
        for one in status["words"]:
            word = "stopped" if one["stopped"] else "goes"
            click.echo(plain(f"{one['scope']}: {word}, by {one['by']} {one['why']}".rstrip()))


_switch(
    "stop", True, "Stop all automation at once. People may go on; what stands is undone in time."
)
_switch("go", False, "Let automation go again. What was stopped is not taken up.")


@command.group(invoke_without_command=True)
@click.option("--level", default="", help="what would be done at this level: critical … info")
@click.option("--cluster", default="-")
@click.option("--namespace", default="-")
@click.option("--rule", multiple=True)
@click.option("--tag", multiple=True)
@click.option("--label", multiple=True, help="of the workload, as app=web")
@click.option("--builtin", is_flag=True, help="print the built-in policy, without a server")
@server_option
@format_option
@click.pass_context
def policy(
    ctx: click.Context, /, builtin: bool, server: str | None, format_: str, **ask: Any
) -> None:
    """The policy in force, and what it says for a case.

    \b
    Examples:
      haechi respond policy --builtin > response.yaml
      haechi respond policy check response.yaml
      haechi respond policy --level critical --namespace shop --rule "Shell in a container"
    """
    if ctx.invoked_subcommand is not None:
        return
    if builtin:
        from haechi.respond.policy_file import builtin_text

        click.echo(builtin_text(), nl=False)
        return
    found = asked(server, "GET", "responses/policy", query=ask)
    told = policy_lines(found) if ask["level"] else (f"# {found['origin']}", found["text"].rstrip())
    echo(found, told, format_)


@policy.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(file: Path) -> None:
    """Read a policy file and say what is wrong with it."""
    from haechi.respond.policy import load_policy

    found = load_policy(file)
    click.echo(
        f"{file}: good; stage {found.file.stage.value}, {len(found.file.overrides)} overrides"
    )


def _body(kind: str, resource: str, more: Mapping[str, Any]) -> dict[str, Any]:
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of action", do=", ".join(KINDS))
    if not resource:
        raise UsageError("name a resource", do=f"haechi respond plan {kind} k8s:…")
    found = {"kind": KINDS[kind], "resource": resource, "pods": list(more["pods"])}
    return found | {"address": more["address"], "receiver": more["receiver"]}


def _words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _span(text: str) -> int:
    if not text:
        return 0
    from haechi.respond.policy_file import seconds

    return seconds(text)


def _confirmed(yes: bool, question: str) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked", do="--yes, when this is meant")
    click.confirm(question, abort=True)


def _path(id: str, verb: str = "") -> str:
    return f"responses/{quote(id, safe='')}" + (f"/{verb}" if verb else "")
