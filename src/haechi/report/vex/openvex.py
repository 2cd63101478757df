"""OpenVEX 0.2.0. https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haechi.model.vex import VexStatus
from haechi.report.json import to_text
from haechi.report.sbom_frame import TOOL, Origin, id_of
from haechi.report.vex.claims import Claim, Product

CONTEXT = "https://openvex.dev/ns/v0.2.0"
_NOBODY = "Unknown Author"


def render(claims: Sequence[Claim], product: Product, origin: Origin) -> str:
    """The document as indented JSON."""
    statements = [_statement(claim, product) for claim in claims]
    return to_text(
        {
            "@context": CONTEXT,
            "@id": f"urn:uuid:{id_of([CONTEXT, product.purl, origin.author, statements])}",
            "author": origin.author or _NOBODY,
            "timestamp": origin.timestamp,
            "version": 1,
            "tooling": f"{TOOL} {origin.version}",
            "statements": statements,
        }
    )


def _statement(claim: Claim, product: Product) -> dict[str, Any]:
    vulnerability: dict[str, Any] = {"name": claim.vulnerability}
    if claim.url:
        vulnerability["@id"] = claim.url
    if claim.aliases:
        vulnerability["aliases"] = list(claim.aliases)
    whole = product.at(claim.path)
    found: dict[str, Any] = {
        "vulnerability": vulnerability,
        "products": [
            {
                "@id": whole,
                "identifiers": {"purl": whole},
                "subcomponents": [
                    {"@id": purl, "identifiers": {"purl": purl}} for purl in claim.packages
                ],
            }
        ],
        "status": claim.status.value,
    }
    match claim.status:
        case VexStatus.NOT_AFFECTED:
            if claim.justification:
                found["justification"] = claim.justification
            if claim.impact or not claim.justification:
                found["impact_statement"] = claim.impact or "stated without a reason"
        case VexStatus.AFFECTED:
            found["action_statement"] = claim.action
        case VexStatus.FIXED if claim.impact:
            found["status_notes"] = claim.impact
    return found
