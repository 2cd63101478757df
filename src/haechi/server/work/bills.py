"""A bill of packages on its way into the store and out of it again as an SBOM.

Everything in a bill is hostile: names are bounded, positions checked, and what is kept is packed
once, without what a run does not share with the next (dates of advisories, settings), so that
equal packages are equal bytes.
"""

from __future__ import annotations

import datetime as dt
import posixpath
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from haechi import __version__
from haechi.errors import InputError, LimitExceeded
from haechi.model.bill import (
    MOST_FILES,
    MOST_PACKAGES,
    Bill,
    BilledPackage,
)
from haechi.model.location import Location
from haechi.model.package import PackageFile, Source
from haechi.server.shapes_dependencies import SbomFormat
from haechi.store.state.bills import Stored
from haechi.store.state.bills_contents import Content, Key
from haechi.world.advisories.names import asked_name, folded

if TYPE_CHECKING:
    from haechi.store.dependency_records import Sbom

_UNPACKED = 512 << 20
"""Bytes that the content of a bill unpacks to, at most."""
_NAME, MOST_LISTED = 1_000, 20_000
_OWN = frozenset({Source.PATH, Source.WORKSPACE})
_decoder = msgspec.msgpack.Decoder(tuple[PackageFile, ...])
_facts = msgspec.json.Decoder(Bill)
UPLOADED = "sbom:"
"""How the path of an uploaded SBOM begins: it is no file of the repository."""


def check_bill(bill: Bill) -> None:
    """Raises LimitExceeded, InputError."""
    packages = sum(len(file.packages) for file in bill.files)
    if packages > MOST_PACKAGES or len(bill.files) > MOST_FILES:
        raise LimitExceeded(
            f"{packages:,} packages in {len(bill.files):,} files are too many",
            why=f"one push may hold {MOST_PACKAGES:,} in {MOST_FILES:,}",
            where="packages",
        )
    seen: set[str] = set()
    for number, file in enumerate(bill.files):
        where = f"packages.files[{number}]"
        if file.path in seen:
            raise InputError("a file stands there twice", where=f"{where}.path")
        seen.add(file.path)
        _check(where, (file.path, file.format, file.ecosystem, file.name, file.version))
        for at, one in enumerate(file.packages):
            if not one.name:
                raise InputError("a package without a name", where=f"{where}.packages[{at}]")
            _check(
                f"{where}.packages[{at}]",
                (one.name, one.version, one.ecosystem, one.spelled, one.path, one.url),
            )
            if len(one.needs) > MOST_LISTED or len(one.digests) > MOST_LISTED:
                raise LimitExceeded("a list is too long", where=f"{where}.packages[{at}]")


def _check(where: str, texts: Iterable[str]) -> None:
    for text in texts:
        if len(text) > _NAME or "\0" in text:
            raise InputError(
                "a name is too long or holds what no name holds",
                why=f"at most {_NAME:,} characters",
                where=where,
            )


class _Place(msgspec.Struct, frozen=True, omit_defaults=True):
    path: str
    line: int = 1


class _Package(BilledPackage, frozen=True, kw_only=True, omit_defaults=True):
    """As ``model.package.Package`` is read back, without what is as usual."""

    location: _Place


class _File(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As ``model.package.PackageFile`` is read back."""

    path: str
    format: str
    ecosystem: str
    packages: tuple[_Package, ...] = ()
    requires: tuple[int, ...] = ()
    pins: bool = True
    name: str = ""
    version: str = ""
    purl: str = ""
    covers: tuple[str, ...] = ()


def content_of(files: Sequence[PackageFile]) -> Content:
    """The files, packed, and which packages they hold."""
    import zstandard

    files = tuple(sorted(files, key=lambda file: (file.path, file.format)))
    keys: dict[Key, None] = {}
    ecosystems: dict[str, int] = {}
    for file in files:
        for one in file.packages:
            ecosystems[one.ecosystem] = ecosystems.get(one.ecosystem, 0) + 1
            if one.source not in _OWN:
                for name in dict.fromkeys((one.name, asked_name(one))):
                    keys[one.ecosystem, asked_as(one.ecosystem, name), one.version] = None
    raw = msgspec.msgpack.encode([_packed(file) for file in files])
    return Content(
        body=zstandard.ZstdCompressor(level=6).compress(raw),
        files=len(files),
        packages=sum(len(file.packages) for file in files),
        ecosystems=dict(sorted(ecosystems.items())),
        formats=tuple(dict.fromkeys(file.format for file in files))[:20],
        keys=list(keys),
    )


def _packed(file: PackageFile) -> _File:
    """Its gaps are among what the bill says is missing."""
    return msgspec.convert(file, _File, from_attributes=True)


def asked_as(ecosystem: str, name: str) -> str:
    """A package's name as advisories call it."""
    return folded(ecosystem, name)


def files_in(content: bytes) -> tuple[PackageFile, ...]:
    """What ``content_of`` packed."""
    import zstandard

    if not content:
        return ()
    raw = zstandard.ZstdDecompressor().decompress(content, max_output_size=_UNPACKED)
    return _decoder.decode(raw)


def facts_of(bill: Bill) -> str:
    """A bill without its files, as JSON."""
    return msgspec.json.encode(replace(bill, files=())).decode()


def facts_in(stored: Stored) -> Bill:
    """A stored bill without its files."""
    return _facts.decode(stored.facts)


def uploaded(file: PackageFile, name: str) -> PackageFile:
    """Somebody else's SBOM, called by its name."""
    path = UPLOADED + posixpath.normpath(name or "sbom").lstrip("/")
    places: dict[int, Location] = {}
    packages = tuple(
        replace(
            one,
            location=places.setdefault(
                one.location.line, Location(path=path, line=one.location.line)
            ),
        )
        for one in file.packages
    )
    return replace(file, path=path, packages=packages)


def rendered(record: Sbom, stored: Stored, form: SbomFormat) -> str:
    """The SBOM as a document."""
    from haechi.report.sbom_bill import bill_of
    from haechi.report.sbom_frame import Origin
    from haechi.scan.deps.bills import gaps_of

    name = record.source.removeprefix("repo:").rstrip("/").rpartition("/")[2] or "repository"
    listed = bill_of(
        files_in(stored.content),
        gaps_of(facts_in(stored)),
        name=name[:200],
        version=record.commit or record.ref,
    )
    origin = Origin(made=_told(record.received), version=__version__)
    if form is SbomFormat.SPDX:
        from haechi.report.spdx import render as as_spdx

        return as_spdx(listed, origin)
    from haechi.report.cyclonedx import render as as_cyclonedx

    return as_cyclonedx(listed, origin)


def _told(moment: dt.datetime) -> dt.datetime:
    return moment.replace(microsecond=0)
