"""What every engine behind the state has to do. A subclass brings the ``state`` fixture."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from haechi.errors import (
    Conflict,
    Forbidden,
    InputError,
    LimitExceeded,
    NotFound,
    UsageError,
)
from haechi.model.access import Reach
from haechi.model.push import PushedEdge, PushedResource, PushedRule
from haechi.model.severity import Severity
from haechi.store.records import FindingFilter, Life, Notice, Page, StoredFinding
from haechi.store.state.state import State
from tests.store.state.made import (
    ALL,
    REPOSITORY,
    SOURCE,
    START,
    TODAY,
    Clock,
    by_rule,
    covered,
    found,
    means,
    push,
    receive,
    waiver,
)

EVERY = FindingFilter(state=list(Life), other_refs=True)
SHOP = "k8s:-/apps/Deployment/shop/web"
PAY = "k8s:-/apps/Deployment/pay/api"


def life(state: State) -> dict[str, str]:
    """Fingerprint → state of all findings."""
    page = state.findings.page(EVERY, within=ALL, limit=1000, today=TODAY)
    return {one.fingerprint: one.state.value for one in page.items}


def one(state: State, fingerprint: str, *, today: dt.date = TODAY) -> StoredFinding:
    """The only finding of this fingerprint."""
    ask = replace(EVERY, fingerprint=[fingerprint])
    (item,) = state.findings.page(ask, within=ALL, today=today).items
    return item


def steps(state: State, fingerprint: str) -> list[tuple[str, str, str]]:
    """Its history."""
    id_ = one(state, fingerprint).id
    detail = state.findings.detail(id_, within=ALL, today=TODAY)
    return [(step.what, step.before, step.after) for step in detail.history]


class Lives:
    """The life of a finding over pushes."""

    def test_new_gone_and_back(self, state: State, clock: Clock) -> None:
        run = receive(state, push([found("a"), found("b")]))
        assert run.changes == {
            "new": 2,
            "fixed": 0,
            "reopened": 0,
            "unchanged": 0,
            "out_of_scope": 0,
        }
        assert run.counts["high"] == 2
        id_ = one(state, "a").id
        clock.forward(days=2)
        assert receive(state, push([found("b")])).changes["fixed"] == 1
        assert life(state) == {"a": "fixed", "b": "open"}
        assert state.findings.spans_to_fix(START, within=ALL) == [pytest.approx(2, abs=0.01)]
        clock.forward(days=1)
        run = receive(state, push([found("a"), found("b")]))
        assert (run.changes["reopened"], run.changes["unchanged"]) == (1, 1)
        back = one(state, "a")
        assert (back.state, back.id, back.fixed_at) == (Life.REOPENED, id_, None)
        assert steps(state, "a") == [
            ("seen", "", "open"),
            ("fixed", "open", "fixed"),
            ("reopened", "fixed", "reopened"),
        ]
        assert state.findings.changes(START, within=ALL) == {"seen": 2, "fixed": 1, "reopened": 1}

    @pytest.mark.parametrize(
        ("scope", "fixed"),
        [
            ({}, {"tree", "deep", "past", "secret"}),
            ({"domains": ("secrets",)}, {"past", "secret"}),
            ({"domains": ("iac",)}, {"tree", "deep"}),
            ({"folder": "deploy/deep"}, {"deep"}),
            ({"folder": "depl"}, set()),
            ({"history": "part"}, {"tree", "deep", "secret"}),
            ({"history": "none"}, {"tree", "deep", "secret"}),
            ({"tree": False}, {"past"}),
            ({"ref": "feature"}, set()),
            ({"cluster": "prod"}, set()),
            ({"repository": "https://git.example/acme/other"}, set()),
        ],
    )
    def test_only_what_was_looked_at_is_fixed(
        self, state: State, scope: dict[str, Any], fixed: set[str]
    ) -> None:
        before = [
            found("tree"),
            found("deep", path="deploy/deep/a.yaml"),
            found("past", domain="secrets", commit="abc", path="old.env"),
            found("secret", domain="secrets", path=".env"),
        ]
        receive(state, push(before))
        run = receive(state, push([], **scope))
        assert {name for name, now in life(state).items() if now == "fixed"} == fixed
        assert run.changes["fixed"] == len(fixed)

    def test_what_the_caller_did_not_cover_stays(self, state: State) -> None:
        receive(state, push([found("a"), found("b", rule="other")]))
        state.scans.receive(
            push([]),
            by="token:ci",
            covered=lambda finding: finding.rule == "other",
            waived=by_rule,
            today=TODAY,
        )
        assert life(state) == {"a": "open", "b": "fixed"}

    def test_the_report_waives_and_takes_back(self, state: State) -> None:
        accepted = {
            "rule": "k8s-privileged",
            "origin": "file",
            "location": {"path": "haechi.waivers.yaml", "line": 3},
            "reason": "until the console can do it",
            "expires": "2027-01-31",
        }
        waived = found("a", state="waived", waiver="haechi.waivers.yaml:3", due="2027-01-31")
        run = receive(state, push([waived], waivers=[accepted]))
        assert run.counts["high"] == 0
        item = one(state, "a")
        assert item.waiver == "haechi.waivers.yaml:3: until the console can do it"
        assert item.waived_until == dt.date(2027, 1, 31)
        receive(state, push([waived], waivers=[accepted]))
        receive(state, push([found("a")]))
        assert steps(state, "a") == [
            ("seen", "", "open"),
            ("waived", "open", "waived"),
            ("unwaived", "waived", "open"),
        ]

    @pytest.mark.parametrize("gate", ["known", "new", "open"])
    def test_states_of_the_gate_are_open(self, state: State, gate: str) -> None:
        receive(state, push([found("a", state=gate)]))
        assert life(state) == {"a": "open"}

    def test_a_change_of_severity_is_recorded(self, state: State) -> None:
        receive(state, push([found("a", due="2026-12-01")]))
        receive(state, push([found("a", severity="critical", due="2026-11-25")]))
        item = one(state, "a")
        assert (item.severity, item.due) == (Severity.CRITICAL, dt.date(2026, 11, 25))
        assert steps(state, "a")[-1] == ("severity", "high", "critical")

    def test_the_first_due_date_stays_while_scans_promise_later_ones(self, state: State) -> None:
        receive(state, push([found("a", due="2026-12-01")]))
        receive(state, push([found("a", due="2026-12-05")]))
        assert one(state, "a").due == dt.date(2026, 12, 1)

    def test_equal_fingerprints_in_one_push_are_told_apart(self, state: State) -> None:
        twice = [found("a"), found("a", title="another"), found("a~2"), found("a")]
        for _ in range(2):
            run = receive(state, push(twice))
        assert set(life(state)) == {"a", "a~2", "a~2~2", "a~3"}
        assert run.changes["unchanged"] == 4

    def test_a_branch_does_not_count_until_it_is_the_default(self, state: State) -> None:
        receive(state, push([found("a")]))
        receive(state, push([found("a"), found("b")], ref="feature", default=False))
        ask = FindingFilter()
        assert len(state.findings.page(ask, within=ALL, today=TODAY).items) == 1
        assert len(state.findings.page(EVERY, within=ALL, today=TODAY).items) == 3
        receive(state, push([found("a"), found("b")], ref="feature", default=True))
        page = state.findings.page(ask, within=ALL, today=TODAY)
        assert {(item.ref, item.fingerprint) for item in page.items} == {
            ("feature", "a"),
            ("feature", "b"),
        }
        assert [run.ref for run in state.scans.latest(within=ALL)] == ["feature"]


class Hostile:
    """Pushes that nobody honest sends."""

    @pytest.mark.parametrize(
        ("finding", "where"),
        [
            (found("a", severity="worst"), "report.findings[1].severity"),
            (found(""), "report.findings[1].fingerprint"),
            (found("x" * 5000), "report.findings[1].fingerprint"),
            (found("a", due="tomorrow"), "report.findings[1].due"),
            (found("a", cwe="CWE-1"), "report.findings[1].cwe"),
            (found("a", location={"path": "a", "line": -1}), "report.findings[1].location.line"),
            ("no finding", "report.findings[1]"),
        ],
    )
    def test_what_is_wrong_is_refused_with_its_place(
        self, state: State, finding: Any, where: str
    ) -> None:
        with pytest.raises(InputError) as refused:
            receive(state, push([found("fine"), finding]))
        assert refused.value.where == where
        assert life(state) == {}

    def test_another_schema_is_refused(self, state: State) -> None:
        with pytest.raises(InputError, match="other/9"):
            receive(state, push([], schema="other/9"))

    def test_unfit_text_is_replaced_and_found_again(self, state: State) -> None:
        odd = found("a\0b", title="nul \0 and \ud800 alone", message="x" * 100_000)
        odd["evidence"] = {"k\0": ["\udfff", {"n": 2**70}], "big": "y" * 100_000}
        odd["tags"] = ['"; DROP TABLE finding; --', "%", "\0"]
        for _ in range(2):
            receive(state, push([odd]))
        (item,) = state.findings.page(FindingFilter(), within=ALL, today=TODAY).items
        assert item.title == "nul ␀ and � alone"
        assert item.fingerprint == "a␀b"
        assert len(item.message) == 4_000
        assert "left_out" in state.findings.detail(item.id, within=ALL, today=TODAY).evidence
        hits = state.findings.page(FindingFilter(text="nul \0 AND"), within=ALL, today=TODAY)
        assert len(hits.items) == 1
        tagged = FindingFilter(tag=['"; DROP TABLE finding; --'])
        assert len(state.findings.page(tagged, within=ALL, today=TODAY).items) == 1

    def test_a_severity_of_a_rule_and_keys_are_checked(self, state: State) -> None:
        rule = PushedRule(id="r", title="t", severity="bad")
        with pytest.raises(InputError) as refused:
            receive(state, push(rules=[rule]))
        assert refused.value.where == "rules[0].severity"
        thing = PushedResource(key="k" * 3000, kind="Pod", name="x")
        with pytest.raises(LimitExceeded) as long:
            receive(state, push(resources=[thing]))
        assert long.value.where == "resources[0].key"


class Lists:
    """Pages, facets, groups."""

    @pytest.fixture
    def many(self, state: State) -> State:
        severities = list(Severity)
        items = [
            found(
                f"f{n:03}",
                severity=severities[n % 5].value,
                rule=f"rule-{n % 7}",
                path=f"dir{n % 3}/file{n}.yaml",
                owner=f"@team{n % 2}" if n % 4 else None,
                due=f"2026-11-{10 + n % 20}" if n % 3 else None,
                resource=PAY if n % 2 else SHOP,
                title=f"Title {n} {'Ünïcode' if n == 5 else ''}",
                tags=["odd"] if n % 2 else [],
            )
            for n in range(103)
        ]
        receive(state, push(items))
        return state

    @pytest.mark.parametrize("turn", ["", "-"])
    @pytest.mark.parametrize(
        ("sort", "key"),
        [
            ("severity", lambda f: (f.severity.rank, f.due or dt.date.max)),
            ("due", lambda f: (f.due or dt.date.max, f.severity.rank)),
            ("changed", lambda f: f.changed),
            ("first_seen", lambda f: f.first_seen),
            ("rule", lambda f: (f.rule, f.severity.rank)),
            ("path", lambda f: (f.path, f.line)),
        ],
    )
    def test_pages_join_to_the_whole_in_order(
        self, many: State, sort: str, key: Callable[[StoredFinding], Any], turn: str
    ) -> None:
        items: list[StoredFinding] = []
        cursor: str | None = None
        ask = FindingFilter()
        while True:
            page: Page[StoredFinding] = many.findings.page(
                ask, within=ALL, sort=turn + sort, limit=10, cursor=cursor, today=TODAY
            )
            assert page.total == (103 if cursor is None else None)
            items += page.items
            cursor = page.next
            if cursor is None:
                break
        assert len({item.id for item in items}) == 103
        assert [key(item) for item in items] == sorted(map(key, items), reverse=bool(turn))
        every = list(many.findings.each(ask, within=ALL, sort=turn + sort, today=TODAY))
        assert [item.id for item in every] == [item.id for item in items]

    @pytest.mark.parametrize(
        ("ask", "keep"),
        [
            (FindingFilter(severity=[Severity.HIGH]), lambda f: f.severity == "high"),
            (FindingFilter(rule=["rule-1", "rule-2"]), lambda f: f.rule in ("rule-1", "rule-2")),
            (FindingFilter(owner=[""]), lambda f: f.owner is None),
            (FindingFilter(owner=["", "@team1"]), lambda f: f.owner in (None, "@team1")),
            (FindingFilter(path="dir1/"), lambda f: f.path.startswith("dir1/")),
            (FindingFilter(path="DIR1/"), lambda f: False),
            (FindingFilter(text="ÜNÏCODE"), lambda f: "Ünïcode" in f.title),
            (FindingFilter(text="title 10"), lambda f: "Title 10" in f.title),
            (FindingFilter(text="%"), lambda f: False),
            (FindingFilter(tag=["odd"]), lambda f: "odd" in f.tags),
            (FindingFilter(namespace=["pay"]), lambda f: f.namespace == "pay"),
            (FindingFilter(resource=[SHOP]), lambda f: f.resource == SHOP),
            (FindingFilter(overdue=True), lambda f: f.due is not None and f.due < TODAY),
            (FindingFilter(overdue=False), lambda f: f.due is None or f.due >= TODAY),
            (FindingFilter(state=[Life.FIXED]), lambda f: False),
            (FindingFilter(source=["repo:other"]), lambda f: False),
            (FindingFilter(fingerprint=["f001"]), lambda f: f.fingerprint == "f001"),
        ],
    )
    def test_filters(
        self, many: State, ask: FindingFilter, keep: Callable[[StoredFinding], bool]
    ) -> None:
        whole = many.findings.page(FindingFilter(), within=ALL, limit=1000, today=TODAY).items
        page = many.findings.page(ask, within=ALL, limit=1000, today=TODAY)
        assert {item.id for item in page.items} == {item.id for item in whole if keep(item)}
        total, overdue, _ = many.findings.facets(ask, within=ALL, today=TODAY)
        assert total == len(page.items)
        assert overdue == sum(item.overdue for item in page.items)

    def test_each_facet_ignores_its_own_part(self, many: State) -> None:
        whole = many.findings.page(FindingFilter(), within=ALL, limit=1000, today=TODAY).items
        ask = FindingFilter(severity=[Severity.HIGH], rule=["rule-1", "rule-3"])
        total, _, facets = many.findings.facets(ask, within=ALL, today=TODAY)
        by_name = {
            name: {bucket.value: bucket.count for bucket in buckets}
            for name, buckets in facets.items()
        }
        narrowed = [f for f in whole if f.severity == "high" and f.rule in ask.rule]
        assert total == len(narrowed) > 0
        assert sum(by_name["owner"].values()) == total
        assert by_name["severity"]["low"] == sum(
            f.severity == "low" and f.rule in ask.rule for f in whole
        )
        assert by_name["rule"]["rule-0"] == sum(
            f.severity == "high" and f.rule == "rule-0" for f in whole
        )
        assert list(by_name["severity"]) == [s.value for s in Severity if s in by_name["severity"]]
        assert by_name["state"] == {"open": total}

    def test_counts_follow_a_change(self, many: State) -> None:
        ask = FindingFilter(owner=["ana"])
        assert many.findings.facets(ask, within=ALL, today=TODAY)[0] == 0
        many.findings.tend(one(many, "f001").id, within=ALL, by="u", owner="ana", today=TODAY)
        assert many.findings.facets(ask, within=ALL, today=TODAY)[0] == 1

    @pytest.mark.parametrize("by", ["rule", "resource", "path", "owner", "source", "namespace"])
    def test_groups_join_to_the_whole(self, many: State, by: str) -> None:
        counts: dict[str, int] = {}
        order = []
        cursor: str | None = None
        while True:
            page = many.findings.groups(
                by, FindingFilter(), within=ALL, limit=4, cursor=cursor, today=TODAY
            )
            for bucket in page.items:
                assert bucket.worst is not None
                counts[bucket.value] = bucket.count
                order.append((bucket.worst.rank, -bucket.count, bucket.value))
            cursor = page.next
            if cursor is None:
                break
        assert sum(counts.values()) == 103
        assert order == sorted(order)

    def test_a_foreign_or_broken_cursor_is_refused(self, many: State) -> None:
        first = many.findings.page(FindingFilter(), within=ALL, limit=5, today=TODAY)
        assert first.next
        turned = first.next[:-2] + ("AA" if first.next[-2:] != "AA" else "BB")
        for cursor, ask, sort in [
            (turned, FindingFilter(), ""),
            ("", FindingFilter(), ""),
            ("é" * 10, FindingFilter(), ""),
            ("x" * 100_000, FindingFilter(), ""),
            (first.next, FindingFilter(rule=["rule-1"]), ""),
            (first.next, FindingFilter(), "due"),
        ]:
            with pytest.raises(UsageError, match="cursor"):
                many.findings.page(ask, within=ALL, sort=sort, cursor=cursor, today=TODAY)

    def test_an_unknown_order_or_group_is_refused(self, state: State) -> None:
        with pytest.raises(UsageError, match="no order"):
            state.findings.page(FindingFilter(), within=ALL, sort="id; --", today=TODAY)
        with pytest.raises(UsageError, match="grouped"):
            state.findings.groups("message", FindingFilter(), within=ALL, today=TODAY)
        with pytest.raises(LimitExceeded):
            many = FindingFilter(rule=["x"] * 6000)
            state.findings.page(many, within=ALL, today=TODAY)


class Within:
    """What is out of reach does not exist."""

    REACHES: tuple[tuple[tuple[Reach, ...], set[tuple[str, str]]], ...] = (
        ((), set()),
        ((Reach(cluster="prod", namespace="shop"),), {("prod", "shop")}),
        ((Reach(cluster="prod"),), {("prod", "shop"), ("prod", "pay")}),
        ((Reach(namespace="pay"),), {("prod", "pay"), ("dev", "pay")}),
        (
            (Reach(cluster="dev", namespace="pay"), Reach(cluster="prod", namespace="shop")),
            {("dev", "pay"), ("prod", "shop")},
        ),
        ((Reach(cluster="none"),), set()),
    )

    @pytest.fixture
    def places(self, state: State) -> State:
        for cluster in ("prod", "dev"):
            things = [
                PushedResource(key=key, kind="Deployment", name="d", namespace=key.split("/")[3])
                for key in (SHOP, PAY)
            ]
            items = [found(f"{cluster}-{key}", resource=key) for key in (SHOP, PAY)]
            receive(state, push(items, cluster=cluster, resources=things))
        return state

    @pytest.mark.parametrize(("within", "seen"), REACHES)
    def test_lists_counts_and_details(
        self, places: State, within: tuple[Reach, ...], seen: set[tuple[str, str]]
    ) -> None:
        findings = places.findings
        whole = findings.page(FindingFilter(), within=ALL, today=TODAY).items
        assert len(whole) == 4
        page = findings.page(FindingFilter(), within=within, today=TODAY)
        assert {(item.cluster, item.namespace) for item in page.items} == seen
        total, _, facets = findings.facets(FindingFilter(), within=within, today=TODAY)
        assert total == len(seen)
        assert {bucket.value for bucket in facets["cluster"]} == {cluster for cluster, _ in seen}
        groups = findings.groups("namespace", FindingFilter(), within=within, today=TODAY)
        assert sum(bucket.count for bucket in groups.items) == len(seen)
        assert findings.changes(START, within=within).get("seen", 0) == len(seen)
        assert sum(b.count for b in places.resources.kinds(within=within)) == len(seen)
        things = places.resources.page(within=within).items
        assert {(thing.cluster, thing.namespace) for thing in things} == seen
        for item in whole:
            if (item.cluster, item.namespace) in seen:
                assert findings.detail(item.id, within=within, today=TODAY).finding == item
                continue
            with pytest.raises(NotFound):
                findings.detail(item.id, within=within, today=TODAY)
            with pytest.raises(NotFound):
                findings.tend(item.id, within=within, by="x", owner="y", today=TODAY)
            with pytest.raises(NotFound):
                places.resources.detail(item.resource, item.cluster, within=within)

    def test_scans_and_sources_belong_to_clusters(self, places: State) -> None:
        whole, part = (Reach(cluster="prod"),), (Reach(cluster="prod", namespace="shop"),)
        assert [run.cluster for run in places.scans.page(within=whole).items] == ["prod"]
        assert [run.cluster for run in places.scans.latest(within=whole)] == ["prod"]
        assert [one.detail["cluster"] for one in places.sources.all(within=whole)] == ["prod"]
        assert places.scans.page(within=part).items == []
        assert places.sources.all(within=part) == []
        (other,) = places.scans.page(within=(Reach(cluster="dev"),)).items
        with pytest.raises(NotFound):
            places.scans.detail(other.id, within=whole)
        assert places.scans.detail(other.id, within=ALL) == other

    def test_a_waiver_stays_within_its_reach_and_its_givers(self, places: State) -> None:
        prod = (Reach(cluster="prod"),)
        with pytest.raises(Forbidden):
            places.waivers.add(waiver(), by="u", within=prod, matches=lambda f: True, today=TODAY)
        given = places.waivers.add(
            waiver(reach=prod[0]), by="u", within=prod, matches=lambda f: True, today=TODAY
        )
        assert given.count == 2
        page = places.findings.page(FindingFilter(), within=ALL, today=TODAY).items
        assert {f.cluster for f in page if f.state is Life.WAIVED} == {"prod"}
        dev = (Reach(cluster="dev"),)
        assert places.waivers.page(within=dev, today=TODAY).items == []
        with pytest.raises(NotFound):
            places.waivers.revoke(given.id, by="u", within=dev)


class Tending:
    """A person's word."""

    def test_it_stays_over_pushes_until_it_is_taken_away(self, state: State) -> None:
        receive(state, push([found("a", owner="@scan", due="2026-12-01")]))
        id_ = one(state, "a").id
        soon = dt.date(2026, 11, 20)
        tended = state.findings.tend(
            id_, within=ALL, by="user:ana", owner="ana", due=soon, today=TODAY
        )
        assert (tended.owner, tended.due, tended.overdue) == ("ana", soon, True)
        receive(state, push([found("a", owner="@other", due="2026-12-24")]))
        item = one(state, "a")
        assert (item.owner, item.due) == ("ana", soon)
        receive(state, push([]))
        receive(state, push([found("a", owner="@other", due="2026-12-24")]))
        assert (one(state, "a").owner, one(state, "a").due) == ("ana", soon)
        back = state.findings.tend(
            id_, within=ALL, by="user:ana", owner=None, due=None, today=TODAY
        )
        assert (back.owner, back.due) == ("@other", dt.date(2026, 12, 24))
        whats = [what for what, _, _ in steps(state, "a")]
        assert whats == ["seen", "owner", "due", "fixed", "reopened", "owner", "due"]

    def test_what_is_not_named_stays(self, state: State) -> None:
        receive(state, push([found("a", owner="@scan", due="2026-12-01")]))
        id_ = one(state, "a").id
        state.findings.tend(id_, within=ALL, by="u", owner="ana", today=TODAY)
        assert one(state, "a").due == dt.date(2026, 12, 1)
        state.findings.tend(id_, within=ALL, by="u", today=TODAY)
        assert one(state, "a").owner == "ana"


