"""What is known about an image's content: who signed it, how it was made, what is wrong in it.

A seam: policies ask ``ImageTrust``; whoever looks images up answers. Without an answer nothing is
claimed, neither trust nor its absence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

import msgspec

from haechi.model.review import State


class ImageVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """An answer about one image.

    ``state`` is PASS or FAIL by the rules of who was asked, NOT_EVALUATED when it could not be
    said; ``message`` says why. ``signatures`` are the identities whose signature verified,
    ``provenance`` the builders that an attestation names, ``vulnerabilities`` counts by severity.
    ``at`` is when it was looked up.
    """

    state: State
    message: str = ""
    digest: str = ""
    signatures: tuple[str, ...] = ()
    provenance: tuple[str, ...] = ()
    vulnerabilities: Mapping[str, int] = msgspec.field(default_factory=dict)
    at: dt.datetime | None = None


class ImageTrust(Protocol):
    """Whoever knows about images. It answers at once, from what it has looked up before."""

    def verdict(self, ref: str) -> ImageVerdict | None:
        """What is known of an image (its full reference); None: nobody has looked."""
