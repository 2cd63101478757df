"""SPDX 2 in tag-value form, as the values that its JSON form has.

Specification: SPDX 2.3, section 4.4 and the tags of its fields. Only what says something of
packages and of how they hang together is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from haechi.engines.bom.places import Place, Places
from haechi.errors import LimitExceeded

MAX_LINES = 4_000_000
_TAG = re.compile(r"([A-Za-z][A-Za-z-]*):[ \t]*(.*)\Z", re.DOTALL)
_TEXT = "<text>"
_TEXT_END = "</text>"
_PACKAGE = {
    "SPDXID": "SPDXID",
    "PackageVersion": "versionInfo",
    "PackageDownloadLocation": "downloadLocation",
    "PackageLicenseDeclared": "licenseDeclared",
    "PackageLicenseConcluded": "licenseConcluded",
    "PackageComment": "comment",
    "PackageSourceInfo": "sourceInfo",
    "PrimaryPackagePurpose": "primaryPackagePurpose",
}
_OTHERS = frozenset({"FileName", "SnippetSPDXID", "LicenseID"})
_ID = "SPDXID"


def is_tagged(data: bytes) -> bool:
    """True when a text begins as SPDX's tag-value form does."""
    return re.search(rb"(?m)^SPDXVersion:", data[:65_536]) is not None


def read_tags(data: bytes, name: str = "") -> tuple[dict[str, Any], Places]:
    """The document and where its package URLs stand. Lines that say nothing known are passed
    over, as the JSON form's unknown keys are. Raises LimitExceeded."""
    if data.count(b"\n") > MAX_LINES:
        raise LimitExceeded(f"more than {MAX_LINES:,} lines", where=name)
    document: dict[str, Any] = {"packages": [], "relationships": []}
    purls: dict[str, Place] = {}
    package: dict[str, Any] | None = None
    elsewhere = False
    for tag, value, line in _pairs(data.decode("utf-8", "replace")):
        if tag == "PackageName":
            package = {"name": value, "externalRefs": [], "checksums": []}
            document["packages"].append(package)
            elsewhere = False
        elif tag in _OTHERS:
            elsewhere = True
        elif tag == "Relationship":
            _relate(value, document)
        elif package is None:
            if tag in ("SPDXVersion", "DocumentName", _ID, "DocumentComment", "DocumentNamespace"):
                document[_document_key(tag)] = value
        elif not elsewhere:
            _describe(package, tag, value, line, purls)
    return document, Places(purls)


def _document_key(tag: str) -> str:
    names = {"SPDXVersion": "spdxVersion", "DocumentName": "name", "DocumentComment": "comment"}
    return names.get(tag, "documentNamespace" if tag == "DocumentNamespace" else _ID)


def _relate(value: str, document: dict[str, Any]) -> None:
    parts = value.split()
    if len(parts) == 3:
        document["relationships"].append(
            {
                "spdxElementId": parts[0],
                "relationshipType": parts[1],
                "relatedSpdxElement": parts[2],
            }
        )


def _describe(
    package: dict[str, Any], tag: str, value: str, line: int, purls: dict[str, Place]
) -> None:
    if tag in _PACKAGE:
        package.setdefault(_PACKAGE[tag], value)
    elif tag == "ExternalRef":
        parts = value.split(None, 2)
        if len(parts) == 3:
            category, kind, locator = parts
            package["externalRefs"].append(
                {
                    "referenceCategory": category,
                    "referenceType": kind,
                    "referenceLocator": locator,
                }
            )
            if locator.startswith("pkg:"):
                purls.setdefault(locator, (line, 1))
    elif tag == "PackageChecksum":
        algorithm, _, digest = value.partition(":")
        package["checksums"].append(
            {"algorithm": algorithm.strip(), "checksumValue": digest.strip()}
        )


def _pairs(text: str) -> Iterator[tuple[str, str, int]]:
    """Tag, value and line; a value within ``<text>`` may run over several lines."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        found = _TAG.match(line.strip())
        if found is None:
            continue
        tag, value = found[1], found[2].strip()
        if value.startswith(_TEXT):
            pieces = [value.removeprefix(_TEXT)]
            while _TEXT_END not in pieces[-1]:
                following = next(lines, None)
                if following is None:
                    break
                pieces.append(following[1])
            value = "\n".join(pieces).partition(_TEXT_END)[0]
        yield tag, value, number
