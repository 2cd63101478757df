"""The look at dependencies: collect what is pinned, ask what is known against it, tell.

Where no file tells of packages, nothing more is imported and no database is opened. Without data
the packages are still read: they are what an SBOM lists, and the gaps say what is not known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from haechi.model.package import PackageFile
from haechi.rules.schema import Rule
from haechi.scan.setup import Part, Setup
from haechi.world.files import Tree

if TYPE_CHECKING:
    from haechi.scan.deps.findings import Known


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a scan, what files tell of packages (for SBOMs and pushes), the words of the
    vulnerabilities found, what the lock needs of them, and the date of each ecosystem's data."""

    part: Part = msgspec.field(default_factory=Part)
    files: tuple[PackageFile, ...] = ()
    rules: Mapping[str, Rule] = msgspec.field(default_factory=dict)
    known: Mapping[str, Known] = msgspec.field(default_factory=dict)
    data: Mapping[str, dt.date] = msgspec.field(default_factory=dict)


def look_at_dependencies(tree: Tree, setup: Setup) -> Dependencies:
    """Judge what lock files and manifests of a tree pin. Raises ConfigError for advisories that
    haechi.yaml names and that are not there."""
    from haechi.scan.deps.collect import collect

    collected = collect(tree, setup.progress)
    bills = _sboms(collected.files, setup)
    files = (*collected.files, *bills)
    if bills:
        told = (*collected.gaps, *(gap for bill in bills for gap in bill.gaps))
        collected = replace(collected, gaps=told)
    if not files:
        looked = {"lock files": 0}
        found = Dependencies(part=Part(gaps=collected.gaps, looked=looked, files=collected.seen))
        if not collected.others:
            return found
    else:
        from haechi.scan.deps.judged import judged

        found = judged(tree, setup, files, collected)
    from haechi.scan.deps.catalogued import with_catalogue

    return with_catalogue(found, tree, setup, collected)


def _sboms(files: Sequence[PackageFile], setup: Setup) -> Sequence[PackageFile]:
    """The SBOMs that were named, less what a lock file pins in the same version."""
    if not setup.sboms:
        return ()
    from haechi.scan.deps.sbom import without_pinned

    return without_pinned(setup.sboms, files)
