"""Which labels to take from a pod so that no policy that allows something selects it any more.

Only labels that such policies ask for are candidates. A policy that selects by absence (NotIn,
DoesNotExist, an empty selector) cannot be escaped so, and taking a label away may bring such a
policy upon the pod; therefore every choice is judged by the whole model, smallest choice first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from haechi.checks.reach import Network, Pod
from haechi.checks.reach.policy import DIRECTIONS, Action

MAX_CANDIDATES = 8
"""2^8 choices are judged one by one; with more candidates, all of them and each without one."""

Residual = Callable[[Pod], int]
"""How much still passes for a pod with other labels."""


def removal(
    network: Network, pod: Pod, owned: frozenset[str], residual: Residual
) -> tuple[str, ...]:
    """The labels to take away: least residual, then fewest that its controller asks for, then
    fewest."""
    keys = candidates(network, pod)
    best: tuple[tuple[int, int, int], tuple[str, ...]] | None = None
    for taken in _choices(keys):
        left = {key: value for key, value in pod.labels.values.items() if key not in taken}
        cost = (residual(pod.relabelled(left)), len(owned.intersection(taken)), len(taken))
        if best is None or cost < best[0]:
            best = (cost, taken)
        if cost[:2] == (0, 0):
            break
    return best[1] if best else ()


def candidates(network: Network, pod: Pod) -> tuple[str, ...]:
    """Labels of the pod that policies with an allow ask for."""
    found: set[str] = set()
    for policy in network.policies:
        rules = [rule for direction in DIRECTIONS for rule in policy.rules(direction)]
        if any(rule.action is Action.ALLOW for rule in rules):
            if policy.namespaces.matches(pod.space) is False:
                continue
            found.update(need.key for need in policy.pods.needs if need.is_positive)
    return tuple(sorted(found.intersection(pod.labels.values)))


def _choices(keys: Sequence[str]) -> Iterator[tuple[str, ...]]:
    if len(keys) <= MAX_CANDIDATES:
        for size in range(len(keys) + 1):
            yield from combinations(keys, size)
        return
    yield ()
    yield tuple(keys)
    yield from combinations(keys, len(keys) - 1)
