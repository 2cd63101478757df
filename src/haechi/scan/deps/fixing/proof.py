"""Whether fixes do what they say: the files are collected and matched again, edits included.

The edits lie over the tree (``Edited``): nothing has to be copied, and what git ignores or
haechi.yaml excludes is left out as it is in every scan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from haechi.errors import InputError
from haechi.model.package import PackageFile
from haechi.model.severity import Severity
from haechi.scan.deps.collect import collect
from haechi.scan.deps.fixing.plan import Rate, Upgrade
from haechi.scan.deps.matching import Sources, match
from haechi.world.files import Entry, Tree

Key = tuple[str, str, str, str]
"""(path, ecosystem, name, vulnerability)."""


class Edited(Tree):
    """A tree in which some files read otherwise."""

    def __init__(self, tree: Tree, edits: Mapping[str, bytes]) -> None:
        super().__init__(
            root=tree.root,
            exclude=tree.exclude,
            within=tree.within,
            source=tree.source,
            ignored=tree.ignored,
        )
        self.edits = edits

    def walk(self) -> Iterator[Entry]:
        """As the tree's, with the sizes that the edits have."""
        for entry in super().walk():
            data = self.edits.get(entry.path)
            yield entry if data is None else Entry(path=entry.path, size=len(data))

    def read(self, path: str, *, limit: int) -> bytes:
        """The edit, or the tree's content."""
        data = self.edits.get(path)
        if data is None:
            return super().read(path, limit=limit)
        if len(data) > limit:
            raise InputError(f"more than {limit:,} bytes", where=path)
        return data


class Tally:
    """Vulnerable versions of packages, by file, name and vulnerability, and who needs them: how
    often each owner is served each of them. ``blocking`` are those at or above a threshold."""

    def __init__(
        self, files: tuple[PackageFile, ...], sources: Sources, threshold: Severity, rate: Rate
    ) -> None:
        self.versions: dict[Key, set[str]] = {}
        self.edges: Counter[tuple[Key, str, str]] = Counter()
        self.blocking: set[Key] = set()
        owners: dict[int, dict[int, list[str]]] = {}
        for (number, index), hits in match(files, sources).found.items():
            file = files[number]
            package = file.packages[index]
            if number not in owners:
                owners[number] = _owners(file)
            for one in hits:
                key = (file.path, package.ecosystem, package.name, one.id)
                self.versions.setdefault(key, set()).add(package.version)
                for owner in owners[number].get(index, ()):
                    self.edges[key, owner, package.version] += 1
                if rate(one, package).at_least(threshold):
                    self.blocking.add(key)


def _owners(file: PackageFile) -> dict[int, list[str]]:
    """Position → names of those who need it; of the project itself "". Names alone: an owner that
    was raised is still the same one."""
    found: dict[int, list[str]] = {}
    for package in file.packages:
        for need in dict.fromkeys(package.needs):
            found.setdefault(need, []).append(package.name)
    direct = (at for at, package in enumerate(file.packages) if package.direct)
    for need in dict.fromkeys((*file.requires, *direct)):
        found.setdefault(need, []).append("")
    return found


class Proof:
    """What a second look says. ``worse`` are new or in more versions; ``gaps`` are files that
    could be read before and cannot be now."""

    def __init__(self, before: Tally, now: Tally, gaps: tuple[str, ...]) -> None:
        self.before = before
        self.now = now
        self.gaps = gaps
        self.worse = sorted(
            key
            for key in now.blocking
            if len(now.versions[key]) > len(before.versions.get(key, ()))
        )

    @property
    def holds(self) -> bool:
        """Whether nothing became worse."""
        return not self.worse and not self.gaps

    def gone(self, path: str, upgrade: Upgrade) -> bool:
        """Whether this very version is rid of the vulnerabilities: it is there no more, no other
        vulnerable one came for it, and nobody was moved to one that was there before. Other
        versions may stay vulnerable for reasons of their own."""
        keys = {(path, upgrade.ecosystem, upgrade.name, one) for one in upgrade.clears}
        for key in keys & self.now.versions.keys():
            before, now = self.before.versions.get(key, set()), self.now.versions[key]
            if upgrade.version in now or now - before:
                return False
        return not any(
            edge[0] in keys and count > self.before.edges[edge]
            for edge, count in self.now.edges.items()
        )


def proof_of(
    tree: Tree,
    edits: Mapping[str, bytes],
    sources: Sources,
    threshold: Severity,
    rate: Rate,
) -> Proof:
    """Look again with the edits."""
    before = collect(Edited(tree, {}))
    after = collect(Edited(tree, edits))
    known = {(gap.kind, gap.path.partition(":")[0]) for gap in before.gaps}
    gaps = tuple(
        f"{gap.path}: {gap.reason}"
        for gap in after.gaps
        if (gap.kind, gap.path.partition(":")[0]) not in known
    )
    lost = sorted({file.path for file in before.files} - {file.path for file in after.files})
    return Proof(
        Tally(before.files, sources, threshold, rate),
        Tally(after.files, sources, threshold, rate),
        (*gaps, *(f"{path}: it tells of no packages any more" for path in lost)),
    )
