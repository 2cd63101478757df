"""A nursery with policies that misbehave on purpose: ``python -m tests.server.webhook.nursery FD``.

It is the real one but for where its policies come from: every document of the kind ``Trial`` names
one of the behaviours below.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import re2

from haechi.admit import load as loading
from haechi.admit.policies import PolicySet
from haechi.admit.policy import View
from haechi.model.admission import Effect, FailureChoice, Family, Matched, PolicyInfo, PolicyVerdict
from haechi.model.resource import Resource
from haechi.model.review import Review, State
from haechi.server.webhook import nursery

Act = Callable[[Review, View], State]


def name_of(review: Review) -> str:
    return review.resource.name


def refuses_bad(review: Review, view: View) -> State:
    return State.FAIL if name_of(review).startswith("bad") else State.PASS


def loops(review: Review, view: View) -> State:
    """Holds the interpreter's lock as a CEL or regex loop does: one call into C++ for ever."""
    if name_of(review).startswith("loop"):
        text = "a" * 3_000_000
        while True:
            re2.search("(?:a{0,900}){0,1}b", text)
    return State.PASS


def allocates(review: Review, view: View) -> State:
    held = []
    while name_of(review).startswith("hog"):
        held.append(bytearray(16 << 20))
    return State.PASS


HELD: list[bytes] = []


def keeps(review: Review, view: View) -> State:
    """Grows a little with every review, as the CEL library does."""
    if name_of(review).startswith("keep"):
        HELD.append(b"x" * (1 << 20))
    return State.PASS


def dies(review: Review, view: View) -> State:
    if name_of(review).startswith("dead"):
        os.kill(os.getpid(), signal.SIGKILL)
    return State.PASS


def raises(review: Review, view: View) -> State:
    if name_of(review).startswith("raise"):
        raise ValueError("as asked")
    return State.PASS


def waits(review: Review, view: View) -> State:
    if name_of(review).startswith("slow"):
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
    return State.PASS


def asks(review: Review, view: View) -> State:
    """Refuses in namespaces that the view knows as locked."""
    labels = ((review.namespace or {}).get("metadata") or {}).get("labels") or {}
    return State.FAIL if labels.get("lock") == "yes" else State.PASS


ACTS: Mapping[str, Act] = {
    act.__name__: act for act in (refuses_bad, loops, allocates, keeps, dies, raises, waits, asks)
}


class Trial:
    """A policy that is one of the functions above."""

    def __init__(self, resource: Resource) -> None:
        spec: dict[str, Any] = resource.data.get("spec", {})
        self._act = ACTS[spec["act"]]
        effect = Effect(spec.get("effect", "deny"))
        kinds = tuple((group, kind) for group, kind in spec.get("kinds", [["", "Pod"]]))
        self.info = PolicyInfo(
            id=f"rules/{resource.name}",
            family=Family.RULES,
            name=resource.name,
            title=resource.name,
            effects=(effect,),
            failure=FailureChoice(spec.get("failure", "Fail")),
            matched=(Matched(kinds=kinds),),
        )

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        state = self._act(review, view)
        info = self.info
        return (
            PolicyVerdict(
                policy=info.id,
                state=state,
                message="not here",
                effects=info.effects,
                failure=info.failure,
            ),
        )


class Labels:
    """A mutation: the label ``team``."""

    def __init__(self, resource: Resource) -> None:
        self.info = PolicyInfo(
            id=f"rules/{resource.name}",
            family=Family.GATEKEEPER,
            name=resource.name,
            title=resource.name,
            failure=FailureChoice(resource.data.get("spec", {}).get("failure", "Ignore")),
            matched=(Matched(kinds=(("", "Pod"),)),),
        )

    def mutate(self, review: Review, body: dict[str, Any], view: View) -> bool:
        labels = body["metadata"].setdefault("labels", {})
        if labels.get("team") == "a":
            return False
        labels["team"] = "a"
        return True


def trial_policies(resources: Sequence[Resource], *, packs: Sequence[str] = ()) -> PolicySet:
    trials = [Trial(one) for one in resources if one.kind == "Trial"]
    labels = [Labels(one) for one in resources if one.kind == "Labels"]
    return PolicySet(trials, mutators=labels, source=str([r.data for r in resources]).encode())


if __name__ == "__main__":
    loading.load_policies = trial_policies  # type: ignore[assignment]
    sys.exit(nursery.main(sys.argv[1:]))
