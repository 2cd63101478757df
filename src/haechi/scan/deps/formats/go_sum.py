"""``go.sum`` and ``vendor/modules.txt``: lists that Go writes beside ``go.mod``."""

from __future__ import annotations

from typing import NamedTuple

from haechi.errors import LimitExceeded
from haechi.scan.deps.formats.decoding import MAX_PACKAGES

_LINES = 10 * MAX_PACKAGES


class Sums(NamedTuple):
    """Digests of the contents of modules by path and version, and for each path its versions
    with their lines. Sums of ``go.mod`` files alone are left out: nothing of them is built."""

    digests: dict[tuple[str, str], str]
    versions: dict[str, dict[str, int]]


class Vendored(NamedTuple):
    """One module of ``modules.txt``. ``asked`` is the module that was asked for, ``path`` what
    stands in its place (the same, mostly); ``version`` is "" for a folder."""

    asked: str
    asked_version: str
    path: str
    version: str
    explicit: bool
    line: int

    @property
    def spelled(self) -> str:
        return self.asked if self.asked != self.path else ""


def sums_of(text: str) -> Sums:
    """Lines of ``module version h1:digest``; others are passed over."""
    sums = Sums({}, {})
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if len(words) != 3 or words[1].endswith("/go.mod"):
            continue
        name, version, digest = words
        sums.digests[(name, version)] = digest
        sums.versions.setdefault(name, {})[version] = number
        if number > _LINES or len(sums.digests) > MAX_PACKAGES:
            raise LimitExceeded(f"go.sum with more than {MAX_PACKAGES:,} modules")
    return sums


def vendored_of(text: str) -> list[Vendored]:
    """Lines of ``# module version`` with ``=> module version`` and ``## explicit``. Replacements
    that no module uses stand at the end without a version and are passed over."""
    found: list[Vendored] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## ") and found:
            if "explicit" in line[3:].replace(";", " ").split():
                found[-1] = found[-1]._replace(explicit=True)
        elif line.startswith("# "):
            words = line[2:].split()
            if len(words) < 2 or words[1] == "=>":
                continue
            name, version = words[0], words[1]
            path, new = name, version
            if len(words) > 3 and words[2] == "=>":
                path, new = (words[3], words[4]) if len(words) > 4 else (name, "")
            found.append(Vendored(name, version, path, new, False, number))
            if len(found) > MAX_PACKAGES:
                raise LimitExceeded(f"more than {MAX_PACKAGES:,} modules")
    return found
