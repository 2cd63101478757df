"""One level out of priority and facts: ordered, explained, lifted by one at most."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.event import PRIORITIES, Event
from haechi.model.push import PushedResource
from haechi.model.threat import ThreatLevel
from haechi.runtime.processor import SecurityEvent
from haechi.runtime.threat import (
    BEHAVIOUR,
    BEHAVIOUR_WHY,
    NOTHING,
    ThreatDetector,
    WorkloadFacts,
    assessed,
)
from haechi.runtime.threat_facts import StoredFacts
from tests.runtime.events import execve
from tests.store.state import made

WEB = "k8s:-/apps/Deployment/shop/web"
OPEN_POD = WorkloadFacts(known=True, exposed_by="Ingress shop/web")
WORST = WorkloadFacts(
    known=True,
    exposed_by="Ingress shop/web",
    may="do anything",
    may_weight=10.0,
    exploited=2,
    host=("privileged",),
)


def told(priority: str, **fields: object) -> Event:
    return execve(rule="Shell", priority=priority, resource=WEB, fields=dict(fields))


@pytest.mark.parametrize(
    ("priority", "facts", "level"),
    [
        ("emergency", NOTHING, ThreatLevel.CRITICAL),
        ("critical", NOTHING, ThreatLevel.CRITICAL),
        ("error", NOTHING, ThreatLevel.HIGH),
        ("error", OPEN_POD, ThreatLevel.HIGH),
        ("error", WORST, ThreatLevel.CRITICAL),
        ("warning", NOTHING, ThreatLevel.MEDIUM),
        ("warning", OPEN_POD, ThreatLevel.MEDIUM),
        ("warning", msgspec.structs.replace(OPEN_POD, exploited=1), ThreatLevel.HIGH),
        ("warning", WORST, ThreatLevel.HIGH),
        ("notice", NOTHING, ThreatLevel.LOW),
        ("notice", WORST, ThreatLevel.MEDIUM),
        ("informational", NOTHING, ThreatLevel.INFO),
        ("", WORST, ThreatLevel.LOW),
    ],
)
def test_the_level_of_a_priority_with_facts(
    priority: str, facts: WorkloadFacts, level: ThreatLevel
) -> None:
    assert assessed(told(priority), facts).level is level


def test_levels_are_ordered_as_the_guide_has_them() -> None:
    names = [level.name for level in sorted(ThreatLevel)]
    assert names == ["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
    assert ThreatLevel.LOW.word == "low"


def test_an_event_that_no_rule_judged_is_info_whatever_else_it_says() -> None:
    event = execve(priority="critical", resource=WEB, fields={BEHAVIOUR: 1.0})
    assert ThreatDetector().analyze(event) is ThreatLevel.INFO


def test_every_point_of_the_score_has_its_reason() -> None:
    event = told("warning", **{BEHAVIOUR: 0.9995, BEHAVIOUR_WHY: ["first exec of /bin/nc"]})
    found = assessed(event, WORST)
    assert sum(one.points for one in found.reasons) == pytest.approx(found.score)
    assert [one.kind for one in found.reasons] == [
        *("priority", "exposure", "vulnerability", "rights", "workload", "behaviour")
    ]
    assert "first exec of /bin/nc" in found.reasons[-1].text
    assert "Ingress shop/web" in found.reasons[1].text


def test_a_workload_that_nobody_told_of_is_said_to_be_unknown() -> None:
    assert "nothing is known" in assessed(told("warning"), NOTHING).reasons[1].text


_facts = st.builds(
    WorkloadFacts,
    known=st.booleans(),
    exposed_by=st.sampled_from(["", "Ingress a/b"]),
    may=st.sampled_from(["", "read every Secret"]),
    may_weight=st.floats(0, 10),
    exploited=st.integers(0, 9),
    critical=st.integers(0, 9),
    host=st.sampled_from([(), ("privileged",)]),
)
_junk = st.one_of(st.none(), st.booleans(), st.text(), st.floats(), st.integers(), st.just([1]))


@given(st.sampled_from(PRIORITIES), _facts, _junk, _junk)
def test_facts_lift_by_one_at_most_and_behaviour_never(
    priority: str, facts: WorkloadFacts, behaviour: object, why: object
) -> None:
    bare = assessed(told(priority), NOTHING)
    plain = assessed(told(priority), facts)
    ranked = assessed(told(priority, **{BEHAVIOUR: behaviour, BEHAVIOUR_WHY: why}), facts)
    assert bare.level <= plain.level <= bare.level + 1
    assert ranked.level is plain.level
    assert plain.score <= ranked.score <= 100
    assert plain.score >= bare.score


def test_the_detector_takes_the_guides_view_of_an_event() -> None:
    assert ThreatDetector().analyze(SecurityEvent(told("error"))) is ThreatLevel.HIGH


def test_facts_are_read_from_attributes_of_scans_and_remembered(tmp_path: Path) -> None:
    attributes = {
        "exposedBy": "Ingress shop/web → Service shop/web",
        "privileged": True,
        "mayToken": "read every Secret",
        "mayTokenWeight": 9.0,
        "cve.exploited": "many",
    }
    thing = PushedResource(
        key=WEB, kind="Deployment", name="web", namespace="shop", attributes=attributes
    )
    state = made.open_state(tmp_path)
    try:
        made.receive(state, made.push(resources=[thing]))
        clock = iter((0.0, 1.0, 100.0, 100.0))
        facts = StoredFacts(state, now=lambda: next(clock))
        # What a repository declares without a cluster counts for the same name in a cluster.
        found = facts("east", WEB.replace("k8s:-", "k8s:east"))
        assert found == facts("east", WEB.replace("k8s:-", "k8s:east"))
        assert found.known
        assert found.exposed_by.startswith("Ingress shop/web")
        assert (found.may, found.host, found.exploited) == ("read every Secret", ("privileged",), 0)
        assert facts("east", "k8s:east/apps/Deployment/shop/other") == NOTHING
    finally:
        state.close()
