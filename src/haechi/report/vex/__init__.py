"""VEX documents out: what this repository says of the vulnerabilities that a scan found.

A waiver accepts a risk, which is no statement about harm: only where it names one of VEX's
justifications (or where a VEX document said so in the first place) the finding is stated as
not_affected. Other waived findings are ``affected`` with what was decided as action. So a reader
of the document sees what its authors know, and reading it back suppresses exactly what was
justified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from haechi.errors import UsageError
from haechi.report.sbom_frame import Origin
from haechi.report.vex.claims import Claim, Product

FORMATS = ("openvex", "cyclonedx", "csaf")


def render(claims: Sequence[Claim], product: Product, origin: Origin, format: str) -> str:
    """The claims as a document. Raises UsageError for an unknown format, or when the format
    wants more than is known (CSAF: who publishes, and where)."""
    if format not in FORMATS:
        raise UsageError(f"no VEX format {format!r}", do=f"use one of: {', '.join(FORMATS)}")
    write: Callable[[Sequence[Claim], Product, Origin], str] = import_module(
        f"{__name__}.{format}"
    ).render
    return write(claims, product, origin)
