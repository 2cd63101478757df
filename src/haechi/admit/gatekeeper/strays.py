"""What looks like a policy of Gatekeeper and is none, or works less than it seems to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from haechi.admit.gatekeeper.names import (
    CONSTRAINTS,
    EXTERNAL_DATA,
    KINDS,
    OF_GATEKEEPER,
    TEMPLATE,
    fault,
)
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
