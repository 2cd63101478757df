"""What collecting yields, and how long rendering may take for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.model.waiver import Waiver

if TYPE_CHECKING:
    from haechi.scan.suppressions.terraform import Carried


@dataclass(slots=True)
class Collected:
    """What one tree holds. ``workflows`` are all CI files: workflows, actions, pipelines;
    ``texts`` holds what zizmor reads of them, by path. ``falco`` are files of Falco rules.

    ``origins`` says of resources that came out of an overlay, chart or block, by ``id``, which
    object of which file they were made from: two overlays of one base have it in common.

    ``terraform`` are blocks of Terraform, ``objects`` those of Kubernetes that they declare,
    ``carried`` the waivers on module calls, ``counts`` what was counted, ``secrets`` texts that are
    marked as sensitive; ``chains`` says by ``id`` through which calls (folder, name) a block comes,
    ``built`` which block an object was made of. ``only`` is the one file of Terraform of which
    something is to be said.
    """

    resources: list[Resource] = field(default_factory=list)
    terraform: list[Resource] = field(default_factory=list)
    objects: list[Resource] = field(default_factory=list)
    dockerfiles: list[Resource] = field(default_factory=list)
    workflows: list[Resource] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    falco: list[Resource] = field(default_factory=list)
    origins: dict[int, str] = field(default_factory=dict)
    waivers: list[Waiver] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    carried: list[Carried] = field(default_factory=list)
    chains: dict[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    built: dict[int, Resource] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    only: str = ""
    seen: int = 0


class Patience:
    """The time that rendering may take in all: a tree of slow overlays must not hold a run."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.reason = f"rendering took more than {seconds:.0f} s in all before this one"

    def is_over(self) -> bool:
        return time.monotonic() > self._end