class Waiving:
    """Waivers of the store."""

    def test_given_kept_over_pushes_and_revoked(self, state: State) -> None:
        receive(state, push([found("a"), found("b", rule="other")]))
        given = waiver(rule="k8s-privileged")
        made = state.waivers.add(
            given, by="user:ana", within=ALL, matches=lambda f: means(given, f), today=TODAY
        )
        assert (made.count, made.created_by, made.state) == (1, "user:ana", "active")
        assert life(state) == {"a": "waived", "b": "open"}
        receive(state, push([found("a"), found("b", rule="other"), found("c")]))
        assert life(state) == {"a": "waived", "b": "open", "c": "waived"}
        (listed,) = state.waivers.page(within=ALL, today=TODAY).items
        assert (listed.id, listed.count) == (made.id, 2)
        done = state.waivers.revoke(made.id, by="user:bo", within=ALL)
        assert (done.state, done.revoked_by, done.count) == ("revoked", "user:bo", 0)
        assert life(state) == {"a": "open", "b": "open", "c": "open"}
        assert steps(state, "a")[-1] == ("unwaived", "waived", "open")
        with pytest.raises(Conflict):
            state.waivers.revoke(made.id, by="user:bo", within=ALL)
        assert state.waivers.active(today=TODAY) == []

    def test_the_clock_ends_it(self, state: State) -> None:
        receive(state, push([found("a")]))
        last = TODAY + dt.timedelta(days=3)
        state.waivers.add(
            waiver(expires=last), by="u", within=ALL, matches=lambda f: True, today=TODAY
        )
        assert one(state, "a").waived_until == last
        assert state.waivers.expire(today=last) == 0
        after = last + dt.timedelta(days=1)
        assert state.waivers.expire(today=after) == 1
        assert state.waivers.expire(today=after) == 0
        assert life(state) == {"a": "open"}
        assert [w.state for w in state.waivers.page(within=ALL, today=after).items] == ["expired"]

    def test_another_one_takes_over(self, state: State) -> None:
        receive(state, push([found("a")]))
        ids = [
            state.waivers.add(waiver(), by="u", within=ALL, matches=lambda f: True, today=TODAY).id
            for _ in range(2)
        ]
        assert one(state, "a").waiver == ids[0]
        state.waivers.revoke(ids[0], by="u", within=ALL, waived=by_rule)
        assert (one(state, "a").waiver, life(state)["a"]) == (ids[1], "waived")

    def test_a_finding_that_came_back_is_reopened_again_when_it_ends(self, state: State) -> None:
        for items in ([found("a")], [], [found("a")]):
            receive(state, push(items))
        made = state.waivers.add(waiver(), by="u", within=ALL, matches=lambda f: True, today=TODAY)
        state.waivers.revoke(made.id, by="u", within=ALL)
        assert life(state) == {"a": "reopened"}

    def test_a_fixed_finding_is_not_waived(self, state: State) -> None:
        receive(state, push([found("a")]))
        receive(state, push([]))
        made = state.waivers.add(waiver(), by="u", within=ALL, matches=lambda f: True, today=TODAY)
        assert (made.count, life(state)) == (0, {"a": "fixed"})

    def test_what_cannot_be_given(self, state: State) -> None:
        def give(**values: Any) -> None:
            state.waivers.add(
                waiver(**values), by="u", within=ALL, matches=lambda f: True, today=TODAY
            )

        give(id="w-1")
        with pytest.raises(Conflict):
            give(id="w-1")
        with pytest.raises(InputError):
            give(id="../x")
        with pytest.raises(InputError):
            give(expires=TODAY - dt.timedelta(days=1))
        with pytest.raises(LimitExceeded):
            give(fingerprints=["x"] * 6000)
        assert len(state.waivers.page(within=ALL, today=TODAY).items) == 1


