"""``haechi fix``: the mechanical corrections, shown as a diff, written on consent, proven.

The diff goes to standard output, so that ``haechi fix | git apply`` works; words go to standard
error. After writing, the whole scan runs again: if anything anywhere became worse, the files are
put back as they were.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.screen import clear_progress, progress, screen
from haechi.errors import HaechiError, InputError, UsageError
from haechi.model.counting import counted

if TYPE_CHECKING:
    from haechi.cli.pipeline import Options, Outcome
    from haechi.model.finding import Finding
    from haechi.scan.fix.pins import Pins
    from haechi.scan.fix.pipelines import Means
    from haechi.scan.fix.plan import FileFix

EPILOG = """\b
Examples:
  haechi fix                            show the safe fixes of this folder as a diff
  haechi fix --yes deploy/              make them
  haechi fix k8s-run-as-non-root        one rule; also those that may change behaviour
  haechi fix --online .github           pin actions to the commits of their tags
  haechi fix | git apply
  haechi fix deps                       dependencies: the smallest upgrades (own help)

\b
Comments and formatting stay. A fix is made only if judging again shows the finding gone and
no other in its place; else it is left, with the reason. Fixes that may change how a program
behaves are made only when their rule is named.

\b
Exit codes: 0 written, or nothing to fix; 1 shown and not written; 2 wrong use;
3 a file could not be written.
"""
_LISTED = 10


class _Fix(click.Command):
    """``haechi fix deps`` is a command of its own; a folder of that name is ``./deps``."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if args and args[0] == "deps":
            from haechi.cli.fix_deps import command as deps

            name = f"{info_name} deps"
            return deps.make_context(name, args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Whoever the context is of."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)


@click.command(name="fix", cls=_Fix, epilog=EPILOG)
@click.argument("words", nargs=-1, metavar="[ID]... [PATH]")
@click.option("--yes", is_flag=True, help="write the changes without asking")
@click.option("--online", is_flag=True, help="ask the git host for the hashes of actions")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], yes: bool, online: bool) -> None:
    """Correct what a machine can correct; show it as a diff first."""
    from haechi.cli.pipeline import run
    from haechi.scan.fix.pipelines import Means

    named, path = _split(words)
    outcome = run(_options(path))
    clear_progress()
    pins = _pins(outcome, online=online)
    candidates, unpinned = _pinnable(_fixable(outcome), pins)
    wanted, asked = _chosen(candidates, named)
    fixes = _plan(outcome, wanted, Means(pins=pins, named=bool(named)))
    show(fixes)
    _tell(fixes, asked, named)
    _tell_unpinned(unpinned, named)
    changed = [fix for fix in fixes if fix.before != fix.after]
    if not changed:
        return
    if not yes and not agreed(changed):
        ctx.exit(1)
    write_files(outcome, changed)
    _prove(outcome, run(_options(path)), changed)


def safe_fixes(outcome: Outcome) -> list[FileFix]:
    """The fixes of a run that change no behaviour, without asking anybody for hashes."""
    from haechi.scan.fix.pipelines import Means

    pins = _pins(outcome, online=False)
    candidates, _ = _pinnable(_fixable(outcome), pins)
    wanted, _ = _chosen(candidates, frozenset())
    return _plan(outcome, wanted, Means(pins=pins, named=False))


def _options(path: Path) -> Options:
    """Only configuration has fixes; nobody revokes a secret by changing a line."""
    from haechi.cli.pipeline import Options

    return Options(path=path, only=("iac",), progress=progress())


def _split(words: Sequence[str]) -> tuple[frozenset[str], Path]:
    """Rule ids and the path. What exists on disk is a path unless a rule is called so."""
    from haechi.rules.catalogue import load_catalogue
    from haechi.rules.schema import RULE_ID

    known = load_catalogue().by_id
    named = {word for word in words if word in known}
    rest = [word for word in words if word not in known]
    for word in rest:
        if RULE_ID.match(word) and not Path(word).exists():
            near = difflib.get_close_matches(word, known, n=3)
            raise UsageError(
                f"there is neither a rule nor a path {word}",
                do=f"did you mean {', '.join(near)}?" if near else "see: haechi rules list",
            )
    if len(rest) > 1:
        raise UsageError(f"one path at a time, not {len(rest)}: {' '.join(rest)}")
    for word in named:
        if not known[word].fixer:
            raise UsageError(f"rule {word} has no mechanical fix", do=f"haechi rules show {word}")
    return frozenset(named), Path(rest[0]) if rest else Path()


