"""Policies that loop, allocate or kill their process cost their own verdict and nobody else's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import Any

import pytest

from haechi.admit.apart import Job, jobs_apart, judged_apart, judged_here
from haechi.admit.policies import PolicySet
from haechi.admit.policy import View
from haechi.admit.reviews import review_of
from haechi.admit.view import NOTHING
from haechi.model.admission import PolicyVerdict
from haechi.model.review import Point, Review, State
from tests.admit.samples import Judgement, no_latest, pod, policy

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def loops(review: Review, view: View) -> Sequence[PolicyVerdict]:
    if review.resource.name == "bad":
        time.sleep(60)
    return ()


def allocates(review: Review, view: View) -> Sequence[PolicyVerdict]:
    if review.resource.name == "bad":
        held = [bytes(1 << 20)]
        while True:
            held.append(bytes(1 << 24))
    return ()


def dies(review: Review, view: View) -> Sequence[PolicyVerdict]:
    if review.resource.name == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return ()


def reviews(*names: str) -> list[Review]:
    return [review_of(pod("a:latest", name=n), NOTHING, point=Point.FILE) for n in names]


@pytest.mark.parametrize("judgement", [loops, allocates, dies])
def test_a_wild_policy_is_an_error_of_itself(judgement: Judgement) -> None:
    policies = PolicySet([policy("wild", judgement), no_latest()])
    found = list(
        judged_apart(
            policies,
            reviews("good", "bad", "fine"),
            NOTHING,
            deadline_s=0.3,
            memory_bytes=128 << 20,
        )
    )
    states = [[(v.policy, v.state) for v in verdicts] for verdicts in found]
    fails = ("vap/no-latest", State.FAIL)
    assert states == [[fails], [("vap/wild", State.ERROR), fails], [fails]]


def test_one_that_goes_on_is_switched_off() -> None:
    policies = PolicySet([policy("wild", dies), no_latest()])
    found = list(judged_apart(policies, reviews("bad", "bad", "bad", "good"), NOTHING))
    wild = [next((v for v in verdicts if v.policy == "vap/wild"), None) for verdicts in found]
    assert all(verdict is not None and verdict.state is State.ERROR for verdict in wild)
    assert wild[3] is not None
    assert "switched off" in wild[3].message


def test_one_that_keeps_a_little_of_every_review_is_replaced_in_time_and_not_blamed() -> None:
    held: list[bytes] = []

    def keeps(review: Review, view: View) -> Sequence[PolicyVerdict]:
        held.append(b"x" * (1 << 20))
        return ()

    policies = PolicySet([policy("keeps", keeps), no_latest()])
    asked = reviews(*["a"] * 160)
    found = list(judged_apart(policies, asked, NOTHING, memory_bytes=48 << 20))
    assert [[(v.policy, v.state) for v in one] for one in found] == [
        [("vap/no-latest", State.FAIL)]
    ] * 160


def test_it_says_what_is_said_in_the_process_itself() -> None:
    policies = PolicySet([no_latest(), no_latest("b")])
    asked = reviews("a", "b", "c")
    assert list(judged_apart(policies, asked, NOTHING)) == list(
        judged_here(policies, asked, NOTHING)
    )


def test_an_object_that_cannot_be_read_is_an_error_of_every_policy() -> None:
    class Unreadable(list[Review]):
        def __getitem__(self, place: Any) -> Any:
            if place == 1:
                raise RecursionError
            return super().__getitem__(place)

    policies = PolicySet([policy("fine", lambda review, view: ()), no_latest()])
    found = list(judged_apart(policies, Unreadable(reviews("a", "b", "c")), NOTHING))
    assert [[v.state for v in verdicts] for verdicts in found] == [
        [State.FAIL],
        [State.ERROR, State.ERROR],
        [State.FAIL],
    ]


def test_no_child_is_left_when_nobody_reads_on() -> None:
    policies = PolicySet([policy("wild", loops)])
    stream = judged_apart(policies, reviews("good", "bad"), NOTHING)
    assert next(stream) == ()
    stream.close()  # type: ignore[attr-defined]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_no_child_is_left_when_the_parent_is_killed() -> None:
    reader, writer = os.pipe()

    def spins(review: Review, view: View) -> Sequence[PolicyVerdict]:
        os.write(writer, b"x")
        while True:
            pass

    parent = os.fork()
    if parent == 0:
        try:
            policies = PolicySet([policy("wild", spins)])
            list(judged_apart(policies, reviews("bad"), NOTHING, deadline_s=0.2))
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as told:
        assert told.read(1) == b"x"  # the grandchild is at work
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        assert told.read(1) == b""  # it holds the other end as long as it lives


def test_of_jobs_with_policies_of_their_own_none_costs_another_its_verdict() -> None:
    wild, other = PolicySet([policy("wild", dies), no_latest()]), PolicySet([no_latest("b")])
    asked = reviews("good", "bad", "b", "bad", "bad", "good")
    by = [wild, wild, other, wild, wild, wild]
    jobs = [Job(own, review, NOTHING) for own, review in zip(by, asked, strict=True)]
    found = [[(v.policy, v.state) for v in verdicts] for verdicts in jobs_apart(jobs)]
    fails = ("vap/no-latest", State.FAIL)
    killed = [("vap/wild", State.ERROR), fails]
    # However often one ends the child, it is asked again: every job is on its own.
    assert found == [[fails], killed, [("vap/b", State.FAIL)], killed, killed, [fails]]


def test_it_works_where_nothing_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    (found,) = judged_apart(PolicySet([no_latest()]), reviews("a"), NOTHING)
    assert [verdict.state for verdict in found] == [State.FAIL]
