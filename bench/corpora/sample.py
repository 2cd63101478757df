"""One sample of another project's detector, and reading files of a bare clone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A text in which a project's rule finds a credential (``positive``) or must not.

    ``values`` are the credentials, as far as the source names them, or several joined; ``vendor``
    is how the source calls it, lower-case letters and digits only. ``drawn`` marks values that
    the source gives as a form only, drawn here; ``fixed`` is False where its expression knows no
    fixed part of the value, so that only the vendor's name near it tells.
    """

    source: str
    rule: str
    vendor: str
    text: str
    values: tuple[str, ...] = ()
    positive: bool = True
    drawn: bool = False
    fixed: bool = True

    def __repr__(self) -> str:
        return f"Sample({self.source}, {self.rule})"


def squeezed(name: str) -> str:
    """Lower-case letters and digits of a name."""
    return "".join(char for char in name.lower() if char.isalnum())


def read_files(repository: Path, folder: str, ending: str) -> Iterator[tuple[str, str]]:
    """Path and text of every file below a folder of the newest commit with this ending."""
    git = ["git", "-C", str(repository)]
    listed = subprocess.run(
        [*git, "ls-tree", "-r", "-z", "HEAD", "--", folder], capture_output=True, check=True
    )
    paths: list[tuple[str, str]] = []
    for line in listed.stdout.decode().split("\0"):
        facts, _, path = line.partition("\t")
        if path.endswith(ending):
            paths.append((path, facts.split()[2]))
    wanted = "".join(f"{blob}\n" for _, blob in paths).encode()
    done = subprocess.run(
        [*git, "cat-file", "--batch"], input=wanted, capture_output=True, check=True
    )
    at = 0
    for path, _ in paths:
        end = done.stdout.index(b"\n", at)
        head = done.stdout[at:end].split()
        if head[-1] == b"missing":
            at = end + 1
            continue
        size = int(head[2])
        yield path, done.stdout[end + 1 : end + 1 + size].decode("utf-8", "replace")
        at = end + 1 + size + 1
