"""Mutations of one group, applied where they are watched.

What applying means is ``admit.mutate``'s business; here each mutator says before its turn that it
works now, one that may not run fails with the reason, and a fault of its own is its error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haechi.admit.mutate import Mutated, mutate
from haechi.admit.policy import Mutator, View
from haechi.errors import HaechiError
from haechi.model.admission import FailureChoice, PolicyInfo
from haechi.model.review import Review

Watch = Callable[[int], None]


class Watched:
    """A mutator that tells when it works."""

    def __init__(self, mutator: Mutator, number: int, off: str | None, watch: Watch) -> None:
        self._mutator, self._number, self._off, self._watch = mutator, number, off, watch

    @property
    def info(self) -> PolicyInfo:
        return self._mutator.info

    def mutate(self, review: Review, body: dict[str, Any], view: View) -> bool:
        """Raises HaechiError for whatever goes wrong."""
        self._watch(self._number)
        if self._off is not None:
            raise HaechiError(self._off)
        try:
            return self._mutator.mutate(review, body, view)
        except HaechiError:
            raise
        except MemoryError as error:
            raise HaechiError("the mutation needs more memory than it may have") from error
        except Exception as error:  # the boundary of one mutation: its fault is its own
            raise HaechiError(f"{type(error).__name__}: {error}") from error


def mutated(
    mutators: Sequence[Mutator],
    review: Review,
    view: View,
    *,
    closed: bool,
    off: Mapping[str, str],
    watch: Watch,
) -> Mutated:
    """What the mutations of the group that fails closed, or of the other, make of the object."""
    choice = FailureChoice.FAIL if closed else FailureChoice.IGNORE
    wanted = [
        Watched(one, number, off.get(one.info.id), watch)
        for number, one in enumerate(mutators)
        if one.info.failure is choice
    ]
    return mutate(wanted, review, view)
