"""``AutoResponseEngine``: from an incident to actions that are planned, checked, approved, applied,
looked at, and undone when their time is over.

The database is the engine: every decision is a state of an action that was written down before
anything happened, and ``tick`` does whatever the states say is to be done next. So a restart needs
no memory, and those who decide (people, the policy, the clock) change states and nothing else;
only ``tick`` touches the world, one action at a time.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import Conflict, HaechiError, UsageError
from haechi.model.event import tags_of
from haechi.model.response import ActionKind, ActionState, Plan, Said, Stage, Want
from haechi.respond.by_name import as_incident, cause_of, want_of, workload_of
from haechi.respond.checks import accepted, require
from haechi.respond.ground import Ground
from haechi.respond.keeper import Keeper
from haechi.respond.policy import Case, Response, ResponsePolicy
from haechi.respond.policy_file import LONGEST
from haechi.respond.proposals import (
    Proposal,
    Proposing,
    answered,
    beginning,
    by_hand,
    told_before,
    window_of,
)
from haechi.respond.wishes import case_of, cause_key, level_of, wants_of
from haechi.store.state.action_records import NewAction, StoredAction

if TYPE_CHECKING:
    from haechi.model.event import Event
    from haechi.model.incident import Incident
    from haechi.model.threat import ThreatLevel

log = logging.getLogger("haechi.respond")
A = ActionState
BY = "respond"
DECIDABLE = (A.OBSERVED, A.RECOMMENDED, A.WAITING)
UNDOABLE = (A.APPLYING, A.APPLIED, A.STUCK)


class AutoResponseEngine:
    """Thread-safe. ``most`` is how far any response may go here; ``at`` is told of every
    boundary between steps (tests die there)."""

    def __init__(
        self,
        ground: Ground,
        policy: ResponsePolicy,
        *,
        most: Stage = Stage.ENFORCE,
        at: Callable[[str], None] = lambda point: None,
    ) -> None:
        self.ground, self.policy, self.most = ground, policy, most
        self._actions = ground.state.actions
        self._proposing = Proposing(ground, policy)
        self._keeper = Keeper(ground, policy, self._proposing, at)
        self._ticking = threading.Lock()
        self._asked_again = dt.timedelta(seconds=policy.window_s)

    # Planning

    def plan(self, incident: Incident) -> list[Plan]:
        """What the policy would do about it. Nothing is kept."""
        return [one.plan for one in self.proposals(incident) if one.possible]

    def proposals(self, incident: Incident) -> list[Proposal]:
        """The same with all that the checks say."""
        now = self.ground.clock()
        site = self.ground.sites(incident.cluster)
        decided = self.policy.decide(case_of(incident, site, now), most=self.most)
        opened = dt.datetime.fromtimestamp(incident.opened_ns / 1e9, dt.UTC)
        window = window_of(opened, now, self.policy.window_s)
        return [
            self._proposing.proposal(want, response, incident.id, window, automatic=True)
            for response in decided.responses
            for want in wants_of(incident, response, site)
        ]

    def previews(self, wants: Iterable[Want], case: Case | None) -> list[Proposal]:
        """Plans by hand. ``case`` says about what, for the policy's time and stage."""
        return [
            self._proposing.proposal(
                want, self._response(want, case), by_hand("preview"), 0, automatic=False
            )
            for want in wants
        ]

    def _response(self, want: Want, case: Case | None) -> Response:
        """What the policy says of this kind of action, or its defaults."""
        case = case or Case(
            level=level_of(want.kind),
            cluster=want.cluster,
            namespace=want.namespace,
            at=self.ground.clock(),
            rules=want.rules,
        )
        decided = self.policy.decide(case, most=self.most)
        for one in decided.responses:
            if one.kind is want.kind:
                return one
        return Response(
            kind=want.kind,
            stage=Stage.RECOMMEND,
            ttl_s=self.policy.ttl_s,
            because="the policy does not name it",
            receiver=want.receiver,
        )

    # Proposing

    def respond_to(self, incident: Incident) -> list[StoredAction]:
        """Keep what the policy says about an incident: each cause, action, target and window
        once. What was dismissed at this level is not asked again."""
        if incident.state.closed:
            return []
        known = self._actions.of_incident(incident.id)
        made = [self._keep(one, int(incident.level)) for one in self._fresh(incident, known)]
        return [one for one in made if one is not None]

    def _fresh(self, incident: Incident, known: Sequence[StoredAction]) -> Iterator[Proposal]:
        """Proposals of which nothing is there yet, planned only then: planning reads clusters."""
        now = self.ground.clock()
        site = self.ground.sites(incident.cluster)
        decided = self.policy.decide(case_of(incident, site, now), most=self.most)
        opened = dt.datetime.fromtimestamp(incident.opened_ns / 1e9, dt.UTC)
        window = window_of(opened, now, self.policy.window_s)
        for response in decided.responses:
            for want in wants_of(incident, response, site):
                if answered(want, known, int(incident.level), now - self._asked_again):
                    continue
                one = self._proposing.proposal(want, response, incident.id, window, automatic=True)
                if not told_before(one, known):
                    yield one

    def _keep(self, one: Proposal, level: int) -> StoredAction | None:
        if not one.possible and one.checks[0].said is Said.UNKNOWN:
            log.info("no plan yet: %s of %s: %s", one.want.kind, one.want.resource, one.checks[0])
            return None
        state, why = beginning(one)
        automatic = state is A.APPROVED
        new = NewAction(
            id=one.id,
            key=one.key,
            want=one.want,
            stage=one.stage,
            state=state,
            plan=one.plan,
            checks=one.checks,
            because=one.because,
            by=BY,
            approver=f"policy:{one.because}" if automatic else "",
            automatic=automatic,
            level=level,
            ttl_s=one.ttl_s,
            why=why,
        )
        due = None if state in (A.OBSERVED, A.REFUSED) else self.ground.clock()
        return self._actions.propose(new, due=due)

    def by_hand(
        self,
        want: Want,
        *,
        by: str,
        approve: bool = False,
        accept: Sequence[str] = (),
        ttl_s: int = 0,
        note: str = "",
    ) -> StoredAction:
        """An action that somebody asks for. Raises UsageError when there can be no plan; Conflict
        when it is to be approved and checks stand in the way."""
        response = self._response(want, None)
        one = self._proposing.proposal(want, response, by_hand(by), 0, automatic=False)
        if not one.possible:
            raise UsageError(f"there is no plan: {one.checks[0].says}", where="body")
        found = accepted(one.checks, accept)
        if approve:
            require(found)
        new = NewAction(
            id=one.id,
            key=one.key,
            want=want,
            stage=Stage.RECOMMEND,
            state=A.APPROVED if approve else A.RECOMMENDED,
            plan=one.plan,
            checks=tuple(found),
            because=f"by hand: {by}",
            by=by,
            approver=by if approve else "",
            level=int(level_of(want.kind)),
            ttl_s=_ttl(ttl_s) or one.ttl_s,
            why=note,
        )
        return self._actions.propose(new, due=self.ground.clock())

    # Deciding

    def approve(
        self,
        id: str,
        by: str,
        *,
        accept: Sequence[str] = (),
        ttl_s: int = 0,
        note: str = "",
        seen: dt.datetime | None = None,
    ) -> StoredAction:
        """Let it be applied at the next tick. The plan is made again and compared, and every
        check made: Conflict when the world has changed, or something stands in the way. ``seen``
        is the action's ``changed`` as its approver was shown it: Conflict when somebody else has
        had it planned anew since, as what stands there now was never shown to this one."""
        action = self._actions.get(id)
        if action.state not in DECIDABLE:
            raise Conflict(f"the action is {action.state.value}: there is nothing to approve")
        if seen is not None and seen != action.changed:
            raise Conflict(
                "the action was changed since it was looked at",
                why=f"by {action.actor}: {action.plan.says}",
                do="look at it again, then decide",
            )
        action = self._keeper.renewed(action, by)
        found = accepted(action.checks, accept)
        require(found)
        return self._actions.move(
            id,
            A.APPROVED,
            frm=DECIDABLE,
            by=by,
            why=note,
            checks=found,
            approver=by,
            automatic=False,
            approved=self.ground.clock(),
            due=self.ground.clock(),
            ttl=_ttl(ttl_s) or action.ttl_s,
            failures=0,
            seen=action.changed,
        )

    def dismiss(self, id: str, by: str, *, note: str = "") -> StoredAction:
        """Say no. Conflict when it was begun already."""
        frm = (*DECIDABLE, A.APPROVED)
        return self._actions.move(id, A.DISMISSED, frm=frm, by=by, why=note)

    def undo(self, id: str, by: str, *, note: str = "") -> StoredAction:
        """Undo it at the next tick. Conflict when nothing of it stands, or nothing of it can be
        undone."""
        action = self._actions.get(id)
        if action.state is A.APPLIED and action.ended is not None:
            raise Conflict(
                "nothing of it can be undone", why="its steps leave nothing that could be put back"
            )
        to = A.STUCK if action.state is A.STUCK else A.UNDOING
        why = note or f"undone by {by}"
        return self._actions.move(
            id, to, frm=UNDOABLE, by=by, why=why, due=self.ground.clock(), failures=0
        )

    def extend(self, id: str, by: str, *, seconds: int, note: str = "") -> StoredAction:
        """So many seconds from now until it is undone."""
        if not 1 <= seconds <= LONGEST:
            raise UsageError(f"must be from 1 to {LONGEST}", where="body.seconds")
        action = self._actions.get(id)
        if action.expires is None:
            raise Conflict("it has no clock", why=f"it is {action.state.value}")
        expires = self.ground.clock() + dt.timedelta(seconds=seconds)
        due = min(expires, action.due or expires)
        return self._actions.move(
            id,
            A.APPLIED,
            frm=(A.APPLIED,),
            by=by,
            why=note or f"until {expires:%Y-%m-%d %H:%M} UTC by {by}",
            expires=expires,
            due=due,
        )

    def stop(self, scope: str, by: str, *, why: str = "") -> None:
        """Stop all automation in a cluster (``*``: everywhere), at once."""
        self._actions.set_halt(scope, stopped=True, by=by, why=why)

    def go(self, scope: str, by: str, *, why: str = "") -> None:
        """Let it go again. What was stopped is not taken up: people may approve it."""
        self._actions.set_halt(scope, stopped=False, by=by, why=why)

    # Doing

    def tick(self, now: dt.datetime | None = None) -> int:
        """Do all that is due: begin, go on, look, expire, undo. How many actions were looked at.
        One that fails does not keep the others from it."""
        with self._ticking:
            now = now or self.ground.clock()
            self._keeper.withdraw(now)
            ids = self._actions.due(now)
            for id_ in ids:
                self._tended(id_, now)
            return len(ids)

    def apply(self, id: str, now: dt.datetime | None = None) -> StoredAction:
        """Go on with one action now, as a tick would."""
        with self._ticking:
            self._tended(id, now or self.ground.clock())
        return self._actions.get(id)

    def _tended(self, id: str, now: dt.datetime) -> None:
        try:
            self._keeper.tend(id, now)
        except Exception as error:  # the boundary of one action: the others go on
            known = isinstance(error, HaechiError)
            log.log(
                logging.WARNING if known else logging.ERROR,
                "the action %s could not be tended: %s",
                id,
                error,
                exc_info=not known,
            )
            self._keeper.later(id, now)

    # By the guide's names

    def respond(self, event: Event | Any, level: ThreatLevel) -> list[StoredAction]:
        """What the policy says about one event at this level: once for a rule, what it is about,
        and the policy's window, however often the rule fires."""
        raw: Event = getattr(event, "event", event)
        now = self.ground.clock()
        case = Case(
            level=level,
            cluster=raw.cluster,
            namespace=raw.namespace,
            at=now,
            rules=(raw.rule,) if raw.rule else (),
            tags=tags_of(raw.fields),
        )
        decided = self.policy.decide(case, most=self.most)
        site = self.ground.sites(raw.cluster)
        incident = as_incident(raw, level, str(getattr(event, "source_ip", "")))
        cause, window = cause_of(raw), self._window(now)
        made: list[StoredAction | None] = []
        for response in decided.responses:
            for want in wants_of(incident, response, site):
                asked = msgspec.structs.replace(want, incident="")
                known = self._actions.by_key(cause_key(cause, asked, window))
                if known is None:  # planning reads clusters: what is answered is not planned anew
                    one = self._proposing.proposal(asked, response, cause, window, automatic=True)
                    known = self._keep(one, int(level))
                made.append(known)
        return [one for one in made if one is not None]

    def _window(self, now: dt.datetime) -> int:
        return int(now.timestamp()) // self.policy.window_s

    def isolate_workload(self, workload_id: str) -> StoredAction | None:
        """Isolate a workload, as far as the policy lets it go by itself."""
        return self._named(ActionKind.ISOLATE, workload_id)

    def block_network_access(self, ip: str, *, workload_id: str = "") -> StoredAction | None:
        """Cut an address off from a workload; without one, from this host."""
        resource = workload_id or f"host:{self.ground.host_cluster}/{self.ground.host or '-'}"
        return self._named(ActionKind.BLOCK, resource, address=ip)

    def limit_traffic(self, ip: str, *, workload_id: str = "") -> StoredAction | None:
        """Limit what an address may ask of a workload; without one, of that of the worst open
        incident in which it was seen. UsageError when there is none."""
        resource = workload_id or workload_of(ip, self.ground)
        return self._named(ActionKind.LIMIT, resource, address=ip)

    def enable_enhanced_monitoring(self, workload_id: str) -> StoredAction | None:
        """Watch a workload closely."""
        return self._named(ActionKind.MONITOR, workload_id)

    def enable_verbose_logging(self, workload_id: str) -> StoredAction | None:
        """Log what a workload does."""
        return self._named(ActionKind.VERBOSE, workload_id)

    def _named(self, kind: ActionKind, resource: str, *, address: str = "") -> StoredAction | None:
        want = want_of(kind, resource, address=address)
        response = self._response(want, None)
        window = self._window(self.ground.clock())
        one = self._proposing.proposal(want, response, "program", window, automatic=True)
        return self._keep(one, int(level_of(kind)))


def _ttl(seconds: int) -> int:
    if not 0 <= seconds <= LONGEST:
        raise UsageError(f"must be from 0 to {LONGEST}", where="body.ttl_s")
    return seconds
