"""The decision in sentences: what blocks, what was not looked at, what needs a person."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from haechi.model.advisory import is_vulnerability
from haechi.model.config import Config
from haechi.model.counting import counted
from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import DEPENDENCIES, Finding, FindingState
from haechi.model.scan import WaiverStatus, WaiverUse
from haechi.model.severity import Severity
from haechi.model.waiver import WaiverOrigin

_NAMED = 3
_LISTED = 10
_KINDS = {
    "helm-chart": ("Helm chart", "Helm charts"),
    "kustomize": ("overlay", "overlays"),
    "template": ("template", "templates"),
    "too-large": ("file over the size limit", "files over the size limit"),
    "unreadable": ("unreadable file", "unreadable files"),
    "encoding": ("file in an unknown encoding", "files in an unknown encoding"),
    "syntax": ("file with broken syntax", "files with broken syntax"),
    "link": ("link", "links"),
    "no-advisories": ("ecosystem without advisories", "ecosystems without advisories"),
    "stale-advisories": ("ecosystem with old advisories", "ecosystems with old advisories"),
    "package-source": (
        "file with packages from git, URLs or archives",
        "files with packages from git, URLs or archives",
    ),
    "unpinned-package": (
        "file with packages without a version",
        "files with packages without a version",
    ),
}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What the sentences are about. ``blocking`` are the severities as they count; ``milder``
    is the number of findings that the lock lets count for less."""

    findings: tuple[Finding, ...]
    milder: int
    blocking: tuple[Severity, ...]
    fail_on: Severity
    coverage: Coverage
    uses: tuple[WaiverUse, ...]
    config: Config
    baseline: str | None
    rules: Collection[str] | None
    today: dt.date


def reasons(case: Case) -> Iterator[str]:
    """Sentences, the one that decides first."""
    yield _verdict(case)
    yield from _coverage(case.coverage, case.config.disable)
    yield from case.coverage.warnings
    yield from _states(case)
    yield from _waivers(case)
    yield from _unknown_rules(case)
    yield from _lenience(case.config)


def _verdict(case: Case) -> str:
    at = f"at {case.fail_on} or above" if case.fail_on is not Severity.CRITICAL else "at critical"
    if not case.blocking:
        return f"No open finding {at}"
    found = Counter(case.blocking)
    parts = ", ".join(f"{found[severity]:,} {severity}" for severity in Severity if found[severity])
    return f"{counted(len(case.blocking), 'open finding')} {at}: {parts}"


def _coverage(coverage: Coverage, disabled: Sequence[str]) -> Iterator[str]:
    groups: defaultdict[str, list[Gap]] = defaultdict(list)
    for gap in coverage.open_gaps:
        groups[gap.kind].append(gap)
    for kind, gaps in groups.items():
        one, many = _KINDS.get(kind, (f"gap of kind {kind}", f"gaps of kind {kind}"))
        verb = "was" if len(gaps) == 1 else "were"
        where = _some(gap.path for gap in gaps)
        yield f"{counted(len(gaps), one, many)} {verb} not evaluated: {where}"
    accepted = len(coverage.gaps) - len(coverage.open_gaps)
    if accepted:
        yield f"{counted(accepted, 'gap')} accepted in haechi.yaml (coverage.accept)"
    if disabled:
        verb = "is" if len(disabled) == 1 else "are"
        off = f"{counted(len(disabled), 'rule')} {verb} switched off in haechi.yaml"
        yield f"{off}: {_some(disabled)}"
    if not coverage.gaps and not any(coverage.looked.values()) and not coverage.evaluated:
        yield "Nothing was looked at, so nothing can be said about it"


def _states(case: Case) -> Iterator[str]:
    states = Counter(finding.state for finding in case.findings)
    if count := states[FindingState.NEW]:
        yield (
            f"{counted(count, 'finding')} of {_what_is_new(case)} that haechi.lock does not hold "
            "yet; "
            "`haechi lock update` shows them and lets them block"
        )
    if case.milder:
        verb = "counts" if case.milder == 1 else "count"
        yield (
            f"{counted(case.milder, 'finding')} {verb} with the milder severity that haechi.lock "
            "agrees to, until `haechi lock update`"
        )
    if count := states[FindingState.KNOWN]:
        yield f"{counted(count, 'finding')} known from the baseline {case.baseline}"
    late = sum(
        finding.due is not None and finding.due < case.today
        for finding in case.findings
        if finding.state is not FindingState.WAIVED
    )
    if late:
        yield f"{counted(late, 'finding')} past the due date"
    if count := states[FindingState.WAIVED]:
        yield f"{counted(count, 'finding')} waived"


def _what_is_new(case: Case) -> str:
    domains = {f.domain == DEPENDENCIES for f in case.findings if f.state is FindingState.NEW}
    words = ((False, "rules"), (True, "advisories"))
    return " and ".join(word for deps, word in words if deps in domains)


