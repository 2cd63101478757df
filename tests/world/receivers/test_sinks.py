"""Syslog and OTLP: what their listeners decode."""

from __future__ import annotations

import json
import re
import ssl
from pathlib import Path
from typing import Any

import pytest

from haechi.world.receivers.otlp import Otlp
from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.syslog import Syslog
from tests.fakes.receivers.logs import syslog_server
from tests.fakes.receivers.web import Answer, Asked, as_json, web
from tests.world.receivers.made import AT_NS, certified, item, message, news, settings

RFC5424 = re.compile(r"<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) - (.*)", re.DOTALL)


@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls"])
def test_a_listener_reads_whole_records(tmp_path: Path, protocol: str) -> None:
    context: ssl.SSLContext | None = None
    more: dict[str, Any] = {}
    if protocol == "tls":
        context, more["ca_file"] = certified(tmp_path)
    with syslog_server(protocol, context) as server:
        mine = settings("syslog", host="127.0.0.1", port=server.port, protocol=protocol, **more)
        two = (item(), item(news(topic="incident:inc-2", level="critical", node="")))
        Syslog(mine).send(message(*two), {})
        records = server.wait(2)
    first, second = (RFC5424.fullmatch(one.decode()) for one in records)
    assert first and second
    assert first.groups()[:6] == (
        "83", "2026-11-18T11:06:40.000Z", "node-1", "haechi", "-", "opened",
    )  # fmt: skip
    assert (second[1], second[3]) == ("82", "prod")
    assert json.loads(first[7])["incident"] == "inc-1"


def test_a_listener_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    with syslog_server("tls", context) as server:
        mine = settings("syslog", host="127.0.0.1", port=server.port)
        with pytest.raises(NotSent, match=r"(?i)certificate"):
            Syslog(mine).send(message(), {})
    assert server.records == []


@pytest.mark.parametrize("form", ["json", "cef"])
def test_a_datagram_is_never_larger_than_a_packet(form: str) -> None:
    with syslog_server("udp") as server:
        mine = settings("syslog", host="127.0.0.1", port=server.port, protocol="udp", format=form)
        Syslog(mine).send(message(item(evidence=("경고" * 4_000,))), {})
        (record,) = server.wait(1)
    assert len(record) <= 2_000
    head = RFC5424.fullmatch(record.decode())
    assert head
    assert form == "cef" or json.loads(head[7])["incident"] == "inc-1"


def decoded(asked: Asked) -> list[dict[str, Any]]:
    """As a collector reads it: strict about the types of OTLP's JSON."""
    rows = []
    for resource in asked.json["resourceLogs"]:
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                assert re.fullmatch(r"\d+", record["timeUnixNano"])
                row = {one["key"]: _value(one["value"]) for one in record["attributes"]}
                row |= {"severity": record["severityNumber"], "at": int(record["timeUnixNano"])}
                rows.append(row | {"body": record["body"]["stringValue"]})
    return rows


def _value(value: dict[str, Any]) -> Any:
    ((kind, held),) = value.items()
    match kind:
        case "arrayValue":
            return [_value(one) for one in held["values"]]
        case "intValue":
            assert isinstance(held, str)
            return int(held)
        case _:
            assert kind in ("stringValue", "boolValue", "doubleValue")
            return held


def test_a_collector_decodes_the_records() -> None:
    with web() as server:
        Otlp(settings("otlp", url=server.url)).send(message(), {})
        Otlp(settings("otlp", url=server.url + "/v1/logs")).send(message(), {})
    assert [one.path for one in server.asked] == ["/v1/logs", "/v1/logs"]
    (row,) = decoded(server.asked[0])
    assert row["severity"] == 17
    assert row["at"] == AT_NS
    assert row["haechi.rules"] == ["Terminal shell in container"]
    assert row["k8s.namespace.name"] == "shop"
    assert row["haechi.detections"] == 3
    assert row["haechi.test"] is False


def test_records_that_a_collector_rejects_are_lost_for_good_and_told() -> None:
    part = {"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "too old"}}
    with web(lambda _: as_json(part)) as server, pytest.raises(NotSent, match="too old") as raised:
        Otlp(settings("otlp", url=server.url)).send(message(), {})
    assert raised.value.permanent


def test_an_empty_answer_of_a_collector_is_a_yes() -> None:
    with web(lambda _: Answer(200, b"")) as server:
        assert Otlp(settings("otlp", url=server.url)).send(message(), {}).status == "200"
