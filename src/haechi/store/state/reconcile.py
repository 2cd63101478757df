"""What a push makes of the findings that are known: the life of a finding.

    new → open → fixed → reopened → fixed …, and waived ⇄ open or reopened

The known ones of the same (cluster, source, branch) are read once, compared by fingerprint, and
all changes written in bulk. What the push does not name is fixed only where the run looked: its
domain, its folder, its tree or its whole history, and where the caller's ``covered`` agrees.
A person's owner and due date stay; the scan's are kept beside them for when they are taken away.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from haechi.store.records import Life, StoredFinding
from haechi.store.state.acceptance import Acceptance, Acceptances
from haechi.store.state.bulk import PART, insert_all, next_number, parts, touch_all, update_all
from haechi.store.state.by_hand import BY_HAND, ByHand
from haechi.store.state.history import Step, record
from haechi.store.state.metadata import NEVER
from haechi.store.state.pushed import Pushed, Seen
from haechi.store.state.rows import LISTED, PLACE, SEVERITIES, to_finding
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import finding_search, finding_text

Covered = Callable[[StoredFinding], bool]

_SAID = (
    *("rule", "domain", "severity", "title", "message", "path", "line", "resource", "label"),
    *("attribute", "namespace", "commit_id", "fix", "cwe", "tags", "secret_id", "aliases"),
)
"""Columns that a scan's words fill as they are."""
_LIVED = (
    *("state", "live", "reopened", "owner", "owner_scan", "due", "due_scan", "waiver"),
    *("waiver_from", "waived_until", "opened", "last_seen", "changed", "fixed_at", "scan"),
    "digest",
)
KNOWN = (
    *("n", "fingerprint", "state", "severity", "reopened", "owner", "owner_scan", "owner_by"),
    *("due", "due_scan", "due_by", "waiver", "waiver_from", "waived_until", "opened", "changed"),
    *("first_seen", "digest"),
)

_RENAMED = "as it was known by another id"


class Outcome(NamedTuple):
    """What became of a push: counts, and the same by namespace for the live stream."""

    changes: Counter[str]
    places: dict[str, Counter[str]]


