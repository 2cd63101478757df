"""What Terraform's modules and file functions may read of a scanned tree."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from haechi.errors import InputError
from haechi.scan.iac.terraform.filesets import Entries, matching
from haechi.world.files import SKIPPED_DIRECTORIES

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.calls import Files
    from haechi.world.files import Tree

MAX_FILE = 8 * 1024 * 1024
MAX_DATA = 1024 * 1024
"""Bytes of a file that an expression reads."""
_MAX_READS = 20_000
"""Of files that expressions of one root name."""
_LISTING = 50
"""What a listing counts of those."""


class TreeFiles:
    """Files of a tree. Of folders that were walked the Terraform files are those that the walk
    gave (git's and the configuration's exclusions hold); copies of modules, which git ignores, and
    folders outside of what is scanned are listed."""

    def __init__(self, tree: Tree, walked: Mapping[str, Iterable[str]]) -> None:
        self._tree = tree
        self._walked = {folder: set(names) for folder, names in walked.items()}

    def names(self, folder: str) -> list[str]:
        """Names of the regular files of a folder."""
        known = self._walked.get(folder)
        listed = sorted(self._tree.listed(folder))
        if known is None:
            return listed
        others = (name for name in listed if ".tfvars" in name)
        return sorted({*known, *(n for n in others if not self._is_excluded(folder, n))})

    def _is_excluded(self, folder: str, name: str) -> bool:
        path = posixpath.join(folder, name)
        return any(pattern.fullmatch(path) for pattern in self._tree.exclude)

    def entries(self, folder: str) -> Entries | None:
        """What stands in a folder, None when there is none."""
        tree = self._tree
        if folder and not tree.is_directory(folder):
            return None
        found = Entries([], [], [])
        for name in sorted(tree.listed(folder)):
            path = posixpath.join(folder, name)
            if tree.is_file(path):
                found.files.append(name)
            elif not tree.is_directory(path):
                found.others.append(name)
            elif name not in SKIPPED_DIRECTORIES:
                found.folders.append(name)
        return found

    def read(self, path: str) -> bytes | None:
        """The content of a file."""
        try:
            return self._tree.read(path, limit=MAX_FILE)
        except InputError:
            return None


class Data:
    """What ``file``, ``templatefile`` and ``fileset`` read for the modules of one root. Paths are
    relative to the root's folder, as is what ``path.module`` says: Terraform runs there."""

    def __init__(self, files: Files, root: str) -> None:
        self._files = files
        self._root = root
        self._left = _MAX_READS
        self._listed: dict[tuple[str, str], list[str] | None] = {}

    def read(self, path: str) -> bytes | None:
        """The content, None when there is no such file within the tree."""
        inside = self._inside(path)
        if inside is None or self._left <= 0:
            return None
        self._left -= 1
        found = self._files.read(inside)
        return found if found is not None and len(found) <= MAX_DATA else None

    def glob(self, folder: str, pattern: str) -> list[str] | None:
        """Paths below a folder that match, None where that is not certain."""
        inside = self._inside(folder)
        if inside is None:
            return None
        asked = (inside, pattern)
        if asked not in self._listed and self._left > 0:
            self._left -= _LISTING
            self._listed[asked] = matching(inside, pattern, self._files.entries)
        return self._listed.get(asked)

    def _inside(self, path: str) -> str | None:
        if path.startswith(("/", "~")) or "\0" in path:
            return None
        found = posixpath.normpath(posixpath.join(self._root, path))
        if found == ".." or found.startswith("../"):
            return None
        return "" if found == "." else found
