"""Components with a package URL become packages; what stands between them becomes edges.

A document names its lock files, folders and files as components, too, and hangs packages on them:
an edge through something that is no package leads on to the packages behind it. The same package
URL is one package, wherever it was found. Everything is bounded, cycles are no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from haechi.engines.bom.places import Places
from haechi.engines.logins import without_logins
from haechi.engines.purl import package_of_purl, parse_purl
from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile, Source
from haechi.scan.deps.sbom.components import (
    CONSTRAINT,
    DIGEST,
    ECOSYSTEM,
    INSTALL_SCRIPT,
    LICENCE,
    MAX_COMPONENTS,
    SOURCE,
    SOURCE_URL,
    YANKED,
    Component,
    Contents,
    known_version,
)

MAX_STEPS = 2_000_000
_TRIVY_SOURCE = "aquasecurity:trivy:SrcName"
_NAMED = 5


def assemble(contents: Contents, places: Places, path: str, format: str) -> PackageFile:
    """The package file of a document."""
    made = _Assembly(contents, places, path)
    return PackageFile(
        path=path,
        format=format,
        ecosystem="",
        packages=tuple(made.packages),
        requires=made.requires,
        name=contents.name,
        version=contents.version,
        purl=contents.purl,
        gaps=tuple(made.gaps()),
    )


class _Assembly:
    def __init__(self, contents: Contents, places: Places, path: str) -> None:
        self._contents = contents
        self._places = places
        self._path = path
        self._nameless: list[str] = []
        self._wrong: list[str] = []
        self._foreign: list[str] = []
        self._at: dict[str, int] = {}
        self._steps = 0
        self._flat = True
        self._ours = False
        self.packages: list[Package] = []
        self.requires: tuple[int, ...] = ()
        self._collect()
        self._join()

    def _collect(self) -> None:
        known: dict[str, int] = {}
        roots = set(self._contents.roots)
        for component in self._contents.components:
            if component.ref in roots:
                continue
            package = self._package(component)
            if package is None:
                continue
            self._ours |= SOURCE in component.properties
            # Ours tells two requirements without a version apart, whose package URL is one.
            own = SOURCE in component.properties
            key = component.ref if own else component.purl or component.ref
            index = known.setdefault(key, len(self.packages))
            if index == len(self.packages):
                self.packages.append(package)
            else:
                self.packages[index] = _merged(self.packages[index], package)
            self._at.setdefault(component.ref, index)

    def _package(self, component: Component) -> Package | None:
        if not component.purl:
            if ECOSYSTEM in component.properties:
                return _own(component, self._location(component))
            if component.library:
                self._nameless.append(component.name or component.ref)
            return None
        try:
            package = _of_purl(component, self._location(component))
        except InputError:
            self._wrong.append(component.purl)
            return None
        if package is None:
            if component.library:
                self._foreign.append(component.purl)
            return None
        return _described(package, component)

    def _location(self, component: Component) -> Location:
        line, column = self._places.of(component.purl)
        return Location(path=self._path, line=line, column=column, end_line=line)

    def _join(self) -> None:
        """Edges. An edge from one package to the same one (merged, or a cycle) says nothing."""
        sources: dict[int, list[str]] = {}
        for ref, index in self._at.items():
            sources.setdefault(index, []).extend(self._contents.needs.get(ref, ()))
        for index, targets in sources.items():
            needs = tuple(each for each in self._behind(targets) if each != index)
            if needs:
                self._flat = False
                self.packages[index] = replace(self.packages[index], needs=needs)
        roots = [to for root in self._contents.roots for to in self._contents.needs.get(root, ())]
        asked = self._behind(roots)
        told = [i for i, package in enumerate(self.packages) if package.direct is not None]
        if told:
            self.requires = tuple(i for i in told if self.packages[i].direct)
        elif asked and not self._ours and not (self._flat and len(asked) == len(self.packages) > 1):
            # Our own say so where they know. A document in which the root needs everything and
            # nothing needs anything else was written by somebody who did not know either.
            self.requires = asked
            wanted = set(asked)
            for index, package in enumerate(self.packages):
                self.packages[index] = replace(package, direct=index in wanted)

    def _behind(self, refs: Iterable[str]) -> tuple[int, ...]:
        """The packages that ``refs`` are or lead to through what is none."""
        found: dict[int, None] = {}
        seen: set[str] = set()
        pending = list(refs)[::-1]
        while pending and self._steps < MAX_STEPS:
            self._steps += 1
            ref = pending.pop()
            if ref in self._at:
                found[self._at[ref]] = None
            elif ref not in seen:
                seen.add(ref)
                pending.extend(self._contents.needs.get(ref, ())[::-1])
        return tuple(found)

    def gaps(self) -> Iterable[Gap]:
        """What the document holds and nobody can look up, told by cause."""
        if self._nameless:
            yield self._gap(
                "sbom-no-purl",
                f"{len(self._nameless):,} components have no package URL: {_some(self._nameless)}",
                "have the SBOM written by a tool that gives each package its purl",
            )
        if self._wrong:
            yield self._gap(
                "sbom-purl",
                f"{len(self._wrong):,} package URLs are not understood: {_some(self._wrong)}",
                "correct them (https://github.com/package-url/purl-spec)",
            )
        if self._foreign:
            yield self._gap(
                "sbom-purl",
                f"{len(self._foreign):,} package URLs are of types that no advisories are for: "
                f"{_some(self._foreign)}",
                "judge them by hand, and accept this gap in haechi.yaml (coverage.accept)",
            )
        if self._contents.more:
            yield self._gap(
                "too-large",
                f"more than {MAX_COMPONENTS:,} components: {self._contents.more:,} were not read",
                "split the SBOM",
            )
        if self._steps >= MAX_STEPS:
            yield self._gap(
                "sbom-graph",
                "edges lead through too many components that are no packages: some were left out",
                "",
            )
        if self._contents.incomplete:
            yield self._gap(
                "sbom-incomplete",
                f"the SBOM does not hold everything; {self._contents.incomplete}",
                "make it complete, or accept this gap in haechi.yaml (coverage.accept)",
            )

    def _gap(self, kind: str, reason: str, do: str) -> Gap:
        return Gap(kind=kind, path=self._path, reason=without_logins(reason), do=do)


def _of_purl(component: Component, location: Location) -> Package | None:
    """The package that a URL names; None where no ecosystem has its type."""
    purl = parse_purl(component.purl)
    if purl.type == "golang" and purl.subpath:
        # Syft writes what follows the third part of a module's path as the subpath.
        path = "/".join(filter(None, (purl.namespace, purl.name, purl.subpath)))
        if component.name == path:
            purl = replace(purl, namespace="", name=path, subpath="")
    found = package_of_purl(purl)
    if found is None:
        return None
    qualifiers = purl.qualifiers
    at = qualifiers.get("vcs_url") or qualifiers.get("download_url", "")
    source = Source.REGISTRY
    if at:
        source = Source.GIT if "vcs_url" in qualifiers else Source.URL
    return Package(
        ecosystem=found.ecosystem,
        name=found.name,
        version=known_version(found.version),
        location=location,
        source=source,
        url=without_logins(at),
        distribution=qualifiers.get("distro", ""),
        source_package=qualifiers.get("upstream", "").partition("@")[0]
        or component.properties.get(_TRIVY_SOURCE, ""),
        module_stream=qualifiers.get("rpmmod", ""),
    )


def _own(component: Component, location: Location) -> Package:
    """A package that our own SBOM wrote without a URL: a folder, a member of a workspace."""
    return _described(
        Package(
            ecosystem=component.properties[ECOSYSTEM],
            name=component.name,
            version=known_version(component.version),
            location=location,
        ),
        component,
    )


def _described(package: Package, component: Component) -> Package:
    properties = component.properties
    own = properties.get(DIGEST, "").split()
    source = properties.get(SOURCE, "")
    return replace(
        package,
        version=package.version or known_version(component.version),
        constraint=properties.get(CONSTRAINT, ""),
        source=Source(source) if source in list(Source) else package.source,
        url=without_logins(properties.get(SOURCE_URL, package.url)),
        direct=component.direct,
        development=component.development,
        optional=component.optional,
        digests=(*component.digests, *own),
        licence=properties.get(LICENCE, component.licence),
        install_script=properties.get(INSTALL_SCRIPT) == "true",
        yanked=properties.get(YANKED, ""),
    )


def _merged(one: Package, other: Package) -> Package:
    """The same package URL twice: needed by anything that ships, it ships."""
    return replace(
        one,
        development=one.development and other.development,
        optional=one.optional and other.optional,
        direct=one.direct or other.direct if one.direct is not None else other.direct,
        digests=tuple(dict.fromkeys((*one.digests, *other.digests))),
        licence=one.licence or other.licence,
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:100] for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
