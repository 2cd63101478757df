"""Whether a licence expression satisfies a policy: lists of what is allowed and what is denied.

An entry is an identifier (``MIT``, ``GPL-2.0-only WITH Classpath-exception-2.0``, a LicenseRef) or
a kind (``permissive``, see ``kinds``). Of ``OR`` the best part counts, of ``AND`` all must do.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

import msgspec

from haechi.engines.spdx import Expression, Joint, Term, parse
from haechi.engines.spdx.kinds import Kind, kind_of
from haechi.errors import InputError

_FAMILY = re.compile(r"(.+?)-([0-9]+(?:\.[0-9]+)*)(-only|-or-later)?").fullmatch


_KINDS = frozenset(kind.value for kind in Kind)


class Verdict(msgspec.Struct, frozen=True):
    """``offending`` are the licences that stand in the way, as written in the expression."""

    ok: bool
    offending: tuple[str, ...] = ()


def satisfies(
    expression: Expression | str, allow: Collection[str] = (), deny: Collection[str] = ()
) -> Verdict:
    """The verdict on an expression. Nothing allowed by name means that all is that is not denied.
    What is denied is not allowed. InputError for a text, or an entry, that is no licence."""
    tree = parse(expression) if isinstance(expression, str) else expression
    allowed, denied = tuple(map(_entry, allow)), tuple(map(_entry, deny))
    offending = _offending(tree, allowed, denied)
    return Verdict(not offending, tuple(dict.fromkeys(offending)))


def _offending(
    tree: Expression, allow: tuple[Term | Kind, ...], deny: tuple[Term | Kind, ...]
) -> list[str]:
    if isinstance(tree, Term):
        refused = any(_denies(entry, tree) for entry in deny)
        taken = not allow or any(_allows(entry, tree) for entry in allow)
        return [str(tree)] if refused or not taken else []
    found = [_offending(part, allow, deny) for part in tree.parts]
    if tree.operator == "OR":
        return min(found, key=len)
    return [name for names in found for name in names]


@lru_cache(maxsize=1024)
def _entry(written: str) -> Term | Kind:
    if written in _KINDS:
        return Kind(written)
    found = parse(written)
    if isinstance(found, Joint):
        raise InputError(
            f"{written[:80]!r} is more than one licence",
            why="what a policy would mean by it is not clear",
            do="list the licences one by one",
        )
    return found


def _allows(entry: Term | Kind, term: Term) -> bool:
    if isinstance(entry, Kind):
        return kind_of(term) == entry
    if entry.exception not in ("", term.exception):
        return False
    same, later = _family(entry), _family(term)
    if entry.id == term.id or same == later:
        return True
    # "2 or later" may be taken as 3
    family, version, or_later = later
    return or_later and same[0] == family and same[1] >= version


def _denies(entry: Term | Kind, term: Term) -> bool:
    if isinstance(entry, Kind):
        return kind_of(term) == entry
    if entry.exception not in ("", term.exception):
        return False
    if entry.id == term.id or _family(entry) == _family(term):
        return True
    # "2 or later" denied: 3 is, too
    family, version, or_later = _family(entry)
    same = _family(term)
    return or_later and same[0] == family and same[1] >= version


def _family(term: Term) -> tuple[str, tuple[int, ...], bool]:
    """Name, version and "or later"; ``GPL-2.0`` and ``GPL-2.0-only`` are the same, and so are
    ``GPL-2.0+`` and ``GPL-2.0-or-later``."""
    bare = term.id.removesuffix("+")
    found = _FAMILY(bare)
    if found is None:
        return bare, (), term.later
    later = term.later or term.id.endswith("+") or found[3] == "-or-later"
    return found[1], tuple(map(int, found[2].split("."))), later
