"""What every performer of steps can do, so that the engine can survive a crash between any two.

The engine writes down what it is about to do before a performer touches the world. After a crash
or an answer that never came it asks ``standing``: the world itself says whether the step was
carried out. ``undo`` takes back only what is still ours: what somebody else has changed since is
left, and said.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

from haechi.errors import HaechiError, KubeBusy, KubeError, KubeForbidden, KubeUnreachable
from haechi.store.state.action_records import StoredStep

MARK = "haechi.dev/action"
"""The annotation of every object that we make: the action that made it."""
MANAGER = "haechi-respond"
"""Field manager of all that responses write."""


class Standing(StrEnum):
    """How the world stands to a step."""

    ABSENT = "absent"  # nothing of it is in the world
    APPLIED = "applied"
    CHANGED = "changed"  # a part of it is; somebody else has changed the rest
    UNKNOWN = "unknown"  # the world cannot tell (a request that leaves nothing to look at)


class Performer(Protocol):
    """Carries out one kind of step. All raise HaechiError; ``unsure`` says of which errors the
    world has to be asked."""

    def prepare(self, step: StoredStep) -> Any:
        """Read the world, try it without effect, and give the inverse. Conflict when the world
        is not as the plan says."""

    def apply(self, step: StoredStep) -> str:
        """Touch the world. Guarded, so that a second time cannot do more than the first. A note
        for people and the audit log, mostly none."""

    def standing(self, step: StoredStep) -> Standing:
        """Look whether it is in the world."""

    def undo(self, step: StoredStep) -> str:
        """Take back what is still ours; what was left, and why, for people. Does nothing where
        nothing of it stands. HaechiError when it cannot be done."""


class Unfit(HaechiError):
    """The step cannot be carried out as it is: the world is not as the plan says."""


def unsure(error: BaseException) -> bool:
    """True when the world may or may not have been changed, or cannot be asked now: look again.
    Everything else is a clear no."""
    if isinstance(error, OSError):
        return True
    if isinstance(error, (KubeUnreachable, KubeBusy)):
        return True
    if isinstance(error, KubeForbidden):
        return error.status == 401  # credentials are renewed
    return type(error) is KubeError and (error.status >= 500 or error.status == 0)


def wait_of(error: BaseException) -> float:
    """Seconds that the world asks us to wait."""
    return min(error.retry_after, 600.0) if isinstance(error, KubeBusy) else 0.0
