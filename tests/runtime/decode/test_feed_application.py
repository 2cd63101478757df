"""Applications by a declared mapping, and haechi's own events."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from haechi.errors import ConfigError, UsageError
from haechi.runtime.decode.application import Application, Mapping
from haechi.runtime.sources import decoder
from tests.runtime.decode.feed_samples import LOGIN, MAPPING, NATIVE, NOW, as_bytes, decoded, one


def test_only_what_is_declared_is_taken_and_no_credential() -> None:
    event = one("application", LOGIN)
    assert event.type == "authentication-failed"
    assert event.fields == {
        "app.event": "authentication-failed",
        "app.user": "alice",
        "app.ip": "198.51.100.7",
        "app.message": "login failed, password=***",
        "app.extra": {"attempt": 3, "session_token": "***"},
        "app.service": "login",
    }
    assert "hunter2" not in repr(event)


def test_unwanted_lines_are_skipped_and_counted() -> None:
    found = decoded("application", {**LOGIN, "level": "debug"})
    assert (found.events, found.skipped) == ([], 1)


def test_equal_lines_of_two_places_are_two_events() -> None:
    application, line = Application(MAPPING), as_bytes(LOGIN)
    ids = [
        application.read(line, cluster="c", now_ns=NOW, place=place).events[0].id
        for place in ("1:2:0", "1:2:300", "1:2:0")
    ]
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize(
    ("mapping", "line", "fields"),
    [
        (
            Mapping(format="logfmt", time="ts", type="event", fields={"app.user": "user"}),
            b'ts=2026-11-01T18:00:00Z event=denied user="a \\"b\\" c" other=1',
            {"app.event": "denied", "app.user": 'a "b" c'},
        ),
        (
            Mapping(
                format="regex",
                pattern=r'(?P<ip>\S+) \S+ (?P<who>\S+) \[(?P<t>[^\]]+)\] "(?P<m>\S+) (?P<p>[^ ?]+)'
                r'[^"]*" (?P<s>\d+)',
                time="t",
                time_format="%d/%b/%Y:%H:%M:%S %z",
                fields={
                    "app.ip": "ip",
                    "app.user": "who",
                    "http.method": "m",
                    "http.path": "p",
                    "http.status": "s",
                },
            ),
            b'198.51.100.7 - bob [01/Nov/2026:19:00:00 +0100] "GET /admin?x=1 HTTP/1.1" 403',
            {
                "app.ip": "198.51.100.7",
                "app.user": "bob",
                "http.path": "/admin",
                "http.status": 403,
            },
        ),
        (
            Mapping(format="json", fields={"app.role": "roles.1", "app.ok": "ok"}),
            b'{"time": 1793556000, "roles": ["a", "b"], "ok": false}',
            {"app.role": "b", "app.ok": False},
        ),
    ],
    ids=["logfmt", "regex", "json"],
)
def test_three_ways_to_write_lines(mapping: Mapping, line: bytes, fields: dict[str, Any]) -> None:
    (event,) = Application(mapping).read(line, cluster="c", now_ns=NOW).events
    assert event.ts_ns == 1793556000000000000
    assert {name: event.fields.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"fields": {"user": "u"}}, "no field that a mapping can set"),
        ({"fields": {"app.x": "user.password"}}, "looks like a credential"),
        ({"fields": {"app.token": "t"}}, "looks like a credential"),
        ({"fields": {"app.x": "apiKey"}}, "looks like a credential"),
        ({"fields": {"app.x": "Authorization"}}, "looks like a credential"),
        ({"format": "regex", "pattern": "(?=x)"}, "not RE2's"),
        ({"format": "regex", "pattern": "x"}, "no named groups"),
        ({"constants": {"evil": 1}}, "no field that a mapping can set"),
    ],
    ids=["target", "source", "target-secret", "hump", "header", "look", "groups", "constant"],
)
def test_mappings_that_cannot_work_are_told(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        Application(Mapping(**{"format": "json", "fields": {"app.user": "user"}, **change}))


@pytest.mark.parametrize("name", ["author", "passenger", "authors.name", "client.ip", "shipping"])
def test_harmless_names_are_taken(name: str) -> None:
    Application(Mapping(format="json", fields={"app.x": name}))


def test_a_line_that_does_not_match_is_refused_without_its_password() -> None:
    application = Application(
        Mapping(format="regex", pattern=r"^(?P<user>\w+) in$", fields={"app.user": "user"})
    )
    (refusal,) = application.read(b"bob password: hunter2hunter2 out", cluster="c").refusals
    assert "does not match" in refusal.why
    assert "hunter2" not in refusal.sample


def test_our_own_events_keep_what_they_say() -> None:
    event = one("native", NATIVE)
    assert (event.id, event.ts_ns, event.source) == ("sensor-1", NATIVE["ts_ns"], "sensor")
    assert (event.cluster, event.namespace, event.fields) == ("prod", "shop", NATIVE["fields"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema": "haechi.event/2"}, "`schema` is not"),
        ({"extra": 1}, "it has no `extra`"),
        ({"id": ""}, "`id` is missing"),
        ({"ts_ns": "1793556000123456789"}, "no whole number"),
        ({"fields": []}, "`fields` is no object"),
    ],
    ids=["schema", "unknown", "id", "time", "fields"],
)
def test_what_is_no_event_of_ours_is_refused(change: dict[str, Any], why: str) -> None:
    (refusal,) = decoded("native", {**NATIVE, **change}).refusals
    assert why in refusal.why


def test_a_file_cannot_claim_to_have_detected() -> None:
    assert one("native", {**NATIVE, "source": "haechi"}).source == "unknown"


def test_small_times_of_ours_are_old_and_not_in_seconds() -> None:
    event = one("native", {**NATIVE, "ts_ns": 1793556000})
    assert (event.ts_ns, event.fields["haechi.clock"]) == (NOW, "1793556000 ns")


def test_a_feed_that_there_is_not_is_told() -> None:
    with pytest.raises(UsageError, match="no kind of feed 'syslog'"):
        decoder("syslog")


def test_the_guides_mappings_work() -> None:
    """docs/guide/sources.md"""
    page = (Path(__file__).parents[3] / "docs/guide/sources.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    mappings = [
        block["runtime"]["mappings"] for block in blocks if "mappings" in block.get("runtime", {})
    ]
    (declared,) = mappings
    made = {name: Application(msgspec.convert(one, Mapping)) for name, one in declared.items()}
    line = b'198.51.100.7 - bob [01/Nov/2026:19:00:00 +0100] "GET /admin?x=1 HTTP/1.1" 403 12'
    (event,) = made["nginx"].read(line, cluster="c", now_ns=NOW).events
    assert (event.type, event.fields["http.status"]) == ("request", 403)
    assert len(made["shop"].read(as_bytes(LOGIN), cluster="c", now_ns=NOW).events) == 1
