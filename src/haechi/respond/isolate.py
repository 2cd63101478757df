"""Isolation of pods: the smallest change after which the model finds that nothing passes.

NetworkPolicies only add. A deny-all policy on a quarantine label changes nothing while another
policy that selects the pod allows traffic; so the plan is judged over *all* policies, as the
cluster would stand after it. The means are tried from the mildest: a deny-all policy alone, a
deny that wins over allows (Cilium), a deny tier, and taking the labels by which allowing policies
select the pod. Nobody else's policy is ever changed. What still passes is named; ``contained`` is
said only when nothing does, everything was understood, and enforcement is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from haechi.checks.reach import DIRECTIONS, Enforcement, Network, network_of
from haechi.errors import UsageError
from haechi.model.resource import Resource
from haechi.model.response import ActionKind, Flow, Plan, Step
from haechi.respond.isolate_means import Judge, Outcome, flows_of, to_come
from haechi.respond.isolate_policies import DNS, mark_of
from haechi.respond.isolate_steps import apply_step, mark_step
from haechi.respond.isolate_target import Target, target_of
from haechi.respond.isolate_words import (
    ALWAYS,
    consequences,
    enforcement_words,
    some,
)

_MOST_REASONS = 20


class Containment(msgspec.Struct, frozen=True, kw_only=True):
    """What an isolation has achieved as the cluster stands."""

    contained: bool
    residual: tuple[Flow, ...]
    warnings: tuple[str, ...]


def isolate(
    objects: Sequence[Resource],
    resource: str,
    *,
    pods: Sequence[str] | None = None,
    enforcement: Enforcement,
    action_id: str,
    keep: Sequence[str] = (),
    gaps: Sequence[str] = (),
) -> Plan:
    """A plan to cut pods off the network.

    ``resource`` is the key of a pod or workload; ``pods`` are names or keys where only these are
    meant. ``keep=("dns",)`` leaves name resolution open (then it is residual). ``gaps`` name what
    of the cluster could not be read: with any, nothing is called contained. Raises InputError,
    UsageError.
    """
    unwanted = sorted(set(keep) - {DNS})
    if unwanted:
        raise UsageError(f"{unwanted[0]!r} cannot be kept open", do=f"only {DNS!r} can")
    network = network_of(objects)
    mark = mark_of(action_id)
    target = target_of(objects, network, resource, pods, mark=mark)
    judge = Judge(objects, network, target, enforcement, mark, action_id)
    outcome = judge.best(keep)
    unknown = _unknown(network, target, enforcement, gaps)
    residual = [*outcome.flows, *outcome.later, *unknown]
    words, hit = consequences(objects, target, outcome.taken)
    steps = _steps(outcome, target, mark)
    return Plan(
        action=ActionKind.ISOLATE,
        resource=resource,
        steps=tuple(steps),
        says=_says(target, outcome),
        contained=not residual,
        residual=some(residual),
        warnings=_warnings(target, enforcement, words),
        touches=tuple(dict.fromkeys([*(s.target for s in steps), *_hit(target), *hit])),
    )


def verify(
    objects: Sequence[Resource],
    resource: str,
    *,
    pods: Sequence[str] | None = None,
    enforcement: Enforcement,
    action_id: str,
    gaps: Sequence[str] = (),
) -> Containment:
    """What passes now, after an isolation was applied: labels may have been put back, policies
    added, pods started since. Pods that are gone count as contained. Raises InputError."""
    network = network_of(objects)
    mark = mark_of(action_id)
    target = target_of(objects, network, resource, pods, mark=mark, gone_is_fine=True)
    flows = flows_of(network, target.pods, enforcement)
    flows += to_come(network, target, enforcement)
    flows += _unknown(network, target, enforcement, gaps)
    return Containment(
        contained=not flows,
        residual=some(flows),
        warnings=_warnings(target, enforcement, ()),
    )


def _unknown(
    network: Network, target: Target, enforcement: Enforcement, gaps: Sequence[str]
) -> list[Flow]:
    """What could not be judged, as a flow of each direction that may pass."""
    subjects = [*target.pods, *([target.template] if target.whole and target.template else [])]
    reasons = [*gaps, *(why for pod in subjects for why in network.unknown(pod))]
    if subjects and (enforcement.doubts or not enforcement.network_policy):
        reasons += enforcement_words(enforcement, target.pods)
    if not reasons:
        return []
    because = tuple(dict.fromkeys(reasons))[:_MOST_REASONS]
    return [
        Flow(direction=direction, peer="not known", ports="any", because=because)
        for direction in DIRECTIONS
    ]


def _steps(outcome: Outcome, target: Target, mark: str) -> list[Step]:
    steps = [apply_step(number, one) for number, one in enumerate(outcome.resources, start=1)]
    if outcome.means.marked:
        for pod in target.pods:
            taken = outcome.taken.get(pod.resource.key, ())
            steps.append(mark_step(len(steps) + 1, pod, mark, taken))
    return steps


def _says(target: Target, outcome: Outcome) -> str:
    count = f"{len(target.pods)} pod{'' if len(target.pods) == 1 else 's'}"
    who = f"{count} of {target.resource.label}"
    if target.resource.type == "core/Pod":
        who = target.resource.label
    if not outcome.resources:
        return f"{who} cannot be cut off the network by policies"
    means = ", ".join(dict.fromkeys(one.kind for one in outcome.resources))
    taken = sorted({key for keys in outcome.taken.values() for key in keys})
    how = f" and without the labels {', '.join(taken)}" if taken else ""
    return f"cut {who} off the network by {means}{how}"


def _warnings(target: Target, enforcement: Enforcement, words: Sequence[str]) -> tuple[str, ...]:
    ended = [
        f"pod {pod.namespace}/{pod.name} has ended: nothing to isolate" for pod in target.ended
    ]
    if not target.pods:
        ended.append(f"no pod of {target.resource.label} runs now")
    return (*words, *enforcement_words(enforcement, target.pods), *ended, *ALWAYS)


def _hit(target: Target) -> list[str]:
    workload = [target.resource.key] if target.whole else []
    return [*workload, *(pod.resource.key for pod in target.pods)]


__all__ = ["Containment", "Enforcement", "isolate", "verify"]
