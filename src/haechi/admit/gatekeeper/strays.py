"""What looks like a policy of Gatekeeper and is none, or works less than it seems to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from haechi.admit.gatekeeper.framework import ANY
from haechi.admit.gatekeeper.names import (
    CONSTRAINTS,
    EXTERNAL_DATA,
    KINDS,
    OF_GATEKEEPER,
    REQUIRES_SYNC,
    TEMPLATE,
    TEMPLATES,
    annotation,
    fault,
)
from haechi.admit.gatekeeper.rego_code import RegoCode
from haechi.admit.gatekeeper.template import Template
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import PolicyFault
from haechi.model.resource import Resource

_OTHER_GROUPS = ("status.gatekeeper.sh", "connection.gatekeeper.sh", "match.gatekeeper.sh")
"""Groups that Gatekeeper itself writes or that say nothing about what is let in."""


def of_wrong_group(
    resources: Sequence[Resource], template_kinds: frozenset[str]
) -> Iterator[PolicyFault]:
    """Objects of a kind that their group does not have, or that belongs to constraints."""
    for resource in resources:
        group, kind = resource.group, resource.kind
        if group == CONSTRAINTS or group in _OTHER_GROUPS:
            continue
        is_constraint = kind in template_kinds
        of_gatekeeper = group.endswith(OF_GATEKEEPER) or group == OF_GATEKEEPER[1:]
        if kind in KINDS.get(group, ()) or not (is_constraint or of_gatekeeper):
            continue
        wanted = _group_of(kind) or CONSTRAINTS
        version = "v1beta1" if wanted == CONSTRAINTS else "v1"
        yield fault(
            "wrong-group",
            f"{resource.label} is in group {group or 'core'}, which has no such kind:"
            " it protects nothing",
            resource,
            ("apiVersion",),
            why="the API server refuses it, or keeps it as something that Gatekeeper never reads",
            do=f"write apiVersion: {wanted}/{version}",
        )


def _group_of(kind: str) -> str | None:
    return next((group for group, kinds in KINDS.items() if kind in kinds), None)


def without_template(resource: Resource, *, is_broken: bool = False) -> PolicyFault:
    """A constraint of a kind that nothing defines."""
    name = f"constraint {resource.label}"
    if is_broken:
        what = f"{name} protects nothing: its template cannot be used"
        do = "correct the template"
    else:
        what = f"{name} protects nothing: no template defines kind {resource.kind}"
        do = f"add the {TEMPLATE} named {resource.kind.lower()}, or correct the kind"
    return fault("unknown-template", what, resource, ("kind",), do=do)


def without_constraint(resource: Resource, kind: str) -> PolicyFault:
    """A template is a kind of check; only a constraint applies it."""
    return fault(
        "unbound",
        f"{resource.label} is used by no constraint: it checks nothing",
        resource,
        ("metadata", "name"),
        do=f"add a constraint of kind {kind} in {CONSTRAINTS}/v1beta1",
        fatal=False,
    )


def providers(resources: Iterable[Resource]) -> Iterator[PolicyFault]:
    """Providers of external data: nobody asks them here."""
    for resource in resources:
        if (resource.group, resource.kind) == (EXTERNAL_DATA, "Provider"):
            yield fault(
                "unsupported",
                f"{resource.label}: haechi asks no providers of external data",
                resource,
                ("kind",),
                why="templates and mutators that ask one are refused, each with its line",
                do="keep them in Gatekeeper",
                fatal=False,
            )


def not_synced(
    template: Template, code: RegoCode, synced: set[tuple[str, str]]
) -> Iterator[PolicyFault]:
    """Kinds that a template looks for in ``data.inventory`` and nothing puts there."""
    missing = _missing(template, code, synced)
    if not missing:
        return
    told = ", ".join(f"{kind} ({group or 'core'})" for group, kind in sorted(missing))
    yield fault(
        "not-synced",
        f"{template.resource.label} compares with objects that Gatekeeper does not sync: {told}",
        template.resource,
        ("metadata", "name"),
        why="in Gatekeeper data.inventory holds none of them, and the policy finds nothing;"
        " haechi reads them by itself",
        do="add a SyncSet (syncset.gatekeeper.sh/v1alpha1) with these kinds",
        fatal=False,
    )


def _missing(
    template: Template, code: RegoCode, synced: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    alternatives = required_sync(template)
    if alternatives:
        return {choices[0] for choices in alternatives if choices and synced.isdisjoint(choices)}
    return {read for read in code.uses.reads if not _covered(read, synced)}


def _covered(read: tuple[str, str], synced: set[tuple[str, str]]) -> bool:
    group, kind = read
    return any(group in (ANY, g) and kind in (ANY, k) for g, k in synced)


def required_sync(template: Template) -> list[list[tuple[str, str]]]:
    """What the template's annotation asks to be synced: of each list one kind at least."""
    text = annotation(template.resource, REQUIRES_SYNC).strip().strip('"')
    try:
        value: Any = json.loads(text) if text else []
    except ValueError:
        return []
    found: list[list[tuple[str, str]]] = []
    for requirement in items(value):
        choices: list[tuple[str, str]] = []
        for entry in items(requirement):
            groups, kinds = mapping(entry).get("groups"), mapping(entry).get("kinds")
            choices += [(str(g), str(k)) for g in items(groups) for k in items(kinds)]
        found.append(choices)
    return found


__all__ = ["TEMPLATES", "of_wrong_group", "providers", "without_constraint", "without_template"]