@dataclass
class Batch:
    """Rows to be written together."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    searched: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    retold: list[dict[str, Any]] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


class Reconciler:
    """One push against what is known of its target."""

    def __init__(
        self,
        connection: Connection,
        pushed: Pushed,
        acceptances: Acceptances,
        *,
        scan: str,
        at: int,
        today: str,
        number: int = 0,
    ) -> None:
        self._connection = connection
        self._pushed = pushed
        self._acceptances = acceptances
        self._scan = scan
        self._actor = f"scan:{scan}"
        self._at = at
        self._today = today
        self._outcome = Outcome(Counter(), defaultdict(Counter))
        self._next = number or next_number(connection, f)
        self._by_hand = ByHand(connection, pushed)

    def run(self, covered: Covered) -> Outcome:
        """Write it all; the answer counts new, fixed, reopened, unchanged, out_of_scope."""
        known = self._known()
        for part in parts(self._pushed.findings, PART):
            batch = Batch()
            for seen in part:
                row = known.pop(seen.fingerprint, None)
                if row is None:
                    self._new(seen, batch)
                else:
                    self._again(seen, row, batch)
            self._write(batch)
        missing = [row.n for row in known.values() if row.state != Life.FIXED]
        for numbers in parts(missing, 500):
            self._missing(numbers, covered)
        return self._outcome

    def _known(self) -> dict[str, Any]:
        pushed = self._pushed
        ask = select(*(f.c[name] for name in KNOWN)).where(
            f.c.cluster == pushed.cluster, f.c.source == pushed.source, f.c.ref == pushed.ref
        )
        return {row.fingerprint: row for row in self._connection.execute(ask)}

    def _count(self, what: str, namespace: str) -> None:
        self._outcome.changes[what] += 1
        self._outcome.places[namespace][what] += 1

    def _new(self, seen: Seen, batch: Batch) -> None:
        n, self._next = self._next, self._next + 1
        accepted = self._acceptances.of(seen, self._told(seen, self._at, self._at))
        state = Life.WAIVED if accepted else Life.OPEN
        batch.steps.append(self._step(n, "seen", "", Life.OPEN))
        if accepted:
            batch.steps.append(self._step(n, "waived", Life.OPEN, state, accepted.note))
            self._outcome.places[seen.namespace]["waived"] += 1
        pushed = self._pushed
        given = self._by_hand.of(seen)
        batch.steps += [
            self._step(n, name, "", given[name], _RENAMED) for name in BY_HAND if name in given
        ]
        lived = self._lived(seen, state, accepted, seen.digest())
        batch.rows.append(
            {
                "n": n,
                "id": finding_id(pushed, seen.fingerprint),
                "cluster": pushed.cluster,
                "source": pushed.source,
                "ref": pushed.ref,
                "is_default": int(pushed.default),
                "fingerprint": seen.fingerprint,
                **_said(seen),
                **lived,
                "owner": seen.owner,
                "owner_by": "",
                "due": seen.due,
                "due_scan": seen.due,
                "due_by": "",
                "reopened": 0,
                "opened": self._at,
                "first_seen": self._at,
                "changed": self._at,
                **given,
            }
        )
        batch.texts.append({"n": n, "evidence": seen.evidence})
        batch.searched.append({"n": n, "folded": folded(seen)})
        self._count("new", seen.namespace)

    def _again(self, seen: Seen, row: Any, batch: Batch) -> None:
        back = row.state == Life.FIXED
        reopened = bool(row.reopened) or back
        accepted = self._acceptances.of(seen, self._told(seen, row.first_seen, row.changed))
        calm = Life.REOPENED if reopened else Life.OPEN
        state = Life.WAIVED if accepted else calm
        due_scan = _promised(seen, row, back)
        owner = row.owner if row.owner_by else seen.owner
        steps = self._steps(seen, row, state, calm, accepted, owner)
        digest = seen.digest()
        values = {
            **self._lived(seen, state, accepted, digest),
            "owner": owner,
            "due": row.due if row.due_by else due_scan,
            "due_scan": due_scan,
            "reopened": int(reopened),
            "opened": self._at if back else row.opened,
            "changed": self._at if steps else row.changed,
        }
        same = digest == row.digest and not steps
        if same and all(values[name] == getattr(row, name) for name in _COMPARED):
            batch.unchanged.append(row.n)
        else:
            batch.updates.append({"row_n": row.n, **_said(seen), **values})
        if digest != row.digest:
            text = {"row_n": row.n, "evidence": seen.evidence, "folded": folded(seen)}
            batch.retold.append(text)
        batch.steps += steps
        if any(step.what == "waived" for step in steps):
            self._outcome.places[seen.namespace]["waived"] += 1
        self._count("reopened" if back else "unchanged", seen.namespace)

    def _steps(
        self,
        seen: Seen,
        row: Any,
        state: Life,
        calm: Life,
        accepted: Acceptance | None,
        owner: str,
    ) -> list[Step]:
        """What is new in its life, in the order in which it is told."""
        steps: list[Step] = []
        before = row.state
        if before == Life.FIXED:
            steps.append(self._step(row.n, "reopened", before, Life.REOPENED))
            before = Life.REOPENED
        if accepted and (before != Life.WAIVED or accepted.differs(row.waiver, row.waiver_from)):
            steps.append(self._step(row.n, "waived", before, state, accepted.note))
        elif not accepted and before == Life.WAIVED:
            steps.append(self._step(row.n, "unwaived", before, calm))
        if seen.severity != row.severity:
            was, became = SEVERITIES[row.severity], SEVERITIES[seen.severity]
            steps.append(self._step(row.n, "severity", was, became))
        if owner != row.owner:
            steps.append(self._step(row.n, "owner", row.owner, owner))
        return steps

    def _missing(self, numbers: list[int], covered: Covered) -> None:
        ask = select(*LISTED).where(f.c.n.in_(numbers))
        steps: list[Step] = []
        for row in self._connection.execute(ask).all():
            found = to_finding(row, self._today)
            if in_scope(found, self._pushed) and covered(found):
                steps.append(self._step(row[0], "fixed", found.state, Life.FIXED))
                self._count("fixed", found.namespace)
            else:
                self._outcome.changes["out_of_scope"] += 1
        touch_all(
            self._connection,
            f,
            (step.finding for step in steps),
            state=Life.FIXED.value,
            live=0,
            fixed_at=self._at,
            changed=self._at,
            waiver="",
            waiver_from="",
            waived_until=NEVER,
        )
        record(self._connection, steps)

    def _write(self, batch: Batch) -> None:
        connection = self._connection
        insert_all(connection, f, batch.rows)
        insert_all(connection, finding_text, batch.texts)
        insert_all(connection, finding_search, batch.searched)
        update_all(connection, f, (*_SAID, *_LIVED), batch.updates)
        update_all(connection, finding_text, ("evidence",), batch.retold)
        update_all(connection, finding_search, ("folded",), batch.retold)
        touch_all(connection, f, batch.unchanged, last_seen=self._at, scan=self._scan)
        record(connection, batch.steps)

    def _lived(
        self, seen: Seen, state: Life, accepted: Acceptance | None, digest: int
    ) -> dict[str, Any]:
        return {
            "state": state.value,
            "live": 1,
            "owner_scan": seen.owner,
            "waiver": accepted.words if accepted else "",
            "waiver_from": accepted.origin if accepted else "",
            "waived_until": accepted.until if accepted else NEVER,
            "last_seen": self._at,
            "fixed_at": 0,
            "scan": self._scan,
            "digest": digest,
        }

    def _step(self, n: int, what: str, was: str, became: str, note: str = "") -> Step:
        return Step(n, self._at, what, str(was), str(became), self._actor, note)

    def _told(self, seen: Seen, first_seen: int, changed: int) -> Callable[[], StoredFinding]:
        """The finding as a waiver's matcher sees it, made only when one has to look."""

        def make() -> StoredFinding:
            values = {
                **_said(seen),
                "n": 0,
                "id": finding_id(self._pushed, seen.fingerprint),
                "source": self._pushed.source,
                "ref": self._pushed.ref,
                "is_default": int(self._pushed.default),
                "cluster": self._pushed.cluster,
                "fingerprint": seen.fingerprint,
                "state": Life.OPEN.value,
                "owner": seen.owner,
                "due": seen.due,
                "waiver": "",
                "waived_until": NEVER,
                "first_seen": first_seen,
                "last_seen": self._at,
                "changed": changed,
                "fixed_at": 0,
            }
            return to_finding([values[name] for name in PLACE], self._today)

        return make


