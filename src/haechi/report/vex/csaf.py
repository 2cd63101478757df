"""CSAF 2.0, profile VEX (category ``csaf_vex``).

Each package is a product of its own in the tree and, by a relationship, a part of the product
that the document is about; statuses speak of the latter.

https://docs.oasis-open.org/csaf/csaf/v2.0/os/csaf-v2.0-os.html, section 4.5
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from haechi.errors import UsageError
from haechi.model.vex import VexStatus
from haechi.report.json import to_text
from haechi.report.sbom_frame import TOOL, Origin, id_of
from haechi.report.vex.claims import Claim, Product, is_cve, sequence

_AUTHOR = re.compile(r"(?P<name>[^<>]*[^<>\s])\s*<(?P<url>https?://[^<>\s]+)>\Z")
_STATUS = {
    VexStatus.NOT_AFFECTED: "known_not_affected",
    VexStatus.AFFECTED: "known_affected",
    VexStatus.FIXED: "fixed",
    VexStatus.UNDER_INVESTIGATION: "under_investigation",
}


def render(claims: Sequence[Claim], product: Product, origin: Origin) -> str:
    """The document as indented JSON. Raises UsageError when it is not known who publishes it, or
    when there is nothing to state: the format allows neither."""
    author = _AUTHOR.match(origin.author)
    if author is None:
        raise UsageError(
            "CSAF names its publisher with an address",
            do="say it: --author 'Name <https://example.org>'",
        )
    if not claims:
        raise UsageError("CSAF needs at least one statement, and no vulnerability was found")
    tree = _Tree(claims, product)
    body = {
        "product_tree": tree.written(),
        "vulnerabilities": [
            _vulnerability(name, cases, tree) for name, cases in _by_name(claims).items()
        ],
    }
    about = {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "publisher": {
            "category": "vendor",
            "name": author["name"],
            "namespace": author["url"],
        },
        "title": f"Vulnerabilities in dependencies of {product.name}",
        "tracking": {
            "id": str(id_of([author["name"], author["url"], product.purl, body])),
            "status": "final",
            "version": "1",
            "initial_release_date": origin.timestamp,
            "current_release_date": origin.timestamp,
            "revision_history": [
                {"date": origin.timestamp, "number": "1", "summary": "Written from a scan"}
            ],
            "generator": {"engine": {"name": TOOL, "version": origin.version}},
        },
    }
    return to_text({"document": about, **body})


def _by_name(claims: Sequence[Claim]) -> dict[str, list[Claim]]:
    found: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        found[claim.vulnerability].append(claim)
    return found


class _Tree:
    """Short ids for products, packages and packages as parts of products."""

    def __init__(self, claims: Sequence[Claim], product: Product) -> None:
        self._product = product
        self._wholes = {
            path: f"PRODUCT-{number}"
            for number, path in enumerate(sorted({claim.path for claim in claims}), 1)
        }
        self._packages = {
            purl: f"PACKAGE-{number}" for number, purl in enumerate(sequence(claims), 1)
        }
        self._parts = sorted({(claim.path, purl) for claim in claims for purl in claim.packages})

    def ids(self, claim: Claim) -> list[str]:
        return [self._part(claim.path, purl) for purl in claim.packages]

    def _part(self, path: str, purl: str) -> str:
        return f"{self._wholes[path]}:{self._packages[purl]}"

    def written(self) -> dict[str, Any]:
        product = self._product
        name = f"{product.name} {product.version}".strip()
        wholes = [
            _named(id_, f"{name} ({path})" if path else name, product.at(path))
            for path, id_ in self._wholes.items()
        ]
        packages = [_named(id_, purl, purl) for purl, id_ in self._packages.items()]
        return {
            "full_product_names": [*wholes, *packages],
            "relationships": [
                {
                    "category": "default_component_of",
                    "product_reference": self._packages[purl],
                    "relates_to_product_reference": self._wholes[path],
                    "full_product_name": {
                        "name": f"{purl} in {name}" + (f" ({path})" if path else ""),
                        "product_id": self._part(path, purl),
                    },
                }
                for path, purl in self._parts
            ],
        }


def _named(id_: str, name: str, purl: str) -> dict[str, Any]:
    return {
        "name": name,
        "product_id": id_,
        "product_identification_helper": {"purl": purl},
    }


def _vulnerability(name: str, claims: list[Claim], tree: _Tree) -> dict[str, Any]:
    first = claims[0]
    ids = dict.fromkeys((name, *(alias for claim in claims for alias in claim.aliases)))
    cve = next((each for each in ids if is_cve(each)), "")
    found: dict[str, Any] = {"cve": cve} if cve else {}
    others = [{"system_name": _system(each), "text": each} for each in ids if each != cve]
    if others:
        found["ids"] = others
    found["notes"] = [{"category": "description", "text": first.title or name, "title": "Summary"}]
    statuses: defaultdict[str, list[str]] = defaultdict(list)
    flags: defaultdict[str, list[str]] = defaultdict(list)
    impacts: defaultdict[str, list[str]] = defaultdict(list)
    actions: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for claim in claims:
        products = tree.ids(claim)
        statuses[_STATUS[claim.status]] += products
        if claim.status is VexStatus.NOT_AFFECTED:
            if claim.justification:
                flags[claim.justification] += products
            if claim.impact or not claim.justification:
                impacts[claim.impact or "stated without a reason"] += products
        elif claim.status is VexStatus.AFFECTED:
            actions[_category(claim), claim.action] += products
    found["product_status"] = {key: sorted(set(value)) for key, value in sorted(statuses.items())}
    if flags:
        found["flags"] = [
            {"label": label, "product_ids": sorted(set(products))}
            for label, products in sorted(flags.items())
        ]
    if impacts:
        found["threats"] = [
            {"category": "impact", "details": text, "product_ids": sorted(set(products))}
            for text, products in sorted(impacts.items())
        ]
    if actions:
        found["remediations"] = [
            {"category": category, "details": text, "product_ids": sorted(set(products))}
            for (category, text), products in sorted(actions.items())
        ]
    return found


def _category(claim: Claim) -> str:
    if claim.action.lower().startswith("upgrade"):
        return "vendor_fix"
    return "no_fix_planned" if claim.action.startswith("Accepted") else "none_available"


def _system(name: str) -> str:
    known = {"GHSA": "GitHub Security Advisory", "GO": "Go vulnerability database"}
    return known.get(name.partition("-")[0], "OSV")
