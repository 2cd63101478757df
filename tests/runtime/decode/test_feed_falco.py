"""Falco's alerts, directly and through Falcosidekick."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.decode.feed_samples import CONTAINER, FALCO, decoded, one


def test_rule_priority_time_and_place_are_taken_over() -> None:
    event = one("falco", FALCO)
    assert (event.source, event.type, event.rule) == ("falco", "execve", "Shell in a container")
    assert (event.priority, event.ts_ns) == ("notice", 1793556000123456789)
    assert (event.node, event.namespace) == ("node-1", "shop")
    assert event.container_id == CONTAINER[:12]
    assert event.resource == "k8s:prod/core/Pod/shop/web-1"
    assert event.message == FALCO["output"]


def test_output_fields_stay_and_missing_values_are_absent() -> None:
    fields = one("falco", FALCO).fields
    given = FALCO["output_fields"]
    assert {name: fields[name] for name in given if given[name] is not None} == {
        name: value for name, value in given.items() if value is not None
    }
    assert "user.name" not in fields
    assert fields["falco.tags"] == ["T1059", "container"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Emergency", "emergency"),
        ("WARNING", "warning"),
        ("Informational", "informational"),
        ("Info", "informational"),
        ("debug", "debug"),
        ("Terrible", ""),
    ],
)
def test_priorities_are_falcos(given: str, wanted: str) -> None:
    assert one("falco", {**FALCO, "priority": given}).priority == wanted


def test_falcosidekicks_random_id_does_not_make_an_alert_new() -> None:
    assert one("falco", {**FALCO, "uuid": "11aa"}).id == one("falco", {**FALCO, "uuid": "22bb"}).id
    assert one("falco", FALCO).id == one("falco", {**FALCO, "uuid": "22bb"}).id


@pytest.mark.parametrize(
    "change",
    [{"time": "2026-11-01T18:00:00.123456790Z"}, {"rule": "Another"}, {"hostname": "node-2"}],
    ids=["time", "rule", "host"],
)
def test_another_alert_has_another_id(change: dict[str, Any]) -> None:
    assert one("falco", {**FALCO, **change}).id != one("falco", FALCO).id


def test_a_time_that_cannot_be_read_is_taken_from_the_fields() -> None:
    assert one("falco", {**FALCO, "time": "soon"}).ts_ns == 1793556000123456789


def test_alerts_about_the_audit_log_keep_their_namespace() -> None:
    fields = {"ka.verb": "create", "ka.target.namespace": "pay", "ka.target.resource": "pods"}
    event = one("falco", {**FALCO, "source": "k8s_audit", "output_fields": fields})
    assert (event.type, event.namespace, event.resource) == ("create", "pay", "")


def test_a_process_of_the_host_has_no_container() -> None:
    fields = {**FALCO["output_fields"], "container.id": "host"}
    event = one("falco", {**FALCO, "output_fields": fields})
    assert event.container_id == ""
    assert event.fields["container.id"] == "host"


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"priority": "Notice"}, "`rule` is missing"),
        ({"rule": "x"}, "`priority` is missing"),
        ({"rule": "x", "priority": "Notice", "output_fields": [1]}, "is no object"),
    ],
    ids=["no-rule", "no-priority", "fields"],
)
def test_what_is_no_alert_is_refused(record: dict[str, Any], why: str) -> None:
    (refusal,) = decoded("falco", record).refusals
    assert why in refusal.why


def test_samples_of_refused_alerts_hold_no_credential() -> None:
    (refusal,) = decoded("falco", b'{"output": "x", "token": "hunter2hunter2"').refusals
    assert "hunter2" not in refusal.sample
    assert "***" in refusal.sample
