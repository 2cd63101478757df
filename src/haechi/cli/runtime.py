"""``haechi runtime``: rules in Falco's language and the events they judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.asking import echo_json, format_option
from haechi.cli.plain import plain
from haechi.cli.send import command as send
from haechi.model.counting import counted

if TYPE_CHECKING:
    from haechi.engines.falco.engine import Engine
    from haechi.engines.falco.ruleset import Problem, Rule, RuleSet
    from haechi.model.event import Event

SHOWN = 3
"""Of a rule's matches so many are told in full."""
MAX_ERRORS = 1_000


@click.group(name="runtime")
def command() -> None:
    """Try rules in Falco's language on events.

    \b
    Example:
      haechi runtime test falco_rules.yaml --events events.jsonl
    """


command.add_command(send)


@command.command()
@click.argument("rules", metavar="[RULES]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--events",
    "events",
    required=True,
    type=click.Path(path_type=Path),
    help="JSON lines, or one document: an EventList of Kubernetes, an array",
)
@format_option
@click.pass_context
def test(ctx: click.Context, rules: tuple[Path, ...], events: Path, format_: str) -> None:
    """Judge the events of a file by rules. RULES are files or folders, loaded in this order;
    without any, the rules that haechi brings along are tried.

    A line is an event of haechi (haechi.event/1), an alert of Falco, an audit event of
    Kubernetes, or an object of Falco's fields: {"evt.type": "execve", "proc.name": "nc"}.

    \b
    Examples:
      haechi runtime test falco_rules.yaml --events events.jsonl
      haechi runtime test rules/ --events audit.json --format json

    \b
    Exit codes: 0 all was judged, 2 some rules do not load, 3 some events cannot be read.
    """
    from haechi.engines.falco.engine import Engine

    loaded = _loaded(rules)
    refused = [problem for problem in loaded.problems if problem.error]
    run = _Run(Engine([rule for rule in loaded.rules if rule.enabled]))
    run.take(events)
    if format_ == "json":
        echo_json(_json(run, refused))
    else:
        for line in (*map(str, refused), *run.errors_told(), *_report(run)):
            click.echo(plain(line))
        click.echo(plain(_summary(run, refused)), err=True)
    ctx.exit(2 if refused else 3 if run.errors else 0)


def _loaded(paths: Sequence[Path]) -> RuleSet:
    if not paths:
        from haechi.runtime.pack import builtin

        return builtin()
    from haechi.cli.rules_falco import rule_texts
    from haechi.engines.falco.basics import given
    from haechi.engines.falco.load import load

    files = rule_texts(paths)
    basic = given(files).file
    return load([*([basic] if basic else []), *files])


class _Run:
    """What came of judging a file."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.judged = 0
        self.counts: dict[str, int] = {rule.name: 0 for rule in engine.rules}
        self.first: dict[str, list[Event]] = {}
        self.errors: list[dict[str, Any]] = []
        self.errors_left_out = 0

    def take(self, path: Path) -> None:
        """Judge every event of the file; what cannot be read becomes an error."""
        from haechi.errors import InputError, UsageError
        from haechi.runtime.replay import Unread, events_in

        try:
            for found in events_in(path):
                if isinstance(found, Unread):
                    self._error(str(path), found.line, found.message)
                else:
                    self._judge(found)
        except InputError as error:
            raise UsageError(error.what, why=error.why) from error

    def _judge(self, event: Event) -> None:
        self.judged += 1
        for rule in self.engine.judge(event):
            self.counts[rule.name] += 1
            shown = self.first.setdefault(rule.name, [])
            if len(shown) < SHOWN:
                shown.append(event)

    def _error(self, file: str, line: int, message: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append({"file": file, "line": line, "message": message})
        else:
            self.errors_left_out += 1

    def errors_told(self) -> list[str]:
        """The errors as lines."""
        told = [f"{error['file']}:{error['line']}: {error['message']}" for error in self.errors]
        if self.errors_left_out:
            told.append(f"{self.errors_left_out:,} further errors are not told")
        return told


def _rendered(rule: Rule, event: Event) -> str:
    from haechi.engines.falco.output import render

    return " ".join(render(rule.output, event).split())


def _json(run: _Run, refused: Sequence[Problem]) -> dict[str, Any]:
    problems = [
        {
            "file": problem.at.file,
            "line": problem.at.line,
            "message": f"{problem.code}: {f'{problem.item}: ' if problem.item else ''}"
            f"{problem.message}",
        }
        for problem in refused
    ]
    return {
        "detections": [
            {"rule": name, "count": count} for name, count in run.counts.items() if count
        ],
        "errors": [*problems, *run.errors],
    }


def _report(run: _Run) -> list[str]:
    lines = []
    silent = []
    for rule in run.engine.rules:
        count = run.counts[rule.name]
        if not count:
            silent.append(rule.name)
            continue
        lines.append(f"{count:>6}  {rule.priority:<13}  {rule.name}")
        lines += [f"        {_rendered(rule, event)}" for event in run.first[rule.name]]
        if count > SHOWN:
            lines.append(f"        … and {count - SHOWN:,} more")
    if silent:
        lines += ["never matched:", *(f"        {name}" for name in silent)]
    return lines


def _summary(run: _Run, refused: Sequence[Problem]) -> str:
    found = sum(run.counts.values())
    text = f"{counted(run.judged, 'event')} judged by {counted(len(run.counts), 'rule')}"
    text += f", {counted(found, 'detection')}"
    if refused:
        text += f"; {counted(len(refused), 'error')} in the rules"
    if run.errors:
        text += f"; {counted(len(run.errors) + run.errors_left_out, 'error')} in the events"
    return text
