"""What templates compare with: kinds in ``data.inventory``, and who puts them there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from haechi.admit.gatekeeper.framework import ANY
from haechi.admit.gatekeeper.names import (
    CONFIG,
    REQUIRES_SYNC,
    SYNC,
    annotation,
    fault,
    spec_of,
)
from haechi.admit.gatekeeper.template import Template
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import PolicyFault
from haechi.model.resource import Resource

Kind: TypeAlias = tuple[str, str]
"""Group and kind; ``*`` where the template does not say."""


def narrowed(reads: Sequence[Kind], template: Template) -> tuple[Kind, ...]:
    """What a template reads: by its text, or where that says nothing, by its own annotation."""
    named = {choice for choices in required_sync(template) for choice in choices}
    if named and any(ANY in read for read in reads):
        return tuple(sorted(named))
    return tuple(reads)


def synced_kinds(resources: Sequence[Resource]) -> set[Kind]:
    """Kinds (group, kind) that SyncSets and the Config put into ``data.inventory``."""
    found: set[Kind] = set()
    for resource in resources:
        spec = spec_of(resource)
        entries: list[Any] = []
        if (resource.group, resource.kind) == (SYNC, "SyncSet"):
            entries = items(spec.get("gvks"))
        elif (resource.group, resource.kind, resource.name) == (CONFIG, "Config", "config"):
            entries = items(mapping(spec.get("sync")).get("syncOnly"))
        for entry in entries:
            group, kind = mapping(entry).get("group", ""), mapping(entry).get("kind")
            if isinstance(group, str) and isinstance(kind, str):
                found.add((group, kind))
    return found


def not_synced(
    template: Template, reads: Iterable[Kind], synced: set[Kind]
) -> Iterator[PolicyFault]:
    """Kinds that a template looks for in ``data.inventory`` and nothing puts there."""
    missing = _missing(template, reads, synced)
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


def _missing(template: Template, reads: Iterable[Kind], synced: set[Kind]) -> set[Kind]:
    alternatives = required_sync(template)
    if alternatives:
        return {choices[0] for choices in alternatives if choices and synced.isdisjoint(choices)}
    return {read for read in reads if not _covered(read, synced)}


def _covered(read: Kind, synced: set[Kind]) -> bool:
    group, kind = read
    return any(group in (ANY, g) and kind in (ANY, k) for g, k in synced)


def required_sync(template: Template) -> list[list[Kind]]:
    """What the template's annotation asks to be synced: of each list one kind at least."""
    text = annotation(template.resource, REQUIRES_SYNC).strip().strip('"')
    try:
        value: Any = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return []
    found: list[list[Kind]] = []
    for requirement in items(value):
        choices: list[Kind] = []
        for entry in items(requirement):
            groups, kinds = mapping(entry).get("groups"), mapping(entry).get("kinds")
            choices += [(str(g), str(k)) for g in items(groups) for k in items(kinds)]
        found.append(choices)
    return found
