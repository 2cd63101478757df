"""Which findings about packages are accepted: by the run's report, or by a waiver of the store.

Upgrades are chosen before the store sees the findings, so its waivers are asked here, too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.errors import InputError, LimitExceeded
from haechi.server.work.matching import StoreWaivers, unstored
from haechi.store.records import StoredFinding, StoredWaiver
from haechi.store.state.acceptance import Acceptances
from haechi.store.state.plain import from_json
from haechi.store.state.pushed import Seen, seen_findings
from haechi.store.state.rows import SEVERITIES

_WAIVED = "waived"


class Accepting:
    """Asked about findings of one (cluster, source, branch) in the report's shape. ``waivers``
    are those in force."""

    def __init__(
        self, waivers: Sequence[StoredWaiver], target: tuple[str, str, str], today: dt.date
    ) -> None:
        self._cluster, self._source, self._ref = target
        own = [
            one
            for one in waivers
            if one.source in ("", self._source) and one.reach.cluster in ("*", self._cluster)
        ]
        self._acceptances = Acceptances(own, StoreWaivers(today)) if own else None

    def __call__(self, finding: Mapping[str, Any]) -> bool:
        """Whether somebody accepts it. One that the store is going to refuse is not."""
        if finding.get("state") == _WAIVED:
            return True
        if self._acceptances is None:
            return False
        try:
            (seen,) = seen_findings([finding], self._source.removeprefix("repo:"))
        except (InputError, LimitExceeded):
            return False
        return self._acceptances.of(seen, lambda: self._stored(seen)) is not None

    def _stored(self, seen: Seen) -> StoredFinding:
        return unstored(
            source=self._source,
            ref=self._ref,
            cluster=self._cluster,
            namespace=seen.namespace,
            fingerprint=seen.fingerprint,
            rule=seen.rule,
            domain=seen.domain,
            severity=SEVERITIES[seen.severity],
            title=seen.title,
            message=seen.message,
            path=seen.path,
            line=seen.line,
            resource=seen.resource,
            label=seen.label,
            attribute=seen.attribute,
            aliases=from_json(seen.aliases),
        )
