"""``haechi patch --from-server``: the server says which upgrades are open for this repository.

A server knows what became vulnerable since the last scan. What it proposes is taken as a list of
what to fix, no more: versions, edits and proof are this machine's, by its own advisories. What
those do not know yet is told, never made blindly.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import InputError

if TYPE_CHECKING:
    from haechi.model.finding import Finding

_MOST = 1_000


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """One open proposal: a package of a file, and the vulnerabilities that it clears."""

    path: str
    package: str
    target: str
    ids: frozenset[str]


def proposals_of(server: str, root: Path) -> list[Proposed]:
    """Ask the server about the repository of a project. Raises InputError for an answer that is
    none."""
    from haechi.cli.asking import asked
    from haechi.world.origin import origin_of

    source = origin_of(root, os.environ).repository
    query = {"source": source, "limit": _MOST}
    return read(asked(server, "GET", "/api/v1/proposals", query=query))


def read(answer: Any) -> list[Proposed]:
    """The proposals of an answer."""
    items = answer.get("items") if isinstance(answer, Mapping) else None
    if not isinstance(items, list):
        raise InputError("the server's answer holds no proposals", do="is it haechi's server?")
    try:
        return [
            Proposed(
                path=one["path"],
                package=one["package"],
                target=one["target"],
                ids=frozenset(id_ for fix in one["fixes"] for id_ in (fix["id"], *fix["aliases"])),
            )
            for one in items
            if one["state"] == "open"
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("the server's answer is not understood") from error


def matching(
    proposals: Sequence[Proposed], findings: Sequence[Finding]
) -> tuple[list[Finding], list[Proposed]]:
    """The findings that are proposed to be fixed, and the proposals of which this scan knows
    nothing."""
    kept = [one for one in findings if any(_is_about(each, one) for each in proposals)]
    unknown = [each for each in proposals if not any(_is_about(each, one) for one in kept)]
    return kept, unknown


def _is_about(proposal: Proposed, finding: Finding) -> bool:
    return finding.location.path == proposal.path and not proposal.ids.isdisjoint(finding.ids)
