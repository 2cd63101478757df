"""One manifest with some packages raised; every other byte stays.

After an edit the file is read again by the reader that scans use: it must ask for the same
packages as before, and of the raised ones for the new version.
"""

from __future__ import annotations

import re

import msgspec

from haechi.engines.versions import scheme_of
from haechi.errors import HaechiError, VersionError
from haechi.scan.deps.fixing.restyle import raised
from haechi.scan.deps.fixing.slots import Slot, Sought, slots_of
from haechi.scan.deps.formats import Around, reader_of
from haechi.scan.fix.changes import Refused

_LITERAL = ("packages.config", ".gradle", ".kts", "libs.versions.toml", "pom.xml")
_EXACT = re.compile(r"[=v\s]*(\d[\w.+!-]*)\Z")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One range, as it was and as it is; ``also`` names what shares it."""

    line: int
    before: str
    after: str
    also: tuple[str, ...] = ()


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """The new text. No changes: what is written allows the version already."""

    text: str
    changes: tuple[Change, ...] = ()


def patched(path: str, text: str, sought: Sought, to: str, around: Around | None = None) -> Patch:
    """Raise one package in one manifest. Raises Refused when it is not asked for there, or in a
    way that cannot be raised."""
    slots = sorted(slots_of(path, text, sought), key=lambda slot: slot.start)
    if not slots:
        raise Refused(f"{path} does not name a version of it")
    made: list[str] = []
    changes: list[Change] = []
    last = 0
    for slot in slots:
        if slot.start < last:
            raise Refused(f"{path} names it in a way that is not understood")
        before = text[slot.start : slot.end]
        after = _after(path, slot, sought, before, to)
        made += (text[last : slot.start], after)
        last = slot.end
        if after != before:
            line = text.count("\n", 0, slot.start) + 1
            changes.append(Change(line=line, before=before, after=after, also=slot.also))
    new = "".join((*made, text[last:]))
    if changes:
        _proven(path, text, new, sought, to, around)
    return Patch(text=new, changes=tuple(changes))


def _after(path: str, slot: Slot, sought: Sought, before: str, to: str) -> str:
    ecosystem = sought.ecosystem
    if ecosystem == "Go":
        return before if _at_least(ecosystem, before, to) else _go(before, to)
    exact = _EXACT.match(before)
    if path.endswith(_LITERAL) and before[:1] not in ("[", "(") and not exact:
        raise Refused(f"{before[:60]} is chosen when it is built")
    if exact and _at_least(ecosystem, exact[1], to):
        return before
    done = _at_least(ecosystem, sought.version, to)
    if not exact and (done or _inside(ecosystem, before, sought.version, to)):
        return before
    after = raised(ecosystem, before, to)
    if slot.quote and not _refuses(ecosystem, after, sought.version):
        after = f"{after}{slot.quote}, {slot.quote}>= {to}"
    return after


def _go(before: str, to: str) -> str:
    return f"v{to.removeprefix('v')}" if before.startswith("v") else to


def _at_least(ecosystem: str, version: str, to: str) -> bool:
    try:
        scheme = scheme_of(ecosystem)
        return scheme.key(version) >= scheme.key(to)
    except VersionError:
        return False


def _inside(ecosystem: str, constraint: str, now: str, to: str) -> bool:
    """Whether a range lets the new version in and the old one out."""
    try:
        return scheme_of(ecosystem).satisfies(to, constraint) and _refuses(
            ecosystem, constraint, now
        )
    except VersionError:
        return False


def _refuses(ecosystem: str, constraint: str, now: str) -> bool:
    try:
        return not scheme_of(ecosystem).satisfies(now, constraint)
    except VersionError:
        return False


class _Over:
    """The files around, one of which reads otherwise. A new one for each reading: readers keep
    what they parsed by this object."""

    def __init__(self, around: Around | None, path: str, data: bytes) -> None:
        self._around = around
        self._path = path
        self._data = data

    def read(self, path: str) -> bytes | None:
        if path == self._path:
            return self._data
        return self._around.read(path) if self._around else None

    def names(self, folder: str) -> frozenset[str]:
        return self._around.names(folder) if self._around else frozenset()


def _proven(
    path: str, before: str, after: str, sought: Sought, to: str, around: Around | None
) -> None:
    """Read both: the same packages, and the new version where one was told."""
    reader = reader_of(path)
    if reader is None:
        return
    try:
        old, new = (
            [
                package
                for file in reader(data, path, _Over(around, path, data))
                for package in file.packages
                if package.location.path == path
            ]
            for data in (before.encode("utf-8"), after.encode("utf-8"))
        )
    except HaechiError as error:
        raise Refused(f"the edited {path} cannot be read: {error.what}") from error
    if [(one.name, one.source) for one in old] != [(one.name, one.source) for one in new]:
        raise Refused(f"the edit would change more of {path} than the version")
    for was, now in zip(old, new, strict=True):
        same = (was.version, was.constraint) == (now.version, now.constraint)
        if now.name == sought.name:
            if now.version and not _at_least(sought.ecosystem, now.version, to):
                raise Refused(f"{path} would still ask for {now.version}")
        elif not same and not _shared(now.version, to):
            raise Refused(f"the edit would change {now.name} in {path}, too")


def _shared(version: str, to: str) -> bool:
    """A property that several packages share moves all of them."""
    return version.removeprefix("v") == to.removeprefix("v")
