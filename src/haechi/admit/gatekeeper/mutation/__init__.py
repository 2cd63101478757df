"""Gatekeeper's mutators: locations, what they write, and who contradicts whom."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.admit.gatekeeper.exclusions import Exclusions
from haechi.admit.gatekeeper.mutation.conflicts import contradicting
from haechi.admit.gatekeeper.mutation.mutator import Change, GatekeeperMutator
from haechi.admit.gatekeeper.mutation.reading import read_change
from haechi.admit.gatekeeper.names import KINDS, MUTATIONS, fault, path_of, too_deep
from haechi.errors import RuleError
from haechi.model.admission import PolicyFault
from haechi.model.resource import Resource

__all__ = ["GatekeeperMutator", "read_mutators"]


def read_mutators(
    resources: Sequence[Resource], exclusions: Exclusions
) -> tuple[list[GatekeeperMutator], list[PolicyFault]]:
    """The mutators among the documents, in the order in which they apply, and faults."""
    changes: list[Change] = []
    faults: list[PolicyFault] = []
    for resource in resources:
        if resource.group != MUTATIONS or resource.kind not in KINDS[MUTATIONS]:
            continue
        try:
            changes.append(read_change(resource))
        except RuleError as error:
            faults.append(_fault(resource, error))
        except RecursionError:
            faults.append(too_deep(resource))
    changes.sort(key=lambda one: (one.resource.kind, one.resource.name))
    shapes = [shape for one in changes if (shape := one.shape()) is not None]
    others = contradicting(shapes)
    faults.extend(_conflict(one, others[one.id]) for one in changes if one.id in others)
    made = [GatekeeperMutator(one, exclusions) for one in changes if one.id not in others]
    return made, faults


def _fault(resource: Resource, error: RuleError) -> PolicyFault:
    where = f"{error.where}: " if error.where else ""
    return fault(
        "unsupported" if "externalData" in error.where else "invalid",
        f"{resource.label}: {where}{error.what}",
        resource,
        path_of(error.where),
        why=error.why,
        do=error.do,
        policy=f"gatekeeper/{resource.kind}/{resource.name}",
    )


def _conflict(change: Change, others: Sequence[str]) -> PolicyFault:
    return fault(
        "conflict",
        f"{change.resource.label} is not applied: it contradicts {', '.join(others[:5])}"
        " about the shape of the object",
        change.resource,
        ("spec", "location"),
        why="one location takes a field for an object, the other for a list or another type",
        do="correct one of the locations",
        policy=change.id,
    )
