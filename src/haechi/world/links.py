"""Symbolic links that lead out of the scanned tree, for programs that follow them unasked."""

from __future__ import annotations

import os
from pathlib import Path

from haechi.errors import InputError

_MAX_ENTRIES = 100_000


def refuse_links_out(folder: Path, tree: Path) -> None:
    """Raise InputError when a link in ``folder``, or in what its links lead to, leaves ``tree``.

    Links within the tree are common (a chart in development linked into another's charts/).
    """
    inside = (tree.resolve(), folder.resolve())
    pending, seen, count = [folder.resolve()], set[Path](), 0
    while pending:
        directory = pending.pop()
        if directory in seen:
            continue
        seen.add(directory)
        try:
            with os.scandir(directory) as listed:
                entries = list(listed)
        except OSError:
            continue  # whoever cannot list it cannot read it either
        count += len(entries)
        if count > _MAX_ENTRIES:
            raise InputError(f"more than {_MAX_ENTRIES:,} files")
        for entry in entries:
            target = Path(entry.path)
            if entry.is_symlink():
                target = _target(target, inside)
            if target.is_dir():
                pending.append(target)


def _target(link: Path, inside: tuple[Path, ...]) -> Path:
    try:
        real = link.resolve()
    except (OSError, RuntimeError) as error:
        raise InputError(f"{link.name} is a link that leads in a circle") from error
    if not any(real.is_relative_to(base) for base in inside):
        raise InputError(f"{link.name} is a link that leads out of the scanned folder")
    return real
