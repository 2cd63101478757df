"""Fixes of a scan from the beginning to the proof: plan, edit, renew lock files, look again.

What the proof does not bear out is taken back, file by file, until what is left holds. So the
result never makes anything worse, and says of each upgrade whether its vulnerabilities are gone.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from haechi.model.advisory import Vulnerability
from haechi.model.config import Config
from haechi.model.package import Package, PackageFile
from haechi.model.severity import Severity
from haechi.scan.deps.findings import severity_of
from haechi.scan.deps.fixing.choosing import Affected, without
from haechi.scan.deps.fixing.commands import Command
from haechi.scan.deps.fixing.fixes import Fix, Fixes, make_fixes
from haechi.scan.deps.fixing.locks import Renewed, Say, renew
from haechi.scan.deps.fixing.plan import Plan, plan_upgrades
from haechi.scan.deps.fixing.proof import Proof, proof_of
from haechi.scan.deps.fixing.ranges import asks_of
from haechi.scan.deps.matching import Sources, joined, match, open_sources
from haechi.scan.deps.neighbours import Neighbours
from haechi.world.advisories.reading import Advisories
from haechi.world.advisories.shapes import NOTHING, Matched
from haechi.world.files import Tree

Alive = frozenset[tuple[str, str, str, str]]
"""(path, ecosystem, name, vulnerability) of findings that count: neither waived nor left out."""
_ROUNDS = 6
_UNCHANGED = "what is written allows it already, and no lock file beside it says more"
_UNSETTLED = (
    f"no set of changes was found in {_ROUNDS} rounds that makes nothing worse: fix one by one"
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be fixed, and how. What is ``waived`` stands in no version's way; ``milder`` also
    what does not reach the threshold (``plan.choose``), ``lock`` runs tools,
    ``whole_environment`` with the caller's variables."""

    tree: Tree
    files: tuple[PackageFile, ...]
    config: Config
    threshold: Severity
    alive: Alive
    waived: Alive = frozenset()
    milder: bool = False
    lock: bool = False
    whole_environment: bool = False
    say: Say | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """``proven`` fixes are gone when looked at again; ``waiting`` ones need their lock file
    renewed; ``left`` ones were not made. Contents by path, of what stands. ``commands`` are what
    is still to be run, by lock file; ``failed`` says why a tool did not do it."""

    plans: tuple[Plan, ...] = ()
    proven: tuple[Fix, ...] = ()
    waiting: tuple[Fix, ...] = ()
    left: tuple[Fix, ...] = ()
    before: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    after: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    commands: Mapping[str, tuple[Command, ...]] = msgspec.field(default_factory=dict)
    failed: Mapping[str, str] = msgspec.field(default_factory=dict)


def fix_dependencies(asked: Asked, *, database: Advisories | None = None) -> Result:
    """Plan, make and prove. ``database`` is one that is open already. Nothing is written."""
    with ExitStack() as stack:
        places = asked.config.deps.advisories
        sources = open_sources(asked.tree.project, places, database, stack)
        return _Session(asked, sources).result()


