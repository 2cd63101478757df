"""From a path on the command line to the project around it.

The root is the nearest folder upwards that holds haechi.yaml or .git, so that paths,
fingerprints, waivers and configuration are the same whichever part is scanned.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from haechi.errors import ConfigError, UsageError
from haechi.model.config import CONFIG_FILES, LOCK_FILE, Config

if TYPE_CHECKING:
    from haechi.gate.lock import Lock

_MARKS = (*CONFIG_FILES, ".git")
KEY = "HAECHI_PROJECT_KEY"
KEY_FILE = "HAECHI_PROJECT_KEY_FILE"
LEAST_KEY = 32


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project and the part of it that was asked for (``within``, empty for all of it)."""

    root: Path
    within: str
    config: Config


def open_project(path: Path) -> Project:
    """Find the root, read haechi.yaml. Raises UsageError or ConfigError."""
    try:
        absolute = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"there is no {path}", do="name a folder or a file that exists") from error
    start = absolute if absolute.is_dir() else absolute.parent
    root = next((d for d in (start, *start.parents) if _is_marked(d, start)), start)
    within = absolute.relative_to(root).as_posix()
    return Project(root=root, within="" if within == "." else within, config=_config(root))


def _is_marked(directory: Path, start: Path) -> bool:
    """True when the folder is a project's. Above ``start``, what a stranger wrote marks nothing:
    whoever may write to /tmp could put a haechi.yaml above everybody's folders there."""
    for mark in _MARKS:
        try:
            owner = (directory / mark).stat().st_uid
            trusted = {start.stat().st_uid, 0, *([os.getuid()] if hasattr(os, "getuid") else [])}
        except OSError:
            continue
        if directory == start or owner in trusted:
            return True
    return False


def _config(root: Path) -> Config:
    if not any((root / name).exists() or (root / name).is_symlink() for name in CONFIG_FILES):
        return Config()
    from haechi.world.config import load_config

    return load_config(root)


def read_text(root: Path, name: str, *, limit: int = 4 << 20) -> str | None:
    """Text of one of haechi's own files; None when it is not there.

    Raises ConfigError when it is too large or not UTF-8 (half a waiver file may still parse) or
    a link out of the project: its lines would end up in reports.
    """
    path = root / name
    if not path.is_file():
        return None
    if not path.resolve().is_relative_to(root.resolve()):
        raise ConfigError("a link that leads out of the scanned folder", where=name)
    with path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ConfigError(f"larger than {limit:,} bytes", where=name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", where=name, do="save it as UTF-8") from error


def load_lock(root: Path) -> Lock | None:
    """haechi.lock, if the repository has one. Raises ConfigError."""
    text = read_text(root, LOCK_FILE)
    if text is None:
        return None
    from haechi.gate.lock import read_lock

    return read_lock(text)


def project_key() -> bytes | None:
    """The key under which ``secret_id`` is made, from HAECHI_PROJECT_KEY or the file that
    HAECHI_PROJECT_KEY_FILE names; never from the repository. Raises UsageError when it is weak."""
    text = os.environ.get(KEY, "")
    source = KEY
    if not text and (name := os.environ.get(KEY_FILE)):
        source = KEY_FILE
        try:
            with Path(name).open("rb") as stream:
                text = stream.read(4096).decode("utf-8", "replace")
        except OSError as error:
            raise UsageError(
                f"the project key file {name} cannot be read",
                do=f"name a file that holds the key, or unset {KEY_FILE}",
            ) from error
    text = text.strip()
    if text and len(text) < LEAST_KEY:
        raise UsageError(
            f"{source}: a project key has at least {LEAST_KEY} characters",
            do="make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'",
        )
    return text.encode() or None
