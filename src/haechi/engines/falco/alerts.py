"""Detections in the shape of Falco's JSON alerts (``formats.cpp`` of falcosecurity/falco), so that
whatever takes Falco's alerts takes ours."""

from __future__ import annotations

import re
from typing import Any

from haechi.engines.falco import derive_event
from haechi.engines.falco.access import SOURCES
from haechi.engines.falco.output import LONGEST, render, tokens, value_of
from haechi.engines.falco.ruleset import Rule
from haechi.engines.falco.syntax import Field
from haechi.engines.falco.values import text_of
from haechi.model.event import Event

_SURROGATES = re.compile("[\ud800-\udfff]")


def priority(name: str) -> str:
    """``Notice``: as Falco writes it."""
    return name.capitalize()


def alert(rule: Rule, event: Event, *, hostname: str = "") -> dict[str, Any]:
    """The alert of a rule for an event. ``output`` begins with the time of day (UTC) and the
    priority; ``output_fields`` has the fields named by the output as they are, null for what is
    missing, and ``evt.time`` as nanoseconds since 1970."""
    level = priority(rule.priority)
    said = render(rule.output, event)
    return {
        "hostname": hostname or event.node,
        "output": f"{derive_event.clock(event)}: {level} {said}",
        "output_fields": output_fields(rule.output, event),
        "priority": level,
        "rule": rule.name,
        "source": rule.source,
        "tags": sorted(set(rule.tags)),
        "time": derive_event.iso8601_z(event),
    }


def output_fields(output: str, event: Event) -> dict[str, Any]:
    """Field by field; what transformers make is left out, as in Falco."""
    source = SOURCES.get(event.source, "syscall")
    found: dict[str, Any] = {"evt.time": event.ts_ns}
    for token in tokens(output):
        if isinstance(token.operand, Field) and token.operand.name not in _TIMES:
            value = value_of(token.operand, source)(event)
            found[str(token.operand)] = _json(value)
        elif isinstance(token.operand, Field):
            found[str(token.operand)] = event.ts_ns
    return found


_TIMES = frozenset({"evt.time", "evt.time.s", "evt.time.iso8601", "evt.datetime", "evt.datetime.s"})
"""Falco's JSON has the number for each of them."""


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    return _SURROGATES.sub("\ufffd", (text_of(value) or "")[:LONGEST])
