"""A request to accept findings, checked and made into a waiver of the store.

The same that a waiver file requires is required here: who answers for it, why, until when, and
where it holds. The reach is that of whoever asks and never wider.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Iterable, Sequence

from haechi.engines.globs import glob_fault, is_catch_all
from haechi.errors import Forbidden, UsageError
from haechi.gate.waivers import MAX_DAYS
from haechi.model.access import Reach, simplest
from haechi.server.shapes import WaiverRequest
from haechi.store.records import FindingFilter, Life, StoredWaiver

REASON, LONGEST, MOST_PRINTS = 10, 2_000, 5_000
_NAME = 200
_FINGERPRINT = re.compile(r"[0-9a-f]{32}(?:~\d{1,6})?\Z")
_RULE = re.compile(r"[A-Za-z0-9][\w.:/-]{0,299}\Z")
_WILD = re.compile(r"[*?]")


def new_waiver(
    request: WaiverRequest, *, within: Sequence[Reach], by: str, now: dt.datetime
) -> StoredWaiver:
    """The waiver. Raises UsageError with what is wrong, Forbidden for a reach out of one's own."""
    _check_words(request, now.date())
    _check_place(request)
    return StoredWaiver(
        id=f"w-{secrets.token_hex(8)}",
        rule=request.rule,
        reason=" ".join(request.reason.split()),
        owner=" ".join(request.owner.split()),
        expires=request.expires,
        created=now,
        created_by=by,
        reach=_reach(request.reach, within),
        source=request.source,
        fingerprints=list(dict.fromkeys(request.fingerprints)),
        path=request.path,
        resource=request.resource,
    )


def candidates(waiver: StoredWaiver) -> FindingFilter:
    """A filter that lets through all that the waiver may cover; the matcher decides."""
    return FindingFilter(
        state=[Life.OPEN, Life.REOPENED, Life.WAIVED],
        rule=[] if waiver.rule == "*" else [waiver.rule],
        source=[waiver.source] if waiver.source else [],
        path=_literal_start(waiver.path),
        fingerprint=list(waiver.fingerprints),
        other_refs=True,
    )


def _check_words(request: WaiverRequest, today: dt.date) -> None:
    reason, owner = " ".join(request.reason.split()), " ".join(request.owner.split())
    if len(reason) < REASON:
        raise _wrong("reason", f"has fewer than {REASON} characters", "say why it is acceptable")
    if len(reason) > LONGEST:
        raise _wrong("reason", f"has more than {LONGEST:,} characters", "shorten it")
    if not owner or len(owner) > _NAME:
        raise _wrong("owner", "is empty or too long", "name who answers for it")
    if request.expires < today:
        raise _wrong("expires", f"is {request.expires}, which has passed", "name a later day")
    last = today + dt.timedelta(days=MAX_DAYS)
    if request.expires > last:
        raise _wrong(
            "expires",
            f"is {request.expires}, more than {MAX_DAYS} days ahead",
            f"{last} is the latest day",
        )


def _check_place(request: WaiverRequest) -> None:
    given = [key for key in ("fingerprints", "path", "resource") if getattr(request, key)]
    if not given:
        raise UsageError(
            "the waiver does not say what it covers",
            where="body",
            do="name fingerprints, a path or a resource",
        )
    if request.rule != "*" and not _RULE.match(request.rule):
        raise _wrong("rule", "is neither a rule id nor *", "take it from a finding")
    if request.rule == "*" and given == ["resource"]:
        raise _wrong("rule", "* needs a path or fingerprints", "name the rule")
    if len(request.fingerprints) > MOST_PRINTS:
        raise _wrong("fingerprints", f"are more than {MOST_PRINTS:,}", "use a path, or several")
    for fingerprint in request.fingerprints:
        if not _FINGERPRINT.match(fingerprint):
            raise _wrong("fingerprints", "has one that is not 32 hexadecimal digits", "copy them")
    for key in ("path", "resource"):
        _check_glob(key, getattr(request, key), alone=given == [key])


def _check_glob(key: str, glob: str, *, alone: bool) -> None:
    if not glob:
        return
    fault = glob_fault(glob)
    if fault is not None:
        raise _wrong(key, fault, "write a glob such as deploy/**")
    if alone and is_catch_all(glob):
        raise _wrong(key, f"is {glob}, which covers everything", "narrow it")


def _wrong(key: str, fault: str, do: str) -> UsageError:
    return UsageError(f"`{key}` {fault}", where=f"body.{key}", do=do)


def _reach(asked: Reach, within: Iterable[Reach]) -> Reach:
    """What of the asked reach is one's own."""
    common = simplest(one for own in within if (one := own.overlap(asked)) is not None)
    if not common:
        raise Forbidden(
            f"cluster {asked.cluster}, namespace {asked.namespace} are out of your reach",
            do="ask an approver of that namespace",
        )
    if len(common) > 1:
        named = "; ".join(f"cluster {one.cluster}, namespace {one.namespace}" for one in common)
        raise UsageError(
            "your reach has several parts, and a waiver has one",
            where="body.reach",
            do=f"make one for each of: {named}",
        )
    return common[0]


def _literal_start(glob: str) -> str:
    """What every path begins with that the glob matches."""
    plain = glob.removeprefix("./")
    wild = _WILD.search(plain)
    return (plain if wild is None else plain[: wild.start()]).rstrip("/")
