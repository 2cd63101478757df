"""What a VEX document says, whichever of the three formats it is written in.

OpenVEX 0.2.0, CycloneDX and CSAF 2.0 differ in words; all of them come down to statements: these
vulnerabilities, in these products, have this status, for this reason, says this author since
then.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import msgspec

from haechi.model.location import Location


class VexStatus(StrEnum):
    """The four that CISA's minimum requirements for VEX know."""

    NOT_AFFECTED = "not_affected"
    AFFECTED = "affected"
    FIXED = "fixed"
    UNDER_INVESTIGATION = "under_investigation"

    @property
    def suppresses(self) -> bool:
        """Only these two say that there is nothing to do."""
        return self in (VexStatus.NOT_AFFECTED, VexStatus.FIXED)

    @property
    def strictness(self) -> int:
        """0 is the strictest: what wins when statements of one age contradict each other."""
        return _STRICTNESS[self]


_STRICTNESS = {
    VexStatus.AFFECTED: 0,
    VexStatus.UNDER_INVESTIGATION: 1,
    VexStatus.FIXED: 2,
    VexStatus.NOT_AFFECTED: 3,
}


class Justification(StrEnum):
    """Why something is not affected, in the words of OpenVEX and CSAF."""

    COMPONENT_NOT_PRESENT = "component_not_present"
    VULNERABLE_CODE_NOT_PRESENT = "vulnerable_code_not_present"
    VULNERABLE_CODE_NOT_IN_EXECUTE_PATH = "vulnerable_code_not_in_execute_path"
    VULNERABLE_CODE_CANNOT_BE_CONTROLLED_BY_ADVERSARY = (
        "vulnerable_code_cannot_be_controlled_by_adversary"
    )
    INLINE_MITIGATIONS_ALREADY_EXIST = "inline_mitigations_already_exist"


class Identity(msgspec.Struct, frozen=True):
    """What a document calls one thing: a package URL, or whatever other name it gives. ``range``
    are the versions that are meant, as ``vers:npm/>=1.0.0|<1.2.3``; "" means as the URL says."""

    name: str
    range: str = ""


class Product(msgspec.Struct, frozen=True):
    """One product, by any of its names; with ``parts`` only those parts of it are meant, and with
    ``through`` only as parts of each of those, too ("a library of an image of a product")."""

    names: tuple[Identity, ...]
    parts: tuple[tuple[Identity, ...], ...] = ()
    through: tuple[tuple[Identity, ...], ...] = ()


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about one vulnerability, known under all of ``vulnerabilities``.

    ``justification`` may be in the format's own words; ``impact`` explains not_affected,
    ``action`` says what to do where something is. ``said`` is how the format put it
    (``cyclonedx:false_positive``). ``time`` is None where the document has none.
    """

    vulnerabilities: tuple[str, ...]
    products: tuple[Product, ...]
    status: VexStatus
    said: str
    justification: str = ""
    impact: str = ""
    action: str = ""
    author: str = ""
    time: dt.datetime | None = None
    location: Location
