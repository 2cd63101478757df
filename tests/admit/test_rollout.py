"""Stages of a rollout: what they leave of a policy's effects, for whom and since when."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from haechi.admit.checking import would_deny
from haechi.admit.policies import PolicySet
from haechi.admit.reviews import review_of, review_of_request
from haechi.admit.rollout import Rollouts, Stage, read_rollouts
from haechi.admit.simulate import Answer, Case, forecast, what_if
from haechi.admit.view import NOTHING, ObjectsView
from haechi.model.admission import Effect
from haechi.model.review import Point
from tests.admit.samples import deployment, no_latest, pod, resource

STAGES: list[dict[str, Any]] = [
    {"stage": "observe", "from": "2026-11-01"},
    {"stage": "new", "from": "2026-12-01", "namespaces": ["shop"]},
    {"stage": "all", "from": "2027-01-15"},
]


def rollouts(day: str, stages: list[dict[str, Any]] | None = None) -> Rollouts:
    document = resource(
        {
            "apiVersion": "haechi.dev/v1alpha1",
            "kind": "PolicyRollout",
            "metadata": {"name": "images"},
            "spec": {"policies": ["vap/no-*"], "stages": STAGES if stages is None else stages},
        }
    )
    found, faults = read_rollouts([document])
    assert not faults
    return Rollouts(found, lambda: dt.date.fromisoformat(day))


def effects(policies: PolicySet, body: dict[str, Any], view: ObjectsView = NOTHING) -> set[Effect]:
    review = review_of_request(body, view)
    return {effect for v in policies.review(review, view) for effect in v.effects}


def request(operation: str = "CREATE", made: str = "", **more: Any) -> dict[str, Any]:
    body = pod("a:latest", **more).data
    old = {**body, "metadata": {**body["metadata"], "creationTimestamp": made}}
    return {
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": operation,
        "namespace": body["metadata"]["namespace"],
        "object": body,
        **({"oldObject": old} if operation == "UPDATE" else {}),
    }


@pytest.mark.parametrize(
    ("day", "namespace", "wanted"),
    [
        ("2026-10-01", "shop", Effect.AUDIT),
        ("2026-11-15", "shop", Effect.AUDIT),
        ("2026-12-01", "shop", Effect.DENY),
        ("2026-12-01", "other", Effect.AUDIT),
        ("2027-01-15", "other", Effect.DENY),
    ],
    ids=["before the first", "observe", "new objects", "elsewhere", "all"],
)
def test_stages_begin_by_day_and_namespace(day: str, namespace: str, wanted: Effect) -> None:
    policies = PolicySet([no_latest()], rollout=rollouts(day))
    assert effects(policies, request(namespace=namespace)) == {wanted}


@pytest.mark.parametrize(
    ("made", "wanted"),
    [("2026-11-30T10:00:00Z", Effect.WARN), ("2026-12-02T10:00:00Z", Effect.DENY)],
    ids=["old", "new"],
)
def test_what_was_there_before_is_warned(made: str, wanted: Effect) -> None:
    policies = PolicySet([no_latest()], rollout=rollouts("2026-12-10"))
    assert effects(policies, request("UPDATE", made)) == {wanted}


CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
OLD_OWNER = deployment(uid="u1", creationTimestamp="2026-01-01T00:00:00Z").data


def owned_by(uid: str = "u1") -> list[dict[str, Any]]:
    name = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"}
    return [{**name, "uid": uid, "controller": True}]


@pytest.mark.parametrize(
    ("uid", "wanted"), [("u1", Effect.WARN), ("forged", Effect.DENY)], ids=["its own", "forged"]
)
def test_a_pod_of_an_old_workload_is_old(uid: str, wanted: Effect) -> None:
    policies = PolicySet([no_latest()], rollout=rollouts("2026-12-10"))
    asked = {**request(ownerReferences=owned_by(uid)), "userInfo": {"username": CONTROLLER}}
    assert effects(policies, asked, ObjectsView([OLD_OWNER])) == {wanted}


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("system:kube-controller-manager", Effect.WARN),
        ("system:serviceaccount:kube-system:job-controller", Effect.WARN),
        ("mallory", Effect.DENY),
        ("system:serviceaccount:shop:replicaset-controller", Effect.DENY),
        (None, Effect.DENY),
    ],
)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_only_controllers_of_the_cluster_are_believed_whom_a_pod_belongs_to(
    user: str | None, wanted: Effect, operation: str
) -> None:
    policies = PolicySet([no_latest()], rollout=rollouts("2026-12-10"))
    asked = request(operation, "2026-12-05T00:00:00Z", ownerReferences=owned_by())
    asked["userInfo"] = {} if user is None else {"username": user}
    assert effects(policies, asked, ObjectsView([OLD_OWNER])) == {wanted}


@pytest.mark.parametrize("point", [Point.AUDIT, Point.WHAT_IF])
def test_a_new_pod_of_an_old_workload_that_is_there_is_old(point: Point) -> None:
    policies = PolicySet([no_latest()], rollout=rollouts("2026-12-10"))
    made = "2026-12-05T00:00:00Z"
    for uid, wanted in (("u1", Effect.WARN), ("other", Effect.DENY)):
        there = pod("a:latest", ownerReferences=owned_by(uid), creationTimestamp=made)
        view = ObjectsView([OLD_OWNER])
        found = policies.review(review_of(there, view, point=point), view)
        assert {effect for one in found for effect in one.effects} == {wanted}


@pytest.mark.parametrize(
    ("made", "wanted"),
    [("2026-11-30T10:00:00Z", Effect.WARN), ("2026-12-02T10:00:00Z", Effect.DENY)],
    ids=["old", "new"],
)
def test_the_pod_that_a_workload_would_make_is_as_old_as_the_workload(
    made: str, wanted: Effect
) -> None:
    policies = PolicySet([no_latest()], rollout=rollouts("2026-12-10"))
    there = deployment(image="a:latest", creationTimestamp=made)
    found = policies.review(review_of(there, NOTHING, point=Point.AUDIT), NOTHING)
    assert {(one.generated, effect) for one in found for effect in one.effects} == {(True, wanted)}


def test_an_update_that_does_not_show_what_was_there_is_of_nothing_old() -> None:
    policies = PolicySet([no_latest()], rollout=rollouts("2026-12-10"))
    asked = request("UPDATE", "2026-01-01T00:00:00Z")
    del asked["oldObject"]
    assert effects(policies, asked) == {Effect.DENY}


def test_what_tells_how_old_a_pod_is_is_asked_for() -> None:
    assert ("apps", "ReplicaSet") in PolicySet([no_latest()], rollout=rollouts("2026-12-10")).reads
    observing = rollouts("2026-12-10", STAGES[:1])
    assert PolicySet([no_latest()], rollout=observing).reads == frozenset()


def test_a_rollout_never_makes_a_policy_stricter() -> None:
    policies = PolicySet([no_latest(effects=(Effect.AUDIT,))], rollout=rollouts("2027-02-01"))
    assert effects(policies, request()) == {Effect.AUDIT}
    observed = PolicySet([no_latest(effects=(Effect.WARN,))], rollout=rollouts("2026-11-02"))
    assert effects(observed, request()) == {Effect.AUDIT}


def test_policies_that_it_does_not_name_are_as_they_are() -> None:
    policies = PolicySet([no_latest("images")], rollout=rollouts("2026-11-02"))
    assert effects(policies, request()) == {Effect.DENY}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"policies": ["*"], "stages": [{"stage": "later", "from": "2026-01-01"}]}, "stage must"),
        ({"policies": ["*"], "stages": [{"stage": "all", "from": "soon"}]}, "from must"),
        ({"policies": [], "stages": STAGES}, "must name policies"),
        ({"policies": "vap/*", "stages": STAGES}, "policies must be a list"),
        ({"policies": ["*"], "stages": list(reversed(STAGES))}, "in the order"),
        ({"policies": ["*"], "stages": []}, "at least one stage"),
        ({"policies": ["*"], "stages": STAGES, "stage": 1}, "unknown field stage"),
    ],
    ids=["stage", "date", "no policies", "no list", "order", "no stages", "unknown"],
)
def test_a_wrong_rollout_is_a_fault_and_softens_nothing(spec: dict[str, Any], said: str) -> None:
    document = resource(
        {
            "apiVersion": "haechi.dev/v1alpha1",
            "kind": "PolicyRollout",
            "metadata": {"name": "x"},
            "spec": spec,
        }
    )
    found, faults = read_rollouts([document])
    assert not found
    assert any(said in fault.what for fault in faults)


def cases() -> list[Case]:
    return [
        Case(review=review_of(one, NOTHING, point=Point.WHAT_IF))
        for one in (pod("a:latest", name="bad"), pod(name="good"), deployment("b:latest"))
    ]


def test_what_if_tells_what_differs() -> None:
    found = what_if(None, PolicySet([no_latest()]), cases(), NOTHING)
    assert found.judged == 3
    assert found.after == {"refused": 2, "unjudged": 0, "warned": 0, "let-in": 1}
    assert found.before["let-in"] == 3
    assert {(c.label, c.after) for c in found.changes} == {
        ("Pod shop/bad", Answer.REFUSED),
        ("Deployment shop/cart", Answer.REFUSED),
    }
    assert found.by_namespace == {"shop": 2}
    assert [(p.policy, p.before, p.after) for p in found.policies] == [("vap/no-latest", 0, 2)]


def test_what_if_is_silent_about_the_same_policies() -> None:
    found = what_if(PolicySet([no_latest()]), PolicySet([no_latest()]), cases(), NOTHING)
    assert (found.changes, found.policies, found.newly_refused) == ((), (), 0)


def test_what_if_tells_that_a_policy_was_weakened() -> None:
    weak = PolicySet([no_latest(effects=(Effect.WARN,))])
    found = what_if(PolicySet([no_latest()]), weak, cases(), NOTHING)
    assert {(c.before, c.after) for c in found.changes} == {(Answer.REFUSED, Answer.WARNED)}


def test_the_forecast_counts_what_the_next_stage_would_refuse() -> None:
    policies = PolicySet([no_latest()], rollout=rollouts("2026-11-15"))
    (row,) = forecast(policies, cases(), NOTHING, today=dt.date(2026, 11, 15))
    assert (row.stage, row.next, row.begins) == (Stage.OBSERVE, Stage.NEW, dt.date(2026, 12, 1))
    assert (row.refused, row.ready) == (2, False)
    assert not any(
        would_deny(verdict) for case in cases() for verdict in policies.review(case.review, NOTHING)
    )
