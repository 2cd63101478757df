"""What a look is given and what each domain gives back; light, so that a domain that was not asked
for is not even imported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from haechi.model.config import Config
from haechi.model.coverage import Gap
from haechi.model.finding import Finding
from haechi.model.location import AttrPath
from haechi.model.waiver import Waiver
from haechi.rules.load import RuleFault
from haechi.rules.schema import Rule

if TYPE_CHECKING:
    from haechi.checks.judge import Expressions
    from haechi.model.package import PackageFile
    from haechi.scan.secrets.findings import Leak
    from haechi.world.advisories.reading import Advisories

Progress = Callable[[int, int, str], None]
Ask = Callable[[Sequence["Leak"]], Sequence["Leak"]]
"""Asks providers whether credentials live; gives the leaks back with what was learnt."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a look for secrets goes over and how.

    ``repository`` is where git's history lies (None: no history); ``since`` (``A..B``),
    ``branch`` and ``staged`` choose a part of it, ``staged`` instead of the tree. ``key`` is the
    project key for ``secret_id``; ``ask`` verifies.
    """

    repository: Path | None = None
    since: str = ""
    branch: str = ""
    staged: bool = False
    key: bytes | None = None
    ask: Ask | None = None


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a look needs besides the tree. ``rules`` are ours, ``user_rules`` run isolated;
    ``expressions`` makes the engine that evaluates ours.

    ``advisories`` is a database that is open already; else the user's is opened when there is
    something to ask. ``vulnerabilities`` are ids that waivers name: the look says whether it
    would have found them. ``sboms`` were named for the run and are read already.
    """

    config: Config
    rules: Sequence[Rule]
    only: tuple[str, ...] = ()
    expressions: Callable[[], Expressions]
    user_rules: Sequence[Rule] = ()
    rule_faults: Sequence[RuleFault] = ()
    rule_places: Mapping[str, str] = msgspec.field(default_factory=dict)
    progress: Progress | None = None
    secrets: Asked = msgspec.field(default_factory=Asked)
    advisories: Advisories | None = None
    vulnerabilities: frozenset[str] = frozenset()
    sboms: Sequence[PackageFile] = ()
    clock: Callable[[], dt.datetime] = msgspec.field(default=lambda: dt.datetime.now(dt.UTC))

    def enabled(self, rules: Sequence[Rule]) -> list[Rule]:
        """The rules that haechi.yaml does not disable."""
        disabled = set(self.config.disable)
        return [rule for rule in rules if rule.id not in disabled]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one domain yields. ``files`` are the paths that were looked at, ``looked`` counts,
    ``warnings`` are sentences about what was judged by less than there should be."""

    findings: Sequence[Finding] = ()
    gaps: Sequence[Gap] = ()
    waivers: Sequence[Waiver] = ()
    looked: Mapping[str, int] = msgspec.field(default_factory=dict)
    evaluated: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


def pod_templates(config: Config) -> Mapping[str, AttrPath]:
    """``haechi.yaml: pod_templates`` as the judge takes them: the path leads to the template."""
    return {entry.kind: entry.steps for entry in config.pod_templates}