def _fixable(outcome: Outcome) -> list[Finding]:
    from haechi.model.finding import FindingState

    alive = (FindingState.OPEN, FindingState.NEW, FindingState.KNOWN)
    found = outcome.material.scan.findings
    return [f for f in found if f.fix and not f.upgrade and f.state in alive]


def _chosen(
    candidates: Sequence[Finding], named: frozenset[str]
) -> tuple[list[Finding], list[Finding]]:
    """What is to be fixed, and what would be if its rule were named."""
    from haechi.scan.fix.fixer import parse_fixer

    if named:
        return [f for f in candidates if f.rule in named], []
    risky = [parse_fixer(f.fix or "").risky for f in candidates]
    return (
        [f for f, is_risky in zip(candidates, risky, strict=True) if not is_risky],
        [f for f, is_risky in zip(candidates, risky, strict=True) if is_risky],
    )


def _pins(outcome: Outcome, *, online: bool) -> Pins:
    """The project's table of actions and, if asked for, the git host."""
    from haechi.scan.fix.pins import FILE, LIMITS, Pins, read_pins

    tree = outcome.tree
    table = read_pins(tree.read(FILE, limit=LIMITS.size)) if tree.is_file(FILE) else {}
    if not online:
        return Pins(table)
    from haechi.world.git_host import DEFAULT, GitHost

    return Pins(table, GitHost(os.environ.get("GITHUB_SERVER_URL") or DEFAULT, tree.project))


def _pinnable(found: Sequence[Finding], pins: Pins) -> tuple[list[Finding], list[Finding]]:
    """What can be fixed, and the references to actions that cannot, for no hash is known."""
    from haechi.scan.fix.fixer import parse_fixer

    if pins:
        return list(found), []
    is_pin = [parse_fixer(f.fix or "").function == "pin-action" for f in found]
    return (
        [f for f, pin in zip(found, is_pin, strict=True) if not pin],
        [f for f, pin in zip(found, is_pin, strict=True) if pin],
    )


def _plan(outcome: Outcome, wanted: Sequence[Finding], means: Means) -> list[FileFix]:
    from haechi.checks.judge import Judge
    from haechi.engines.cel import CelEngine
    from haechi.rules.catalogue import load_catalogue
    from haechi.scan.fix.plan import MAX_SIZE, Planner
    from haechi.scan.iac.audits import Auditing
    from haechi.scan.setup import pod_templates

    config = outcome.project.config
    catalogue = load_catalogue()
    disabled = set(config.disable)
    judge = Judge(
        [rule for rule in catalogue.rules if rule.id not in disabled],
        CelEngine(catalogue.cel),
        templates=pod_templates(config),
    )
    planner = Planner(
        judge=judge,
        resources=outcome.looked.inventory.resources,
        read=lambda path: outcome.tree.read(path, limit=MAX_SIZE + 1),
        means=means,
        audits=Auditing(outcome.tree.project),
        memo={"kubernetes_version": config.kubernetes_version},
    )
    return list(planner.plan(wanted))


def show(fixes: Sequence[FileFix]) -> None:
    """The diff, to standard output."""
    from haechi.scan.fix.diff import diff_of

    text = diff_of(fixes)
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.flush()
        return
    colour = screen(sys.stdout).colour
    for line in text.split("\n"):
        shown = "".join(c if c.isprintable() or c == "\t" else "�" for c in line.rstrip("\r"))
        paint = {"+": "green", "-": "red", "@": "cyan"}.get(shown[:1]) if colour else None
        click.echo(click.style(shown, fg=paint) if paint else shown)


