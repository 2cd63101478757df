"""The files around one that is read, within bounds: a lock file can name any number of them."""

from __future__ import annotations

from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.world.files import Tree

MAX_NEIGHBOUR = 16 * 1024 * 1024
"""Bytes of one file that another file names."""
MAX_READ = 512 * 1024 * 1024
"""Bytes of all of them."""
MAX_LISTED = 200_000
"""Folders listed for all of them."""
_KEPT = 32 * 1024 * 1024


class Neighbours:
    """``Around`` over a tree. ``gaps`` says when the bounds were reached."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._kept: dict[str, bytes | None] = {}
        self._held = 0
        self._read = 0
        self._names: dict[str, frozenset[str]] = {}
        self.gaps: list[Gap] = []

    def read(self, path: str) -> bytes | None:
        """The content of a file; None when it is not there, not readable or too large."""
        if path in self._kept:
            return self._kept[path]
        if self._read > MAX_READ:
            self._full(path, f"more than {MAX_READ:,} bytes of files that others name")
            return None
        try:
            data = self._tree.read(path, limit=MAX_NEIGHBOUR)
        except (InputError, ValueError):
            data = None
        size = len(data) if data is not None else 0
        self._read += size + 500
        if self._held + size <= _KEPT:
            self._held += size + 500
            self._kept[path] = data
        return data

    def names(self, folder: str) -> frozenset[str]:
        """Names of the files and folders of a folder; empty when there is none."""
        found = self._names.get(folder)
        if found is None:
            if len(self._names) >= MAX_LISTED:
                self._full(folder, f"more than {MAX_LISTED:,} folders that files name")
                return frozenset()
            found = self._names[folder] = self._tree.listed(folder)
        return found

    def _full(self, path: str, reason: str) -> None:
        if not self.gaps:
            do = "scan parts of the tree by themselves"
            self.gaps.append(Gap(kind="too-large", path=path or ".", reason=reason, do=do))
