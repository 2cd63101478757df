"""What is told about a decision: a bounded, redacted record, and counts of everything.

Used by the webhook (``server/webhook``), which posts ``DecisionBatch``es. A record costs some
hundred microseconds (the redaction), so it is made of what people will ask about and of a
sample (``Sampling``); ``Tallies`` counts every decision and costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.admit.decide import warns
from haechi.admit.redact import Redacted, redacted
from haechi.checks.pods.view import mapping
from haechi.model.admission import Decision, Effect, PolicyVerdict
from haechi.model.decision_record import (
    EVIDENCE,
    LATENCY_BOUNDS_US,
    LONG,
    MOST_GROUPS,
    MOST_TALLIES,
    MOST_VERDICTS,
    MOST_WARNINGS,
    REVIEW_BYTES,
    REVIEW_PLAIN_BYTES,
    TEXT,
    DecisionRecord,
    Latency,
    Outcome,
    RecordedVerdict,
    Tally,
)
from haechi.model.location import AttrPath
from haechi.model.review import Review, State

STRENGTH = tuple(Outcome)
_UNJUDGED = (State.ERROR, State.NOT_EVALUATED)
_MESSAGE = 8_000
_ROOM = 500
"""For what is added up once there are too many to tell apart."""


def outcome_of(verdict: PolicyVerdict) -> Outcome:
    """What one verdict comes to."""
    if verdict.denies:
        return Outcome.DENIED if verdict.state is State.FAIL else Outcome.ERROR
    if verdict.state is State.FAIL:
        if verdict.waiver is not None:
            return Outcome.WAIVED
        return Outcome.WARNED if warns(verdict) else Outcome.AUDITED
    return Outcome.UNJUDGED if verdict.state in _UNJUDGED else Outcome.ALLOWED


def outcome(decision: Decision) -> Outcome:
    """What became of a request."""
    found = {outcome_of(verdict) for verdict in decision.verdicts}
    if not decision.allowed:
        return Outcome.DENIED if Outcome.DENIED in found else Outcome.ERROR
    return next((one for one in STRENGTH if one in found), Outcome.ALLOWED)


def by_policy(decision: Decision) -> dict[str, Outcome]:
    """The strongest outcome of each policy that said anything."""
    found: dict[str, Outcome] = {}
    for verdict in decision.verdicts:
        came = outcome_of(verdict)
        known = found.get(verdict.policy)
        if known is None or STRENGTH.index(came) < STRENGTH.index(known):
            found[verdict.policy] = came
    return found


def record_of(
    decision: Decision,
    review: Review,
    *,
    at_ns: int,
    duration_us: int,
    keep_review: bool = True,
    mutating: bool = False,
    came: Outcome | None = None,
) -> DecisionRecord:
    """The record of one decision. ``came`` where the verdicts do not tell (``shed``).

    ``keep_review`` False is the setting ``admission.record_reviews: false``.
    """
    request = dict(review.request or {})
    request["object"] = review.resource.data or None
    request["oldObject"] = review.old
    clean = redacted(request)
    body, missing = _packed(clean) if keep_review else (b"", "off")
    told = [verdict for verdict in decision.verdicts if verdict.state not in _FINE]
    told.sort(key=lambda verdict: STRENGTH.index(outcome_of(verdict)))
    came = came or outcome(decision)
    resource, user = mapping(request.get("resource")), mapping(request.get("userInfo"))
    kind = review.resource
    return DecisionRecord(
        uid=_short(request.get("uid")),
        at_ns=at_ns,
        generation=_short(decision.generation),
        operation=_short(request.get("operation")),
        group=_short(kind.group),
        version=_short(kind.version),
        kind=_short(kind.kind),
        resource=_short(resource.get("resource")),
        subresource=_short(request.get("subResource")),
        namespace=_short(kind.namespace),
        name=_short(kind.name),
        user=_short(user.get("username")),
        groups=_groups(user.get("groups")),
        dry_run=request.get("dryRun") is True,
        mutating=mutating,
        allowed=decision.allowed,
        outcome=came,
        code=decision.code,
        message=clean.clean(decision.message)[:_MESSAGE],
        warnings=tuple(clean.clean(one)[:LONG] for one in decision.warnings[:MOST_WARNINGS]),
        patches=len(decision.patches),
        duration_us=max(0, duration_us),
        verdicts=tuple(_verdict(one, clean) for one in told[:MOST_VERDICTS]),
        verdicts_left_out=max(0, len(told) - MOST_VERDICTS),
        sampled=came is Outcome.ALLOWED,
        review=body,
        review_missing=missing,
    )


_FINE = (State.PASS, State.NOT_APPLICABLE)


def unpacked(review: bytes) -> dict[str, Any] | None:
    """The request of a record's ``review``; None when it is damaged, or larger than allowed."""
    import zstandard

    try:
        size = zstandard.frame_content_size(review)
        if not 0 <= size <= REVIEW_PLAIN_BYTES:
            return None
        value = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(review))
    except (zstandard.ZstdError, msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return value if isinstance(value, dict) else None


def _packed(clean: Redacted) -> tuple[bytes, str]:
    import zstandard

    plain = msgspec.json.encode(clean.body)
    if len(plain) > REVIEW_PLAIN_BYTES:
        return b"", "too-large"
    body = zstandard.ZstdCompressor(level=3).compress(plain)
    return (body, "") if len(body) <= REVIEW_BYTES else (b"", "too-large")


def _verdict(verdict: PolicyVerdict, clean: Redacted) -> RecordedVerdict:
    return RecordedVerdict(
        policy=verdict.policy[:TEXT],
        rule=verdict.rule[:TEXT],
        state=verdict.state.value,
        effects=tuple(effect.value for effect in Effect if effect in verdict.effects),
        failure=verdict.failure.value,
        action=verdict.action[:TEXT],
        message=clean.clean(verdict.message[: 4 * LONG])[:LONG],
        path=dotted(verdict.path)[:TEXT],
        line=verdict.line,
        evidence=evidence_of(verdict, clean),
        waiver=None if verdict.waiver is None else verdict.waiver[:TEXT],
        generated=verdict.generated,
    )


def evidence_of(verdict: PolicyVerdict, clean: Redacted) -> dict[str, Any]:
    """The evidence as plain values without secrets, or a word about its size."""
    if not verdict.evidence:
        return {}
    try:
        plain = msgspec.json.decode(msgspec.json.encode(redacted(verdict.evidence).body))
        text = msgspec.json.encode(_cleaned(plain, clean, 0))
    except (TypeError, ValueError, RecursionError):
        return {"left_out": "it is no plain value"}
    if len(text) > EVIDENCE:
        return {"left_out": f"{len(text):,} bytes"}
    value: dict[str, Any] = msgspec.json.decode(text)
    return value


def _cleaned(value: Any, clean: Redacted, depth: int) -> Any:
    if isinstance(value, str):
        return clean.clean(value)
    if isinstance(value, list):
        return [_cleaned(one, clean, depth + 1) for one in value]
    if isinstance(value, dict):
        return {clean.clean(key): _cleaned(one, clean, depth + 1) for key, one in value.items()}
    return value


def dotted(path: AttrPath) -> str:
    """A path as people write it: ``spec.containers[0].image``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and part.replace("_", "a").replace("-", "a").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{msgspec.json.encode(part).decode()}]"
    return text


def _short(value: Any) -> str:
    return value[:TEXT] if isinstance(value, str) else ""


def _groups(value: Any) -> tuple[str, ...]:
    several = value if isinstance(value, list) else []
    return tuple(_short(one) for one in several[:MOST_GROUPS] if isinstance(one, str))


class Sampling:
    """Which decisions become records: all that are not plainly allowed, up to a bound a minute,
    and of those that are the first of its sort and some more.

    A sort is (operation, kind, namespace, user): what a policy to come would refuse is seen then
    even where most requests are leases and events.
    """

    def __init__(self, *, allowed: int = 60, others: int = 2_000, sorts: int = 5_000) -> None:
        self._allowed, self._others, self._sorts = allowed, others, sorts
        self._minute = -1
        self._taken = [0, 0]
        self._seen: dict[tuple[str, ...], int] = {}

    def wants(self, came: Outcome, review: Review, at_ns: int) -> bool:
        """Whether this decision is to be recorded."""
        minute = at_ns // 60_000_000_000
        if minute != self._minute:
            self._minute, self._taken = minute, [0, 0]
        if came is not Outcome.ALLOWED:
            self._taken[0] += 1
            return self._taken[0] <= self._others
        if self._first(review, minute // 60):
            return True
        self._taken[1] += 1
        return self._taken[1] <= self._allowed

    def _first(self, review: Review, hour: int) -> bool:
        request, resource = review.request or {}, review.resource
        user = mapping(request.get("userInfo")).get("username")
        sort = (str(request.get("operation")), resource.type, resource.namespace or "", str(user))
        if self._seen.get(sort) == hour:
            return False
        if len(self._seen) >= self._sorts:
            self._seen.clear()
        self._seen[sort] = hour
        return True


class Tallies:
    """Counts of all decisions since the last ``take``; not thread-safe."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str, str, Outcome], int] = {}
        self._latency: dict[int, list[int]] = {}
        self._sums: dict[int, int] = {}

    def add(
        self,
        outcomes: Mapping[str, Outcome],
        came: Outcome,
        namespace: str,
        *,
        at_ns: int,
        duration_us: int,
    ) -> None:
        """Count one decision: ``came`` of the request, ``outcomes`` of the policies
        (``by_policy``; those that pass may be left out)."""
        minute = at_ns // 60_000_000_000
        counts = self._counts
        for policy, word in (("", came), *outcomes.items()):
            key = (minute, policy, namespace, word)
            if key not in counts and len(counts) >= MOST_TALLIES - _ROOM:
                key = (minute, "" if policy == "" else "*", "*", word)
            counts[key] = counts.get(key, 0) + 1
        buckets = self._latency.setdefault(minute, [0] * (len(LATENCY_BOUNDS_US) + 1))
        buckets[_bucket(duration_us)] += 1
        self._sums[minute] = self._sums.get(minute, 0) + duration_us

    def take(self) -> tuple[tuple[Tally, ...], tuple[Latency, ...]]:
        """What was counted, and begin anew. Whoever could not send it adds it to the next batch
        by sending the same batch again (same number)."""
        tallies = tuple(
            Tally(minute=m, policy=p[:TEXT], namespace=n[:TEXT], outcome=o, count=count)
            for (m, p, n, o), count in self._counts.items()
        )
        latencies = tuple(
            Latency(minute=minute, buckets=tuple(buckets), sum_us=self._sums[minute])
            for minute, buckets in self._latency.items()
        )
        self._counts, self._latency, self._sums = {}, {}, {}
        return tallies, latencies


def _bucket(duration_us: int) -> int:
    from bisect import bisect_left

    return bisect_left(LATENCY_BOUNDS_US, duration_us)
