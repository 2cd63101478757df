"""What is looked at before an action: each check says yes, no or that it cannot tell, in words.

What cannot be told is not a yes. Some a person may take upon themselves (``acceptable``);
automation goes on only when all say yes. The checks are made when a plan is made, and again right
before it is applied.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import Conflict, HaechiError
from haechi.model.response import Check, Plan, Said, StepState, Want
from haechi.respond.budget import (
    HOUR,
    TAKES_OUT,
    blast_words,
    failures,
    healthy_words,
    hit_of,
    rate_words,
)
from haechi.respond.ground import Ground, Site
from haechi.respond.guard import protected
from haechi.respond.performers import Performers
from haechi.respond.policy import ResponsePolicy
from haechi.respond.wishes import cluster_words, same_target
from haechi.store.state.action_records import Brief, StoredStep

if TYPE_CHECKING:
    from haechi.world.kube.rights import Right

AUTOMATIC = "automation's limits; a person decides here"
_VERBS = {"kube.apply": ("create", "patch", "delete"), "kube.patch": ("get", "patch")}


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at. ``automatic``: nobody has approved it, or the policy did."""

    id: str
    want: Want
    plan: Plan
    site: Site | None
    policy: ResponsePolicy
    automatic: bool
    now: dt.datetime


class Checks:
    """Makes all checks."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def all(self, look: Look) -> list[Check]:
        """In the order in which people read them."""
        found = [self._source(look), _check("protected", *self._protected(look))]
        found += [self._incident(look), self._standing(look)]
        recent = self._ground.state.actions.recent(look.want.cluster, look.now - HOUR)
        if look.want.kind in TAKES_OUT and look.site is not None:
            hit = hit_of(look.want, look.plan, look.site, [r for r in recent if r.id != look.id])
            found.append(_check("blast_radius", *blast_words(hit, look.policy), acceptable=True))
            found.append(_check("healthy", *healthy_words(hit, look.policy), acceptable=True))
        found += self._limits(look, recent)
        if not any(one.bars for one in found if one.name == "source"):
            found += [self._tried("rights", look, self._rights)]
            found += [self._tried("dry_run", look, self._dry_run)]
        return found

    # What each looks at

    def _source(self, look: Look) -> Check:
        if not any(step.kind.startswith("kube.") for step in look.plan.steps):
            return _check("source", True, "nothing of a cluster is changed")
        site = look.site
        if site is None:
            return _check(
                "source", False, f"the {cluster_words(look.want.cluster)} is not known here"
            )
        if site.client is None:
            why = site.why or f"read from a {site.reader.source}"
            return _check(
                "source",
                False,
                f"the {cluster_words(site.name)} is {why}: nothing can be applied there",
            )
        return _check("source", True, f"the {cluster_words(site.name)} is live")

    def _protected(self, look: Look) -> tuple[bool, str]:
        why = protected(look.want, look.plan, look.site, look.policy)
        return not why, why or "no namespace, owner or address of it is protected"

    def _incident(self, look: Look) -> Check:
        name = look.want.incident
        if not name:
            return _check("incident", True, "it was asked for by hand")
        found = self._ground.incidents(name)
        if found is None:
            return Check(
                name="incident",
                said=Said.UNKNOWN,
                says=f"the incident {name} is not known",
                acceptable=True,
            )
        words = f"the incident is {found.state.value}"
        return _check("incident", not found.state.closed, words, acceptable=True)

    def _standing(self, look: Look) -> Check:
        """One action at a time does a thing to a target: two would undo each other's work."""
        actions = self._ground.state.actions
        for one in actions.recent(look.want.cluster, look.now):
            if one.id == look.id or not one.stands or one.kind is not look.want.kind:
                continue
            other = actions.get(one.id)
            if same_target(other.want, look.want):
                until = f"until {other.expires:%H:%M} UTC" if other.expires else "now"
                words = f"{other.id} does this already, {until}: extend it instead"
                return _check("standing", False, words)
        return _check("standing", True, "no other action does this")

    def _limits(self, look: Look, recent: Sequence[Brief]) -> Iterator[Check]:
        actions = self._ground.state.actions
        if not look.automatic:
            for name in ("rate", "breaker", "halt"):
                yield _check(name, True, AUTOMATIC)
            return
        yield _check("rate", *rate_words(look.want, recent, look.policy, look.now, look.id))
        halts = [one for one in actions.halts() if one.scope in ("*", look.want.cluster)]
        bad, most = failures(recent, look.now, halts), look.policy.limits.failures
        words = f"{bad} actions failed in the last hour ({most} stop all)"
        yield _check("breaker", bad < most, words)
        yield _check("halt", *self.halted(look.want.cluster))

    def halted(self, cluster: str) -> tuple[bool, str]:
        """Whether automation may go on in a cluster."""
        if self._ground.halt_file.exists():
            return False, f"the file {self._ground.halt_file} stops all automation"
        halt = self._ground.state.actions.halted(cluster)
        if halt is None:
            return True, "nothing stops automation"
        where = "everywhere" if halt.scope == "*" else f"in {halt.scope}"
        return False, f"{halt.by} stopped automation {where}: {halt.why or 'no reason given'}"

    def _rights(self, look: Look) -> tuple[bool, str]:
        from haechi.world.kube.rights import missing

        wanted = list(rights_of(look.plan, look.site))
        client = look.site.client if look.site is not None else None
        if not wanted or client is None:
            return True, "none is needed"
        lacking = missing(client, wanted)
        if not lacking:
            return True, f"the account may do all of it ({len(set(wanted))} rights)"
        words = ", ".join(str(one.right) for one in lacking[:5])
        return False, f"the account may not: {words}"

    def _dry_run(self, look: Look) -> tuple[bool, str]:
        performers = Performers(self._ground, look.site, look.want)
        for step in planned_steps(look.id, look.plan):
            performers.of(step.kind).prepare(step)
        return True, f"{len(look.plan.steps)} steps would be taken"

    def _tried(self, name: str, look: Look, check: Callable[[Look], tuple[bool, str]]) -> Check:
        """A fault is a no where somebody refused, and cannot be told where nobody answered."""
        from haechi.respond.steps.performer import unsure

        try:
            return _check(name, *check(look))
        except HaechiError as error:
            words = f"{error.where}: {error.what}" if error.where else error.what
            said = Said.UNKNOWN if unsure(error) else Said.NO
            return Check(
                name=name, said=said, says=f"{words}{f' ({error.why})' if error.why else ''}"
            )


