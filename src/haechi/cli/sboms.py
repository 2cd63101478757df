"""SBOMs and VEX documents that were named for a run, read from where they lie.

Files named in haechi.yaml lie in the repository; those on the command line may lie anywhere, for
whoever writes the command line vouches for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from msgspec.structs import replace

from haechi.cli.named import Named
from haechi.cli.project import Project
from haechi.engines.bom import MAX_SIZE
from haechi.errors import ConfigError, HaechiError, InputError, LimitExceeded, UsageError
from haechi.gate.vex import VexFile
from haechi.model.coverage import Gap
from haechi.model.package import PackageFile
from haechi.model.waiver import Waiver
from haechi.scan.look import Looked
from haechi.world.files import Tree


def named_documents(
    project: Project, given: Sequence[Path], vex: Sequence[Path] = (), *, alone: str = ""
) -> Named:
    """Read what ``deps.sboms`` and ``deps.vex`` name, besides what the command line does.

    ``alone`` is the path of the scan when that is an SBOM itself. An SBOM that is broken is a
    gap: what it lists was not looked at. A VEX document that is broken ends the run, for it was
    meant to change what blocks. Raises UsageError and ConfigError.
    """
    section = project.config.deps
    files: list[PackageFile] = []
    documents: list[VexFile] = []
    gaps: list[Gap] = []
    links: dict[str, str] = {}
    for name, data in chain(  # one after the other: each may have 100 MB
        _configured(project, (*section.sboms, *([alone] if alone else [])), "deps.sboms"),
        _given(project, given, "--sbom"),
    ):
        try:
            files.append(_sbom(data, name, documents, links))
        except InputError as error:
            kind = "too-large" if isinstance(error, LimitExceeded) else "sbom-syntax"
            gaps.append(Gap(kind=kind, path=name, reason=error.what, do=error.do))
    for name, data in [
        *_configured(project, section.vex, "deps.vex"),
        *_given(project, vex, "--vex"),
    ]:
        documents.append(_vex(data, name, links))
    return Named(files=tuple(files), vex=tuple(documents), gaps=tuple(gaps))


def heard(
    looked: Looked, named: Named, project: Project, product: str | None
) -> tuple[Looked, tuple[Waiver, ...], tuple[str, ...]]:
    """The look with what VEX says as evidence, the waivers that come of it, and sentences."""
    from haechi.cli.product import product_of
    from haechi.gate.vex.judge import judge
    from haechi.gate.vex.products import Subject

    scan = looked.scan
    files = looked.dependencies.files if looked.dependencies else ()
    subject = Subject(
        names=frozenset({product_of(project, product).purl}),
        files={file.path: file for file in files},
    )
    judged = judge(scan.findings, named.vex, subject)
    coverage = replace(scan.coverage, gaps=(*scan.coverage.gaps, *named.gaps))
    scan = replace(scan, findings=judged.findings, coverage=coverage)
    return replace(looked, scan=scan), judged.waivers, judged.notes


def _sbom(data: bytes, name: str, documents: list[VexFile], links: dict[str, str]) -> PackageFile:
    from haechi.engines.bom import Kind, read_document
    from haechi.gate.vex import vex_of
    from haechi.gate.vex.cyclonedx import links_of
    from haechi.scan.deps.sbom import sbom_of

    document = read_document(data, name)
    file = sbom_of(document, name)
    if document.kind is Kind.CYCLONEDX:
        links.update(links_of(document))
        own = vex_of(document, name)
        if own is not None:
            documents.append(own)
    return file


def _vex(data: bytes, name: str, links: dict[str, str]) -> VexFile:
    from haechi.gate.vex import read_vex

    try:
        return read_vex(data, name, links=links)
    except InputError as error:
        raise ConfigError(
            f"not usable as VEX: {error.what}",
            why="what it says would change what blocks, so it is not passed over",
            do=error.do or "correct it, or do not name it",
            where=name,
        ) from error


def _configured(project: Project, names: Iterable[str], key: str) -> Iterable[tuple[str, bytes]]:
    """Files of the repository; the tree refuses what leads out of it."""
    tree = Tree(root=project.root)
    for name in dict.fromkeys(names):
        try:
            yield name, tree.read(name, limit=MAX_SIZE)
        except HaechiError as error:
            raise ConfigError(
                f"{key}: {name} cannot be read: {error.what}",
                do="name a file of this repository",
                where="haechi.yaml",
            ) from error


def _given(project: Project, paths: Sequence[Path], option: str) -> Iterable[tuple[str, bytes]]:
    for path in paths:
        try:
            with path.open("rb") as stream:
                data = stream.read(MAX_SIZE + 1)
        except OSError as error:
            raise UsageError(f"{option} {path} cannot be read", why=error.strerror or "") from error
        yield _told_as(project, path), data


def _told_as(project: Project, path: Path) -> str:
    """The path within the project where it lies there, else as it was given."""
    try:
        return path.resolve().relative_to(project.root.resolve()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()
