"""What every SBOM and VEX document says of itself: when, by what, under which id."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.errors import UsageError
from haechi.report.json import to_text
from haechi.report.outline import utc

NAMESPACE = uuid.UUID("5f0c2cde-5be7-5a6c-8f61-0d9f1f3f1c0e")
"""The namespace of ids made from content."""
TOOL = "haechi"
_SECONDS = re.compile(r"\d{1,12}\Z")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """``made`` is the time told in the document, ``version`` the tool's, ``author`` a person or
    organisation, "" when nobody was named."""

    made: dt.datetime
    version: str
    author: str = ""

    @property
    def timestamp(self) -> str:
        """RFC 3339 in UTC, by the second."""
        return utc(self.made).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_told(environment: Mapping[str, str], now: dt.datetime) -> dt.datetime:
    """``SOURCE_DATE_EPOCH`` where it is set (https://reproducible-builds.org/specs/), else now.
    Raises UsageError for one that is no number of seconds."""
    text = environment.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return now
    if not _SECONDS.match(text):
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {text[:40]!r}", do="set it to seconds since 1970, or unset it"
        )
    try:
        return dt.datetime.fromtimestamp(int(text), dt.UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise UsageError("SOURCE_DATE_EPOCH is no time", do="unset it") from error


def id_of(document: Any) -> uuid.UUID:
    """An id made from content (which must not hold the time): the same bytes, the same id."""
    content = to_text(document).encode("utf-8", "surrogatepass")
    return uuid.uuid5(NAMESPACE, hashlib.sha256(content).hexdigest())
