"""What the correlator knows: incidents that are not closed, and what they are found by.

All of it comes from the store's rows, so a restart begins with the same knowledge. Changes of one
fold are provisional: ``keep`` makes them count once the store has them, ``undo`` takes them back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from haechi.model.incident import Incident, IncidentState
from haechi.model.threat import ThreatLevel
from haechi.runtime.incidents.levels import level_of
from haechi.runtime.incidents.reading import APART, Detection
from haechi.store.state.incidents_records import Counted, Faint, Kept, Loaded, Memory, Part

MOST_PARTS, MOST_CAUSES, MOST_PLACES = 128, 400, 50
MOST_RULES, MOST_WORDS = 100, 60
OTHER = "(other)"
REFRESH_NS = 60 * 10**9
"""How old a process's last sight may be before it is noted anew: not with each detection."""
_GONE: Any = object()
Pid = tuple[str, str, int]
"""Cluster, node, number."""


class Claim(msgspec.Struct, frozen=True):
    """Whose a process is, its name, and when it was seen last."""

    incident: int
    name: str
    seen_ns: int


class Draft:
    """An incident while a fold adds to it."""

    def __init__(self, kept: Kept, *, new: bool) -> None:
        it, memory = kept.incident, kept.memory
        self.n, self.cause, self.new = kept.n, kept.cause, new
        self.incident, self.memory = it, memory
        self.before = it.level
        self.namespace, self.state = it.namespace, it.state
        self.title = it.title
        self.first_ns, self.last_ns, self.detections = it.first_ns, it.last_ns, it.detections
        self.rules = dict(it.rules)
        self.tactics = dict.fromkeys(it.tactics)
        self.techniques = dict.fromkeys(it.techniques)
        self.addresses = dict.fromkeys(it.source_ips)
        self.places = dict.fromkeys(memory.places)
        self.causes = dict.fromkeys(memory.causes)
        self.families = dict.fromkeys(memory.families)
        self.parts = {(one.node, one.pid): one for one in memory.parts}
        self.base = memory
        self.told = memory.told

    def worst(self, detection: Detection, title: str) -> None:
        """Take the level of a detection that is worse than all before."""
        found = detection.assessment
        if (int(found.level), found.score) > (self.base.base_level, self.base.base_score):
            self.base = msgspec.structs.replace(
                self.base,
                base_level=int(found.level),
                base_score=found.score,
                base_reasons=found.reasons,
            )
            self.title = title

    def add(self, detection: Detection) -> bool:
        """Count a detection; True when its rule is new here."""
        self.first_ns = min(self.first_ns, detection.ts_ns)
        self.last_ns = max(self.last_ns, detection.last_ns)
        self.detections += detection.count
        rule = detection.rule
        fresh = rule not in self.rules
        if fresh and len(self.rules) >= MOST_RULES:
            rule, fresh = OTHER, False
        self.rules[rule] = self.rules.get(rule, 0) + detection.count
        for words, more in (
            (self.tactics, detection.tactics),
            (self.techniques, detection.techniques),
            (self.families, detection.families),
            (self.addresses, detection.addresses),
        ):
            for one in more:
                if len(words) < MOST_WORDS:
                    words[one] = None
        return fresh

    def frozen(self) -> Kept:
        """As it is to be kept."""
        memory = msgspec.structs.replace(
            self.base,
            places=tuple(self.places),
            causes=tuple(self.causes),
            families=tuple(self.families),
            parts=tuple(self.parts.values()),
            told=self.told,
        )
        tactics = tuple(self.tactics)
        level, score, reasons = level_of(memory, tactics, self.detections)
        incident = msgspec.structs.replace(
            self.incident,
            namespace=self.namespace,
            state=self.state,
            title=self.title,
            level=level,
            score=score,
            reasons=reasons,
            first_ns=self.first_ns,
            last_ns=self.last_ns,
            detections=self.detections,
            rules=self.rules,
            tactics=tactics,
            techniques=tuple(self.techniques),
            source_ips=tuple(self.addresses),
            pids=tuple(
                pid for tree, pid in self.parts if tree.rpartition(APART)[2] == self.incident.node
            ),
        )
        return Kept(n=self.n, incident=incident, cause=self.cause, memory=memory)


