"""The SBOMs and VEX documents that were named for a run; light, because every run has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from haechi.model.coverage import Gap
from haechi.model.package import PackageFile

if TYPE_CHECKING:
    from haechi.gate.vex import VexFile


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What the named documents hold. ``vex`` are VEX documents and what SBOMs say themselves."""

    files: tuple[PackageFile, ...] = ()
    vex: tuple[VexFile, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def vulnerabilities(self) -> frozenset[str]:
        """The ids that the statements are about."""
        return frozenset(
            name
            for file in self.vex
            for statement in file.statements
            for name in statement.vulnerabilities
        )
