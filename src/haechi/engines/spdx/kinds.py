"""What kind of duty a licence of SPDX's list brings, by a table of our own (``licences.tsv``:
identifier, kind, d for deprecated, o for approved by the OSI).

The kinds are for policies, and no legal advice. ``other`` is what restricts use, is meant for
other things than software, or has not been looked at: to be read by a person.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path

import msgspec

from haechi.engines.spdx import Term


class Kind(StrEnum):
    """From few duties to many."""

    PERMISSIVE = "permissive"
    WEAK = "weak"
    STRONG = "strong"
    NETWORK = "network"
    OTHER = "other"


class Licence(msgspec.Struct, frozen=True):
    """One licence of the list."""

    id: str
    kind: Kind
    deprecated: bool = False
    osi_approved: bool = False


@cache
def licences() -> dict[str, Licence]:
    """By identifier."""
    rows = Path(__file__).with_name("licences.tsv").read_text(encoding="ascii").splitlines()
    return {made.id: made for made in map(_read, rows)}


def _read(row: str) -> Licence:
    name, kind, *flags = row.split("\t")
    marks = flags[0] if flags else ""
    return Licence(name, Kind(kind), "d" in marks, "o" in marks)


REFERENCES = {
    # what packages say without naming a version, see spellings
    "LicenseRef-Apache": Kind.PERMISSIVE,
    "LicenseRef-BSD": Kind.PERMISSIVE,
    "LicenseRef-public-domain": Kind.PERMISSIVE,
    "LicenseRef-CDDL": Kind.WEAK,
    "LicenseRef-LGPL": Kind.WEAK,
    "LicenseRef-GPL": Kind.STRONG,
    "LicenseRef-AGPL": Kind.NETWORK,
}
_LINKING = frozenset(
    (
        "Classpath-exception-2.0",
        "Classpath-exception-2.0-short",
        "GCC-exception-2.0",
        "GCC-exception-3.1",
        "Autoconf-exception-2.0",
        "Autoconf-exception-3.0",
        "Bison-exception-2.2",
        "Font-exception-2.0",
        "FLTK-exception",
        "GPL-3.0-linking-exception",
        "LGPL-3.0-linking-exception",
        "Libtool-exception",
        "Linux-syscall-note",
        "OCaml-LGPL-linking-exception",
        "OpenJDK-assembly-exception-1.0",
        "Qt-GPL-exception-1.0",
        "Universal-FOSS-exception-1.0",
        "WxWindows-exception-3.1",
        "eCos-exception-2.0",
    )
)


def kind_of(term: Term) -> Kind:
    """The kind of one licence; an exception that lets others link makes GPL a weak one."""
    known = licences().get(term.id)
    kind = known.kind if known else REFERENCES.get(term.id, Kind.OTHER)
    return Kind.WEAK if kind == Kind.STRONG and term.exception in _LINKING else kind
