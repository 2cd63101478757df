"""What one look at a repository yielded, and what the gate made of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from haechi.model.coverage import Coverage
from haechi.model.finding import Finding, FindingState
from haechi.model.location import Location
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver

SCHEMA = "haechi.scan/1"
"""The name of the JSON report's shape: written by the report, read back as a baseline."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One hop of a risk path, and the place in the files that opens it."""

    text: str
    location: Location | None = None


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """One ranked statement of what matters: a sentence, its place, and the one change.

    ``score`` orders risks (higher is worse); ``findings`` are fingerprints that take part.
    """

    score: float
    severity: Severity
    sentence: str
    sentence_ko: str
    change: str
    change_ko: str
    location: Location
    steps: tuple[Step, ...] = ()
    findings: tuple[str, ...] = ()


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``haechi scan`` before and after the gate (which replaces ``findings``).

    ``duration`` is wall seconds. ``waivers`` are those found beside the code (inline, peer);
    findings are ordered by severity, path, line, rule.
    """

    root: str
    only: tuple[str, ...]
    started: dt.datetime
    duration: float
    findings: tuple[Finding, ...]
    coverage: Coverage
    waivers: tuple[Waiver, ...] = ()
    risks: tuple[Risk, ...] = ()


class WaiverStatus(StrEnum):
    """What became of a waiver in this run."""

    MATCHED = "matched"
    UNUSED = "unused"  # its rule and scope were evaluated and nothing matched
    NOT_JUDGED = "not_judged"  # its rule or scope was not evaluated in this run
    EXPIRED = "expired"
    DENIED = "denied"  # inline_waivers forbids it


class WaiverUse(msgspec.Struct, frozen=True, kw_only=True):
    """A waiver and its effect: how many findings it covers."""

    waiver: Waiver
    status: WaiverStatus
    count: int = 0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The gate's answer. ``exit_code`` follows the precedence 2 > 1 > 3 > 0.

    ``blocking`` are fingerprints of the open findings at or above ``fail_on``;
    ``counts[state][severity]`` counts findings; ``reasons`` are sentences for people.
    """

    blocks: bool
    exit_code: int
    fail_on: Severity
    reasons: tuple[str, ...] = ()
    blocking: frozenset[str] = frozenset()
    counts: Mapping[FindingState, Mapping[Severity, int]] = msgspec.field(default_factory=dict)
    waivers: tuple[WaiverUse, ...] = ()
    baseline: str | None = None
