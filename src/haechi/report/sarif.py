"""SARIF 2.1.0 (OASIS, errata 01), within what GitHub code scanning accepts.

GitHub drops silently what is over its limits, so the limits are kept here and what had to be
left out is said in a notification of the same file. Results carry no code: a report then never
carries a secret, and every viewer opens the file at the place. ``helpUri`` is left out because
the rule's help is complete in the file; a vulnerability's leads to its advisory.

Only ``partialFingerprints["haechi/v1"]`` is set. GitHub's upload action adds its own
``primaryLocationLineHash`` and warns for each result that already has a different one.
"""

from __future__ import annotations

import datetime as dt
import gzip
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from haechi.model.counting import counted
from haechi.model.coverage import Gap
from haechi.model.finding import Finding, FindingState
from haechi.model.location import Location, format_path
from haechi.model.severity import Severity
from haechi.report.json import to_text
from haechi.report.material import Material
from haechi.report.outline import (
    WaiverLookup,
    answer_sentence,
    beside_code,
    outline,
    utc,
)
from haechi.report.sarif_rules import LEVELS, described
from haechi.report.text import one_line

SPEC = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RESULT_LIMIT = 5_000
"""GitHub keeps this many results of a run."""
SIZE_LIMIT = 10_000_000
"""Bytes after gzip that GitHub accepts."""
NOTIFICATION_LIMIT = 1_000
_ROOT = "%SRCROOT%"
_TEXT_LIMIT = 4_000
_SEMVER = re.compile(r"\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?\Z")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_FOREIGN_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def render(material: Material, *, limit: int = RESULT_LIMIT, size_limit: int = SIZE_LIMIT) -> str:
    """The report as one run; fewer than ``limit`` results when ``size_limit`` asks for it."""
    limit = min(limit, len(material.scan.findings))
    while True:
        text = to_text(document(material, limit))
        size = _packed(text)
        if size <= size_limit or not limit:
            return text
        limit = min(limit - 1, int(limit * 0.9 * size_limit / size))


def _packed(text: str) -> int:
    """Size after gzip, or an upper bound for it that is cheaper: the size before."""
    data = text.encode()
    return len(data) if len(data) <= SIZE_LIMIT // 100 else len(gzip.compress(data, 1))


def document(material: Material, limit: int) -> dict[str, Any]:
    """The log as plain values, with at most ``limit`` results."""
    view = outline(material)
    ordered = sorted(view.findings, key=lambda finding: finding.state is FindingState.WAIVED)
    kept, left_out = ordered[:limit], ordered[limit:]
    rules = described(material, kept)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    waivers = WaiverLookup(material.decision)
    compared = material.decision.baseline is not None
    invocation = _invocation(material, left_out)
    invocation["exitCodeDescription"] = f"the gate {answer_sentence(material, view)}"
    return {
        "$schema": SPEC,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(material, rules)},
                "automationDetails": {"id": _category(material.scan.only)},
                "originalUriBaseIds": {_ROOT: _root(material.scan.root)},
                "columnKind": "unicodeCodePoints",
                "invocations": [invocation],
                "results": [_result(finding, index, waivers, compared) for finding in kept],
            }
        ],
    }


def _driver(material: Material, rules: list[dict[str, Any]]) -> dict[str, Any]:
    driver: dict[str, Any] = {"name": "haechi", "version": one_line(material.version) or "0"}
    if _SEMVER.match(material.version):
        driver["semanticVersion"] = material.version
    driver["rules"] = rules
    return driver


def _category(only: Iterable[str]) -> str:
    """GitHub takes the part before the last slash as category: one per kind of scan, since two
    uploads of one category and commit replace each other."""
    names = (_NOT_NAME.sub("-", name) for name in sorted(set(only)))
    return f"haechi/{'+'.join(names) or 'all'}/"


def _root(root: str) -> dict[str, Any]:
    says: dict[str, Any] = {"description": {"text": "The directory that was scanned."}}
    if root.startswith("/"):
        says["uri"] = "file://" + _quoted(root.rstrip("/") + "/")
    elif _DRIVE.match(root):
        drive, rest = root[:2], root[2:].replace("\\", "/").rstrip("/")
        says["uri"] = f"file:///{drive}{_quoted(rest)}/"
    return says


def _invocation(material: Material, left_out: Sequence[Finding]) -> dict[str, Any]:
    scan, decision = material.scan, material.decision
    # Whole milliseconds: what the specification asks for at most (section 3.9).
    started = utc(scan.started)
    ended = started.timestamp() + max(scan.duration, 0.0)
    return {
        "executionSuccessful": decision.exit_code in (0, 1) and not scan.coverage.open_gaps,
        "exitCode": decision.exit_code,
        "startTimeUtc": _moment(started.timestamp()),
        "endTimeUtc": _moment(ended),
        "toolExecutionNotifications": [
            *_omission(left_out),
            *_gap_notifications(scan.coverage.gaps),
        ],
        "toolConfigurationNotifications": [
            _notification("gate", "note", reason) for reason in decision.reasons
        ],
        "properties": {"haechi/looked": dict(scan.coverage.looked)},
    }


