"""Spans reach a collector, under the caller's trace, and say no more than the log does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haechi.errors import UsageError
from haechi.server.settings import Settings, Tracing
from tests.client.peer import Reply, peer
from tests.server.serving import local_settings, real_world, serving

pytest.importorskip("opentelemetry.sdk", reason="the extra haechi[otel] is not installed")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def _spans(body: bytes) -> list[Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    sent = ExportTraceServiceRequest.FromString(body)
    return [
        span for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans
    ]


def test_a_request_is_a_span_of_the_callers_trace(tmp_path: Path) -> None:
    with peer(Reply(body=b"", type="application/x-protobuf")) as collector:
        settings = local_settings(tracing=Tracing(endpoint=f"{collector.url}/v1/traces"))
        with (
            real_world(tmp_path / "store", settings) as world,
            serving(world) as running,
            running.client("wrong-token") as client,
        ):
            parent = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
            client.get("/api/v1/findings?text=hush", headers=parent)
        bodies = [seen.body for seen in collector.seen]
    [span] = [one for body in bodies for one in _spans(body) if one.name == "findings.list"]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    told = {one.key: one.value for one in span.attributes}
    assert told["http.response.status_code"].int_value == 401
    assert told["http.route"].string_value.endswith("/findings")
    assert b"hush" not in b"".join(bodies)
    assert b"wrong-token" not in b"".join(bodies)


def test_a_collector_that_is_away_costs_no_request(tmp_path: Path) -> None:
    settings = local_settings(tracing=Tracing(endpoint="http://127.0.0.1:9/v1/traces"))
    with (
        real_world(tmp_path / "store", settings) as world,
        serving(world) as running,
        running.client("") as client,
    ):
        assert client.get("/healthz").status_code == 200


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from haechi.server.run import made_world

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(UsageError, match="not installed"):
        made_world(None, Settings(tracing=Tracing(endpoint="http://127.0.0.1:9")))  # type: ignore[arg-type]