class World:
    """Resources, edges, sources, rules."""

    HOME = SOURCE
    FILE = "file:-/deploy/web.yaml"
    KNOWN = "file:https%3A%2F%2Fgit.example%2Facme%2Fshop/deploy/web.yaml"
    IMAGE = "image:nginx:1"

    def _world(self) -> tuple[list[PushedResource], list[PushedEdge]]:
        things = [
            PushedResource(key=self.HOME, kind="repository", name=REPOSITORY),
            PushedResource(key=self.FILE, kind="file", name="deploy/web.yaml"),
            PushedResource(
                key=SHOP,
                kind="Deployment",
                name="web",
                namespace="shop",
                file="deploy/web.yaml",
                line=3,
                attributes={"replicas": 2, "images": ["nginx:1"]},
            ),
            PushedResource(key=self.IMAGE, kind="image", name="nginx:1"),
        ]
        links = [(self.HOME, "declares", self.FILE), (self.FILE, "declares", SHOP)]
        links += [(SHOP, "runs", self.IMAGE)]
        return things, [PushedEdge(src=a, kind=kind, dst=b) for a, kind, b in links]

    def test_everything_known_of_one(self, state: State) -> None:
        things, edges = self._world()
        for _ in range(2):
            receive(state, push([found("a")], resources=things, edges=edges))
        detail = state.resources.detail(SHOP, "-", within=ALL)
        assert detail.resource.counts == {"high": 1}
        assert {fact.key: fact.value for fact in detail.attributes} == {
            "replicas": 2,
            "images": ["nginx:1"],
        }
        assert [(e.kind, e.dst, e.label) for e in detail.out] == [
            ("runs", self.IMAGE, "image nginx:1")
        ]
        assert [(e.kind, e.src) for e in detail.into] == [("declares", self.KNOWN)]
        assert {thing.key for thing in detail.around} == {self.KNOWN, self.IMAGE}
        assert detail.lineage == [self.HOME, self.KNOWN, SHOP]
        image = state.resources.detail(self.IMAGE, "-", within=ALL)
        assert image.lineage == [self.HOME, self.KNOWN, SHOP, self.IMAGE]

    def test_what_a_whole_scan_no_longer_has_is_gone(self, state: State) -> None:
        things, edges = self._world()
        receive(state, push(resources=things, edges=edges))
        receive(state, push(resources=things[:2], edges=edges[:1], folder="docs"))
        assert len(state.resources.page(within=ALL).items) == 4
        receive(state, push(resources=things[:2], edges=edges[:1]))
        page = state.resources.page(within=ALL)
        assert ({r.kind for r in page.items}, page.total) == ({"repository", "file"}, 2)
        gone = state.resources.detail(SHOP, "-", within=ALL)
        assert (gone.resource.gone, gone.into, gone.out) == (True, [], [])
        receive(state, push(resources=things, edges=edges))
        assert not state.resources.detail(SHOP, "-", within=ALL).resource.gone

    def test_pages_kinds_and_words(self, state: State) -> None:
        things = [
            PushedResource(key=f"image:i{n}", kind="image", name=f"I{n:02}") for n in range(25)
        ]
        receive(state, push(resources=things))
        assert [(b.value, b.count) for b in state.resources.kinds(within=ALL)] == [("image", 25)]
        names = []
        cursor: str | None = None
        while True:
            page = state.resources.page(within=ALL, kind="image", limit=10, cursor=cursor)
            names += [thing.name for thing in page.items]
            cursor = page.next
            if cursor is None:
                break
        assert names == sorted(thing.name for thing in things)
        assert [r.name for r in state.resources.page(within=ALL, text="i07").items] == ["I07"]
        assert state.resources.page(within=ALL, text="%").items == []

    def test_a_ring_of_edges_ends(self, state: State) -> None:
        keys = [f"image:{n}" for n in range(6)]
        things = [PushedResource(key=key, kind="image", name=key) for key in keys]
        ring = [
            PushedEdge(src=a, kind="from", dst=b)
            for a, b in zip(keys, keys[1:] + keys[:1], strict=True)
        ]
        receive(state, push(resources=things, edges=ring))
        assert state.resources.detail(keys[0], "-", within=ALL).lineage == [keys[0]]

    def test_sources_age(self, state: State, clock: Clock) -> None:
        gap = {"kind": "helm-chart", "path": "c", "reason": "no helm", "do": "", "accepted": False}
        receive(state, push(coverage={"gaps": [gap, {**gap, "accepted": True}]}))
        state.sources.heard("falco", kind="events", name="falco", at=clock(), detail={})
        (repo, events) = state.sources.all(within=ALL)
        assert (repo.id, repo.kind, repo.state, repo.gaps) == (SOURCE, "repository", "gaps", 1)
        assert (events.kind, events.state) == ("events", "fresh")
        clock.forward(days=8)
        assert [one.state for one in state.sources.all(within=ALL)] == ["stale", "silent"]
        receive(state, push())
        assert state.sources.all(within=ALL)[0].state == "fresh"

    def test_made_up_streams_are_bounded_and_leave_again(self, state: State, clock: Clock) -> None:
        state.sources.streams_heard(((f"s{n}", "-") for n in range(1_500)), clock())
        state.write(lambda _: None)  # what was noted before is written
        assert len(state.sources.all(within=ALL)) == 1_000
        state.sources.streams_heard([("falco", "-")], clock())
        assert "falco" not in {one.name for one in state.sources.all(within=ALL)}
        clock.forward(days=91)
        assert state.tidy()["streams"] == 1_000
        state.sources.streams_heard([("falco", "-")], clock())
        assert [one.name for one in state.sources.all(within=ALL)] == ["falco"]

    def test_words_of_rules(self, state: State) -> None:
        own = PushedRule(id="own", title="Own", severity="low", why="w", fix="f")
        receive(state, push(rules=[own]))
        receive(state, push(rules=[replace(own, title="Newer")]))
        assert state.scans.rules() == {"own": replace(own, title="Newer")}

    def test_old_scans_lose_their_words_and_go(
        self, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("haechi.store.state.retention.KEEP_RUNS", 5)
        monkeypatch.setattr("haechi.store.state.retention.KEEP_WORDS", 2)
        for _ in range(8):
            receive(state, push(summary={"answer": "clean", "risks": [{"score": 1.0}]}))
        runs = state.scans.page(within=ALL).items
        assert [len(run.risks) for run in runs] == [1, 1, 0, 0, 0]
        assert [bool(run.coverage) for run in runs] == [True, True, False, False, False]
        part = state.scans.page(within=ALL, limit=2)
        rest = state.scans.page(within=ALL, limit=2, cursor=part.next)
        assert [r.id for r in (*part.items, *rest.items)] == [run.id for run in runs[:4]]

    def test_what_is_over_its_time_is_forgotten(self, state: State, clock: Clock) -> None:
        receive(state, push([found("a"), found("b")]))
        receive(state, push([found("x")], ref="old", default=False))
        receive(state, push([found("b")]))
        clock.forward(days=400)
        receive(state, push([found("b"), found("c")]))
        state.tidy()
        assert life(state) == {"b": "open", "c": "open"}
        assert steps(state, "b") == [("seen", "", "open")]
        assert [run.ref for run in state.scans.page(within=ALL).items].count("old") == 0


class Telling:
    """Notices and records."""

    def test_notices_come_after_the_commit_and_name_the_place(self, state: State) -> None:
        heard: list[tuple[Notice, int]] = []
        stop = state.subscribe(lambda notice: heard.append((notice, state.generation)))
        before = state.generation
        receive(state, push([found("a", resource=PAY)], cluster="prod"))
        topics = {(n.topic, n.cluster, n.namespace) for n, _ in heard}
        assert topics == {("scan", "prod", "-"), ("finding", "prod", "pay")}
        assert all(generation > before for _, generation in heard)
        stop()
        receive(state, push([]))
        assert len(heard) == 2

    def test_a_listener_that_fails_harms_nobody(self, state: State) -> None:
        heard: list[Notice] = []

        def fail(_notice: Notice) -> None:
            raise ValueError("a listener's fault")

        state.subscribe(fail)
        state.subscribe(heard.append)
        receive(state, push([found("a")]))
        assert heard

    def test_many_threads_write_and_read(self, state: State) -> None:
        receive(state, push([found(f"f{n}") for n in range(8)]))
        ids = [f.id for f in state.findings.page(FindingFilter(), within=ALL, today=TODAY).items]
        errors: list[BaseException] = []

        def work(id_: str) -> None:
            try:
                for n in range(5):
                    state.findings.tend(id_, within=ALL, by="u", owner=f"o{n}", today=TODAY)
                    state.findings.page(FindingFilter(), within=ALL, today=TODAY)
            except BaseException as error:  # noqa: BLE001  told by the test
                errors.append(error)

        threads = [threading.Thread(target=work, args=(id_,)) for id_ in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        page = state.findings.page(FindingFilter(owner=["o4"]), within=ALL, today=TODAY)
        assert len(page.items) == 8


class Contract(Lives, Hostile, Lists, Within, Tending, Waiving, World, Telling):
    """All of it."""


__all__ = ["Contract", "covered"]
