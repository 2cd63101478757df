"""CycloneDX as VEX: ``vulnerabilities`` with an ``analysis``.

What a vulnerability affects is named by the id of a component of the same document, by a BOM-Link
to another document's, or by a package URL outright. A component of the document is part of the
product that the document describes.

https://cyclonedx.org/capabilities/vex/ · BOM-Link: https://cyclonedx.org/capabilities/bomlink/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from haechi.engines.bom import Document
from haechi.engines.bom.plain import mappings, text, texts
from haechi.gate.vex.times import time_of
from haechi.model.location import Location
from haechi.model.vex import Identity, Justification, Product, Statement, VexStatus

_LINK = "urn:cdx:"
_STATES = {
    "resolved": VexStatus.FIXED,
    "resolved_with_pedigree": VexStatus.FIXED,
    "exploitable": VexStatus.AFFECTED,
    "in_triage": VexStatus.UNDER_INVESTIGATION,
    "false_positive": VexStatus.NOT_AFFECTED,
    "not_affected": VexStatus.NOT_AFFECTED,
}
JUSTIFICATIONS: Mapping[str, Justification] = {
    "code_not_present": Justification.VULNERABLE_CODE_NOT_PRESENT,
    "code_not_reachable": Justification.VULNERABLE_CODE_NOT_IN_EXECUTE_PATH,
    "requires_configuration": Justification.VULNERABLE_CODE_CANNOT_BE_CONTROLLED_BY_ADVERSARY,
    "requires_dependency": Justification.COMPONENT_NOT_PRESENT,
    "requires_environment": Justification.VULNERABLE_CODE_CANNOT_BE_CONTROLLED_BY_ADVERSARY,
    "protected_by_compiler": Justification.INLINE_MITIGATIONS_ALREADY_EXIST,
    "protected_at_runtime": Justification.INLINE_MITIGATIONS_ALREADY_EXIST,
    "protected_at_perimeter": Justification.INLINE_MITIGATIONS_ALREADY_EXIST,
    "protected_by_mitigating_control": Justification.INLINE_MITIGATIONS_ALREADY_EXIST,
}
"""CycloneDX's words in those of the two others."""
_UNAFFECTED, _UNKNOWN = "unaffected", "unknown"


def statements(
    document: Document, path: str, links: Mapping[str, str]
) -> tuple[list[Statement], list[str]]:
    """The statements and what of them makes no sense, in sentences. A vulnerability without an
    analysis is no statement."""
    about = document.data.get("metadata")
    about = about if isinstance(about, dict) else {}
    products = _Products(document.data, about, links)
    author = _author(about)
    found: list[Statement] = []
    faults: list[str] = []
    for index, each in enumerate(mappings(document.data.get("vulnerabilities"))):
        analysis = each.get("analysis")
        state = text(analysis.get("state")) if isinstance(analysis, dict) else ""
        if not isinstance(analysis, dict) or not state:
            continue
        line, column = document.places.entry(index)
        location = Location(path=path, line=line, column=column, end_line=line)
        names = tuple(
            dict.fromkeys(
                name
                for name in (
                    text(each.get("id")),
                    *(text(r.get("id")) for r in mappings(each.get("references"))),
                )
                if name
            )
        )
        if state not in _STATES or not names:
            what = f"state {state[:40]!r} is none of CycloneDX's" if names else "no vulnerability"
            faults.append(f"{location}: {what}: not applied")
            continue
        meant = products.of(each.get("affects"), _STATES[state], location, faults)
        if not meant:
            faults.append(f"{location}: {names[0]} affects nothing that is named: not applied")
            continue
        time = next(
            (
                told
                for value in (
                    analysis.get("lastUpdated"),
                    analysis.get("firstIssued"),
                    each.get("updated"),
                    about.get("timestamp"),
                )
                if (told := time_of(value))
            ),
            None,
        )
        found.append(
            Statement(
                vulnerabilities=names,
                products=meant,
                status=_STATES[state],
                said=f"cyclonedx:{state}",
                justification=_justification(text(analysis.get("justification"))),
                impact=text(analysis.get("detail")),
                action=text(each.get("recommendation"))
                or ", ".join(texts(analysis.get("response"))),
                author=author,
                time=time,
                location=location,
            )
        )
    return found, faults


