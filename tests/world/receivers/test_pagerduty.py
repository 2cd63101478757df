"""PagerDuty: one incident there for a topic here, whatever comes twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.model.alert import Status
from haechi.world.receivers.pagerduty import PagerDuty
from haechi.world.receivers.sending import NotSent
from tests.fakes.receivers import trackers
from tests.fakes.receivers.web import Answer, as_json, web
from tests.world.receivers.made import LINK, item, message, news, over, secret_in, settings


def test_an_incident_is_triggered_acknowledged_and_resolved_under_one_key(tmp_path: Path) -> None:
    fake = trackers.PagerDuty()
    with web(fake) as server:
        mine = PagerDuty(settings("pagerduty", url=server.url, secret_file=secret_in(tmp_path)))
        sent = mine.send(message(), {})
        mine.send(message(), {})  # its answer was lost: sent again
        acknowledged = news(what="acknowledged", status=Status.ACKNOWLEDGED, state="acknowledged")
        mine.send(message(item(acknowledged)), {})
        assert fake.incidents == {"haechi/incident:inc-1": "acknowledged"}
        mine.send(over(), {})
    assert sent.status == "202"
    assert fake.incidents == {"haechi/incident:inc-1": "resolved"}
    first = fake.events[0]
    assert first["payload"]["severity"] == "error"
    assert first["payload"]["timestamp"].startswith("2026-11-")
    assert first["links"] == [{"href": LINK, "text": "Open in haechi"}]


def test_a_test_message_is_seen_there(tmp_path: Path) -> None:
    fake = trackers.PagerDuty()
    with web(fake) as server:
        mine = PagerDuty(settings("pagerduty", url=server.url, secret_file=secret_in(tmp_path)))
        mine.send(over(test=True), {})
    assert fake.events[0]["event_action"] == "trigger"


def test_a_wrong_key_is_refused_for_good_and_not_repeated(tmp_path: Path) -> None:
    with web(trackers.PagerDuty()) as server:
        key = secret_in(tmp_path, "wrong-routing-key")
        mine = PagerDuty(settings("pagerduty", url=server.url, secret_file=key))
        with pytest.raises(NotSent) as raised:
            mine.send(message(), {})
    assert raised.value.permanent
    assert "routing_key" in str(raised.value)
    assert "wrong-routing-key" not in str(raised.value)


@pytest.mark.parametrize(
    "answer", [Answer(202, b"<html>"), as_json({"status": "?"}, 202), as_json([], 202)], ids=repr
)
def test_an_answer_of_something_else_is_no_success(tmp_path: Path, answer: Answer) -> None:
    with web(lambda _: answer) as server:
        mine = PagerDuty(settings("pagerduty", url=server.url, secret_file=secret_in(tmp_path)))
        with pytest.raises(NotSent) as raised:
            mine.send(message(), {})
    assert not raised.value.permanent


def test_the_summary_fits(tmp_path: Path) -> None:
    fake = trackers.PagerDuty()
    with web(fake) as server:
        mine = PagerDuty(settings("pagerduty", url=server.url, secret_file=secret_in(tmp_path)))
        mine.send(message(item(heading="x" * 5_000)), {})
    assert len(fake.events[0]["payload"]["summary"]) == 1024
