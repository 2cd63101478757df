"""NuGet's packages as projects ask for them: ``*.csproj`` (also of F# and Visual Basic) with
central versions, and ``packages.config``.

A project file is a program of MSBuild and is not run. Versions come from the file, from
``Directory.Packages.props`` and from properties that are set to a plain text, there or in
``Directory.Build.props``. ``Version="1.2.3"`` asks for at least that one, and NuGet takes the
lowest that is allowed: for a package that is asked for directly it is the version. What the
packages bring in is written in lock files only.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haechi.engines.xml import Element
from haechi.errors import InputError, LimitExceeded
from haechi.model.counting import counted
from haechi.model.coverage import Gap
from haechi.model.package import PackageFile
from haechi.scan.deps.formats.decoding import MAX_PACKAGES
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.nuget_msbuild import Settings, parsed, settings_of, told_of

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

ECOSYSTEM = "NuGet"
_VERSION = re.compile(
    r"\d{1,10}(?:\.\d{1,10}){0,3}(?:-[0-9A-Za-z.-]{1,200})?(?:\+[0-9A-Za-z.-]{1,200})?"
)
_HARD = re.compile(r"\[\s*([^,\s\[\]()]{1,200})\s*\]")
_ASKS = ("PackageReference", "GlobalPackageReference", "PackageDownload", "DotNetCliToolReference")
_TOOLS = frozenset({"PackageDownload", "DotNetCliToolReference", "GlobalPackageReference"})


def read_project(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``*.csproj``. Conditions are not judged: every reference that is written counts."""
    return [_told(_root(data, path, "Project"), path, around)]


def read_central(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``Directory.Packages.props`` and ``Directory.Build.props``: packages that they add to every
    project below. The versions that they set are told by the projects that use them."""
    file = _told(_root(data, path, "Project"), path, around)
    return [file] if file.packages or file.gaps else []


def _root(data: bytes, path: str, name: str) -> Element:
    root = parsed(data, path)
    if root.name != name:
        raise InputError(f"begins with <{root.name[:40]}>, not <{name}>", where=path)
    return root


def _told(root: Element, path: str, around: Around) -> PackageFile:
    settings = settings_of(root, posixpath.dirname(path), around)
    drafts: dict[tuple[str, str, str], Draft] = {}
    computed: list[str] = []
    for element in root.walk():
        if element.name in _ASKS:
            if settings.text(named := _named(told_of(element))) is None:
                computed.append(named)
            for draft in _drafts(element, settings):
                known = drafts.setdefault((draft.name, draft.version, draft.constraint), draft)
                known.development = known.development and draft.development
        if len(drafts) > MAX_PACKAGES:
            raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    return _file(path, list(drafts.values()), computed)


def _named(told: dict[str, str]) -> str:
    """The packages of one element: ``Include`` may name several. ``Update`` only changes what an
    SDK or another file includes; without a version it adds nothing."""
    return told.get("include") or (told.get("update") if told.get("version") else "") or ""


def _drafts(element: Element, settings: Settings) -> Iterator[Draft]:
    told = told_of(element)
    named = _named(told)
    private = "all" in told.get("privateassets", "").lower()
    for spelled in filter(None, (one.strip() for one in (settings.text(named) or "").split(";"))):
        raw = told.get("versionoverride") or told.get("version") or ""
        raw = raw or settings.version(spelled)
        text = settings.text(raw)
        version = _exact(text or "")
        yield Draft(
            spelled.lower(),
            version,
            line=element.line,
            spelled=spelled,
            constraint="" if version == raw else text or raw,
            development=private or element.name in _TOOLS,
        )


def _exact(text: str) -> str:
    hard = _HARD.fullmatch(text)
    text = hard[1] if hard is not None else text
    return text if _VERSION.fullmatch(text) else ""


def _file(path: str, drafts: list[Draft], computed: list[str]) -> PackageFile:
    packages, requires = settle(
        drafts, Roots(production=range(len(drafts))), ecosystem=ECOSYSTEM, path=path, scopes=False
    )
    reasons = [f"what {len(drafts)} packages bring in is not written in a project file"]
    if computed:
        shown = ", ".join(one[:100] for one in computed[:3])
        reasons.append(
            f"{counted(len(computed), 'reference')} named by what is not set here: {shown}"
        )
    gaps = [
        Gap(
            kind="nuget-transitive",
            path=path,
            reason=reason,
            do="commit packages.lock.json (RestorePackagesWithLockFile), or scan after a restore",
        )
        for reason in (reasons if drafts else reasons[1:])
    ]
    return PackageFile(
        path=path,
        format="project file",
        ecosystem=ECOSYSTEM,
        packages=packages,
        requires=requires,
        pins=False,
        name=posixpath.splitext(posixpath.basename(path))[0],
        gaps=tuple(gaps),
    )


def read_config(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """``packages.config``: all packages, flat, with what others bring in."""
    drafts = []
    for element in _root(data, path, "packages").all("package"):
        told = {name.lower(): value for name, value in element.attributes.items()}
        name = told.get("id", "").strip()
        if name:
            drafts.append(
                Draft(
                    name.lower(),
                    told.get("version", "").strip(),
                    line=element.line,
                    spelled=name,
                    development=told.get("developmentdependency", "").lower() == "true",
                )
            )
    if len(drafts) > MAX_PACKAGES:
        raise LimitExceeded(f"more than {MAX_PACKAGES:,} packages", where=path)
    packages, _ = settle(drafts, None, ecosystem=ECOSYSTEM, path=path)
    return [
        PackageFile(path=path, format="packages.config", ecosystem=ECOSYSTEM, packages=packages)
    ]
