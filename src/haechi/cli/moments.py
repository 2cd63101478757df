"""Times on the command line: a time in ISO 8601, or how long ago."""

from __future__ import annotations

import datetime as dt

from haechi.engines.spans import span_seconds


def moment(text: str, now: dt.datetime) -> dt.datetime:
    """A span before ``now`` (``30d``), or a time; without a zone it is UTC. ValueError."""
    seconds = span_seconds(text)
    try:
        if seconds is not None:
            return now - dt.timedelta(seconds=seconds)
        found = dt.datetime.fromisoformat(text)
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long ago") from error
