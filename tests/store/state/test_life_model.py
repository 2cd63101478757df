"""Random pushes, waivers, people and clock steps against a model that is simple enough to be
believed: a dictionary of what is known of each finding."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from haechi.store.records import FindingFilter, Life, StoredWaiver
from haechi.store.state.state import State
from tests.store.state.made import (
    ALL,
    Clock,
    by_rule,
    found,
    means,
    open_state,
    push,
    waiver,
)

EVERY = FindingFilter(state=list(Life), other_refs=True)
LIFE = {"seen", "fixed", "reopened", "waived", "unwaived"}
THINGS = {
    "iac-a": {"rule": "r1", "path": "deploy/a.yaml"},
    "iac-b": {"rule": "r2", "path": "deploy/sub/b.yaml"},
    "iac-c": {"rule": "r1", "path": "c.yaml", "severity": "low"},
    "sec-a": {"rule": "r3", "path": "deploy/.env", "domain": "secrets"},
    "sec-past": {"rule": "r3", "path": "old/.env", "domain": "secrets", "commit": "abc"},
}
TARGETS = (("main", True), ("feature", False))
Scope = dict[str, Any]
_scopes = st.fixed_dictionaries(
    {
        "domains": st.sampled_from([("iac",), ("secrets",), ("iac", "secrets")]),
        "folder": st.sampled_from(["", "", "deploy", "deploy/sub"]),
        "tree": st.sampled_from([True, True, False]),
        "history": st.sampled_from(["full", "part", "none"]),
    }
)


@dataclass
class Known:
    """What the model knows of one finding."""

    state: str
    came_back: bool = False
    waiver: str = ""  # an id, "report" or ""
    owner: str = ""
    by_hand: bool = False


def looked_at(name: str, scope: Scope) -> bool:
    thing = THINGS[name]
    place = scope["history"] == "full" if "commit" in thing else scope["tree"]
    under = not scope["folder"] or thing["path"].startswith(scope["folder"] + "/")
    return bool(place and under and thing.get("domain", "iac") in scope["domains"])


class Lives(RuleBasedStateMachine):
    """The machine; one store for each run."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.state: State = open_state(Path(self.folder.name), self.clock)
        self.known: dict[tuple[str, str], Known] = {}
        self.waivers: dict[str, StoredWaiver] = {}

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.state.close()
            self.folder.cleanup()

    @property
    def today(self) -> dt.date:
        return self.clock.now.date()

    def active(self) -> list[StoredWaiver]:
        return [one for one in self.waivers.values() if one.expires >= self.today]

    def covering(self, name: str) -> str:
        thing = THINGS[name]
        return next((w.id for w in self.active() if w.rule in ("*", thing["rule"])), "")

    @rule(
        branch=st.sampled_from(TARGETS),
        names=st.sets(st.sampled_from(sorted(THINGS))),
        accepted=st.sets(st.sampled_from(sorted(THINGS))),
        owner=st.sampled_from(["", "@x", "@y"]),
        scope=_scopes,
    )
    def push(
        self,
        branch: tuple[str, bool],
        names: set[str],
        accepted: set[str],
        owner: str,
        scope: Scope,
    ) -> None:
        ref, default = branch
        names = {name for name in names if looked_at(name, scope)}
        items = [
            found(
                name,
                **THINGS[name],
                owner=owner or None,
                **({"state": "waived", "waiver": "w.yaml:1"} if name in accepted else {}),
            )
            for name in sorted(names)
        ]
        run = self.state.scans.receive(
            push(items, ref=ref, default=default, **scope),
            by="ci",
            covered=lambda finding: True,
            waived=by_rule,
            today=self.today,
        )
        assert run.changes == self.model_push(ref, names, accepted, owner, scope)
        live = [
            known.state in (Life.OPEN, Life.REOPENED)
            for (branch, _), known in self.known.items()
            if branch == ref
        ]
        assert sum(run.counts.values()) == sum(live)

    def model_push(
        self, ref: str, names: set[str], accepted: set[str], owner: str, scope: Scope
    ) -> dict[str, int]:
        changes = dict.fromkeys(("new", "fixed", "reopened", "unchanged", "out_of_scope"), 0)
        for name in names:
            known = self.known.get((ref, name))
            if known is None:
                known = self.known[ref, name] = Known("open")
                changes["new"] += 1
            elif known.state == Life.FIXED:
                known.came_back = True
                changes["reopened"] += 1
            else:
                changes["unchanged"] += 1
            known.waiver = "report" if name in accepted else self.covering(name)
            known.state = "waived" if known.waiver else self.calm(known)
            if not known.by_hand:
                known.owner = owner
        for (branch, name), known in self.known.items():
            if branch != ref or name in names or known.state == Life.FIXED:
                continue
            if looked_at(name, scope):
                known.state, known.waiver = "fixed", ""
                changes["fixed"] += 1
            else:
                changes["out_of_scope"] += 1
        return changes

    @staticmethod
    def calm(known: Known) -> str:
        return "reopened" if known.came_back else "open"

    @rule(
        named=st.sampled_from(["*", "r1", "r2", "r3"]), days=st.integers(min_value=0, max_value=4)
    )
    def waive(self, named: str, days: int) -> None:
        wanted = waiver(rule=named, expires=self.today + dt.timedelta(days=days))
        made = self.state.waivers.add(
            wanted, by="ana", within=ALL, matches=lambda f: means(wanted, f), today=self.today
        )
        count = 0
        for (_, name), known in self.known.items():
            fits = named in ("*", THINGS[name]["rule"])
            if fits and known.state in (Life.OPEN, Life.REOPENED):
                known.state, known.waiver = "waived", made.id
                count += 1
        assert made.count == count
        self.waivers[made.id] = made

    def release(self, ids: set[str]) -> None:
        for (_, name), known in self.known.items():
            if known.waiver in ids:
                known.waiver = self.covering(name)
                known.state = "waived" if known.waiver else self.calm(known)

    @rule(pick=st.integers(min_value=0))
    def revoke(self, pick: int) -> None:
        if active := self.active():
            chosen = active[pick % len(active)].id
            del self.waivers[chosen]
            self.state.waivers.revoke(
                chosen, by="ana", within=ALL, waived=by_rule, today=self.today
            )
            self.release({chosen})

    @rule(days=st.integers(min_value=1, max_value=3))
    def days_pass(self, days: int) -> None:
        self.clock.forward(days=days)
        ended = {id_ for id_, one in self.waivers.items() if one.expires < self.today}
        for id_ in ended:
            del self.waivers[id_]
        assert self.state.waivers.expire(today=self.today, waived=by_rule) == len(ended)
        self.release(ended)

    @rule(pick=st.integers(min_value=0), owner=st.sampled_from([None, "ana", "bo"]))
    def tend(self, pick: int, owner: str | None) -> None:
        keys = sorted(key for key, known in self.known.items() if known.by_hand or owner)
        if not keys:
            return
        key = keys[pick % len(keys)]
        ref, name = key
        ask = replace(EVERY, fingerprint=[name])
        (item,) = [
            one
            for one in self.state.findings.page(ask, within=ALL, today=self.today).items
            if one.ref == ref
        ]
        told = self.state.findings.tend(
            item.id, within=ALL, by="ana", owner=owner, today=self.today
        )
        known = self.known[key]
        known.by_hand = owner is not None
        known.owner = told.owner or "" if owner is None else owner
        assert told.owner == (known.owner or None)

    @rule()
    def reopen_the_store(self) -> None:
        self.state.close()
        self.state = open_state(Path(self.folder.name), self.clock)

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        if not hasattr(self, "state"):
            return
        page = self.state.findings.page(EVERY, within=ALL, limit=100, today=self.today)
        told = {(one.ref, one.fingerprint): one for one in page.items}
        assert told.keys() == self.known.keys()
        for key, known in self.known.items():
            item = told[key]
            assert (item.state, item.owner or "") == (known.state, known.owner), key
            waived_by = "report" if item.waiver == "w.yaml:1" else item.waiver or ""
            assert waived_by == known.waiver
            detail = self.state.findings.detail(item.id, within=ALL, today=self.today)
            replayed = ""
            for step in detail.history:
                if step.what in LIFE:
                    assert step.before == replayed
                    replayed = step.after
            assert replayed == item.state

    @invariant()
    def counts_add_up(self) -> None:
        if not hasattr(self, "state"):
            return
        total, _, facets = self.state.findings.facets(EVERY, within=ALL, today=self.today)
        states = Counter(known.state for known in self.known.values())
        assert total == len(self.known)
        assert {bucket.value: bucket.count for bucket in facets["state"]} == dict(states)
        for name, buckets in facets.items():
            assert sum(bucket.count for bucket in buckets) == total, name
        counts = Counter(known.waiver for known in self.known.values())
        for one in self.state.waivers.page(within=ALL, today=self.today).items:
            assert one.count == counts[one.id]


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=8,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
