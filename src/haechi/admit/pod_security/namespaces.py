"""Namespaces under the standards: labels that can be read, and the pods that a new one hits.

Tightening ``enforce`` refuses no pod that runs already; whoever does it is told which of them
would not come back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.pod_security.configuration import Configuration
from haechi.admit.pod_security.labels import (
    MODES,
    PREFIX,
    LabelFault,
    Modes,
    Standard,
    labels_of,
    modes_of,
)
from haechi.admit.policy import View
from haechi.checks.pod_security import Level, evaluate, reasons, stricter
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import Effect, FailureChoice, Matched, PolicyInfo, PolicyVerdict
from haechi.model.review import Review, State

NAMESPACE = "core/Namespace"
MATCHED = Matched(groups=("",), versions=("v1",), resources=("namespaces",), scope="Cluster")
MOST_PODS = 3000
"""Pods of a namespace that are looked at when its label changes, as upstream."""


class _Group(msgspec.Struct):
    """Pods that violate for the same reasons: the first by name, and how many."""

    name: str
    count: int = 1

    def told(self, why: str) -> str:
        others = self.count - 1
        more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
        return f"{self.name}{more}: {why}"


def judge_namespace(
    info: PolicyInfo, configuration: Configuration, review: Review, view: View
) -> list[PolicyVerdict]:
    """Verdicts about a Namespace; none for requests that do not concern pod security."""
    request = review.request or {}
    operation = request.get("operation", "CREATE")
    if operation not in ("CREATE", "UPDATE") or request.get("subResource"):
        return []
    labels = labels_of(review.resource.data)
    modes, faults = modes_of(labels, configuration.defaults)
    old, old_faults = modes, faults
    if operation == "UPDATE" and review.old is not None:
        old, old_faults = modes_of(labels_of(review.old), configuration.defaults)
        faults = () if faults == old_faults else faults
    if faults:
        return [_unreadable(info, fault) for fault in faults]
    told = _exempt(
        info, configuration, review, modes, labels, operation == "CREATE" or modes != old
    )
    if operation == "UPDATE" and told is None:
        return [*_hit(info, configuration, review, view, modes.enforce, old.enforce)]
    return [told] if told else []


def _unreadable(info: PolicyInfo, fault: LabelFault) -> PolicyVerdict:
    return PolicyVerdict(
        policy=info.id,
        rule="labels",
        state=State.FAIL,
        message=str(fault),
        path=("metadata", "labels", fault.key),
        failure=info.failure,
        action="enforce",
        line=info.line,
    )


def _warning(info: PolicyInfo, rule: str, text: str, state: State = State.FAIL) -> PolicyVerdict:
    return PolicyVerdict(
        policy=info.id,
        rule=rule,
        state=state,
        message=text,
        path=("metadata", "labels", f"{PREFIX}enforce"),
        effects=(Effect.WARN,),
        failure=FailureChoice.IGNORE,
        action="warn",
        line=info.line,
    )


def _exempt(
    info: PolicyInfo,
    configuration: Configuration,
    review: Review,
    modes: Modes,
    labels: Mapping[str, Any],
    changed: bool,
) -> PolicyVerdict | None:
    """Labels on an exempt namespace do nothing: said when they are written."""
    name = review.resource.name
    if name not in configuration.namespaces:
        return None
    nothing = modes.privileged or modes.means_the_same_as(configuration.defaults)
    if nothing or not changed:
        return PolicyVerdict(policy=info.id, state=State.NOT_APPLICABLE, failure=info.failure)
    said = ", ".join(
        f"{mode}={standard}"
        for mode, standard in zip(MODES, modes.standards, strict=True)
        if standard.level is not Level.PRIVILEGED
        and (PREFIX + mode in labels or f"{PREFIX}{mode}-version" in labels)
    )
    text = (
        f'namespace "{name}" is exempt from Pod Security, and the policy ({said}) will be ignored'
    )
    return _warning(info, "exempt-namespace", text)


def _hit(
    info: PolicyInfo,
    configuration: Configuration,
    review: Review,
    view: View,
    new: Standard,
    old: Standard,
) -> Iterator[PolicyVerdict]:
    """The running pods that the new level would refuse."""
    relaxed = new.version == old.version and not stricter(new.level, old.level)
    if new == old or new.level is Level.PRIVILEGED or relaxed:
        return
    name = review.resource.name
    pods = view.objects("v1", "Pod", name)
    if not pods and not view.knows("", "Pod"):
        text = f"the pods of namespace {name} are not known, so nobody can say which would violate"
        yield _warning(info, "existing-pods", text, State.NOT_EVALUATED)
        return
    for text in warnings(name, pods, new, configuration):
        yield _warning(info, "existing-pods", text)


def warnings(
    namespace: str, pods: Sequence[Mapping[str, Any]], standard: Standard, known: Configuration
) -> list[str]:
    """What upstream warns of, line for line."""
    chosen = _one_of_each_owner(pods, known)
    groups: dict[str, _Group] = {}
    for pod in chosen[:MOST_PODS]:
        found = evaluate(standard.level, standard.version, pod.get("metadata"), pod.get("spec"))
        why = reasons(found)
        if not why:
            continue
        name = str(mapping(pod.get("metadata")).get("name"))
        group = groups.get(why)
        if group is None:
            groups[why] = _Group(name)
        else:
            group.count += 1
            group.name = min(group.name, name)
    lines: list[str] = []
    if len(chosen) > MOST_PODS:
        lines.append(
            "new PodSecurity enforce level only checked against the first "
            f"{MOST_PODS} of {len(chosen)} existing pods"
        )
    if groups:
        lines.append(
            f'existing pods in namespace "{namespace}" violate the new PodSecurity '
            f'enforce level "{standard}"'
        )
    return lines + sorted(group.told(why) for why, group in groups.items())


def _one_of_each_owner(
    pods: Sequence[Mapping[str, Any]], known: Configuration
) -> list[Mapping[str, Any]]:
    """One pod of each controller first: replicas say the same."""
    first: list[Mapping[str, Any]] = []
    more: list[Mapping[str, Any]] = []
    owners: set[str] = set()
    for pod in pods:
        if str(mapping(pod.get("spec")).get("runtimeClassName") or "") in known.runtime_classes:
            continue
        owner = _controller(pod)
        (more if owner in owners else first).append(pod)
        if owner:
            owners.add(owner)
    return first + more


def _controller(pod: Mapping[str, Any]) -> str:
    for reference in items(mapping(pod.get("metadata")).get("ownerReferences")):
        if mapping(reference).get("controller") is True:
            return str(mapping(reference).get("uid") or "")
    return ""
