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
from haechi.runtime.incidents.levels import FAINT
from haechi.runtime.incidents.memory import EMPTY, Draft, Known, blank
from haechi.runtime.incidents.naming import title_of
from haechi.runtime.incidents.reading import NONE, Detection, with_evidence
from haechi.store.state.incidents_records import Counted, Faint, Fold, Kept, Loaded, Row, Told
from haechi.store.state.incidents_rows import packed

WINDOW_NS = 15 * 60 * 10**9
SURE_NS, LONGEST_NS = WINDOW_NS, 24 * 3600 * 10**9
"""A number of a process that was seen so lately is still that process; until then, if it has the
same name; later it is another one."""
MOST_OPEN = 20_000
"""Incidents that are not closed; past it, those of one namespace become one."""
MOST_AT_PLACE, MOST_ROWS, MOST_FAINT_ROWS = 50, 300, 20_000
_MOST_FAINT, _MOST_RULE_STEPS = 64, 30
_LOOKED_AT = 64
_RULES, _TACTICS = 2, 2
"""What faint detections must have, at least, to open an incident together."""
_detection = msgspec.json.Decoder(Detection).decode
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
        self._faint: dict[int, tuple[Faint, bool]] = {}
        self._gone: list[int] = []
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
            faint=list(self._faint.values()),
            gone=self._gone,
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
        self._rows, self._faint, self._gone = {}, {}, []
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
        with_it = self._with_faint(detection) if faint else self._faint_at(detection)
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
            self._rows[key] = _row_of(n, signature, counted, with_evidence(detection))
        else:
            counted = _more(before, detection)
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

    # faint ones

    def _faint_at(self, detection: Detection) -> list[Detection]:
        """Faint ones of the window become evidence of what is opened."""
        known = self._known
        found = []
        for one in known.faint.get(detection.place, ()):
            if _near(one.counted, detection):
                found.append(_restored(one))
            self._forget_faint(one)
        known.drop(known.faint, detection.place)
        return found

    def _with_faint(self, detection: Detection) -> list[Detection] | None:
        """Keep a faint one for a while; those that it opens an incident with, if it does."""
        known, place = self._known, detection.place
        stay = []
        for one in known.faint.get(place, ()):
            if _near(one.counted, detection):
                stay.append(one)
            else:
                self._forget_faint(one)
        told = [_restored(one) for one in stay]
        rules = {detection.rule, *(one.rule for one in told)}
        tactics = {*detection.tactics, *(tactic for one in told for tactic in one.tactics)}
        if len(rules) >= _RULES and len(tactics) >= _TACTICS:
            for one in stay:
                self._forget_faint(one)
            known.drop(known.faint, place)
            return told
        self._keep_faint(detection, stay)
        return None

    def _keep_faint(self, detection: Detection, stay: list[Faint]) -> None:
        known, place = self._known, detection.place
        for at, one in enumerate(stay):
            if one.signature == detection.signature:
                stay[at] = msgspec.structs.replace(one, counted=_more(one.counted, detection))
                self._note_faint(stay[at])
                known.set(known.faint, place, tuple(stay))
                return
        if len(stay) >= _MOST_FAINT:
            self._forget_faint(stay.pop(0))
        if known.next["faint rows"] >= MOST_FAINT_ROWS:
            self._sweep(detection, place)
        counted = Counted(
            known.number("faint"), detection.count, detection.ts_ns, detection.last_ns
        )
        fresh = Faint(
            place=place,
            signature=detection.signature,
            counted=counted,
            detail=packed(with_evidence(detection)),
        )
        known.set(known.next, "faint rows", known.next["faint rows"] + 1)
        self._faint[counted.n] = (fresh, True)
        known.set(known.faint, place, (*stay, fresh))

    def _note_faint(self, one: Faint) -> None:
        new = one.counted.n in self._faint and self._faint[one.counted.n][1]
        self._faint[one.counted.n] = (one, new)

    def _forget_faint(self, one: Faint) -> None:
        known = self._known
        known.set(known.next, "faint rows", known.next["faint rows"] - 1)
        was = self._faint.pop(one.counted.n, None)
        if was is None or not was[1]:
            self._gone.append(one.counted.n)

    def _sweep(self, detection: Detection, but: str) -> None:
        """Too many faint ones wait: those that are over go, and the oldest half if need be."""
        known = self._known
        ages = sorted(
            (one.counted.last_ns, one.counted.n)
            for place, several in known.faint.items()
            if place != but
            for one in several
        )
        over = [age for age in ages if age[0] < detection.ts_ns - WINDOW_NS]
        gone = {n for _, n in (over or ages[: max(1, len(ages) // 2)])}
        for place in [place for place in known.faint if place != but]:
            several = known.faint[place]
            rest = tuple(one for one in several if one.counted.n not in gone)
            if len(rest) == len(several):
                continue
            for one in several:
                if one.counted.n in gone:
                    self._forget_faint(one)
            if rest:
                known.set(known.faint, place, rest)
            else:
                known.drop(known.faint, place)


def _near(counted: Counted, detection: Detection) -> bool:
    return counted.first_ns - WINDOW_NS <= detection.ts_ns <= counted.last_ns + WINDOW_NS


def _more(before: Counted, detection: Detection) -> Counted:
    return Counted(
        before.n,
        before.count + detection.count,
        min(before.first_ns, detection.ts_ns),
        max(before.last_ns, detection.last_ns),
    )


def _row_of(n: int, signature: str, counted: Counted, detection: Detection) -> Row:
    return Row(
        incident=n,
        signature=signature,
        counted=counted,
        event=detection.event,
        source=detection.source,
        rule=detection.rule,
        priority=detection.priority,
        message=detection.message,
        evidence=detection.evidence,
    )


def _restored(one: Faint) -> Detection:
    """The detections behind a faint row, as one."""
    c = one.counted
    return msgspec.structs.replace(
        _detection(one.detail), count=c.count, ts_ns=c.first_ns, last_ns=c.last_ns
    )


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
