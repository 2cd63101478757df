"""Small worlds of packages and advisories, by which plans are tried."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from haechi.engines.versions import scheme_of
from haechi.model.advisory import Advisory, Vulnerability
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile, Source
from haechi.model.severity import Severity
from haechi.world.advisories.shapes import Matched


class Flaw(msgspec.Struct, frozen=True):
    """A vulnerability of ``name`` in versions from ``introduced`` up to ``fixed`` ("": no end).
    Several ranges: several branches."""

    id: str
    name: str
    ranges: tuple[tuple[str, str], ...]
    severity: Severity = Severity.HIGH
    malicious: bool = False


class World:
    """Advisories of one ecosystem."""

    def __init__(self, ecosystem: str, *flaws: Flaw) -> None:
        self.ecosystem = ecosystem
        self.flaws = flaws
        self.scheme = scheme_of(ecosystem)

    def affected(self, ecosystem: str, name: str, version: str) -> Matched:
        """As the database answers."""
        assert ecosystem == self.ecosystem
        now = self.scheme.key(version)
        hit = []
        for flaw in self.flaws:
            if flaw.name == name and any(self._in(now, one) for one in flaw.ranges):
                fixed = tuple(
                    sorted(
                        (end for _, end in flaw.ranges if end and self.scheme.key(end) > now),
                        key=self.scheme.key,
                    )
                )
                advisory = Advisory(
                    id=flaw.id, severity=flaw.severity, malicious=flaw.malicious, summary=flaw.id
                )
                hit.append(
                    Vulnerability(id=flaw.id, ids=(flaw.id,), advisory=advisory, fixed=fixed)
                )
        return Matched(vulnerabilities=tuple(hit))

    def _in(self, now: bytes, one: tuple[str, str]) -> bool:
        start, end = one
        if start and now < self.scheme.key(start):
            return False
        return not end or now < self.scheme.key(end)

    def found(self, file: PackageFile) -> dict[int, Sequence[Vulnerability]]:
        """What is known against the packages of a file."""
        answers = {
            at: self.affected(one.ecosystem, one.name, one.version).vulnerabilities
            for at, one in enumerate(file.packages)
            if one.version
        }
        return {at: hit for at, hit in answers.items() if hit}


def package(
    name: str,
    version: str,
    *needs: int,
    ecosystem: str = "npm",
    source: Source = Source.REGISTRY,
    constraint: str = "",
) -> Package:
    """A package on line 1."""
    return Package(
        ecosystem=ecosystem,
        name=name,
        version=version,
        needs=needs,
        source=source,
        constraint=constraint,
        location=Location(path="package-lock.json", line=1, end_line=1),
    )


def lock(
    *packages: Package, requires: tuple[int, ...] = (0,), format: str = "package-lock.json"
) -> PackageFile:
    """A lock file of some packages."""
    return PackageFile(
        path=format,
        format=format,
        ecosystem=packages[0].ecosystem if packages else "npm",
        packages=packages,
        requires=requires,
        name="shop",
    )
