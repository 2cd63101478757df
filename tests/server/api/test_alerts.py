"""Alerts over the API: setup without secrets, deliveries within reach, retries, tests, previews."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import Conflict, NotFound, UsageError
from haechi.model.access import Role
from haechi.respond.alerts.settings import Match, Route
from haechi.server.settings import Alerts
from haechi.server.work.alerting import Alerting
from haechi.world.receivers.settings import ReceiverSettings
from tests.fakes.receivers.trackers import TOKEN
from tests.fakes.receivers.web import Answer, Web, web
from tests.respond.alerts.made import opened
from tests.server.api.rig import START, Rig, principal, rig
from tests.world.receivers.made import secret_in

VIEWER = principal((Role.VIEWER, "shop"))
OPERATOR = principal((Role.OPERATOR, "shop"))
FOREIGN = principal((Role.OPERATOR, "pay"))
ROUTES = [
    Route(name="pay", receivers=["hook"], match=Match(namespaces=["pay"]), group_wait=0),
    Route(name="worst", receivers=["hook"], match=Match(level="critical")),
    Route(name="rest", receivers=["hook"], group_wait=0),
]


@contextmanager
def telling(folder: Path, routes: list[Route] | None = None) -> Iterator[tuple[Rig, Web]]:
    """A server with one receiver, and an incident in two namespaces."""
    with rig(folder / "store") as made, web() as server:
        hook = ReceiverSettings(
            name="hook",
            kind="webhook",
            url=server.url + "/secret-path",
            secret_file=secret_in(folder),
        )
        alerts = Alerts(receivers=[hook], routes=ROUTES if routes is None else routes)
        settings = msgspec.structs.replace(made.world.settings, alerts=alerts)
        world = dataclasses.replace(made.world, settings=settings, alerting=Alerting())
        one = dataclasses.replace(made, world=world)
        now = int(START.timestamp()) * 10**9
        for id_, namespace in (("inc-shop", "shop"), ("inc-pay", "pay")):
            opened(world.store.state, id_, namespace=namespace, first_ns=now, opened_ns=now)
        yield one, server


def taken(made: Rig) -> Any:
    """News are written down; the courier of the one receiver."""
    manager = made.world.alerting.manager(made.world)
    manager.take(made.clock())
    return manager.courier("hook")[0]


def test_the_setup_tells_where_and_never_what_is_secret(tmp_path: Path) -> None:
    with telling(tmp_path) as (made, server):
        taken(made)
        found = made.call("alerts.setup")
    (hook,) = found.receivers
    assert (hook.address, hook.secret, hook.waiting) == (server.url, "set", 2)
    assert [one.name for one in found.routes] == ["pay", "worst", "rest"]
    assert not found.silent
    said = msgspec.json.encode(found).decode()
    assert TOKEN not in said
    assert "secret-path" not in said


def test_without_routes_it_says_that_nobody_is_told(tmp_path: Path) -> None:
    with telling(tmp_path, []) as (made, _):
        found = made.call("alerts.setup")
    assert found.silent
    assert "no route is configured" in found.why


def test_a_secret_that_is_not_there_is_told(tmp_path: Path) -> None:
    with telling(tmp_path) as (made, _):
        (tmp_path / "secret").unlink()
        assert made.call("alerts.setup").receivers[0].secret == "missing"


def test_everybody_sees_the_deliveries_of_their_places(tmp_path: Path) -> None:
    with telling(tmp_path) as (made, _):
        taken(made)
        assert {one.incident for one in made.call("alerts.list").items} == {"inc-shop", "inc-pay"}
        (mine,) = made.call("alerts.list", who=VIEWER).items
        assert (mine.incident, mine.state, mine.route) == ("inc-shop", "waiting", "rest")
        shown = made.call("alerts.show", who=VIEWER, params={"id": mine.id})
        assert shown.text.startswith("New incident: Shell in web\n")
        with pytest.raises(NotFound):
            made.call("alerts.show", who=FOREIGN, params={"id": mine.id})
        part = made.call("alerts.list", limit=1)
        rest = made.call("alerts.list", limit=1, cursor=part.next)
        assert (part.total, rest.next) == (2, None)
        assert [one.incident for one in rest.items] == ["inc-shop"]


def test_a_wrong_state_is_named(tmp_path: Path) -> None:
    with telling(tmp_path) as (made, _), pytest.raises(UsageError, match="is no state"):
        made.call("alerts.list", state=["lost"])


def test_dead_letters_are_retried_by_operators_of_the_place(tmp_path: Path) -> None:
    with telling(tmp_path) as (made, server):
        courier = taken(made)
        server.responder = lambda _: Answer(400, b"no")
        assert [courier.turn(made.clock()).outcome for _ in range(2)] == ["dead", "dead"]
        server.responder = lambda _: Answer()
        (mine,) = made.call("alerts.list", who=OPERATOR, state=["dead"]).items
        assert mine.error == "HTTP 400: no"
        with pytest.raises(NotFound):
            made.call("alerts.retry", who=FOREIGN, params={"id": mine.id})
        assert made.call("alerts.retry", who=OPERATOR, params={"id": mine.id}).state == "waiting"
        with pytest.raises(Conflict):
            made.call("alerts.retry", who=OPERATOR, params={"id": mine.id})
        assert made.call("alerts.retry_all", who=OPERATOR).retried == 0
        assert made.call("alerts.retry_all", who=FOREIGN, receiver="hook").retried == 1
        made.clock.pass_(dt.timedelta(seconds=1))
        assert [courier.turn(made.clock()).outcome for _ in range(2)] == ["sent", "sent"]
        actions = [row.action for row in made.world.store.audit.rows(limit=100)]
    assert actions.count("alert.retry") == 2


def test_a_test_tells_the_real_answer_and_is_logged(tmp_path: Path) -> None:
    with telling(tmp_path) as (made, server):
        good = made.call("alerts.test", params={"name": "hook"})
        server.responder = lambda asked: Answer(403, b"token is " + TOKEN.encode())
        bad = made.call("alerts.test", params={"name": "hook"})
        with pytest.raises(NotFound):
            made.call("alerts.test", params={"name": "other"})
        logged = [
            row for row in made.world.store.audit.rows(limit=100) if row.action == "alert.test"
        ]
        assert made.call("alerts.list").items == []
    assert (good.ok, good.status) == (True, "200")
    assert server.asked[0].json["test"] is True
    assert (bad.ok, bad.status, bad.detail) == (False, "403", "HTTP 403: token is ***")
    assert [row.detail["ok"] for row in logged] == [True, False]


def test_a_preview_explains_each_route(tmp_path: Path) -> None:
    with telling(tmp_path) as (made, _):
        found = made.call("alerts.preview", incident="inc-shop")
        mine = made.call("alerts.preview", who=VIEWER, incident="inc-shop")
        with pytest.raises(NotFound):
            made.call("alerts.preview", who=FOREIGN, incident="inc-shop")
        with pytest.raises(NotFound):
            made.call("alerts.preview", who=VIEWER, cluster="prod", namespace="pay")
        none = made.call("alerts.preview", incident="inc-shop", event="resolved")
    assert [(one.route, one.takes, one.because) for one in found.steps] == [
        ("pay", False, "its namespace is shop"),
        ("worst", False, "its level is high, below critical"),
        ("rest", True, ""),
    ]
    assert found.says == "told to hook"
    assert [one.route for one in mine.steps] == ["rest"]
    assert none.receivers == ["hook"]


def test_tickets_are_listed_within_reach(tmp_path: Path) -> None:
    with telling(tmp_path) as (made, _):
        courier = taken(made)
        while courier.turn(made.clock()).outcome == "sent":
            pass
        assert made.call("alerts.tickets") == []  # a webhook keeps none
