"""What a rule's ``fixer:`` line means.

    fixer    = ["risky "] (step {"; " step} | function)
    step     = "set" place "=" JSON | "delete" place | "prune" place | "rename" place "=" key
    place    = anchor {"." key | "['" key "']"}
    anchor   = "hit" | "parent" | "container" | "pod" | "template" | "object"
    function = name [argument]          a name of kubernetes_fixers or docker_fixers

``hit`` is the place the finding points to, ``container`` the container around it, ``pod`` the
pod's spec. ``risky`` marks what may change how the program behaves: such a fix is made only when
its rule is named. Example: ``set container.securityContext.allowPrivilegeEscalation = false``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from haechi.checks.pods.view import template_path
from haechi.errors import RuleError
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.scan.fix.changes import Change, Delete, Refused, Rename, Set

ANCHORS = ("hit", "parent", "container", "pod", "template", "object")
ROLES = ("initContainers", "containers", "ephemeralContainers")

_STEP = re.compile(
    r"(set|delete|prune|rename) ([a-z]+)((?:\.[A-Za-z]\w*|\['[^']+'\])*)(?: = (.+))?\Z"
)
_KEY = re.compile(r"\.(\w+)|\['([^']+)'\]")
_FUNCTION = re.compile(r"[a-z]+(?:-[a-z]+)*(?: .+)?\Z")


class Step(msgspec.Struct, frozen=True):
    """One change, relative to an anchor. ``value`` is the new value or key."""

    verb: str
    anchor: str
    keys: tuple[str, ...]
    value: Any = None


class Fixer(msgspec.Struct, frozen=True):
    """A parsed ``fixer:`` line: either steps, or the name of a function and its argument."""

    steps: tuple[Step, ...] = ()
    function: str = ""
    argument: str = ""
    risky: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What a Kubernetes fixer is given: the object and the place of the finding in it."""

    resource: Resource
    hit: AttrPath
    templates: Mapping[str, AttrPath]

    def anchor(self, name: str) -> AttrPath:
        """The path of an anchor. Raises Refused when the finding has no such surroundings."""
        match name:
            case "hit":
                return self.hit
            case "parent":
                return self.hit[:-1]
            case "object":
                return ()
            case "container":
                return self._container()
            case _:
                template = template_path(self.resource, self.templates)
                if template is None:
                    raise Refused(f"{self.resource.type} carries no pod template")
                return (*template, "spec") if name == "pod" else template

    def _container(self) -> AttrPath:
        spec = self.anchor("pod")
        if self.hit[: len(spec)] == spec and len(self.hit) >= len(spec) + 2:
            role, index = self.hit[len(spec) : len(spec) + 2]
            if role in ROLES and isinstance(index, int):
                return (*spec, role, index)
        raise Refused("the setting is the pod's, not one container's")


Function = Callable[[Case, str], Sequence[Change]]


@lru_cache(maxsize=512)
def parse_fixer(text: str) -> Fixer:
    """Read a ``fixer:`` line. Raises RuleError."""
    risky = text.startswith("risky ")
    body = text.removeprefix("risky ").strip()
    parts = body.split("; ")
    if any(part.startswith(("set ", "delete ", "prune ", "rename ")) for part in parts):
        return Fixer(steps=tuple(_step(part, text) for part in parts), risky=risky)
    if not _FUNCTION.match(body):
        raise RuleError(f"fixer {text!r} is neither steps nor a function's name")
    name, _, argument = body.partition(" ")
    return Fixer(function=name, argument=argument.strip(), risky=risky)


def _step(part: str, text: str) -> Step:
    match = _STEP.match(part.strip())
    if match is None or match[2] not in ANCHORS:
        raise RuleError(f"fixer {text!r}: {part!r} is no step", do=f"anchors: {', '.join(ANCHORS)}")
    verb, anchor, rest, value = match.groups()
    keys = tuple(plain or quoted for plain, quoted in _KEY.findall(rest))
    if (value is None) != (verb in ("delete", "prune")):
        raise RuleError(f"fixer {text!r}: {verb} takes {'no' if value else 'a'} value")
    if verb == "set":
        try:
            value = json.loads(value)
        except ValueError as error:
            raise RuleError(f"fixer {text!r}: {value!r} is not JSON") from error
    return Step(verb, anchor, keys, value)


def changes_of(steps: Sequence[Step], case: Case) -> list[Change]:
    """The steps as changes of the object at hand."""
    out: list[Change] = []
    for step in steps:
        path = (*case.anchor(step.anchor), *step.keys)
        match step.verb:
            case "set":
                out.append(Set(path, step.value))
            case "rename":
                out.append(Rename(path, step.value))
            case verb:
                out.append(Delete(path, prune=verb == "prune"))
    return out