def links_of(document: Document) -> dict[str, str]:
    """BOM-Link → package URL of every component of an SBOM, for VEX documents that stand apart."""
    serial = text(document.data.get("serialNumber")).removeprefix("urn:uuid:")
    if not serial:
        return {}
    return {
        f"{_LINK}{serial}/{document.data.get('version') or 1}#{ref}": purl
        for ref, purl, _ in _components(document.data)
        if ref and purl
    }


def _author(about: dict[str, Any]) -> str:
    """Who speaks: the authors, the supplier, the manufacturer."""
    people = [text(each.get("name")) for each in mappings(about.get("authors"))]
    for key in ("supplier", "manufacturer", "manufacture"):
        value = about.get(key)
        people += [text(value.get("name"))] if isinstance(value, dict) else []
    return ", ".join(each for each in people if each)


def _justification(word: str) -> str:
    known = JUSTIFICATIONS.get(word)
    return known.value if known else word


def _components(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(bom-ref, package URL, package URL of the next component around it) of each component."""
    pending = [(each, "") for each in mappings(document.get("components"))]
    while pending:
        entry, outer = pending.pop()
        purl = text(entry.get("purl"))
        yield text(entry.get("bom-ref")), purl, outer
        pending += [(each, purl or outer) for each in mappings(entry.get("components"))]


class _Products:
    """What references mean, as products."""

    def __init__(
        self, document: dict[str, Any], about: dict[str, Any], links: Mapping[str, str]
    ) -> None:
        root = about.get("component")
        root = root if isinstance(root, dict) else {}
        self._root = text(root.get("purl")) or _named(root)
        self._root_ref = text(root.get("bom-ref"))
        self._purls: dict[str, tuple[str, str]] = {}
        for ref, purl, outer in _components({"components": [*mappings(root.get("components"))]}):
            self._purls.setdefault(ref, (purl, outer))
        for ref, purl, outer in _components(document):
            self._purls.setdefault(ref, (purl, outer))
        self._links = links

    def of(
        self, affects: Any, status: VexStatus, location: Location, faults: list[str]
    ) -> tuple[Product, ...]:
        found = []
        for target in mappings(affects):
            ref = text(target.get("ref"))
            made = self._product(ref)
            if made is None:
                faults.append(f"{location}: nothing is known of {ref[:120]!r}, which it affects")
                continue
            found += _versioned(made, mappings(target.get("versions")), status)
        return tuple(found)

    def _product(self, ref: str) -> Product | None:
        if ref and ref == self._root_ref:
            return Product((Identity(self._root),)) if self._root else None
        if ref in self._purls:
            purl, outer = self._purls[ref]
            whole = outer or self._root
            if not purl:
                return None
            part = (Identity(purl),)
            return Product((Identity(whole),), (part,)) if whole else Product(part)
        if ref.startswith(_LINK):
            known = self._links.get(ref) or self._links.get(unquote(ref))
            if not known:
                bom, _, purl = unquote(ref).partition("#")
                part = (Identity(purl),)
                wholes = tuple(Identity(name) for name in (self._root, bom) if name)
                return Product(wholes, (part,)) if purl.startswith("pkg:") else None
            ref = known
        return Product((Identity(ref),)) if ref.startswith("pkg:") else None


def _named(root: dict[str, Any]) -> str:
    """What a document describes, where it gives it no package URL: a statement about its parts
    must not become one about those of everything else."""
    if not root:
        return ""
    name, version = text(root.get("name")) or "unnamed", text(root.get("version"))
    group = text(root.get("group"))
    whole = quote(f"{group}/{name}" if group else name, safe="")
    return f"pkg:generic/{whole}" + (f"@{quote(version, safe=':')}" if version else "")


def _versioned(
    product: Product, versions: list[dict[str, Any]], status: VexStatus
) -> list[Product]:
    """Narrowed to the versions that are listed as affected; one that is listed as unaffected
    needs no statement, and of one that is listed as unknown nothing good is said."""
    passed = {_UNAFFECTED, _UNKNOWN} if status.suppresses else {_UNAFFECTED}
    meant = [each for each in versions if text(each.get("status")) not in passed]
    if not versions:
        return [product]
    return [narrowed for each in meant if (narrowed := _narrowed(product, each)) is not None]


def _narrowed(product: Product, entry: dict[str, Any]) -> Product | None:
    version, span = text(entry.get("version")), text(entry.get("range"))
    if not version and not span:
        return None
    span = span or f"vers:/{version}"
    if product.parts:
        parts = tuple(tuple(Identity(i.name, span) for i in part) for part in product.parts)
        return Product(product.names, parts)
    return Product(tuple(Identity(i.name, span) for i in product.names))
