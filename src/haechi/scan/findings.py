"""Verdicts → findings: place, fingerprint, and one finding per cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from haechi.model.finding import Finding, fingerprint
from haechi.model.keys import without_cluster
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Verdict
from haechi.model.severity import Severity
from haechi.rules.schema import Rule


class Findings:
    """Collects the findings of one run. ``severities`` are the overrides of haechi.yaml."""

    def __init__(self, severities: Mapping[str, Severity], *, limit: int = 100_000) -> None:
        self.found: list[Finding] = []
        self.left_out = 0
        self._severities = severities
        self._limit = limit
        self._ordinals: Counter[tuple[str, str, str]] = Counter()
        self._rendered: set[tuple[str, str, int, str]] = set()

    def add(
        self, rule: Rule, verdict: Verdict, resource: Resource, *, rendered: bool = False
    ) -> None:
        """Add a failed verdict. The same rendered finding of a base in two overlays counts once."""
        if len(self.found) >= self._limit:
            self.left_out += 1
            return
        location = resource.locate(verdict.path)
        if rendered:
            same = (rule.id, location.path, location.line, verdict.message)
            if same in self._rendered:
                return
            self._rendered.add(same)
        place = resource.file or without_cluster(resource.key)
        context = context_of(resource, verdict.path)
        key = (rule.id, place, context)
        ordinal = self._ordinals[key]
        self._ordinals[key] += 1
        self.found.append(
            Finding(
                rule=rule.id,
                severity=self._severities.get(rule.id, rule.severity),
                title=rule.title,
                message=verdict.message or rule.title,
                location=location,
                resource=resource.key,
                label=resource.label,
                path=verdict.path,
                fingerprint=fingerprint(rule.id, place, context, ordinal),
                cwe=tuple(rule.cwe),
                tags=tuple(rule.tags),
                fix=rule.fixer or None,
                since=max(verdict.since, 1),
                evidence=verdict.evidence,
            )
        )

    def ordered(self) -> tuple[Finding, ...]:
        """Worst first, then by place."""
        return tuple(
            sorted(
                self.found,
                key=lambda f: (f.severity.rank, f.location.path, f.location.line, f.rule),
            )
        )


def context_of(resource: Resource, path: AttrPath) -> str:
    """What a finding is about, free of line numbers and list positions.

    List items that have a name are called by it; the text of an instruction stands for its
    number.
    """
    if not resource.key.startswith("k8s:"):
        return _instruction(resource, path)
    parts = [without_cluster(resource.key)]
    value: Any = resource.data
    for part in path:
        value = _step(value, part)
        name = value.get("name") if isinstance(part, int) and isinstance(value, dict) else None
        parts.append(f"{name}" if isinstance(name, str) else str(part))
    return "/".join(parts)


def _step(value: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


def _instruction(resource: Resource, path: AttrPath) -> str:
    match path:
        case ("instructions", int(index), *_):
            raw = resource.data.instructions[index].raw
            return " ".join(raw.split())
        case _:
            return ""
