"""Where the user's database of advisories lies."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from haechi.errors import ConfigError

VARIABLE = "HAECHI_DB"
OSV_SCANNER = "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY"
"""Where OSV-Scanner keeps its offline exports: they can be imported as they are."""


def named() -> Path | None:
    """What $HAECHI_DB names."""
    value = os.environ.get(VARIABLE, "")
    return Path(value).expanduser() if value else None


def database() -> Path:
    """$HAECHI_DB, else $XDG_DATA_HOME/haechi/advisories.db. Raises ConfigError without a home."""
    found = named()
    if found is not None:
        return found
    data = os.environ.get("XDG_DATA_HOME", "")
    if data and Path(data).is_absolute():
        return Path(data) / "haechi" / "advisories.db"
    try:
        return Path.home() / ".local" / "share" / "haechi" / "advisories.db"
    except RuntimeError:
        raise ConfigError(
            "nobody has a home here, so there is no usual place for advisories",
            do=f"name the file: {VARIABLE}=/path/to/advisories.db",
        ) from None


def offline_exports() -> Path | None:
    """The folder of another scanner's exports on this machine, if there is one."""
    value = os.environ.get(OSV_SCANNER, "")
    cache = os.environ.get("XDG_CACHE_HOME", "")
    candidates = [Path(value)] if value else []
    with contextlib.suppress(RuntimeError):
        candidates.append(Path(cache) if cache else Path.home() / ".cache")
    for folder in candidates:
        found = folder / "osv-scanner"
        if found.is_dir():
            return found
    return None
