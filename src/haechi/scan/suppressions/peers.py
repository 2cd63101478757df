"""Suppressions in other tools' files: ``.trivyignore``, ``.hadolint.yaml``, ``zizmor.yml``.

They hold for the folder that they stand in and everything beneath it; zizmor's, which stands in
``.github`` or beside it, names workflows.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
from collections.abc import Iterator
from itertools import islice

from haechi.engines.documents import Document, parse_documents
from haechi.engines.values import Limits
from haechi.errors import InputError
from haechi.model.location import AttrPath, Location
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.scan.suppressions.index import HADOLINT, TRIVY, ZIZMOR, Index
from haechi.scan.suppressions.inline import MAX_WAIVERS, expiry, reason_text

PEER_FILES = frozenset(
    {".trivyignore", ".hadolint.yaml", ".hadolint.yml", "zizmor.yml", "zizmor.yaml"}
)
_ENTRY = re.compile(r"([\w][\w. -]{0,200}\.ya?ml)(?::([1-9]\d{0,8})(?::\d+)?)?\Z")
_LIMITS = Limits(size=1024 * 1024, documents=10, values=20_000, depth=20)


def from_peer_file(name: str, text: str, index: Index) -> list[Waiver]:
    """Waivers in a peer's file; ``name`` is its path from the root. Other files hold none."""
    match posixpath.basename(name):
        case ".trivyignore":
            found = _trivyignore(name, text, index)
        case ".hadolint.yaml" | ".hadolint.yml":
            found = _hadolint(name, text, index)
        case "zizmor.yml" | "zizmor.yaml":
            found = _zizmor(name, text, index)
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


def _tables(text: str) -> Iterator[Document]:
    """The documents of a YAML file that are mappings; others say nothing."""
    try:
        documents = list(parse_documents(text.encode("utf-8", "surrogatepass"), limits=_LIMITS))
    except InputError:
        return
    for document in documents:
        if isinstance(document, Document) and isinstance(document.data, dict):
            yield document


def _zizmor(name: str, text: str, index: Index) -> Iterator[Waiver]:
    """``rules: {audit: {disable: true, ignore: [ci.yml, ci.yml:12, ci.yml:12:5]}}``."""
    folder = posixpath.dirname(name)
    root = posixpath.dirname(folder) if posixpath.basename(folder) == ".github" else folder
    for document in _tables(text):
        rules = document.data.get("rules")
        for audit, settings in rules.items() if isinstance(rules, dict) else ():
            if not isinstance(settings, dict):
                continue
            at: AttrPath = ("rules", audit)
            if settings.get("disable") is True:
                line = document.locate((*at, "disable"))[0]
                yield from _of_audit(index, audit, name, line, posixpath.join(root, ".github/**"))
            ignored = settings.get("ignore")
            for number, entry in enumerate(ignored if isinstance(ignored, list) else ()):
                match = _ENTRY.match(entry) if isinstance(entry, str) else None
                if match is not None:
                    line = document.locate((*at, "ignore", number))[0]
                    file = posixpath.join(root, ".github/workflows", match[1])
                    yield from _of_audit(index, audit, name, line, file, match[2])


def _of_audit(
    index: Index, audit: str, name: str, line: int, path: str, at: str | None = None
) -> Iterator[Waiver]:
    for rule in index.rules(ZIZMOR, audit):
        yield Waiver(
            rule=rule,
            origin=WaiverOrigin.PEER,
            location=Location(path=name, line=line, end_line=line),
            path=path,
            first_line=int(at) if at else None,
            source=f"zizmor.yml: {audit}",
        )


def _hadolint(name: str, text: str, index: Index) -> Iterator[Waiver]:
    for document in _tables(text):
        ignored = document.data.get("ignored")
        for at, check in enumerate(ignored if isinstance(ignored, list) else ()):
            if not isinstance(check, str):
                continue
            for rule in index.rules(HADOLINT, check):
                line = document.locate(("ignored", at))[0]
                yield _waiver(rule, name, line, f".hadolint.yaml: {check}")