_COMPARED = ("state", "waiver", "waived_until", "due", "due_scan", "owner", "owner_scan")


def finding_id(pushed: Pushed, fingerprint: str) -> str:
    """Stable over the life of a finding, whatever becomes of the store."""
    named = "\0".join((pushed.cluster, pushed.source, pushed.ref, fingerprint))
    return hashlib.sha256(named.encode()).hexdigest()[:24]


def in_scope(found: StoredFinding, pushed: Pushed) -> bool:
    """True when the run looked where this one was found."""
    folder = pushed.folder
    looked = pushed.history == "full" if found.commit else pushed.tree
    under = not folder or found.path == folder or found.path.startswith(f"{folder}/")
    return looked and under and found.domain in pushed.domains


def folded(seen: Seen) -> str:
    """What the text search looks through."""
    return "\n".join((seen.title, seen.message, seen.path, seen.label, seen.rule)).casefold()


def settle_default(connection: Connection, table: Any, pushed: Pushed) -> int:
    """One branch of a repository counts: the one that said so last. How many rows were of
    another opinion."""
    target = (table.c.cluster == pushed.cluster) & (table.c.source == pushed.source)
    default = int(pushed.default)
    own = update(table).where(target, table.c.ref == pushed.ref, table.c.is_default != default)
    changed = connection.execute(own.values(is_default=default)).rowcount
    if default:
        others = update(table).where(target, table.c.ref != pushed.ref, table.c.is_default == 1)
        changed += connection.execute(others.values(is_default=0)).rowcount
    return changed


def _said(seen: Seen) -> dict[str, Any]:
    return {name: getattr(seen, name) for name in _SAID}


def _promised(seen: Seen, row: Any, back: bool) -> str:
    """The scan's due date: it counts from each scan anew, so the earliest promise stays until
    the severity changes or the finding was away."""
    anew = back or seen.waived or seen.severity != row.severity
    if anew or NEVER in (seen.due, row.due_scan):
        return seen.due
    return min(seen.due, str(row.due_scan))
