"""The shape of a rule file, as written by us and by users (the same schema for both).

A file is ``rules: [ … ]``. A rule is complete in its one entry: what it says, what it applies
to, how it judges, and examples that prove it. Unknown keys are errors: a typo must not turn
a rule into one that never fires.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from haechi.model.severity import Severity

RULE_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+\Z")
"""Ids are words in kebab-case; they mean themselves in YAML and on a command line."""


class JudgeKind(StrEnum):
    """Which engine judges. Later rooms add rego, query and model."""

    CEL = "cel"
    PYTHON = "python"
    PATTERN = "pattern"
    ZIZMOR = "zizmor"
    FALCO = "falco"


EVENT_SOURCES = ("syscall", "k8s_audit", "flow", "application")
"""Falco's name for where the events of a detection come from."""


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the decoded shapes."""


PLAIN_KINDS = frozenset(
    {
        "pod",
        "kubernetes",
        "dockerfile",
        "workflow",
        "action",
        "gitlab-ci",
        "text",
        "event",
        "falco-rules",
        "package-file",
    }
)


TERRAFORM_KIND = re.compile(
    r"(?:data\.)?[a-z][a-z0-9-]*_[a-z0-9_]+\Z|provider\.[a-z0-9-]+\Z|tf-[a-z]+\Z"
)
"""Types of Terraform: ``aws_s3_bucket``, ``data.aws_iam_policy_document``, ``provider.aws``, and
its other blocks ``tf-module``, ``tf-variable``, ``tf-output``, ``tf-backend``."""


class AppliesTo(Struct, frozen=True, kw_only=True):
    """Which resources a rule judges.

    ``kinds`` holds ``group/Kind`` (``core/Service``, ``apps/Deployment``), ``*/Kind`` for any
    group, ``pod`` for everything that carries a pod template (pods included),
    ``kubernetes`` for every Kubernetes object, ``dockerfile``, the pipelines ``workflow``,
    ``action`` and ``gitlab-ci``, ``text`` for patterns, which go over every file, ``event``
    for detections, which judge what happens, ``falco-rules`` for files of Falco rules, and
    ``package-file`` for lock files, manifests and settings of package managers.
    Terraform's are ``TERRAFORM_KIND``.
    """

    kinds: list[str]


class Variable(Struct, frozen=True, kw_only=True):
    """A named CEL expression, evaluated lazily, as in ValidatingAdmissionPolicy."""

    name: str
    expression: str


class Pattern(Struct, frozen=True, kw_only=True):
    """How a credential looks (``judge: pattern``).

    ``regex`` is RE2's; its group ``secret`` holds the value (without one the whole match does),
    and every match holds one of the ``keywords`` (lower-case). ``form`` says how the vendor
    writes the value; the examples are made from it (``checks/secrets/forms.py``), so that no
    credential stands in a rule file. ``check`` names an offline validator, ``entropy`` the bits
    per character that the value has at least. ``generic`` marks the family that goes by names
    alone: of low confidence, filtered by context. ``verify`` names the provider to ask;
    ``partner`` the rule of the other half of a pair (an id and its key).
    """

    regex: str
    keywords: list[str]
    form: str
    check: str = ""
    entropy: float = 0.0
    generic: bool = False
    verify: str = ""
    partner: str = ""


class Results(Struct, frozen=True, kw_only=True):
    """Which results of zizmor's audits a rule takes (``judge: zizmor``).

    ``severity``, ``confidence`` and ``persona`` are zizmor's own words; none means any, and of
    personas the regular one. ``says`` is searched in what zizmor says about the place; ``unless``
    matches the start of what stands there and excludes it. ``origin`` is who chooses the text of
    the expression (``checks/origins``). ``triggers`` names events one of which starts the
    workflow. With ``outermost`` a result within the place of another one is the same fault.
    """

    severity: list[str] = []
    confidence: list[str] = []
    persona: list[str] = []
    says: str = ""
    unless: str = ""
    origin: list[str] = []
    triggers: list[str] = []
    outermost: bool = False


class FalcoException(Struct, frozen=True, kw_only=True):
    """One of Falco's ``exceptions``: ``fields`` and ``comps`` line up with each row of values."""

    name: str
    fields: list[str]
    comps: list[str] = []
    values: list[list[str | list[str]]] = []


class Falco(Struct, frozen=True, kw_only=True):
    """What happens when something bad does (``judge: falco``), in Falco's own language.

    Macros and lists come from ``base.falco.yaml`` beside the rules. ``source`` is Falco's.
    ``tags`` hold ``mitre_<tactic>`` and where it is looked for (``host``, ``container``, ``k8s``,
    ``network``, ``application``); techniques are the rule's ``refs.mitre``, and the priority
    follows from its severity (``detections``).
    """

    condition: str
    output: str
    source: str = "syscall"
    tags: list[str]
    exceptions: list[FalcoException] = []


class Text(Struct, frozen=True, kw_only=True):
    """A rule's words in another language."""

    title: str
    why: str
    fix: str


class Rule(Struct, frozen=True, kw_only=True):
    """One rule.

    ``expression`` (CEL) is true when the resource is fine, as in ValidatingAdmissionPolicy;
    ``message_expression`` may build the message; ``path`` says where a finding points
    (``spec.externalIPs``). ``function`` (Python) is ``module:function`` under ``haechi.checks``;
    ``audits`` are zizmor's names of what it looks for; ``falco`` is the condition of a detection,
    whose examples are events (``detections``).
    ``refs`` cross-references other tools and benchmarks (``ckv``, ``avd``, ``dl``,
    ``kube-linter``, ``cis``, ``nsa``, ``pss``): suppressions written for those tools are
    honoured through it. ``revision`` grows when the rule becomes stricter. Tag
    ``dead-control`` marks rules that find a protection that cannot work.
    """

    id: str
    title: str
    severity: Severity
    why: str
    fix: str
    judge: JudgeKind
    applies_to: AppliesTo = AppliesTo(kinds=["text"])
    bad: list[str]
    good: list[str]
    expression: str = ""
    variables: list[Variable] = []
    message: str = ""
    message_expression: str = ""
    path: str = ""
    function: str = ""
    pattern: Pattern | None = None
    audits: list[str] = []
    results: Results = Results()
    falco: Falco | None = None
    fixer: str = ""
    snippet: str = ""
    refs: dict[str, list[str]] = {}
    cwe: list[str] = []
    tags: list[str] = []
    revision: int = 1
    ko: Text | None = None


class RuleFile(Struct, frozen=True, kw_only=True):
    """What a ``*.yaml`` file under rules/data or in a user's directory holds."""

    rules: list[Rule]
