"""Records of decisions: what is told, how much of it, and what is counted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from haechi.admit.decide import decide
from haechi.admit.recording import (
    Sampling,
    Tallies,
    by_policy,
    dotted,
    outcome,
    record_of,
    unpacked,
)
from haechi.admit.reviews import review_of_request
from haechi.admit.view import NOTHING
from haechi.model.admission import Effect, FailureChoice, PolicyVerdict
from haechi.model.decision_record import LATENCY_BOUNDS_US, DecisionRecord, Outcome
from haechi.model.review import Review, State

MINUTE = 60_000_000_000


def _review(**spec: Any) -> Review:
    return review_of_request(
        {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "shop",
            "name": "cart",
            "userInfo": {"username": "ann", "groups": ["dev"] * 50},
            "object": {"apiVersion": "v1", "kind": "Pod", "spec": spec},
        },
        NOTHING,
    )


def _verdict(state: State, *effects: Effect, **more: Any) -> PolicyVerdict:
    return PolicyVerdict(policy=more.pop("policy", "p"), state=state, effects=effects, **more)


DENY, WARN, AUDIT = Effect.DENY, Effect.WARN, Effect.AUDIT
CLOSED = FailureChoice.FAIL
OUTCOMES = [
    ("nothing", [], Outcome.ALLOWED),
    ("pass", [_verdict(State.PASS, DENY)], Outcome.ALLOWED),
    ("denied", [_verdict(State.FAIL, DENY), _verdict(State.FAIL, WARN)], Outcome.DENIED),
    ("warned", [_verdict(State.FAIL, WARN), _verdict(State.FAIL, AUDIT)], Outcome.WARNED),
    ("audited", [_verdict(State.FAIL, AUDIT)], Outcome.AUDITED),
    ("waived", [_verdict(State.FAIL, DENY, waiver="w")], Outcome.WAIVED),
    ("pod to be", [_verdict(State.FAIL, DENY, generated=True)], Outcome.WARNED),
    ("open", [_verdict(State.ERROR, DENY)], Outcome.UNJUDGED),
    ("closed", [_verdict(State.ERROR, DENY, failure=CLOSED)], Outcome.ERROR),
    ("unknown", [_verdict(State.NOT_EVALUATED, DENY, failure=CLOSED)], Outcome.ERROR),
]


@pytest.mark.parametrize(
    ("verdicts", "expected"), [one[1:] for one in OUTCOMES], ids=[one[0] for one in OUTCOMES]
)
def test_an_outcome_follows_from_the_verdicts(
    verdicts: list[PolicyVerdict], expected: Outcome
) -> None:
    decision = decide(verdicts, _review())
    assert outcome(decision) is expected
    assert by_policy(decision) == ({"p": expected} if verdicts else {})


def test_a_record_can_be_sent_and_judged_again() -> None:
    review = _review(containers=[{"name": "c", "image": "a:1"}])
    verdict = _verdict(State.FAIL, DENY, message="no", path=("spec", "containers", 0, "image"))
    decision = decide([verdict, _verdict(State.PASS, policy="q")], review, generation="g")
    record = record_of(decision, review, at_ns=5, duration_us=7)
    again = msgspec.json.decode(msgspec.json.encode(record), type=DecisionRecord)
    assert again == record
    assert (again.user, again.namespace, again.kind, again.resource) == (
        "ann",
        "shop",
        "Pod",
        "pods",
    )
    assert len(again.groups) == 20
    assert [(one.policy, one.path) for one in again.verdicts] == [("p", "spec.containers[0].image")]
    request = unpacked(again.review)
    assert request is not None
    assert review_of_request(request, NOTHING).resource.data == review.resource.data


def test_what_a_policy_quotes_of_a_secret_is_taken_out() -> None:
    review = _review(env=[{"name": "DB_PASSWORD", "value": "hunter2"}])
    verdict = _verdict(
        State.FAIL, DENY, message="value hunter2 in clear", evidence={"value": ["hunter2"]}
    )
    record = record_of(decide([verdict], review), review, at_ns=0, duration_us=0)
    assert b"hunter2" not in msgspec.json.encode(record)
    assert "hunter2" not in str(unpacked(record.review))
    assert record.verdicts[0].evidence == {"value": ["***"]}


def test_reviews_are_not_kept_where_that_is_off_or_they_are_large() -> None:
    review = _review(a="b")
    decision = decide([], review)
    off = record_of(decision, review, at_ns=0, duration_us=0, keep_review=False)
    assert (off.review, off.review_missing) == (b"", "off")
    large = _review(a=[str(n) for n in range(200_000)])
    record = record_of(decision, large, at_ns=0, duration_us=0)
    assert (record.review, record.review_missing) == (b"", "too-large")


def test_many_and_long_verdicts_are_cut_the_strongest_first() -> None:
    many = [_verdict(State.FAIL, AUDIT, policy=f"a{n}", message="m" * 9_000) for n in range(80)]
    evidence = {"text": "e" * 5_000}
    many.append(_verdict(State.FAIL, DENY, policy="z", evidence=evidence))
    review = _review()
    record = record_of(decide(many, review), review, at_ns=0, duration_us=0)
    assert record.verdicts[0].policy == "z"
    assert record.verdicts[0].evidence == {"left_out": "5,011 bytes"}
    assert (len(record.verdicts), record.verdicts_left_out) == (50, 31)
    assert len(msgspec.json.encode(record)) < 200_000


@pytest.mark.parametrize(
    "review", [b"", b"no zstd", b"\x28\xb5\x2f\xfd\x20\x03\x19\x00\x00abc"], ids=repr
)
def test_a_damaged_review_is_none(review: bytes) -> None:
    assert unpacked(review) is None


def test_everything_is_counted() -> None:
    tallies = Tallies()
    for namespace, came in [("a", Outcome.DENIED), ("a", Outcome.DENIED), ("b", Outcome.ALLOWED)]:
        policies = {"p": came} if came is Outcome.DENIED else {}
        tallies.add(policies, came, namespace, at_ns=3 * MINUTE, duration_us=251)
    counts, latencies = tallies.take()
    assert {(one.minute, one.policy, one.namespace, one.outcome, one.count) for one in counts} == {
        (3, "", "a", "denied", 2),
        (3, "p", "a", "denied", 2),
        (3, "", "b", "allowed", 1),
    }
    assert latencies[0].buckets[LATENCY_BOUNDS_US.index(500)] == 3
    assert latencies[0].sum_us == 753
    assert tallies.take() == ((), ())


def test_too_many_counts_are_added_up() -> None:
    tallies = Tallies()
    for n in range(25_000):
        tallies.add({}, Outcome.ALLOWED, f"ns-{n}", at_ns=0, duration_us=1)
    counts, _ = tallies.take()
    assert len(counts) <= 20_000
    assert sum(one.count for one in counts) == 25_000


def test_of_what_is_let_through_a_sample_is_recorded() -> None:
    sampling, review = Sampling(allowed=2, others=3), _review()
    found = [sampling.wants(Outcome.ALLOWED, review, n) for n in range(6)]
    assert found == [True, True, True, False, False, False]
    denied = [sampling.wants(Outcome.DENIED, review, n) for n in range(5)]
    assert denied == [True, True, True, False, False]
    assert sampling.wants(Outcome.ALLOWED, review, MINUTE)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("spec", 0, "a"), "spec[0].a"),
        (
            ("metadata", "labels", "app.kubernetes.io/name"),
            'metadata.labels["app.kubernetes.io/name"]',
        ),
    ],
    ids=str,
)
def test_paths_read_as_people_write_them(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text
