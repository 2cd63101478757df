"""What stands at the door: a request, what each policy says to it, and the decision.

Names and meanings follow ``admission.k8s.io/v1``. A ``PolicyVerdict`` is a ``Verdict`` with what
only a policy has: what is to be done about a failure (``effects``), and what when it could not
be judged (``failure``). The decision is computed from the verdicts and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from haechi.model.location import AttrPath
from haechi.model.review import Point, State


class Effect(StrEnum):
    """What a failed policy does, strongest first. ``audit``: it is written down, nothing else."""

    DENY = "deny"
    WARN = "warn"
    AUDIT = "audit"


class FailureChoice(StrEnum):
    """What counts when a policy cannot be evaluated (as ``failurePolicy``)."""

    FAIL = "Fail"
    IGNORE = "Ignore"


class Family(StrEnum):
    """Where a policy comes from; the first part of its id."""

    POD_SECURITY = "pod-security"
    GATEKEEPER = "gatekeeper"
    ADMISSION_POLICY = "vap"
    IMAGES = "images"
    RULES = "rules"


class GroupKind(msgspec.Struct, frozen=True):
    """A kind as ``apiVersion`` and ``kind`` name it; ``version`` may be empty for any."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy wants to see, in the terms of a webhook's ``rules``: ``*`` for all.

    ``kinds`` (group, kind) is for policies that name kinds, ``resources`` for those that name
    plurals (``pods/exec``); whoever needs the other side resolves it by discovery.
    """

    kinds: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ("*",)
    versions: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ()
    operations: tuple[str, ...] = ("CREATE", "UPDATE")
    scope: str = "*"


class PolicyStage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of a policy's rollout (``observe``, ``new``, ``all``): from that day on (ISO), in
    these namespaces (globs; none: in all)."""

    stage: str
    begins: str
    namespaces: tuple[str, ...] = ()


class PolicyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy is, for lists and explanations.

    ``id`` is unique in a set: ``pod-security/restricted``, ``gatekeeper/K8sRequiredLabels/owner``,
    ``vap/<policy>/<binding>``, ``images/<name>``, ``rules/<rule id>``. ``file`` and ``line`` tell
    where it was written, ``object`` the key of the cluster's object. ``effects`` are those that it
    names for itself, before any rollout. ``reads`` names kinds (group, kind) of other objects that
    it looks at (``data.inventory``, ``params``).
    """

    id: str
    family: Family
    name: str
    title: str
    description: str = ""
    fix: str = ""
    severity: str = "medium"
    file: str = ""
    line: int = 0
    object: str = ""
    effects: tuple[Effect, ...] = (Effect.DENY,)
    failure: FailureChoice = FailureChoice.IGNORE
    matched: tuple[Matched, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    stages: tuple[PolicyStage, ...] = ()
    """Of its rollout, in order; none: it is in force as it is."""


class PolicyVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of one policy about one resource.

    ``rule`` is the part of the policy that judged (a PSS check, a validation's number, a rule's
    id). ``effects`` is what a FAIL does at this point (after scoping and rollout, before waivers);
    ``action`` is the word that the policy itself uses (``dryrun``, ``Deny``, ``enforce``).
    ``line`` is the line that gave the message, in ``file``, or in the policy's own file where that
    is empty (a Gatekeeper template stands beside its constraints). ``generated``: judged on the
    pod that the resource would create, not on the resource itself. ``waiver`` names the waiver by
    which a failure does not count.
    """

    policy: str
    rule: str = ""
    state: State
    message: str = ""
    path: AttrPath = ()
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    effects: tuple[Effect, ...] = (Effect.DENY,)
    failure: FailureChoice = FailureChoice.IGNORE
    action: str = ""
    file: str = ""
    line: int = 0
    generated: bool = False
    waiver: str | None = None
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Audit annotations that the policy publishes, whatever the state."""

    @property
    def denies(self) -> bool:
        """Whether this verdict alone refuses the request."""
        if self.waiver is not None or self.generated:
            return False
        if self.state is State.FAIL:
            return Effect.DENY in self.effects
        return (
            self.state in (State.ERROR, State.NOT_EVALUATED)
            and self.failure is FailureChoice.FAIL
            and Effect.DENY in self.effects
        )


class PolicyFault(msgspec.Struct, frozen=True, kw_only=True):
    """Something among the policies that does not do what it looks like: it protects nothing, or
    it cannot be loaded. Told as a finding, never skipped in silence."""

    kind: str
    """wrong-group, wrong-shape, unknown-template, unbound, invalid, unsupported …"""
    what: str
    why: str = ""
    do: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    object: str = ""
    policy: str = ""
    fatal: bool = True
    """False: the policy still works, though not as its author may think."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one request. ``code`` is HTTP's (200, 403, 500). ``generation`` names the set
    of policies that decided. ``patches`` are JSON patch operations of mutations."""

    allowed: bool
    code: int = 200
    reason: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    verdicts: tuple[PolicyVerdict, ...] = ()
    patches: tuple[Mapping[str, Any], ...] = ()
    generation: str = ""
    point: Point = Point.ADMISSION
