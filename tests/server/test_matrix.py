"""Who may do what, and who sees what: every operation, every role, every reach.

Rights are compared with a table written here, so a change of an operation's role has to be made
twice. Isolation is tested as non-interference: whoever is bound to a place gets the same answers
from a store that holds other places, too, as from one that does not. An operation that is in no
table fails the tests.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.model.access import Grant, Principal, Reach, Role, covered
from haechi.server.api import all_operations
from haechi.server.app import build_app
from haechi.server.endpoint import Operation
from haechi.server.table import full_path
from haechi.store.state.policy_infos import policy_key
from tests.server.api.rig import rig
from tests.server.places import (
    ADMIN,
    CLUSTERS,
    EVERYWHERE,
    HOME,
    RULE,
    URL,
    Asker,
    Place,
    alert,
    decisions,
    events_of,
    filled,
    holder,
    push,
    waiver_of,
)
from tests.server.serving import bare_world, by_word, serving

V, O, A, M = Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN  # noqa: E741
OPEN, ALL = None, True
RIGHTS: dict[str, tuple[Role | None, bool]] = {
    "session.show": (V, False),
    "session.ways": (OPEN, False),
    "session.start": (OPEN, False),
    "session.end": (V, False),
    "session.login": (OPEN, False),
    "session.callback": (OPEN, False),
    "now.show": (V, False),
    "findings.list": (V, False),
    "findings.facets": (V, False),
    "findings.groups": (V, False),
    "findings.show": (V, False),
    "findings.tend": (O, False),
    "waivers.list": (V, False),
    "waivers.states": (V, False),
    "waivers.show": (V, False),
    "waivers.create": (A, False),
    "waivers.preview": (A, False),
    "waivers.revoke": (A, False),
    "scans.push": (O, False),
    "scans.list": (V, False),
    "scans.show": (V, False),
    "resources.list": (V, False),
    "resources.kinds": (V, False),
    "resources.show": (V, False),
    "sboms.list": (V, False),
    "sboms.send": (O, False),
    "sboms.show": (V, False),
    "packages.list": (V, False),
    "proposals.list": (V, False),
    "proposals.show": (V, False),
    "proposals.dismiss": (O, False),
    "advisories.import": (M, ALL),
    "advisories.imported": (M, ALL),
    "advisories.status": (V, False),
    "advisories.show": (V, False),
    "rules.list": (V, False),
    "rules.show": (V, False),
    "events.ingest": (O, False),
    "events.list": (V, False),
    "events.search": (V, False),
    "events.series": (V, False),
    "feeds.list": (V, False),
    "feeds.letters": (V, False),
    "feeds.send": (O, False),
    "runtime.rules": (V, False),
    "runtime.check": (O, False),
    "runtime.rule": (V, False),
    "runtime.switch": (A, ALL),
    "runtime.fields": (V, False),
    "runtime.files": (V, False),
    "runtime.file": (V, False),
    "runtime.save": (A, ALL),
    "runtime.remove": (A, ALL),
    "hunts.start": (V, False),
    "responses.list": (V, False),
    "responses.create": (O, False),
    "responses.plan": (O, False),
    "responses.halts": (V, False),
    "responses.halt": (O, False),
    "responses.policy": (V, False),
    "responses.show": (V, False),
    "responses.approve": (A, False),
    "responses.dismiss": (O, False),
    "responses.undo": (A, False),
    "responses.extend": (A, False),
    "incidents.list": (V, False),
    "incidents.counts": (V, False),
    "incidents.exceptions": (V, False),
    "incidents.show": (V, False),
    "incidents.timeline": (V, False),
    "incidents.change": (O, False),
    "profiles.list": (V, False),
    "profiles.explain": (V, False),
    "profiles.show": (V, False),
    "profiles.change": (O, False),
    "alerts.setup": (V, ALL),
    "alerts.list": (V, False),
    "alerts.show": (V, False),
    "alerts.retry": (O, False),
    "alerts.retry_all": (O, False),
    "alerts.tickets": (V, False),
    "alerts.preview": (V, False),
    "alerts.test": (M, ALL),
    "clusters.list": (V, False),
    "admission.send": (O, False),
    "admission.decisions": (V, False),
    "admission.decision": (V, False),
    "admission.summary": (V, False),
    "admission.coverage": (V, False),
    "policies.list": (V, False),
    "policies.faults": (V, False),
    "policies.forecast": (V, False),
    "policies.what_if": (O, False),
    "policies.show": (V, False),
    "policies.violations": (V, False),
    "audit.list": (V, ALL),
    "audit.head": (V, ALL),
    "audit.prove": (V, ALL),
    "audit.consistency": (V, ALL),
    "tokens.list": (M, ALL),
    "tokens.create": (M, ALL),
    "tokens.revoke": (M, ALL),
    "users.list": (M, ALL),
    "users.change": (M, ALL),
    "health.show": (V, False),
    "stream.follow": (V, False),
    "settings.list": (M, ALL),
    "meta.openapi": (OPEN, False),
}
READ = {
    "session.show": ["/me"],
    "session.ways": ["/signin"],
    "meta.openapi": ["/openapi.json"],
    "now.show": ["/now", "/now?cluster=west", "/now?namespace=pay", "/now?namespace=shop"],
    "findings.list": [
        "/findings",
        "/findings?state=open&state=fixed&state=waived&state=reopened",
        "/findings?cluster=west",
        "/findings?namespace=pay",
        "/findings?text=zq",
        "/findings?overdue=true&sort=due",
        "/findings?limit=2&sort=-changed",
        "/findings?limit=2&skip=3&sort=path",
        *(f"/findings?text={place.mark}" for place in EVERYWHERE),
        *(f"/findings?fingerprint={place.fingerprint(0)}" for place in EVERYWHERE),
    ],
    "findings.facets": ["/findings/facets", "/findings/facets?cluster=west&text=zq"],
    "findings.groups": [
        f"/findings/groups?by={by}"
        for by in ("rule", "resource", "path", "owner", "source", "namespace")
    ],
    "waivers.list": [
        "/waivers",
        "/waivers?state=active",
        "/waivers?sort=expires&text=zq",
        "/waivers?cluster=west",
        "/waivers?namespace=pay",
    ],
    "waivers.states": [
        "/waivers/states",
        "/waivers/states?cluster=west",
        "/waivers/states?text=zq",
    ],
    "scans.list": ["/scans"],
    "resources.list": [
        "/resources",
        "/resources?kind=Deployment",
        "/resources?text=zq",
        "/resources?cluster=west",
        "/resources?namespace=pay&skip=1",
    ],
    "resources.kinds": ["/resources/kinds", "/resources/kinds?cluster=west&namespace=pay"],
    "resources.show": [f"/resources/show?key={HOME.key}&cluster={HOME.cluster}"],
    "sboms.list": ["/sboms", "/sboms?all=true&limit=2", "/sboms?package=zq&cluster=west"],
    "packages.list": ["/packages?name=zq", "/packages?ecosystem=PyPI&limit=3&skip=1"],
    "proposals.list": ["/proposals", "/proposals?state=open&state=taken&package=zq"],
    "advisories.status": ["/advisories/status"],
    "rules.list": ["/rules", "/rules?text=acme", "/rules?cluster=west", "/rules?namespace=pay"],
    "rules.show": [f"/rules/{RULE}", "/rules/acme-rule", f"/rules/{RULE}?cluster=west"],
    "events.list": [
        "/events",
        "/events?cluster=west",
        "/events?text=zq",
        "/events?source=falco&limit=2",
        "/events?filter=proc.name+exists&limit=3",
    ],
    "events.search": [
        "/events/search?text=zq",
        "/events/search?cluster=west",
        "/events/search?filter=proc.name+exists",
    ],
    "feeds.list": ["/feeds", "/feeds?kind=falco"],
    "feeds.letters": ["/feeds/letters", "/feeds/letters?feed=falco&limit=3"],
    "runtime.rules": ["/runtime/rules?limit=1000", "/runtime/rules?text=zq&origin=saved"],
    "runtime.rule": ["/runtime/rules/zq%20fired"],
    "runtime.fields": ["/runtime/fields?source=flow"],
    "runtime.files": ["/runtime/files"],
    "runtime.file": ["/runtime/files/saved.yaml"],
    "events.series": [
        f"/events/series?by={by}&since=2026-11-22T11:00:00Z&until=2026-11-22T12:30:00Z&step=3600"
        for by in ("rule", "priority", "source", "namespace", "type")
    ],
    "incidents.list": [
        "/incidents",
        "/incidents?state=open&level=critical&sort=-changed&limit=2",
        "/incidents?cluster=west",
        "/incidents?namespace=pay",
        "/incidents?text=zq",
        "/incidents?rule=Shared%20rule",
        *(f"/incidents?resource={place.key}" for place in EVERYWHERE),
    ],
    "incidents.counts": ["/incidents/counts", "/incidents/counts?text=zq&cluster=west"],
    "incidents.exceptions": ["/incidents/exceptions?days=2"],
    "profiles.list": ["/profiles", "/profiles?cluster=west", "/profiles?text=zq&state=learning"],
    "profiles.explain": [f"/profiles/explain?event={place.mark}-exec" for place in EVERYWHERE],
    "alerts.list": ["/alerts/deliveries", "/alerts/deliveries?cluster=west&state=dead"],
    "alerts.tickets": ["/alerts/tickets"],
    "alerts.preview": [
        f"/alerts/preview?cluster={HOME.cluster}&namespace={HOME.namespace}&rule=zq",
        "/alerts/preview?cluster=west&namespace=pay",
    ],
    "responses.list": [
        "/responses",
        "/responses?state=recommended&limit=2",
        "/responses?cluster=west",
        "/responses?namespace=pay",
        *(f"/responses?resource={place.key}" for place in EVERYWHERE),
    ],
    "responses.halts": ["/responses/halt"],
    "responses.policy": ["/responses/policy", "/responses/policy?level=critical&namespace=pay"],
    "health.show": ["/health"],
    "admission.decisions": [
        "/admission/decisions",
        "/admission/decisions?cluster=west&outcome=denied",
        "/admission/decisions?text=zq&limit=2",
        "/admission/decisions?policy=shared",
    ],
    "admission.summary": ["/admission/summary", "/admission/summary?namespace=pay"],
    "admission.coverage": ["/admission/coverage"],
    "policies.list": ["/policies", "/policies?text=zq", "/policies?state=failing"],
    "policies.faults": ["/policies/faults"],
    "policies.violations": [
        f"/policies/{policy_key(place.cluster, 'shared')}/violations" for place in EVERYWHERE
    ],
}
"""What is asked of each operation that reads. Rows by id, changes and the stream have tests of
their own below."""
BY_ID = {
    "sboms.show",
    "proposals.show",
    "admission.decision",
    "policies.show",
    "incidents.show",
    "incidents.timeline",
    "responses.show",
    "findings.show",
    "profiles.show",
    "waivers.show",
    "scans.show",
    "resources.show",
}
CHANGES = {
    "incidents.change",
    "responses.create",
    "responses.plan",
    "responses.halt",
    "responses.approve",
    "responses.dismiss",
    "responses.undo",
    "responses.extend",
    "sboms.send",
    "proposals.dismiss",
    "findings.tend",
    "waivers.create",
    "waivers.preview",
    "waivers.revoke",
    "scans.push",
    "events.ingest",
    "feeds.send",
    "admission.send",
    "profiles.change",
}
ELSEWHERE = {
    "advisories.show": "tests/server/api/test_dependencies.py",
    "session.start": "tests/server/auth",
    "session.end": "tests/server/auth",
    "session.login": "tests/server/auth",
    "session.callback": "tests/server/auth",
    "stream.follow": "test_a_stream_tells_of_nothing_foreign",
    "hunts.start": "test_a_hunt_tells_of_nothing_foreign",
    "policies.forecast": "tests/server/work/test_comparing.py",
    "policies.what_if": "tests/server/work/test_comparing.py",
    "alerts.show": "tests/server/api/test_alerts.py",
    "alerts.retry": "tests/server/api/test_alerts.py",
    "alerts.retry_all": "tests/server/api/test_alerts.py",
    "clusters.list": "tests/server/test_clusters.py",
    "runtime.check": "it reads the asker's own text, and rules that every viewer may see",
}
OPERATIONS = {one.id: one for one in all_operations()}


def test_every_operation_has_its_rights_here() -> None:
    assert {one.id: (one.role, one.everywhere) for one in OPERATIONS.values()} == RIGHTS


def test_the_isolation_of_every_operation_is_tested() -> None:
    bounded = {name for name, (_, everywhere) in RIGHTS.items() if not everywhere}
    assert set(READ) | BY_ID | CHANGES | set(ELSEWHERE) == bounded
    twins = {name for name, one in OPERATIONS.items() if one.rows is not None}
    assert twins - set(READ) <= {name for name, (_, everywhere) in RIGHTS.items() if everywhere}


# Rights ----------------------------------------------------------------------------------------

SIDES, NAMESPACES = ("a", "b", "-"), ("x", "y", "-")
THINGS = [(cluster, namespace) for cluster in SIDES for namespace in NAMESPACES]


class Gate:
    """The real routing with handlers that only tell where they were let in."""

    def __init__(self) -> None:
        self.principals: dict[str, Principal] = {}
        bare = [
            msgspec.structs.replace(
                one,
                handler=lambda call: [t for t in THINGS if covered(call.within, *t)],
                query=None,
                body=None,
                rows=None,
                answer=list[tuple[str, str]],
                status=200,
            )
            for one in OPERATIONS.values()
        ]
        self.app = build_app(bare_world(), operations=bare, authenticate=by_word(self.principals))
        self.runner = asyncio.Runner()
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=cast("Any", self.app)), base_url=URL
        )

    def let_in(self, operation: Operation, principal: Principal | None) -> list[Any] | int:
        """Where it was let in, or the status of the refusal."""
        headers = {}
        if principal is not None:
            self.principals["x"] = principal
            headers["authorization"] = "Bearer x"
        path = re.sub(r"\{\w+\}", "1", full_path(operation.path))
        ask = self.client.request(operation.method, path, headers=headers)
        answer = self.runner.run(ask)
        if answer.status_code != 200:
            return answer.status_code
        return [tuple(one) for one in answer.json()]

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()
        self.app.close()


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.close()


REACHES = {
    "everywhere": Reach(),
    "a cluster": Reach(cluster="a"),
    "a namespace": Reach(cluster="a", namespace="x"),
    "a name in all clusters": Reach(namespace="x"),
}


@pytest.mark.parametrize("name", RIGHTS)
def test_lets_in_exactly_whom_the_table_says(gate: Gate, name: str) -> None:
    """Role × reach × narrowing, all of them."""
    needed, everywhere = RIGHTS[name]
    operation = OPERATIONS[name]
    if needed is None:
        gate.app.world.auth.anonymous = type(gate.app.world.auth.anonymous)()
        assert gate.let_in(operation, None) == []
        return
    assert gate.let_in(operation, None) == 401
    assert gate.let_in(operation, Principal(id="x", name="x")) == 403
    for role in Role:
        for reach in REACHES.values():
            for narrowed in (None, frozenset({name}), frozenset({"other"}), frozenset[str]()):
                who = Principal(
                    id="x", name="x", grants=(Grant(role=role, reach=reach),), permissions=narrowed
                )
                may = (
                    list(Role).index(role) >= list(Role).index(needed)
                    and (narrowed is None or name in narrowed)
                    and (not everywhere or reach == Reach())
                )
                where = [t for t in THINGS if reach.covers(*t)]
                assert gate.let_in(operation, who) == (where if may else 403), (role, reach)


held = st.lists(
    st.builds(
        Grant,
        role=st.sampled_from(list(Role)),
        reach=st.builds(
            Reach,
            cluster=st.sampled_from(("*", *SIDES)),
            namespace=st.sampled_from(("*", *NAMESPACES)),
        ),
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(RIGHTS)), grants=held)
def test_several_grants_reach_where_one_of_them_has_the_role(
    gate: Gate, name: str, grants: list[Grant]
) -> None:
    """A viewer everywhere who is operator in one place operates in that place only."""
    needed, everywhere = RIGHTS[name]
    if needed is None:
        return
    order = list(Role)
    enough = [one for one in grants if order.index(one.role) >= order.index(needed)]
    where = [t for t in THINGS if any(one.reach.covers(*t) for one in enough)]
    refused = not enough or (everywhere and Reach() not in [one.reach for one in enough])
    who = Principal(id="x", name="x", grants=tuple(grants))
    assert gate.let_in(OPERATIONS[name], who) == (403 if refused else where)


# Isolation -------------------------------------------------------------------------------------

SCOPED = (
    holder("shop", ("east", "shop")),
    holder("cluster", ("east", "*")),
    holder("shops", ("*", "shop")),
    holder("two", ("east", "shop"), ("west", "pay")),
    holder("none", ("east", "elsewhere")),
    holder("files", ("east", "-")),
)
BY_NAME = {one.name: one for one in SCOPED}


def places_of(who: Principal) -> list[Place]:
    return [place for place in EVERYWHERE if who.reaches(Role.VIEWER, *place)]


class Worlds:
    """The store of all, and for each principal the store of theirs alone."""

    def __init__(self, folder: Any, stack: ExitStack) -> None:
        self.full = stack.enter_context(filled(folder / "full", EVERYWHERE, SCOPED))
        self.own = {
            who.name: stack.enter_context(filled(folder / who.name, places_of(who), SCOPED))
            for who in SCOPED
        }


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    with ExitStack() as stack:
        yield Worlds(tmp_path_factory.mktemp("worlds"), stack)


RANDOM = {"id", "seq", "next", "scan", "waiver", "cursor", "csrf"}
"""Made anew in each store: whether they are there is compared, not what they are."""
LOOSE = {"health.show"}
"""Speaks of the server, not of rows: compared for marks only."""


def plain(value: Any) -> Any:
    """Without what is made anew, and without order where ids decide it."""
    if isinstance(value, dict):
        return {
            key: (one is not None and one != "") if key in RANDOM else plain(one)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return sorted((plain(one) for one in value), key=lambda one: msgspec.json.encode(one))
    return "…" if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{20}", value) else value


def read(answer: httpx.Response) -> Any:
    """JSON, or lines of JSON."""
    if answer.headers.get("content-type", "").startswith("application/x-ndjson"):
        return [plain(msgspec.json.decode(line)) for line in answer.text.splitlines()]
    if answer.headers.get("content-type", "").startswith("text/csv"):
        return len(answer.text.splitlines())
    return plain(answer.json())


def foreign_marks(text: str, who: Principal) -> set[str]:
    """Marks in the text of places that are out of reach."""
    mine = places_of(who)
    marks = {place.mark for place in EVERYWHERE if place not in mine}
    clusters = {place.cluster for place in mine}
    marks |= {f"zq{one}srczq" for one in ("east", "west") if one not in clusters}
    return {mark for mark in marks if mark in text}


ASKED = [(name, path) for name, paths in READ.items() for path in paths]


@pytest.mark.parametrize("who", BY_NAME)
@pytest.mark.parametrize("name", READ)
def test_answers_are_as_if_nothing_else_existed(worlds: Worlds, name: str, who: str) -> None:
    principal = BY_NAME[who]
    kinds = ["", "text/csv", "application/x-ndjson"] if OPERATIONS[name].rows else [""]
    for path in READ[name]:
        for kind in kinds:
            worlds.full.app.world.auth.anonymous = type(worlds.full.app.world.auth.anonymous)()
            full = worlds.full.ask("GET", path, who=who, accept=kind)
            own = worlds.own[who].ask("GET", path, who=who, accept=kind)
            assert not foreign_marks(asked_back(full.text, path), principal), path
            assert full.status_code == own.status_code in (200, 404), (path, full.text)
            if name not in LOOSE and full.status_code == 200:
                assert read(full) == read(own), path


def asked_back(text: str, path: str) -> str:
    """The answer without the words of the question (a problem names its path)."""
    for place in EVERYWHERE:
        if place.mark in path:
            text = text.replace(place.mark, "")
    return text


FULL = (
    *("findings.list", "resources.list", "events.list", "waivers.list", "now.show"),
    "incidents.list",
    "responses.list",
    "admission.decisions",
)


def test_the_marks_are_there_to_be_found(worlds: Worlds) -> None:
    """The tests above are worth nothing when the store is empty."""
    for name in FULL:
        text = worlds.full.ask("GET", READ[name][0], who="admin").text
        found = {place for place in EVERYWHERE if place.mark in text}
        assert found == set(EVERYWHERE), name
    for name in FULL:
        assert HOME.mark in worlds.full.ask("GET", READ[name][0], who="shop").text, name


def rows(asker: Asker, path: str, who: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = asker.ask("GET", path, who=who).json()["items"]
    return items


ENDS = "/findings?limit=1000&state=open&state=waived"


@pytest.mark.parametrize("who", BY_NAME)
def test_a_foreign_row_is_not_there(worlds: Worlds, who: str) -> None:
    full = worlds.full
    every = {one["id"] for one in rows(full, ENDS, "admin")}
    mine = {one["id"] for one in rows(full, ENDS, who)}
    assert len(every) == 4 * len(EVERYWHERE)
    assert len(mine) == 4 * len(places_of(BY_NAME[who]))
    for id_ in every:
        status = full.ask("GET", f"/findings/{id_}", who=who).status_code
        assert status == (200 if id_ in mine else 404)
    for id_ in every - mine:
        body = {"owner": "mallory"}
        assert full.ask("PATCH", f"/findings/{id_}", who=who, body=body).status_code == 404
    for place in EVERYWHERE:
        path = f"/resources/show?key={place.key}&cluster={place.cluster}"
        answer = full.ask("GET", path, who=who)
        inside = place in places_of(BY_NAME[who])
        assert answer.status_code == (200 if inside else 404)
    waivers = rows(full, "/waivers", "admin")
    assert len(waivers) >= len(EVERYWHERE)
    for waiver in waivers:
        seen = {one["id"] for one in rows(full, "/waivers", who)}
        answer = full.ask("GET", f"/waivers/{waiver['id']}", who=who)
        assert answer.status_code == (200 if waiver["id"] in seen else 404)
    for scan in rows(full, "/scans", "admin"):
        seen = {one["id"] for one in rows(full, "/scans", who)}
        status = full.ask("GET", f"/scans/{scan['id']}", who=who).status_code
        assert status == (200 if scan["id"] in seen else 404)
    mine = {one["id"] for one in rows(full, "/incidents", who)}
    incidents = rows(full, "/incidents", "admin")
    assert {one["namespace"] for one in incidents} == {"shop", "pay", "-"}
    for one in incidents:
        expected = 200 if one["id"] in mine else 404
        for path in (f"/incidents/{one['id']}", f"/incidents/{one['id']}/timeline"):
            assert full.ask("GET", path, who=who).status_code == expected
        if one["id"] not in mine:
            body = {"owner": "mallory", "state": "resolved"}
            answer = full.ask("PATCH", f"/incidents/{one['id']}", who=who, body=body)
            assert answer.status_code == 404
    assert "mallory" not in full.ask("GET", ENDS, who="admin").text
    assert "mallory" not in full.ask("GET", "/incidents", who="admin").text


@pytest.mark.parametrize("who", BY_NAME)
def test_a_finding_of_ones_own_tells_of_nothing_foreign(worlds: Worlds, who: str) -> None:
    principal = BY_NAME[who]
    for one in rows(worlds.full, ENDS, who):
        text = worlds.full.ask("GET", f"/findings/{one['id']}", who=who).text
        assert not foreign_marks(text, principal)
    for place in places_of(principal):
        path = f"/resources/show?key={place.key}&cluster={place.cluster}"
        text = worlds.full.ask("GET", path, who=who).text
        assert not foreign_marks(text, principal)
    for one in rows(worlds.full, "/incidents", who):
        for path in (f"/incidents/{one['id']}", f"/incidents/{one['id']}/timeline"):
            text = worlds.full.ask("GET", path, who=who).text
            assert not foreign_marks(text, principal)


@pytest.mark.parametrize("who", BY_NAME)
def test_nobody_decides_on_a_response_that_they_do_not_see(worlds: Worlds, who: str) -> None:
    full, principal = worlds.full, BY_NAME[who]
    every = rows(full, "/responses", "admin")
    mine = {one["id"] for one in rows(full, "/responses", who)}
    assert len(every) == len(EVERYWHERE) and mine < {one["id"] for one in every}
    for one in every:
        path = f"/responses/{one['id']}"
        answer = full.ask("GET", path, who=who)
        assert answer.status_code == (200 if one["id"] in mine else 404)
        if one["id"] in mine:
            assert not foreign_marks(answer.text, principal)
            continue
        for verb in ("approve", "dismiss", "undo"):
            body: dict[str, object] = {"note": "mallory"}
            assert full.ask("POST", f"{path}/{verb}", who=who, body=body).status_code == 404
        body = {"seconds": 9, "note": "mallory"}
        assert full.ask("POST", f"{path}/extend", who=who, body=body).status_code == 404
    for place in EVERYWHERE:
        if place in places_of(principal):
            continue
        body = {"kind": "evidence_snapshot", "resource": place.key, "note": "mallory"}
        plan = {name: body[name] for name in ("kind", "resource")}
        assert full.ask("POST", "/responses", who=who, body=body).status_code == 403
        assert full.ask("POST", "/responses/plan", who=who, body=plan).status_code == 403
    whole = [one.cluster for one in principal.within() if one.namespace == "*"]
    for cluster in ("*", *CLUSTERS):
        body = {"cluster": cluster, "stopped": False, "why": "mallory"}
        answer = full.ask("POST", "/responses/halt", who=who, body=body)
        assert answer.status_code == (200 if cluster in whole else 403)
    for one in rows(full, "/incidents", "admin"):
        if one["id"] not in {each["id"] for each in rows(full, "/incidents", who)}:
            asked = {"incident": one["id"]}
            answer = full.ask("POST", "/responses/plan", who=who, body=asked)
            assert answer.status_code == 404
    assert "mallory" not in full.ask("GET", "/responses", who="admin").text


@pytest.mark.parametrize("who", BY_NAME)
def test_a_decision_and_a_violation_are_seen_where_they_are(worlds: Worlds, who: str) -> None:
    full, principal = worlds.full, BY_NAME[who]
    every = rows(full, "/admission/decisions", "admin")
    mine = {one["id"] for one in rows(full, "/admission/decisions", who)}
    assert len(every) == len(EVERYWHERE) and len(mine) == len(places_of(principal))
    for one in every:
        answer = full.ask("GET", f"/admission/decisions/{one['id']}", who=who)
        assert answer.status_code == (200 if one["id"] in mine else 404)
        assert not foreign_marks(answer.text, principal)
    clusters = {one.cluster for one in principal.within()}
    for cluster in CLUSTERS:
        key = policy_key(cluster, "shared")
        inside = bool(clusters & {"*", cluster})
        for path in (f"/policies/{key}", f"/policies/{key}/violations"):
            answer = full.ask("GET", path, who=who)
            assert answer.status_code == (200 if inside else 404)
            assert not foreign_marks(answer.text, principal)
    there = [one for one in principal.within() if one.namespace == "*"]
    seen = full.ask("GET", "/admission/coverage", who=who).json()["items"]
    assert {one["cluster"] for one in seen} == {one.cluster for one in there}


@pytest.mark.parametrize("who", BY_NAME)
def test_nobody_tells_decisions_of_a_cluster_that_is_not_theirs(worlds: Worlds, who: str) -> None:
    full = worlds.full
    whole = [one.cluster for one in BY_NAME[who].within() if one.namespace == "*"]
    for cluster in CLUSTERS:
        body = decisions(cluster, [], number=0)
        answer = full.ask("POST", "/admission/decisions", who=who, body=body)
        assert answer.status_code == (200 if cluster in whole else 403)


@pytest.mark.parametrize("who", BY_NAME)
def test_nobody_waives_what_they_do_not_see(worlds: Worlds, who: str) -> None:
    full = worlds.full
    before = full.ask("GET", f"{ENDS}&sort=path", who="admin").json()
    for place in EVERYWHERE:
        if place in places_of(BY_NAME[who]):
            continue
        for reach in ({}, {"cluster": place.cluster, "namespace": place.namespace}):
            body = {**waiver_of(place), "fingerprints": [place.fingerprint(0)], "reach": reach}
            preview = full.ask("POST", "/waivers/preview", who=who, body=body)
            if preview.status_code == 200:
                assert preview.json()["count"] == 0
            else:
                assert preview.status_code in (400, 403, 404), preview.text
            full.ask("POST", "/waivers", who=who, body=body)
    seen = {one["id"] for one in rows(full, "/waivers", who)}
    for waiver in rows(full, "/waivers", "admin"):
        if waiver["id"] not in seen:
            status = full.ask("DELETE", f"/waivers/{waiver['id']}", who=who).status_code
            assert status == 404
    after = full.ask("GET", f"{ENDS}&sort=path", who="admin").json()
    assert [(one["id"], one["state"]) for one in before["items"]] == [
        (one["id"], one["state"]) for one in after["items"]
    ]


@pytest.mark.parametrize("who", BY_NAME)
def test_nobody_writes_where_they_have_no_right(worlds: Worlds, who: str) -> None:
    full, principal = worlds.full, BY_NAME[who]
    for cluster in ("east", "west", "-"):
        body = push(cluster, [])
        body["origin"]["repository"] = "https://git.example/fresh"
        answer = full.ask("POST", "/scans", who=who, body=body)
        whole = any(
            one.reach.namespace == "*" and one.reach.cluster in ("*", cluster)
            for one in principal.grants
        )
        assert answer.status_code == (201 if whole else 403), cluster
    before = full.ask("GET", "/events", who="admin").text.count('"seq"')
    for place in EVERYWHERE:
        event = {**events_of(place)[0], "id": f"fresh-{who}"}
        answer = full.ask("POST", "/events", who=who, body=msgspec.json.encode(event))
        inside = place in places_of(principal)
        taken = answer.status_code == 200 and answer.json()["accepted"] == 1
        assert taken == inside, (place, answer.text)
        before += taken
    assert full.ask("GET", "/events", who="admin").text.count('"seq"') == before


HUNT = """
- rule: anything
  desc: any program
  condition: evt.type = execve
  output: started %proc.name
  priority: NOTICE
