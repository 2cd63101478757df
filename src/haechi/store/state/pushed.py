"""A push as the store takes it: everything in it is hostile until it went through here.

The report is decoded into shapes of our own (keys that we do not know are ignored, so that a
newer program may push), texts are bounded and made fit for every engine, and whatever is wrong
is refused with its place (``report.findings[17].severity``) before anything is written.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from haechi.errors import InputError, LimitExceeded
from haechi.model.finding import FindingState
from haechi.model.keys import in_repository, namespace_of, repository_key
from haechi.model.push import Push
from haechi.model.scan import SCHEMA
from haechi.model.severity import Severity
from haechi.store.state.metadata import NEVER
from haechi.store.state.plain import bounded_json, clean, to_json
from haechi.store.state.times import to_day

MOST_FINDINGS = 200_000
MOST_THINGS = 500_000
_MOST_GAPS = 2_000
_MOST_RISKS = 50
_IDENTITY = 400
_EVIDENCE = 16_384
_LINES = 2**31 - 1
_MOST_ALIASES = 50
NONE = "[]"
"""No aliases."""

_Line = Annotated[int, msgspec.Meta(ge=0, le=_LINES)]


class _Location(msgspec.Struct, frozen=True):
    path: str = ""
    line: _Line = 0


class _Finding(msgspec.Struct, frozen=True):
    rule: str
    severity: Severity
    fingerprint: str
    title: str = ""
    message: str = ""
    location: _Location = _Location()
    resource: str = ""
    label: str = ""
    attribute: str = ""
    domain: str = "iac"
    cwe: list[str] = []
    tags: list[str] = []
    owner: str | None = None
    due: dt.date | None = None
    state: FindingState = FindingState.OPEN
    waiver: str | None = None
    fix: str | None = None
    commit: str | None = None
    secret_id: str | None = None
    evidence: dict[str, Any] = {}
    aliases: list[str] = []


class _Tool(msgspec.Struct, frozen=True):
    version: str = ""


class _Scope(msgspec.Struct, frozen=True):
    started: dt.datetime | None = None
    duration_s: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0


class _Summary(msgspec.Struct, frozen=True):
    answer: str = ""
    risks: list[dict[str, Any]] = []


class _Gap(msgspec.Struct, frozen=True):
    kind: str
    path: str = ""
    reason: str = ""
    do: str = ""
    accepted: bool = False


class _Rules(msgspec.Struct, frozen=True):
    count: int = 0


class _Coverage(msgspec.Struct, frozen=True):
    looked: dict[str, int] = {}
    evaluated_rules: _Rules = _Rules()
    gaps: list[_Gap] = []


class _Waiver(msgspec.Struct, frozen=True):
    location: _Location = _Location()
    reason: str = ""
    expires: dt.date | None = None


class _Report(msgspec.Struct, frozen=True):
    schema: str
    findings: list[Any]
    tool: _Tool = _Tool()
    scope: _Scope = _Scope()
    summary: _Summary = _Summary()
    coverage: _Coverage = _Coverage()
    waivers: list[_Waiver] = []


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A finding of the push as its columns will have it. ``waiver`` is set when the report
    itself waives it."""

    fingerprint: str
    rule: str
    domain: str
    severity: int
    title: str
    message: str
    path: str
    line: int
    resource: str
    label: str
    attribute: str
    namespace: str
    owner: str
    due: str
    waived: bool
    waiver: str
    waived_until: str
    commit_id: str
    fix: str
    cwe: str
    tags: str
    secret_id: str
    evidence: str
    aliases: str

    def digest(self) -> int:
        """63 bits over all of it but the date, which a scan counts from its own day."""
        values = list(msgspec.structs.astuple(msgspec.structs.replace(self, due="")))
        if self.aliases == NONE:
            values.pop()  # as before there were any: what did not change is not written again
        joined = "\0".join(map(str, values))
        return int.from_bytes(hashlib.blake2b(joined.encode(), digest_size=8).digest(), "big") >> 1


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """A push that was found well-formed. Texts are clean; JSON is encoded."""

    source: str
    ref: str
    cluster: str
    default: bool
    commit: str
    pipeline: str
    domains: frozenset[str]
    folder: str
    tree: bool
    history: str
    scope: str
    coverage: str
    risks: str
    gaps: int
    answer: str
    version: str
    started: dt.datetime | None
    duration_s: float
    findings: list[Seen]


def take(push: Push) -> Pushed:
    """The push, checked. InputError or LimitExceeded say where and what."""
    report = _convert(push.report, _Report, "report")
    if report.schema != SCHEMA:
        raise InputError(
            f"the report is {clean(report.schema, 60)!r}",
            why=f"this server reads {SCHEMA}",
            do="push with a haechi of the server's version",
            where="report.schema",
        )
    _at_most(len(report.findings), MOST_FINDINGS, "report.findings")
    _at_most(len(push.resources), MOST_THINGS, "resources")
    _at_most(len(push.edges), MOST_THINGS, "edges")
    _at_most(len(push.rules), MOST_FINDINGS, "rules")
    origin, scope = push.origin, push.scope
    repository = _identity(origin.repository, "origin.repository", most=2_000)
    waivers = {f"{w.location.path}:{w.location.line}": w for w in report.waivers}
    started = _utc(report.scope.started, "report.scope.started")
    return Pushed(
        source=repository_key(repository),
        ref=_identity(origin.ref, "origin.ref", empty=True, most=1_000),
        cluster=_identity(origin.cluster, "origin.cluster"),
        default=origin.default,
        commit=clean(origin.commit, 200),
        pipeline=clean(origin.pipeline, 2_000),
        domains=frozenset(scope.domains),
        folder=scope.within.strip("/"),
        tree=scope.tree,
        history=scope.history,
        scope=bounded_json(msgspec.to_builtins(scope), 20_000),
        coverage=_coverage(report.coverage),
        risks=bounded_json(report.summary.risks[:_MOST_RISKS], 400_000),
        gaps=sum(not gap.accepted for gap in report.coverage.gaps),
        answer=clean(report.summary.answer, 40),
        version=clean(report.tool.version, 40),
        started=started,
        duration_s=report.scope.duration_s,
        findings=list(_findings(report.findings, waivers, repository)),
    )


