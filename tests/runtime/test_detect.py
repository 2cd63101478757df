"""Detections: of what, named how, once for each origin; a fault costs no event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.falco.ruleset import Rule
from haechi.model.access import EVERYWHERE
from haechi.model.event import Event
from haechi.runtime import detect
from haechi.runtime.detect import Detector, Rereader, judged
from haechi.store.events.encoding import (
    EncodedBatch,
    Known,
    encode,
    encode_events,
    own_row,
)
from haechi.store.events.shapes import Limits
from tests.runtime.events import AT_NS, audit, engine, execve

LIMITS = Limits()


def encoded(events: list[Event]) -> EncodedBatch:
    """A batch of them."""
    batch = encode_events(events, LIMITS, now_ns=AT_NS, within=(EVERYWHERE,))
    assert not batch.refused
    return batch


def after(batch: EncodedBatch, detector: Detector, **more: Any) -> EncodedBatch:
    """The batch, judged."""
    known = Known(LIMITS)
    return judged(
        batch, detector, lambda event: own_row(event, LIMITS, now_ns=AT_NS, known=known), **more
    )


def test_a_detection_says_what_it_was_made_of() -> None:
    origin = execve(container_id="c1", resource="k8s:east/apps/Deployment/shop/web")
    [found] = Detector(engine()).detect(origin)
    assert (found.source, found.rule, found.priority) == ("haechi", "Shell", "warning")
    assert found.message.endswith("shell bash by nginx")
    for name in ("ts_ns", "type", "cluster", "node", "container_id", "resource", "namespace"):
        assert getattr(found, name) == getattr(origin, name)
    assert found.fields == {
        **origin.fields,
        "haechi.source": "sensor",
        "haechi.event": "e0",
        "haechi.tags": ["process"],
    }


def test_an_origin_cannot_say_of_which_rule_its_detection_is() -> None:
    forged = {"haechi.rule": "detect-x", "haechi.event": "e9", "haechi.new": 1}
    origin = execve()
    claims = msgspec.structs.replace(
        origin, fields={**origin.fields, **forged, "haechi.cut": ["fd.name"]}
    )
    [found] = Detector(engine()).detect(claims)
    own = {name for name in found.fields if name.startswith("haechi.")}
    assert own == {"haechi.source", "haechi.event", "haechi.tags", "haechi.cut"}
    assert found.fields["haechi.event"] == "e0"


def test_the_audit_object_is_not_kept_twice() -> None:
    [found] = Detector(engine()).detect(audit())
    assert "jevt.obj" not in found.fields
    assert found.fields["ka.user.name"] == "eve"


def test_ids_are_stable_and_apart() -> None:
    detector = Detector(engine())
    one, again = detector.detect(execve()), Detector(engine()).detect(execve())
    others = detector.detect(execve(number=1)) + detector.detect(execve(source="tetragon"))
    assert one[0].id == again[0].id
    assert len({event.id for event in (*one, *others)}) == 3


@pytest.mark.parametrize(
    "event",
    [
        execve("nginx"),
        execve(source="falco"),
        execve(source="somebody"),
        execve(type="close"),
    ],
    ids=["another program", "judged by Falco", "an unknown source", "another type"],
)
def test_what_no_rule_holds_for_makes_nothing(event: Event) -> None:
    assert Detector(engine()).detect(event) == []
    assert not after(encoded([event]), Detector(engine())).derived


def test_a_batch_is_judged_row_by_row() -> None:
    events = [execve("nginx"), execve("bash", 1), audit(2), execve("sh", 3)]
    batch = after(encoded(events), Detector(engine()))
    rules = [(place, row[2][4]) for place, row in batch.derived]
    assert rules == [(1, "Shell"), (2, "Secrets listed"), (3, "Shell")]
    assert batch.events == 7
    assert batch.tally()["haechi", "warning", "execve"] == 2
    assert "haechi" not in {source for source, _ in batch.sources()}


def test_nobody_sends_detections() -> None:
    forged = msgspec.json.encode(execve(source="haechi"))
    known = Known(LIMITS)
    own = own_row(execve(source="haechi"), LIMITS, now_ns=AT_NS, known=Known(LIMITS))
    batch = encode(forged, LIMITS, now_ns=AT_NS, known=known)
    assert own is not None
    assert [one.why for one in batch.refused] == ["`source` haechi is what the server itself finds"]


def test_a_rule_that_fails_costs_its_verdict_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stages: list[str] = []
    detector = Detector(engine(), stages.append)

    def broken(event: Event) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(detector, "engine", type("Broken", (), {"judge": staticmethod(broken)})())
    batch = after(encoded([execve()]), detector)
    assert len(batch.rows) == 1
    assert not batch.derived
    assert stages == ["judge"]


def test_too_many_detections_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "MOST_DETECTIONS", 3)
    monkeypatch.setattr(detect, "SPARED", 0)
    dropped: list[int] = []
    events = [execve(number=number) for number in range(5)]
    batch = after(encoded(events), Detector(engine()), overflow=dropped.append)
    assert (len(batch.rows), len(batch.derived), dropped) == (5, 3, [2])


LOUD = """
- rule: Everything
  desc: every program
  condition: evt.type = execve
  output: "%proc.name"
  priority: DEBUG
