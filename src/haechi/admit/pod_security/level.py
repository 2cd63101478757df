"""A level of the Pod Security Standards for everything that a ``match`` takes, whatever the
namespaces say: what the packs ``pss-baseline`` and ``pss-restricted`` are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from haechi.admit.pod_security.labels import Standard
from haechi.admit.pod_security.pods import counts, failures, passed, results
from haechi.admit.policy import View
from haechi.model.admission import PolicyInfo, PolicyVerdict
from haechi.model.review import Review

if TYPE_CHECKING:
    from haechi.admit.match import Match


class LevelPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One level as of one version, without the checks that ``ignored`` names."""

    info: PolicyInfo
    standard: Standard
    action: str
    match: Match | None = None
    ignored: frozenset[str] = frozenset()

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        """Verdicts about a pod."""
        if not counts(review) or (self.match is not None and not self.match.matches(review, view)):
            return ()
        found = results(review, self.standard.level, self.standard.version)
        forbidden = [r for r in found if not r.allowed and r.check not in self.ignored]
        if not forbidden:
            return (passed(self.info),)
        return [
            *failures(
                self.info,
                forbidden,
                standard=str(self.standard),
                effects=self.info.effects,
                action=self.action,
                generated=review.generated,
            )
        ]
