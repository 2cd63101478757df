"""The report of zizmor (JSON, version 1) → results that address values as our rules do.

Only what rules need is read: zizmor repeats whole jobs as text, and a value may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.errors import InputError
from haechi.model.location import AttrPath

_LONGEST = 500


class AuditResult(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of zizmor. ``severity``, ``confidence`` and ``persona`` are its own words.

    ``path`` is empty where zizmor knows only the line; ``text`` is what stands there, and may be
    secret: it serves to find the place, never to be shown. ``expression`` is the name within
    ``${{ }}``. ``ignored`` holds the comment that waives it.
    """

    audit: str
    severity: str
    confidence: str
    persona: str
    says: str
    path: AttrPath
    line: int
    text: str = ""
    expression: str = ""
    ignored: str | None = None


class _Wire(msgspec.Struct, frozen=True):
    """Base of what is decoded; keys that are not named are passed over."""


class _Determinations(_Wire, frozen=True):
    severity: str
    confidence: str
    persona: str


class _Route(_Wire, frozen=True):
    route: list[dict[str, str | int]]


class _Symbolic(_Wire, frozen=True):
    key: dict[str, Any]
    annotation: str
    route: _Route
    kind: str
    feature_kind: str | dict[str, Any] = ""


class _Point(_Wire, frozen=True):
    row: int


class _Span(_Wire, frozen=True):
    start_point: _Point


class _Concrete(_Wire, frozen=True):
    location: _Span
    feature: str
    comments: list[str]


class _Location(_Wire, frozen=True):
    symbolic: _Symbolic
    concrete: _Concrete


class _Finding(_Wire, frozen=True):
    ident: str
    determinations: _Determinations
    locations: list[_Location]
    ignored: bool


def read_report(data: bytes) -> Mapping[str, Sequence[AuditResult]]:
    """Results by the name of the file as it was given to zizmor. Raises InputError."""
    try:
        findings = msgspec.json.decode(data, type=list[_Finding])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"zizmor's report has another form than expected: {error}") from error
    out: dict[str, list[AuditResult]] = {}
    for finding in findings:
        place = next((p for p in finding.locations if p.symbolic.kind == "Primary"), None)
        if place is None:
            continue
        out.setdefault(_file(place.symbolic), []).append(_result(finding, place))
    return out


def _result(finding: _Finding, place: _Location) -> AuditResult:
    symbolic, levels = place.symbolic, finding.determinations
    return AuditResult(
        audit=finding.ident,
        severity=levels.severity.lower(),
        confidence=levels.confidence.lower(),
        persona=levels.persona.lower(),
        says=symbolic.annotation,
        path=tuple(part for step in symbolic.route.route for part in step.values()),
        line=place.concrete.location.start_point.row + 1,
        text=place.concrete.feature.strip()[:_LONGEST],
        expression=_fragment(symbolic.feature_kind),
        ignored=_comment(finding) if finding.ignored else None,
    )


def _file(symbolic: _Symbolic) -> str:
    local = symbolic.key.get("Local")
    name = local.get("verbatim_path") if isinstance(local, dict) else None
    return name.removeprefix("./") if isinstance(name, str) else ""


def _fragment(kind: str | dict[str, Any]) -> str:
    part = kind.get("Subfeature") if isinstance(kind, dict) else None
    fragment = part.get("fragment") if isinstance(part, dict) else None
    raw = fragment.get("Raw") if isinstance(fragment, dict) else None
    return raw.strip()[:_LONGEST] if isinstance(raw, str) else ""


def _comment(finding: _Finding) -> str:
    """The comment that says so; the one nearest to the finding when there are several."""
    said = [text for place in finding.locations for text in place.concrete.comments]
    fitting = [text for text in said if "zizmor: ignore[" in text and finding.ident in text]
    return fitting[0][:_LONGEST] if fitting else ""
