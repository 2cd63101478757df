"""``haechi fix deps``: the smallest upgrades that clear what is known against dependencies.

Manifests are changed and shown as a diff; lock files are left to their own tools, which run only
when ``--lock`` asks for it, for they ask the network. Before anything is shown the files are looked
at again with the changes: what does not clear its vulnerabilities, or brings others, is not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from haechi.cli.fix import agreed, restore, say, show, write_files
from haechi.cli.screen import clear_progress, progress
from haechi.errors import HaechiError, UsageError
from haechi.model.counting import counted
from haechi.model.severity import Severity

if TYPE_CHECKING:
    from haechi.cli.pipeline import Options, Outcome
    from haechi.model.finding import Finding
    from haechi.scan.deps.fixing.fixes import Fix
    from haechi.scan.deps.fixing.session import Result
    from haechi.scan.fix.plan import FileFix

EPILOG = """\b
Examples:
  haechi fix deps                       show what to change, as a diff
  haechi fix deps --yes services/web    change the manifests there
  haechi fix deps --lock --yes          also renew lock files, by uv, npm, cargo ...
  haechi fix deps --severity medium     also what the gate would let pass
  haechi fix deps CVE-2020-1747 lodash  one vulnerability, one package

\b
Of each package the lowest version is taken that clears it and that no known advisory
concerns, in the same major version if there is one. Ranges keep their style, comments and
order stay. --lock runs the tool of each lock file in a copy of the project: without
scripts of packages, without your environment's tokens (see --with-environment).

