"""haechi.yaml as values. Every key is documented in docs/guide/configuration.md (tested)."""

from __future__ import annotations

import msgspec

from haechi.model.severity import Severity


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections: a misspelt key is an error, not a silent default."""


class AcceptedGap(Section):
    """A gap in coverage that is known and accepted; it does not give exit code 3."""

    kind: str
    path: str = "**"
    reason: str


class CoverageSection(Section):
    """What need not be evaluated."""

    accept: list[AcceptedGap] = []


class PodTemplate(Section):
    """A custom resource that carries a pod template: ``argoproj.io/Rollout`` at spec.template."""

    kind: str
    path: str


class GateSection(Section):
    """What blocks."""

    fail_on: Severity = Severity.HIGH
    inline_waivers: str = "allow"  # allow | deny | max-<severity>
    due_days: dict[str, int] = {"critical": 7, "high": 30, "medium": 90, "low": 180}


class Config(Section):
    """The whole file. An absent file means these defaults."""

    exclude: list[str] = []
    rules: list[str] = []
    disable: list[str] = []
    severity: dict[str, Severity] = {}
    pod_templates: list[PodTemplate] = []
    owners: dict[str, str] = {}
    kubernetes_version: str = "1.33"
    gate: GateSection = GateSection()
    coverage: CoverageSection = CoverageSection()
