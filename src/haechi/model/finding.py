"""A violation that a person can act on, and the fingerprint that follows it over time."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from haechi.model.location import AttrPath, Location
from haechi.model.severity import Severity

DEPENDENCIES = "deps"
"""The domain of findings about packages."""
UPGRADE = "upgrade to "
"""How ``fix`` begins for a package; the version follows."""


class FindingState(StrEnum):
    """Only ``open`` counts for the gate."""

    OPEN = "open"
    NEW = "new"  # the rule, or this stricter part of it, is not in haechi.lock yet
    KNOWN = "known"  # already in the baseline
    WAIVED = "waived"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One per (rule, resource, attribute path or container), with an ordinal among equals.

    ``cwe`` holds ``CWE-79`` forms; ``due`` is a date by severity; ``waiver`` says which waiver
    applies; ``fix`` names the mechanical fix, if there is one (``risky …`` changes behaviour).
    ``commit`` is the commit in which the location holds, when the scanned tree no longer has it;
    ``secret_id`` tells equal secrets, by HMAC under the project key. ``aliases`` are other ids of
    the same vulnerability: whoever names one of them means ``rule``.
    """

    rule: str
    severity: Severity
    title: str
    message: str
    location: Location
    resource: str
    label: str = ""
    path: AttrPath = ()
    fingerprint: str
    domain: str = "iac"
    cwe: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    owner: str | None = None
    due: dt.date | None = None
    state: FindingState = FindingState.OPEN
    waiver: str | None = None
    fix: str | None = None
    since: int = 1
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    commit: str | None = None
    secret_id: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The rule and whatever else it is called."""
        return (self.rule, *self.aliases)

    @property
    def in_tree(self) -> bool:
        """False for what only history holds: its location is no place in today's files."""
        return self.commit is None

    @property
    def fixable(self) -> bool:
        """True when ``haechi fix`` corrects it without being asked for this rule by name."""
        return self.fix is not None and not self.fix.startswith(("risky ", UPGRADE))

    @property
    def upgrade(self) -> str | None:
        """The version of a package with which this is over."""
        if self.fix is None or not self.fix.startswith(UPGRADE):
            return None
        return self.fix.removeprefix(UPGRADE)


def fingerprint(rule: str, place: str, context: str, ordinal: int) -> str:
    """128 bits in hex over rule, place (file path or resource), context and ordinal.

    Line numbers take no part, so the fingerprint survives moves; ``context`` is the normalised
    text or attribute path with list items named instead of numbered.
    """
    joined = "\0".join((rule, place, context, str(ordinal)))
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]