\b
Exit codes: 0 written, or nothing to fix; 1 shown and not written, or something stays that no
upgrade clears; 2 wrong use; 3 nothing to fix where something could not be judged, something
could not be written, or a lock file was asked for and not renewed.
"""
_LISTED = 20
OUT_OF_STEP = "deps-lock-out-of-step"


@click.command(name="deps", epilog=EPILOG)
@click.argument("words", nargs=-1, metavar="[ID|PACKAGE]... [PATH]")
@click.option("--yes", is_flag=True, help="write the changes without asking")
@click.option("--lock", is_flag=True, help="renew lock files by their own tools (asks registries)")
@click.option("--offline", is_flag=True, help="run no tool, whatever else is asked")
@click.option(
    "--severity",
    type=click.Choice([one.value for one in Severity]),
    help="clear what is at least as bad (default: what the gate blocks)",
)
@click.option("--with-environment", is_flag=True, help="tools get your home and variables")
@click.pass_context
def command(
    ctx: click.Context,
    words: tuple[str, ...],
    yes: bool,
    lock: bool,
    offline: bool,
    severity: str | None,
    with_environment: bool,
) -> None:
    """Raise what is vulnerable to the lowest version that is not."""
    from haechi.cli.pipeline import run

    named, path = _split(words)
    outcome = run(_options(path))
    clear_progress()
    least = _threshold(outcome, severity)
    findings = concerned(outcome, least, named)
    _tell_named(named, findings)
    result = fixed(
        outcome, findings, least, lock=lock and not offline, whole_environment=with_environment
    )
    show(files_of(result))
    _tell(result, findings, least, lock=lock, offline=offline)
    unjudged = tell_gaps(outcome)
    changed = files_of(result)
    if not changed and result.waiting and not result.failed:
        ctx.exit(1)
    if not changed:
        ctx.exit(3 if unjudged or result.failed else int(bool(_stays(result))))
    if not yes and not agreed(changed):
        ctx.exit(1)
    write_files(outcome, changed)
    behind = frozenset(one.path for one in result.waiting)
    _prove(outcome, run(_options(path)), changed, least, behind)
    if behind:
        say(f"behind their manifests until the commands above are run: {', '.join(sorted(behind))}")
    ctx.exit(3 if result.failed else int(bool(_stays(result))))


def tell_gaps(outcome: Outcome) -> bool:
    """Say what could not be judged: nothing found there is no reason for calm. Whether there was
    any."""
    gaps = outcome.material.scan.coverage.open_gaps
    for gap in gaps[:_LISTED]:
        say(f"not evaluated: {gap.path}: {gap.reason}")
        if gap.do:
            say(f"      {gap.do}")
    if len(gaps) > _LISTED:
        say(f"  and {len(gaps) - _LISTED} more")
    return bool(gaps)


def _options(path: Path) -> Options:
    from haechi.cli.pipeline import Options

    return Options(path=path, only=("deps",), progress=progress())


def _split(words: Sequence[str]) -> tuple[frozenset[str], Path]:
    """Names and the path: what exists on disk, or looks like a path, is the path."""
    paths = [word for word in words if Path(word).exists() or word.startswith((".", "/"))]
    if len(paths) > 1:
        raise UsageError(f"one path at a time, not {len(paths)}: {' '.join(paths)}")
    if paths and not Path(paths[0]).exists():
        raise UsageError(f"there is no {paths[0]}")
    return frozenset(words) - frozenset(paths), Path(paths[0]) if paths else Path()


def _threshold(outcome: Outcome, severity: str | None) -> Severity:
    return Severity(severity) if severity else outcome.project.config.gate.fail_on


def concerned(outcome: Outcome, least: Severity, named: frozenset[str]) -> list[Finding]:
    """Vulnerabilities of the run that count, at or above the threshold; of those named only."""
    from haechi.model.finding import FindingState

    alive = (FindingState.OPEN, FindingState.NEW, FindingState.KNOWN)
    found = [
        one
        for one in outcome.material.scan.findings
        if one.domain == "deps"
        and "fixed" in one.evidence
        and one.state in alive
        and one.severity.at_least(least)
    ]
    if not named:
        return found
    return [one for one in found if named & {*one.ids, one.evidence["package"]}]


def _tell_named(named: frozenset[str], findings: Sequence[Finding]) -> None:
    met = {name for one in findings for name in (*one.ids, one.evidence["package"])}
    for name in sorted(named - met):
        say(f"nothing found that is called {name}")


def fixed(
    outcome: Outcome,
    findings: Sequence[Finding],
    least: Severity,
    *,
    milder: bool = False,
    lock: bool = False,
    whole_environment: bool = False,
) -> Result:
    """The fixes of some findings of a run, proven in memory. ``milder``: also of packages with
    nothing that reaches ``least``."""
    from haechi.scan.deps.fixing.session import Asked, fix_dependencies

    advised = outcome.looked.dependencies
    return fix_dependencies(
        Asked(
            tree=outcome.tree,
            files=advised.files if advised else (),
            config=outcome.project.config,
            threshold=least,
            alive=_places(findings),
            waived=_places(waived_in(outcome)),
            milder=milder,
            lock=lock,
            whole_environment=whole_environment,
            say=say,
        )
    )


def waived_in(outcome: Outcome) -> list[Finding]:
    """Vulnerabilities that are accepted."""
    from haechi.model.finding import FindingState

    return [
        one
        for one in outcome.material.scan.findings
        if one.domain == "deps" and "fixed" in one.evidence and one.state is FindingState.WAIVED
    ]


def _places(findings: Sequence[Finding]) -> frozenset[tuple[str, str, str, str]]:
    return frozenset(
        (one.location.path, one.evidence["ecosystem"], name_of(one), one.rule) for one in findings
    )


def name_of(finding: Finding) -> str:
    """The normalised name of a finding's package."""
    named: str = finding.evidence["package"]
    return named


def files_of(result: Result) -> list[FileFix]:
    """The contents that stand, as ``haechi fix`` shows and writes them."""
    from haechi.scan.fix.plan import FileFix

    return [
        FileFix(path=path, before=result.before[path], after=result.after[path])
        for path in result.after
    ]


