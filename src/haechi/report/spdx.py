"""SPDX 2.3 in JSON (ISO/IEC 5962 in its 2.3 form): packages, relationships, checksums.

The project is described; the files with packages hang on it, and packages on those. What the
format has no word for stands in annotations (``haechi:direct=true``), from which our own reader
takes it back; what the document does not hold is annotated on the document.

https://spdx.github.io/spdx-spec/v2.3/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from haechi.errors import UsageError
from haechi.report.cyclonedx import properties
from haechi.report.json import to_text
from haechi.report.sbom_bill import Bill, Part, Project
from haechi.report.sbom_frame import TOOL, Origin, id_of

SPECS = ("2.3",)
DOCUMENT = "SPDXRef-DOCUMENT"
ROOT = "SPDXRef-DocumentRoot"
_NOTHING = "NOASSERTION"
_ALGORITHMS = {
    "md5": "MD5",
    "sha1": "SHA1",
    "sha256": "SHA256",
    "sha384": "SHA384",
    "sha512": "SHA512",
    "blake3": "BLAKE3",
}
_REST = re.compile(r"[^A-Za-z0-9.]+")
_LISTED = 200


def render(bill: Bill, origin: Origin, *, spec: str = "2.3") -> str:
    """The document as indented JSON. Raises UsageError for a version that is not written."""
    if spec not in SPECS:
        raise UsageError(f"SPDX {spec} is not written", do=f"use one of: {', '.join(SPECS)}")
    ids = {part.ref: _id("Package", part.ref) for part in bill.parts}
    ids |= {project.ref: _id("Application", project.ref) for project in bill.projects}
    parts = {part.ref: part for part in bill.parts}
    packages = [
        _root(bill),
        *(_project(project, ids) for project in bill.projects),
        *(_package(part, ids, origin) for part in bill.parts),
    ]
    relationships = list(_relationships(bill, ids, parts))
    content = [bill.name, bill.version, packages, relationships, list(bill.missing)]
    timeless = to_text(content).replace(origin.timestamp, "")
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": bill.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{_slug(bill.name)}-{id_of(timeless)}",
        "creationInfo": {
            "created": origin.timestamp,
            "creators": list(_creators(origin)),
        },
    }
    if bill.missing:
        document["comment"] = "This document does not hold everything; see its annotations."
        document["annotations"] = [
            _annotation(f"haechi:incomplete={text}", origin) for text in _told(bill)
        ]
    document["packages"] = packages
    document["relationships"] = relationships
    return to_text(document)


def _creators(origin: Origin) -> Iterator[str]:
    if origin.author:
        kind = "Person" if "@" in origin.author else "Organization"
        yield f"{kind}: {origin.author}"
    yield f"Tool: {TOOL}-{origin.version}"


def _told(bill: Bill) -> list[str]:
    more = len(bill.missing) - _LISTED
    return [*bill.missing[:_LISTED], *([f"{more:,} further reasons"] if more > 0 else [])]


def _id(kind: str, ref: str) -> str:
    digest = hashlib.sha256(ref.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"SPDXRef-{kind}-{_slug(ref)[:100]}-{digest}"


def _slug(text: str) -> str:
    return _REST.sub("-", text.removeprefix("pkg:").removeprefix("file:")).strip("-") or "unnamed"


def _annotation(text: str, origin: Origin) -> dict[str, Any]:
    return {
        "annotationDate": origin.timestamp,
        "annotationType": "OTHER",
        "annotator": f"Tool: {TOOL}-{origin.version}",
        "comment": text,
    }


def _root(bill: Bill) -> dict[str, Any]:
    return _entry(ROOT, bill.name, bill.version, "APPLICATION", bill.purl)


def _project(project: Project, ids: dict[str, str]) -> dict[str, Any]:
    entry = _entry(ids[project.ref], project.name, project.version, "APPLICATION", "")
    return {**entry, "sourceInfo": f"{project.path} ({project.format})"}


def _entry(id_: str, name: str, version: str, purpose: str, purl: str) -> dict[str, Any]:
    found: dict[str, Any] = {"SPDXID": id_, "name": name}
    if version:
        found["versionInfo"] = version
    found |= {
        "supplier": _NOTHING,
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _NOTHING,
        "copyrightText": _NOTHING,
        "primaryPackagePurpose": purpose,
    }
    if purl:
        found["externalRefs"] = [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }
        ]
    return found


def _package(part: Part, ids: dict[str, str], origin: Origin) -> dict[str, Any]:
    package = part.package
    found = _entry(ids[part.ref], package.name, package.version, "LIBRARY", part.purl)
    if part.listed and "Ref-" not in part.licence:  # a reference needs a text in the document
        found["licenseDeclared"] = part.licence
    elif part.licence:
        found["licenseComments"] = f"Declared as: {part.licence[:500]}"
    if part.digests:
        found["checksums"] = [
            {"algorithm": _ALGORITHMS[name], "checksumValue": value} for name, value in part.digests
        ]
    found["sourceInfo"] = ", ".join(str(place) for place in part.places[:_LISTED])
    told = list(properties(part))
    if part.licence and found["licenseDeclared"] == _NOTHING:
        told.append(("licence", part.licence[:500]))
    found["annotations"] = [_annotation(f"haechi:{key}={value}", origin) for key, value in told]
    return found


def _relationships(
    bill: Bill, ids: dict[str, str], parts: dict[str, Part]
) -> Iterator[dict[str, str]]:
    yield _relation(DOCUMENT, "DESCRIBES", ROOT)
    for project in bill.projects:
        yield _relation(ROOT, "DEPENDS_ON", ids[project.ref])
    edges = [(project.ref, project.needs) for project in bill.projects]
    edges += [(part.ref, part.needs) for part in bill.parts]
    for source, needs in edges:
        for ref in needs:
            yield _edge(ids[source], ids[ref], parts[ref])


def _edge(source: str, target: str, part: Part) -> dict[str, str]:
    if part.development:
        return _relation(target, "DEV_DEPENDENCY_OF", source)
    if part.optional:
        return _relation(target, "OPTIONAL_DEPENDENCY_OF", source)
    return _relation(source, "DEPENDS_ON", target)


def _relation(source: str, kind: str, target: str) -> dict[str, str]:
    return {
        "spdxElementId": source,
        "relationshipType": kind,
        "relatedSpdxElement": target,
    }
