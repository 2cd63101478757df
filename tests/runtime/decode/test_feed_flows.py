"""Flows of Hubble and access logs of Envoy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.decode.feed_samples import ACCESS, FLOW, decoded, flow, one

ISTIO_LINE = (
    '[2026-11-01T18:00:00.123Z] "GET /orders?token=abc HTTP/1.1" 403 - '
    'rbac_access_denied_matched_policy[none] - "-" 0 19 0 - "198.51.100.7" "curl/8" "rid" '
    '"orders:8080" "-" inbound|8080|| - 10.0.2.6:8080 10.0.1.5:39999 '
    "outbound_.8080_._.orders.shop.svc.cluster.local default"
)
ENVOY_LINE = (
    '[2026-11-01T18:00:00.123Z] "POST /a HTTP/2" 503 UF 1 2 3 - "-" "grpc" "rid" "api" '
    '"10.0.2.6:8080"'
)


def test_a_flow_has_ends_a_verdict_and_policies() -> None:
    event = one("hubble", FLOW)
    assert (event.type, event.namespace, event.node) == ("flow", "shop", "node-1")
    assert event.resource == "k8s:prod/core/Pod/shop/web-1"
    expected = {
        "fd.name": "10.0.1.5:40000->10.0.2.6:8080",
        "fd.sip": "10.0.2.6",
        "fd.sport": 8080,
        "fd.cip": "10.0.1.5",
        "fd.cport": 40000,
        "fd.l4proto": "tcp",
        "flow.verdict": "denied",
        "flow.direction": "egress",
        "flow.drop_reason": "POLICY_DENIED",
        "flow.policies": ["shop/no-pay"],
        "flow.source.workload": "web",
        "flow.source.namespace": "shop",
        "flow.destination.workload": "api-0",
        "flow.destination.namespace": "pay",
    }
    assert {name: event.fields.get(name) for name in expected} == expected


def test_a_reply_has_the_same_client() -> None:
    source, destination = FLOW["flow"]["source"], FLOW["flow"]["destination"]
    event = one(
        "hubble",
        flow(
            is_reply=True,
            IP={"source": "10.0.2.6", "destination": "10.0.1.5"},
            l4={"TCP": {"source_port": 8080, "destination_port": 40000}},
            source=destination,
            destination=source,
        ),
    )
    assert event.fields["fd.name"] == "10.0.1.5:40000->10.0.2.6:8080"
    assert event.fields["flow.source.workload"] == "web"
    assert event.fields["flow.reply"] is True


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"verdict": "FORWARDED"}, "forwarded"),
        ({"verdict": "AUDIT"}, "audit"),
        ({"verdict": "ERROR"}, "error"),
        ({"drop_reason_desc": "STALE_OR_UNROUTABLE_IP"}, "dropped"),
        ({"drop_reason_desc": "AUTH_REQUIRED"}, "denied"),
        ({"drop_reason_desc": "", "l7": {"http": {"method": "POST"}}}, "denied"),
    ],
    ids=["forwarded", "audit", "error", "dropped", "auth", "layer-7"],
)
def test_only_policies_deny(change: dict[str, Any], verdict: str) -> None:
    assert one("hubble", flow(**change)).fields["flow.verdict"] == verdict


def test_names_that_are_asked_for() -> None:
    event = one("hubble", flow(l7={"dns": {"query": "evil.example.", "qtypes": ["A"], "rcode": 3}}))
    assert event.type == "dns"
    assert event.fields["flow.dns.query"] == "evil.example"
    assert event.fields["flow.dns.rcode"] == 3


def test_requests_without_query_login_and_headers() -> None:
    http = {
        "method": "GET",
        "url": "http://u:hunter2@api.pay:8080/v1/x?token=hunter2#hunter2",
        "code": 403,
        "headers": [
            {"key": "Authorization", "value": "Bearer hunter2"},
            {"key": "User-Agent", "value": "curl"},
        ],
    }
    event = one("hubble", flow(l7={"type": "RESPONSE", "http": http}))
    assert event.type == "http"
    assert event.fields["http.path"] == "/v1/x"
    assert event.fields["http.host"] == "api.pay:8080"
    assert event.fields["http.status"] == 403
    assert event.fields["http.user_agent"] == "curl"
    assert "hunter2" not in repr(event)


def test_kafka_keeps_its_topic() -> None:
    event = one("hubble", flow(l7={"kafka": {"topic": "orders", "api_key": "produce"}}))
    assert (event.type, event.fields["kafka.topic"]) == ("flow", "orders")


@pytest.mark.parametrize(
    ("record", "lost", "skipped"),
    [
        ({"lost_events": {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "7"}}, 7, 0),
        ({"lost_events": {}}, 1, 0),
        ({"node_status": {"state_change": "NODE_CONNECTED"}}, 0, 1),
        ({"agent_event": {}}, 0, 1),
    ],
    ids=["lost", "lost-some", "node", "agent"],
)
def test_losses_are_counted(record: dict[str, Any], lost: int, skipped: int) -> None:
    found = decoded("hubble", record)
    assert (found.lost, found.skipped, found.events, found.refusals) == (lost, skipped, [], [])


def test_a_flow_without_its_wrapper_is_the_same() -> None:
    assert one("hubble", FLOW["flow"]).id == one("hubble", FLOW).id


def test_an_entry_of_istios_log() -> None:
    event = one("envoy", ACCESS)
    expected = {
        "fd.name": "10.0.1.5:39999->10.0.2.6:8080",
        "flow.verdict": "forwarded",
        "flow.direction": "egress",
        "flow.destination.workload": "orders",
        "flow.destination.namespace": "shop",
        "http.method": "GET",
        "http.path": "/orders",
        "http.status": 200,
        "http.host": "orders.shop:8080",
        "http.user_agent": "curl/8",
        "http.forwarded_for": "198.51.100.7",
    }
    assert event.type == "http"
    assert {name: event.fields.get(name) for name in expected} == expected
    assert "abcdefgh" not in repr(event)


def test_a_line_of_istios_text_is_read_alike() -> None:
    event = one("envoy", ISTIO_LINE.encode())
    assert event.fields["flow.verdict"] == "denied"
    assert event.fields["fd.name"] == "10.0.1.5:39999->10.0.2.6:8080"
    assert event.fields["http.path"] == "/orders"
    assert event.ts_ns == 1793556000123000000


def test_a_line_of_envoys_own_text() -> None:
    event = one("envoy", ENVOY_LINE.encode())
    assert (event.fields["flow.verdict"], event.fields["http.status"]) == ("error", 503)
    assert event.fields["fd.sip"] == "10.0.2.6"


def test_a_client_cannot_add_fields_to_a_line_unseen() -> None:
    forged = ISTIO_LINE.replace('"curl/8"', '"curl/8" "x" "y"')
    found = decoded("envoy", forged.encode())
    assert (found.events, len(found.refusals)) == ([], 1)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"response_code": 403, "response_code_details": "rbac_access_denied_x"}, "denied"),
        ({"response_code": 403, "response_flags": "UAEX"}, "denied"),
        ({"response_code": 403}, "forwarded"),
        ({"response_code": 503, "response_flags": "UH"}, "error"),
        ({"response_code": 0, "response_flags": "DC"}, "error"),
        ({"method": None, "response_code": 0}, "forwarded"),
        (
            {
                "method": None,
                "response_code": 0,
                "connection_termination_details": "rbac_access_denied_matched_policy[none]",
            },
            "denied",
        ),
    ],
    ids=["rbac", "external", "the-application", "no-upstream", "no-answer", "tcp", "tcp-denied"],
)
def test_verdicts_of_the_proxy(change: dict[str, Any], verdict: str) -> None:
    assert one("envoy", {**ACCESS, **change}).fields["flow.verdict"] == verdict
