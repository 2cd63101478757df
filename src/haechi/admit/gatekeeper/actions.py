"""What a constraint does about a violation, at each point where it is enforced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from haechi.checks.pods.view import items, mapping
from haechi.errors import RuleError
from haechi.model.admission import Effect
from haechi.model.review import Point

EFFECTS: Final = {"deny": Effect.DENY, "warn": Effect.WARN, "dryrun": Effect.AUDIT}
SCOPED: Final = "scoped"
POINTS: Final = {
    Point.ADMISSION: "validation.gatekeeper.sh",
    Point.WHAT_IF: "validation.gatekeeper.sh",
    Point.AUDIT: "audit.gatekeeper.sh",
    Point.FILE: "gator.gatekeeper.sh",
}
KNOWN: Final = frozenset({*POINTS.values(), "vap.k8s.io", "*"})


class Enforced(msgspec.Struct, frozen=True):
    """What is done at one point, and by which words."""

    effects: tuple[Effect, ...]
    action: str


class Actions(msgspec.Struct, frozen=True):
    """What is done at each point; a point that is missing: nothing, the constraint is not for it.

    ``elsewhere`` are points that haechi does not know, ``by_api_server``: some action belongs to
    ``vap.k8s.io``, where Gatekeeper has the API server itself enforce a template of CEL.
    """

    by_point: Mapping[Point, Enforced]
    elsewhere: tuple[str, ...] = ()
    by_api_server: bool = False

    def all_effects(self) -> tuple[Effect, ...]:
        """Every effect that it has somewhere, strongest first."""
        found = {effect for one in self.by_point.values() for effect in one.effects}
        return tuple(effect for effect in Effect if effect in found)


def read_actions(spec: Mapping[str, Any]) -> Actions:
    """The actions of a constraint's ``spec``. Raises RuleError with the field."""
    action = spec.get("enforcementAction")
    if action is None or action == "":
        action = "deny"
    if action == SCOPED:
        return _scoped(spec.get("scopedEnforcementActions"))
    if not isinstance(action, str) or action not in EFFECTS:
        raise RuleError(
            f"enforcementAction {action!r} is none of {', '.join(EFFECTS)} and {SCOPED}",
            where="spec.enforcementAction",
        )
    one = Enforced((EFFECTS[action],), action)
    return Actions(dict.fromkeys(POINTS, one))


def _scoped(value: Any) -> Actions:
    at = "spec.scopedEnforcementActions"
    if not isinstance(value, list) or not value:
        raise RuleError(
            "enforcementAction is scoped, and scopedEnforcementActions lists nothing",
            do="write a list of action and enforcementPoints",
            where=at,
        )
    words: dict[str, set[str]] = {}
    for number, entry in enumerate(value):
        here = f"{at}[{number}]"
        action = mapping(entry).get("action")
        if not isinstance(action, str) or action not in EFFECTS:
            what = f"action {action!r} is none of {', '.join(EFFECTS)}"
            raise RuleError(what, where=f"{here}.action")
        for point in items(mapping(entry).get("enforcementPoints")):
            name = mapping(point).get("name")
            if not isinstance(name, str):
                what = "an enforcement point has a name"
                raise RuleError(what, where=f"{here}.enforcementPoints")
            words.setdefault(name, set()).add(action)
    everywhere = words.get("*", set())
    by_point = {
        point: _enforced(words.get(name, set()) | everywhere)
        for point, name in POINTS.items()
        if words.get(name) or everywhere
    }
    return Actions(by_point, tuple(sorted(words.keys() - KNOWN)), "vap.k8s.io" in words)


def _enforced(actions: set[str]) -> Enforced:
    effects = {EFFECTS[action] for action in actions}
    told = [word for word in EFFECTS if word in actions]
    return Enforced(tuple(effect for effect in Effect if effect in effects), ",".join(told))
