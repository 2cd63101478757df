"""Whether an expression's value has a form of its own: a run of fixed characters in its group.

A rule of another project whose group is just so many letters and digits recognises its value by
the vendor's name near it. Its samples measure something else than those of a documented form.
"""

from __future__ import annotations

import re
import re._constants as constants  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import warnings
from typing import Any

LEAST = 3
"""Fixed characters in a row that make a form."""
_FLAGS = re.compile(r"\(\?([ixsmU]+)\)")


def portable(expression: str) -> str:
    """For Python's engine, which wants flags at the beginning and names the end otherwise."""
    flags = "".join(sorted(set("".join(_FLAGS.findall(expression))) & set("ixsm")))
    plain = _FLAGS.sub("", expression).replace(r"\z", r"\Z").replace("(?<", "(?P<")
    plain = plain.replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
    return f"(?{flags}){plain}" if flags else plain


def is_fixed(expression: str) -> bool:
    """True when the value has a fixed part; also when the expression cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = parser.parse(portable(expression))
    except (re.error, RecursionError, OverflowError):
        return True
    groups = list(_groups(parsed)) or [parsed]
    return any(_longest(group) >= LEAST for group in groups)


def _groups(parsed: Any) -> Any:
    """The outermost capturing groups."""
    for op, value in parsed:
        if op is constants.SUBPATTERN:
            if value[0] is not None:
                yield value[3]
            else:
                yield from _groups(value[3])
        elif op is constants.BRANCH:
            for part in value[1]:
                yield from _groups(part)
        elif op in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            yield from _groups(value[2])


def _longest(parsed: Any) -> int:
    """The longest run of fixed characters; a branch counts by its shortest part."""
    best = run = 0
    for op, value in parsed:
        if op is constants.LITERAL:
            run += 1
        elif op is constants.SUBPATTERN:
            run += _longest(value[3])
        elif op is constants.BRANCH:
            run += min(_longest(part) for part in value[1])
        elif op in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            inner = _longest(value[2])
            run = max(run, inner) if value[0] else 0
        elif op is not constants.AT:
            run = 0
        best = max(best, run)
    return best
