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
    """Which engine judges. Later rooms add rego, pattern, query, model and falco."""

    CEL = "cel"
    PYTHON = "python"


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the decoded shapes."""


class AppliesTo(Struct, frozen=True, kw_only=True):
    """Which resources a rule judges.

    ``kinds`` holds ``group/Kind`` (``core/Service``, ``apps/Deployment``), ``*/Kind`` for any
    group, ``pod`` for everything that carries a pod template (pods included),
    ``kubernetes`` for every Kubernetes object, and ``dockerfile``.
    """

    kinds: list[str]


class Variable(Struct, frozen=True, kw_only=True):
    """A named CEL expression, evaluated lazily, as in ValidatingAdmissionPolicy."""

    name: str
    expression: str


class Text(Struct, frozen=True, kw_only=True):
    """A rule's words in another language."""

    title: str
    why: str
    fix: str


class Rule(Struct, frozen=True, kw_only=True):
    """One rule.

    ``expression`` (CEL) is true when the resource is fine, as in ValidatingAdmissionPolicy;
    ``message_expression`` may build the message; ``path`` says where a finding points
    (``spec.externalIPs``). ``function`` (Python) is ``module:function`` under ``haechi.checks``.
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
    applies_to: AppliesTo
    judge: JudgeKind
    bad: list[str]
    good: list[str]
    expression: str = ""
    variables: list[Variable] = []
    message: str = ""
    message_expression: str = ""
    path: str = ""
    function: str = ""
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
