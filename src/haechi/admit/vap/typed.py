"""Expressions of one set of documents, looked at with the types of the kinds they are about.

What is found are faults that leave the policy in force: the API server takes it as well, and only
writes a warning into its status.
"""

from __future__ import annotations

from collections.abc import Sequence

from haechi.admit.vap.fields import BOUND, Misfit, check, offset_of
from haechi.admit.vap.places import place_in_text
from haechi.admit.vap.types import ANY, Type, fields_of, names_of, sorts_of
from haechi.engines.cel import CompiledExpression
from haechi.engines.cel.variables import Named, compose
from haechi.model.admission import PolicyFault
from haechi.model.location import AttrPath, format_path
from haechi.model.resource import Resource
from haechi.rules.kubernetes_fields import field_table

_MOST_NAMES = 3


class TypedExpressions:
    """``types``: what is known of CEL's variables; nothing is done when that is nothing."""

    def __init__(self, resource: Resource, types: dict[str, Type], *, policy: str = "") -> None:
        self._resource = resource
        self._types = {name: type_ for name, type_ in types.items() if type_ is not ANY}
        self._policy = policy
        self.faults: list[PolicyFault] = []

    def look(
        self,
        path: AttrPath,
        text: str,
        compiled: CompiledExpression,
        needed: Sequence[Named] = (),
        *,
        variable: str = "",
    ) -> None:
        """Look at an expression that stands at a path; its type is kept when it is a variable."""
        if not self._types:
            return
        blob = compiled.dump()
        found = check(blob, self._types)
        if variable:
            self._types[BOUND + variable] = found.type
        told: set[tuple[int, int, str]] = set()
        for misfit in found.misfits:
            line, column = _place(blob, misfit, path, text, needed)
            if (line, column, misfit.chain) not in told:
                told.add((line, column, misfit.chain))
                self.faults.append(self._fault(path, misfit, line, column))

    def _fault(self, path: AttrPath, misfit: Misfit, line: int, column: int) -> PolicyFault:
        row, place = place_in_text(self._resource, path, line, column)
        what, why, do = _words(misfit)
        return PolicyFault(
            kind="unknown-field" if misfit.field else "wrong-type",
            what=f"{self._resource.label}: {format_path(path)}: {misfit.chain}: {what}",
            why=why,
            do=do,
            file=self._resource.file,
            line=row,
            column=place,
            object=self._resource.key,
            policy=self._policy,
            fatal=False,
        )


def _words(misfit: Misfit) -> tuple[str, str, str]:
    if not misfit.field:
        mine, theirs = (_listed(sorts_of(one) or ()) for one in (misfit.base, misfit.other))
        why = "they are never equal, and asking which is greater is an error"
        return f"it is {mine}, and compared with {theirs}", why, ""
    names = names_of(misfit.base)
    why = "the expression fails whenever it comes to this"
    if misfit.asked:
        why = "it is never there, so what depends on it never happens"
    what = f"{_listed(names)} has no field {misfit.field!r} (Kubernetes {field_table().release})"
    return what, why, _near(misfit.field, fields_of(misfit.base))


def _listed(names: Sequence[str] | frozenset[str]) -> str:
    shown = sorted(names)[:_MOST_NAMES]
    more = len(names) - len(shown)
    return " or ".join(shown) + (f" or {more} more" if more else "")


def _near(field: str, fields: Sequence[str]) -> str:
    """The field that was probably meant."""
    from difflib import get_close_matches

    by_case = {one.lower(): one for one in fields}
    near = get_close_matches(field.lower(), by_case, n=1, cutoff=0.75)
    return f"did you mean {by_case[near[0]]}?" if near else ""


def _place(
    blob: bytes, misfit: Misfit, path: AttrPath, text: str, needed: Sequence[Named]
) -> tuple[int, int]:
    """Line and column in the author's text; zeros when they are not known."""
    offset = offset_of(blob, misfit)
    if offset < 0:
        return (0, 0)
    composed = compose(format_path(path), text, needed, bindings=False)
    if misfit.field:
        offset = max(offset, composed.text.find(misfit.field, offset))
    line = composed.text.count("\n", 0, offset) + 1
    column = offset - composed.text.rfind("\n", 0, offset)
    line -= composed.fragments[-1].line - 1
    return (line, column) if 0 < line <= text.count("\n") + 1 else (0, 0)
