"""``haechi patch``: the fixes of one scan as commits on a new branch, ready for a pull request.

The scan and the fixes are made on what is committed, in a folder beside: the work tree, the index
and the branch that is checked out are neither read nor touched. Before the branch is created the
commits are scanned again; nothing is ever pushed.
"""

from __future__ import annotations

import datetime as dt
import os
import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from haechi.cli.fix import say
from haechi.cli.screen import clear_progress, progress
from haechi.errors import HaechiError, InputError, UsageError
from haechi.model.counting import counted
from haechi.model.severity import Severity

if TYPE_CHECKING:
    from haechi.cli.patch_server import Proposed
    from haechi.cli.pipeline import Outcome
    from haechi.model.finding import Finding
    from haechi.scan.deps.fixing.session import Result
    from haechi.scan.fix.plan import FileFix
    from haechi.world.git_branch import Step

EPILOG = """\b
Examples:
  haechi patch                          fixes of configuration and dependencies on a branch
  haechi patch --lock                   lock files renewed by their own tools, too
  haechi patch --only deps --branch security/upgrades --body pr.md
  git push origin haechi/fix-20260701 && gh pr create --body-file pr.md ...

\b
The title of the pull request is the first line of what is printed, the text follows.
What is not committed has no part in it. Fixes that may change how a program behaves are
left out: haechi fix RULE makes them.

\b
Exit codes: 0 the branch is there, or there is nothing to fix; 2 wrong use; 3 something
could not be made, or nothing was and something could not be judged.
"""
DOMAINS = ("iac", "deps")


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What the branch holds: fixes of configuration, the upgrades, and the findings by which both
    came about. ``unjudged``: some dependencies could not be judged."""

    base: str
    configuration: tuple[FileFix, ...] = ()
    upgrades: Result | None = None
    findings: tuple[Finding, ...] = ()
    unjudged: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.configuration and not (self.upgrades and self.upgrades.after)


@click.command(name="patch", epilog=EPILOG)
@click.argument("path", default=".", metavar="[PATH]")
@click.option("--branch", "wanted", help="its name (default: haechi/fix-DATE)")
@click.option("--only", type=click.Choice(DOMAINS), help="one kind of fixes")
@click.option("--lock", is_flag=True, help="renew lock files by their own tools (asks registries)")
@click.option("--offline", is_flag=True, help="run no tool, whatever else is asked")
@click.option("--with-environment", is_flag=True, help="tools get your home and variables")
@click.option(
    "--severity",
    type=click.Choice([one.value for one in Severity]),
    help="dependencies: clear what is at least as bad (default: what the gate blocks)",
)
@click.option(
    "--from-server", "server", metavar="URL", help="only the upgrades that a server proposes"
)
@click.option("--body", "body", type=click.Path(dir_okay=False), help="write the text there")
def command(
    path: str,
    wanted: str | None,
    only: str | None,
    lock: bool,
    offline: bool,
    with_environment: bool,
    severity: str | None,
    server: str | None,
    body: str | None,
) -> None:
    """Put the fixes of one scan on a new branch, with the text of a pull request."""
    from haechi.cli.patch_words import body_of, title_of
    from haechi.cli.project import open_project
    from haechi.world.git import extract, top_level
    from haechi.world.git_branch import Commits, free_branch, head_of

    project = open_project(Path(path))
    top = top_level(project.root)
    if top is None or not project.root.resolve().is_relative_to(top.resolve()):
        raise UsageError(
            f"{project.root} is not in a git repository that git can read",
            do="haechi fix changes files without git",
        )
    name = free_branch(top, wanted or f"haechi/fix-{_today():%Y%m%d}")
    inner = project.root.resolve().relative_to(top.resolve()).as_posix()
    inner = "" if inner == "." else inner
    base = head_of(top)
    wanted_only = None
    if server is not None:
        from haechi.cli.patch_server import proposals_of

        only, wanted_only = "deps", proposals_of(server, project.root)
    with tempfile.TemporaryDirectory(prefix="haechi-patch-") as folder:
        target = Path(folder)
        extract(top, base, target, within=inner)
        root = _marked(target / inner)
        if not (root / project.within).exists():
            raise UsageError(f"{project.within} is not committed", do="commit it first")
        made = _made(
            root / project.within,
            base,
            only=only,
            severity=severity,
            lock=lock and not offline,
            whole_environment=with_environment,
            proposals=wanted_only,
        )
    if made.is_empty:
        say("nothing that can be fixed in what is committed")
        _say_left(made)
        if made.unjudged:
            raise SystemExit(3)
        return
    commits = Commits(top, base)
    commits.add(_steps(made, inner))
    behind = frozenset(one.path for one in made.upgrades.waiting) if made.upgrades else frozenset()
    _prove(top, commits.tip, base, inner, project.within, only, behind)
    commits.branch(name)
    title, text = title_of(made), body_of(made)
    _write_body(body, text)
    click.echo(title)
    if body is None:
        click.echo()
        click.echo(text, nl=False)
    count = counted(len(_steps(made, inner)), "commit")
    say(f"branch {name}: {count} on {base[:12]}; your files were not touched, nothing was pushed")
    say(f"look: git diff {base[:12]}..{name}   push: git push origin {name}")
    _say_left(made)


def _today() -> dt.date:
    """Today, or the day of SOURCE_DATE_EPOCH, as builds that repeat themselves want it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch.isdigit() and len(epoch) < 12:
        return dt.datetime.fromtimestamp(int(epoch), dt.UTC).date()
    return dt.datetime.now(dt.UTC).date()


