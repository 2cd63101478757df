"""How often ``count``, ``for_each`` and dynamic blocks repeat something.

What Terraform refuses there (a negative count, a set of objects, null) does not mean zero: it is
told, and how often is not known, so that the block is judged all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from haechi.engines.hcl.operators import whole_number
from haechi.engines.hcl.values import EvalFault, Set, as_text, kind_of
from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform.run import FAULT

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.run import Run

MAX_KEY = 500
"""Characters of a key: the address of everything in the instance repeats it."""


def times(count: Any, what: str, where: str, run: Run) -> int | Unknown:
    """How often ``count`` says. ``what`` is the block as faults name it."""
    if isinstance(count, Unknown):
        return count
    try:
        wanted = whole_number(count)
    except EvalFault as fault:
        return _refused(f"count of {what}: {fault.what}", where, run)
    return wanted if wanted >= 0 else _refused(f"count of {what} is {wanted}", where, run)


def keyed(over: Any, what: str, where: str, run: Run) -> Unknown | Iterator[tuple[Any, Any]]:
    """Keys and values that the ``for_each`` of a resource or module goes over. A list of texts
    is taken for the set that its author meant."""
    if isinstance(over, Unknown):
        return over
    if not isinstance(over, (dict, list)):
        return _refused(f"for_each of {what} is {kind_of(over)}, not a map or a set", where, run)
    for one in over:
        if not isinstance(one, (str, int, float, Unknown)):
            reason = f"for_each of {what} holds {kind_of(one)}, not texts"
            return _refused(reason, where, run)
        if isinstance(one, str) and len(one) > MAX_KEY:
            reason = f"for_each of {what} has a key of more than {MAX_KEY} characters"
            return _refused(reason, where, run)
    if isinstance(over, dict):
        return iter(over.items())
    return ((one if isinstance(one, Unknown) else as_text(one), one) for one in over)


def content_over(over: Any, what: str, where: str, run: Run) -> Unknown | Iterator[tuple[Any, Any]]:
    """Keys and values that a dynamic block goes over; an element of a list has its number as
    key."""
    if isinstance(over, Unknown):
        return over
    if isinstance(over, dict):
        return iter(over.items())
    if isinstance(over, Set):
        return ((item, item) for item in over)
    if isinstance(over, list):
        return iter(enumerate(over))
    return _refused(f"for_each of {what} is {kind_of(over)}, not a list or a map", where, run)


def _refused(reason: str, where: str, run: Run) -> Unknown:
    run.fault(FAULT, where, reason, "correct it")
    return Unknown(reason, cause=where)
