"""Fields that no object has, asked for by the CEL of a template.

A template is about what its constraints match: a field is told when none of the kinds that they
name has it. One constraint that names no kinds, or custom ones, makes the object anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from haechi.admit.gatekeeper.template import Template
from haechi.admit.match import Match
from haechi.admit.vap.fields import BOUND
from haechi.admit.vap.kinds import type_of_kinds
from haechi.admit.vap.typed import TypedExpressions
from haechi.engines.cel import CompiledExpression
from haechi.engines.cel.variables import Named
from haechi.model.admission import PolicyFault
from haechi.model.location import AttrPath


class Written(msgspec.Struct, frozen=True):
    """An expression as it was compiled, where it stands; ``variable``: the name it defines."""

    path: AttrPath
    text: str
    compiled: CompiledExpression
    needed: tuple[Named, ...]
    variable: str = ""


def field_faults(
    template: Template, written: Sequence[Written], matches: Iterable[Match]
) -> list[PolicyFault]:
    """What none of the constraints' objects has."""
    entries = [
        [(one.groups, one.kinds) for one in match.kinds] or [(frozenset(), frozenset())]
        for match in matches
    ]
    object_ = type_of_kinds([entry for several in entries for entry in several])
    types = {"object": object_, "oldObject": object_, f"{BOUND}anyObject": object_}
    typed = TypedExpressions(template.resource, types)
    for one in written:
        path = (*template.cel_path, *one.path)
        typed.look(path, one.text, one.compiled, one.needed, variable=one.variable)
    return typed.faults
