"""Suppressions in other tools' files: ``.trivyignore`` and ``.hadolint.yaml``.

They hold for the folder that they stand in and everything beneath it.
"""

from __future__ import annotations

import datetime as dt
import posixpath
from collections.abc import Iterator
from itertools import islice

from haechi.engines.documents import Document, parse_documents
from haechi.engines.values import Limits
from haechi.errors import InputError
from haechi.model.location import Location
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.scan.suppressions.index import HADOLINT, TRIVY, Index
from haechi.scan.suppressions.inline import MAX_WAIVERS, expiry, reason_text

NAMES = (".trivyignore", ".hadolint.yaml", ".hadolint.yml")
_LIMITS = Limits(size=1024 * 1024, documents=10, values=20_000, depth=20)


def from_peer_file(name: str, text: str, index: Index) -> list[Waiver]:
    """Waivers in a peer's file; ``name`` is its path from the root. Other files hold none."""
    match posixpath.basename(name):
        case ".trivyignore":
            found = _trivyignore(name, text, index)
        case ".hadolint.yaml" | ".hadolint.yml":
            found = _hadolint(name, text, index)
        case _:
            return []
    return list(islice(found, MAX_WAIVERS))


def _waiver(
    rule: str,
    name: str,
    line: int,
    source: str,
    *,
    reason: str = "",
    expires: dt.date | None = None,
) -> Waiver:
    folder = posixpath.dirname(name)
    return Waiver(
        rule=rule,
        origin=WaiverOrigin.PEER,
        location=Location(path=name, line=line, end_line=line),
        path=f"{folder}/**" if folder else None,
        reason=reason_text(reason),
        expires=expires,
        source=source,
    )


def _trivyignore(name: str, text: str, index: Index) -> Iterator[Waiver]:
    """An id a line, ``exp:`` with a date, comments; a comment right above gives the reason."""
    above = ""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        code, _, comment = line.partition("#")
        words = code.split()
        if not words:
            above = comment.strip()
            continue
        dates = [word.removeprefix("exp:") for word in words[1:] if word.startswith("exp:")]
        expires = expiry(dates[0] if dates else None)
        if isinstance(expires, bool):
            continue
        reason = comment.strip() or above
        for rule in index.rules(TRIVY, words[0]):
            source = f".trivyignore: {words[0]}"
            yield _waiver(rule, name, number, source, reason=reason, expires=expires)


def _hadolint(name: str, text: str, index: Index) -> Iterator[Waiver]:
    try:
        documents = list(parse_documents(text.encode("utf-8", "surrogatepass"), limits=_LIMITS))
    except InputError:
        return
    for document in documents:
        if not isinstance(document, Document) or not isinstance(document.data, dict):
            continue
        ignored = document.data.get("ignored")
        for at, check in enumerate(ignored if isinstance(ignored, list) else ()):
            if not isinstance(check, str):
                continue
            for rule in index.rules(HADOLINT, check):
                line = document.locate(("ignored", at))[0]
                yield _waiver(rule, name, line, f".hadolint.yaml: {check}")
