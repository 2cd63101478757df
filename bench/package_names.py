"""Count the names of packages that lock files and manifests of public repositories hold.

``python -m bench.package_names FOLDER`` reads the newest commit of every bare repository below
FOLDER and prints ``ecosystem<TAB>name<TAB>repositories``, most used first: what the list of known
names (``checks/deps/names``) is made from. A name counts once for each repository.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from haechi.errors import InputError
from haechi.model.package import Source
from haechi.scan.deps.formats import format_of, load_reader

ECOSYSTEMS = ("PyPI", "npm")
_MOST = 60
_BYTES = 8 << 20


class _Alone:
    """``Around`` of a file that is read by itself."""

    def read(self, path: str) -> bytes | None:
        return None

    def names(self, folder: str) -> frozenset[str]:
        return frozenset()


def names_of(repository: Path) -> set[tuple[str, str]]:
    """Ecosystem and name of every package from a registry at the newest commit."""
    found: set[tuple[str, str]] = set()
    for path in list(_paths(repository))[:_MOST]:
        format = format_of(path)
        if format is None or format.ecosystem not in ECOSYSTEMS:
            continue
        data = _git(repository, "show", f"HEAD:{path}")
        if not data or len(data) > _BYTES:
            continue
        try:
            files = load_reader(format)(data, path, _Alone())
        except InputError:
            continue
        for file in files:
            for one in file.packages:
                if one.source is Source.REGISTRY:
                    found.add((one.ecosystem, one.name))
    return found


def _paths(repository: Path) -> Iterator[str]:
    listed = _git(repository, "ls-tree", "-r", "--name-only", "HEAD").decode("utf-8", "replace")
    for path in listed.splitlines():
        format = format_of(path)
        if format is not None and format.ecosystem in ECOSYSTEMS and "node_modules/" not in path:
            yield path


def _git(repository: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, check=False).stdout


def main(folder: Path) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for repository in sorted(folder.glob("*/repo")):
        counts.update(names_of(repository))
    for (ecosystem, name), count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        print(f"{ecosystem}\t{name}\t{count}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
