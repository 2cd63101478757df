"""Times in VEX documents: RFC 3339; a date alone is the beginning of that day in UTC."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

_FRACTION = re.compile(r"(\.\d{6})\d+")


def time_of(value: Any) -> dt.datetime | None:
    """The time that a text tells, None when it tells none."""
    if not isinstance(value, str) or not value or len(value) > 60:
        return None
    try:
        found = dt.datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None
