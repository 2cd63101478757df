"""The state: one object over the parts, which share one database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from haechi.errors import StoreError
from haechi.store.records import Notice
from haechi.store.state.access import Access
from haechi.store.state.actions import Actions
from haechi.store.state.admission_counts import AdmissionCounts
from haechi.store.state.advisories import AdvisoryRecords
from haechi.store.state.alerts import Alerts
from haechi.store.state.bills import Bills
from haechi.store.state.decisions import Decisions
from haechi.store.state.engine import Clock, Database, Transaction
from haechi.store.state.feeds import Feeds
from haechi.store.state.findings import Findings
from haechi.store.state.incidents import Incidents, settle
from haechi.store.state.objects import Objects
from haechi.store.state.open import prepare
from haechi.store.state.outbox import AuditSink
from haechi.store.state.policy_infos import PolicyInfos
from haechi.store.state.policy_states import PolicyStates
from haechi.store.state.profiles import Profiles
from haechi.store.state.proposals import Proposals
from haechi.store.state.resources import Resources
from haechi.store.state.retention import forget
from haechi.store.state.runtime_rules import RuntimeRules
from haechi.store.state.scans import Scans
from haechi.store.state.sources import Sources
from haechi.store.state.sqlite import explained, refresh_statistics
from haechi.store.state.times import utc_now
from haechi.store.state.waivers import Waivers

T = TypeVar("T")


class State:
    """Sync and thread-safe. ``opened`` says what opening did: made, migrated or none."""

    def __init__(self, file: Path, *, backups: Path, clock: Clock = utc_now) -> None:
        """Open or make ``file``; before a migration a copy goes to ``backups``."""
        self.opened = prepare(file, backups=backups)
        with explained(file):
            self._database = Database(file, clock=clock)
        database = self._database
        self.findings = Findings(database)
        self.scans = Scans(database)
        self.waivers = Waivers(database)
        self.resources = Resources(database)
        self.sources = Sources(database, clock)
        self.access = Access(database)
        self.rules = RuntimeRules(database)
        self.actions = Actions(database)
        self.feeds = Feeds(database, clock)
        self.objects = Objects(database)
        self.profiles = Profiles(database)
        self.incidents = Incidents(database)
        self.alerts = Alerts(database)
        self.decisions = Decisions(database)
        self.admissions = AdmissionCounts(database)
        self.policies = PolicyInfos(database)
        self.policy_states = PolicyStates(database)
        self.bills = Bills(database)
        self.advisories = AdvisoryRecords(database)
        self.proposals = Proposals(database)

    @property
    def generation(self) -> int:
        """Goes up with every commit: a key for what is remembered between questions."""
        return self._database.generation

    @property
    def audit_waits(self) -> bool:
        """True while records wait for the signed log."""
        return self._database.outbox.waiting

    def read(self) -> AbstractContextManager[Connection]:
        """A read-only connection that sees one moment."""
        return self._database.read()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in the writer's thread; it may be run twice and must only change the
        database. The answer comes when it is durable. StoreFull: nothing of it was kept."""
        return self._database.write(work)

    @property
    def database(self) -> Database:
        """For works that span several parts."""
        return self._database

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Call after commits, from the writer's thread; the answer ends it."""
        return self._database.subscribe(listener)

    def attach(self, sink: AuditSink) -> None:
        """Give records to this log, from now on and those that wait."""
        self._database.attach(sink)

    def tidy(self) -> dict[str, int]:
        """The daily job: forget what is over its time, refresh the planner's figures."""

        def work(transaction: Transaction) -> dict[str, int]:
            counts = forget(transaction.connection, transaction.now)
            counts["quiet incidents"] = settle(transaction)
            refresh_statistics(transaction.connection)
            return counts

        return self.write(work)

    def close(self) -> None:
        """Write what is noted and close; idempotent."""
        if not self._database.closed:
            self.sources.flush()
            with suppress(StoreError):  # figures alone: nothing that was acknowledged
                self.feeds.flush()
        self._database.close()