def _check(name: str, good: bool, says: str, *, acceptable: bool = False) -> Check:
    said = Said.YES if good else Said.NO
    return Check(name=name, said=said, says=says, acceptable=acceptable)


def accepted(checks: Sequence[Check], names: Sequence[str]) -> list[Check]:
    """The checks after somebody has taken some upon themselves."""
    return [
        msgspec.structs.replace(one, said=Said.ACCEPTED)
        if one.bars and one.acceptable and one.name in names
        else one
        for one in checks
    ]


def bars(checks: Sequence[Check]) -> list[Check]:
    """Those that stand in the way."""
    return [one for one in checks if one.bars]


def require(checks: Sequence[Check]) -> None:
    """Raises Conflict unless nothing stands in the way."""
    standing = bars(checks)
    if not standing:
        return
    names = [one.name for one in standing if one.acceptable]
    hard = [one.name for one in standing if not one.acceptable]
    raise Conflict(
        "; ".join(f"{one.name}: {one.says}" for one in standing),
        why=f"nobody can accept {', '.join(hard)}" if hard else "",
        do=f"to take it upon yourself: --accept {','.join(names)}" if names and not hard else "",
    )


def planned_steps(id: str, plan: Plan) -> list[StoredStep]:
    """The steps as they will be stored."""
    return [
        StoredStep(
            id=f"{id}-{place}",
            place=place,
            kind=step.kind,
            target=step.target,
            body=step.body,
            inverse=step.inverse,
            state=StepState.PLANNED,
            attempts=0,
            changed=dt.datetime.fromtimestamp(0, dt.UTC),
        )
        for place, step in enumerate(plan.steps)
    ]


def rights_of(plan: Plan, site: Site | None) -> Iterator[Right]:
    """What the account has to be allowed for the steps and their undoing."""
    from haechi.world.kube.names import ref_of_resource
    from haechi.world.kube.rights import Right

    client = site.client if site is not None else None
    for step in plan.steps:
        ref = ref_of_resource(step.target)
        if not step.kind.startswith("kube.") or ref is None or client is None:
            continue
        known: dict[str, Any] = {"kind": client.kind(ref), "namespace": ref.namespace}
        match step.kind:
            case "kube.evict":
                yield Right(verb="create", subresource="eviction", **known)
            case "kube.scale":
                yield Right(verb="get", subresource="scale", **known)
                yield Right(verb="patch", subresource="scale", **known)
            case "kube.delete":
                yield Right(verb="delete", **known)
            case _:
                for verb in _VERBS[step.kind]:
                    yield Right(verb=verb, **known)