def _waivers(case: Case) -> Iterator[str]:
    lapsed = [use for use in case.uses if use.status is WaiverStatus.EXPIRED and use.count]
    for use in lapsed[:_LISTED]:
        verb = "counts" if use.count == 1 else "count"
        yield (
            f"The waiver of {use.waiver.rule} at {use.waiver.location} expired on "
            f"{use.waiver.expires}: {counted(use.count, 'finding')} {verb} again"
        )
    if len(lapsed) > _LISTED:
        yield f"{counted(len(lapsed) - _LISTED, 'further waiver')} expired with findings"
    idle = _places(case.uses, WaiverStatus.EXPIRED, covering=False)
    if idle:
        yield f"{counted(len(idle), 'expired waiver')} to take away: {_some(idle)}"
    yield from _denied(case)
    yield from _vex(case.uses)
    unused = _places(case.uses, WaiverStatus.UNUSED, covering=False)
    if unused:
        verb = "covers" if len(unused) == 1 else "cover"
        yield f"{counted(len(unused), 'waiver')} {verb} nothing any more: {_some(unused)}"


def _denied(case: Case) -> Iterator[str]:
    """What haechi.yaml does not let hold: waivers beside the code, VEX statements."""
    vex = [use for use in case.uses if use.waiver.origin is WaiverOrigin.VEX]
    beside = [use for use in case.uses if use.waiver.origin is not WaiverOrigin.VEX]
    gate = case.config.gate
    denied = _places(beside, WaiverStatus.DENIED, covering=True)
    if denied:
        verb = "is" if len(denied) == 1 else "are"
        yield (
            f"{counted(len(denied), 'waiver')} beside the code {verb} not honoured "
            f"(gate.inline_waivers: {gate.inline_waivers}): {_some(denied)}"
        )
    denied = _places(vex, WaiverStatus.DENIED, covering=True)
    if denied:
        verb = "is" if len(denied) == 1 else "are"
        yield (
            f"{counted(len(denied), 'VEX statement')} {verb} not honoured "
            f"(gate.vex: {gate.vex}): {_some(denied)}"
        )


def _vex(uses: Iterable[WaiverUse]) -> Iterator[str]:
    """Who says by VEX that findings do not count: another than the owner of a waiver."""
    holding = [
        use
        for use in uses
        if use.waiver.origin is WaiverOrigin.VEX and use.status is WaiverStatus.MATCHED
    ]
    if holding:
        number = len({known for use in holding for known in use.waiver.fingerprints})
        verb = "does" if number == 1 else "do"
        files = dict.fromkeys(use.waiver.location.path for use in holding)
        yield f"{counted(number, 'finding')} {verb} not count because VEX says so: {_some(files)}"


def _places(uses: Iterable[WaiverUse], status: WaiverStatus, *, covering: bool) -> list[str]:
    """Where the waivers with a status stand. Other tools' unused ones are their own affair."""
    return list(
        dict.fromkeys(
            str(use.waiver.location)
            for use in uses
            if use.status is status
            and bool(use.count) is covering
            and (covering or use.waiver.origin is not WaiverOrigin.PEER)
        )
    )


def _lenience(config: Config) -> Iterator[str]:
    """What haechi.yaml takes out of sight: a pull request may have written it."""
    if config.exclude:
        yield f"haechi.yaml leaves out what {_some(config.exclude)} matches (exclude)"
    if config.severity:
        said = (f"{rule} as {severity}" for rule, severity in config.severity.items())
        yield f"haechi.yaml judges {_some(said)} (severity)"


def _unknown_rules(case: Case) -> Iterator[str]:
    """Names that fit no rule do nothing, and a name of an old release must not stop a run."""
    if case.rules is None:
        return
    named = dict.fromkeys(case.config.severity, "haechi.yaml (severity)")
    named.update(dict.fromkeys(case.config.disable, "haechi.yaml (disable)"))
    for use in case.uses:
        if use.waiver.rule != "*" and use.waiver.origin is not WaiverOrigin.VEX:
            named.setdefault(use.waiver.rule, f"The waiver at {use.waiver.location}")
    unknown = [
        (rule, where)
        for rule, where in named.items()
        if rule not in case.rules and not is_vulnerability(rule)
    ]
    for rule, where in unknown[:_LISTED]:
        from haechi.engines.typed import nearest

        close = nearest(rule, case.rules)
        yield f"{where} names {rule}, which is no rule here" + (f"; {close}" if close else "")
    if len(unknown) > _LISTED:
        yield f"{len(unknown) - _LISTED:,} further names are no rules here"


def _some(names: Iterable[str]) -> str:
    """The first few names and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more