def _marked(root: Path) -> Path:
    """The root of the extracted project, which must not be looked for further upwards."""
    root.mkdir(parents=True, exist_ok=True)
    (root / ".git").mkdir(exist_ok=True)
    return root


def _scanned(path: Path, only: tuple[str, ...]) -> Outcome:
    from haechi.cli.pipeline import Options, run

    outcome = run(Options(path=path, only=only, history=False, progress=progress()))
    clear_progress()
    return outcome


def _made(
    path: Path,
    base: str,
    *,
    only: str | None,
    severity: str | None,
    lock: bool,
    whole_environment: bool,
    proposals: Sequence[Proposed] | None,
) -> Made:
    configuration: list[FileFix] = []
    upgrades: Result | None = None
    findings: list[Finding] = []
    unjudged = False
    if only != "deps":
        from haechi.cli.fix import safe_fixes

        outcome = _scanned(path, ("iac",))
        configuration = [fix for fix in safe_fixes(outcome) if fix.before != fix.after]
    if only != "iac":
        from haechi.cli.fix_deps import concerned, fixed, tell_gaps
        from haechi.cli.patch_server import matching

        outcome = _scanned(path, ("deps",))
        unjudged = tell_gaps(outcome)
        least = Severity(severity) if severity else outcome.project.config.gate.fail_on
        milder = proposals is not None and severity is None
        findings = concerned(outcome, Severity.INFO if milder else least, frozenset())
        if proposals is not None:
            findings, unknown = matching(proposals, findings)
            _say_unknown(unknown)
        upgrades = fixed(
            outcome,
            findings,
            least,
            milder=milder,
            lock=lock,
            whole_environment=whole_environment,
        )
        configuration = [fix for fix in configuration if fix.path not in upgrades.after]
    return Made(
        base=base,
        configuration=tuple(configuration),
        upgrades=upgrades,
        findings=tuple(findings),
        unjudged=unjudged,
    )


def _steps(made: Made, inner: str) -> list[Step]:
    """One commit for configuration, one for the dependencies of each folder."""
    from haechi.cli.patch_words import commit_of_configuration, commit_of_upgrades
    from haechi.world.git_branch import Step

    steps = []
    if made.configuration:
        contents = {fix.path: fix.after for fix in made.configuration}
        message = commit_of_configuration(made.configuration)
        steps.append(Step(message=message, contents=_placed(contents, inner)))
    after: Mapping[str, bytes] = made.upgrades.after if made.upgrades else {}
    folders = sorted({posixpath.dirname(path) for path in after})
    for folder in folders:
        contents = {path: after[path] for path in after if posixpath.dirname(path) == folder}
        message = commit_of_upgrades(made, folder)
        steps.append(Step(message=message, contents=_placed(contents, inner)))
    return steps


def _placed(contents: Mapping[str, bytes], inner: str) -> dict[str, bytes]:
    return {posixpath.join(inner, path): data for path, data in contents.items()}


def _prove(
    top: Path,
    tip: str,
    base: str,
    inner: str,
    within: str,
    only: str | None,
    behind: frozenset[str],
) -> None:
    """Scan both commits: nothing may be there after the fixes that was not there before, but that
    lock files are ``behind`` their manifests, which the text says."""
    from haechi.cli.fix_deps import OUT_OF_STEP

    domains = (only,) if only else DOMAINS
    before = _tally(top, base, inner, within, domains)
    after = _tally(top, tip, inner, within, domains)
    after = {one for one in after if one[0] != OUT_OF_STEP or one[1] not in behind}
    worse = sorted(after - before)
    if worse:
        rule, path, _ = worse[0]
        raise HaechiError(
            f"a scan of the commits shows {rule} in {path}, which was not there before",
            do="no branch was made; fix rule by rule: haechi fix ID",
        )


def _tally(
    top: Path, commit: str, inner: str, within: str, domains: Sequence[str]
) -> set[tuple[str, str, str]]:
    """What blocks or may block: milder findings may come with a version that clears worse."""
    from haechi.world.git import extract

    with tempfile.TemporaryDirectory(prefix="haechi-patch-") as folder:
        extract(top, commit, Path(folder), within=inner)
        outcome = _scanned(_marked(Path(folder) / inner) / within, tuple(domains))
    least = outcome.project.config.gate.fail_on
    scan = outcome.material.scan
    found = {
        (one.rule, one.location.path, str(one.evidence.get("package", one.resource)))
        for one in scan.findings
        if one.severity.at_least(least)
    }
    return found | {
        (f"gap {gap.kind}", gap.path.partition(":")[0], "") for gap in scan.coverage.gaps
    }


def _write_body(body: str | None, text: str) -> None:
    if body is None:
        return
    try:
        Path(body).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=body) from error


def _say_unknown(unknown: Sequence[Proposed]) -> None:
    for one in unknown[:10]:
        say(
            f"the server proposes {one.package} {one.target} in {one.path}, of which this scan "
            "knows nothing: import newer advisories (haechi db import), or push what is committed"
        )


def _say_left(made: Made) -> None:
    if made.upgrades is None:
        return
    left = len(made.upgrades.left) + sum(len(plan.stays) for plan in made.upgrades.plans)
    if left:
        say(f"{counted(left, 'package')} could not be fixed: haechi fix deps says why")
