"""Portable → ConstraintTemplate (K8sNativeValidation) and its constraint."""

from __future__ import annotations

import re
from typing import Any

from haechi.admit.export.as_vap import metadata, validation_of
from haechi.admit.export.literals import texts
from haechi.admit.export.matching import operation_test
from haechi.admit.export.portable import OPERATIONS, Expression, Inexpressible, Part, Portable
from haechi.admit.gatekeeper.template import TARGET
from haechi.model.admission import Effect

_ALL = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_ACTIONS = {Effect.DENY: "deny", Effect.WARN: "warn", Effect.AUDIT: "dryrun"}
_OWN = re.compile(r"\Agatekeeper_internal_|\A(?:params|anyObject)\Z")


def as_gatekeeper(portable: Portable) -> Part:
    """The two documents. Raises Inexpressible."""
    for variable in portable.variables:
        if _OWN.match(variable.name):
            raise Inexpressible(
                f"its variable {variable.name} has a name that Gatekeeper keeps for itself",
                do="rename it",
            )
    kind = kind_name(portable.name)
    target: dict[str, Any] = {"target": TARGET}
    if portable.operations != OPERATIONS:
        target["operations"] = list(portable.operations)
    target["code"] = [{"engine": "K8sNativeValidation", "source": _source(portable)}]
    return Part(
        policy=portable.policy,
        documents=(
            {
                "apiVersion": "templates.gatekeeper.sh/v1",
                "kind": "ConstraintTemplate",
                "metadata": {**metadata(portable), "name": kind.lower()},
                "spec": {"crd": {"spec": {"names": {"kind": kind}}}, "targets": [target]},
            },
            {
                "apiVersion": "constraints.gatekeeper.sh/v1beta1",
                "kind": kind,
                "metadata": {"name": portable.name},
                "spec": _spec(portable),
            },
        ),
        notes=portable.notes,
    )


def _source(portable: Portable) -> dict[str, Any]:
    made: dict[str, Any] = {"failurePolicy": portable.failure.value}
    conditions = [*_asked(portable), *portable.conditions]
    if conditions:
        made["matchConditions"] = [{"name": one.name, "expression": one.text} for one in conditions]
    if portable.variables:
        made["variables"] = [
            {"name": one.name, "expression": one.text} for one in portable.variables
        ]
    made["validations"] = [validation_of(one) for one in portable.validations]
    return made


def _asked(portable: Portable) -> list[Expression]:
    """A constraint is asked about everything of its kinds that the webhook is sent."""
    found = []
    if set(portable.operations) != set(_ALL):
        found.append(Expression("haechi-operations", operation_test(portable.operations)))
    words = texts(["", *portable.subresources])
    found.append(
        Expression(
            "haechi-subresources",
            f'(has(request.subResource) ? request.subResource : "") in {words}',
        )
    )
    return found


def _spec(portable: Portable) -> dict[str, Any]:
    words = [_ACTIONS[effect] for effect in portable.effects]
    made: dict[str, Any]
    if len(words) == 1:
        made = {"enforcementAction": words[0]}
    else:
        everywhere = [{"name": "*"}]
        made = {
            "enforcementAction": "scoped",
            "scopedEnforcementActions": [
                {"action": word, "enforcementPoints": everywhere} for word in words
            ],
        }
    if portable.match:
        made["match"] = dict(portable.match)
    return made


def kind_name(name: str) -> str:
    """``three-replicas`` → ``ThreeReplicas``."""
    made = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", name))
    made = made if made[:1].isalpha() else f"Policy{made}"
    if len(made) > 63:
        raise Inexpressible(f"no kind can be named after {name}: more than 63 letters")
    return made
