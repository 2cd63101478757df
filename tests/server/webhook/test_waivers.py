"""One waiver means the same in every stage: at the door a waived failure neither refuses nor warns,
and is written down as waived."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from haechi.admit.reviews import review_of_request
from haechi.admit.view import ObjectsView
from haechi.client.http import Client
from haechi.client.waivers import waivers_of
from haechi.errors import ConfigError, InputError
from haechi.gate.admission import as_finding, waiving
from haechi.model.access import Grant, Principal, Reach, Role
from haechi.model.admission import PolicyVerdict
from haechi.model.location import Location
from haechi.model.review import State
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.server.webhook.frames import Changes, Text
from haechi.server.webhook.sources.files import Files
from haechi.server.webhook.sources.store import StoreWaivers
from haechi.server.webhook.sources.waivers import WithWaivers
from haechi.server.webhook.waiving import Waiving
from tests.client.peer import Reply, peer
from tests.server.serving import PRINCIPALS, by_word, real_world, serving
from tests.server.webhook.conftest import Running, Start, request, trial, write

FAIL = "/admit/fail"
Json = dict[str, Any]
TODAY = dt.datetime.now(dt.UTC).date()
ASKING = Principal(
    id="token:door",
    name="door",
    grants=(Grant(role=Role.VIEWER, reach=Reach(cluster="east")),),
    permissions=frozenset({"waivers.list"}),
)


def entry(**more: Any) -> Json:
    return {
        "rule": "strict",
        "resource": "Pod default/bad*",
        "reason": "the console is replaced next month",
        "owner": "ana",
        "expires": (TODAY + dt.timedelta(days=9)).isoformat(),
        **more,
    }


def file_of(folder: Path, *entries: Json, name: str = "haechi.waivers.yaml") -> Path:
    path = folder / name
    path.write_text(json.dumps({"waivers": list(entries)}))
    return path


def row(**more: Any) -> Json:
    known = {"id": "w-1", "path": "", "fingerprints": [], "source": "", "reach": {}}
    return {**entry(), **known, **more}


def allowed(running: Running, name: str, **more: Any) -> bool:
    answer = running.peer().review(FAIL, request(name, **more))
    if answer["allowed"]:
        assert "warnings" not in answer
    return bool(answer["allowed"])


@pytest.mark.parametrize(
    ("more", "lets"),
    [
        ({}, True),
        ({"expires": TODAY.isoformat()}, True),
        ({"expires": (TODAY - dt.timedelta(days=1)).isoformat()}, False),
        ({"resource": "Pod shop/*"}, False),
        ({"rule": "other"}, False),
    ],
    ids=["holds", "last-day", "expired", "elsewhere", "other-rule"],
)
def test_a_file_of_waivers_among_the_policies(
    webhook: Start, tmp_path: Path, more: Json, lets: bool
) -> None:
    file_of(write(tmp_path / "policies"), entry(**more))
    running = webhook(trial("strict", "refuses_bad"))
    assert allowed(running, "bad-1") is lets
    assert allowed(running, "good")
    assert running.total("policy", policy="rules/strict", outcome="waived") == int(lets)
    assert running.ready()[1]["waivers"] == {"files": 1, "server": None}


def test_a_file_of_waivers_beside_any_source_is_read_again_and_a_wrong_one_changes_nothing(
    webhook: Start, tmp_path: Path
) -> None:
    policies = write(tmp_path / "policies", trial("strict", "refuses_bad"))
    file = file_of(tmp_path, entry(), name="ours.yaml")
    running = webhook(source=WithWaivers(Files([policies]), file))
    assert allowed(running, "bad")
    file_of(tmp_path, {"rule": "x"}, name="ours.yaml")
    running.wait(lambda: "it does not say what it covers" in running.ready()[1]["not_in_force"])
    assert allowed(running, "bad")
    file_of(tmp_path, name="ours.yaml")
    running.wait(lambda: running.ready()[1]["waivers"]["files"] == 0)
    assert not allowed(running, "bad")


def test_a_waiver_made_through_the_api_lets_in_within_a_poll_where_it_reaches(
    tmp_path: Path, webhook: Start
) -> None:
    people = {**PRINCIPALS, "door": ASKING}
    with (
        real_world(tmp_path / "store") as world,
        serving(world, authenticate=by_word(people)) as server,
        server.client("admin") as admin,
    ):
        client = Client(server.url, "door")
        running = webhook(
            trial("strict", "refuses_bad"),
            store=StoreWaivers(client, "east", every_s=0.05),
        )
        running.wait(lambda: running.total("waiver_polls", result="ok"))
        assert not allowed(running, "bad")
        day = world.clock().date() + dt.timedelta(days=5)
        body = {**entry(resource="Pod */bad*"), "expires": day.isoformat()}

        def made(**reach: str) -> str:
            answer = admin.post("/api/v1/waivers", json={**body, "reach": reach})
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

        made(cluster="west", namespace="default")
        known = made(cluster="east", namespace="default")
        running.wait(lambda: running.ready()[1]["waivers"]["server"]["known"] == 1)
        running.wait(lambda: allowed(running, "bad"))
        assert not allowed(running, "bad", namespace="shop")
        assert admin.delete(f"/api/v1/waivers/{known}").status_code == 200
        running.wait(lambda: not allowed(running, "bad"))


def test_waivers_known_last_count_while_the_server_cannot_be_asked(webhook: Start) -> None:
    page = Reply(body=json.dumps({"items": [row()], "next": None}).encode())
    with peer(page, Reply(status=403)) as server:
        running = webhook(
            trial("strict", "refuses_bad"),
            store=StoreWaivers(Client(server.url, "door"), "east", every_s=0.05),
        )
        running.wait(lambda: running.total("waiver_polls", result="failed") > 1)
        assert allowed(running, "bad")
        told = running.ready()[1]["waivers"]["server"]
        assert told["known"] == 1
        assert "the token needs the permission waivers.list" in told["fault"]
        page_ = running.peer().get("/metrics")[1].decode()
        assert "haechi_admission_waivers 1\n" in page_
        assert "haechi_admission_waivers_stale 1\n" in page_


@pytest.mark.parametrize(
    "rows",
    [[1], [{}], [row(expires="soon")], [row(fingerprints=7)], [row(reach=3)], {"a": 1}],
    ids=["number", "empty", "date", "prints", "reach", "mapping"],
)
def test_a_server_that_tells_nonsense_changes_nothing(rows: Any) -> None:
    good = Reply(body=json.dumps({"items": [row()], "next": None}).encode())
    bad = Reply(body=json.dumps({"items": rows, "next": None}).encode())
    with peer(good, bad) as server, Client(server.url, "door") as client:
        store = StoreWaivers(client, "east")
        assert store.poll()
        with pytest.raises(InputError, match="cannot be read"):
            store.poll()
        assert len(store.known or ()) == 1


def test_only_what_is_about_this_cluster_is_taken() -> None:
    rows = [
        row(id="w-1"),
        row(id="w-2", source="repo:https://git.example/shop"),
        row(id="w-3", source="repo:cluster:east"),
        row(id="w-4", source="repo:cluster:west"),
        row(id="w-5", reach={"cluster": "west"}),
        row(id="w-6", path="a\\"),
    ]
    page = Reply(body=json.dumps({"items": rows, "next": None}).encode())
    with peer(page) as server, Client(server.url, "door") as client:
        store = StoreWaivers(client, "east")
        assert store.poll()
        assert not store.poll()
        assert [one.source for one in store.known or ()] == [
            "server waiver w-1",
            "server waiver w-3",
        ]


def test_expiry_is_judged_by_the_day_of_the_review() -> None:
    now = [dt.datetime.combine(TODAY, dt.time(23, 59), dt.UTC).timestamp()]
    known = Waiver(
        rule="strict",
        origin=WaiverOrigin.STORE,
        location=Location(path="waivers/w-1"),
        resource="Pod *",
        expires=TODAY,
    )
    held = Waiving(clock=lambda: now[0])
    assert held.today() is None
    held.take(Changes([], None, [known]))
    assert held.today() is not None
    held.take(Changes([], []))  # no news of waivers
    assert held.today() is not None
    now[0] += 120
    assert held.today() is None


def test_a_file_that_is_not_utf_8_is_told() -> None:
    with pytest.raises(ConfigError, match="not UTF-8"):
        Waiving.of([Text("haechi.waivers.yaml", b"\xff\xfe")])


def test_several_failures_of_one_place_are_told_apart_as_the_audit_does() -> None:
    asked = request("bad")["request"]
    review = review_of_request(asked, ObjectsView.of(()), cluster="east")
    said = PolicyVerdict(policy="rules/strict", rule="r", state=State.FAIL, message="m")
    prints = [as_finding(said, review, number).fingerprint for number in range(2)]
    assert len(set(prints)) == 2
    waive = waiving(waivers_of(row(resource="", fingerprints=[prints[1]]), "east"), TODAY)
    assert waive is not None
    assert [waive(said, review, number) for number in range(3)] == [None, "waivers/w-1:1", None]


def test_a_namespace_lies_in_none_though_the_request_names_it() -> None:
    asked = {
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Namespace"},
        "resource": {"group": "", "version": "v1", "resource": "namespaces"},
        "name": "shop",
        "namespace": "shop",
        "operation": "CREATE",
        "object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
    }
    review = review_of_request(asked, ObjectsView.of(()), cluster="east")
    assert review.resource.key == "k8s:east/core/Namespace/-/shop"
