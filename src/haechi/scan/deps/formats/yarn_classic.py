"""The classic format of yarn.lock (v1), line by line: neither YAML nor JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.errors import InputError
from haechi.model.package import Source
from haechi.scan.deps.formats.graph import Draft
from haechi.scan.deps.formats.node_names import kind_of, resolved_kind, split_name
from haechi.scan.deps.formats.urls import clean_url


class Entry:
    """One entry: its descriptors and what it says."""

    __slots__ = ("descriptors", "integrity", "line", "maybe", "needs", "resolved", "version")

    def __init__(self, descriptors: list[str], line: int) -> None:
        self.descriptors = descriptors
        self.line = line
        self.version = self.resolved = self.integrity = ""
        self.needs: list[tuple[str, str]] = []
        self.maybe: list[tuple[str, str]] = []


def entries(text: str, path: str) -> Iterator[Entry]:
    """Entries of the classic format, line by line."""
    entry: Entry | None = None
    pairs: list[tuple[str, str]] | None = None
    for number, row in enumerate(text.split("\n"), 1):
        body = row.strip()
        if not body or body[0] == "#":
            continue
        indent = len(row) - len(row.lstrip(" "))
        if not indent:
            if entry is not None:
                yield entry
            if body[-1] != ":":
                raise _not_yarn(path, number)
            entry, pairs = Entry(_descriptors(body[:-1]), number), None
        elif entry is None:
            raise _not_yarn(path, number)
        elif indent == 2:
            pairs = _field(entry, body)
        elif pairs is not None:
            pairs.append(_words(body))
    if entry is not None:
        yield entry


def _not_yarn(path: str, line: int) -> InputError:
    do = "write it again with yarn, or correct the line"
    return InputError("not a lock file of yarn", where=f"{path}:{line}", do=do)


def _field(entry: Entry, body: str) -> list[tuple[str, str]] | None:
    """One field of an entry; the list that its indented lines go to."""
    key, value = _words(body)
    if key == "version":
        entry.version = value
    elif key == "resolved":
        entry.resolved = value
    elif key == "integrity":
        entry.integrity = value
    elif key == "dependencies:":
        return entry.needs
    elif key == "optionalDependencies:":
        return entry.maybe
    return None


def _words(body: str) -> tuple[str, str]:
    """``"name" "value"`` or ``name value``."""
    if body[0] == '"':
        end = body.find('"', 1)
        key, rest = (body[1:end], body[end + 1 :]) if end > 0 else (body[1:], "")
    else:
        key, _, rest = body.partition(" ")
    rest = rest.strip()
    return key, rest[1:-1] if len(rest) > 1 and rest[0] == rest[-1] == '"' else rest


def _descriptors(text: str) -> list[str]:
    if '"' not in text:
        return text.split(", ")
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in ', "':
            end = text.find('"', at + 1) if text[at] == '"' else at
        else:
            end = text.find(",", at)
        end = len(text) if end < 0 else end
        if end > at:
            found.append(text[at:end].strip('"'))
        at = end + 1
    return found or [""]


def draft_of(entry: Entry) -> Draft:
    """The package of an entry."""
    name, spec = split_name(entry.descriptors[0])
    spelled = name
    if spec.startswith("npm:"):
        name = split_name(spec[4:])[0] or name
    url, _, digest = entry.resolved.partition("#")
    source = resolved_kind(url)
    if source is Source.REGISTRY and spec and not entry.resolved:
        source = kind_of(spec)
    digests = tuple(entry.integrity.split())
    if not digests and re.fullmatch(r"[0-9a-f]{40}", digest) and source is Source.REGISTRY:
        digests = (f"sha1:{digest}",)
    return Draft(
        name,
        entry.version,
        spelled=spelled,
        line=entry.line,
        source=source,
        url=clean_url(entry.resolved if source is Source.GIT else url or _address(spec, source)),
        digests=digests,
    )


def _address(spec: str, source: Source) -> str:
    return "" if source is Source.REGISTRY else spec
