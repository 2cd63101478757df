"""Pod Security Admission as one policy: every pod by what its namespace asks.

One policy and not three: a check that fails both ``enforce`` and ``warn`` is one fact with two
effects, told once. ``audit`` and ``warn`` of another level add what ``enforce`` has not said.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from haechi.admit.pod_security.configuration import Configuration
from haechi.admit.pod_security.labels import (
    MODES,
    LabelFault,
    Modes,
    Standard,
    labels_of,
    modes_of,
)
from haechi.admit.pod_security.namespaces import MATCHED as MATCHED_NAMESPACES
from haechi.admit.pod_security.namespaces import NAMESPACE, judge_namespace
from haechi.admit.pod_security.pods import LOOKS, MATCHED, counts, failures, passed, results
from haechi.admit.policy import View
from haechi.checks.pod_security import Level, joined
from haechi.checks.pods.view import mapping
from haechi.errors import NotEvaluated
from haechi.model.admission import Effect, FailureChoice, Family, PolicyInfo, PolicyVerdict
from haechi.model.review import Point, Review, State

ID = f"{Family.POD_SECURITY.value}/labels"
_EFFECTS = {"enforce": Effect.DENY, "warn": Effect.WARN, "audit": Effect.AUDIT}
_STRONGEST_FIRST = ("enforce", "warn", "audit")
_ANNOTATION = "pod-security-"
"""Of audit annotations: the API server puts the webhook's name and a slash before them, and takes
no second slash."""


class NamespaceLabels:
    """The policy ``pod-security/labels``. ``configured``: a PodSecurityConfiguration stands
    behind it, so that it has an opinion even where no labels are."""

    looks = LOOKS

    def __init__(
        self,
        configuration: Configuration | None = None,
        *,
        failure: FailureChoice = FailureChoice.FAIL,
    ) -> None:
        self.configured = configuration is not None
        self.configuration = configuration or Configuration()
        self.info = PolicyInfo(
            id=ID,
            family=Family.POD_SECURITY,
            name="labels",
            title="Pods are what the labels of their namespace allow",
            description=(
                "The Pod Security Standard that a namespace names in its labels "
                "pod-security.kubernetes.io/enforce, audit and warn, at the version it names."
            ),
            fix="change the fields that the message names, or let the namespace ask for less",
            severity="high",
            file=self.configuration.file,
            line=self.configuration.line,
            effects=(Effect.DENY, Effect.WARN, Effect.AUDIT),
            failure=failure,
            matched=(*MATCHED, MATCHED_NAMESPACES),
            reads=(("", "Namespace"), ("", "Pod")),
        )

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        """Verdicts about a pod, or about the labels of a namespace."""
        if review.resource.type == NAMESPACE:
            return judge_namespace(self.info, self.configuration, review, view)
        if not counts(review):
            return ()
        exempt = self._exemption(review)
        if exempt:
            return (self._not_applicable(exempt, {f"{_ANNOTATION}exempt": exempt}),)
        namespace = review.namespace
        if namespace is None:
            return (self._unknown(review),)
        modes, faults = modes_of(labels_of(namespace), self.configuration.defaults)
        return self._by(review, modes, faults)

    def _exemption(self, review: Review) -> str:
        known = self.configuration
        if review.resource.namespace in known.namespaces:
            return "namespace"
        user = mapping((review.request or {}).get("userInfo")).get("username")
        if isinstance(user, str) and user in known.usernames:
            return "user"
        runtime = mapping(review.resource.data.get("spec")).get("runtimeClassName")
        if isinstance(runtime, str) and runtime in known.runtime_classes:
            return "runtimeClass"
        return ""

    def _not_applicable(
        self, message: str, annotations: dict[str, str] | None = None
    ) -> PolicyVerdict:
        verdict = passed(self.info, annotations)
        return structs.replace(verdict, state=State.NOT_APPLICABLE, message=message)

    def _unknown(self, review: Review) -> PolicyVerdict:
        """Labels are never guessed. Of a file nothing is claimed where no configuration of the
        cluster says that something must be asked of it."""
        name = review.resource.namespace
        what = f"namespace {name}" if name else "the namespace it will be applied to"
        reason = f"the labels of {what} are not known"
        if review.point is Point.FILE and not self.configured:
            return self._not_applicable(reason)
        raise NotEvaluated(reason, do="add the Namespace to what is judged, or let haechi read it")

    def _by(
        self, review: Review, modes: Modes, faults: tuple[LabelFault, ...]
    ) -> list[PolicyVerdict]:
        found: list[PolicyVerdict] = []
        told: set[str] = set()
        refused = False
        for standard, names in _together(modes).items():
            said = results(review, standard.level, standard.version)
            fresh = [r for r in said if not r.allowed and r.text not in told]
            told.update(result.text for result in fresh)
            effects = tuple(_EFFECTS[name] for name in names if not (refused and name == "warn"))
            found += failures(
                self.info,
                fresh,
                standard=str(standard),
                effects=effects,
                action=",".join(names),
                generated=review.generated,
            )
            refused = refused or bool(fresh and names[0] == "enforce" and not review.generated)
        found += [self._label_fault(fault) for fault in faults]
        annotations = self._annotations(review, modes, faults)
        if not found:
            return [passed(self.info, annotations)]
        return [structs.replace(found[0], annotations=annotations), *found[1:]]

    def _label_fault(self, fault: LabelFault) -> PolicyVerdict:
        return PolicyVerdict(
            policy=self.info.id,
            rule="labels",
            state=State.FAIL,
            message=f"a label of the namespace cannot be read, so the strictest counts: {fault}"
            if fault.key.endswith("/enforce")
            else f"a label of the namespace cannot be read: {fault}",
            path=("metadata", "namespace"),
            effects=(Effect.WARN,),
            failure=FailureChoice.IGNORE,
            action="warn",
        )

    def _annotations(
        self, review: Review, modes: Modes, faults: tuple[LabelFault, ...]
    ) -> dict[str, str]:
        made: dict[str, str] = {}
        if not review.generated:
            made[f"{_ANNOTATION}enforce-policy"] = str(modes.enforce)
        violations = joined(results(review, modes.audit.level, modes.audit.version))
        if violations:
            made[f"{_ANNOTATION}audit-violations"] = (
                f'would violate PodSecurity "{modes.audit}": {violations}'
            )
        if faults:
            made[f"{_ANNOTATION}error"] = "Failed to parse policy: " + ", ".join(map(str, faults))
        return made


def _together(modes: Modes) -> dict[Standard, list[str]]:
    """The modes by what they ask, ``enforce`` first."""
    by_mode = dict(zip(MODES, modes.standards, strict=True))
    found: dict[Standard, list[str]] = {}
    for mode in _STRONGEST_FIRST:
        if by_mode[mode].level is not Level.PRIVILEGED:
            found.setdefault(by_mode[mode], []).append(mode)
    return found
