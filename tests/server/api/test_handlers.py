"""Handlers over a store that a push filled: what they check, narrow and put together."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import Forbidden, NotFound, UsageError
from haechi.model.access import Principal, Reach, Role
from haechi.model.event import Event
from haechi.model.push import PushedRule
from haechi.model.severity import Severity
from haechi.server.shapes import FindingPatch, WaiverRequest
from haechi.store.records import Life, StoredFinding
from tests.server.api.rig import DAY, HOUR, SOURCE, Rig, principal, pushed
from tests.server.work.stored import push as plain_push
from tests.trees import POD, scan

RULE = "k8s-privileged"
OTHER = POD.replace("namespace: shop", "namespace: billing")


@pytest.fixture
def filled(api: Rig, tmp_path: Path) -> Rig:
    """A repository with the same pod in two namespaces."""
    root = tmp_path / "project"
    root.mkdir()
    api.push(pushed(scan(root, {"shop/pod.yaml": POD, "billing/pod.yaml": OTHER})))
    return api


def request(api: Rig, **more: Any) -> WaiverRequest:
    values = {
        "reason": "until the new console is there",
        "owner": "@kim",
        "expires": (api.clock() + 30 * DAY).date(),
        "rule": RULE,
        "path": "**/pod.yaml",
    }
    return WaiverRequest(**{**values, **more})


def of_rule(api: Rig, namespace: str) -> StoredFinding:
    (found,) = api.findings(rule=[RULE], namespace=[namespace])
    return found


# --- pushes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (principal((Role.OPERATOR, "shop")), "all namespaces"),
        (principal((Role.OPERATOR, "*"), repositories=("https://github.com/acme/x",)), "may not"),
        (principal((Role.OPERATOR, "*"), refs=("release/*",)), "may not push"),
        (principal((Role.VIEWER, "*")), "needs the role"),
    ],
)
def test_push_needs_the_role_the_repository_and_all_namespaces(
    api: Rig, who: Principal, why: str
) -> None:
    with pytest.raises(Forbidden) as raised:
        api.push(plain_push(), who=who)
    assert why in raised.value.explain()
    assert api.call("scans.list").items == []


def test_pipelines_token_may_push_for_its_repository(api: Rig) -> None:
    who = principal((Role.OPERATOR, "*"), repositories=("https://github.com/acme/*",))
    api.push(plain_push(), who=who)
    (run,) = api.call("scans.list").items
    assert (run.source, run.by) == (SOURCE, who.id)
    assert api.call("scans.show", params={"id": run.id}) == run
    assert list(api.operations["scans.list"].rows(call_of(api, "scans.list"))) == [run]  # type: ignore[misc]


def call_of(api: Rig, operation: str, **query: Any) -> Any:
    """The call itself, for the rows of the twins."""
    held: list[Any] = []
    one = api.operations[operation]
    api.operations[operation] = msgspec.structs.replace(one, handler=held.append)
    api.call(operation, **query)
    api.operations[operation] = one
    return held[0]


# --- findings ----------------------------------------------------------------------------------


def test_list_facets_and_groups_agree(filled: Rig) -> None:
    page = filled.call("findings.list", limit=1000)
    facets = filled.call("findings.facets")
    groups = filled.call("findings.groups", by="rule")
    assert page.total == facets.total == len(page.items) > 4
    assert sum(bucket.count for bucket in groups.items) == facets.total
    assert {bucket.value for bucket in facets.facets["namespace"]} == {"shop", "billing"}


def test_pages_and_rows_give_every_finding_once(filled: Rig) -> None:
    cursor, seen = None, []
    while True:
        page = filled.call("findings.list", limit=3, cursor=cursor)
        seen += [one.id for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    rows = filled.operations["findings.list"].rows(call_of(filled, "findings.list", limit=3))  # type: ignore[misc]
    assert seen == [one.id for one in rows]
    assert len(set(seen)) == len(seen) == filled.call("findings.facets").total


def test_jump_skips_rows_from_the_beginning_or_a_cursor(filled: Rig) -> None:
    for operation in ("findings.list", "resources.list"):
        every = filled.call(operation, limit=1000)
        assert len(every.items) == every.total > 5
        first = filled.call(operation, limit=2)
        far = filled.call(operation, limit=2, skip=3)
        assert (far.items, far.total) == (every.items[3:5], every.total)
        assert filled.call(operation, limit=1, skip=1, cursor=first.next).items == every.items[3:4]
        assert filled.call(operation, limit=1, cursor=far.next).items == every.items[5:6]
        past = filled.call(operation, limit=2, skip=1000)
        assert (past.items, past.next, past.total) == ([], None, every.total)


def test_reach_narrows_every_answer(filled: Rig) -> None:
    who = principal((Role.OPERATOR, "shop"))
    assert {f.namespace for f in filled.call("findings.list", who=who).items} == {"shop"}
    hidden = of_rule(filled, "billing").id
    for operation, body in (("findings.show", None), ("findings.tend", FindingPatch(owner="x"))):
        with pytest.raises(NotFound):
            filled.call(operation, body, who=who, params={"id": hidden})
    assert filled.call("rules.show", who=who, params={"id": RULE}).rule.open == 1
    assert filled.call("rules.show", params={"id": RULE}).rule.open == 2


def test_owner_and_due_date_are_tended_kept_and_taken_away(filled: Rig) -> None:
    params = {"id": of_rule(filled, "shop").id}
    day = filled.clock().date() - DAY
    patch = FindingPatch(owner="  @ana   of shop ", due=day)
    done = filled.call("findings.tend", patch, params=params)
    assert (done.owner, done.due, done.overdue) == ("@ana of shop", day, True)
    assert filled.call("findings.facets", overdue=True).total == 1
    done = filled.call("findings.tend", FindingPatch(owner=None), params=params)
    assert (done.owner, done.due) == (None, day)
    steps = filled.call("findings.show", params=params).history
    assert [(step.what, step.by) for step in steps[1:]] == [
        ("owner", "user:ana"),
        ("due", "user:ana"),
        ("owner", "user:ana"),
    ]


@pytest.mark.parametrize(
    ("patch", "where"),
    [
        (FindingPatch(owner="x" * 201), "body.owner"),
        (FindingPatch(due=dt.date(2226, 1, 1)), "body.due"),
        (FindingPatch(due=dt.date(1970, 1, 1)), "body.due"),
    ],
)
def test_wrong_patches_say_where(filled: Rig, patch: FindingPatch, where: str) -> None:
    with pytest.raises(UsageError) as raised:
        filled.call("findings.tend", patch, params={"id": of_rule(filled, "shop").id})
    assert raised.value.where == where


# --- waivers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("namespaces", "covered"), [(("*",), 2), (("shop",), 1), (("elsewhere",), 0)]
)
def test_preview_covers_what_the_waiver_then_covers(
    filled: Rig, namespaces: tuple[str, ...], covered: int
) -> None:
    who = principal(*((Role.APPROVER, name) for name in namespaces))
    preview = filled.call("waivers.preview", request(filled), who=who)
    assert (preview.count, preview.waived, preview.complete) == (covered, 0, True)
    assert preview.severities == ({"critical": covered} if covered else {})
    assert not filled.findings(Life.WAIVED)
    waiver = filled.call("waivers.create", request(filled), who=who)
    assert (waiver.count, waiver.reach) == (covered, preview.reach)
    assert len(filled.findings(Life.WAIVED)) == covered
    again = filled.call("waivers.preview", request(filled), who=who)
    assert (again.count, again.waived) == (0, covered)


def test_waivers_of_many_findings_by_fingerprint(filled: Rig) -> None:
    prints = [one.fingerprint for one in filled.findings(Life.OPEN)]
    asked = request(filled, rule="*", path="", fingerprints=prints)
    assert filled.call("waivers.create", asked).count == len(prints)
    (listed,) = filled.call("waivers.list", state="active").items
    assert listed.count == len(prints)
    assert filled.call("waivers.list", state="revoked").items == []


def test_operator_may_not_waive(filled: Rig) -> None:
    with pytest.raises(Forbidden):
        filled.call("waivers.create", request(filled), who=principal((Role.OPERATOR, "*")))


def test_second_waiver_takes_over_when_the_first_is_revoked(filled: Rig) -> None:
    first = filled.call("waivers.create", request(filled))
    second = filled.call("waivers.create", request(filled, path="shop/**"))
    filled.call("waivers.revoke", params={"id": first.id})
    assert of_rule(filled, "shop").waiver == second.id
    assert of_rule(filled, "billing").state is Life.OPEN


def test_waiver_says_what_its_end_opens_again(filled: Rig) -> None:
    first = filled.call("waivers.create", request(filled))
    shown = filled.call("waivers.show", params={"id": first.id})
    assert (shown.waiver, shown.reopens, shown.complete) == (first, 2, True)
    assert shown.severities == {"critical": 2}
    filled.call("waivers.create", request(filled, path="shop/**"))  # would take one over
    assert filled.call("waivers.show", params={"id": first.id}).reopens == 1
    before = len(filled.findings(Life.OPEN))
    filled.call("waivers.revoke", params={"id": first.id})
    assert len(filled.findings(Life.OPEN)) == before + 1
    ended = filled.call("waivers.show", params={"id": first.id})
    assert (ended.waiver.state, ended.reopens) == ("revoked", 0)
    with pytest.raises(NotFound):
        filled.call("waivers.show", params={"id": "w-none"})
    with pytest.raises(NotFound):
        who = principal((Role.APPROVER, "shop"))
        filled.call("waivers.show", who=who, params={"id": first.id})


def test_findings_of_a_waiver_lead_to_it_and_back(filled: Rig) -> None:
    waiver = filled.call("waivers.create", request(filled, path="shop/**"))
    (one,) = filled.call("findings.list", waiver=[waiver.id]).items
    assert (one.namespace, one.state) == ("shop", Life.WAIVED)
    assert filled.call("findings.facets", waiver=[waiver.id, "w-none"]).total == 1
    assert filled.call("findings.groups", by="rule", waiver=[waiver.id]).items[0].count == 1
    assert filled.call("findings.show", params={"id": one.id}).waiver == waiver
    other = of_rule(filled, "billing")
    assert filled.call("findings.show", params={"id": other.id}).waiver is None
    # The waiver reaches everywhere: who sees one namespace sees the finding, not the waiver.
    shown = filled.call(
        "findings.show", who=principal((Role.VIEWER, "shop")), params={"id": one.id}
    )
    assert shown.waiver is None
    filled.call("waivers.revoke", params={"id": waiver.id})
    assert filled.call("findings.list", waiver=[waiver.id]).items == []


def test_words_of_a_report_are_no_waiver_of_the_store(filled: Rig) -> None:
    """A push may call its own acceptance as it likes."""
    store = filled.call("waivers.create", request(filled))
    finding = {
        "rule": RULE,
        "severity": "high",
        "fingerprint": "a" * 32,
        "title": "x",
        "state": "waived",
        "waiver": store.id,
        "location": {"path": "a.yaml", "line": 1},
    }
    filled.push(plain_push(findings=[finding]))
    (one,) = filled.call("findings.list", fingerprint=["a" * 32]).items
    assert (one.state, one.waiver) == (Life.WAIVED, store.id)
    assert filled.call("findings.show", params={"id": one.id}).waiver is None
    assert "a" * 32 not in {
        each.fingerprint for each in filled.call("findings.list", waiver=[store.id]).items
    }


def test_waivers_are_found_ordered_and_counted_by_state(filled: Rig) -> None:
    today = filled.clock().date()
    made = {
        name: filled.call(
            "waivers.create",
            request(
                filled,
                reason=f"Accepted: {name} 50% _ no {name}",
                expires=today + days * DAY,
                reach=Reach(cluster="-", namespace=namespace),
            ),
        ).id
        for name, days, namespace in (("Late", 30, "shop"), ("soon", 3, "billing"), ("mid", 9, "*"))
    }

    def ids(**asked: Any) -> list[str]:
        return [one.id for one in filled.call("waivers.list", **asked).items]

    late, soon, mid = made.values()
    assert ids() == [mid, soon, late]
    assert ids(sort="expires") == [soon, mid, late]
    assert ids(sort="-expires") == [late, mid, soon]
    assert ids(sort="created") == [late, soon, mid]
    assert (ids(text="LATE"), ids(text="_ no"), ids(text="50%0")) == ([late], [mid, soon, late], [])
    assert ids(namespace=["billing"]) == [mid, soon]
    assert ids(cluster=["east"]) == []
    filled.call("waivers.revoke", params={"id": mid})
    states = {one.value: one.count for one in filled.call("waivers.states")}
    assert states == {"active": 2, "expired": 0, "revoked": 1}
    states = {one.value: one.count for one in filled.call("waivers.states", text="late")}
    assert states == {"active": 1, "expired": 0, "revoked": 0}
    first = filled.call("waivers.list", sort="expires", limit=2)
    rest = filled.call("waivers.list", sort="expires", limit=2, cursor=first.next)
    assert (first.total, [one.id for one in [*first.items, *rest.items]]) == (3, [soon, mid, late])
    with pytest.raises(UsageError):
        filled.call("waivers.list", sort="expires", state="active", cursor=first.next)
    with pytest.raises(UsageError):
        filled.call("waivers.list", sort="count")


# --- rules -------------------------------------------------------------------------------------


def test_scope_narrows_what_rules_found_and_not_which_there_are(filled: Rig) -> None:
    whole = filled.call("rules.list", limit=1000)
    part = filled.call("rules.list", limit=1000, namespace=["shop"])
    assert {row.id for row in part.items} == {row.id for row in whole.items}
    opened = {row.id: row.open for row in part.items}
    assert opened[RULE] == 1
    assert sum(opened.values()) == filled.call("findings.facets", namespace=["shop"]).total
    none = filled.call("rules.show", params={"id": RULE}, cluster=["west"])
    assert (none.rule.open, none.why) == (0, filled.call("rules.show", params={"id": RULE}).why)
    assert filled.call("rules.show", params={"id": RULE}, namespace=["shop"]).rule.open == 1


def test_rules_that_found_something_stand_first(filled: Rig) -> None:
    page = filled.call("rules.list", limit=5)
    assert page.items[0].id == RULE
    assert page.items[0].open == 2
    assert page.total > 300
    rest = filled.call("rules.list", limit=5, cursor=page.next)
    assert not {row.id for row in page.items} & {row.id for row in rest.items}


@pytest.mark.parametrize(
    ("text", "found"),
    [("CKV_K8S_16", [RULE]), ("container PRIVILEGED runs", [RULE]), ("특권 모드로 실행됨", [RULE])],
)
def test_rules_are_found_by_words_references_and_korean(
    filled: Rig, text: str, found: list[str]
) -> None:
    assert [row.id for row in filled.call("rules.list", text=text).items] == found


def test_rules_of_a_domain(filled: Rig) -> None:
    rows = filled.call("rules.list", domain="secrets", limit=1000).items
    assert {row.domain for row in rows} == {"secrets"}


def test_rule_that_only_a_push_knows_has_its_words(filled: Rig) -> None:
    words = PushedRule(id="own-rule", title="Our own", severity="high", why="because", fix="do so")
    finding = {"rule": "own-rule", "severity": "high", "fingerprint": "a" * 32, "title": "Our own"}
    push = plain_push(findings=[{**finding, "location": {"path": "a.yaml", "line": 1}}])
    filled.push(msgspec.structs.replace(push, rules=(words,)))
    (row,) = filled.call("rules.list", text="own-rule").items
    assert (row.title, row.severity, row.known, row.open) == ("Our own", Severity.HIGH, False, 1)
    assert filled.call("rules.show", params={"id": "own-rule"}).fix == "do so"
    stranger = principal((Role.VIEWER, "elsewhere"))
    with pytest.raises(NotFound):
        filled.call("rules.show", who=stranger, params={"id": "own-rule"})


@pytest.mark.parametrize("cursor", ["x", "-1", "1" * 10, "٣"])
def test_cursor_of_another_list_is_refused(filled: Rig, cursor: str) -> None:
    for operation in ("rules.list", "audit.list", "findings.list"):
        if operation == "audit.list" and cursor == "1" * 10:
            continue
        with pytest.raises(UsageError):
            filled.call(operation, cursor=cursor)


# --- resources ---------------------------------------------------------------------------------


def test_resources_are_listed_by_kind_and_text(filled: Rig) -> None:
    pods = filled.call("resources.list", kind="Pod").items
    assert sorted(one.namespace for one in pods) == ["billing", "shop"]
    assert {one.kind for one in filled.call("resources.list", text="registry.example").items} == {
        "image"
    }
    kinds = {bucket.value: bucket.count for bucket in filled.call("resources.kinds")}
    assert kinds["Pod"] == 2
    rows = filled.operations["resources.list"].rows(call_of(filled, "resources.list"))  # type: ignore[misc]
    assert len(list(rows)) == sum(kinds.values())
    with pytest.raises(NotFound):
        filled.call("resources.show", key="k8s:-/core/Pod/shop/none")


def test_scope_narrows_resources(filled: Rig) -> None:
    shop = filled.call("resources.list", namespace=["shop"], limit=1000)
    assert {one.namespace for one in shop.items} == {"shop"}
    kinds = filled.call("resources.kinds", namespace=["shop"])
    assert sum(bucket.count for bucket in kinds) == shop.total > 0
    both = filled.call("resources.list", namespace=["shop", "billing"], kind="Pod")
    assert both.total == 2
    assert filled.call("resources.list", cluster=["west"]).total == 0
    foreign = principal((Role.VIEWER, "billing"))
    assert filled.call("resources.list", namespace=["shop"], who=foreign).total == 0


# --- events ------------------------------------------------------------------------------------


def events(api: Rig, count: int = 5) -> None:
    ns = int(api.clock().timestamp() * 1e9)
    batch = [
        Event(
            id=f"e{n}",
            ts_ns=ns - n * 60 * 10**9,
            source="falco",
            type="alert",
            namespace="shop" if n % 2 else "billing",
            rule="shell in a container" if n < 3 else "",
            priority="warning",
            message=f"event number {n}",
        )
        for n in range(count)
    ]
    assert api.world.store.events.append(batch).result().accepted == count


def test_events_are_listed_searched_and_counted_within_reach(api: Rig) -> None:
    events(api)
    shop = principal((Role.VIEWER, "shop"))
    page = api.call("events.list", limit=3)
    assert [one.event.id for one in page.items] == ["e0", "e1", "e2"]
    rest = api.call("events.list", limit=3, cursor=page.next)
    assert [one.event.id for one in rest.items] == ["e3", "e4"]
    assert [one.event.id for one in api.call("events.list", who=shop).items] == ["e1", "e3"]
    counted = api.call("events.series", by="rule", until=api.clock() + HOUR)
    assert sum(map(sum, counted.lines.values())) == 5
    counted = api.call("events.series", who=shop, by="namespace", until=api.clock() + HOUR)
    assert {name: sum(line) for name, line in counted.lines.items()} == {"shop": 2}


def test_search_tells_what_it_found_and_how_far_it_looked(api: Rig) -> None:
    events(api)
    lines = list(api.call("events.search", text="NUMBER 3"))
    assert [next(iter(line)) for line in lines if "event" in line] == ["event"]
    assert [line["event"].event.id for line in lines if "event" in line] == ["e3"]
    assert [line for line in lines if "range" in line]
    assert lines[-1]["done"]["found"] == 1
    assert lines[-1]["done"]["complete"] is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": dt.datetime(2027, 1, 1, tzinfo=dt.UTC)},
        {"step": -1},
        {"step": 1},
        {"since": dt.datetime.fromisoformat("0001-01-01T00:00:00+23:59")},
        {"until": dt.datetime.fromisoformat("9999-12-31T23:59:59-23:59")},
    ],
)
def test_series_without_an_answer_is_refused(api: Rig, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        api.call("events.series", **wrong)


def test_times_without_a_zone_are_utc(api: Rig) -> None:
    events(api)
    since = (api.clock() - dt.timedelta(seconds=90)).replace(tzinfo=None)
    assert [one.event.id for one in api.call("events.list", since=since).items] == ["e0", "e1"]


def test_events_of_the_last_day_are_counted_on_the_first_screen(api: Rig) -> None:
    events(api)
    assert api.call("now.show").delta.events == 5


# --- audit and health --------------------------------------------------------------------------


def test_every_change_is_in_the_log_and_can_be_proved(filled: Rig) -> None:
    waiver = filled.call("waivers.create", request(filled))
    filled.call("waivers.revoke", params={"id": waiver.id})
    rows = filled.call("audit.list", object=waiver.id).items
    assert [row.action for row in rows] == ["waiver.revoke", "waiver.create"]
    assert {row.actor for row in rows} == {"user:ana"}
    oldest = filled.call("audit.list", oldest=True, limit=1)
    assert oldest.items[0].seq == 0
    following = filled.call("audit.list", oldest=True, limit=1, cursor=oldest.next)
    assert following.items[0].seq == 1
    proof = filled.call("audit.prove", params={"seq": "0"})
    assert proof["seq"] == 0
    head = filled.call("audit.head")
    assert head.size >= 1
    assert filled.call("audit.consistency", size=head.size)["size"] == head.size
    every = list(filled.operations["audit.list"].rows(call_of(filled, "audit.list", limit=1)))  # type: ignore[misc]
    assert [row.seq for row in every] == list(range(len(every)))[::-1]


@pytest.mark.parametrize("seq", ["x", "-1", "9" * 20, "999999"])
def test_record_that_is_not_there_has_no_proof(filled: Rig, seq: str) -> None:
    with pytest.raises(NotFound):
        filled.call("audit.prove", params={"seq": seq})


def test_log_is_for_those_who_see_everything(filled: Rig) -> None:
    with pytest.raises(Forbidden):
        filled.call("audit.list", who=principal((Role.ADMIN, "shop")))


def test_health_names_every_part_and_what_to_do(filled: Rig) -> None:
    health = filled.call("health.show")
    assert health.ready
    assert {"state", "events", "audit", "disk", "jobs"} <= {part.name for part in health.parts}
    assert all(part.do for part in health.parts if part.state != "ok")
