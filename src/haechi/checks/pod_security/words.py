"""The checks in our own words, in both languages (``rules/data/tables/pod_security.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from haechi.rules.compiled import table
from haechi.rules.schema import Struct, Text


class CheckWords(Struct, frozen=True, kw_only=True):
    """What a check keeps, why, and what to write instead."""

    title: str
    why: str
    fix: str
    ko: Text


@lru_cache(maxsize=1)
def check_words() -> Mapping[str, CheckWords]:
    """The words of every check, by its id."""
    return table("pod_security", dict[str, CheckWords])