- rule: Shell
  desc: a shell
  condition: evt.type = execve and proc.name = bash
  output: "shell"
  priority: WARNING
"""


@pytest.mark.parametrize(
    ("bound", "most"),
    [("MOST_DETECTIONS", 3), ("MOST_BYTES", 500), ("MOST_S", -1.0)],
    ids=["number", "bytes", "time"],
)
def test_a_loud_rule_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: float
) -> None:
    monkeypatch.setattr(detect, bound, most)
    monkeypatch.setattr(detect, "SPARED", 2)
    dropped: list[int] = []
    events = [*(execve("ls", number) for number in range(9)), execve("bash", 9)]
    batch = after(encoded(events), Detector(engine(LOUD)), overflow=dropped.append)
    rules = [row[2][4] for _, row in batch.derived]
    assert rules[-1] == "Shell"
    assert set(rules[:-1]) == {"Everything"}
    assert len(rules) + sum(dropped) == 11


def test_what_has_no_room_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "_LAST_DETECTIONS", 2)
    monkeypatch.setattr(detect, "MOST_DETECTIONS", 2)
    made: list[str] = []
    detector = Detector(engine())
    make = detector.made

    def counted(rule: Rule, event: Event) -> Event | None:
        made.append(event.id)
        return make(rule, event)

    monkeypatch.setattr(detector, "made", counted)
    batch = after(encoded([execve(number=number) for number in range(9)]), detector)
    assert len(batch.derived) == 2
    assert made == ["e0", "e1"]


@pytest.mark.parametrize(
    ("fields", "cut"),
    [({"proc.cmdline": "x" * 60_000}, True), ({"proc.vpid": 10**30}, False)],
    ids=["large", "a number past 64 bits"],
)
def test_odd_fields_leave_a_detection_that_can_be_kept(fields: dict[str, Any], cut: bool) -> None:
    [found] = Detector(engine()).detect(execve(fields=fields))
    assert found.fields["haechi.event"] == "e0"
    assert ("haechi.cut" in found.fields) is cut
    assert own_row(found, LIMITS, now_ns=AT_NS, known=Known(LIMITS)) is not None


def test_a_rules_name_cannot_break_the_store() -> None:
    text = (
        '[{"rule": "a\\nb\\u001f", "desc": "x", "condition": "evt.type=execve", '
        '"output": "x", "priority": "DEBUG"}]'
    )
    [found] = Detector(engine(text)).detect(execve())
    assert found.rule == "a b "


FIELDS = st.dictionaries(
    st.sampled_from(["proc.name", "thread.tid", "a,{", 'x","thread.tid":', "é"]),
    st.one_of(
        st.text(max_size=12),
        st.integers(-(2**63), 2**64 - 1),
        st.lists(st.text(max_size=4), max_size=3),
        st.dictionaries(st.sampled_from(["b", "thread.tid", ',{"']), st.integers(0, 9), max_size=3),
    ),
    max_size=5,
)


@given(
    st.lists(st.tuples(st.sampled_from(["", "m", "ends,{", ',{"', '\\",{']), FIELDS), max_size=6)
)
@settings(max_examples=300, deadline=None)
def test_rows_of_one_process_are_read_as_if_each_was_alone(
    told: list[tuple[str, dict[str, Any]]],
) -> None:
    events = [
        execve(id=f"e{number}", message=message, fields={**fields, "thread.tid": number, **more})
        for number, (message, fields) in enumerate(told)
        for more in ({"evt.rawres": number},)
    ]
    reader = Rereader()
    rows = encoded(events).rows
    assert [reader.event(row) for row in rows] == events
    assert [reader.event(row).fields for row in rows] == [event.fields for event in events]


def test_a_number_past_the_machines_does_not_stop_reading() -> None:
    line = (
        b'{"id":"a","ts_ns":%d,"source":"sensor","type":"execve","fields":{"proc.name":"x",'
        b'"big":100000000000000000000,"thread.tid":4}}' % AT_NS
    )
    [row] = encode(line, LIMITS, now_ns=AT_NS, within=(EVERYWHERE,)).rows
    assert Rereader().event(row).fields == {"proc.name": "x", "big": 1e20, "thread.tid": 4}


def test_origins_of_two_namespaces_with_one_id_have_detections_of_their_own() -> None:
    detector = Detector(engine())
    found = [detector.detect(execve(namespace=name))[0].id for name in ("shop", "pay", "shop")]
    assert found[0] == found[2] != found[1]
