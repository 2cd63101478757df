"""What belongs together, what does not, and how bad it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from haechi.model.event import Event
from haechi.model.incident import IncidentState
from haechi.model.threat import ThreatLevel
from haechi.runtime.incidents import correlate, faint
from haechi.runtime.incidents.correlate import Correlator
from tests.runtime.incidents.made import Store, detection, folded, groups, lots_of, on_host

BASH = ("cat", "bash", "sshd")
CRED = ["mitre_credential_access", "T1003.008"]
DISC = ["mitre_discovery", "T1057"]
ESCAPE = ["mitre_privilege_escalation", "T1611"]

TOGETHER: dict[str, list[Event]] = {
    "one workload within the window": [
        detection(1),
        detection(2, minute=14, rule="Shadow read", tags=CRED),
    ],
    "the window slides": [detection(n, minute=14 * n, rule=f"Rule {n}") for n in range(1, 6)],
    "late ones within the window": [
        detection(1, minute=14, rule="B"),
        detection(2, minute=0, rule="A"),
    ],
    "the same rule and program hours later": [detection(1), detection(2, minute=600)],
    "another program of the same parent in a container hours later": [
        detection(1, names=("a81x", "java")),
        detection(2, names=("b92y", "java"), minute=600),
    ],
    "a process and its child on a node": [
        on_host(1, pids=(50, 40, 1), names=("python", "bash", "systemd")),
        on_host(2, pids=(60, 50), names=("cat", "python"), rule="Shadow read", tags=CRED),
    ],
    "two children of one shell on a node": [
        on_host(1, pids=(51, 40, 9), names=("cat", "bash", "sshd"), tags=CRED),
        on_host(2, pids=(52, 40, 9), names=("ps", "bash", "sshd"), rule="Look", tags=DISC),
    ],
    "one technique on a node within the window": [
        on_host(1, pids=(51, 40), names=BASH, tags=["mitre_credential_access", "T1552.001"]),
        on_host(2, pids=(71, 70), names=BASH, rule="Token read", tags=["T1552.007"]),
    ],
    "an escape: a container's process has ancestors in a tree on its node": [
        on_host(1, pids=(50, 40), names=("python", "bash"), rule="Cron"),
        detection(
            2, pids=(60, 50, 40), names=("sh", "python", "bash"), rule="Nsenter", tags=ESCAPE
        ),
    ],
    "an escape: a node's process has ancestors in a container": [
        detection(1, pids=(60, 50), names=("sh", "python")),
        on_host(2, pids=(61, 60, 50), names=("bash", "sh", "python"), rule="Cron", tags=ESCAPE),
    ],
    "one user at the API server": [
        detection(
            n,
            type="create",
            rule=f"Rule {n}",
            resource=f"k8s:prod/core/Secret/shop/s{n}",
            fields={"ka.user.name": "eve", "haechi.source": "kubernetes-audit"},
        )
        for n in (1, 2, 3)
    ],
    "two faint rules of two tactics": [
        detection(1, priority="notice", rule="A", tags=CRED),
        detection(2, priority="notice", rule="B", tags=DISC, minute=10),
    ],
    "faint ones before a worse one": [
        detection(1, priority="notice", rule="A", tags=DISC),
        detection(2, minute=3, rule="B", tags=DISC),
    ],
}
APART: dict[str, list[Event]] = {
    "two workloads": [
        detection(1),
        detection(2, resource="k8s:prod/apps/Deployment/shop/db", container_id="c2"),
    ],
    "two clusters": [detection(1), detection(2, cluster="test")],
    "two namespaces, whatever pids they tell": [
        detection(1, pids=(50, 40), names=("sh", "python")),
        detection(2, pids=(60, 50), names=("cat", "sh"), namespace="pay", resource="", rule="X"),
    ],
    "another rule after the window": [detection(1), detection(2, minute=16, rule="Shadow read")],
    "two logins on one node": [
        on_host(1, pids=(51, 40, 9), names=("cat", "bash", "sshd"), tags=CRED),
        on_host(2, pids=(71, 60, 9), names=("ps", "bash", "sshd"), rule="Look", tags=DISC),
    ],
    "the same pid of another program a day later": [
        on_host(1, pids=(50, 40), names=("python", "bash"), tags=CRED),
        on_host(2, pids=(50, 41), names=("nginx", "sh"), minute=1500, rule="X", tags=DISC),
    ],
    "the same pid on another node": [
        on_host(1, pids=(50, 40), names=("python", "bash")),
        on_host(2, pids=(50, 40), names=("python", "bash"), node="node-2", rule="X"),
    ],
}
NOTHING: dict[str, list[Event]] = {
    "one faint rule, however often": [
        detection(n, priority="notice", minute=n, tags=[*CRED, *DISC]) for n in range(1, 30)
    ],
    "two faint rules of one tactic": [
        detection(1, priority="notice", rule="A", tags=DISC),
        detection(2, priority="informational", rule="B", tags=DISC),
    ],
    "two faint rules outside of the window": [
        detection(1, priority="notice", rule="A", tags=CRED),
        detection(2, priority="notice", rule="B", tags=DISC, minute=20),
    ],
    "two faint rules in two workloads": [
        detection(1, priority="notice", rule="A", tags=CRED),
        detection(2, priority="notice", rule="B", tags=DISC, resource="k8s:prod/apps/X/shop/y"),
    ],
}


@pytest.mark.parametrize("events", TOGETHER.values(), ids=list(TOGETHER))
def test_is_one_incident(events: list[Event]) -> None:
    store = folded(events)
    assert len(store.kept) == 1
    assert store.kept[1].incident.detections == len(events)
    assert not store.faint


@pytest.mark.parametrize("events", APART.values(), ids=list(APART))
def test_are_two_incidents(events: list[Event]) -> None:
    assert groups(folded(events)) == [{"d1"}, {"d2"}]


@pytest.mark.parametrize("events", NOTHING.values(), ids=list(NOTHING))
def test_is_no_incident(events: list[Event]) -> None:
    store = folded(events)
    assert not store.kept
    assert sum(one.counted.count for one in store.faint.values()) <= len(events)


def test_repeats_are_counted_in_one_row() -> None:
    store = folded([detection(n, minute=n / 10) for n in range(1, 101)])
    (row,) = store.rows.values()
    assert row.counted.count == store.kept[1].incident.detections == 100
    assert row.event == "d1"


def test_names_that_are_made_up_anew_are_one_row() -> None:
    events = [
        detection(n, fields={"fd.name": f"/tmp/pip-build-{1000 + n}/setup.py"})
        for n in range(1, 20)
    ]
    assert len(folded(events).rows) == 1


def test_a_closed_incident_is_not_joined() -> None:
    store = Store()
    correlator = Correlator(store.loaded())
    store.fold(correlator, lots_of([detection(1)]))
    store.close(correlator, 1)
    store.fold(correlator, lots_of([detection(2, minute=1)], 2))
    assert groups(store) == [{"d1"}, {"d2"}]
    assert store.kept[1].cause == store.kept[2].cause


def test_an_incident_outside_of_any_namespace_belongs_to_none() -> None:
    store = folded(TOGETHER["an escape: a node's process has ancestors in a container"])
    assert store.kept[1].incident.namespace == "-"
    assert [one.what for one in store.steps].count("spread") == 1


def _raising(number: int, **given: Any) -> Event:
    tactics = ["mitre_execution", "mitre_discovery", "mitre_impact", "mitre_persistence"]
    return detection(number, rule=f"R{number}", tags=[tactics[number - 1]], **given)


@pytest.mark.parametrize(
    ("events", "level"),
    [
        ([_raising(1)], ThreatLevel.MEDIUM),
        ([_raising(1), _raising(2)], ThreatLevel.MEDIUM),
        ([_raising(1), _raising(2), _raising(3)], ThreatLevel.HIGH),
        ([_raising(1, priority="error"), _raising(2), _raising(3)], ThreatLevel.CRITICAL),
        ([_raising(1, priority="critical"), _raising(2), _raising(3)], ThreatLevel.CRITICAL),
        ([_raising(n) for n in (1, 2, 3, 4)], ThreatLevel.HIGH),
    ],
    ids=["one", "two tactics", "three tactics", "high and three", "nothing above", "four"],
)
def test_three_tactics_raise_the_level_once(events: Sequence[Event], level: ThreatLevel) -> None:
    incident = folded(events).kept[1].incident
    assert incident.level is level
    raised = [one for one in incident.reasons if one.kind == "tactics"]
    assert bool(raised) is (len(events) >= 3)


def test_behaviour_ranks_and_does_not_raise() -> None:
    usual = folded([detection(1)]).kept[1].incident
    rare = folded([detection(1, fields={"haechi.behaviour": 0.9999})]).kept[1].incident
    assert rare.level is usual.level
    assert rare.score > usual.score


def test_the_worst_detection_names_it() -> None:
    events = [detection(1), detection(2, rule="Miner", priority="critical"), detection(3)]
    incident = folded(events).kept[1].incident
    assert incident.title == "Miner: Deployment shop/web"
    assert incident.rules == {"Shell started": 2, "Miner": 1}


@pytest.mark.parametrize(
    ("kind", "state"),
    [("connect", IncidentState.NOT_CONTAINED), ("execve", IncidentState.CONTAINED)],
)
def test_a_connection_after_containment_shows_that_it_is_none(
    kind: str, state: IncidentState
) -> None:
    store = Store()
    correlator = Correlator(store.loaded())
    store.fold(correlator, lots_of([detection(1)]))
    correlator.became(store.kept[1].incident.id, IncidentState.CONTAINED)
    store.fold(correlator, lots_of([detection(2, type=kind), detection(3, type=kind)], 2))
    assert store.kept[1].incident.state is state
    whats = [one.what for one in store.steps]
    assert (whats.count("state"), whats.count("goes_on")) == (
        (1, 0) if kind == "connect" else (0, 1)
    )


def test_a_flood_of_objects_stays_bounded() -> None:
    events = [
        detection(n, fields={"fd.name": f"/srv/{'x' * (n % 600)}y"}, rule=f"Rule {n % 150}")
        for n in range(1, 2_001)
    ]
    store = folded(events)
    assert len(store.rows) <= correlate.MOST_ROWS + 101
    assert sum(row.counted.count for row in store.rows.values()) == 2_000
    assert sum(store.kept[1].incident.rules.values()) == 2_000


def test_a_container_that_counts_to_another_workload_stays_in_its_incident() -> None:
    """To isolate a pod by its labels takes it from its workload: then it is its own."""
    store = folded(
        [
            detection(1),
            detection(2, minute=1, resource="k8s:prod/core/Pod/shop/web-1", rule="Other"),
            detection(3, minute=2, resource="k8s:prod/core/Pod/shop/web-2", container_id="c2"),
            detection(4, minute=3, resource="k8s:prod/core/Pod/pay/web-1", namespace="pay"),
        ]
    )
    assert sorted(one.incident.detections for one in store.kept.values()) == [1, 1, 2]


def test_a_flood_of_workloads_becomes_one_incident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlate, "MOST_OPEN", 50)
    events = [
        detection(n, resource=f"k8s:prod/apps/Deployment/shop/w{n}", container_id=f"c{n}")
        for n in range(1, 301)
    ]
    store = folded(events)
    assert len(store.kept) == 51
    crowd = store.kept[51].incident
    assert (crowd.resource, crowd.detections) == ("many:prod/shop", 250)


def test_a_flood_of_trees_on_one_node_stays_bounded() -> None:
    events = [
        on_host(n, pids=(10 * n, 10 * n + 1), names=("a", "b"), rule=f"R{n}", tags=[f"T{1000 + n}"])
        for n in range(1, 201)
    ]
    store = folded(events)
    assert len(store.kept) == correlate.MOST_AT_PLACE
    assert sum(one.incident.detections for one in store.kept.values()) == 200


def test_a_flood_of_faint_ones_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faint, "MOST_FAINT_ROWS", 100)
    events = [
        detection(n, priority="notice", resource=f"k8s:prod/apps/Deployment/shop/w{n}")
        for n in range(1, 1_001)
    ]
    assert len(folded(events).faint) <= 100