class _Session:
    def __init__(self, asked: Asked, sources: Sources) -> None:
        self._asked = asked
        self._sources = sources
        self._around = Neighbours(asked.tree)
        self._known: dict[tuple[str, str, str], Matched] = {}

    def result(self) -> Result:
        work = self._plans()
        refused: dict[tuple[str, str, str], str] = {}
        renewed = Renewed()
        fixes = Fixes()
        proof: Proof | None = None
        for _ in range(_ROUNDS):
            kept = [(file, _without(plan, refused)) for file, plan in work]
            fixes = make_fixes(kept, self._around, within=_folder(self._asked.tree))
            renewed = self._renewed(fixes)
            proof = proof_of(
                self._asked.tree,
                {**fixes.after, **renewed.contents},
                self._sources,
                self._asked.threshold,
                self._rate,
            )
            bad = self._bad(fixes, renewed, proof)
            if not bad:
                break
            refused.update(bad)
        else:
            for file, plan in work:
                for one in plan.upgrades:
                    refused.setdefault((file.path, one.name, one.version), _UNSETTLED)
            fixes, renewed, proof = Fixes(), Renewed(), None
        return self._told(work, fixes, renewed, proof, refused)

    def _rate(self, vulnerability: Vulnerability, package: Package) -> Severity:
        return severity_of(vulnerability, self._asked.config, development=package.development)

    def _affected(self, ecosystem: str, name: str, version: str) -> Matched:
        key = (ecosystem, name, version)
        if key not in self._known:
            database = self._sources.database
            answer = database.vulnerabilities(*key) if database else NOTHING
            for own in self._sources.own:
                answer = joined(answer, own.vulnerabilities(*key))
            self._known[key] = answer
        return self._known[key]

    def _plans(self) -> list[tuple[PackageFile, Plan]]:
        found: dict[int, dict[int, list[Vulnerability]]] = {}
        files = self._asked.files
        for (number, index), hits in match(files, self._sources).found.items():
            file, package = files[number], files[number].packages[index]
            wanted = [one for one in hits if self._counts(file, package, one)]
            if wanted:
                found.setdefault(number, {})[index] = wanted
        return [
            (
                files[number],
                plan_upgrades(
                    files[number],
                    vulnerabilities,
                    self._asked.threshold,
                    affected=self._unwaived(files[number]),
                    rate=self._rate,
                    asks=asks_of(files[number], self._around),
                    milder=self._asked.milder,
                ),
            )
            for number, vulnerabilities in sorted(found.items())
        ]

    def _unwaived(self, file: PackageFile) -> Affected:
        """What stands in the way of a version in this file."""
        if not self._asked.waived:
            return self._affected

        def asked(ecosystem: str, name: str, version: str) -> Matched:
            paths = _paths(file, name)
            return without(
                self._affected(ecosystem, name, version),
                lambda one: any(
                    (path, ecosystem, name, one.id) in self._asked.waived for path in paths
                ),
            )

        return asked

    def _counts(self, file: PackageFile, package: Package, one: Vulnerability) -> bool:
        return any(
            (path, package.ecosystem, package.name, one.id) in self._asked.alive
            for path in _paths(file, package.name)
        )

    def _renewed(self, fixes: Fixes) -> Renewed:
        if not self._asked.lock or not fixes.commands:
            return Renewed()
        asked = self._asked
        return renew(
            Path(asked.tree.root),
            fixes.after,
            fixes.commands,
            whole_environment=asked.whole_environment,
            say=asked.say,
        )

    def _bad(self, fixes: Fixes, renewed: Renewed, proof: Proof) -> dict[tuple[str, str, str], str]:
        """Upgrades to take back, with the reason."""
        bad: dict[tuple[str, str, str], str] = {}
        edited = [
            fix
            for fix in fixes.fixes
            if not fix.left and (fix.edits or fix.path in renewed.contents)
        ]
        for path, _ecosystem, name, id_ in proof.worse:
            reason = f"looking again shows {id_} in {name}, which was not there before"
            for fix in _suspects(edited, path, name):
                bad[_key(fix)] = reason
        for gap in proof.gaps:
            for fix in [fix for fix in edited if gap.startswith(fix.path)] or edited:
                bad[_key(fix)] = f"looking again fails: {gap}"
        for fix in edited:
            waits = fix.waits and fix.path not in renewed.contents
            upgrade = fix.upgrade
            if waits or _key(fix) in bad:
                continue
            if not proof.gone(fix.path, upgrade):
                if fix.waits and not fix.edits:
                    continue
                bad[_key(fix)] = f"looking again still finds {', '.join(upgrade.clears[:3])}"
        return bad

    def _told(
        self,
        work: Sequence[tuple[PackageFile, Plan]],
        fixes: Fixes,
        renewed: Renewed,
        proof: Proof | None,
        refused: Mapping[tuple[str, str, str], str],
    ) -> Result:
        proven, waiting, left = [], [], []
        for fix in fixes.fixes:
            upgrade = fix.upgrade
            gone = proof is not None and proof.gone(fix.path, upgrade)
            if fix.left:
                left.append(fix)
            elif gone:
                proven.append(fix)
            elif fix.waits and fix.path in renewed.contents:
                why = "its tool chose no version that clears it"
                left.append(msgspec.structs.replace(fix, left=why))
            elif fix.waits:
                waiting.append(fix)
            else:
                left.append(msgspec.structs.replace(fix, left=_UNCHANGED))
        for file, plan in work:
            for upgrade in plan.upgrades:
                key = (file.path, upgrade.name, upgrade.version)
                if key in refused:
                    left.append(
                        Fix(
                            path=file.path,
                            format=file.format,
                            upgrade=upgrade,
                            left=refused[key],
                        )
                    )
        after = {**fixes.after, **renewed.contents}
        before = {**{path: self._read(path) for path in after}, **fixes.before}
        changed = {path for path in after if after[path] != before[path]}
        return Result(
            plans=tuple(plan for _, plan in work),
            proven=tuple(proven),
            waiting=tuple(waiting),
            left=tuple(left),
            before={path: before[path] for path in sorted(changed)},
            after={path: after[path] for path in sorted(changed)},
            failed=renewed.failed,
            commands={
                path: steps
                for path, steps in fixes.commands.items()
                if path not in renewed.contents and path in {f.path for f in (*proven, *waiting)}
            },
        )

    def _read(self, path: str) -> bytes:
        return self._around.read(path) or b""


def _paths(file: PackageFile, name: str) -> set[str]:
    """A finding stands where the package does, which for what is included is another file."""
    return {file.path} | {one.location.path for one in file.packages if one.name == name}


def _suspects(edited: Sequence[Fix], path: str, name: str) -> Sequence[Fix]:
    """Which fixes may have brought something: of the package itself, else those that move others,
    too, else all of that file, else all."""
    there = [fix for fix in edited if fix.path == path]
    own = [fix for fix in there if fix.upgrade.name == name]
    moving = [fix for fix in edited if any(name in change.also for _, change in fix.edits)]
    unsure = [fix for fix in there if any(change.also for _, change in fix.edits)]
    return own or moving or unsure or there or edited


def _key(fix: Fix) -> tuple[str, str, str]:
    return fix.path, fix.upgrade.name, fix.upgrade.version


def _without(plan: Plan, refused: Mapping[tuple[str, str, str], str]) -> Plan:
    kept = tuple(one for one in plan.upgrades if (plan.path, one.name, one.version) not in refused)
    return msgspec.structs.replace(plan, upgrades=kept)


def _folder(tree: Tree) -> str:
    """Where manifests may be changed: within what was asked for, or beside the one file."""
    within = tree.within.rstrip("/")
    return posixpath.dirname(within) if within and (tree.root / within).is_file() else within
