"""``haechi policy test``: gator's suites, judged by the engine of the door."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from haechi.errors import RuleError, UsageError

if TYPE_CHECKING:
    from haechi.admit.gatekeeper.running import Result, Wanted
    from haechi.admit.gatekeeper.suites import Unreadable

EPILOG = """\b
Examples:
  haechi policy test policies/
  haechi policy test policies/ --run 'required-labels//missing'
  haechi policy test policies/ --engine rego --format junit > report.xml

\b
A suite is a file of kind Suite in test.gatekeeper.sh/v1alpha1, as gator reads it. --run is a
regular expression on the names of tests and cases; before and after // for both of them.
Exit codes: 0 all passed, 1 a case failed, 2 wrong use, 3 something could not be run.
"""


@click.command(name="test", epilog=EPILOG)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text")
@click.option("--run", "run", default="", metavar="REGEX", help="only these tests and cases")
@click.option(
    "--engine",
    "engine",
    type=click.Choice(["any", "rego", "cel"]),
    default="any",
    help="which code of templates that have both; any: CEL, as Gatekeeper",
)
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...], form: str, run: str, engine: str) -> None:
    """Run the suites in DIR: templates and constraints, tried on objects."""
    from haechi.admit.gatekeeper import Engine
    from haechi.admit.gatekeeper.running import run_suites
    from haechi.admit.gatekeeper.suites import find_suites

    wanted = _filter(run)
    suites, unreadable = find_suites(list(paths))
    if not suites and not unreadable:
        raise UsageError(
            f"{', '.join(map(str, paths))}: no suites there",
            do="name a folder with files of kind Suite (test.gatekeeper.sh/v1alpha1)",
        )
    results = [_unreadable(one) for one in unreadable]
    results.extend(run_suites(suites, engine=Engine(engine), wanted=wanted))
    _WRITERS[form](results)
    counts = _summary(results)
    ctx.exit(1 if counts["failed"] else 3 if counts["errors"] else 0)


def _filter(run: str) -> Wanted:
    """One expression: tests or cases of that name; two, cut by ``//``: both. As gator does."""
    from haechi.admit.gatekeeper.regex import pattern

    parts = run.split("//")
    if len(parts) > 2:
        raise UsageError(f"--run {run!r} has more than one //")
    try:
        found = [pattern(part) for part in parts]
    except RuleError as error:
        raise UsageError(f"--run: {error.what}", do=error.do) from error
    if len(found) == 1:
        only = found[0]
        return lambda test, case: only.found_in(test) or only.found_in(case)
    of_test, of_case = found
    return lambda test, case: of_test.found_in(test) and of_case.found_in(case)


def _unreadable(one: Unreadable) -> Result:
    from haechi.admit.gatekeeper.running import Outcome, Result

    return Result(
        file=one.file.as_posix(),
        line=one.line,
        test="",
        case="",
        outcome=Outcome.ERROR,
        reason=f"the suite cannot be read: {one.reason}",
    )


def _summary(results: Sequence[Result]) -> dict[str, int]:
    outcomes = [result.outcome.value for result in results]
    return {
        "passed": outcomes.count("passed"),
        "failed": outcomes.count("failed"),
        "errors": outcomes.count("error"),
        "skipped": outcomes.count("skipped"),
    }


def _json(results: Sequence[Result]) -> None:
    cases = [
        {
            "suite": result.file,
            "line": result.line,
            "test": result.test,
            "case": result.case,
            "result": result.outcome.value,
            "reason": result.reason,
            "violations": list(result.violations),
            "seconds": result.seconds,
        }
        for result in results
    ]
    report: dict[str, Any] = {"summary": _summary(results), "cases": cases}
    sys.stdout.write(msgspec.json.encode(report).decode("utf-8", "replace") + "\n")


def _text(results: Sequence[Result]) -> None:
    from haechi.cli.plain import plain

    for result in results:
        if result.outcome.value in ("failed", "error"):
            click.echo(
                plain(f"{result.outcome.value}: {result.file}:{result.line}: {_name(result)}")
            )
            click.echo(plain(f"  {result.reason}"))
    counts = _summary(results)
    click.echo(", ".join(f"{number} {name}" for name, number in counts.items() if number))


def _name(result: Result) -> str:
    return " // ".join(part for part in (result.test, result.case) if part)


def _junit(results: Sequence[Result]) -> None:
    from haechi.report.junit import quoted

    by_file: dict[str, list[Result]] = {}
    for result in results:
        by_file.setdefault(result.file, []).append(result)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="haechi policy test">']
    for file, own in by_file.items():
        counts = _summary(own)
        lines.append(
            f'  <testsuite name={quoted(file)} tests="{len(own)}" failures="{counts["failed"]}"'
            f' errors="{counts["errors"]}" skipped="{counts["skipped"]}">'
        )
        lines += [_junit_case(result) for result in own]
        lines.append("  </testsuite>")
    sys.stdout.write("\n".join([*lines, "</testsuites>", ""]))


def _junit_case(result: Result) -> str:
    from haechi.report.junit import quoted

    head = (
        f"    <testcase name={quoted(result.case or result.test)}"
        f" classname={quoted(result.test or result.file)} file={quoted(result.file)}"
        f' line="{max(result.line, 1)}" time="{result.seconds:.6f}"'
    )
    inner = {"failed": "failure", "error": "error", "skipped": "skipped"}.get(result.outcome.value)
    if inner is None:
        return f"{head}/>"
    return f"{head}><{inner} message={quoted(result.reason)}/></testcase>"


_WRITERS = {"text": _text, "json": _json, "junit": _junit}
