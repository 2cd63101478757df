"""One look for secrets: the tree, then git's history, then what people allowed.

The order of cost: everything in the tree once, every blob of history once (those that an earlier
run saw and found empty not at all), where from only for the few that hold something.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from haechi.checks.secrets.detect import Candidate, Detector, sources_of
from haechi.engines.patterns import Expression, JoinedMatcher, Source, keyword_matcher
from haechi.errors import InputError, RuleError, UsageError
from haechi.model.coverage import Gap
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver
from haechi.rules.schema import JudgeKind, Rule
from haechi.scan.secrets.allow import GITLEAKS_FILE, from_gitleaks, from_remarks
from haechi.scan.secrets.findings import UNREACHED, Leaks, Past
from haechi.scan.secrets.history import HistoryHit, open_history
from haechi.scan.secrets.history_hits import shown_path
from haechi.scan.secrets.tree import TreeScan
from haechi.scan.setup import Asked, Part, Progress
from haechi.world.files import Tree
from haechi.world.objects.scope import Selection
from haechi.world.pattern_store import stored_matcher

UNNAMED = "(unknown path)"
"""Stands for the path in a commit whose trees cannot be read to their end."""


def detector_of(
    rules: Sequence[Rule],
    user_rules: Sequence[Rule] = (),
    *,
    disabled: frozenset[str] = frozenset(),
) -> tuple[Detector, list[Gap]]:
    """The detector of a run. A user's rule that cannot be used is a gap, the others still run."""
    ours = [rule for rule in rules if rule.judge is JudgeKind.PATTERN]
    theirs, gaps = _usable(user_rules)
    matcher = stored_matcher(sources_of(ours))
    if theirs:
        own = keyword_matcher([_source(rule) for rule in theirs])
        matcher = JoinedMatcher(matcher, own, len(ours), len(theirs))
    return Detector([*ours, *theirs], matcher, disabled=disabled), gaps


def _usable(rules: Sequence[Rule]) -> tuple[list[Rule], list[Gap]]:
    found: list[Rule] = []
    gaps: list[Gap] = []
    for rule in rules:
        if rule.judge is not JudgeKind.PATTERN:
            continue
        try:
            Expression(_source(rule).expression)
            Detector([rule], keyword_matcher([]))
        except RuleError as error:
            reason = f"rule {rule.id}: {error.what}"
            gaps.append(Gap(kind="rule-error", path=rule.id, reason=reason, do=error.do))
        else:
            found.append(rule)
    return found, gaps


def _source(rule: Rule) -> Source:
    return sources_of([rule])[0]


def look_for_secrets(
    tree: Tree,
    detector: Detector,
    asked: Asked,
    *,
    severities: Mapping[str, Severity],
    progress: Progress | None = None,
) -> Part:
    """Findings of the tree and of history, without a value in any of them."""
    scan = TreeScan(tree, detector, progress)
    in_tree = [] if asked.staged else [(one.path, one.candidate) for one in scan.run()]
    gaps = list(scan.gaps)
    looked: dict[str, int] = {}
    if not asked.staged:
        looked |= {"files for secrets": len(scan.files)}
    past: list[tuple[Past, Candidate]] = []
    if asked.repository is not None:
        past = _history(asked.repository, detector, asked, tree, progress, gaps, looked)
    leaks = Leaks(severities, asked.key).of(in_tree, _as_in_tree(past, scan.files))
    rules = {rule.id: rule for rule in detector.rules}
    waivers = [*from_remarks(leaks), *from_gitleaks(_peer_list(tree), leaks, rules)]
    if asked.ask is not None:
        leaks = list(asked.ask(leaks))
    return Part(
        findings=tuple(leak.finding for leak in leaks),
        gaps=tuple(gaps),
        waivers=tuple(waivers),
        looked=looked,
        evaluated=detector.evaluated,
        files=frozenset(scan.files),
    )


def _history(
    repository: Path,
    detector: Detector,
    asked: Asked,
    tree: Tree,
    progress: Progress | None,
    gaps: list[Gap],
    looked: dict[str, int],
) -> list[tuple[Past, Candidate]]:
    """What history holds; fills ``gaps`` and ``looked``."""
    history = open_history(repository)
    if history is None:
        if asked.since or asked.branch or asked.staged:
            raise UsageError(
                f"{repository} is not in a git repository",
                do="leave --since, --branch and --staged out",
            )
        return []
    if isinstance(history, Gap):
        gaps.append(history)
        return []
    selection = Selection(since=asked.since, branch=asked.branch, staged=asked.staged)
    hits = history.scan(_Included(detector, tree), selection, tree.within, progress)
    past = [(_past(hit), hit.candidate) for hit in hits]
    gaps += history.gaps
    looked |= {f"git {name}": count for name, count in history.looked.items() if name != "bytes"}
    return past


def _as_in_tree(
    past: Sequence[tuple[Past, Candidate]], files: Collection[str]
) -> list[tuple[Past, Candidate]]:
    """History writes odd names escaped; where the tree has such a file it is the same one."""
    odd = {shown_path(path.encode("utf-8", "surrogateescape")): path
           for path in files if not path.isprintable()}  # fmt: skip
    if not odd:
        return list(past)
    return [(replace(first, path=odd.get(first.path, first.path)), one) for first, one in past]


def _past(hit: HistoryHit) -> Past:
    return Past(
        path=hit.path or f"{UNNAMED if hit.commit else UNREACHED} {hit.blob[:12]}",
        commit=hit.commit or "",
        author_date=hit.author_date,
        at_head=hit.at_head,
    )


class _Included:
    """A detector that keeps nothing of what haechi.yaml excludes: history then looks whether the
    same content also stood where it is not excluded."""

    def __init__(self, detector: Detector, tree: Tree) -> None:
        self.key = detector.key
        self.find = detector.find
        self._detector = detector
        self._exclude = tree.exclude

    def keeps(self, candidate: Candidate, path: str) -> bool:
        parts = path.split("/")
        above = ("/".join(parts[:n]) for n in range(1, len(parts) + 1))
        if self._exclude and any(p.fullmatch(part) for part in above for p in self._exclude):
            return False
        return self._detector.keeps(candidate, path)


def _peer_list(tree: Tree) -> str:
    if not tree.is_file(GITLEAKS_FILE):
        return ""
    try:
        return tree.read(GITLEAKS_FILE, limit=4 << 20).decode("utf-8", "replace")
    except InputError:
        return ""


def without_doubles(found: Part, others: Sequence[Waiver]) -> Part:
    """Waivers less those that the reader of YAML and Dockerfile comments saw, too."""
    seen: dict[tuple[str, str | None], list[Waiver]] = {}
    for waiver in others:
        seen.setdefault((waiver.rule, waiver.path), []).append(waiver)
    kept = [
        waiver
        for waiver in found.waivers
        if not any(
            (other.first_line or 0) <= waiver.location.line <= (other.last_line or 1 << 40)
            for rule in (waiver.rule, "*")
            for other in seen.get((rule, waiver.path), ())
        )
    ]
    return replace(found, waivers=tuple(kept))
