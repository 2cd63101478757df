"""The standing result of an audit: what does not pass now, with waivers, and how much does.

Waivers are asked again whenever they changed, without judging anything again; that they mean the
same here as for findings follows from asking the same matcher with the same words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import structs

from haechi.admit.naming import rule_id
from haechi.admit.recording import dotted, outcome_of
from haechi.errors import HaechiError
from haechi.model.admission import Effect, PolicyInfo, PolicyVerdict
from haechi.model.review import State
from haechi.model.severity import Severity
from haechi.server.work.audits.objects import UNJUDGED, named_by
from haechi.server.work.audits.wire import AuditedObject, AuditedVerdict
from haechi.server.work.matching import StoreMatcher, unstored
from haechi.store.records import StoredFinding, StoredWaiver
from haechi.store.state.admission_records import AuditedKind
from haechi.store.state.policy_states import Said
from haechi.world.kube.names import Kind

DOMAIN = "policy"
_WORST = ("fail", "error", "not_evaluated", "waived")
_SEVERITIES = {
    Effect.DENY: Severity.HIGH,
    Effect.WARN: Severity.MEDIUM,
    Effect.AUDIT: Severity.LOW,
}


def source_of(cluster: str) -> str:
    """What the findings of a cluster's audit are of."""
    return f"cluster:{cluster}"


class Waivers:
    """The store's waivers, ready to be asked about verdicts of a cluster."""

    def __init__(self, active: Iterable[StoredWaiver], cluster: str) -> None:
        self._cluster = cluster
        self._matchers: list[StoreMatcher] = []
        for one in active:
            try:
                self._matchers.append(StoreMatcher(one))
            except HaechiError:
                continue  # a glob that was taken by an older haechi

    def of(self, one: AuditedObject, told: AuditedVerdict) -> str:
        """The id of the waiver by which a failure does not count; "" when none does."""
        if told.verdict.state is not State.FAIL or not self._matchers:
            return ""
        finding = as_stored(one, told, self._cluster)
        return next((m.stored.id for m in self._matchers if m(finding)), "")


def as_stored(one: AuditedObject, told: AuditedVerdict, cluster: str) -> StoredFinding:
    """The finding that a verdict is, as waivers of the store see it."""
    rule = rule_id(told.verdict.policy)
    return unstored(
        source=f"repo:{source_of(cluster)}",
        ref="",
        cluster=cluster,
        namespace=one.namespace,
        fingerprint=told.fingerprint,
        rule=rule,
        domain=DOMAIN,
        severity=Severity.HIGH,
        title=told.verdict.policy,
        message=told.verdict.message,
        path="",
        line=0,
        resource=one.key,
        label=one.label,
        attribute=told.path,
    )


class Standing:
    """What stands of one cluster. Used by one thread."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.objects: dict[str, AuditedObject] = {}
        self.passes: list[tuple[str, str, int]] = []
        self.kinds: list[AuditedKind] = []
        self.infos: dict[str, PolicyInfo] = {}

    def forget(self, keys: Iterable[str]) -> None:
        """These are judged anew, or gone."""
        for key in keys:
            self.objects.pop(key, None)

    def take(self, objects: Iterable[AuditedObject]) -> None:
        """What is not all right."""
        self.objects |= {one.key: one for one in objects}

    def said(self, waivers: Waivers) -> list[Said]:
        """All verdicts that are no pass, those about kinds that cannot be judged among them."""
        found = [said for one in self.objects.values() for said in self.said_of(one, waivers)]
        return [*found, *self._unjudged()]

    def said_of(self, one: AuditedObject, waivers: Waivers) -> list[Said]:
        """The verdicts about one object."""
        return [said_as(one, told, waivers.of(one, told)) for told in one.verdicts]

    def counts(self, said: Sequence[Said]) -> dict[tuple[str, str, str], int]:
        """Objects by (policy, namespace, state); the worst word about an object counts."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for policy, namespace, number in self.passes:
            counts[policy, namespace, "pass"] += number
        worst: dict[tuple[str, str, str], str] = {}
        for one in said:
            key = (one.policy, one.namespace, one.object)
            state = "waived" if one.waiver else one.state
            known = worst.get(key)
            if known is None or _WORST.index(state) < _WORST.index(known):
                worst[key] = state
        for (policy, namespace, _), state in worst.items():
            counts[policy, namespace, state] += 1
        return dict(counts)

    def _unjudged(self) -> Iterator[Said]:
        """One for each policy and kind that it names and that cannot be judged: never a pass."""
        for kind in self.kinds:
            if kind.state != UNJUDGED:
                continue
            group, _, name = kind.type.rpartition("/")
            group = "" if group == "core" else group
            meant = Kind(group=group, version="", kind=name, plural=_plural(group, name))
            for info in self.infos.values():
                if named_by(info, meant):
                    yield Said(
                        namespace="-",
                        object=f"k8s:{self.cluster}/{kind.type}/-/*",
                        kind=name,
                        name="*",
                        policy=info.id,
                        rule="",
                        state=State.NOT_EVALUATED.value,
                        outcome="unjudged",
                        message=f"no {name} of the cluster can be judged: {kind.why}",
                    )


def _plural(group: str, kind: str) -> str:
    from haechi.admit.plurals import plural_of

    return plural_of(group, kind)


def said_as(one: AuditedObject, told: AuditedVerdict, waiver: str = "") -> Said:
    """A verdict as the store keeps it."""
    verdict = told.verdict
    if waiver:
        verdict = structs.replace(verdict, waiver=waiver)
    return Said(
        namespace=one.namespace,
        object=one.key,
        kind=one.type.rpartition("/")[2],
        name=one.name,
        policy=verdict.policy,
        rule=verdict.rule,
        state=verdict.state.value,
        outcome=outcome_of(verdict).value,
        waiver=waiver,
        message=verdict.message,
        path=told.path,
        shown=dotted(verdict.path)[:400],
        ordinal=told.ordinal,
        effects=tuple(effect.value for effect in verdict.effects),
        evidence=told.evidence,
        line=verdict.line,
        generated=verdict.generated,
    )


def severity_of(info: PolicyInfo | None, verdict: PolicyVerdict) -> Severity:
    """As a scan of the same policy says it: what refuses is high at least."""
    effect = next((one for one in Effect if one in verdict.effects), Effect.AUDIT)
    found = _SEVERITIES[effect]
    known = list(Severity)
    if info is not None and effect is Effect.DENY and info.severity in known:
        own = Severity(info.severity)
        return own if own.at_least(found) else found
    return found


def of_itself(
    one: AuditedObject, told: AuditedVerdict, objects: Mapping[str, AuditedObject]
) -> bool:
    """False for what only repeats its owner's fault (a pod of a Deployment that fails the same),
    and for what runs nothing: people are told once, where they can change it."""
    if one.idle and one.owner:
        return False
    owner = objects.get(one.owner)
    if owner is None:
        return True
    verdict = told.verdict
    return not any(
        (other.verdict.policy, other.verdict.rule, other.verdict.state)
        == (verdict.policy, verdict.rule, verdict.state)
        for other in owner.verdicts
    )
