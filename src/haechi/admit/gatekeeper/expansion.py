"""ExpansionTemplate: what a generator will make, so that it is judged before it is made.

Outside of suites, workloads are judged as their pods without any template (``reviews``).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from haechi.admit.gatekeeper.actions import EFFECTS
from haechi.admit.gatekeeper.names import EXPANSION, VERSIONS, fault, path_of
from haechi.checks.pods.view import items, mapping
from haechi.errors import InputError, RuleError
from haechi.model.admission import PolicyFault
from haechi.model.resource import Resource

DEPTH: Final = 30
"""Generators of generators, at most."""


class Expansion(msgspec.Struct, frozen=True, kw_only=True):
    """One template: what it applies to, where in the generator the object stands, what it is.
    ``action`` replaces what constraints do about it, where it is not empty."""

    name: str
    applied: tuple[tuple[frozenset[str], frozenset[str], frozenset[str]], ...]
    source: tuple[str, ...]
    group: str
    version: str
    kind: str
    action: str

    def takes(self, group: str, version: str, kind: str) -> bool:
        return any(
            group in groups and version in versions and kind in kinds
            for groups, versions, kinds in self.applied
        )

    def made_of(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The object that a generator makes. Raises InputError."""
        found: Any = body
        for part in self.source:
            found = mapping(found).get(part)
        metadata = mapping(body.get("metadata"))
        if not isinstance(found, dict):
            what = f"{metadata.get('name')} has no {'.'.join(self.source)} to expand"
            raise InputError(what, why=f"ExpansionTemplate {self.name} takes it from there")
        made = copy.deepcopy(found)
        own = dict(mapping(made.get("metadata")))
        own["name"] = f"{metadata.get('name') or ''}-{self.kind}".lower()
        if isinstance(metadata.get("namespace"), str):
            own["namespace"] = metadata["namespace"]
        owner = {"apiVersion": body.get("apiVersion"), "kind": body.get("kind")}
        references = items(own.get("ownerReferences"))
        own["ownerReferences"] = [*references, {**owner, "name": metadata.get("name")}]
        api = f"{self.group}/{self.version}" if self.group else self.version
        return {**made, "apiVersion": api, "kind": self.kind, "metadata": own}


def read_expansions(resources: Iterable[Resource]) -> tuple[list[Expansion], list[PolicyFault]]:
    """The expansion templates among the documents, by name, and faults."""
    found: list[Expansion] = []
    faults: list[PolicyFault] = []
    for resource in resources:
        if (resource.group, resource.kind) != (EXPANSION, "ExpansionTemplate"):
            continue
        try:
            found.append(_read(resource))
        except RuleError as error:
            what = f"{resource.label}: {error.where}: {error.what}"
            path = path_of(error.where)
            faults.append(fault("invalid", what, resource, path, do=error.do))
    return sorted(found, key=lambda one: one.name), faults


def expand(
    expansions: Sequence[Expansion], body: Mapping[str, Any]
) -> list[tuple[Expansion, dict[str, Any]]]:
    """Everything that an object makes, and what that makes in turn. Raises InputError."""
    found: list[tuple[Expansion, dict[str, Any]]] = []
    _expand(expansions, body, found, 0)
    return found


def _expand(
    expansions: Sequence[Expansion],
    body: Mapping[str, Any],
    found: list[tuple[Expansion, dict[str, Any]]],
    depth: int,
) -> None:
    if depth >= DEPTH:
        raise InputError(f"expansion templates make one another, {DEPTH} deep")
    api, kind = body.get("apiVersion"), body.get("kind")
    if not isinstance(api, str) or not isinstance(kind, str):
        return
    group, _, version = api.rpartition("/")
    for one in expansions:
        if one.takes(group, version, kind):
            made = one.made_of(body)
            _expand(expansions, made, found, depth + 1)
            found.append((one, made))


def _read(resource: Resource) -> Expansion:
    if resource.version not in VERSIONS[EXPANSION]:
        raise RuleError(f"there is no version {resource.version!r}", where="apiVersion")
    spec = mapping(mapping(resource.data).get("spec"))
    source = spec.get("templateSource")
    if not isinstance(source, str) or not source:
        what = "it names no place of the generated object"
        raise RuleError(what, do="for pods write spec.template", where="spec.templateSource")
    made = mapping(spec.get("generatedGVK"))
    parts = [made.get(name) or "" for name in ("group", "version", "kind")]
    if not all(isinstance(part, str) for part in parts) or not (parts[1] and parts[2]):
        raise RuleError("it names no version and kind", where="spec.generatedGVK")
    action = spec.get("enforcementAction") or ""
    if action and action not in EFFECTS:
        what = f"{action!r} is none of {', '.join(EFFECTS)}"
        raise RuleError(what, where="spec.enforcementAction")
    expansion = Expansion(
        name=resource.name,
        applied=_applied(spec),
        source=tuple(source.split(".")),
        group=parts[0],
        version=parts[1],
        kind=parts[2],
        action=str(action),
    )
    if expansion.takes(*parts):
        raise RuleError("it generates what it applies to", where="spec.generatedGVK")
    return expansion


def _applied(
    spec: Mapping[str, Any],
) -> tuple[tuple[frozenset[str], frozenset[str], frozenset[str]], ...]:
    found = []
    for entry in items(spec.get("applyTo")):
        groups, versions, kinds = (
            frozenset(one for one in items(mapping(entry).get(name)) if isinstance(one, str))
            for name in ("groups", "versions", "kinds")
        )
        found.append((groups, versions, kinds))
    if not found:
        raise RuleError("it applies to nothing", where="spec.applyTo")
    return tuple(found)
