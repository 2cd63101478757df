"""What Terraform's modules and file functions may read of a scanned tree."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from typing import TYPE_CHECKING

from haechi.errors import InputError

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.calls import Files
    from haechi.world.files import Tree

MAX_FILE = 8 * 1024 * 1024
MAX_DATA = 1024 * 1024
"""Bytes of a file that an expression reads."""
_MAX_READS = 5_000
_MAX_LISTED = 10_000


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

    def read(self, path: str) -> bytes | None:
        """The content of a file."""
        try:
            return self._tree.read(path, limit=MAX_FILE)
        except InputError:
            return None


class Data:
    """What ``file``, ``templatefile`` and ``fileset`` read for the modules of one root. Paths begin
    with ``path.module``, which is relative to the tree, or are relative to the root's folder."""

    def __init__(self, files: Files, root: str) -> None:
        self._files = files
        self._root = root
        self._left = _MAX_READS

    def read(self, path: str) -> bytes | None:
        """The content, None when there is no such file within the tree."""
        for candidate in self._candidates(path):
            if self._left <= 0:
                return None
            self._left -= 1
            found = self._files.read(candidate)
            if found is not None:
                return found if len(found) <= MAX_DATA else None
        return None

    def glob(self, folder: str, pattern: str) -> list[str] | None:
        """Names in a folder that match; patterns that go deeper are not answered."""
        if "/" in pattern or "**" in pattern or "{" in pattern:
            return None
        matches = re.compile(translate(pattern)).match
        for candidate in self._candidates(folder):
            names = self._files.names(candidate)
            if names:
                return [name for name in names[:_MAX_LISTED] if matches(name)]
        return None

    def _candidates(self, path: str) -> list[str]:
        if path.startswith(("/", "~")) or "\0" in path:
            return []
        direct = posixpath.normpath(path)
        inside = posixpath.normpath(posixpath.join(self._root, path))
        found = [one for one in (direct, inside) if one != ".." and not one.startswith("../")]
        return list(dict.fromkeys("" if one == "." else one for one in found))
