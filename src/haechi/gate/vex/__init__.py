"""VEX documents in: what vendors and maintainers say of vulnerabilities in their products.

OpenVEX 0.2 (and the forms before it), CycloneDX and CSAF 2.0 become ``Statement``s; ``judge``
says which of them hold for which findings. Only documents that were named count
(``--vex``, ``deps.vex``, a named SBOM's own): one that merely lies in a scanned repository could
hide anything in silence.

A not_affected without a reason is no valid statement in any of the three (OpenVEX 0.2, "status
justification"; CSAF 2.0, 6.1.33 ff.): it is told and not applied.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from haechi.engines.bom import Document, Kind, read_document
from haechi.errors import InputError
from haechi.model.vex import Statement, VexStatus

_NEEDS_NO_REASON = frozenset({"cyclonedx:false_positive"})


class VexFile(msgspec.Struct, frozen=True, kw_only=True):
    """One document: what it states, and sentences about what of it does not count.

    ``within`` is the path of the SBOM that it is part of: it speaks of nothing else then.
    """

    path: str
    format: str
    statements: tuple[Statement, ...] = ()
    faults: tuple[str, ...] = ()
    within: str = ""


def read_vex(data: bytes, path: str, *, links: Mapping[str, str] | None = None) -> VexFile:
    """Read a document that was named as VEX. ``links`` leads from BOM-Links to package URLs, for
    those that speak of another document's components (``links_of``).

    Raises InputError when it is none or says nothing, LimitExceeded when it is too large.
    """
    found = _read(read_document(data, path), path, links or {})
    if not found.statements and not found.faults:
        raise InputError("no VEX statements in it", do="name a VEX document", where=path)
    return found


def embedded_vex(data: bytes, path: str) -> VexFile | None:
    """What an SBOM itself says of vulnerabilities, for its own packages; None for most."""
    return vex_of(read_document(data, path), path)


def vex_of(document: Document, path: str) -> VexFile | None:
    """The same of a document that was read."""
    if document.kind is not Kind.CYCLONEDX or not document.data.get("vulnerabilities"):
        return None
    found = _read(document, path, {})
    if not found.statements and not found.faults:
        return None
    return msgspec.structs.replace(found, within=path)


def _read(document: Document, path: str, links: Mapping[str, str]) -> VexFile:
    match document.kind:
        case Kind.OPENVEX:
            from haechi.gate.vex.openvex import statements

            found, faults = statements(document, path)
        case Kind.CSAF:
            from haechi.gate.vex.csaf import statements

            found, faults = statements(document, path)
        case Kind.CYCLONEDX:
            from haechi.gate.vex.cyclonedx import statements as of_bom

            found, faults = of_bom(document, path, links)
        case _:
            raise InputError(f"{document.kind} has no VEX statements", where=path)
    valid = [each for each in found if _is_explained(each)]
    faults += [
        f"{each.location}: {each.vulnerabilities[0]} is not_affected without a justification "
        "or an impact statement: not applied"
        for each in found
        if not _is_explained(each)
    ]
    return VexFile(
        path=path, format=document.kind.value, statements=tuple(valid), faults=tuple(faults)
    )


def _is_explained(statement: Statement) -> bool:
    if statement.status is not VexStatus.NOT_AFFECTED or statement.said in _NEEDS_NO_REASON:
        return True
    return bool(statement.justification or statement.impact)