class Known:
    """The indexes. Every change of one is noted, so that it can be taken back."""

    def __init__(self, loaded: Loaded) -> None:
        self.kept: dict[int, Kept] = {}
        self.numbers: dict[str, int] = {}
        self.rows: dict[tuple[int, str], Counted] = {}
        self.row_counts: dict[int, int] = {}
        self.places: dict[str, tuple[int, ...]] = {}
        self.causes: dict[str, int] = {}
        self.pids: dict[Pid, Claim] = {}
        self.faint: dict[str, tuple[Faint, ...]] = {}
        self.next = {
            "incident": loaded.next_incident,
            "row": loaded.next_row,
            "faint": loaded.next_faint,
            "faint rows": len(loaded.faint),
        }
        self.drafts: dict[int, Draft] = {}
        self._signatures: dict[int, set[str]] = {}
        self._notes: list[tuple[dict[Any, Any], Any, Any]] = []
        for one in loaded.kept:
            self.learn(one)
        for incident, signature, counted in loaded.rows:
            self.learn_row(incident, signature, counted)
        for faint in loaded.faint:
            self.faint[faint.place] = (*self.faint.get(faint.place, ()), faint)

    # what a fold changes

    def set(self, index: dict[Any, Any], key: Any, value: Any) -> None:
        """Change an index until ``keep`` or ``undo``."""
        self._notes.append((index, key, index.get(key, _GONE)))
        index[key] = value

    def drop(self, index: dict[Any, Any], key: Any) -> None:
        """Take out of an index until ``keep`` or ``undo``."""
        if key in index:
            self._notes.append((index, key, index.pop(key)))

    def number(self, name: str) -> int:
        """The next number of its kind."""
        found = self.next[name]
        self.set(self.next, name, found + 1)
        return found

    def draft(self, n: int) -> Draft:
        """An incident to add to."""
        found = self.drafts.get(n)
        if found is None:
            found = self.drafts[n] = Draft(self.kept[n], new=False)
        return found

    def span(self, n: int) -> tuple[int, int, str]:
        """First, last, namespace: as they are in this fold."""
        if (draft := self.drafts.get(n)) is not None:
            return draft.first_ns, draft.last_ns, draft.namespace
        it = self.kept[n].incident
        return it.first_ns, it.last_ns, it.namespace

    def families(self, n: int) -> Iterable[str]:
        """Techniques without their parts."""
        if (draft := self.drafts.get(n)) is not None:
            return draft.families
        return self.kept[n].memory.families

    def has_parts(self, n: int) -> bool:
        """True when processes of it are known."""
        if (draft := self.drafts.get(n)) is not None:
            return bool(draft.parts)
        return bool(self.kept[n].memory.parts)

    def claim(self, draft: Draft, cluster: str, node: str, pid: int, name: str, at: int) -> None:
        """Have a process belong to an incident, unless it is another one's."""
        key = (cluster, node, pid)
        held = self.pids.get(key)
        if held is not None and held.incident != draft.n:
            return
        if held is not None and abs(at - held.seen_ns) < REFRESH_NS and held.name == name:
            return
        if held is None and len(draft.parts) >= MOST_PARTS:
            return
        seen = at if held is None else max(at, held.seen_ns)
        self.set(self.pids, key, Claim(draft.n, name, seen))
        draft.parts[node, pid] = Part(node, pid, name, seen)

    def unclaim(self, key: Pid) -> None:
        """A process of an incident is gone; its number may be another one's."""
        held = self.pids.get(key)
        if held is not None:
            self.drop(self.pids, key)
            self.draft(held.incident).parts.pop(key[1:], None)

    def found_by(self, draft: Draft, detection: Detection, *, fresh: bool) -> None:
        """Have later detections like this one find the incident."""
        for cause in detection.causes:
            if cause not in self.causes and len(draft.causes) < MOST_CAUSES:
                self.set(self.causes, cause, draft.n)
                draft.causes[cause] = None
        for place in (detection.place, detection.inside):
            if place and place not in draft.places and (fresh or len(draft.places) < MOST_PLACES):
                draft.places[place] = None
                self.set(self.places, place, tuple(sorted((*self.places.get(place, ()), draft.n))))

    def keep(self, several: Iterable[Kept]) -> None:
        """The store has it; these are the incidents that changed."""
        for one in several:
            self.kept[one.n] = one
            self.numbers[one.incident.id] = one.n
        self._new_signatures()
        self.drafts.clear()
        self._notes.clear()

    def undo(self) -> None:
        """The store does not have it."""
        for index, key, before in reversed(self._notes):
            if before is _GONE:
                index.pop(key, None)
            else:
                index[key] = before
        self._notes.clear()
        self.drafts.clear()

    def _new_signatures(self) -> None:
        for index, key, before in self._notes:
            if index is self.rows and before is _GONE:
                self._signatures.setdefault(key[0], set()).add(key[1])

    # what others changed

    def learn(self, one: Kept) -> None:
        """An incident that is open."""
        n, memory = one.n, one.memory
        self.kept[n] = one
        self.numbers[one.incident.id] = n
        for place in memory.places:
            self.places[place] = tuple(sorted({*self.places.get(place, ()), n}))
        for cause in memory.causes:
            self.causes.setdefault(cause, n)
        for part in memory.parts:
            key = (one.incident.cluster, part.node, part.pid)
            self.pids.setdefault(key, Claim(n, part.name, part.seen_ns))

    def learn_row(self, incident: int, signature: str, counted: Counted) -> None:
        """One of its rows."""
        if (incident, signature) not in self.rows:
            self.row_counts[incident] = self.row_counts.get(incident, 0) + 1
            self._signatures.setdefault(incident, set()).add(signature)
        self.rows[incident, signature] = counted

    def became(self, id: str, state: IncidentState) -> bool:
        """Somebody changed its state; False when it is not known (it was closed)."""
        n = self.numbers.get(id)
        if n is None:
            return state.closed
        if state.closed:
            self.forget(n)
        else:
            one = self.kept[n]
            incident = msgspec.structs.replace(one.incident, state=state)
            memory = msgspec.structs.replace(one.memory, told=False)
            self.kept[n] = msgspec.structs.replace(one, incident=incident, memory=memory)
        return True

    def forget(self, n: int) -> None:
        """It is closed: nothing finds it any more."""
        one = self.kept.pop(n)
        self.numbers.pop(one.incident.id, None)
        for place in one.memory.places:
            rest = tuple(other for other in self.places.get(place, ()) if other != n)
            if rest:
                self.places[place] = rest
            else:
                self.places.pop(place, None)
        for cause in one.memory.causes:
            if self.causes.get(cause) == n:
                del self.causes[cause]
        for part in one.memory.parts:
            key = (one.incident.cluster, part.node, part.pid)
            held = self.pids.get(key)
            if held is not None and held.incident == n:
                del self.pids[key]
        for signature in self._signatures.pop(n, ()):
            self.rows.pop((n, signature), None)
        self.row_counts.pop(n, None)


def blank(id: str, detection: Detection) -> Incident:
    """An incident that a detection opens, before anything was counted."""
    return Incident(
        id=id,
        cluster=detection.cluster,
        namespace=detection.namespace,
        resource=detection.resource,
        node=detection.node,
        container_id=detection.container,
        title="",
        level=ThreatLevel.INFO,
        score=0.0,
        opened_ns=0,
        first_ns=detection.ts_ns,
        last_ns=detection.last_ns,
    )


EMPTY = Memory(base_level=-1)
