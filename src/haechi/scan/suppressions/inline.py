"""Suppressions in comments: ``haechi:allow``, Checkov, hadolint, Trivy.

Most files hold none, so one search over the text decides first whether to look any closer.
What covers a whole file has to stand alone on its line.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from haechi.model.location import Location
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.scan.suppressions.index import CHECKOV, HADOLINT, TRIVY, Index
from haechi.scan.suppressions.remarks import Remark, dockerfile_remarks, yaml_remarks

MAX_WAIVERS = 10_000
MAX_REASON = 500
_ANY = re.compile(r"haechi:allow|trivy:ignore:|checkov:skip=|hadolint[ \t]")
_RULE = r"(?:\*|[a-z][a-z0-9]*(?:-[a-z0-9]+)+)"
_ALLOW = re.compile(
    rf"(?:^|[\s#])haechi:allow(-file)?[ \t]+({_RULE}(?:[ \t]*,[ \t]*{_RULE})*)(?![\w*-])(.*)"
)
_CHECKOV = re.compile(r"(?:^|[\s#])checkov:skip=([A-Za-z0-9_]+)(?::(.*))?")
_HADOLINT = re.compile(
    r"hadolint[ \t]+(global[ \t]+)?ignore[ \t]*=[ \t]*"
    r"([A-Za-z]+\d+(?:[ \t]*,[ \t]*[A-Za-z]+\d+)*)(.*)"
)
_TRIVY = re.compile(r"(?:^|[\s#])trivy:ignore:([A-Za-z0-9-]+)((?::[a-z]+:[^\s:#]+)*)")
_EXPIRES = re.compile(r":exp:([^\s:]+)")


def from_text(text: str, path: str, kind: str, index: Index) -> list[Waiver]:
    """Waivers in the comments of a file. ``kind`` is ``yaml`` or ``dockerfile``."""
    if _ANY.search(text) is None:
        return []
    remarks = dockerfile_remarks(text) if kind == "dockerfile" else yaml_remarks(text)
    return list(islice(_waivers(remarks, path, kind, index), MAX_WAIVERS))


def _waivers(remarks: Iterable[Remark], path: str, kind: str, index: Index) -> Iterator[Waiver]:
    for remark in remarks:
        if _ANY.search(remark.text) is None:
            continue
        place = _Place(remark, path)
        yield from _haechi(place)
        yield from _trivy(place, index, kind)
        if kind == "dockerfile" and remark.alone:
            yield from _checkov(place, index)
            yield from _hadolint(place, index)


class _Place:
    """Makes the waivers of one remark."""

    def __init__(self, remark: Remark, path: str) -> None:
        self.remark = remark
        self.path = path

    def waivers(
        self,
        rules: Iterable[str],
        origin: WaiverOrigin,
        source: str,
        *,
        whole_file: bool = False,
        last: int | None = None,
        reason: str | None = "",
        expires: dt.date | None = None,
    ) -> Iterator[Waiver]:
        """One waiver a rule, for the whole file or for the lines that the remark speaks for."""
        remark = self.remark
        if not whole_file and remark.first is None:
            return
        for rule in rules:
            yield Waiver(
                rule=rule,
                origin=origin,
                location=Location(
                    path=self.path,
                    line=remark.line,
                    column=remark.column,
                    end_line=remark.line,
                    end_column=remark.column,
                ),
                path=self.path,
                first_line=None if whole_file else remark.first,
                last_line=None if whole_file else last or remark.last,
                reason=reason_text(reason),
                expires=expires,
                source=source,
            )


def reason_text(text: str | None) -> str:
    """What stands behind the ids, without the dashes and colons people put between."""
    return " ".join((text or "")[:MAX_REASON].split()).lstrip("-–—:=/ ").strip()


def expiry(text: str | None) -> dt.date | bool | None:
    """A date, None when there is none, False when it is unreadable: such an entry is not
    honoured, because nobody knows for how long it was meant."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return False


def _haechi(place: _Place) -> Iterator[Waiver]:
    match = _ALLOW.search(place.remark.text)
    if match is None:
        return
    whole_file = match[1] is not None
    if whole_file and not place.remark.alone:
        return
    yield from place.waivers(
        dict.fromkeys(rule.strip() for rule in match[2].split(",")),
        WaiverOrigin.INLINE,
        f"haechi:allow{match[1] or ''}",
        whole_file=whole_file,
        reason=match[3],
    )


def _trivy(place: _Place, index: Index, kind: str) -> Iterator[Waiver]:
    """Trivy's findings span a block, and a comment above the block covers what is in it."""
    remark = place.remark
    if kind == "dockerfile" and not remark.alone:
        return
    for match in _TRIVY.finditer(remark.text):
        stated = _EXPIRES.search(match[2])
        expires = expiry(stated[1] if stated else None)
        if isinstance(expires, bool):
            continue
        yield from place.waivers(
            index.rules(TRIVY, match[1]),
            WaiverOrigin.PEER,
            f"trivy:ignore:{match[1]}",
            last=remark.block_last,
            expires=expires,
        )


def _checkov(place: _Place, index: Index) -> Iterator[Waiver]:
    for match in _CHECKOV.finditer(place.remark.text):
        yield from place.waivers(
            index.rules(CHECKOV, match[1]),
            WaiverOrigin.PEER,
            f"checkov:skip={match[1]}",
            whole_file=True,
            reason=match[2],
        )


def _hadolint(place: _Place, index: Index) -> Iterator[Waiver]:
    match = _HADOLINT.match(place.remark.text)
    if match is None or (place.remark.inside and not match[1]):
        return
    for check in dict.fromkeys(part.strip() for part in match[2].split(",")):
        yield from place.waivers(
            index.rules(HADOLINT, check),
            WaiverOrigin.PEER,
            f"hadolint {'global ' if match[1] else ''}ignore={check}",
            whole_file=match[1] is not None,
            reason=match[3],
        )
