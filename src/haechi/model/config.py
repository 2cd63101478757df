"""haechi.yaml as values. Every key is documented in docs/guide/configuration.md (tested)."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from haechi.model.location import AttrPath
from haechi.model.severity import Severity

CONFIG_FILES = ("haechi.yaml", ".haechi.yaml")
LOCK_FILE = "haechi.lock"
DUE_DAYS = {"critical": 7, "high": 30, "medium": 90, "low": 180}
_MAX = "max-"
_STEP = re.compile(r"[^.\s\[\]]+\Z")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections: a misspelt key is an error, not a silent default."""


class AcceptedGap(Section, frozen=True, kw_only=True):
    """A gap in coverage that is known and accepted; it does not give exit code 3.

    ``kind`` is a gap's kind or ``*``; ``path`` a glob.
    """

    kind: str
    path: str = "**"
    reason: str


class CoverageSection(Section, frozen=True, kw_only=True):
    """What need not be evaluated."""

    accept: list[AcceptedGap] = []


class PodTemplate(Section, frozen=True, kw_only=True):
    """A custom resource that carries a pod template: ``argoproj.io/Rollout`` at spec.template."""

    kind: str
    path: str

    @property
    def steps(self) -> AttrPath:
        """``spec.template`` as an attribute path; empty when the text is not one."""
        steps = self.path.split(".")
        return tuple(steps) if all(map(_STEP.match, steps)) else ()


class SecretsSection(Section, frozen=True, kw_only=True):
    """How the scan for secrets looks: into git's history (the default) or at the tree alone."""

    history: bool = True


class Development(StrEnum):
    """What becomes of vulnerabilities in packages that nothing shipped needs: they are reported
    like any other, counted one severity milder, or left out."""

    REPORT = "report"
    LOWER = "lower"
    IGNORE = "ignore"


class LicencesSection(Section, frozen=True, kw_only=True):
    """Which licences packages may be under: SPDX identifiers and kinds (``permissive``, ``weak``,
    ``strong``, ``network``, ``other``). Empty lists: no policy."""

    allow: list[str] = []
    deny: list[str] = []


class DepsSection(Section, frozen=True, kw_only=True):
    """Dependencies. ``advisories`` are folders with OSV files of the repository's own, relative to
    the root; ``max_age_days`` is how old the imported data may be. ``sboms`` and ``vex`` are files
    of the repository that are read besides lock files, ``product`` is the package URL of what the
    repository makes."""

    advisories: list[str] = []
    sboms: list[str] = []
    vex: list[str] = []
    product: str = ""
    development: Development = Development.REPORT
    max_age_days: int = 90
    licences: LicencesSection = LicencesSection()


class AdmissionSection(Section, frozen=True, kw_only=True):
    """The policies of the cluster's door, which a scan applies to the files: folders of them,
    relative to the root, and built-in packs."""

    policies: list[str] = []
    packs: list[str] = []


class VariableFiles(Section, frozen=True, kw_only=True):
    """Variable files (``*.tfvars``) of the Terraform root modules whose folder matches ``root``, a
    glob; they come after those that Terraform reads by itself."""

    root: str = "**"
    files: list[str]


class TerraformSection(Section, frozen=True, kw_only=True):
    """How Terraform is evaluated."""

    var_files: list[VariableFiles] = []


class GateSection(Section, frozen=True, kw_only=True):
    """What blocks. ``inline_waivers`` and ``vex`` are ``allow``, ``deny`` or ``max-<severity>``."""

    fail_on: Severity = Severity.HIGH
    inline_waivers: str = "allow"
    vex: str = "allow"
    due_days: dict[str, int] = msgspec.field(default_factory=DUE_DAYS.copy)

    def honours_inline(self, severity: Severity) -> bool:
        """True when a waiver written beside the code may cover a finding this severe."""
        return _honours(self.inline_waivers, severity)

    def honours_vex(self, severity: Severity) -> bool:
        """True when a VEX statement may cover a finding this severe."""
        return _honours(self.vex, severity)


def _honours(policy: str, severity: Severity) -> bool:
    """An unreadable policy denies: the gate fails closed."""
    if policy == "allow":
        return True
    limit = policy.removeprefix(_MAX)
    if not policy.startswith(_MAX) or limit not in list(Severity):
        return False
    return Severity(limit).at_least(severity)


INLINE_POLICIES = ("allow", "deny", *(_MAX + severity for severity in Severity))


class Config(Section, frozen=True, kw_only=True):
    """The whole file. An absent file means these defaults."""

    exclude: list[str] = []
    rules: list[str] = []
    disable: list[str] = []
    severity: dict[str, Severity] = {}
    pod_templates: list[PodTemplate] = []
    owners: dict[str, str] = {}
    kubernetes_version: str = "1.33"
    secrets: SecretsSection = SecretsSection()
    deps: DepsSection = DepsSection()
    admission: AdmissionSection = AdmissionSection()
    terraform: TerraformSection = TerraformSection()
    gate: GateSection = GateSection()
    coverage: CoverageSection = CoverageSection()