def _moment(timestamp: float) -> str:
    moment = dt.datetime.fromtimestamp(timestamp, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _omission(left_out: Sequence[Finding]) -> list[dict[str, Any]]:
    if not left_out:
        return []
    alive = Counter(f.severity for f in left_out if f.state is not FindingState.WAIVED)
    rows = [f"{alive[severity]:,} {severity}" for severity in Severity if alive[severity]]
    if waived := len(left_out) - alive.total():
        rows.append(f"{waived:,} waived")
    text = (
        f"{counted(len(left_out), 'result')} left out to stay within GitHub's limits "
        f"({', '.join(rows)}); the JSON report has all of them"
    )
    return [_notification("results-left-out", "warning", text)]


def _gap_notifications(gaps: Sequence[Gap]) -> list[dict[str, Any]]:
    ordered = sorted(gaps, key=lambda gap: (gap.accepted, gap.kind, gap.path))
    said = [_gap_notification(gap) for gap in ordered[:NOTIFICATION_LIMIT]]
    if more := len(ordered) - len(said):
        text = f"{counted(more, 'part')} more of the scope could not be evaluated"
        said.append(_notification("gaps-left-out", "warning", text))
    return said


def _gap_notification(gap: Gap) -> dict[str, Any]:
    text = f"{gap.path}: not evaluated: {gap.reason}"
    if gap.accepted:
        text += " (accepted in haechi.yaml)"
    elif gap.do:
        text += f"; {gap.do}"
    said = _notification(gap.kind, "note" if gap.accepted else "error", text)
    said["locations"] = [{"physicalLocation": {"artifactLocation": _artifact(gap.path)}}]
    return said


def _notification(kind: str, level: str, text: str) -> dict[str, Any]:
    return {
        "descriptor": {"id": one_line(kind) or "gap"},
        "level": level,
        "message": {"text": message_text(text)},
    }


def _result(
    finding: Finding, index: Mapping[str, int], waivers: WaiverLookup, compared: bool
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": message_text(finding.message or finding.title)},
        "locations": [_location(finding)],
        "partialFingerprints": {"haechi/v1": finding.fingerprint},
        "properties": _properties(finding),
    }
    if compared:
        # Present on every result or on none (section 3.27.24). A waived one asks for nothing new.
        seen = finding.state in (FindingState.KNOWN, FindingState.WAIVED)
        result["baselineState"] = "unchanged" if seen else "new"
    if finding.state is FindingState.WAIVED:
        result["suppressions"] = [_suppression(finding, waivers)]
    return result


def _properties(finding: Finding) -> dict[str, Any]:
    said = {
        "haechi/severity": finding.severity.value,
        "haechi/state": finding.state.value,
        "haechi/owner": finding.owner,
        "haechi/due": finding.due.isoformat() if finding.due else None,
        "haechi/fix": finding.fix,
        "haechi/commit": finding.commit,
        "haechi/secretId": finding.secret_id,
        "haechi/aliases": list(finding.aliases) or None,
        "haechi/purl": finding.resource if finding.resource.startswith("pkg:") else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _suppression(finding: Finding, waivers: WaiverLookup) -> dict[str, Any]:
    use = waivers.of(finding)
    said: dict[str, Any] = {
        "kind": "inSource" if use and beside_code(use) else "external",
        "status": "accepted",
        "justification": waivers.reason(finding) or "waived",
    }
    if use:
        said["location"] = {"physicalLocation": _physical(use.waiver.location)}
    return said


def _location(finding: Finding) -> dict[str, Any]:
    where: dict[str, Any] = _physical(finding.location)
    if not finding.in_tree:
        # A line of an old commit: viewers would mark that line of today's file.
        del where["region"]
    place: dict[str, Any] = {"physicalLocation": where}
    if finding.resource or finding.path:
        attribute = format_path(finding.path)
        logical = {"fullyQualifiedName": one_line(f"{finding.resource}#{attribute}".rstrip("#"))}
        if finding.label:
            logical["name"] = one_line(finding.label)
        place["logicalLocations"] = [logical]
    return place


def _physical(where: Location) -> dict[str, Any]:
    return {"artifactLocation": _artifact(where.path), "region": _region(where)}


def _region(where: Location) -> dict[str, int]:
    """A region that is never invalid: viewers refuse a whole file for one line 0."""
    line, column = max(where.line, 1), max(where.column, 1)
    end_line = max(where.end_line, line)
    region = {"startLine": line, "startColumn": column, "endLine": end_line}
    if where.end_column > (column if end_line == line else 0):
        region["endColumn"] = where.end_column
    return region


def _artifact(path: str) -> dict[str, Any]:
    """A relative path under the root; an absolute one as a file URI. Never empty."""
    if path.startswith("/"):
        return {"uri": "file://" + _quoted(path)}
    return {"uri": _quoted(path) or ".", "uriBaseId": _ROOT}


def _quoted(path: str) -> str:
    """Percent-encoded; bytes of file names that are not UTF-8 come back as those bytes."""
    clean = _FOREIGN_SURROGATE.sub("\ufffd", path)
    return quote(clean.encode("utf-8", "surrogateescape"), safe="/-._~")


def message_text(text: str) -> str:
    """Text for ``message.text``: no placeholders and no embedded links come of it.

    Braces are doubled (section 3.11.5); ``](`` is what makes an embedded link (3.11.6).
    """
    flat = one_line(text)[:_TEXT_LIMIT]
    return flat.replace("{", "{{").replace("}", "}}").replace("](", "] (") or "-"
