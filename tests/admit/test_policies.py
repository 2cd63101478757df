"""The one function that judges, and the decision made of its verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from haechi.admit.checking import judge_all
from haechi.admit.decide import decide
from haechi.admit.policies import PolicySet
from haechi.admit.policy import View
from haechi.admit.reviews import request_fault, review_of, review_of_request
from haechi.admit.view import NOTHING
from haechi.errors import NotEvaluated
from haechi.model.admission import Effect, FailureChoice, Family, PolicyVerdict
from haechi.model.review import Point, Review, State
from tests.admit.samples import deployment, no_latest, pod, policy


def test_a_workload_is_judged_as_the_pod_that_it_makes() -> None:
    policies = PolicySet([no_latest()])
    review = review_of(deployment("shop/cart:latest"), NOTHING, point=Point.FILE)
    (verdict,) = policies.review(review, NOTHING)
    assert verdict.generated
    assert verdict.path == ("spec", "template", "spec", "containers", 0, "image")


def test_what_a_workload_makes_refuses_no_workload_at_the_door() -> None:
    policies = PolicySet([no_latest()])
    review = review_of(deployment("shop/cart:latest"), NOTHING, point=Point.ADMISSION)
    decision = decide(policies.review(review, NOTHING), review)
    assert decision.allowed
    assert decision.warnings == ("[vap/no-latest] shop/cart:latest may change",)


def test_a_rule_that_reads_the_template_is_not_asked_twice() -> None:
    seen: list[str] = []

    def judge(review: Review, view: View) -> Sequence[PolicyVerdict]:
        seen.append(review.resource.kind)
        return ()

    policies = PolicySet([policy("one", judge, family=Family.RULES)])
    policies.review(review_of(deployment(), NOTHING, point=Point.FILE), NOTHING)
    assert seen == ["Deployment"]


@pytest.mark.parametrize(
    ("failure", "allowed", "code"),
    [(FailureChoice.FAIL, False, 500), (FailureChoice.IGNORE, True, 200)],
    ids=["fails closed", "fails open"],
)
@pytest.mark.parametrize(
    "error", [ZeroDivisionError("x"), NotEvaluated("no namespace")], ids=["error", "not evaluated"]
)
def test_a_policy_that_cannot_judge_follows_its_failure_choice(
    failure: FailureChoice, allowed: bool, code: int, error: Exception
) -> None:
    def judge(review: Review, view: View) -> Sequence[PolicyVerdict]:
        raise error

    policies = PolicySet([policy("broken", judge, failure=failure), no_latest()])
    review = review_of(pod(), NOTHING, point=Point.ADMISSION)
    verdicts = policies.review(review, NOTHING)
    assert [verdict.state for verdict in verdicts][1:] == [State.PASS]
    decision = decide(verdicts, review)
    assert (decision.allowed, decision.code) == (allowed, code)


def test_a_refusal_is_told_before_an_error() -> None:
    def judge(review: Review, view: View) -> Sequence[PolicyVerdict]:
        raise ValueError("loops")

    policies = PolicySet([policy("broken", judge, failure=FailureChoice.FAIL), no_latest()])
    review = review_of(pod("a:latest"), NOTHING, point=Point.ADMISSION)
    decision = decide(policies.review(review, NOTHING), review)
    assert (decision.code, decision.message) == (403, "[vap/no-latest] a:latest may change")


@pytest.mark.parametrize(
    ("effects", "allowed", "warnings"),
    [
        ((Effect.DENY,), False, 0),
        ((Effect.WARN,), True, 1),
        ((Effect.AUDIT,), True, 0),
        ((Effect.DENY, Effect.AUDIT), False, 0),
        ((), True, 0),
    ],
    ids=["deny", "warn", "audit", "deny and audit", "nothing"],
)
def test_effects(effects: tuple[Effect, ...], allowed: bool, warnings: int) -> None:
    policies = PolicySet([no_latest(effects=effects)])
    review = review_of(pod("a:latest"), NOTHING, point=Point.ADMISSION)
    decision = decide(policies.review(review, NOTHING), review)
    assert (decision.allowed, len(decision.warnings)) == (allowed, warnings)


@pytest.mark.parametrize(
    ("effect", "failure", "generated", "warned"),
    [
        pytest.param(Effect.DENY, FailureChoice.IGNORE, False, True, id="fails-open"),
        pytest.param(Effect.WARN, FailureChoice.FAIL, False, True, id="warns-as-a-failure-would"),
        pytest.param(Effect.DENY, FailureChoice.FAIL, True, True, id="the-pod-would-be-refused"),
        pytest.param(Effect.AUDIT, FailureChoice.IGNORE, False, False, id="written-down-only"),
    ],
)
def test_an_error_that_refuses_nothing_is_told_unless_nothing_would_be(
    effect: Effect, failure: FailureChoice, generated: bool, warned: bool
) -> None:
    verdict = PolicyVerdict(
        policy="vap/x",
        state=State.ERROR,
        effects=(effect,),
        failure=failure,
        generated=generated,
    )
    decision = decide((verdict,), review_of(pod(), NOTHING, point=Point.ADMISSION))
    assert (decision.allowed, bool(decision.warnings)) == (True, warned)


def test_a_waived_failure_neither_refuses_nor_warns() -> None:
    policies = PolicySet([no_latest()])
    review = review_of(pod("a:latest"), NOTHING, point=Point.ADMISSION)
    decision = decide(policies.review(review, NOTHING), review, waive=lambda *_: "w.yaml:3")
    assert decision.allowed
    assert not decision.warnings
    assert decision.verdicts[0].waiver == "w.yaml:3"


def test_a_policy_that_is_switched_off_is_an_error_of_itself() -> None:
    policies = PolicySet([no_latest(failure=FailureChoice.FAIL), no_latest("other")])
    review = review_of(pod(), NOTHING, point=Point.ADMISSION)
    first, second = policies.review(review, NOTHING, off={0: "took too long"})
    assert (first.state, first.message) == (State.ERROR, "took too long")
    assert second.state is State.PASS
    assert not decide((first, second), review).allowed


def test_who_watches_is_told_whom_to_blame() -> None:
    policies = PolicySet([no_latest("a"), no_latest("b")])
    seen: list[int] = []
    review = review_of(pod(), NOTHING, point=Point.ADMISSION)
    policies.review(review, NOTHING, watch=seen.append)
    assert seen == [0, 1]


def test_a_request_is_judged_as_a_file_is() -> None:
    body = pod("a:latest").data
    request = {
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "name": "cart",
        "operation": "CREATE",
        "userInfo": {"username": "ann"},
        "object": body,
    }
    policies = PolicySet([no_latest()])
    asked = review_of_request(request, NOTHING)
    read = review_of(pod("a:latest"), NOTHING, point=Point.FILE)
    assert policies.review(asked, NOTHING) == policies.review(read, NOTHING)
    assert asked.resource.key == read.resource.key
    assert asked.request is not None
    assert "object" not in asked.request


def test_a_deleted_object_is_the_old_one() -> None:
    request = {
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "DELETE",
        "object": None,
        "oldObject": pod().data,
    }
    review = review_of_request(request, NOTHING)
    assert (review.resource.namespace, review.resource.name) == ("shop", "cart")
    assert review.old == pod().data
    assert not review.resource.data


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"kind": 3, "object": [], "oldObject": "x", "namespace": 4, "name": None},
        {"kind": {"kind": ["Pod"]}, "object": {"metadata": "x"}},
        {"kind": {"group": "apps", "kind": "Deployment"}, "object": {"spec": {"template": 1}}},
    ],
)
def test_a_request_of_any_shape_is_answered(request_: dict[str, object]) -> None:
    review = review_of_request(request_, NOTHING)
    policies = PolicySet([policy("p", lambda review, view: ())])
    assert policies.review(review, NOTHING) == ()


def test_generation_names_the_policies() -> None:
    one, other = PolicySet([no_latest()]), PolicySet([no_latest()], source=b"other text")
    assert one.generation != other.generation
    assert one.generation == PolicySet([no_latest()]).generation


def test_many_objects_are_judged_in_order() -> None:
    found = list(
        judge_all(
            PolicySet([no_latest()]),
            [pod(name="a"), deployment("x:latest", name="b")],
            NOTHING,
            point=Point.FILE,
        )
    )
    assert [(judged.resource.name, bool(judged.refused)) for judged in found] == [
        ("a", False),
        ("b", True),
    ]


GOOD_REQUEST = {
    "kind": {"group": "", "version": "v1", "kind": "Pod"},
    "resource": {"group": "", "version": "v1", "resource": "pods"},
    "operation": "CREATE",
    "object": {"metadata": {}},
}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"oldObject": None, "subResource": "", "namespace": "a", "name": ""}, ""),
        ({"operation": "DELETE", "object": None}, ""),
        ({"operation": "CONNECT", "object": None}, ""),
        ({"operation": "create"}, "operation"),
        ({"operation": None}, "operation"),
        ({"operation": ["CREATE"]}, "operation"),
        ({"kind": None}, "kind"),
        ({"kind": {"group": "", "version": "v1", "kind": ""}}, "kind"),
        ({"kind": {"version": "v1", "kind": "Pod"}}, "kind"),
        ({"resource": "pods"}, "resource"),
        ({"resource": {"group": "", "version": "v1", "resource": 1}}, "resource"),
        ({"subResource": ["status"]}, "subResource"),
        ({"namespace": 1}, "namespace"),
        ({"object": None}, "no object"),
        ({"operation": "UPDATE", "object": None}, "no object"),
        ({"object": []}, "must be objects"),
        ({"oldObject": "a"}, "must be objects"),
    ],
)
def test_a_request_that_policies_could_not_apply_to_is_none(
    more: dict[str, object], said: str
) -> None:
    fault = request_fault({**GOOD_REQUEST, **more})
    assert said in fault if said else fault == ""
