"""Which detections are one incident. Pure: what it knows it is given, what it decides it returns.

A detection joins an incident that is not closed, by the first of these that holds:

1. ancestry: its process or one of its ancestors belongs to the incident, on that node (a process
   in a container whose ancestors are in the tree of an incident outside of it, too, and the other
   way round: that is how escapes look);
2. recurrence: the same rule held there for the same program before, however long ago;
3. the window: it happens in the same workload within 15 minutes of it. A node is not one workload,
   so there it must share a technique, or one of the two must not know its processes.

Otherwise it opens one, unless it is faint (low or informational): faint ones wait, and open one
together when two rules with two distinct tactics held in one workload within the window.

The namespace bounds all of this: incidents of two namespaces are never joined; one outside of any
may be joined with either and belongs to none from then on, so that nobody sees what is not theirs.
Detections of senders that reach some namespaces only join incidents of theirs alone, and their
processes are compared among themselves: else such a sender could say that another's processes are
its own, and have an incident of others, and what is done about it, be what it wants.

``fold`` is deterministic: the same detections in the same order make the same incidents, however
they are parted into folds and wherever the process begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from haechi.model.incident import IncidentState
from haechi.model.threat import ThreatLevel
from haechi.runtime.incidents.counting import WINDOW_NS, counted_with, row_of
from haechi.runtime.incidents.faint import FaintOnes
from haechi.runtime.incidents.levels import FAINT
from haechi.runtime.incidents.memory import EMPTY, Draft, Known, blank
from haechi.runtime.incidents.naming import title_of
from haechi.runtime.incidents.reading import NONE, Detection, with_evidence
from haechi.store.state.incidents_records import Counted, Fold, Kept, Loaded, Row, Told

SURE_NS, LONGEST_NS = WINDOW_NS, 24 * 3600 * 10**9
"""A number of a process that was seen so lately is still that process; until then, if it has the
same name; later it is another one."""
MOST_OPEN = 20_000
"""Incidents that are not closed; past it, those of one namespace become one."""
MOST_AT_PLACE, MOST_ROWS = 50, 300
_MOST_RULE_STEPS, _LOOKED_AT = 30, 64
Exists = Callable[[str], bool]


class Folded(NamedTuple):
    """One lot of detections that was read; ``seq`` is its number."""

    seq: int
    detection: Detection | None


class Correlator:
    """Folds detections into incidents. Not thread-safe: one thread's."""

    def __init__(self, loaded: Loaded, *, exists: Exists = lambda id: False) -> None:
        self._known = Known(loaded)
        self._exists = exists
        self.seen = loaded.seen
        """The last step that is known of."""
        self.place = (loaded.epoch, loaded.seq)
        """Up to where the store has folded."""
        self._rows: dict[tuple[int, str], Row] = {}
        self._faint = FaintOnes(self._known)
        self._steps: list[Told] = []
        self._opened: dict[int, Draft] = {}
        self._pending: list[Kept] = []
        self._ids: set[str] = set()
        self._ends = self.place

    @property
    def open(self) -> int:
        """How many incidents are not closed."""
        return len(self._known.kept)

    # what others changed

    def became(self, id: str, state: IncidentState) -> bool:
        """Somebody changed an incident's state; False when it must be learnt anew."""
        return self._known.became(id, state)

    def learn(self, one: Kept, rows: Iterable[tuple[int, str, Counted]]) -> None:
        """An incident that was closed and is open again."""
        self._known.learn(one)
        for incident, signature, counted in rows:
            if incident == one.n:
                self._known.learn_row(incident, signature, counted)

    # folding

    def fold(self, lots: Sequence[Folded], *, epoch: str) -> Fold:
        """What these make of incidents, to be written; then ``keep`` or ``undo`` must follow."""
        self._begin()
        for lot in lots:
            if lot.detection is not None:
                self._one(lot.detection)
        opened: list[Kept] = []
        changed: list[Kept] = []
        for n, draft in self._known.drafts.items():
            kept = draft.frozen()
            (opened if draft.new else changed).append(kept)
            self._raised(draft, kept.incident.level)
            if draft.new:
                self._opened[n] = draft
        self._pending = [*opened, *changed]
        self._ends = (epoch, lots[-1].seq)
        return Fold(
            place=self.place,
            epoch=epoch,
            seq=lots[-1].seq,
            seen=self.seen,
            opened=opened,
            changed=changed,
            rows=list(self._rows.values()),
            faint=list(self._faint.rows.values()),
            gone=self._faint.gone,
            steps=self._steps,
        )

    def keep(self, seen: int) -> None:
        """The fold was written; ``seen`` is the number of its last step."""
        self._known.keep(self._pending)
        self.seen, self.place = seen, self._ends

    def undo(self) -> None:
        """The fold was not written: nothing of it happened."""
        self._known.undo()

    def _begin(self) -> None:
        self._faint.begin()
        self._rows = {}
        self._steps, self._opened, self._pending = [], {}, []
        self._ids = set()

    def _raised(self, draft: Draft, level: ThreatLevel) -> None:
        if draft.new:
            told = Told(incident=draft.n, what="opened", after=level.word, note=draft.title)
            self._steps.append(told)
        elif level > draft.before:
            was, became = draft.before.word, level.word
            self._steps.append(Told(incident=draft.n, what="raised", before=was, after=became))

    def _one(self, detection: Detection) -> None:
        n = self._find(detection)
        if n is not None:
            self._join(self._known.draft(n), detection)
            return
        faint = detection.assessment.level <= FAINT
        with_it = self._faint.joined(detection) if faint else self._faint.taken(detection)
        if with_it is not None:
            self._open(detection, with_it)

    # finding

    def _find(self, detection: Detection) -> int | None:
        found = self._by_ancestry(detection)
        if found is None:
            found = self._by_cause(detection)
        return self._by_window(detection) if found is None else found

    def _by_ancestry(self, detection: Detection) -> int | None:
        """The nearest process of its line that belongs to an incident."""
        known = self._known
        for pid, name in detection.line:
            key = (detection.cluster, detection.tree, pid)
            held = known.pids.get(key)
            if held is None:
                continue
            age = abs(detection.ts_ns - held.seen_ns)
            if age > LONGEST_NS or (age > SURE_NS and (not name or name != held.name)):
                known.unclaim(key)
            elif self._may_join(detection, held.incident):
                return held.incident
        return None

    def _by_cause(self, detection: Detection) -> int | None:
        for cause in detection.causes:
            n = self._known.causes.get(cause)
            if n is not None and self._may_join(detection, n):
                return n
        return None

    def _by_window(self, detection: Detection) -> int | None:
        """In its workload, or in its container."""
        found = self._at(detection, detection.place)
        if found is None and detection.inside:
            # To isolate a pod may take it from its workload: it is another one's from then on.
            found = self._at(detection, detection.inside)
        return found

    def _at(self, detection: Detection, place: str) -> int | None:
        known = self._known
        here = known.places.get(place, ())
        best: tuple[int, int] | None = None
        crowded = len(here) >= MOST_AT_PLACE
        for n in here[-_LOOKED_AT:]:
            first, last, _ = known.span(n)
            near = first - WINDOW_NS <= detection.ts_ns <= last + WINDOW_NS
            if not (near or crowded) or not (crowded or self._alike(n, detection)):
                continue
            if not self._may_join(detection, n):
                continue
            if best is None or (last, -n) > best:
                best = (last, -n)
        return None if best is None else -best[1]

    def _may_join(self, detection: Detection, n: int) -> bool:
        """Namespaces are kept apart. Who reaches some only adds to no incident that reaches
        further, not even to one that began with them: neither its level nor its addresses are
        theirs to say."""
        namespace = self._known.span(n)[2]
        if detection.scoped:
            return detection.namespace == namespace
        return detection.namespace == namespace or NONE in (detection.namespace, namespace)

    def _alike(self, n: int, detection: Detection) -> bool:
        """Within one workload all is alike; on a node what shares a technique, or where one of
        both does not know its processes."""
        if not detection.on_host or not detection.line or not self._known.has_parts(n):
            return True
        return bool(set(detection.families) & set(self._known.families(n)))

    # joining and opening

    def _join(self, draft: Draft, detection: Detection, *, fresh: bool = False) -> None:
        known = self._known
        if draft.namespace not in (detection.namespace, NONE):
            told = Told(incident=draft.n, what="spread", before=draft.namespace, after=NONE)
            self._steps.append(told)
            draft.namespace = NONE
        draft.worst(detection, title_of(detection))
        new_rule = draft.add(detection)
        if new_rule and not draft.new and len(draft.rules) <= _MOST_RULE_STEPS:
            self._steps.append(Told(incident=draft.n, what="rule", after=detection.rule))
        known.found_by(draft, detection, fresh=fresh)
        for pid, name in reversed(detection.line):
            known.claim(draft, detection.cluster, detection.tree, pid, name, detection.ts_ns)
        self._row(draft.n, detection)
        if draft.state == IncidentState.CONTAINED:
            self._goes_on(draft, detection)

    def _goes_on(self, draft: Draft, detection: Detection) -> None:
        """Containment is about traffic: a connection shows that it is none. What a process does
        by itself is told once."""
        if detection.network:
            was, became = draft.state.value, IncidentState.NOT_CONTAINED.value
            note = f"a connection after it was contained: {detection.rule}"
            step = Told(incident=draft.n, what="state", before=was, after=became, note=note)
            self._steps.append(step)
            draft.state = IncidentState.NOT_CONTAINED
        elif not draft.told:
            self._steps.append(Told(incident=draft.n, what="goes_on", after=detection.rule))
            draft.told = True

    def _row(self, n: int, detection: Detection) -> None:
        """Count it with those that are alike; past a bound with all of its rule, then with all."""
        known = self._known
        signature = detection.signature
        if (n, signature) not in known.rows:
            number = known.row_counts.get(n, 0)
            if number >= MOST_ROWS + 100:
                signature = "*"
            elif number >= MOST_ROWS:
                signature = detection.coarse
        key = (n, signature)
        before = known.rows.get(key)
        if before is None:
            counted = Counted(
                known.number("row"), detection.count, detection.ts_ns, detection.last_ns
            )
            known.set(known.row_counts, n, known.row_counts.get(n, 0) + 1)
            self._rows[key] = row_of(n, signature, counted, with_evidence(detection))
        else:
            counted = counted_with(before, detection)
            row = self._rows.get(key) or Row(
                incident=n, signature=signature, counted=counted, new=False
            )
            self._rows[key] = msgspec.structs.replace(row, counted=counted)
        known.set(known.rows, key, counted)

    def _open(self, detection: Detection, with_it: Sequence[Detection]) -> None:
        if self._crowded(detection) is not None:
            detection = msgspec.structs.replace(detection, line=(), causes=(), inside="")
            n = self._by_window(crowd := _in_crowd(detection, self._known))
            detection = crowd
            if n is not None:
                for one in (*with_it, detection):
                    self._join(
                        self._known.draft(n),
                        msgspec.structs.replace(one, line=(), causes=(), inside=""),
                    )
                return
        n = self._known.number("incident")
        kept = Kept(
            n=n,
            incident=blank(self._id(detection), detection),
            cause=detection.causes[0] if detection.causes else detection.place,
            memory=EMPTY,
        )
        draft = self._known.drafts[n] = Draft(kept, new=True)
        for one in (*with_it, detection):
            self._join(draft, one, fresh=True)

    def _crowded(self, detection: Detection) -> int | None:
        number = len(self._known.kept) + sum(one.new for one in self._known.drafts.values())
        return number if number >= MOST_OPEN else None

    def _id(self, detection: Detection) -> str:
        words = (detection.cluster, detection.namespace, detection.source, detection.event)
        for again in range(100):
            text = "\0".join((*words, str(detection.ts_ns), str(again))).encode()
            found = blake2b(text, digest_size=9).hexdigest()
            if found not in self._ids and not self._exists(found):
                break
        self._ids.add(found)
        return found


def _in_crowd(detection: Detection, known: Known) -> Detection:
    """The detection in the place where everything of its namespace goes; past further bounds
    everything of its cluster, then everything."""
    over = len(known.kept) - MOST_OPEN
    cluster = detection.cluster if over < 1_000 else NONE
    namespace = detection.namespace if over < 500 else NONE
    resource = f"many:{cluster}/{namespace}"
    place = blake2b(resource.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
    return msgspec.structs.replace(
        detection, cluster=cluster, namespace=namespace, resource=resource, place=place
    )
