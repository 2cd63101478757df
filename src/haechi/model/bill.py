"""The packages of a repository as a push carries them and the server keeps them.

Compact: defaults are left out, names stand once, a package's ecosystem and file only where they
differ from its file's. With it go the facts by which findings are made (what haechi.yaml says of
severities and development packages), so that the server can judge the same packages by newer
advisories with the same words, without a rescan.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from haechi.model.config import Development
from haechi.model.package import Source
from haechi.model.severity import Severity

MOST_PACKAGES = 200_000
MOST_FILES = 5_000
MOST_DIGESTS = 2_000
"""Beyond so many packages digests are left out: nothing packs them, and a push stays small."""


class BilledPackage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One package; see ``model.package.Package``. ``ecosystem`` and ``path`` are "" where they
    are the file's."""

    name: str
    version: str = ""
    ecosystem: str = ""
    spelled: str = ""
    constraint: str = ""
    path: str = ""
    line: int = 0
    source: Source = Source.REGISTRY
    url: str = ""
    direct: bool | None = None
    development: bool = False
    optional: bool = False
    needs: tuple[int, ...] = ()
    digests: tuple[str, ...] = ()
    licence: str = ""
    install_script: bool = False
    yanked: str = ""
    distribution: str = ""
    source_package: str = ""
    module_stream: str = ""


class BilledFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file; see ``model.package.PackageFile``."""

    path: str
    format: str
    ecosystem: str
    name: str = ""
    version: str = ""
    purl: str = ""
    pins: bool = True
    requires: tuple[int, ...] = ()
    covers: tuple[str, ...] = ()
    packages: tuple[BilledPackage, ...] = ()


class BilledGap(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the bill does not hold."""

    path: str
    reason: str


class Bill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All packages of a run. ``data`` is the day of the advisories that the run judged each
    ecosystem by (none: it had no advisories); ``own`` are ids of the repository's own records,
    of which the server knows nothing; ``fail_on`` and ``due_days`` (by severity) are the
    repository's, ``owners`` whose a file is. ``left_out`` packages are beyond the bound."""

    files: tuple[BilledFile, ...] = ()
    data: dict[str, dt.date] = {}
    own: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    severity: dict[str, Severity] = {}
    development: Development = Development.REPORT
    fail_on: Severity = Severity.HIGH
    due_days: dict[str, int] = {}
    owners: dict[str, str] = {}
    missing: tuple[BilledGap, ...] = ()
    left_out: int = 0