"""


@pytest.mark.parametrize("who", ["shop", "two"])
def test_a_hunt_tells_of_nothing_foreign(worlds: Worlds, who: str) -> None:
    body = {"files": [{"name": "hunt.yaml", "text": HUNT}], "since": "2026-11-22T00:00:00Z"}
    answer = worlds.full.ask("POST", "/hunts", who=who, body=body)
    assert answer.status_code == 200, answer.text
    assert not foreign_marks(answer.text, BY_NAME[who])
    lines = [msgspec.json.decode(line) for line in answer.text.splitlines()]
    mine = places_of(BY_NAME[who])
    assert sum("match" in line for line in lines) == len(mine)
    assert lines[-1]["done"]["scanned"] == len(mine)
    assert lines[-2]["counts"] == {"anything": len(mine)}


@pytest.mark.parametrize("who", BY_NAME)
def test_nobody_feeds_where_they_have_no_right(worlds: Worlds, who: str) -> None:
    principal = BY_NAME[who]
    for place in EVERYWHERE:
        record = {**alert(place), "rule": f"fresh {who}"}
        path = f"/feeds/falco?cluster={place.cluster}"
        answer = worlds.full.ask("POST", path, who=who, body=msgspec.json.encode(record))
        taken = answer.status_code == 200 and answer.json()["accepted"] == 1
        assert taken == (place in places_of(principal)), (place, answer.text)


# The stream ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["shop", "files", "shops"])
def test_a_stream_tells_of_nothing_foreign(tmp_path: Path, who: str) -> None:
    """Everything happens everywhere, last of all a word for whoever listens."""
    principal = BY_NAME[who]
    mine = places_of(principal)
    heard = ""
    known = {one.name: one for one in (*SCOPED, ADMIN)}
    with (
        rig(tmp_path / "store") as made,
        serving(made.world, authenticate=by_word(known)) as running,
        running.client("admin") as admin,
        running.client(who) as listener,
        listener.stream("GET", "/api/v1/stream") as stream,
    ):
        lines = stream.iter_text()
        heard += next(lines)
        for cluster in CLUSTERS:
            there = [place for place in EVERYWHERE if place.cluster == cluster]
            admin.post("/api/v1/scans", json=push(cluster, there)).raise_for_status()
        for place in EVERYWHERE:
            admin.post("/api/v1/waivers", json=waiver_of(place)).raise_for_status()
        theirs = [one for one in EVERYWHERE if one not in mine]
        for place in (*theirs, mine[0]):
            send_events(admin, place)
        while "event: event" not in heard:
            heard += next(lines)
    assert "event: finding" in heard
    assert not foreign_marks(heard, principal)
    seen = re.findall(r'"cluster":"([^"]*)","namespace":"([^"]*)"', heard)
    assert set(seen) <= {tuple(place) for place in mine}


def send_events(client: httpx.Client, place: Place) -> None:
    content = b"\n".join(msgspec.json.encode(one) for one in events_of(place))
    headers = {"content-type": "application/x-ndjson"}
    client.post("/api/v1/events", content=content, headers=headers).raise_for_status()
