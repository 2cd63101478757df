"""TOML lock files whose packages are an array of tables: ``[[package]]``, one after the other."""

from __future__ import annotations

from typing import Any

import msgspec

from haechi.model.coverage import Gap
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, rows, text_of, toml_of, too_many
from haechi.scan.deps.formats.places import lines_of, table_offsets


class Tables(msgspec.Struct, frozen=True):
    """The whole document, its packages, and the line of each."""

    value: dict[str, Any]
    entries: list[dict[str, Any]]
    lines: list[int]
    gaps: tuple[Gap, ...] = ()


def tables_of(data: bytes, path: str, name: str) -> Tables:
    """Read ``[[name]]``; past the most packages that are read the rest is a gap.

    Raises InputError for what is no text or no TOML.
    """
    text = text_of(data, path)
    offsets = table_offsets(text, name, MAX_PACKAGES)
    gaps: tuple[Gap, ...] = ()
    if len(offsets) > MAX_PACKAGES:
        text = text[: offsets.pop()]
        gaps = (too_many(path),)
    value = toml_of(text, path)
    entries = [entry for entry in rows(value.get(name)) if isinstance(entry, dict)]
    return Tables(value, entries, list(lines_of(text, offsets, len(entries))), gaps)
