"""Tables of facts that judges look up: retired API versions and annotations nobody reads.

They are data files under ``rules/data/tables``, read once and kept: they are part of the
program and never change while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from haechi.rules.compiled import table
from haechi.rules.schema import Struct


class RetiredApi(Struct, frozen=True):
    """A version of some kinds that was deprecated and later no longer served (``1.22``)."""

    api: str
    kinds: list[str]
    deprecated: str
    removed: str
    replacement: str = ""

    @property
    def deprecated_minor(self) -> int:
        return int(self.deprecated.partition(".")[2])

    @property
    def removed_minor(self) -> int:
        return int(self.removed.partition(".")[2])


class DeadAnnotation(Struct, frozen=True):
    """An annotation that its ``reader`` no longer reads; ``protects`` if it was a control."""

    key: str
    reader: str
    instead: str
    since: str = ""
    protects: bool = False


class _RetiredFile(Struct, frozen=True):
    apis: list[RetiredApi]


class _DeadFile(Struct, frozen=True):
    annotations: list[DeadAnnotation]


@cache
def retired_apis() -> Mapping[tuple[str, str, str], RetiredApi]:
    """Retired versions by (group, version, kind)."""
    retired: dict[tuple[str, str, str], RetiredApi] = {}
    for entry in table("removed_apis", _RetiredFile).apis:
        group, _, version = entry.api.rpartition("/")
        for kind in entry.kinds:
            retired[group, version, kind] = entry
    return retired


@cache
def dead_annotations() -> Mapping[str, DeadAnnotation]:
    """Dead annotations by key."""
    return {entry.key: entry for entry in table("dead_annotations", _DeadFile).annotations}
