"""Incidents over the API: shown, tended, silenced; and what silencing would have cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.incidents_noise import NOISE, a_day

from haechi.errors import Conflict, NotFound, UsageError
from haechi.model.access import EVERYWHERE
from haechi.model.incident import IncidentState
from haechi.server.shapes import RuleFileSave
from haechi.server.shapes_incidents import ExceptionProposals, IncidentPatch
from haechi.server.work import excepting
from haechi.server.work.intake import take
from tests.runtime.incidents.made import detection
from tests.server.api.rig import ADMIN, Rig, rig

HOUR_NS = 3600 * 10**9


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as found:
        yield found


def taken(made: Rig, *events: Any) -> None:
    world = made.world
    batch = world.store.events.encode_events(events)
    assert not batch.refused, batch.refused[:3]
    take(world, batch, (EVERYWHERE,), made.clock()).result()
    world.correlating.drain(world)


def judged(number: int, **given: Any) -> Any:
    """An alert of Falco."""
    event = detection(number, **given)
    fields = {k: v for k, v in event.fields.items() if not k.startswith("haechi.")}
    tags = {"falco.tags": event.fields["haechi.tags"], "falco.source": "syscall"}
    return msgspec.structs.replace(event, source="falco", fields=fields | tags)


def execve(number: int, program: str, parent: str, ago_ns: int, made: Rig) -> Any:
    """What our rule about miners is about."""
    now = int(made.clock().timestamp() * 1e9)
    fields = {
        "proc.name": program,
        "proc.exepath": f"/usr/bin/{program}",
        "proc.cmdline": f"{program} -o stratum+tcp://pool:3333",
        "proc.args": ["-o", "stratum+tcp://pool:3333"],
        "proc.pname": parent,
        "proc.pid": 100 + number,
        "evt.res": "SUCCESS",
        "evt.rawres": 0,
        "container.id": "host",
    }
    event = judged(number, ts_ns=now - ago_ns, rule="", priority="", resource="", fields=fields)
    own = {k: v for k, v in event.fields.items() if not k.startswith("falco.")}
    return msgspec.structs.replace(
        event, source="sensor", container_id="host", namespace="-", fields=own
    )


def test_an_incident_is_shown_with_what_it_rests_on(made: Rig) -> None:
    taken(
        made,
        judged(1, pids=(9, 8), names=("cat", "sh")),
        judged(2, pids=(7, 8), names=("ls", "sh"), rule="B", tags=["mitre_impact", "T1496"]),
    )
    (row,) = made.call("incidents.list").items
    found = made.call("incidents.show", params={"id": row.id})
    assert [one.rule for one in found.timeline] == ["Shell started", "B"]
    assert {node.pid: node.parent for node in found.tree} == {8: None, 9: 8, 7: 8}
    assert found.reasons[0].kind == "priority"
    assert [one.what for one in found.history] == ["opened"]
    assert (found.evidence, found.next) == (2, None)
    event = made.call("events.list", text="d1").items[0].event
    assert event.id == found.timeline[0].event


def test_a_person_tends_it(made: Rig) -> None:
    taken(made, judged(1))
    (row,) = made.call("incidents.list").items
    where = {"id": row.id}
    patch = IncidentPatch(state="acknowledged", owner="ana", note="looking")
    found = made.call("incidents.change", patch, params=where)
    assert (found.state, found.owner) == (IncidentState.ACKNOWLEDGED, "ana")
    found = made.call("incidents.change", IncidentPatch(owner=None), params=where)
    assert found.owner is None
    found = made.call("incidents.change", IncidentPatch(state="resolved"), params=where)
    assert made.call("incidents.list").items == []
    with pytest.raises(Conflict):
        late = IncidentPatch(state="false_positive", was="open")
        made.call("incidents.change", late, params=where)
    history = made.call("incidents.show", params=where).history
    assert [(one.what, one.note) for one in history] == [
        ("opened", row.title),
        ("state", "looking"),
        ("owner", ""),
        ("owner", ""),
        ("state", ""),
    ]
    assert {one.by for one in history[1:]} == {ADMIN.id}


@pytest.mark.parametrize(
    ("patch", "error"),
    [
        (IncidentPatch(), UsageError),
        (IncidentPatch(note="x" * 5_000), UsageError),
        (IncidentPatch(owner="x" * 500), UsageError),
        (IncidentPatch(state="open", was="nowhere"), UsageError),
    ],
    ids=["nothing", "a long note", "a long owner", "no state"],
)
def test_bad_changes_are_refused(made: Rig, patch: IncidentPatch, error: type[Exception]) -> None:
    taken(made, judged(1))
    (row,) = made.call("incidents.list").items
    with pytest.raises(error):
        made.call("incidents.change", patch, params={"id": row.id})


def test_an_unknown_incident_is_not_there(made: Rig) -> None:
    for name, body in (
        ("incidents.show", None),
        ("incidents.timeline", None),
        ("incidents.change", IncidentPatch(note="x")),
    ):
        with pytest.raises(NotFound):
            made.call(name, body, params={"id": "nope"})


def test_a_day_of_noise_is_a_handful_with_exceptions(made: Rig) -> None:
    """A tenth of the counted day: 3,300 alerts; the whole of it: ./dev bench incidents."""
    start = int(made.clock().timestamp() * 1e9) - 24 * HOUR_NS
    events = list(a_day(start, share=0.1))
    taken(made, *events)
    incidents = made.call("incidents.list").items
    assert 1 <= len(incidents) <= 5
    found: ExceptionProposals = made.call("incidents.exceptions", days=2)
    assert found.complete
    assert found.of == len(events)
    assert found.silences >= 0.98 * len(events)
    loud = [one for one in found.proposals if one.rule == NOISE[0].rule]
    assert sum(one.silences for one in loud) == round(NOISE[0].number * 0.1)
    assert all(not one.warning for one in found.proposals)
    assert {one.judged_by for one in found.proposals} == {"falco"}
    assert found.falco.count("- rule:") == len({one.rule for one in found.proposals})
    assert found.file.text == ""


def test_an_exception_that_would_have_hidden_something_true_is_warned_of(made: Rig) -> None:
    image = {"container.image.repository": "docker.io/app", "proc.pname": "java"}
    now = int(made.clock().timestamp() * 1e9)
    false = [judged(n, ts_ns=now - n * 10**9, fields=image) for n in range(1, 6)]
    true = judged(
        9, ts_ns=now - 5 * HOUR_NS, fields=image, resource="k8s:prod/apps/Deployment/shop/db"
    )
    taken(made, *false, true)
    by = {one.resource.rpartition("/")[2]: one.id for one in made.call("incidents.list").items}
    made.call("incidents.change", IncidentPatch(state="false_positive"), params={"id": by["web"]})
    (quiet,) = made.call("incidents.exceptions", noisy=False).proposals
    assert (quiet.silences, quiet.of, quiet.warning) == (6, 6, "")
    assert quiet.incidents == [by["web"]]
    made.call("incidents.change", IncidentPatch(state="acknowledged"), params={"id": by["db"]})
    found = made.call("incidents.exceptions", noisy=False)
    (warned,) = found.proposals
    assert warned.silences_true == [by["db"]]
    assert "1 incident that somebody took seriously" in warned.warning
    assert found.falco == ""
    asked = made.call("incidents.exceptions", noisy=False, id=[warned.id])
    assert "docker.io/app" in asked.falco


def test_an_exported_exception_is_saved_here_and_silences(made: Rig) -> None:
    rule = "Cryptocurrency miner started"
    taken(made, *(execve(n, "xmrig", "ci-runner", HOUR_NS, made) for n in range(1, 4)))
    (row,) = made.call("incidents.list").items
    assert rule in row.rules
    patch = IncidentPatch(state="false_positive")
    made.call("incidents.change", patch, params={"id": row.id})
    found: ExceptionProposals = made.call("incidents.exceptions", noisy=False)
    mine = [one for one in found.proposals if one.rule == rule]
    assert [(one.judged_by, one.silences) for one in mine] == [("haechi", 3)]
    body = RuleFileSave(text=found.file.text, version=0)
    saved = made.call("runtime.save", body, params={"name": found.file.name})
    assert saved.loaded
    taken(made, execve(11, "xmrig", "ci-runner", 0, made), execve(12, "xmrig", "bash", 0, made))
    (row,) = made.call("incidents.list").items
    assert row.former is not None
    assert row.detections == sum(row.rules.values())
    assert row.rules[rule] == 1


def test_what_takes_too_long_says_so(made: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excepting, "MOST_LOOKED_AT", 50)
    start = int(made.clock().timestamp() * 1e9) - 24 * HOUR_NS
    taken(made, *a_day(start, share=0.01))
    found = made.call("incidents.exceptions", days=2)
    assert not found.complete
