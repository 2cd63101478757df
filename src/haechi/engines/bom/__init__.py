"""Bills of materials and VEX documents, whatever they are wrapped in, as plain JSON values.

One function recognises CycloneDX (JSON, XML), SPDX 2 (JSON, tag-value), OpenVEX and CSAF, takes
them out of in-toto statements and DSSE envelopes (whose signature nobody checks here: whoever
names the file vouches for it), and keeps where package URLs and statements stand in the text.
Readers of packages and of VEX share it, so a document means one thing to both.

The documents are hostile: size, number of values and depth are limited before anything is built.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Any

import msgspec

from haechi.engines.bom.places import Places, places_in
from haechi.errors import InputError, LimitExceeded

MAX_SIZE = 100 * 1024 * 1024
MAX_VALUES = 4_000_000
MAX_DEPTH = 200
_WRAPPERS = 4
_LIST_OF = {"cyclonedx": "vulnerabilities", "openvex": "statements", "csaf": "vulnerabilities"}


class Kind(StrEnum):
    """The formats that are read."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"
    OPENVEX = "openvex"
    CSAF = "csaf"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One document. ``data`` has the shape of the format's JSON form, also where it was written
    in XML or in tags; nothing about it is checked but that it is a mapping."""

    kind: Kind
    data: dict[str, Any]
    places: Places


def read_document(data: bytes, name: str = "") -> Document:
    """Decode and recognise. Raises InputError for what is none of the formats, LimitExceeded for
    what is too large or too deep."""
    if len(data) > MAX_SIZE:
        raise LimitExceeded(f"more than {MAX_SIZE:,} bytes", where=name)
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    start = data[:512].lstrip()
    if start.startswith(b"<"):
        from haechi.engines.bom.xml import read_xml

        found, places = read_xml(data, name)
        return Document(kind=Kind.CYCLONEDX, data=found, places=places)
    if not start.startswith((b"{", b"[")):
        from haechi.engines.bom.tags import is_tagged, read_tags

        if not is_tagged(data):
            raise InputError(
                "neither CycloneDX, SPDX 2, OpenVEX nor CSAF",
                do="give JSON, CycloneDX XML or SPDX tag-value",
                where=name,
            )
        found, places = read_tags(data, name)
        return Document(kind=Kind.SPDX, data=found, places=places)
    return _json(data, name)


def _json(text: bytes, name: str) -> Document:
    value: Any = _decoded(text, name)
    for _ in range(_WRAPPERS):
        if not isinstance(value, dict):
            break
        kind = _kind(value, name)
        if kind is not None:
            return Document(
                kind=kind, data=value, places=places_in(text, _LIST_OF.get(kind.value, ""))
            )
        if isinstance(value.get("payload"), str) and "payloadType" in value:
            text = _payload(value["payload"], name)
            value = _decoded(text, name)
            continue
        value = _inner(value)
    raise InputError(
        "JSON, but neither CycloneDX, SPDX 2, OpenVEX nor CSAF",
        do="name an SBOM or a VEX document",
        where=name,
    )


def _kind(value: dict[str, Any], name: str) -> Kind | None:
    """What a mapping says it is. SPDX 3 is recognised to be refused in words."""
    if value.get("bomFormat") == "CycloneDX":
        return Kind.CYCLONEDX
    if isinstance(version := value.get("spdxVersion"), str) and version.startswith("SPDX-"):
        return Kind.SPDX
    context = value.get("@context")
    if isinstance(context, list):
        context = next((each for each in context if isinstance(each, str)), "")
    if isinstance(context, str) and context:
        if "openvex" in context:
            return Kind.OPENVEX
        if "spdx.org/rdf/3" in context:
            raise InputError(
                "SPDX 3 is not read", do="write the SBOM as SPDX 2.3 or CycloneDX", where=name
            )
    about = value.get("document")
    return Kind.CSAF if isinstance(about, dict) and "csaf_version" in about else None


def _inner(value: dict[str, Any]) -> Any:
    """What an in-toto statement, GitHub's export or cosign's custom predicate holds."""
    for key in ("predicate", "sbom", "Data"):
        if isinstance(value.get(key), dict):
            return value[key]
    return None


def _payload(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the envelope's payload is not base64", where=name) from error


def _decoded(data: bytes, name: str) -> Any:
    """JSON with a bound on what it can grow to: every value but the first of a list or mapping
    follows a comma, and every nested one opens a bracket."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("UTF-16", do="save it as UTF-8", where=name)
    if data.count(b",") + data.count(b"{") + data.count(b"[") > MAX_VALUES:
        raise LimitExceeded(f"more than {MAX_VALUES:,} values", where=name)
    try:
        return msgspec.json.decode(data)
    except RecursionError as error:
        raise LimitExceeded("nested too deeply", where=name) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not JSON: {error}", where=name) from error
