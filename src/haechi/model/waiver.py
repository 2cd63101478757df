"""An accepted finding: one record for every stage (invariant 3)."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import msgspec

from haechi.model.location import Location


class WaiverOrigin(StrEnum):
    """Who says so. ``file`` and ``store`` must name reason, owner and expiry; ``vex`` is a
    statement of a VEX document that was named for the run."""

    FILE = "file"
    STORE = "store"
    VEX = "vex"
    INLINE = "inline"
    PEER = "peer"


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """Matches by rule and by fingerprint, path glob, resource glob or line range.

    ``rule`` may be ``*``. Inline and peer waivers carry ``path`` as the literal file and, where
    they stand beside one line, ``first_line``/``last_line``; or the ``resource`` they annotate.
    ``location`` is where the waiver itself is written.

    ``justification`` is one of VEX's five: the vulnerability does no harm here, which is more than
    that its risk is accepted. A VEX statement carries as ``fingerprints`` the findings that it
    was found to be about, and nothing else that could match.
    """

    rule: str
    origin: WaiverOrigin
    location: Location
    fingerprint: str | None = None
    path: str | None = None
    resource: str | None = None
    namespace: str | None = None  # of the store's waivers: the reach of whoever made it
    first_line: int | None = None
    last_line: int | None = None
    reason: str = ""
    owner: str | None = None
    expires: dt.date | None = None
    source: str = ""  # how it was written, e.g. "checkov:skip=CKV_K8S_16", "openvex:not_affected"
    justification: str = ""
    fingerprints: tuple[str, ...] = ()
