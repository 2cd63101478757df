"""Whether a tool would run code of the project while it renews a lock file.

Registries and mirrors stand in the same files as plug-ins and programs, so these files cannot be
left out: a project whose settings name code is told instead. What can be switched off by an option
or by the environment is (``commands``, ``world.package_tools``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from haechi.scan.deps.fixing.commands import Command

_MOST = 1024 * 1024
_SIGNS: dict[str, tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...]] = {
    "yarn": (((".yarnrc.yml",), re.compile(r"^[\"' \t]*plugins\b", re.M), "plug-ins of its own"),),
    "cargo": (
        (
            (".cargo/config.toml", ".cargo/config"),
            re.compile(r"credential|rustc|git-fetch-with-cli|\binclude\b"),
            "programs of its own",
        ),
    ),
    "poetry": (
        (
            ("pyproject.toml",),
            re.compile(r"requires-plugins|\bpath\s*=|\bgit\s*=|@\s*(?:file|git)"),
            "packages that are built from their sources",
        ),
    ),
    "pip-compile": (
        (
            ("*.in",),
            re.compile(
                r"^\s*(?:-e\b|--editable|\.|/|file:|git\+|\S+\s*@\s*(?:file|git))"
                r"|^\s*-[rc]\s*\S*/",
                re.M,
            ),
            "packages that are built from their sources",
        ),
    ),
    "pdm": (
        (
            ("pyproject.toml",),
            re.compile(r"@\s*(?:file|git)|^\s*-e\b|[\"']-e ", re.M),
            "packages that are built from their sources",
        ),
    ),
    "pipenv": (
        (
            ("Pipfile",),
            re.compile(r"\b(?:path|git|file|editable)\s*="),
            "packages that are built from their sources",
        ),
    ),
}


def own_code(step: Command, tree: Path) -> str:
    """Why a step is left to a person; "" for one that may run."""
    for names, sign, what in _SIGNS.get(step.tool, ()):
        for path in _files(tree, step.folder, names):
            try:
                with path.open(encoding="utf-8", errors="replace") as stream:
                    text = stream.read(_MOST + 1)
            except OSError:
                continue
            if len(text) > _MOST or sign.search(text):
                return f"{path.name} asks {step.tool} for {what}"
    return ""


def _files(tree: Path, folder: str, names: tuple[str, ...]) -> Iterator[Path]:
    """Settings in the folder and in those above it, up to the project."""
    here = tree / folder
    while True:
        for name in names:
            yield from sorted(path for path in here.glob(name) if path.is_file())
        if here in (tree, here.parent):
            return
        here = here.parent