def _tell(fixes: Sequence[FileFix], asked: Sequence[Finding], named: frozenset[str]) -> None:
    made = [made for fix in fixes for made in fix.made]
    left = [left for fix in fixes for left in fix.left]
    files = sum(fix.before != fix.after for fix in fixes)
    rows = Counter((m.finding.rule, m.risky) for m in made)
    say(f"{counted(len(made), 'finding')} fixed in {counted(files, 'file')}" if made else "")
    for (rule, risky), count in sorted(rows.items()):
        say(f"  {count:4} {rule}{'   (changes behaviour)' if risky else ''}")
    uncovered = Counter(rule for m in made for rule in m.uncovers)
    if uncovered:
        say(f"which uncovers what it hid: {_listed(uncovered)}")
    if left:
        say(f"{counted(len(left), 'finding')} not fixed:")
        for one in left[:_LISTED]:
            say(f"  {one.finding.location} {one.finding.rule}: {one.reason}")
        if len(left) > _LISTED:
            say(f"  and {len(left) - _LISTED} more")
    if asked:
        say(
            f"{counted(len(asked), 'further finding')} can be fixed in ways that may change how "
            f"programs behave; name the rule:"
        )
        say(f"  haechi fix {_listed(Counter(f.rule for f in asked))}")
    if not made and not left and not asked:
        say("nothing to fix" + (f" for {', '.join(sorted(named))}" if named else ""))


def _tell_unpinned(unpinned: Sequence[Finding], named: frozenset[str]) -> None:
    shown = [f for f in unpinned if not named or f.rule in named]
    if shown:
        say(
            f"{counted(len(shown), 'reference')} to actions can be pinned once hashes are known: "
            f"haechi fix --online asks the git host, haechi.actions.yaml may hold them"
        )


def agreed(changed: Sequence[FileFix]) -> bool:
    """Whether the person at the terminal consents."""
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        say("not written; add --yes to write")
        return False
    return click.confirm(f"Write {counted(len(changed), 'file')}?", default=False, err=True)


def write_files(outcome: Outcome, changed: Sequence[FileFix]) -> None:
    """Write all files or none."""
    from haechi.scan.fix.write import replace_file

    done: list[FileFix] = []
    for fix in changed:
        try:
            replace_file(outcome.tree.root, fix.path, fix.before, fix.after)
        except InputError as error:
            restore(outcome, done)
            raise InputError(
                f"{error.what}: no file was changed", where=fix.path, do="run haechi fix again"
            ) from error
        done.append(fix)


def restore(outcome: Outcome, done: Sequence[FileFix]) -> None:
    """Put files back as they were."""
    from haechi.scan.fix.write import replace_file

    for fix in done:
        replace_file(outcome.tree.root, fix.path, fix.after, fix.before)


def _prove(before: Outcome, after: Outcome, changed: Sequence[FileFix]) -> None:
    """Compare whole scans: no rule may be violated more often in any file, no gap may be new."""
    clear_progress()
    allowed = _tally(before)
    for fix in changed:
        for made in fix.made:
            allowed.update((rule, fix.path) for rule in made.uncovers)
    now = _tally(after)
    worse = sorted(key for key, count in now.items() if count > allowed[key])
    if worse:
        restore(before, changed)
        rule, path = worse[0]
        raise HaechiError(
            f"the scan afterwards shows {rule} in {path}, which was not there before",
            do="the files are as they were; fix rule by rule: haechi fix ID",
        )
    old, new = (len(outcome.material.scan.findings) for outcome in (before, after))
    say(f"written; scanned again: {old} findings before, {new} now")


def _tally(outcome: Outcome) -> Counter[tuple[str, str]]:
    tally = Counter((f.rule, f.location.path) for f in outcome.material.scan.findings)
    for gap in outcome.material.scan.coverage.gaps:
        tally["gap " + gap.kind, gap.path.partition(":")[0]] += 1
    return tally


def _listed(rules: Counter[str]) -> str:
    return ", ".join(f"{rule} ({count})" for rule, count in rules.most_common())


def say(text: str) -> None:
    """A sentence to standard error."""
    if text:
        shown = "".join(c if c.isprintable() else "�" for c in text)
        click.echo(shown, err=True)
