"""What people said may stand: comments beside a dependency, and lists of Trivy and osv-scanner.

Each becomes a waiver of the one finding that it covers, so that reports show it and the gate
decides under ``gate.inline_waivers``. Lock files are written by tools, so a comment also counts at
the line of the manifest that asks for the package.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from haechi.model.finding import Finding
from haechi.model.location import Location
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.scan.deps.manifests import Read
from haechi.scan.suppressions.inline import expiry, reason_text

TRIVY = ".trivyignore"
OSV = "osv-scanner.toml"
_ALLOW = "haechi:allow"
_ID = r"(?:\*|[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+)"
_REMARK = re.compile(
    rf"(?:#|//|<!--|;)\s*haechi:allow(-file)?[ \t]+({_ID}(?:[ \t]*,[ \t]*{_ID})*)(?![\w*-])(.*)"
)
_COMMENT = re.compile(r"\s*(?:#|//|<!--|;)")
_MOST = 10_000


class _Remark(msgspec.Struct, frozen=True):
    """A comment and the line that it speaks for (0: the whole file)."""

    line: int
    about: int
    ids: frozenset[str]
    reason: str
    source: str


class _Listed(msgspec.Struct, frozen=True):
    """An entry of another tool's list."""

    line: int
    reason: str
    expires: dt.date | None
    source: str


class Remarks:
    """Reads comments and lists when a finding stands where they may be."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._remarks: dict[str, list[_Remark]] = {}
        self._lists: dict[str, Mapping[str, _Listed]] = {}

    def of(self, findings: Iterable[tuple[Finding, Location | None]]) -> Iterator[Waiver]:
        """Waivers of findings; beside each the line of its manifest."""
        for finding, manifest in findings:
            ids = {finding.rule, *finding.aliases}
            for place in filter(None, (finding.location, manifest)):
                for remark in self._of_file(place.path):
                    meant = not ids.isdisjoint(remark.ids) or "*" in remark.ids
                    if meant and remark.about in (0, place.line):
                        yield _waiver(finding, WaiverOrigin.INLINE, place.path, remark)
            for path, listed in self._listed(finding.location.path, ids):
                yield _waiver(finding, WaiverOrigin.PEER, path, listed, listed.expires)

    def _of_file(self, path: str) -> list[_Remark]:
        if path not in self._remarks:
            text = "" if path.endswith(".json") else self._read(path) or ""
            found = _remarks(text) if _ALLOW in text else []
            self._remarks[path] = list(found)[:_MOST]
        return self._remarks[path]

    def _listed(self, path: str, ids: Iterable[str]) -> Iterator[tuple[str, _Listed]]:
        """Entries for the folder of the file: osv-scanner's list beside it, Trivy's above it."""
        folder = posixpath.dirname(path)
        places = [posixpath.join(folder, OSV)]
        while True:
            places.append(posixpath.join(folder, TRIVY))
            if not folder:
                break
            folder = posixpath.dirname(folder)
        for place in places:
            if place not in self._lists:
                text = self._read(place) or ""
                reader = _trivy if place.endswith(TRIVY) else _osv
                self._lists[place] = reader(text) if text else {}
            entries = self._lists[place]
            for id_ in ids if entries else ():
                if id_ in entries:
                    yield place, entries[id_]


def _remarks(text: str) -> Iterator[_Remark]:
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if _ALLOW not in line:
            continue
        match = _REMARK.search(line[:4_000])
        if match is None:
            continue
        alone = _COMMENT.match(line) is not None
        if match[1] and not alone:
            continue
        yield _Remark(
            line=number,
            about=0 if match[1] else _next_code(lines, number) if alone else number,
            ids=frozenset(part.strip() for part in match[2].split(",")),
            reason=reason_text(match[3].partition("-->")[0]),
            source=f"{_ALLOW}{match[1] or ''}",
        )


def _next_code(lines: list[str], number: int) -> int:
    """The first line below that is neither empty nor a comment; -1 when there is none."""
    for below in range(number, min(number + 50, len(lines))):
        if lines[below].strip() and not _COMMENT.match(lines[below]):
            return below + 1
    return -1


def _trivy(text: str) -> dict[str, _Listed]:
    found: dict[str, _Listed] = {}
    above = ""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines()[:_MOST], 1):
        code, _, comment = line.partition("#")
        words = code.split()
        if not words:
            above = comment.strip()
            continue
        dates = [word.removeprefix("exp:") for word in words[1:] if word.startswith("exp:")]
        until = expiry(dates[0] if dates else None)
        if not isinstance(until, bool):
            reason = reason_text(comment.strip() or above)
            found.setdefault(words[0], _Listed(number, reason, until, f"{TRIVY}: {words[0]}"))
    return found


def _osv(text: str) -> dict[str, _Listed]:
    """``[[IgnoredVulns]]`` with ``id``, ``ignoreUntil`` and ``reason``."""
    try:
        entries = tomllib.loads(text[: 1 << 20]).get("IgnoredVulns")
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    found: dict[str, _Listed] = {}
    lines = text.splitlines()
    for entry in entries[:_MOST] if isinstance(entries, list) else ():
        id_ = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(id_, str):
            continue
        until = entry.get("ignoreUntil")
        if isinstance(until, dt.datetime):
            until = until.date()
        if until is not None and not isinstance(until, dt.date):
            continue
        line = next((number for number, one in enumerate(lines, 1) if f'"{id_}"' in one), 1)
        reason = reason_text(str(entry.get("reason") or ""))
        found.setdefault(id_, _Listed(line, reason, until, f"{OSV}: {id_}"))
    return found


def _waiver(
    finding: Finding,
    origin: WaiverOrigin,
    path: str,
    said: _Remark | _Listed,
    expires: dt.date | None = None,
) -> Waiver:
    return Waiver(
        rule=finding.rule,
        origin=origin,
        location=Location(path=path, line=said.line, end_line=said.line),
        path=finding.location.path,
        fingerprint=finding.fingerprint,
        reason=said.reason,
        expires=expires,
        source=said.source,
    )
