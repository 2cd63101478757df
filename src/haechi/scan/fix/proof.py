"""Judge what is being fixed, and say whether a change made it better and nothing worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from haechi.checks.audits import SHARED, Audits
from haechi.checks.judge import Judge
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review, Scope, State
from haechi.scan.fix.pipelines import Pipeline
from haechi.scan.fix.subject import Identity, Manifest, Subject
from haechi.scan.iac.kubernetes import Inventory

_BAD = (State.FAIL, State.ERROR, State.NOT_EVALUATED)
Key = tuple[str, Identity, int]
"""Rule, place, ordinal among equals."""


Auditor = Callable[[Resource, str], Audits]
"""What zizmor finds in a text."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A violation in a subject. ``line`` counts within the file as it was read."""

    key: Key
    position: int
    path: AttrPath
    line: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What judging one resource yielded: violations and how many bad verdicts by rule."""

    found: tuple[Found, ...]
    counts: Mapping[str, int]


class Prover(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Judges resources among the others of the scan. ``memo`` goes into every review."""

    judge: Judge
    others: Sequence[Resource]
    memo: Mapping[str, object]
    audits: Auditor | None = None

    def scope(self, subjects: Sequence[Subject]) -> Scope:
        """Everything that is visible: the other files, and this one as it is now."""
        own = [r for s in subjects if isinstance(s, Manifest) for r in s.resources]
        return Inventory([*self.others, *own], self.judge.templates)

    def result(self, subject: Subject, position: int, scope: Scope) -> Result:
        """Judge one resource of a subject."""
        resource = subject.resources[position]
        memo = dict(self.memo)
        shared: dict[str, object] = {}
        if self.audits is not None and isinstance(subject, Pipeline):
            shared[SHARED] = self.audits(resource, subject.text)
        review = Review(resource=resource, scope=scope, memo=memo, shared=shared)
        found: list[Found] = []
        counts: Counter[str] = Counter()
        ordinals: Counter[tuple[str, Identity]] = Counter()
        for verdict in self.judge.review(review):
            if verdict.state not in _BAD:
                continue
            counts[verdict.rule] += 1
            if verdict.state is not State.FAIL:
                continue
            place = (verdict.rule, subject.identity(position, verdict.path))
            line = resource.locate(verdict.path).line
            key = (*place, ordinals[place])
            ordinals[place] += 1
            found.append(Found(key=key, position=position, path=verdict.path, line=line))
        return Result(found=tuple(found), counts=counts)

    def counts(self, subjects: Sequence[Subject]) -> Counter[str]:
        """Bad verdicts by rule over a whole file."""
        scope = self.scope(subjects)
        total: Counter[str] = Counter()
        for subject in subjects:
            for position in range(len(subject.resources)):
                total.update(self.result(subject, position, scope).counts)
        return total


def risen(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """Rules that are violated more often than before."""
    return sorted(rule for rule, count in after.items() if count > before.get(rule, 0))
