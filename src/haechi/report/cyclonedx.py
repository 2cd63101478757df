"""CycloneDX 1.6 and 1.7 in JSON (ECMA-424): components, edges, places, what is not known.

Every file with packages is a component of type ``application`` between the project and its
packages, so that it stays visible which lock file asks for what. What the format has no word for
goes into properties named ``haechi:…``, and our own reader takes it back from there.

https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.engines.licences import is_single
from haechi.errors import UsageError
from haechi.report.json import to_text
from haechi.report.sbom_bill import ROOT, Bill, Part, Project
from haechi.report.sbom_frame import TOOL, Origin, id_of

SPECS = ("1.6", "1.7")
_ALGORITHMS = {
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
    "blake3": "BLAKE3",
}
_LISTED = 200
_ECOSYSTEM_SEPARATORS = {"Maven": ":", "npm": "/", "Packagist": "/"}


def render(
    bill: Bill,
    origin: Origin,
    *,
    spec: str = "1.6",
    vulnerabilities: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The document as indented JSON. ``vulnerabilities`` are entries as the format has them.

    Raises UsageError for a version that is not written.
    """
    if spec not in SPECS:
        raise UsageError(f"CycloneDX {spec} is not written", do=f"use one of: {', '.join(SPECS)}")
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{spec}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": spec,
        "version": 1,
        "metadata": _metadata(bill, origin),
        "components": [*map(_project, bill.projects), *map(_component, bill.parts)],
        "dependencies": list(_dependencies(bill)),
        "compositions": list(_compositions(bill)),
    }
    if vulnerabilities:
        document["vulnerabilities"] = list(vulnerabilities)
    return finished(document, origin, annotations=bill.missing)


def finished(document: dict[str, Any], origin: Origin, *, annotations: Sequence[str] = ()) -> str:
    """The document with its serial number, the time and what was noted about it."""
    serial = id_of([document, list(annotations)])
    metadata = {"timestamp": origin.timestamp, **document["metadata"]}
    whole = {
        "$schema": document["$schema"],
        "bomFormat": "CycloneDX",
        "specVersion": document["specVersion"],
        "serialNumber": f"urn:uuid:{serial}",
        **document,
        "metadata": metadata,
    }
    if annotations:
        whole["annotations"] = list(_annotations(annotations, origin))
    return to_text(whole)


def about(name: str, version: str, purl: str) -> dict[str, Any]:
    """The component that a document describes."""
    found = {"type": "application", "bom-ref": ROOT, "name": name}
    if version:
        found["version"] = version
    if purl:
        found["purl"] = purl
    return found


def tools(origin: Origin) -> dict[str, Any]:
    """Who made the document."""
    told: dict[str, Any] = {
        "tools": {"components": [{"type": "application", "name": TOOL, "version": origin.version}]}
    }
    if origin.author:
        told["authors"] = [{"name": origin.author}]
    return told


def _metadata(bill: Bill, origin: Origin) -> dict[str, Any]:
    return {
        "lifecycles": [{"phase": "pre-build"}],
        **tools(origin),
        "component": about(bill.name, bill.version, bill.purl),
    }


def _project(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "application", "bom-ref": project.ref, "name": project.name}
    if project.version:
        found["version"] = project.version
    return {
        **found,
        "properties": [
            {"name": "haechi:file", "value": project.path},
            {"name": "haechi:format", "value": project.format},
        ],
    }


def _component(part: Part) -> dict[str, Any]:
    package = part.package
    group, name = _group(part)
    found: dict[str, Any] = {"type": "library", "bom-ref": part.ref}
    if group:
        found["group"] = group
    found["name"] = name
    if package.version:
        found["version"] = package.version
    found["scope"] = _scope(part)
    if part.digests:
        found["hashes"] = [{"alg": _ALGORITHMS[a], "content": value} for a, value in part.digests]
    if part.licence:
        found["licenses"] = [_licence(part)]
    if part.purl:
        found["purl"] = part.purl
    found["properties"] = [
        {"name": f"haechi:{key}", "value": value} for key, value in properties(part)
    ]
    found["evidence"] = {
        "occurrences": [{"location": place.path, "line": place.line} for place in part.places]
    }
    return found


def _group(part: Part) -> tuple[str, str]:
    """npm's scope, Maven's group, Composer's vendor."""
    package = part.package
    separator = _ECOSYSTEM_SEPARATORS.get(package.ecosystem, "") if part.purl else ""
    if not separator or separator not in package.name:
        return "", package.name
    group, _, name = package.name.partition(separator)
    return (group, name) if group and name else ("", package.name)


def _scope(part: Part) -> str:
    if part.development:
        return "excluded"
    return "optional" if part.optional else "required"


def _licence(part: Part) -> dict[str, Any]:
    if not part.listed:
        return {"license": {"name": part.licence[:500]}}
    if is_single(part.licence):
        return {"license": {"id": part.licence}}
    return {"expression": part.licence}


def properties(part: Part) -> Iterator[tuple[str, str]]:
    """What neither format has a word for, under names of ours."""
    package = part.package
    if part.direct is not None:
        yield "direct", "true" if part.direct else "false"
    yield "development", "true" if part.development else "false"
    if part.optional:
        yield "optional", "true"
    yield "source", package.source.value
    if package.url:
        yield "source-url", package.url
    if package.constraint:
        yield "constraint", package.constraint
    if not part.purl:
        yield "ecosystem", package.ecosystem
    if package.install_script:
        yield "install-script", "true"
    if package.yanked:
        yield "yanked", package.yanked
    if part.others:
        yield "digest", " ".join(part.others)


def _dependencies(bill: Bill) -> Iterator[dict[str, Any]]:
    yield {"ref": ROOT, "dependsOn": [project.ref for project in bill.projects]}
    for project in bill.projects:
        yield {"ref": project.ref, "dependsOn": list(project.needs)}
    for part in bill.parts:
        yield {"ref": part.ref, "dependsOn": list(part.needs)}


def _compositions(bill: Bill) -> Iterator[dict[str, Any]]:
    whole = "incomplete" if bill.missing else "complete"
    yield {"aggregate": whole, "assemblies": [ROOT]}
    for aggregate, graph in ((whole, True), ("unknown", False)):
        refs = [project.ref for project in bill.projects if project.graph is graph]
        if refs:
            yield {"aggregate": aggregate, "dependencies": refs}


def _annotations(texts: Sequence[str], origin: Origin) -> Iterator[dict[str, Any]]:
    told = list(texts[:_LISTED])
    if len(texts) > _LISTED:
        told.append(f"{len(texts) - _LISTED:,} further reasons")
    for text in told:
        yield {
            "subjects": [ROOT],
            "annotator": {
                "component": {"type": "application", "name": TOOL, "version": origin.version}
            },
            "timestamp": origin.timestamp,
            "text": f"not complete: {text}",
        }
