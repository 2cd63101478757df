"""Pods under the standards: which requests count, and verdicts made of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.checks.pod_security import CheckResult, evaluate
from haechi.checks.pod_security.words import check_words
from haechi.checks.pods.view import items, mapping
from haechi.engines.cel.reads import ANY, Read, Reads
from haechi.model.admission import Effect, Matched, PolicyInfo, PolicyVerdict
from haechi.model.location import format_path
from haechi.model.review import Review, State

POD = "core/Pod"
IGNORED = frozenset(
    {"attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"}
)
"""Subresources of a pod that change nothing that the standards look at. All others count: an
unknown one may change the spec."""
MATCHED = (
    Matched(
        groups=("",),
        versions=("v1",),
        resources=("pods", "pods/ephemeralcontainers", "pods/resize"),
        scope="Namespaced",
    ),
    Matched(
        groups=("",),
        versions=("v1",),
        resources=("podtemplates", "replicationcontrollers"),
        scope="Namespaced",
    ),
    Matched(
        groups=("apps",),
        versions=("v1",),
        resources=("daemonsets", "deployments", "replicasets", "statefulsets"),
        scope="Namespaced",
    ),
    Matched(
        groups=("batch",), versions=("v1",), resources=("cronjobs", "jobs"), scope="Namespaced"
    ),
)
"""Pods, and what makes them: its author is told before the first pod fails."""
_SPEC = (
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "os",
    "runtimeClassName",
    "securityContext",
    "volumes",
)
_CONTAINER = (
    "image",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "securityContext",
    "startupProbe",
)


def _looks() -> Iterator[tuple[Any, ...]]:
    yield ("metadata",)
    for name in _SPEC:
        yield ("spec", name)
    for role in ("containers", "initContainers", "ephemeralContainers"):
        for name in _CONTAINER:
            yield ("spec", role, ANY, name)


LOOKS = (Reads(frozenset(Read(("object", *place), deep=True) for place in _looks())),)
"""What of a pod the checks, exemptions and updates look at."""


def counts(review: Review) -> bool:
    """Whether a review is of a pod, or of a change to one, that the standards speak of."""
    if review.resource.type != POD:
        return False
    request = review.request or {}
    operation = request.get("operation", "CREATE")
    if operation not in ("CREATE", "UPDATE") or request.get("subResource") in IGNORED:
        return False
    if operation == "UPDATE" and review.old is not None:
        return is_significant(
            mapping(review.resource.data.get("spec")), mapping(review.old.get("spec"))
        )
    return True


def is_significant(spec: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether an update could make a difference: containers that come, go, or change their
    image. Nothing else of a pod's spec that the standards read can be changed."""
    for role in ("containers", "initContainers"):
        new, before = items(spec.get(role)), items(old.get(role))
        if len(new) != len(before):
            return True
        if any(_image(one) != _image(other) for one, other in zip(new, before, strict=True)):
            return True
    known: dict[str, Any] = {}
    for one in items(old.get("ephemeralContainers")):
        known.setdefault(str(mapping(one).get("name")), one)
    return any(
        str(mapping(one).get("name")) not in known
        or _image(one) != _image(known[str(mapping(one).get("name"))])
        for one in items(spec.get("ephemeralContainers"))
    )


def _image(container: Any) -> Any:
    return mapping(container).get("image")


def results(review: Review, level: str, version: str) -> tuple[CheckResult, ...]:
    """What the standard says of the pod; asked once for all policies of a review."""
    key = f"pod security {level}:{version}"
    found: tuple[CheckResult, ...] | None = review.memo.get(key)
    if found is None:
        body = review.resource.data
        found = evaluate(level, version, body.get("metadata"), body.get("spec"))
        review.memo[key] = found
    return found


def failures(
    info: PolicyInfo,
    found: Sequence[CheckResult],
    *,
    standard: str,
    effects: tuple[Effect, ...],
    action: str,
    generated: bool,
) -> Iterator[PolicyVerdict]:
    """A verdict for each check that forbids."""
    certain = Effect.DENY in effects and not generated
    words = "violates" if certain else "would violate"
    for result in found:
        if result.allowed:
            continue
        yield PolicyVerdict(
            policy=info.id,
            rule=result.check,
            state=State.FAIL,
            message=f'{words} PodSecurity "{standard}": {result.text}',
            path=result.places[0].path,
            evidence={
                "standard": standard,
                "reason": result.reason,
                "fix": check_words()[result.check].fix,
                "paths": [format_path(place.path) for place in result.places[:20]],
                "containers": list(
                    dict.fromkeys(p.container for p in result.places if p.container)
                )[:20],
            },
            effects=effects,
            failure=info.failure,
            action=action,
            line=info.line,
        )


def passed(info: PolicyInfo, annotations: Mapping[str, str] | None = None) -> PolicyVerdict:
    """Nothing is wrong."""
    return PolicyVerdict(
        policy=info.id,
        state=State.PASS,
        effects=info.effects,
        failure=info.failure,
        line=info.line,
        annotations=annotations or {},
    )
