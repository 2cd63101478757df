"""What a waiver of the store covers: the same as it would cover in the gate of a pipeline.

The gate's own ``Matcher`` judges. Besides what it knows, a waiver of the store has a reach of
clusters and namespaces, may be about one repository, and may name many fingerprints.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from haechi.errors import InputError, UsageError
from haechi.gate.matching import Matcher, is_expired, matcher
from haechi.model.finding import Finding
from haechi.model.keys import without_repository
from haechi.model.location import Location
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.store.records import Life, StoredFinding, StoredWaiver

_NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def as_finding(stored: StoredFinding) -> Finding:
    """A stored finding as the gate's code takes it; its file is called as in its repository."""
    return Finding(
        rule=stored.rule,
        severity=stored.severity,
        title=stored.title,
        message=stored.message,
        location=Location(path=stored.path, line=stored.line),
        resource=without_repository(stored.resource),
        label=stored.label,
        fingerprint=stored.fingerprint,
        aliases=tuple(stored.aliases),
    )


def unstored(**told: Any) -> StoredFinding:
    """A finding that the store has not seen yet, for its matchers: what only a life brings is
    not there."""
    return StoredFinding(
        id="",
        default=True,
        state=Life.OPEN,
        owner=None,
        due=None,
        overdue=False,
        waiver=None,
        waived_until=None,
        first_seen=_NEVER,
        last_seen=_NEVER,
        changed=_NEVER,
        fixed_at=None,
        commit=None,
        fix=None,
        cwe=[],
        tags=[],
        **told,
    )


class StoreMatcher:
    """One waiver of the store, ready to be asked. Raises UsageError for a glob that is none."""

    def __init__(self, stored: StoredWaiver) -> None:
        self.stored = stored
        self.fingerprints = frozenset(stored.fingerprints)
        self._inner = self._compiled(stored)

    @staticmethod
    def _compiled(stored: StoredWaiver) -> Matcher:
        waiver = Waiver(
            rule=stored.rule,
            origin=WaiverOrigin.STORE,
            location=Location(path=stored.id),
            path=stored.path or None,
            resource=stored.resource or None,
            reason=stored.reason,
            owner=stored.owner,
            expires=stored.expires,
        )
        try:
            return matcher(waiver)
        except InputError as error:
            raise UsageError(error.what, do="write a glob such as deploy/**") from error

    def __call__(self, finding: StoredFinding) -> bool:
        """True when every condition of the waiver holds, whatever its date."""
        stored = self.stored
        return (
            stored.source in ("", finding.source)
            and stored.reach.covers(finding.cluster, finding.namespace)
            and (not self.fingerprints or finding.fingerprint in self.fingerprints)
            and stored.rule in ("*", finding.rule, *finding.aliases)
            and self._inner.covers(as_finding(finding))
        )

    def holds(self, today: dt.date) -> bool:
        """True when it was not revoked and has not ended."""
        return self.stored.revoked is None and not is_expired(self._inner.waiver, today)


class StoreWaivers:
    """Which of some waivers covers a finding: asked for each finding of a push. Globs are compiled
    once for a waiver."""

    def __init__(self, today: dt.date) -> None:
        self._today = today
        self._known: dict[str, StoreMatcher] = {}

    def __call__(
        self, finding: StoredFinding, waivers: Sequence[StoredWaiver]
    ) -> StoredWaiver | None:
        """The waiver that ends last of those that cover the finding; None: none does."""
        found = [one for one in waivers if self._covers(one, finding)]
        return max(found, key=lambda waiver: (waiver.expires, waiver.id), default=None)

    def _covers(self, waiver: StoredWaiver, finding: StoredFinding) -> bool:
        known = self._known.get(waiver.id)
        if known is None or known.stored is not waiver:
            known = self._known[waiver.id] = StoreMatcher(waiver)
        return known.holds(self._today) and known(finding)
