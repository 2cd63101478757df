"""Plans made into edits: which manifests change, which lock files have to follow, what is left.

Nothing is written. ``Fix`` says of each upgrade how far it got: a manifest was edited, a lock file
waits for its tool, or a person has to decide.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from haechi.errors import InputError
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.fixing.commands import Command, Locking, commands_of
from haechi.scan.deps.fixing.manifests import manifests_of
from haechi.scan.deps.fixing.patching import Change, patched
from haechi.scan.deps.fixing.plan import Plan, Upgrade
from haechi.scan.deps.fixing.slots import Sought, editable
from haechi.scan.deps.fixing.ways import Way
from haechi.scan.deps.formats import Around
from haechi.scan.fix.changes import Refused

IN_PLACE = frozenset({"go.mod", "requirements.txt", "packages.config", "pom.xml"})
"""Formats that pin and that are edited themselves."""
_UNNAMED = "does not name a version of it"
_BOM = b"\xef\xbb\xbf"


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """One upgrade of one file. ``edits`` are (manifest, change); ``waits``: the lock file has to
    follow; ``left`` says why nothing was done."""

    path: str
    format: str
    upgrade: Upgrade
    edits: tuple[tuple[str, Change], ...] = ()
    waits: bool = False
    left: str = ""


class Fixes(msgspec.Struct, frozen=True, kw_only=True):
    """All fixes of a tree: contents by path as they were and as they are to be, and what to run
    for each lock file."""

    fixes: tuple[Fix, ...] = ()
    before: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    after: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    commands: Mapping[str, tuple[Command, ...]] = msgspec.field(default_factory=dict)


def make_fixes(
    work: Sequence[tuple[PackageFile, Plan]], around: Around, *, within: str = ""
) -> Fixes:
    """Edit what can be edited, in memory. Only files under ``within`` are changed."""
    return _Maker(around, within).make(work)


class _Maker:
    def __init__(self, around: Around, within: str) -> None:
        self._around = around
        self._within = within
        self._before: dict[str, bytes] = {}
        self._texts: dict[str, str] = {}
        self._fixes: list[Fix] = []

    def make(self, work: Sequence[tuple[PackageFile, Plan]]) -> Fixes:
        commands: dict[str, tuple[Command, ...]] = {}
        for file, plan in work:
            made = [self._fix(file, upgrade) for upgrade in plan.upgrades]
            self._fixes += made
            if found := self._commands(file, [one for one in made if one.waits]):
                commands[file.path] = found
        after = {
            path: (_BOM if self._before[path].startswith(_BOM) else b"") + text.encode("utf-8")
            for path, text in self._texts.items()
        }
        changed = {path: data for path, data in after.items() if data != self._before[path]}
        return Fixes(
            fixes=tuple(self._fixes),
            before={path: self._before[path] for path in changed},
            after=changed,
            commands=commands,
        )

    def _fix(self, file: PackageFile, upgrade: Upgrade) -> Fix:
        base = Fix(path=file.path, format=file.format, upgrade=upgrade)
        match upgrade.way:
            case Way.ELSEWHERE:
                return msgspec.structs.replace(base, left=_elsewhere(file, upgrade))
            case Way.OVERRIDE | Way.PARENT:
                return msgspec.structs.replace(base, left=blocked(upgrade))
            case Way.LOCK:
                return msgspec.structs.replace(base, waits=True)
        try:
            edits = tuple(self._edited(file, self._paths(file, upgrade), upgrade))
        except Refused as error:
            if "hashes" in error.what and self._commands(file, [base]):
                return self._compiled(file, base)
            return msgspec.structs.replace(base, left=error.what)
        waits = file.pins and file.format not in IN_PLACE
        if file.format == "go.mod" and upgrade.name != "stdlib":
            folder = posixpath.dirname(file.path)
            waits = "go.sum" in self._around.names(folder)
        return msgspec.structs.replace(base, edits=edits, waits=waits)

    def _compiled(self, file: PackageFile, base: Fix) -> Fix:
        """A requirements file with hashes is its tool's to write; what it is made of may pin the
        package, and is edited."""
        upgrade = base.upgrade
        sources = [path for path in self._paths(file, upgrade) if path.endswith(".in")]
        try:
            edits = tuple(self._edited(file, sources, upgrade)) if sources else ()
        except Refused as error:
            if not error.what.endswith(_UNNAMED):
                return msgspec.structs.replace(base, left=error.what)
            edits = ()
        return msgspec.structs.replace(base, edits=edits, waits=True)

    def _edited(
        self, file: PackageFile, paths: Sequence[str], upgrade: Upgrade
    ) -> Iterator[tuple[str, Change]]:
        """Edit every one of the manifests that asks for the package. Raises Refused when there is
        none, and then nothing was changed."""
        package = file.packages[upgrade.packages[0]]
        sought = Sought(ecosystem=upgrade.ecosystem, name=upgrade.name, version=package.version)
        found: list[tuple[str, str, tuple[Change, ...]]] = []
        refused: list[Refused] = []
        for path in paths:
            try:
                patch = patched(path, self._text(path), sought, upgrade.to, self._around)
            except Refused as error:
                refused.append(error)
                continue
            found.append((path, patch.text, patch.changes))
        hard = [one for one in refused if not one.what.endswith(_UNNAMED)]
        if hard or not found:
            raise next(iter((*hard, *refused)), Refused("no manifest beside it asks for it"))
        for path, text, changes in found:
            self._texts[path] = text
            for change in changes:
                yield path, change

    def _paths(self, file: PackageFile, upgrade: Upgrade) -> list[str]:
        own = [file.packages[at].location.path or file.path for at in upgrade.packages]
        beside = manifests_of(file, self._around)
        in_place = file.format in IN_PLACE or not file.pins
        if file.packages[upgrade.packages[0]].source is Source.STDLIB:
            in_place = True
        paths = [*own, *beside] if in_place else [one for one in beside if one != file.path]
        return [path for path in dict.fromkeys(paths) if editable(path) and self._is_inside(path)]

    def _is_inside(self, path: str) -> bool:
        return not self._within or path == self._within or path.startswith(f"{self._within}/")

    def _text(self, path: str) -> str:
        if path not in self._texts:
            data = self._around.read(path)
            if data is None:
                raise Refused(f"{path} cannot be read")
            try:
                text = data.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise Refused(f"{path} is not UTF-8") from error
            self._before[path] = data
            self._texts[path] = text
        return self._texts[path]

    def _commands(self, file: PackageFile, waiting: Sequence[Fix]) -> tuple[Command, ...]:
        if not waiting:
            return ()
        text = (self._around.read(file.path) or b"").decode("utf-8", "replace")
        beside = self._around.names(posixpath.dirname(file.path))
        upgrades = tuple(one.upgrade for one in waiting)
        try:
            return commands_of(Locking(file=file, upgrades=upgrades, text=text, beside=beside))
        except InputError:
            return ()


def blocked(upgrade: Upgrade) -> str:
    """What stands in the way of an upgrade, and what can be done about it."""
    who = " and ".join(
        f"{one.name} {one.version} ({one.constraint})" for one in upgrade.blockers[:2]
    )
    more = f" and {len(upgrade.blockers) - 2} more" if len(upgrade.blockers) > 2 else ""
    above = ", ".join(upgrade.by[:3])
    raise_ = f"raise {above} to a version that takes it" if above else "raise what brings it in"
    overrule = f", or overrule it by {upgrade.override}" if upgrade.override else ""
    verb = "does" if len(upgrade.blockers) == 1 else "do"
    return f"{who}{more} {verb} not allow {upgrade.to}: {raise_}{overrule}"


def _elsewhere(file: PackageFile, upgrade: Upgrade) -> str:
    return f"{file.path} only tells what is installed: upgrade where it is asked for"
