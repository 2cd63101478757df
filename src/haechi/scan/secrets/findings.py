"""Candidates → findings: one per credential and file, told without its value.

A credential that lies in the working tree is one finding there, also when history holds it a
hundred times; what only history holds is a finding at the commit that brought it in. The
fingerprint is made of rule, path and the name that the value is assigned to, so it stays the
same when the line moves, and when the line is deleted and only history keeps it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from haechi.checks.secrets.detect import Candidate
from haechi.checks.secrets.places import is_test_data
from haechi.model.finding import Finding, fingerprint
from haechi.model.keys import file_key
from haechi.model.location import Location
from haechi.model.severity import Severity
from haechi.rules.schema import Rule

SELF_MADE = "self-made"
_PURPOSE = b"haechi.secret/1\0"
_CHARACTERS = 120
UNREACHED = "(unreachable object)"
"""Stands for the path of a blob that no commit names."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """Where history first holds a credential. ``commit`` is empty for what is only staged, and for
    an unreachable blob, whose ``path`` says so."""

    path: str
    commit: str
    author_date: dt.datetime | None
    at_head: bool


class Leak(msgspec.Struct, frozen=True, eq=False):
    """A finding with the candidate behind it, whose value is needed to ask its provider."""

    finding: Finding
    candidate: Candidate


def secret_id(key: bytes | None, secret: bytes) -> str | None:
    """The same for the same value wherever it leaks; tells nothing without the project's key."""
    if key is None:
        return None
    return hmac.new(key, _PURPOSE + secret, hashlib.sha256).hexdigest()[:32]


def preview(rule: Rule, secret: bytes) -> str:
    """The vendor's own beginning of the value and its length; nothing of what is random."""
    words = rule.pattern.keywords if rule.pattern else []
    lowered = secret[:40].lower()
    lead = max((w for w in words if lowered.startswith(w.encode())), key=len, default="")
    if not lead or len(lead) * 2 > len(secret):
        return "…"
    return f"{secret[: len(lead)].decode('ascii', 'replace')}… ({len(secret)} characters)"


class Leaks:
    """Collects the findings of one run. ``severities`` are the overrides of haechi.yaml."""

    def __init__(self, severities: Mapping[str, Severity], key: bytes | None) -> None:
        self._severities = severities
        self._key = key
        self._ordinals: Counter[tuple[str, str, str]] = Counter()

    def of(
        self,
        tree: Iterable[tuple[str, Candidate]],
        history: Iterable[tuple[Past, Candidate]],
    ) -> list[Leak]:
        """Leaks of the tree in their order, then those that only history holds, oldest first."""
        past: dict[tuple[str, str, bytes], tuple[Past, Candidate]] = {}
        for first, candidate in history:
            past.setdefault((candidate.rule.id, first.path, candidate.secret), (first, candidate))
        leaks = []
        for path, candidate in tree:
            known = (candidate.rule.id, path, candidate.secret)
            since = past.get(known)
            leaks.append(self._leak(candidate, path, since[0] if since else None, in_tree=True))
        present = {
            (leak.finding.rule, leak.finding.location.path, leak.candidate.secret) for leak in leaks
        }
        gone = [entry for key, entry in past.items() if key not in present]
        for first, candidate in sorted(gone, key=_age):
            leaks.append(self._leak(candidate, first.path, first, in_tree=False))
        return leaks

    def _leak(self, one: Candidate, path: str, past: Past | None, *, in_tree: bool) -> Leak:
        rule = one.rule
        key = (rule.id, path, one.name)
        ordinal = self._ordinals[key]
        self._ordinals[key] += 1
        commit = past.commit if past and not in_tree else None
        finding = Finding(
            rule=rule.id,
            severity=self._severities.get(rule.id, _severity(rule, path)),
            title=rule.title,
            message=_message(one, past, in_tree=in_tree),
            location=Location(
                path=path,
                line=one.line,
                column=one.column,
                end_line=one.end_line,
                end_column=one.end_column,
            ),
            resource=file_key(path),
            label=path,
            path=(one.name,) if one.name else (),
            fingerprint=fingerprint(rule.id, path, one.name, ordinal),
            domain="secrets",
            cwe=tuple(rule.cwe),
            tags=tuple(rule.tags),
            evidence=_evidence(one, past, in_tree=in_tree),
            secret_id=secret_id(self._key, one.secret),
            commit=commit,
        )
        return Leak(finding, one)


def _severity(rule: Rule, path: str) -> Severity:
    """Keys and passwords that anybody can make are made for tests, too, and blocking a pipeline
    for those teaches people to look away. What a vendor issued is serious wherever it lies."""
    if SELF_MADE in rule.tags and is_test_data(path):
        return min(rule.severity, Severity.MEDIUM, key=lambda severity: -severity.rank)
    return rule.severity


def _age(entry: tuple[Past, Candidate]) -> tuple[Any, ...]:
    past, candidate = entry
    date = past.author_date.timestamp() if past.author_date else float("inf")
    return (date, past.commit, past.path, candidate.line, candidate.rule.id)


def _message(one: Candidate, past: Past | None, *, in_tree: bool) -> str:
    name = f" as {one.name[:_CHARACTERS]}" if one.name else ""
    form = f", written in {one.encoding}" if one.encoding else ""
    said = f"{one.rule.title} {preview(one.rule, one.secret)}{name}{form}"
    if in_tree or past is None:
        return said
    if not past.commit and not past.path.startswith(UNREACHED):
        return f"{said}, staged and not committed"
    if not past.commit:
        return f"{said}, in an object that no branch or tag reaches but the repository keeps"
    day = f" of {past.author_date:%Y-%m-%d}" if past.author_date else ""
    where = "still in its newest commit" if past.at_head else "gone from the newest files, not from"
    rest = f"{where}" if past.at_head else f"{where} the history"
    return f"{said}, since commit {past.commit[:10]}{day}; {rest}"


def _evidence(one: Candidate, past: Past | None, *, in_tree: bool) -> dict[str, Any]:
    evidence: dict[str, Any] = {"preview": preview(one.rule, one.secret)}
    if one.encoding:
        evidence["encoding"] = one.encoding
    if past is not None:
        evidence["first_commit"] = past.commit or None
        if past.author_date:
            evidence["author_date"] = past.author_date.isoformat()
        evidence["at_head"] = past.at_head
    evidence["in_tree"] = in_tree
    return evidence
