"""Verdicts → findings: place, fingerprint, and one finding per cause."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from haechi.engines.logins import without_logins
from haechi.model.finding import Finding, fingerprint
from haechi.model.keys import without_cluster
from haechi.model.location import AttrPath, Location, child_at
from haechi.model.resource import Resource
from haechi.model.review import Verdict
from haechi.model.severity import Severity
from haechi.rules.schema import Rule
from haechi.scan.items import step_name

_KEYS = re.compile(r"\[(?:\"(?:[^\"\\]|\\.)*\"|[^\]\"]*)\]")


class Findings:
    """Collects the findings of one run. ``severities`` are the overrides of haechi.yaml."""

    def __init__(self, severities: Mapping[str, Severity], *, limit: int = 100_000) -> None:
        self.found: list[Finding] = []
        self.left_out = 0
        self._severities = severities
        self._limit = limit
        self._ordinals: Counter[tuple[str, str, str]] = Counter()
        self._rendered: dict[tuple[str, str, Location, str], tuple[Resource, int]] = {}

    def add(
        self, rule: Rule, verdict: Verdict, resource: Resource, *, origin: str | None = None
    ) -> int | None:
        """Add a failed verdict; gives the place of its finding in ``found``, None past the limit.

        ``origin`` names the object that a rendered resource was made from: a finding that
        several overlays inherit from one base counts once.
        """
        if len(self.found) >= self._limit:
            self.left_out += 1
            return None
        location = resource.locate(verdict.path)
        context = context_of(resource, verdict.path)
        if origin is not None:
            within = context.removeprefix(_subject(resource))
            cause = (rule.id, origin, location, within)
            first, at = self._rendered.setdefault(cause, (resource, len(self.found)))
            if first is not resource:
                return at
        place = location.path or without_cluster(resource.key)
        key = (rule.id, place, context)
        ordinal = self._ordinals[key]
        self._ordinals[key] += 1
        self.found.append(
            Finding(
                rule=rule.id,
                severity=self._severities.get(rule.id, rule.severity),
                title=rule.title,
                message=without_logins(verdict.message) or rule.title,
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
        return len(self.found) - 1


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Worst first, then by place."""
    return tuple(
        sorted(found, key=lambda f: (f.severity.rank, f.location.path, f.location.line, f.rule))
    )


def context_of(resource: Resource, path: AttrPath) -> str:
    """What a finding is about, free of line numbers and list positions.

    List items are called by what names them; the text of an instruction stands for its number.
    """
    if resource.kind == "dockerfile" and not resource.key.startswith("k8s:"):
        return _instruction(resource, path)
    parts = [_subject(resource)]
    value: Any = resource.data
    parent: str | int = ""
    for part in path:
        value = child_at(value, part)
        parts.append(step_name(parent, value, part) if isinstance(part, int) else part)
        parent = part
    return "/".join(parts)


def _subject(resource: Resource) -> str:
    """A block of Terraform by what it is called where it stands, whoever calls its module and
    however many instances it has."""
    if not resource.key.startswith("tf:"):
        return without_cluster(resource.key)
    name, bracket = resource.name, resource.name.find("[")
    if bracket >= 0:
        name = _KEYS.sub("", name)
    parts = name.split(".")
    while len(parts) > 2 and parts[0] == "module":
        parts = parts[2:]
    return "tf:" + ".".join(parts)


def _instruction(resource: Resource, path: AttrPath) -> str:
    """An instruction as written; of ENV and ARG the names alone, for a value may be a secret."""
    match path:
        case ("instructions", int(index), *_):
            instruction = resource.data.instructions[index]
            if instruction.name in ("ENV", "ARG") and instruction.pairs:
                return " ".join((instruction.name, *(pair.name for pair in instruction.pairs)))
            return " ".join(instruction.raw.split())
        case _:
            return ""
