"""``haechi.scan/1``: the whole run for programs; gate/baseline.py reads it back.

The shape is data/haechi.scan-1.schema.json, strict in both directions: keys are always present
(``null`` where there is nothing), so a consumer needs no guesses. Within version 1 keys are only
added. Text goes out as it was found; whoever shows it to people has to escape it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Set
from typing import Any

import msgspec

from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import Finding
from haechi.model.location import Location, format_path
from haechi.model.scan import SCHEMA, Risk, Scan, Step, WaiverUse
from haechi.report.material import Material
from haechi.report.outline import Outline, outline, ranked, utc
from haechi.report.text import storable

_DEPTH = 16
_NO_FINDINGS = '\n  "findings": []'
"""Where findings go in: only a key of the document itself stands two columns in on a new line."""


def render(material: Material) -> str:
    """The report as indented JSON with a line break at the end.

    Findings are written one by one: as dictionaries, 50,000 of them would take 250 MB at once.
    """
    view = outline(material)
    frame = to_text(_document(material, view))
    if not view.findings:
        return frame
    before, mark, after = frame.partition(_NO_FINDINGS)
    parts = [before, mark[:-1]]
    for finding in view.findings:
        text = to_text(finding_document(finding)).rstrip().replace("\n", "\n    ")
        parts += ("\n    ", text, ",")
    parts[-1] = "\n  ]"
    return "".join((*parts, after))


def to_text(value: Any) -> str:
    """Plain values as indented JSON; whatever JSON cannot hold is replaced, never raised on."""
    try:
        encoded = msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError):
        encoded = msgspec.json.encode(_plain(value))  # ten times slower, for hostile values only
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _document(material: Material, view: Outline) -> dict[str, Any]:
    """The report without its findings."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "haechi", "version": material.version},
        "scope": _scope(material.scan),
        "summary": _summary(material, view),
        "findings": [],
        "coverage": _coverage(material.scan.coverage),
        "waivers": [_waiver(use) for use in material.decision.waivers],
    }


def _scope(scan: Scan) -> dict[str, Any]:
    return {
        "root": scan.root,
        "only": list(scan.only),
        "started": utc(scan.started).isoformat(),
        "duration_s": round(scan.duration, 3),
    }


def _summary(material: Material, view: Outline) -> dict[str, Any]:
    decision = material.decision
    return {
        "counts": {
            state.value: {severity.value: number for severity, number in row.items()}
            for state, row in view.counts.items()
        },
        "answer": view.answer.value,
        "blocks": decision.blocks,
        "exit_code": decision.exit_code,
        "fail_on": decision.fail_on.value,
        "blocking": sorted(decision.blocking),
        "fixable": view.fixable,
        "baseline": decision.baseline,
        "reasons": list(decision.reasons),
        "risks": [_risk(risk) for risk in ranked(material.scan.risks)],
    }


def _risk(risk: Risk) -> dict[str, Any]:
    return {
        "score": risk.score if math.isfinite(risk.score) else 0.0,
        "severity": risk.severity.value,
        "sentence": risk.sentence,
        "sentence_ko": risk.sentence_ko,
        "change": risk.change,
        "change_ko": risk.change_ko,
        "location": _location(risk.location),
        "steps": [_step(step) for step in risk.steps],
        "findings": list(risk.findings),
    }


def _step(step: Step) -> dict[str, Any]:
    where = step.location
    return {"text": step.text, "location": _location(where) if where else None}


def _location(where: Location) -> dict[str, Any]:
    return {
        "path": where.path,
        "line": where.line,
        "column": where.column,
        "end_line": where.end_line,
        "end_column": where.end_column,
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding as the report has it."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "title": finding.title,
        "message": finding.message,
        "location": _location(finding.location),
        "resource": finding.resource,
        "label": finding.label,
        "attribute": format_path(finding.path),
        "fingerprint": finding.fingerprint,
        "domain": finding.domain,
        "cwe": list(finding.cwe),
        "tags": list(finding.tags),
        "owner": finding.owner,
        "due": finding.due.isoformat() if finding.due else None,
        "state": finding.state.value,
        "waiver": finding.waiver,
        "fix": finding.fix,
        "commit": finding.commit,
        "secret_id": finding.secret_id,
        "aliases": list(finding.aliases),
        "evidence": _plain(finding.evidence) if finding.evidence else {},
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {
        "looked": dict(coverage.looked),
        "evaluated_rules": {"count": len(coverage.evaluated), "ids": sorted(coverage.evaluated)},
        "gaps": [_gap(gap) for gap in coverage.gaps],
        "warnings": list(coverage.warnings),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "kind": gap.kind,
        "path": gap.path,
        "reason": gap.reason,
        "do": gap.do,
        "accepted": gap.accepted,
    }


def _waiver(use: WaiverUse) -> dict[str, Any]:
    waiver = use.waiver
    return {
        "rule": waiver.rule,
        "origin": waiver.origin.value,
        "status": use.status.value,
        "count": use.count,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "expires": waiver.expires.isoformat() if waiver.expires else None,
        "location": _location(waiver.location),
    }


def _plain(value: Any, depth: int = 0) -> Any:
    """Evidence may hold anything; JSON holds this much of it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Past 64 bits consumers lose digits (RFC 8259, section 6) and the encoder refuses.
        return int(value) if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return storable(str(value))
    if depth >= _DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {storable(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted((_plain(item, depth + 1) for item in value), key=str)
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return storable(str(value))
