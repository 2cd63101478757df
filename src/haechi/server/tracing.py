"""Requests as OpenTelemetry spans, for those who set ``tracing.endpoint``; an optional extra.

A span is made when its request has ended, out of what the log knows of it: nothing is added to
the way of a request, and what stands in a span stands in the log, too (no addresses, no bodies,
no names of things). A collector that is away costs spans, never requests.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from haechi import __version__
from haechi.errors import UsageError
from haechi.server.logs import STORY

if TYPE_CHECKING:
    from opentelemetry.context import Context

_NS = 10**9


class Traces:
    """Sends spans to ``endpoint`` in batches. Raises UsageError without the extra."""

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ModuleNotFoundError as error:
            raise UsageError(
                f"tracing.endpoint is set, but {error.name} is not installed",
                do="pip install 'haechi[otel]', or leave tracing.endpoint out",
            ) from error
        about = Resource.create({"service.name": "haechi", "service.version": __version__})
        # Not registered globally: two servers in one process (tests) keep apart.
        self._provider = TracerProvider(resource=about, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("haechi.server", __version__)

    def request(self, operation: str, status: int, seconds: float) -> None:
        """One answered request; called while its story is still told."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        story = STORY.get()
        ended = time.time_ns()
        span = self._tracer.start_span(
            operation,
            context=_caller(story.trace, story.span) if story else None,
            kind=SpanKind.SERVER,
            start_time=ended - int(seconds * _NS),
            attributes={
                "http.response.status_code": status,
                "http.route": story.route if story else "",
                "haechi.request": story.request if story else "",
            },
        )
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    def close(self) -> None:
        """Send what waits, for two seconds at most, and end."""
        self._provider.force_flush(timeout_millis=1_000)
        self._provider.shutdown()


def _caller(trace: str, span: str) -> Context | None:
    """The context of the caller's span; None when the caller told of none."""
    if not trace or not span:
        return None
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    return set_span_in_context(
        NonRecordingSpan(
            SpanContext(
                trace_id=int(trace, 16),
                span_id=int(span, 16),
                is_remote=True,
                trace_flags=TraceFlags(TraceFlags.SAMPLED),
            )
        )
    )