def _tell(
    result: Result, findings: Sequence[Finding], least: Severity, *, lock: bool, offline: bool
) -> None:
    if not findings:
        say(f"nothing to fix: no known vulnerability of severity {least} or worse")
        return
    _tell_proven(result.proven)
    _tell_waiting(result, lock=lock, offline=offline)
    stays = [one for plan in result.plans for one in plan.stays]
    if count := _stays(result):
        say(f"not fixed: {counted(count, 'package')}")
    for fix in result.left[:_LISTED]:
        say(f"  {line_of(fix)}")
        say(f"      {fix.left}")
    for stay in stays[:_LISTED]:
        say(f"  {stay.spelled} {stay.version}  {stay.location}  {_ids(stay.ids)}")
        say(f"      {stay.reason}")
    more = max(len(stays) - _LISTED, 0) + max(len(result.left) - _LISTED, 0)
    if more:
        say(f"  and {more} more")


def _stays(result: Result) -> int:
    """Packages with vulnerabilities that no upgrade of this run clears."""
    return sum(len(plan.stays) for plan in result.plans) + len(result.left)


def _tell_proven(proven: Sequence[Fix]) -> None:
    if proven:
        say(f"{counted(len(proven), 'upgrade')}, looked at again with the changes:")
    for fix in proven[:_LISTED]:
        say(f"  {line_of(fix)}")
        for path, change in fix.edits:
            if change.also:
                say(f"      {path}:{change.line} moves {', '.join(change.also[:3])}, too")
        if fix.upgrade.leaves:
            say(f"      milder ones stay: {_ids(fix.upgrade.leaves)}")
    if len(proven) > _LISTED:
        say(f"  and {len(proven) - _LISTED} more")


def _tell_waiting(result: Result, *, lock: bool, offline: bool) -> None:
    if result.waiting:
        count = counted(len(result.waiting), "upgrade")
        say(f"{count} once the lock file follows, unproven till then:")
    for fix in result.waiting[:_LISTED]:
        say(f"  {line_of(fix)}")
    if len(result.waiting) > _LISTED:
        say(f"  and {len(result.waiting) - _LISTED} more")
    for path, reason in sorted(result.failed.items()):
        say(f"{path} was not renewed: {reason}")
    if steps := commands_of(result):
        why = "" if lock and not offline else " (or add --lock, which asks registries)"
        say(f"then run{why}:")
        for step in steps:
            say(f"  {step}")


def commands_of(result: Result) -> list[str]:
    """What is still to be run, as lines of a shell."""
    steps = [step for path in sorted(result.commands) for step in result.commands[path]]
    return list(dict.fromkeys(map(str, steps)))


def line_of(fix: Fix) -> str:
    """``lodash 4.17.20 → 4.17.21  package-lock.json:12  CVE-…``."""
    one = fix.upgrade
    major = "  (major version)" if one.major else ""
    through = f"  by {', '.join(one.by[:2])}" if one.by and not one.direct else ""
    move = f"{one.spelled} {one.version} → {one.to}{major}"
    return f"{move}  {one.location}{through}  {_ids(one.clears)}"


def _ids(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return ", ".join(ids[:3]) + more


def _prove(
    before: Outcome,
    after: Outcome,
    changed: Sequence[FileFix],
    least: Severity,
    behind: frozenset[str],
) -> None:
    """Compare what is on disk now: nothing at or above the threshold may be new, nor a gap. That
    lock files are ``behind`` their manifests was said."""
    clear_progress()
    was, now = _tally(before, least), _tally(after, least)
    now = {one for one in now if one[0] != OUT_OF_STEP or one[1] not in behind}
    if worse := sorted(now - was):
        restore(before, changed)
        raise HaechiError(
            f"the scan afterwards shows {worse[0][0]} in {worse[0][1]}, which was not there before",
            do="the files are as they were; fix one by one: haechi fix deps PACKAGE",
        )
    say(f"written; scanned again: {len(was - now)} fewer of severity {least} or worse")


def _tally(outcome: Outcome, least: Severity) -> set[tuple[str, str, str]]:
    scan = outcome.material.scan
    found = {
        (one.rule, one.location.path, str(one.evidence.get("package", "")))
        for one in scan.findings
        if one.severity.at_least(least)
    }
    gaps = {(f"gap {gap.kind}", gap.path.partition(":")[0], "") for gap in scan.coverage.gaps}
    return found | gaps
