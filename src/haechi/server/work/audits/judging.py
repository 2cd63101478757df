"""Judging a cluster's objects by one set of policies, and by another one beside it.

Used in the process that judges. Judging itself happens in a fork of it (``admit.apart``), which is
killed when a policy makes no progress; objects are made values only there, so this process holds no
more than their JSON.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import overload

import msgspec

from haechi.admit.apart import Judging as Judges
from haechi.admit.apart import judged_apart
from haechi.admit.policies import PolicySet
from haechi.admit.policy import View
from haechi.admit.recording import evidence_of, unpacked
from haechi.admit.redact import Redacted, redacted
from haechi.admit.reviews import nowhere, review_of, review_of_request
from haechi.admit.simulate import Case, Forecast, forecast, what_if
from haechi.checks.pods.view import mapping
from haechi.gate.admission import attribute_of, live_fingerprint
from haechi.model.admission import Effect, PolicyFault, PolicyVerdict
from haechi.model.coverage import Gap
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource
from haechi.model.review import Point, Review, State
from haechi.server.work.audits.objects import types_named
from haechi.server.work.audits.wire import (
    AuditedObject,
    AuditedVerdict,
    Compare,
    Compared,
    Done,
    Foretold,
    Found,
    Go,
    News,
    Recorded,
    Setup,
    Text,
)
from haechi.server.work.cluster_view import ClusterView
from haechi.world.kube.cluster import Kept, resource_of

OWNER = "haechi.dev/owner"
MOST_VERDICTS = 100
"""Of one object; a policy that says more of it says nothing new."""
MOST_CHANGES = 1_500
"""Of a comparison: what fits an answer; all are counted."""
MOST_FORECASTS = 2_000
"""Policies and namespaces of a forecast; what is not ready comes first."""
_FINE = (State.PASS, State.NOT_APPLICABLE)
_FOUND_BYTES = 4 << 20


class Held:
    """What policies may ask for."""

    def __init__(self) -> None:
        self._of: dict[str, dict[tuple[str, str], Kept]] = {}

    def take(self, news: News) -> None:
        """News."""
        if news.anew:
            self._of = {}
        for one in news.kept:
            self._of.setdefault(one.type, {})[one.namespace, one.name] = one
        for type_, namespace, name in news.gone:
            self._of.get(type_, {}).pop((namespace, name), None)

    def kept(self, *types: str) -> Iterable[Kept]:
        """See ``Holding``."""
        return [one for type_ in types for one in self._of.get(type_, {}).values()]


class Reviews(Sequence[Review]):
    """Reviews that are made when somebody judges them: in the fork, and forgotten there."""

    def __init__(self, kept: Sequence[Kept], cluster: str, view: ClusterView) -> None:
        self._kept, self._cluster, self._view = kept, cluster, view

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, place: int) -> Review: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Review]: ...
    def __getitem__(self, place: int | slice) -> Review | Sequence[Review]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return review_of(read(self._kept[place], self._cluster), self._view, point=Point.AUDIT)


def read(kept: Kept, cluster: str) -> Resource:
    """The object with its values, which stands in no file."""
    found = resource_of(msgspec.json.decode(kept.body), cluster, locate=nowhere)
    if found is None:
        raise ValueError(f"{kept.type} {kept.name} does not say what it is")
    return found


class Judging:
    """One set of policies over one cluster. ``passes`` of the objects that were judged so far."""

    def __init__(self, setup: Setup, policies: PolicySet) -> None:
        self.policies = policies
        self._setup = setup
        self._held = Held()
        reads = {read for policy in policies.policies for read in policy.info.reads}
        self._view = ClusterView(self._held, reads=reads)
        self._asked: list[Kept] = []
        self._passed: dict[str, tuple[str, tuple[str, ...]]] = {}

    def news(self, news: News) -> None:
        """Something that policies may ask for changed."""
        self._held.take(news)
        self._view.renew(unknown=news.unknown)

    def asked(self, kept: list[Kept]) -> None:
        """Judge these in the next round, too."""
        self._asked += kept

    def round(self, go: Go) -> Iterator[Found | Done]:
        """Judge what was asked."""
        began = cpu()
        asked, self._asked = self._asked, []
        if go.anew:
            self._passed = {}
        for key in go.gone:
            self._passed.pop(key, None)
        off: dict[str, str] = {}
        part: list[AuditedObject] = []
        size = 0
        reviews = Reviews(asked, self._setup.cluster, self._view)
        found = judged_apart(
            self.policies,
            reviews,
            self._view,
            deadline_s=self._setup.deadline_s,
            memory_bytes=self._setup.memory_bytes,
        )
        for kept, verdicts in zip(asked, found, strict=True):
            one = self._object(kept, verdicts, off)
            if one is not None:
                part.append(one)
                size += 500 + sum(len(v.verdict.message) + 300 for v in one.verdicts)
            if size > _FOUND_BYTES:
                yield Found(part)
                part, size = [], 0
        if part:
            yield Found(part)
        yield Done(
            judged=len(asked),
            objects=len(self._passed),
            passes=self._passes(),
            off=off,
            cpu_s=cpu() - began,
        )

    def compare(self, ask: Compare) -> Compared:
        """What other policies would say of the same. Raises HaechiError."""
        from haechi.admit.load import load_policies

        asked, self._asked = self._asked, []
        setup = self._setup
        texts = [*ask.texts, *([] if ask.replace else setup.texts)]
        packs = list(dict.fromkeys([*ask.packs, *([] if ask.replace else setup.packs)]))
        resources, unread = resources_of(texts)
        new = load_policies(resources, packs=tuple(packs))
        reads = {read for policy in new.policies for read in policy.info.reads}
        reads |= {read for policy in self.policies.policies for read in policy.info.reads}
        view = ClusterView(self._held, reads=reads, unknown=self._view.unknown)
        cases = self._cases(asked, view)
        requests = [_case(one, view, setup.cluster) for one in ask.recorded]
        judging = partial(_cleanly, self._apart())
        known = [one for one in requests if one is not None]
        found = what_if(self.policies, new, [*cases, *known], view, judging=judging)
        changes = found.changes[:MOST_CHANGES]
        return Compared(
            found=msgspec.structs.replace(found, changes=changes),
            faults=[*new.faults, *unread],
            left_out=len(requests) - len(known),
            kinds=sorted(types_named([policy.info for policy in new.policies])),
            denying=(_denying(self.policies), _denying(new)),
            forecast=_foretold(forecast(new, cases, view, today=ask.today, judging=judging)),
        )

    def foresee(self, today: dt.date) -> Foretold:
        """What the next stages of the rollouts in force would do to what was asked."""
        asked, self._asked = self._asked, []
        cases = self._cases(asked, self._view)
        rows = forecast(self.policies, cases, self._view, today=today, judging=self._apart())
        return Foretold(judged=len(cases), rows=_foretold(rows))

    def _cases(self, asked: Sequence[Kept], view: ClusterView) -> list[Case]:
        cluster = self._setup.cluster
        return [
            Case(review=review_of(read(one, cluster), view, point=Point.WHAT_IF)) for one in asked
        ]

    def _apart(self) -> Judges:
        setup = self._setup
        return partial(judged_apart, deadline_s=setup.deadline_s, memory_bytes=setup.memory_bytes)

    def _passes(self) -> list[tuple[str, str, int]]:
        counts = Counter(
            (policy, namespace)
            for namespace, policies in self._passed.values()
            for policy in policies
        )
        return [(policy, namespace, count) for (policy, namespace), count in counts.items()]

    def _object(
        self, kept: Kept, verdicts: Sequence[PolicyVerdict], off: dict[str, str]
    ) -> AuditedObject | None:
        """What is to be told; None when the object is all right."""
        group, _, kind = kept.type.partition("/")
        key = k8s_key(
            group="" if group == "core" else group,
            kind=kind,
            namespace=kept.namespace or None,
            name=kept.name,
            cluster=self._setup.cluster,
        )
        bad = [one for one in verdicts if one.state not in _FINE]
        named = {one.policy for one in bad}
        passed = {one.policy for one in verdicts if one.state is State.PASS} - named
        self._passed[key] = (kept.namespace or "-", tuple(sorted(passed)))
        for one in bad:
            if one.state is State.ERROR and one.message.startswith("switched off"):
                off[one.policy] = one.message
        if not bad:
            return None
        resource = read(kept, self._setup.cluster)
        return AuditedObject(
            key=key,
            type=kept.type,
            namespace=kept.namespace or "-",
            name=kept.name,
            label=resource.label,
            owner=_owner(resource, self._setup.cluster),
            team=_team(resource),
            idle=_idle(resource),
            verdicts=list(_told(resource, bad[:MOST_VERDICTS])),
        )


def _cleanly(
    judges: Judges, policies: PolicySet, reviews: Sequence[Review], view: View
) -> Iterator[tuple[PolicyVerdict, ...]]:
    """As they are judged, with words that hold no secrets of what was judged."""
    for review, verdicts in zip(reviews, judges(policies, reviews, view), strict=True):
        if any(one.state not in _FINE for one in verdicts):
            # An old object's values are quoted as well as the new one's.
            clean = redacted({"object": review.resource.data, "oldObject": review.old})
            verdicts = tuple(_clean(one, clean) for one in verdicts)
        yield verdicts


def _told(resource: Resource, bad: Sequence[PolicyVerdict]) -> Iterator[AuditedVerdict]:
    clean = redacted(resource.data)
    seen: Counter[tuple[str, str, str, bool]] = Counter()
    for one in bad:
        path = attribute_of(resource, one)
        place = (one.policy, one.rule, path, one.generated)
        ordinal, seen[place] = seen[place], seen[place] + 1
        yield AuditedVerdict(
            verdict=_clean(one, clean),
            path=path,
            fingerprint=live_fingerprint(one, resource, ordinal),
            ordinal=ordinal,
            evidence=evidence_of(one, clean),
        )


def _clean(one: PolicyVerdict, clean: Redacted) -> PolicyVerdict:
    message = clean.clean(one.message[:8_000])[:2_000]
    return msgspec.structs.replace(one, message=message, evidence={}, annotations={})


def _owner(resource: Resource, cluster: str) -> str:
    owners = mapping(resource.data.get("metadata")).get("ownerReferences")
    for one in owners if isinstance(owners, list) else ():
        one = mapping(one)
        kind, name, version = one.get("kind"), one.get("name"), one.get("apiVersion")
        if one.get("controller") is True and all(
            isinstance(word, str) and word for word in (kind, name, version)
        ):
            group = str(version).rpartition("/")[0]
            return k8s_key(
                group=group,
                kind=str(kind),
                namespace=resource.namespace,
                name=str(name),
                cluster=cluster,
            )
    return ""


def _team(resource: Resource) -> str:
    """Who has to act, as the object itself says (``gate.owners`` does so for files)."""
    metadata = mapping(resource.data.get("metadata"))
    said = mapping(metadata.get("annotations")).get(OWNER)
    labels = mapping(metadata.get("labels"))
    words = (said, labels.get("owner"), labels.get("team"))
    return next((word[:200] for word in words if isinstance(word, str) and word), "")


def _idle(resource: Resource) -> bool:
    spec = mapping(resource.data.get("spec"))
    return resource.kind == "ReplicaSet" and spec.get("replicas") == 0


def _foretold(rows: Sequence[Forecast]) -> list[Forecast]:
    """Those that something comes after: what is not ready first."""
    coming = [one for one in rows if one.next is not None]
    coming.sort(key=lambda one: (one.ready, one.begins or dt.date.max))
    return coming[:MOST_FORECASTS]


def _denying(policies: PolicySet) -> list[str]:
    return [one.info.id for one in policies.policies if Effect.DENY in one.info.effects]


def _case(one: Recorded, view: ClusterView, cluster: str) -> Case | None:
    """A recorded request to judge again; None when it cannot be read."""
    request = unpacked(one.body)
    if request is None:
        return None
    review = review_of_request(request, view, cluster=cluster, point=Point.WHAT_IF)
    user = mapping(request.get("userInfo")).get("username")
    return Case(review=review, at_ns=one.at_ns, user=user if isinstance(user, str) else "")


def resources_of(texts: Sequence[Text]) -> tuple[list[Resource], list[PolicyFault]]:
    """The documents, and what cannot be read."""
    from haechi.world.manifests import objects_of

    gaps: list[Gap] = []
    found = [one for text in texts for one in objects_of(text.data, text.name, gaps)]
    return found, [_unread(gap) for gap in gaps]


def _unread(gap: Gap) -> PolicyFault:
    return PolicyFault(kind="unreadable", what=gap.reason, do=gap.do or "", file=gap.path)


def cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
