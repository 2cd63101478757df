"""Admission and policies over the API: told by webhooks, listed, explained, summed."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.admit.decide import decide
from haechi.admit.recording import Tallies, by_policy, outcome, record_of
from haechi.admit.reviews import review_of_request
from haechi.admit.view import NOTHING
from haechi.errors import Forbidden, UsageError
from haechi.model.access import Grant, Principal, Reach, Role
from haechi.model.admission import (
    Effect,
    Family,
    PolicyFault,
    PolicyInfo,
    PolicyVerdict,
)
from haechi.model.decision_record import SCHEMA, DecisionBatch, WebhookState
from haechi.model.review import State
from haechi.server.scrape import figures
from haechi.server.settings import Admission
from haechi.server.shapes_admission import AdmissionSummary, DecisionShown
from haechi.store.state.admission_records import AuditCoverage, StateCounts
from haechi.store.state.policy_infos import policy_key
from haechi.store.state.policy_states import Said
from tests.server.api.rig import START, Rig, rig
from tests.server.serving import local_settings

INFO = PolicyInfo(
    id="vap/images/prod",
    family=Family.ADMISSION_POLICY,
    name="images",
    title="Images of our registry",
    fix="take the image from our registry",
    severity="high",
)
HOOK = Principal(
    id="token:hook",
    name="hook",
    grants=(Grant(role=Role.OPERATOR, reach=Reach(cluster="east")),),
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path / "store") as one:
        yield one


def told(number: int = 1, *, allowed: int = 3, **more: Any) -> DecisionBatch:
    """What a webhook tells of a refused pod and some that were let through."""
    request = {
        "uid": f"u{number}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": "shop",
        "name": "cart",
        "userInfo": {"username": "ann"},
        "object": {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "x"}]}},
    }
    review = review_of_request(request, NOTHING)
    verdict = PolicyVerdict(
        policy=INFO.id, state=State.FAIL, message="no", effects=(Effect.DENY,), path=("spec",)
    )
    tallies, records = Tallies(), []
    at_ns = int(START.timestamp() * 1e9) - 10**9
    for verdicts in ([verdict], *([[]] * allowed)):
        decision = decide(verdicts, review, generation="g")
        came = outcome(decision)
        tallies.add(by_policy(decision), came, "shop", at_ns=at_ns, duration_us=900)
        if verdicts:
            records.append(record_of(decision, review, at_ns=at_ns, duration_us=900))
    counts, latencies = tallies.take()
    return DecisionBatch(
        schema=SCHEMA,
        replica="a",
        run="r",
        number=number,
        state=WebhookState(ready=True, policies=(INFO,), faults=()),
        records=tuple(records),
        tallies=counts,
        latencies=latencies,
        **more,
    )


def test_a_decision_is_told_listed_and_explained(made: Rig) -> None:
    answer = made.call("admission.send", told(), who=HOOK)
    assert (answer.taken, answer.again, answer.refused) == (1, False, {})
    assert made.call("admission.send", told(), who=HOOK).again
    [row] = made.call("admission.decisions").items
    assert (row.cluster, row.namespace, row.outcome, row.policies) == (
        "east",
        "shop",
        "denied",
        [INFO.id],
    )
    shown: DecisionShown = made.call("admission.decision", params={"id": row.id})
    assert [(one.id, one.fix) for one in shown.policies] == [(INFO.id, INFO.fix)]
    assert shown.request is not None
    assert shown.request["object"]["spec"] == {"containers": [{"image": "x"}]}
    assert [one.path for one in shown.verdicts] == ["spec"]


def test_what_happened_is_summed(made: Rig) -> None:
    made.call("admission.send", told(), who=HOOK)
    found: AdmissionSummary = made.call("admission.summary")
    assert (found.total, found.outcomes) == (4, {"denied": 1, "allowed": 3})
    assert sum(one.total for one in found.points) == 4
    assert len(found.points) * found.step_s == (found.until - found.since).total_seconds()
    assert (found.latency.count, found.latency.p50_ms, found.latency.p99_ms) == (4, 1.0, 1.0)
    assert [(one.policy, one.key, one.outcomes) for one in found.policies] == [
        (INFO.id, policy_key("east", INFO.id), {"denied": 1})
    ]
    assert [(one.namespace, one.total) for one in found.namespaces] == [("shop", 4)]
    assert [(one.replica, one.ready) for one in found.webhooks] == [("a", True)]
    assert found.recorded == 1
    shop = Principal(
        id="x",
        name="x",
        grants=(Grant(role=Role.VIEWER, reach=Reach(cluster="east", namespace="shop")),),
    )
    narrow: AdmissionSummary = made.call("admission.summary", who=shop)
    assert (narrow.total, narrow.latency.count, narrow.webhooks) == (4, 0, [])
    assert made.call("admission.summary", namespace=["pay"]).total == 0


@pytest.mark.parametrize(
    "days", [0, 1, 2, 3, 30, 89], ids=[f"{days} days" for days in (0, 1, 2, 3, 30, 89)]
)
def test_a_summary_of_any_time_has_whole_steps(made: Rig, days: int) -> None:
    made.call("admission.send", told(), who=HOOK)
    since = START - dt.timedelta(days=days, minutes=7)
    found: AdmissionSummary = made.call("admission.summary", since=since, until=START)
    assert len(found.points) <= 130
    assert found.total == 4
    assert found.since <= since and found.until >= START


@pytest.mark.parametrize(
    ("since", "until"),
    [(START, START), (START, START - dt.timedelta(days=1)), (START - dt.timedelta(days=99), START)],
    ids=["nothing", "backwards", "too long"],
)
def test_a_time_that_is_none_is_refused(made: Rig, since: dt.datetime, until: dt.datetime) -> None:
    with pytest.raises(UsageError):
        made.call("admission.summary", since=since, until=until)


def test_a_sender_of_another_cluster_is_refused(made: Rig) -> None:
    with pytest.raises(Forbidden):
        made.call("admission.send", told(cluster="west"), who=HOOK)
    with pytest.raises(UsageError, match="schema"):
        wrong = msgspec.structs.replace(told(), schema="other/1")
        made.call("admission.send", wrong, who=HOOK)


def test_what_claims_to_be_of_another_time_is_refused(made: Rig) -> None:
    batch = told()
    late = tuple(msgspec.structs.replace(one, at_ns=1) for one in batch.records)
    answer = made.call("admission.send", msgspec.structs.replace(batch, records=late), who=HOOK)
    assert answer.taken == 0 and list(answer.refused) == [0]


def test_numbers_beyond_any_truth_leave_the_sums_readable(made: Rig) -> None:
    batch = told()
    [latency] = batch.latencies
    huge = (msgspec.structs.replace(latency, sum_us=2**53, buckets=(2**53,) * 19),) * 200
    for number in range(1, 8):
        tallies = tuple(
            msgspec.structs.replace(batch.tallies[0], count=2**53, namespace=f"n{place % 2}")
            for place in range(2_500)
        )
        one = msgspec.structs.replace(batch, number=number, tallies=tallies, latencies=huge)
        made.call("admission.send", one, who=HOOK)
    found: AdmissionSummary = made.call("admission.summary")
    assert (found.total, found.latency.buckets[0]) == (2 * 10**10, 10**10)


def test_webhooks_and_policies_that_are_made_up_stay_small(made: Rig) -> None:
    long = msgspec.structs.replace(
        INFO, id="x" * 10**5, title="<img>" * 10**5, severity="y" * 10**5, file="z" * 10**5
    )
    state = WebhookState(ready=True, policies=(long, long, INFO))
    for number in range(120):
        batch = msgspec.structs.replace(told(allowed=0), replica=f"r{number}", state=state)
        made.clock.pass_(dt.timedelta(seconds=1))
        made.call("admission.send", batch, who=HOOK)
    rows = made.call("policies.list").items
    assert len(rows) == 2 and max(len(str(one)) for one in rows) < 10_000
    known = {one.replica for one in made.call("admission.summary").webhooks}
    assert len(known) == 100 and "r119" in known and "r19" not in known


def test_requests_are_not_kept_where_that_is_off(made: Rig) -> None:
    settings = local_settings(admission=Admission(record_reviews=False))
    world = dataclasses.replace(made.world, settings=settings)
    other = Rig(world, made.clock)
    other.call("admission.send", told(), who=HOOK)
    [row] = other.call("admission.decisions").items
    shown: DecisionShown = other.call("admission.decision", params={"id": row.id})
    assert (shown.request, shown.request_missing) == (None, "off")


def _stand(made: Rig) -> None:
    state = made.world.store.state
    faults = [PolicyFault(kind="unbound", what="no binding", policy=INFO.id)]
    state.policies.keep("east", "audit", "g", [INFO], faults)
    said = [
        Said(
            namespace=namespace,
            object=f"k8s:east/core/Pod/{namespace}/{namespace}{number}",
            kind="Pod",
            name=f"{namespace}{number}",
            policy=INFO.id,
            rule="",
            state="fail",
            outcome="denied",
            message="no",
        )
        for namespace in ("shop", "pay")
        for number in range(3)
    ]
    counts = {
        (INFO.id, "shop", "fail"): 3,
        (INFO.id, "pay", "fail"): 3,
        (INFO.id, "shop", "pass"): 5,
    }
    state.policy_states.keep("east", said, objects=None, counts=counts)
    state.policy_states.tell(AuditCoverage(cluster="east", state="idle", objects=8, lag_s=1.5))


def test_policies_are_listed_with_what_they_say_of_what_is_there(made: Rig) -> None:
    _stand(made)
    made.call("admission.send", told(), who=HOOK)
    [row] = made.call("policies.list").items
    assert (row.at_door, row.audited, row.faults) == (True, True, 1)
    assert row.counts == StateCounts(passed=5, failed=6)
    assert row.decisions == {"denied": 1}
    assert made.call("policies.list", state="clean").items == []
    assert made.call("policies.list", text="nothing like it").items == []
    shown = made.call("policies.show", params={"key": row.key})
    assert [(one.namespace, one.counts.failed) for one in shown.namespaces] == [
        ("pay", 3),
        ("shop", 3),
    ]
    first = made.call("policies.violations", params={"key": row.key}, limit=4)
    rest = made.call("policies.violations", params={"key": row.key}, limit=4, cursor=first.next)
    assert (first.total, len(first.items), len(rest.items), rest.next) == (6, 4, 2, None)
    only = made.call("policies.violations", params={"key": row.key}, namespace=["pay"])
    assert {one.namespace for one in only.items} == {"pay"}
    assert [one.fault.what for one in made.call("policies.faults").items] == ["no binding"]
    assert [one.objects for one in made.call("admission.coverage").items] == [8]


def test_the_door_is_scraped(made: Rig) -> None:
    _stand(made)
    made.call("admission.send", told(), who=HOOK)
    samples = {(name, *labels): value for name, labels, value in figures(made.world)}
    assert samples["haechi_policies", "east", "webhook"] == 1
    assert samples["haechi_policy_violations", INFO.id, "failed"] == 6
    assert samples["haechi_audit_lag_seconds", "east"] == 1.5
    assert samples["haechi_webhook_up", "east", "a"] == 1
    text = made.world.metrics.text(()).decode()
    assert 'haechi_admission_decisions_total{outcome="denied"} 1.0' in text
    assert 'haechi_admission_duration_seconds_bucket{le="0.001"} 4.0' in text
    assert "haechi_admission_duration_seconds_count 4.0" in text