def seen_findings(found: list[Any], repository: str) -> list[Seen]:
    """Findings in the report's shape, made by the server itself from a stored SBOM."""
    return list(_findings(found, {}, repository))


def _findings(found: list[Any], waivers: dict[str, _Waiver], repository: str) -> Iterator[Seen]:
    """One after the other; equal fingerprints get a number from the second on."""
    taken: dict[str, int] = {}
    for index, item in enumerate(found):
        where = f"report.findings[{index}]"
        one = _convert(item, _Finding, where)
        fingerprint = _identity(one.fingerprint, f"{where}.fingerprint")
        while fingerprint in taken:
            taken[fingerprint] += 1
            fingerprint = f"{_identity(one.fingerprint, where)}~{taken[fingerprint]}"
        taken[fingerprint] = 1
        yield _seen(one, fingerprint, where, waivers, repository)


def _seen(
    one: _Finding, fingerprint: str, where: str, waivers: dict[str, _Waiver], repository: str
) -> Seen:
    key = clean(one.resource, 2_000)
    waived = one.state is FindingState.WAIVED
    waiver = waivers.get(one.waiver or "") if waived else None
    words = one.waiver or "the report" if waived else ""
    if waiver is not None and waiver.reason:
        words = f"{words}: {waiver.reason}"
    return Seen(
        fingerprint=fingerprint,
        rule=_identity(one.rule, f"{where}.rule"),
        domain=_identity(one.domain, f"{where}.domain"),
        severity=one.severity.rank,
        title=clean(one.title, 500),
        message=clean(one.message, 4_000),
        path=clean(one.location.path, 4_096),
        line=one.location.line,
        resource=in_repository(key, repository),
        label=clean(one.label, 500),
        attribute=clean(one.attribute, 1_000),
        namespace=clean(namespace_of(key), 253),
        owner=clean(one.owner or "", 300),
        due=to_day(one.due),
        waived=waived,
        waiver=clean(words, 1_000),
        waived_until=to_day(waiver.expires) if waiver else NEVER,
        commit_id=clean(one.commit or "", 200),
        fix=clean(one.fix or "", 200),
        cwe=_words(one.cwe, 20, 40),
        tags=_words(one.tags, 40, 80),
        secret_id=clean(one.secret_id or "", 200),
        evidence=bounded_json(one.evidence, _EVIDENCE) if one.evidence else "",
        aliases=_words(one.aliases, _MOST_ALIASES, 200) if one.aliases else NONE,
    )


def _coverage(coverage: _Coverage) -> str:
    gaps = [
        {
            "kind": clean(gap.kind, 80),
            "path": clean(gap.path, 1_000),
            "reason": clean(gap.reason, 500),
            "do": clean(gap.do, 500),
            "accepted": gap.accepted,
        }
        for gap in coverage.gaps[:_MOST_GAPS]
    ]
    looked = {clean(name, 80): count for name, count in list(coverage.looked.items())[:100]}
    return to_json(
        {
            "looked": looked,
            "evaluated_rules": coverage.evaluated_rules.count,
            "gaps": gaps,
            "gaps_left_out": max(0, len(coverage.gaps) - _MOST_GAPS),
        }
    )


def _words(words: list[str], most: int, longest: int) -> str:
    return to_json([clean(word, longest) for word in words[:most]])


def _identity(words: str, where: str, *, empty: bool = False, most: int = _IDENTITY) -> str:
    """A text that names something: cutting it would make two things one, so it is refused."""
    if len(words) > most:
        raise LimitExceeded(
            f"a name of {len(words):,} characters is too long",
            why=f"at most {most:,} are kept",
            where=where,
        )
    if not words and not empty:
        raise InputError("a name is empty", do="push what haechi wrote, unchanged", where=where)
    return clean(words, most)


def _utc(at: dt.datetime | None, where: str) -> dt.datetime | None:
    """The time in UTC, which is also that of one without a zone."""
    if at is None or at.tzinfo is None:
        return at and at.replace(tzinfo=dt.UTC)
    try:
        return at.astimezone(dt.UTC)
    except OverflowError as error:  # the year 0 or 10000 there
        raise InputError(f"{at} is no time in UTC", where=where) from error


def _at_most(count: int, most: int, where: str) -> None:
    if count > most:
        raise LimitExceeded(
            f"{count:,} entries are too many",
            why=f"one push may hold {most:,}",
            do="push folders of the repository one by one",
            where=where,
        )


def _convert(value: Any, kind: type[Any], where: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        raise InputError(
            what,
            why=f"{SCHEMA} has another type there",
            do="push what haechi wrote, unchanged",
            where=clean(where + at.rstrip("`"), 300),
        ) from error
    except UnicodeEncodeError as error:  # in a key or value that no error can repeat
        raise InputError("a text is no Unicode", where=where) from error
    except RecursionError as error:
        raise LimitExceeded("it is nested too deeply", where=where) from error
