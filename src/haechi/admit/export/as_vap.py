"""Portable → ValidatingAdmissionPolicy and its binding."""

from __future__ import annotations

from typing import Any

from haechi.admit.export.matching import constraints
from haechi.admit.export.portable import Inexpressible, Part, Portable
from haechi.model.admission import Effect

API_VERSION = "admissionregistration.k8s.io/v1"
_ACTIONS = {Effect.DENY: "Deny", Effect.WARN: "Warn", Effect.AUDIT: "Audit"}
_MOST_CONDITIONS = 64


def as_vap(portable: Portable) -> Part:
    """The two documents. Raises Inexpressible."""
    match, narrow = constraints(portable)
    conditions = [*narrow, *portable.conditions]
    if len(conditions) > _MOST_CONDITIONS:
        raise Inexpressible(f"a policy has {_MOST_CONDITIONS} match conditions at most")
    spec: dict[str, Any] = {"failurePolicy": portable.failure.value, "matchConstraints": match}
    if conditions:
        spec["matchConditions"] = [{"name": one.name, "expression": one.text} for one in conditions]
    if portable.variables:
        spec["variables"] = [
            {"name": one.name, "expression": one.text} for one in portable.variables
        ]
    spec["validations"] = [validation_of(one) for one in portable.validations]
    return Part(
        policy=portable.policy,
        documents=(
            {
                "apiVersion": API_VERSION,
                "kind": "ValidatingAdmissionPolicy",
                "metadata": metadata(portable),
                "spec": spec,
            },
            {
                "apiVersion": API_VERSION,
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": portable.name},
                "spec": {
                    "policyName": portable.name,
                    "validationActions": actions(portable),
                },
            },
        ),
        notes=portable.notes,
    )


def actions(portable: Portable) -> list[str]:
    """``validationActions``."""
    if {Effect.DENY, Effect.WARN} <= set(portable.effects):
        raise Inexpressible("it denies and warns: a binding may not do both", do="drop the warning")
    return [_ACTIONS[effect] for effect in portable.effects]


def metadata(portable: Portable) -> dict[str, Any]:
    """Name and words."""
    notes = {"haechi.dev/exported-from": portable.policy}
    if portable.title:
        notes["haechi.dev/title"] = portable.title
    if portable.description:
        notes["description"] = portable.description
    return {"name": portable.name, "annotations": notes}


def validation_of(validation: Any) -> dict[str, Any]:
    """An entry of ``validations``."""
    made: dict[str, Any] = {"expression": validation.text}
    if validation.message:
        made["message"] = validation.message
    if validation.words:
        made["messageExpression"] = validation.words
    return made
