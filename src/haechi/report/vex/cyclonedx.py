"""CycloneDX 1.6 as VEX, with the affected packages as components of the product.

A claim that holds for one file of the product is about the packages nested in that file's
component, whose package URL carries the file as its subpath.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haechi.model.vex import Justification, VexStatus
from haechi.report.cyclonedx import about, finished, tools
from haechi.report.sbom_frame import Origin
from haechi.report.vex.claims import Claim, Product

_SPEC = "1.6"
_JUSTIFICATIONS = {
    Justification.COMPONENT_NOT_PRESENT: "code_not_present",
    Justification.VULNERABLE_CODE_NOT_PRESENT: "code_not_present",
    Justification.VULNERABLE_CODE_NOT_IN_EXECUTE_PATH: "code_not_reachable",
    Justification.VULNERABLE_CODE_CANNOT_BE_CONTROLLED_BY_ADVERSARY: "requires_environment",
    Justification.INLINE_MITIGATIONS_ALREADY_EXIST: "protected_by_mitigating_control",
}
_STATES = {
    VexStatus.NOT_AFFECTED: "not_affected",
    VexStatus.AFFECTED: "exploitable",
    VexStatus.FIXED: "resolved",
    VexStatus.UNDER_INVESTIGATION: "in_triage",
}
_METHODS = {"CVSS:3.0": "CVSSv3", "CVSS:3.1": "CVSSv31", "CVSS:4.0": "CVSSv4"}


def render(claims: Sequence[Claim], product: Product, origin: Origin) -> str:
    """The document as indented JSON."""
    return finished(
        {
            "$schema": f"http://cyclonedx.org/schema/bom-{_SPEC}.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": _SPEC,
            "version": 1,
            "metadata": {
                **tools(origin),
                "component": about(product.name, product.version, product.purl),
            },
            "components": _components(claims, product),
            "vulnerabilities": [entry(claim) for claim in claims],
        },
        origin,
    )


def entry(claim: Claim, *, refs: Sequence[str] = ()) -> dict[str, Any]:
    """One entry of ``vulnerabilities``; ``refs`` are the ids of the packages in the document."""
    found: dict[str, Any] = {"id": claim.vulnerability}
    if claim.url:
        found["source"] = {"url": claim.url}
    if claim.aliases:
        found["references"] = [
            {"id": each, "source": {"name": each.partition("-")[0]}} for each in claim.aliases
        ]
    if ratings := _ratings(claim):
        found["ratings"] = ratings
    if cwes := [int(each[4:]) for each in claim.cwe if each[4:].isdigit()]:
        found["cwes"] = cwes
    if claim.title:
        found["description"] = claim.title
    if claim.action:
        found["recommendation"] = claim.action
    found["analysis"] = _analysis(claim)
    targets = refs or [_ref(purl, claim.path) for purl in claim.packages]
    found["affects"] = [{"ref": ref} for ref in targets]
    return found


def _analysis(claim: Claim) -> dict[str, Any]:
    state = _STATES[claim.status]
    if claim.said in ("false_positive", "resolved_with_pedigree"):
        state = claim.said
    found: dict[str, Any] = {"state": state}
    if claim.justification:
        found["justification"] = _JUSTIFICATIONS[Justification(claim.justification)]
    if claim.status is VexStatus.AFFECTED and claim.action.lower().startswith("upgrade"):
        found["response"] = ["update"]
    elif claim.status is VexStatus.AFFECTED and claim.action.startswith("Accepted"):
        found["response"] = ["will_not_fix"]
    detail = claim.impact
    if claim.justification and len(_same(claim.justification)) > 1:
        # Two of VEX's words are one in CycloneDX: the exact one goes along.
        detail = f"{claim.justification}: {detail}" if detail else claim.justification
    if detail or claim.status is VexStatus.NOT_AFFECTED:
        found["detail"] = detail or claim.justification or "stated without a reason"
    return found


def _same(justification: str) -> list[Justification]:
    word = _JUSTIFICATIONS[Justification(justification)]
    return [each for each, known in _JUSTIFICATIONS.items() if known == word]


def _ratings(claim: Claim) -> list[dict[str, Any]]:
    if not claim.severity:
        return []
    first: dict[str, Any] = {"severity": claim.severity}
    if claim.score is not None and 0 <= claim.score <= 10:
        first["score"] = claim.score
    for vector in claim.vectors:
        if (method := _METHODS.get(vector[:8])) or vector.startswith("AV:"):
            first |= {"method": method or "CVSSv2", "vector": vector}
            break
    return [first]


def _components(claims: Sequence[Claim], product: Product) -> list[dict[str, Any]]:
    flat = sorted({purl for claim in claims if not claim.path for purl in claim.packages})
    found = [_component(purl, "") for purl in flat]
    for path in sorted({claim.path for claim in claims if claim.path}):
        inner = sorted({p for claim in claims if claim.path == path for p in claim.packages})
        found.append(
            {
                "type": "application",
                "bom-ref": f"file:{path}",
                "name": path,
                "purl": product.at(path),
                "components": [_component(purl, path) for purl in inner],
            }
        )
    return found


def _component(purl: str, path: str) -> dict[str, Any]:
    head = purl.partition("?")[0].partition("#")[0]
    name, at, version = head.rpartition("@")
    found = {
        "type": "library",
        "bom-ref": _ref(purl, path),
        "name": (name if at else head).rpartition("/")[2],
        "purl": purl,
    }
    return {**found, "version": version} if at else found


def _ref(purl: str, path: str) -> str:
    return f"{path}|{purl}" if path else purl
