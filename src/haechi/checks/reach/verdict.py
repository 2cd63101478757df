"""What may pass to or from a pod, over all policies that govern it, stage by stage.

Admin tier (by priority, first match; ``Pass`` leaves it) → NetworkPolicy and Cilium's allows,
final for whom they select → baseline tier → allowed. Cilium's denies win over the last three.
How the admin tier and Cilium's own policies meet is not settled: where both are enforced, each
one's allows count in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from haechi.checks.reach.enforcement import Enforcement
from haechi.checks.reach.network import Network
from haechi.checks.reach.pods import Pod
from haechi.checks.reach.policy import INGRESS, Action, Maker, Policy, Stage
from haechi.checks.reach.traffic import EVERYONE, Numbers, Piece, cut, merged, narrowed

HOST_NETWORK = "the pod shares its node's network: no policy governs it"
UNGOVERNED = "no policy that is surely enforced closes this direction"


class _Voice(msgspec.Struct, frozen=True):
    """A policy that may govern the pod. ``sure``: it does, and is obeyed here."""

    policy: Policy
    sure: bool


def may_pass(
    network: Network,
    pod: Pod,
    direction: str,
    enforcement: Enforcement,
    universe: Sequence[Piece] = EVERYONE,
) -> list[Piece]:
    """All traffic that may pass in a direction; empty when surely none does.

    The node that runs the pod, and the pod itself, always reach it: they are left out.
    """
    if pod.host_network:
        return [msgspec.structs.replace(one, because=(HOST_NETWORK,)) for one in universe]
    voices = list(_voices(network, pod, enforcement))
    return _Stages(voices, pod, direction, enforcement).run(list(universe))


def obeyed(policy: Policy, enforcement: Enforcement, node: str) -> bool:
    """Whether a kind of policy is surely enforced on a node."""
    match policy.maker:
        case Maker.NETWORK_POLICY:
            asked: bool | None = enforcement.network_policy
        case Maker.CILIUM:
            asked = enforcement.cilium
        case Maker.ANP:
            asked = enforcement.anp
        case Maker.CNP:
            asked = enforcement.cnp
    return bool(asked and enforcement.on_node(node))


def _voices(network: Network, pod: Pod, enforcement: Enforcement) -> Iterable[_Voice]:
    for policy in network.policies:
        selects = False if policy.unreadable else policy.selects(pod.labels, pod.space)
        if selects is not False:
            sure = selects is True and obeyed(policy, enforcement, pod.node)
            yield _Voice(policy, sure)


class _Stages:
    """One walk through the stages for one pod and direction."""

    def __init__(
        self, voices: list[_Voice], pod: Pod, direction: str, enforcement: Enforcement
    ) -> None:
        self._voices = voices
        self._direction = direction
        self._both = enforcement.cilium is not False and bool(enforcement.anp or enforcement.cnp)
        # ports are those of the destination: of this pod for what comes in
        self._numbers: Numbers | None = pod.numbers if direction == INGRESS else None

    def run(self, universe: list[Piece]) -> list[Piece]:
        accepted, left = self._tier(Stage.ADMIN, universe)
        allowed = self._middle_allows(left)
        if self._both:
            allowed += self._allows(Maker.CILIUM, universe)
        if not self._is_closed():
            granted, rest = self._tier(Stage.BASELINE, left)
            allowed += granted
            allowed += [msgspec.structs.replace(p, because=(UNGOVERNED,)) for p in rest]
        return merged([*accepted, *self._undenied(allowed)])

    def _of(self, stage: Stage) -> list[_Voice]:
        return [voice for voice in self._voices if voice.policy.stage is stage]

    def _is_closed(self) -> bool:
        return any(
            voice.sure and self._direction in voice.policy.isolates
            for voice in self._of(Stage.MIDDLE)
        )

    def _tier(self, stage: Stage, pieces: list[Piece]) -> tuple[list[Piece], list[Piece]]:
        """What a tier allows, and what it leaves to the next (passed, or not spoken of)."""
        allowed: list[Piece] = []
        passed: list[Piece] = []
        left = pieces
        for group in self._groups(stage):
            for voice in group:
                self._speak(voice, left, allowed, passed)
            for voice in group:
                left = self._without(voice, left)
        return allowed, [*left, *passed]

    def _groups(self, stage: Stage) -> list[list[_Voice]]:
        """Policies of one priority together; all of them when two kinds of object are there."""
        voices = sorted(self._of(stage), key=lambda voice: voice.policy.priority)
        if len({voice.policy.maker for voice in voices}) > 1:
            return [voices]
        return [list(group) for _, group in groupby(voices, key=lambda v: v.policy.priority)]

    def _speak(
        self, voice: _Voice, pieces: list[Piece], allowed: list[Piece], passed: list[Piece]
    ) -> None:
        left = pieces
        for rule in voice.policy.rules(self._direction):
            if rule.action is not Action.DENY:
                hits = [hit for piece in left for hit in narrowed(piece, rule, self._numbers)]
                (allowed if rule.action is Action.ALLOW else passed).extend(
                    msgspec.structs.replace(hit, because=(voice.policy.label,))
                    if rule.action is Action.ALLOW
                    else hit
                    for hit in hits
                )
            if voice.sure:
                left = cut(left, rule, self._numbers)

    def _without(self, voice: _Voice, pieces: list[Piece]) -> list[Piece]:
        if voice.sure:
            for rule in voice.policy.rules(self._direction):
                pieces = cut(pieces, rule, self._numbers)
        return pieces

    def _middle_allows(self, pieces: list[Piece]) -> list[Piece]:
        makers = (Maker.NETWORK_POLICY, Maker.CILIUM)
        return [hit for maker in makers for hit in self._allows(maker, pieces)]

    def _allows(self, maker: Maker, pieces: list[Piece]) -> list[Piece]:
        return [
            msgspec.structs.replace(hit, because=(voice.policy.label,))
            for voice in self._of(Stage.MIDDLE)
            if voice.policy.maker is maker
            for rule in voice.policy.rules(self._direction)
            if rule.action is Action.ALLOW
            for piece in pieces
            for hit in narrowed(piece, rule, self._numbers)
        ]

    def _undenied(self, pieces: list[Piece]) -> list[Piece]:
        for voice in self._of(Stage.MIDDLE):
            if voice.sure and voice.policy.maker is Maker.CILIUM:
                for rule in voice.policy.rules(self._direction):
                    if rule.action is Action.DENY:
                        pieces = cut(pieces, rule, self._numbers)
        return pieces
