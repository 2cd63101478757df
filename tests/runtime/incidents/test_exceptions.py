"""Proposed exceptions: tight, written so that the loader means what is meant, measured."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.falco.engine import Engine
from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import RuleText
from haechi.model.event import Event
from haechi.runtime.incidents.exceptions import Candidate, Groups, Value, origin_of, rule_file
from haechi.runtime.incidents.measuring import Measure
from tests.runtime.incidents.made import detection

RULES = RuleText(
    name="rules.yaml",
    text="""
- rule: Shell started
  desc: a shell
  condition: evt.type = execve and proc.name exists
  output: x
  priority: WARNING
""",
)
IMAGE = {"container.image.repository": "docker.io/app"}


def proposals(*events: Event) -> list[Candidate]:
    groups = Groups()
    for one in events:
        groups.add(one)
    return [c for g in groups.groups.values() if (c := g.candidate()) is not None]


def shell(number: int, **fields: Any) -> Event:
    name = fields.pop("name", "sh")
    return detection(number, fields={"proc.name": name, **fields})


def _values(one: Candidate) -> dict[str, tuple[str, str]]:
    return {v.field: (v.comp, v.value) for v in one.values}


TIGHT: dict[str, tuple[list[Event], dict[str, tuple[str, str]] | None]] = {
    "program and image": (
        [shell(1, **IMAGE), shell(2, **IMAGE, **{"proc.pname": "java"})],
        {"proc.name": ("=", "sh"), "container.image.repository": ("=", "docker.io/app")},
    ),
    "and the parent that all have": (
        [shell(n, **IMAGE, **{"proc.pname": "java"}) for n in (1, 2)],
        {
            "proc.name": ("=", "sh"),
            "container.image.repository": ("=", "docker.io/app"),
            "proc.pname": ("=", "java"),
        },
    ),
    "and the file that all have": (
        [shell(n, **IMAGE, **{"fd.name": "/etc/shadow"}) for n in (1, 2)],
        {
            "proc.name": ("=", "sh"),
            "container.image.repository": ("=", "docker.io/app"),
            "fd.name": ("=", "/etc/shadow"),
        },
    ),
    "and the folder that all have": (
        [shell(n, **IMAGE, **{"fd.name": f"/var/lib/app/{n}"}) for n in (1, 2)],
        {
            "proc.name": ("=", "sh"),
            "container.image.repository": ("=", "docker.io/app"),
            "fd.name": ("startswith", "/var/lib/app/"),
        },
    ),
    "not a folder that is everybody's": (
        [shell(n, **IMAGE, **{"fd.name": f"/etc/{n}"}) for n in (1, 2)],
        {"proc.name": ("=", "sh"), "container.image.repository": ("=", "docker.io/app")},
    ),
    "on a node the parent": (
        [shell(n, **{"proc.pname": "backup"}) for n in (1, 2)],
        {"proc.name": ("=", "sh"), "proc.pname": ("=", "backup")},
    ),
    "on a node nothing with many parents": (
        [shell(n, **{"proc.pname": f"p{n}"}) for n in (1, 2)],
        None,
    ),
    "no program": ([detection(1, fields={"proc.name": None, "k8s.ns.name": "shop"})], None),
    "what cannot be written": ([shell(1, name='sh" or true', **IMAGE)], None),
    "a word of the language": ([shell(1, name="or", **IMAGE)], None),
    "who did it at the API server": (
        [
            detection(
                n,
                fields={
                    "haechi.source": "kubernetes-audit",
                    "ka.user.name": "system:serviceaccount:flux:sync",
                    "ka.verb": "list",
                    "ka.target.resource": "secrets",
                    "ka.target.namespace": "flux",
                },
            )
            for n in (1, 2)
        ],
        {
            "ka.user.name": ("=", "system:serviceaccount:flux:sync"),
            "ka.verb": ("=", "list"),
            "ka.target.resource": ("=", "secrets"),
            "ka.target.namespace": ("=", "flux"),
        },
    ),
}


@pytest.mark.parametrize(("events", "values"), TIGHT.values(), ids=list(TIGHT))
def test_is_the_tightest_that_covers(
    events: list[Event], values: dict[str, tuple[str, str]] | None
) -> None:
    found = proposals(*events)
    assert [_values(one) for one in found] == ([] if values is None else [values])
    for one in found:
        measure = Measure([one])
        assert not measure.broken
        assert all(measure.silencers(event) == [one.id] for event in events)


def test_a_namespace_alone_silences_nothing() -> None:
    fields = {"k8s.ns.name": "shop", "proc.name": "", "container.image.repository": "x"}
    assert proposals(detection(1, fields=fields)) == []


def test_what_is_measured_is_what_the_file_does() -> None:
    """The exported file, loaded after the rules, silences exactly what was measured."""
    silent = [shell(n, **IMAGE, **{"proc.pname": "java"}) for n in range(1, 6)]
    loud = [
        shell(7, **IMAGE, **{"proc.pname": "nginx"}),
        shell(8, **{"proc.pname": "java"}),
        shell(9, name="bash", **IMAGE, **{"proc.pname": "java"}),
        shell(10, **{"container.image.repository": "docker.io/app2", "proc.pname": "java"}),
    ]
    (one,) = proposals(*silent)
    measure = Measure([one])
    for event in (*silent, *loud):
        measure.add(event)
    assert (measure.silenced[one.id], measure.of["Shell started"]) == (5, 9)
    loaded = load([RULES, RuleText(name="exceptions.yaml", text=rule_file([one], "why"))])
    assert not [p for p in loaded.problems if p.error], loaded.problems
    engine = Engine(loaded.rules)
    held = [event.id for event in (*silent, *loud) if engine.judge(origin_of(event))]
    assert held == [event.id for event in loud]


def test_several_proposals_of_one_rule_are_one_item() -> None:
    found = proposals(shell(1, **IMAGE), shell(2, name="bash", **IMAGE))
    text = rule_file(found)
    assert text.count("- rule:") == 1
    loaded = load([RULES, RuleText(name="e.yaml", text=text)])
    assert not [p for p in loaded.problems if p.error]
    assert len(loaded.rules[0].exceptions) == 2


@settings(max_examples=150, deadline=None)
@given(
    name=st.text(max_size=12) | st.text("abc\"'(),=\\ \n[]{}:#-", max_size=12),
    image=st.text(max_size=12),
    path=st.text(max_size=20),
)
def test_hostile_values_never_change_what_a_file_means(name: str, image: str, path: str) -> None:
    """Whatever names a workload has: a proposal is made of them that silences that very
    detection and no other, or none is made."""
    event = shell(1, name=name, **{"container.image.repository": image, "fd.name": path})
    for one in proposals(event):
        measure = Measure([one])
        assert not measure.broken
        assert measure.silencers(event) == [one.id]
        assert measure.silencers(shell(2, name="other", **IMAGE)) == []
        loaded = load([RULES, RuleText(name="e.yaml", text=rule_file([one]))])
        assert not [p for p in loaded.problems if p.error], loaded.problems


def test_one_that_does_not_load_is_named_and_the_others_count() -> None:
    good = Candidate(
        id="good",
        rule="Shell started",
        rule_id="",
        source="syscall",
        here=True,
        values=(Value(field="proc.name", comp="=", value="sh"),),
    )
    bad = Candidate(
        id="bad",
        rule="Shell started",
        rule_id="",
        source="syscall",
        here=True,
        values=(Value(field="no.such.field", comp="=", value="sh"),),
    )
    measure = Measure([bad, good])
    assert list(measure.broken) == ["bad"]
    assert measure.silencers(shell(1)) == ["good"]
