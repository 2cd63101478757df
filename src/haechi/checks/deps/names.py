"""Names that look like those of much used packages and are not: one letter more, less, other or
swapped, a doubled one, other separators, letters of other alphabets. Somebody here must have asked
for it: a slip of the finger is made by whoever types.

The list of known names is our own count over lock files of public repositories
(``bench/package_names``). Whatever is in it is never flagged; the front of it, which the most
repositories use, is what others may be mistaken for. Short names are left out: half of all words
of four letters differ by one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache

from haechi.checks.deps.view import about_package, file_of
from haechi.model.package import Source
from haechi.model.review import Hit, Review
from haechi.rules.compiled import DATA

ECOSYSTEMS = ("PyPI", "npm")
SHORTEST = 6
_DOUBLED = re.compile(r"(.)\1")
_SEPARATORS = re.compile(r"[-_.]")


def confusable(review: Review) -> Iterator[Hit]:
    """A package that may have been meant to be another one."""
    for index, one in enumerate(file_of(review).packages):
        # what another package brings in was not typed here
        if (
            one.source is Source.REGISTRY
            and one.ecosystem in ECOSYSTEMS
            and one.direct is not False
        ):
            meant = looks_like(one.ecosystem, one.name)
            if meant:
                message = f"{one.name} is not {meant}, which it looks like"
                yield about_package(message, one, index, meant=meant)


def is_known(ecosystem: str, name: str) -> bool:
    """Whether the name is in the list."""
    return name in _names(ecosystem)


def looks_like(ecosystem: str, name: str) -> str:
    """The much used package that a name looks like; "" for none."""
    known = _names(ecosystem)
    if name in known or len(name) < SHORTEST - 1 or len(name) > 100:
        return ""
    if name.startswith("@"):
        return _scope(ecosystem, name)
    plain = _plain(name)
    same = _squeezed(ecosystem).get(_squeeze(plain))
    if same and len(same) >= SHORTEST:
        return same
    if plain != name and len(plain) >= SHORTEST - 1 and known.get(plain):
        return plain
    found = (one for one in _near(ecosystem, plain) if len(one) >= SHORTEST)
    return next((one for one in found if not _successor(one, plain)), "")


def _successor(one: str, other: str) -> bool:
    """``listr`` and ``listr2``: a number at the end is how a successor or a fork is called."""
    return one.rstrip("0123456789") == other.rstrip("0123456789")


def _scope(ecosystem: str, name: str) -> str:
    """``@type/node`` for ``@types/node``: a scope that differs, the rest the same."""
    scope, _, rest = name.partition("/")
    if len(scope) < SHORTEST:
        return ""
    near = (one for one in _near(ecosystem, name) if one[0] == "@" and one.endswith("/" + rest))
    return next(near, "")


def _plain(name: str) -> str:
    """Letters of other alphabets as those that they look like; a name with signs that look like
    none of ours stays as it is."""
    if name.isascii():
        return name
    folded = unicodedata.normalize("NFKD", name).translate(_ALPHABETS)
    plain = "".join(one for one in folded if not unicodedata.combining(one))
    return plain if plain.isascii() else name


_ALPHABETS = str.maketrans("асеорхуіјԁһԛѕѵӏɡɩαορνκτ", "aceopxyijdhqsvlgiaopvkt")


def _squeeze(name: str) -> str:
    """Without separators, and without doubled letters: ``lod-ash``, ``expresss``."""
    return _DOUBLED.sub(r"\1", _SEPARATORS.sub("", name))


def _near(ecosystem: str, name: str) -> list[str]:
    """Much used names at a Damerau-Levenshtein distance of one, in order. Two names that differ by
    so little have a text in common that each gives with at most one letter taken away (Garbe,
    "SymSpell"), so a name costs as many looks as it has letters."""
    index = _shortened(ecosystem)
    held = {one for key in _without_one(name) for one in index.get(key, ())}
    return sorted(one for one in held if _is_one_edit(name, one))


def _without_one(name: str) -> set[str]:
    return {name, *(name[:at] + name[at + 1 :] for at in range(len(name)))}


def _is_one_edit(one: str, other: str) -> bool:
    """Whether one letter was added, taken away or put in another's place, or two neighbours were
    swapped."""
    if len(one) > len(other):
        one, other = other, one
    at = next((at for at, letter in enumerate(one) if letter != other[at]), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    swapped = one[at + 1 : at + 2] + one[at : at + 1] + one[at + 2 :]
    return one != other and (one[at + 1 :] == other[at + 1 :] or swapped == other[at:])


@cache
def _shortened(ecosystem: str) -> Mapping[str, tuple[str, ...]]:
    """Much used names by what is left of them without one letter."""
    found: dict[str, tuple[str, ...]] = {}
    for name, used in _names(ecosystem).items():
        for key in _without_one(name) if used else ():
            found[key] = (*found.get(key, ()), name)
    return found


@cache
def _names(ecosystem: str) -> Mapping[str, bool]:
    """Known name → whether it is much used (``*`` in the list)."""
    rows = (DATA / "tables" / "package_names.txt").read_text(encoding="utf-8").splitlines()
    found: dict[str, bool] = {}
    section = ""
    for row in rows:
        if row.startswith("#"):
            section = row.strip("# ")
        elif section == ecosystem:
            found[row.rstrip("*")] = row.endswith("*")
    return found


@cache
def _squeezed(ecosystem: str) -> Mapping[str, str]:
    return {_squeeze(name): name for name, used in _names(ecosystem).items() if used}
