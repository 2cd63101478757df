"""``haechi.push/1``: the report as it is, what the scan saw, and how far it looked.

The server must never take something for fixed that this run did not look at, so the scope is
made here, from what the run was asked for, and not by whoever sends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from haechi.graph.lineage import pushed_things
from haechi.model.bill import Bill
from haechi.model.push import SCHEMA, Origin, Push, PushedResource, PushedRule, PushScope
from haechi.report.json import render
from haechi.report.material import Material
from haechi.report.text import storable
from haechi.rules.schema import Rule
from haechi.scan.look import DOMAINS, Looked
from haechi.scan.push import ProjectFacts


def push_document(
    material: Material,
    looked: Looked,
    origin: Origin,
    scope: PushScope,
    facts: ProjectFacts | None = None,
) -> Push:
    """The document of a run. ``facts`` add owners and custom kinds that carry pods."""
    facts = facts or ProjectFacts(
        repository=origin.repository, commit=origin.commit, ref=origin.ref, cluster=origin.cluster
    )
    resources, edges = pushed_things(looked, facts)
    return Push(
        schema=SCHEMA,
        origin=origin,
        scope=scope,
        report=report_document(material),
        resources=tuple(map(_storable, resources)),
        edges=edges,
        rules=tuple(_words(material.rules.values())),
        packages=_bill(looked, facts),
    )


def _bill(looked: Looked, facts: ProjectFacts) -> Bill | None:
    """The packages, where the run looked at dependencies and found files that tell of any."""
    dependencies = looked.dependencies
    if dependencies is None:
        return None
    if not dependencies.files:
        return Bill()
    from haechi.scan.deps.bills import bill_of

    return bill_of(dependencies, facts.config, facts.owner_of)


def push_scope(
    *,
    only: Iterable[str] = (),
    within: str = "",
    staged: bool = False,
    history: bool = True,
    part: bool = False,
) -> PushScope:
    """The scope of a run by what it was asked for. ``part`` is a range or branch of history
    instead of all (``--since``, ``--branch``); ``staged`` looks at no tree."""
    domains = tuple(only) or DOMAINS
    looked = "secrets" in domains and (history or staged or part)
    whole = not (staged or part or within)
    return PushScope(
        domains=domains,
        within=within,
        tree=not staged,
        history=("full" if whole else "part") if looked else "none",
    )


def report_document(material: Material) -> dict[str, Any]:
    """``haechi.scan/1`` as plain values: what the JSON report says, read back."""
    document: dict[str, Any] = msgspec.json.decode(render(material))
    return document


def _words(rules: Iterable[Rule]) -> Iterable[PushedRule]:
    for rule in rules:
        yield PushedRule(
            id=rule.id,
            title=rule.title,
            severity=rule.severity.value,
            why=rule.why,
            fix=rule.fix,
        )


def _storable(resource: PushedResource) -> PushedResource:
    """Names of files may hold what JSON cannot; keys are percent-encoded already."""
    texts = (resource.name, resource.file, resource.owner, resource.namespace)
    if all(text.isascii() for text in texts):
        return resource
    return msgspec.structs.replace(
        resource,
        name=storable(resource.name),
        file=storable(resource.file),
        owner=storable(resource.owner),
        namespace=storable(resource.namespace),
    )
