"""Relations to one version, as packages of distributions ask for them: ``>= 1.2``, ``<< 2``,
``= 1.0-1``; several (apart by commas) must all hold."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from haechi.engines.versions.keys import refuse_constraint
from haechi.engines.versions.ranges import MAX_COMPARISONS, Comparison, bounded, holds

_RELATION = re.compile(r"\(?\s*(<<|>>|<=|>=|==|=|<|>|!=)?\s*([^\s()<>=!,]+)\s*\)?").fullmatch
_OPERATORS = {"<<": "<", ">>": ">", "==": "=", "": "="}


def satisfied(key: Callable[[str], bytes], version: str, constraint: str, ecosystem: str) -> bool:
    """Whether all relations hold; VersionError for what is none."""
    return holds(key(version), _parse(key, constraint, ecosystem))


@functools.lru_cache(maxsize=1024)
def _parse(key: Callable[[str], bytes], constraint: str, ecosystem: str) -> tuple[Comparison, ...]:
    words = [word for word in re.split(r"\s*,\s*", bounded(constraint, ecosystem)) if word]
    if len(words) > MAX_COMPARISONS:
        refuse_constraint(constraint, ecosystem)
    made = []
    for word in words:
        found = _RELATION(word)
        if found is None:
            refuse_constraint(constraint, ecosystem)
        operator = found[1] or ""
        made.append(Comparison(_OPERATORS.get(operator, operator), key(found[2])))
    return tuple(made)
