"""The server's own log: JSON lines for machines, plain lines for a terminal; on standard error.

What a request is about is kept in a context variable, so that a line written deep in a handler
carries the request's and the trace's id. Headers, cookies, queries and bodies are never logged;
as a second net, whatever looks like a credential is blanked out of messages and tracebacks.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import sys
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TextIO

import msgspec

_SECRETS = re.compile(
    r"(?i:bearer|basic)\s+[\w.~+/=-]{8,}"
    r"|\bhaechi_\w+"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|(?i:(?:set-)?cookie|authorization|x-csrf-token)\s*[:=]\s*\S+"
)
_TRACE = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}"
)
_HANDLER = "haechi"
_IN_MESSAGE = frozenset({"method", "route", "status"})
"""Fields of a request's line that its words say already."""
_LONGEST = 8192


@dataclass(slots=True)
class Story:
    """What the log knows of a request; filled while it goes on. ``trace`` and ``span`` are the
    caller's, where it sent a ``traceparent``."""

    request: str
    trace: str = ""
    span: str = ""
    principal: str = ""
    operation: str = ""
    route: str = ""
    problem: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


STORY: ContextVar[Story | None] = ContextVar("haechi_story", default=None)


def trace_ids(traceparent: str) -> tuple[str, str]:
    """The ids of the trace and of the caller's span out of a ``traceparent`` header (W3C Trace
    Context 3.2); "" where it has none."""
    found = _TRACE.match(traceparent.strip())
    return (found[1], found[2]) if found else ("", "")


def scrubbed(text: str) -> str:
    """The text without what looks like a credential, cut to a bound."""
    return _SECRETS.sub("[secret]", text)[:_LONGEST]


def told_fields(record: logging.LogRecord) -> dict[str, Any]:
    """A record as the fields of a JSON line, in their order."""
    at = dt.datetime.fromtimestamp(record.created, dt.UTC)
    fields: dict[str, Any] = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": scrubbed(record.getMessage()),
    }
    story = STORY.get()
    if story is not None:
        told = (("request", story.request), ("trace", story.trace), ("principal", story.principal))
        fields |= {name: value for name, value in told if value}
    fields |= getattr(record, "fields", {})
    if record.exc_info:
        # The end of a traceback has the cause; the beginning is the server's own frames.
        text = logging.Formatter().formatException(record.exc_info)
        fields["error"] = _SECRETS.sub("[secret]", text)[-_LONGEST:]
    return fields


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return msgspec.json.encode(told_fields(record), enc_hook=str).decode()


class PlainLines(logging.Formatter):
    """Time, level, words, and what else is known as ``key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows it."""
        fields = told_fields(record)
        error = fields.pop("error", "")
        head = f"{fields.pop('time')[11:23]} {fields.pop('level'):<7} {fields.pop('message')}"
        for said in ("logger", *_IN_MESSAGE.intersection(fields)):
            fields.pop(said)
        rest = " ".join(
            f"{key}={value}" for key, value in fields.items() if value not in ("", None)
        )
        line = f"{head}  {rest}".rstrip()
        # What others sent (a path) must not draw on the terminal or forge a line.
        line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
        return f"{line}\n{error}" if error else line


def set_up(*, level: str, form: str, stream: TextIO | None = None) -> logging.Handler:
    """Make haechi's loggers write to ``stream`` (standard error), in ``form`` (auto, json, text).

    Calling it again replaces the handler of before.
    """
    out = stream or sys.stderr
    plain = form == "text" or (form == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.set_name(_HANDLER)
    handler.setFormatter(PlainLines() if plain else JsonLines())
    for name in ("haechi", "_granian"):
        logger = logging.getLogger(name)
        for old in [one for one in logger.handlers if one.get_name() == _HANDLER]:
            logger.removeHandler(old)
        logger.addHandler(handler)
        logger.propagate = False
    logging.getLogger("haechi").setLevel(level.upper())
    return handler


def take_down(handler: logging.Handler) -> None:
    """Undo ``set_up``."""
    for name in ("haechi", "_granian"):
        logger = logging.getLogger(name)
        logger.removeHandler(handler)
        logger.propagate = True
    handler.close()
