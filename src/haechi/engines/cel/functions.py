"""Tables of functions as the CEL wheel wants to be told them, for checking and for running."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import structs

from haechi.engines.cel.libraries import overloads
from haechi.engines.cel.libraries.overload import TYPES, Mismatch, Overload


def implemented(cel: Any) -> list[Any]:
    """What runs. Kubernetes' types are bytes, and where that makes two signatures one, the value
    itself decides which function is meant."""
    types = _Types(cel, dict.fromkeys(TYPES, "bytes"))
    found = []
    for name, several in overloads().items():
        calls = [one for one in several if one.call is not None]
        if calls:
            found.append(cel.FunctionDecl(name, [*_merged(types, calls)]))
    return found


def declared(cel: Any, *, kubernetes: bool) -> list[Any]:
    """What a type check knows: the API server's, or the wider one of haechi's own rules, to which
    Kubernetes' types are bytes."""
    from haechi.engines.cel.libraries.ip import CONVERSIONS

    types = _Types(cel, {} if kubernetes else dict.fromkeys(TYPES, "bytes"))
    found = []
    for name, several in (overloads() | (CONVERSIONS if kubernetes else {})).items():
        if name.startswith("@"):
            continue
        if kubernetes:
            known = [types.overload(one, None) for one in several if one.kubernetes]
        else:
            known = [*_merged(types, several)]
        found.append(cel.FunctionDecl(name, known))
    return found


def _merged(types: _Types, several: Sequence[Overload]) -> Iterator[Any]:
    by_signature: dict[tuple[str, ...], list[Overload]] = {}
    for one in several:
        erased = tuple(_erased(type_) for type_ in one.parameters)
        by_signature.setdefault((str(one.member), *erased), []).append(one)
    for signature, same in by_signature.items():
        yield types.overload(_general(same, signature[1:]), _dispatch(same))


def _erased(type_: str) -> str:
    """What is left of a type at run time."""
    if type_ in TYPES:
        return "bytes"
    return "list<dyn>" if type_.startswith("list<") else type_


def _general(same: Sequence[Overload], parameters: tuple[str, ...]) -> Overload:
    """One signature in place of several that are the same at run time."""
    returns = same[0].returns if len({one.returns for one in same}) == 1 else "dyn"
    return structs.replace(same[0], parameters=parameters, returns=returns)


def _dispatch(several: Sequence[Overload]) -> Callable[..., Any] | None:
    if len(several) == 1:
        return several[0].call
    calls = [one.call for one in several if one.call is not None]
    if not calls:
        return None

    def call(*arguments: Any) -> Any:
        for function in calls[:-1]:
            try:
                return function(*arguments)
            except Mismatch:
                continue
        return calls[-1](*arguments)

    return call


class _Types:
    """Types of the wheel by their names, each made once."""

    def __init__(self, cel: Any, instead: dict[str, str]) -> None:
        self._cel = cel
        self._instead = instead
        self._made: dict[str, Any] = {}

    def of(self, name: str) -> Any:
        made = self._made.get(name)
        if made is None:
            erased = name
            for type_, other in self._instead.items():
                erased = erased.replace(type_, other)
            made = self._made[name] = self._cel.Type(erased)
        return made

    def overload(self, one: Overload, call: Callable[..., Any] | None) -> Any:
        return self._cel.Overload(
            one.id,
            return_type=self.of(one.returns),
            parameters=[self.of(parameter) for parameter in one.parameters],
            is_member=one.member,
            impl=call,
        )
