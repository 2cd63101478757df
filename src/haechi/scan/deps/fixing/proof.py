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


def tally(
    files: tuple[PackageFile, ...], sources: Sources, threshold: Severity, rate: Rate
) -> Counter[Key]:
    """How many versions are vulnerable, by file, package and vulnerability."""
    counts: Counter[Key] = Counter()
    for (number, index), hits in match(files, sources).found.items():
        file = files[number]
        package = file.packages[index]
        for one in hits:
            if rate(one, package).at_least(threshold):
                counts[file.path, package.ecosystem, package.name, one.id] += 1
    return counts


class Proof:
    """What a second look says. ``worse`` are new or more often; ``gaps`` are files that could be
    read before and cannot be now."""

    def __init__(self, before: Counter[Key], now: Counter[Key], gaps: tuple[str, ...]) -> None:
        self.before = before
        self.now = now
        self.gaps = gaps
        self.worse = sorted(key for key, count in now.items() if count > before[key])

    @property
    def holds(self) -> bool:
        """Whether nothing became worse."""
        return not self.worse and not self.gaps

    def gone(self, path: str, upgrade: Upgrade) -> bool:
        """Whether fewer versions of the package have the vulnerabilities than before; others of
        its versions may stay vulnerable for reasons of their own."""
        for one in upgrade.clears:
            key = (path, upgrade.ecosystem, upgrade.name, one)
            if self.now[key] and self.now[key] >= self.before[key]:
                return False
        return True


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
        tally(before.files, sources, threshold, rate),
        tally(after.files, sources, threshold, rate),
        (*gaps, *(f"{path}: it tells of no packages any more" for path in lost)),
    )
