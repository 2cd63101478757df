"""Detections, and a store of incidents in memory that is as strict as the real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from haechi.model.event import Event
from haechi.model.incident import IncidentState
from haechi.runtime.incidents.correlate import Correlator, Folded
from haechi.runtime.incidents.reading import read
from haechi.runtime.threat import ThreatDetector
from haechi.store.state.incidents_records import Faint, Kept, Loaded, Row, Told

AT_NS = 1_795_348_800 * 10**9
MINUTE = 60 * 10**9
ASSESS = ThreatDetector().assess


def detection(number: int, **given: Any) -> Event:
    """A detection of ours; ``minute`` says when, ``pids`` which process, itself first."""
    minute = given.pop("minute", 0)
    pids: Sequence[int] = given.pop("pids", ())
    names: Sequence[str] = given.pop("names", ())
    program = given.pop("program", names[0] if names else "sh")
    tags = given.pop("tags", ["mitre_execution", "T1059"])
    fields: dict[str, Any] = {"proc.name": program, "haechi.source": "sensor"}
    fields |= {"haechi.event": f"origin-{number}", "haechi.tags": tags}
    if pids:
        fields |= {"proc.pid": pids[0], "proc.apid": list(pids)}
    if names:
        fields["proc.aname"] = list(names)
        if len(names) > 1:
            fields["proc.pname"] = names[1]
    told: dict[str, Any] = {
        "id": f"d{number}",
        "ts_ns": AT_NS + int(minute * MINUTE) + number,
        "source": "haechi",
        "type": "execve",
        "cluster": "prod",
        "namespace": "shop",
        "node": "node-1",
        "container_id": "c1",
        "resource": "k8s:prod/apps/Deployment/shop/web",
        "rule": "Shell started",
        "priority": "warning",
        "message": "a shell",
        "fields": fields | given.pop("fields", {}),
    }
    return Event(**(told | given))


def on_host(number: int, **given: Any) -> Event:
    """A detection outside of containers."""
    common = {"container_id": "host", "resource": "", "namespace": "-"}
    return detection(number, **{**common, **given})


class Store:
    """What the database keeps, by hand."""

    def __init__(self) -> None:
        self.place = ("", 0)
        self.kept: dict[int, Kept] = {}
        self.rows: dict[tuple[int, str], Row] = {}
        self.faint: dict[int, Faint] = {}
        self.steps: list[Told] = []
        self.closed: set[str] = set()

    def loaded(self) -> Loaded:
        rows = [(n, signature, row.counted) for (n, signature), row in self.rows.items()]
        return Loaded(
            epoch=self.place[0],
            seq=self.place[1],
            seen=len(self.steps),
            next_incident=max(self.kept, default=0) + 1,
            next_row=max((c.n for _, _, c in rows), default=0) + 1,
            next_faint=max(self.faint, default=0) + 1,
            kept=[one for one in self.kept.values() if one.incident.id not in self.closed],
            rows=[r for r in rows if self.kept[r[0]].incident.id not in self.closed],
            faint=[self.faint[n] for n in sorted(self.faint)],
        )

    def fold(self, correlator: Correlator, lots: Sequence[Folded]) -> None:
        """As the database does it, checks included."""
        fold = correlator.fold(lots, epoch="e")
        assert fold.place == self.place
        assert fold.seen == len(self.steps)
        for one in fold.opened:
            assert one.n not in self.kept
        for one in fold.changed:
            assert one.n in self.kept
        self.kept |= {one.n: one for one in (*fold.opened, *fold.changed)}
        for row in fold.rows:
            key = (row.incident, row.signature)
            assert row.new is (key not in self.rows)
            before = row if row.new else self.rows[key]
            self.rows[key] = msgspec.structs.replace(before, counted=row.counted)
        for n in fold.gone:
            del self.faint[n]
        for faint, new in fold.faint:
            assert new is (faint.counted.n not in self.faint)
            self.faint[faint.counted.n] = faint
        self.steps += fold.steps
        self.place = (fold.epoch, fold.seq)
        correlator.keep(len(self.steps))

    def close(self, correlator: Correlator, n: int) -> None:
        """Somebody closes an incident."""
        id_ = self.kept[n].incident.id
        self.closed.add(id_)
        assert correlator.became(id_, IncidentState.RESOLVED)

    def told(self) -> list[Any]:
        """All incidents with their rows, by what opened them: to compare two stores."""
        found = []
        for n, one in sorted(self.kept.items()):
            it = one.incident
            rows = sorted(
                (signature, row.counted.count, row.counted.first_ns, row.counted.last_ns, row.event)
                for (incident, signature), row in self.rows.items()
                if incident == n
            )
            found.append((msgspec.to_builtins(it), msgspec.to_builtins(one.memory), rows))
        faint = sorted((one.place, one.signature, one.counted.count) for one in self.faint.values())
        return [found, faint]


def lots_of(events: Sequence[Event], first: int = 1) -> list[Folded]:
    """Events as they wait, in their order."""
    return [Folded(n, read(one, ASSESS(one))) for n, one in enumerate(events, first)]


def folded(events: Sequence[Event]) -> Store:
    """All in one fold."""
    store = Store()
    store.fold(Correlator(store.loaded()), lots_of(events))
    return store


def groups(store: Store) -> list[set[str]]:
    """Which detections' rules and programs are together: by the ids of the first of each row."""
    found: dict[int, set[str]] = {}
    for (n, _), row in store.rows.items():
        found.setdefault(n, set()).add(row.event)
    return [found[n] for n in sorted(found)]
