"""Who judges what, and until when: the front's queue, deadlines and evaluators.

A review waits in a bounded queue, goes to the evaluator with the least to do (a few may lie ahead
of each, so that none waits for the front), and is answered by its deadline whatever happens. While
something is in flight, a tick looks at the cells: a policy past its time is stopped with its
evaluator, and that review is judged again by another one without this policy, whose word then is
an error of its own. What lies behind a slow review goes elsewhere. A process that dies without
having been stopped is not blamed on a policy the first time: anybody may have ended it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from haechi.errors import HaechiError
from haechi.model.decision_record import Outcome
from haechi.model.waiver import Waiver
from haechi.server.webhook.answers import uid_of, unjudged
from haechi.server.webhook.figures import Figures
from haechi.server.webhook.frames import (
    NOTES,
    Cell,
    Changes,
    Known,
    Loaded,
    Notes,
    Result,
    Route,
    Setup,
    answer_of,
    asked,
    changed,
)
from haechi.server.webhook.generation import NURSERY, Evaluator, Generation, require_whole
from haechi.server.webhook.jobs import WHY, Job, Limits, Reply
from haechi.server.webhook.lookout import FINAL, POLICY, Lookout
from haechi.server.webhook.strikes import Strikes

log = logging.getLogger("haechi.webhook")
TICK_S = 0.02
WEIGHED = 16
"""Reviews of an evaluator between two looks at its memory."""
WORTH_S = 0.05
"""With less time left a review is not judged again."""
MOST_BYTES = 64 << 20
Told = Callable[[Route, Notes, float], None]


class Pool:
    """Judges reviews in children. All methods belong to the event loop."""

    def __init__(
        self,
        figures: Figures,
        *,
        limits: Limits | None = None,
        told: Told | None = None,
        nursery: Sequence[str] = NURSERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.figures = figures
        self.limits = limits or Limits()
        self.strikes = Strikes(clock)
        self.stopping = False
        self.fault = ""
        """Why the newest set of policies is not in force; empty when it is."""
        self._clock = clock
        self._told = told
        self._nursery = nursery
        self._current: Generation | None = None
        self._retired: list[Generation] = []
        self._queue: deque[Job] = deque()
        self._jobs: dict[int, Job] = {}
        self._bytes = 0
        self._number = 0
        self._loads = 0
        self._known: dict[tuple[str, str, str, str], Known] = {}
        self._unknown: list[tuple[str, str]] | None = None
        self._waivers: list[Waiver] | None = None
        self._missed: list[Changes] | None = None
        """News that came while a set was being loaded."""
        self._lookout = Lookout(self.limits, clock)
        self._ticking = False
        self._loading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what others ask -------------------------------------------------------------------

    @property
    def loaded(self) -> Loaded | None:
        """What is in force; None before the first set of policies is."""
        return self._current.loaded if self._current is not None else None

    @property
    def number(self) -> int:
        """How often a set came into force."""
        return self._current.number if self._current is not None else 0

    @property
    def waiting(self) -> int:
        """Reviews that have no evaluator yet."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """Reviews without an answer."""
        return len(self._jobs)

    @property
    def alive(self) -> list[Evaluator]:
        """Evaluators of the set in force that can work."""
        if self._current is None:
            return []
        return [one for one in self._current.evaluators if one.alive]

    @property
    def pids(self) -> list[int]:
        """Their processes."""
        return [one.pid for one in self.alive]

    # --- reviews ---------------------------------------------------------------------------

    def submit(self, route: Route, body: bytes, deadline: float) -> asyncio.Future[Reply]:
        """(HTTP status, answer) of a review, at ``deadline`` (of the clock) at the latest."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._number = (self._number + 1) & 0xFFFFFFFF
        job = Job(self._number, route, body, deadline, self._clock(), future)
        if self.stopping or self._current is None:
            self._give_up(job, "stopping" if self.stopping else "not-ready")
        elif len(self._queue) >= self.limits.queue or self._bytes + len(body) > MOST_BYTES:
            self._give_up(job, "overload")
        else:
            self._jobs[job.number] = job
            self._bytes += len(body)
            off = self.strikes.off()
            if off:
                job.off.update(off)
            self._queue.append(job)
            self._pump()
            self._watch()
        return future

    def _pump(self) -> None:
        """Give waiting reviews to evaluators that have room."""
        queue = self._queue
        while queue:
            job = queue[0]
            if job.future.done():
                queue.popleft()
                continue
            evaluator = self._free()
            if evaluator is None:
                return
            queue.popleft()
            job.holder, job.since = evaluator, self._clock()
            evaluator.jobs.append(job)
            evaluator.write(asked(job.number, job.route, job.off, job.body))

    def _free(self) -> Evaluator | None:
        best: Evaluator | None = None
        least = self.limits.ahead
        left = self.limits.workers
        for one in self._current.evaluators if self._current is not None else ():
            if not one.alive:
                continue
            if len(one.jobs) < least:
                best, least = one, len(one.jobs)
                if not least:
                    break
            left -= 1
            if not left:
                break
        return best

    def _answered(self, evaluator: Evaluator, frame: bytes) -> None:
        number, result, response, notes = answer_of(frame)
        if not evaluator.jobs or evaluator.jobs[0].number != number:
            evaluator.kill("spoke out of turn")
            return
        job = evaluator.jobs.popleft()
        if evaluator.jobs:
            evaluator.jobs[0].since = self._clock()
        if evaluator.retired:
            evaluator.retire()
        evaluator.judged += 1
        if not evaluator.judged % WEIGHED and not evaluator.worn:
            self._weigh(evaluator)
        if not job.future.done():
            if result == Result.JUDGED:
                self._settle(job, (200, response))
                self._tell(job, NOTES.decode(notes))
            elif result == Result.MALFORMED:
                self.figures.count("refused", reason="malformed")
                self._settle(job, (400, response))
            else:
                self._give_up(job, "unreadable", response.decode("utf-8", "replace"))
        self._pump()

    def _weigh(self, evaluator: Evaluator) -> None:
        """Have one that has grown, or judged enough, replaced. It works on until its successor
        is there."""
        limits, current = self.limits, self._current
        if current is None or evaluator not in current.evaluators:
            return
        if evaluator.judged >= limits.most_reviews:
            evaluator.worn = "judged enough"
        elif evaluator.outgrown(limits.grown_bytes, current.setup.memory_bytes):
            evaluator.worn = "grown"
        if evaluator.worn:
            self._replenish()

    def _settle(self, job: Job, reply: Reply) -> None:
        if self._jobs.pop(job.number, None) is not None:
            self._bytes -= len(job.body)
        if not job.future.done():
            job.future.set_result(reply)

    def _tell(self, job: Job, notes: Notes) -> None:
        seconds = self._clock() - job.began
        self.figures.request(job.route, notes.outcome, notes.kind, seconds)
        for policy, outcome in notes.words:
            if outcome != "allowed":
                self.figures.count("policy", policy=policy, outcome=outcome)
        if self._told is not None:
            self._told(job.route, notes, seconds)

    def _give_up(self, job: Job, reason: str, why: str = "") -> None:
        """Answer by group."""
        self.figures.count("unjudged", route=job.route.path, reason=reason)
        uid = uid_of(job.body)
        if not uid:
            self.figures.count("refused", reason="no-uid")
            self._settle(job, (400, b"no AdmissionReview with a uid"))
            return
        generation = self._current.loaded.generation if self._current is not None else ""
        words = WHY[reason] if not why else f"{WHY[reason]}: {why}"
        self._settle(job, (200, unjudged(uid, job.route, words, generation)))
        self._tell(job, Notes(outcome=Outcome.SHED.value))

    # --- watching --------------------------------------------------------------------------

    def _watch(self) -> None:
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        now = self._clock()
        for job in [job for job in self._jobs.values() if job.deadline <= now]:
            self._give_up(job, "deadline")
        busy = False
        for generation in (self._current, *self._retired):
            for evaluator in list(generation.evaluators) if generation is not None else ():
                if evaluator.jobs:
                    busy = True
                    seen = self._lookout.look(evaluator, now)
                    for job in reversed(seen.behind):
                        job.holder = None
                        self._queue.appendleft(job)
                    if seen.kill:
                        evaluator.kill(seen.kill)
        self._pump()
        if busy or self._jobs:
            self._watch()

    # --- ends ------------------------------------------------------------------------------

    def _ended(self, evaluator: Evaluator) -> None:
        evaluator.dead()
        _, _, review, number = evaluator.cell.read()
        evaluator.close()
        self._lookout.forget(evaluator)
        for generation in (self._current, *self._retired):
            if generation is not None and evaluator in generation.evaluators:
                generation.evaluators.remove(evaluator)
                self._blame(generation, evaluator, review, number)
        self._retired = [one for one in self._retired if one.evaluators]
        self._replenish()
        self._pump()

    def _blame(
        self, generation: Generation, evaluator: Evaluator, review: int, number: int
    ) -> None:
        jobs = list(evaluator.jobs)
        evaluator.jobs.clear()
        if not jobs:
            if not evaluator.retired:
                self.figures.count("evaluators_ended", cause=evaluator.killed or "by itself")
                log.warning("evaluator %d ended while it had nothing to do", evaluator.pid)
            return
        cause = evaluator.killed or "ended by itself"
        self.figures.count("evaluators_ended", cause=cause)
        head = jobs[0]
        if review == head.number and number != Cell.NOTHING:  # else it was not begun, or was done
            head.deaths += 1
        at = review == head.number and number not in FINAL
        policy = _id_of(generation.loaded, number) if at else ""
        log.warning("evaluator %d: %s, at policy %s", evaluator.pid, cause, policy or "(none)")
        if policy and (evaluator.killed == POLICY or head.deaths > 1):
            reason = (
                f"it did not end within {self.limits.policy_s:g} s"
                if evaluator.killed
                else "its process ended twice while it worked (memory?)"
            )
            head.off[policy] = reason
            self.figures.count("policy_strikes", policy=policy)
            self.strikes.strike(policy, reason)
        for job in reversed(jobs):
            if job.holder is evaluator and not job.future.done():
                self._again(job, cause)

    def _again(self, job: Job, cause: str) -> None:
        job.holder = None
        if job.deadline - self._clock() < WORTH_S:
            self._give_up(job, "deadline", cause)
        elif job.deaths > 1 + len(job.off) or job.deaths > 8:
            self._give_up(job, "crash", cause)
        else:
            self._queue.appendleft(job)

    # --- generations -----------------------------------------------------------------------

    async def load(self, setup: Setup, *, instead: Generation | None = None) -> bool:
        """Put a new set of policies in force. What does not load leaves the old one where it is
        and says so (``fault``). ``instead``: only while this one is in force."""
        async with self._loading:
            if self.stopping or (instead is not None and instead is not self._current):
                return False
            made = Generation(setup, number=self._loads + 1, program=self._nursery)
            known = Changes(list(self._known.values()), self._unknown, self._waivers)
            self._missed = []
            try:
                await asyncio.to_thread(made.start, known)
                if self._current is not None:
                    require_whole(self._current.loaded, made.loaded)
                evaluators = [
                    await self._born(made) for _ in range(self.limits.workers + self.limits.spares)
                ]
            except (HaechiError, OSError) as error:
                made.retire()
                self._missed = None
                self.fault = _words(error)
                self.figures.count("reloads", result="failed")
                log.error("the policies are not in force: %s", self.fault)  # noqa: TRY400
                return False
            self._loads += 1
            missed, self._missed = self._missed, None
            for changes in missed or ():
                made.tell_all(changes)
            self._swap(made, evaluators)
            return True

    async def _born(self, generation: Generation) -> Evaluator:
        with generation.unborn() as missed:
            channel, cell, handle, pid = await asyncio.to_thread(generation.fork)
            made = Evaluator(cell, handle, pid, self._answered, self._ended)
            channel.setblocking(False)
            await asyncio.get_running_loop().create_connection(lambda: made, sock=channel)
            for changes in missed:  # the nursery may have forked before it heard of them
                made.write(changed(changes))
            generation.evaluators.append(made)
        return made

    def _swap(self, made: Generation, evaluators: list[Evaluator]) -> None:
        old, self._current = self._current, made
        self.fault = ""
        if old is None or old.loaded.generation != made.loaded.generation:
            self.strikes.forget()
        self.figures.count("reloads", result="ok")
        log.info(
            "%d policies in force, generation %s (%d), %d evaluators, loaded in %.2f s",
            len(made.loaded.policies),
            made.loaded.generation,
            made.number,
            len(evaluators),
            made.loaded.seconds,
        )
        if old is not None:
            self._retired.append(old)
            old.retire()
        self._pump()

    def _replenish(self) -> None:
        """As many evaluators as there should be."""
        generation = self._current
        if generation is None or self.stopping:
            return
        if len(self._fresh()) < self.limits.workers + self.limits.spares and not self._tasks:
            task = asyncio.create_task(self._replace(generation))
            self._tasks.add(task)
            task.add_done_callback(self._replaced)

    def _fresh(self) -> list[Evaluator]:
        return [one for one in self.alive if not one.worn]

    def _relieve(self) -> None:
        """For each that is too many let one go that has grown: it answers what it has."""
        alive = self.alive
        worn = [one for one in alive if one.worn]
        for one in worn[: max(0, len(alive) - self.limits.workers - self.limits.spares)]:
            self.figures.count("evaluators_ended", cause=one.worn)
            log.info("evaluator %d is replaced after %d reviews: %s", one.pid, one.judged, one.worn)
            one.retire()

    def _replaced(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._replenish()  # of another set meanwhile, or one more was lost
        self._pump()

    async def _replace(self, generation: Generation) -> None:
        wanted = self.limits.workers + self.limits.spares
        while generation is self._current and not self.stopping and len(self._fresh()) < wanted:
            try:
                made = await self._born(generation)
            except (HaechiError, OSError) as error:
                if generation is not self._current:
                    return  # a newer set took over, and closed this one's nursery
                log.warning("%s; loading the policies anew", _words(error))
                if not await self.load(generation.setup, instead=generation):
                    await asyncio.sleep(1.0)
                return
            if generation.retired:
                made.retire()
            self._relieve()
            self._pump()

    # --- the cluster -----------------------------------------------------------------------

    def news(self, changes: Changes) -> None:
        """What changed in the cluster, or among waivers, for all evaluators."""
        for known in changes.objects:
            place = (known.api_version, known.kind, known.namespace, known.name)
            if known.body:
                self._known[place] = known
            else:
                self._known.pop(place, None)
        if changes.unknown is not None:
            self._unknown = changes.unknown
        if changes.waivers is not None:
            self._waivers = changes.waivers
        if self._current is not None:
            self._current.tell_all(changes)
        if self._missed is not None:
            self._missed.append(changes)

    async def close(self, seconds: float) -> None:
        """Take nothing more, let what is in flight end for so long, and end all children."""
        self.stopping = True
        end = self._clock() + seconds
        while self._jobs and self._clock() < end:
            await asyncio.sleep(TICK_S)
        for job in list(self._jobs.values()):
            self._give_up(job, "stopping")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for generation in (self._current, *self._retired):
            if generation is None:
                continue
            generation.retire()
            for evaluator in list(generation.evaluators):
                evaluator.kill("stop")
        while any(one.evaluators for one in (self._current, *self._retired) if one is not None):
            await asyncio.sleep(TICK_S)


def _words(error: HaechiError | OSError) -> str:
    if isinstance(error, OSError):
        return f"the machine refuses: {error.strerror or error}"
    return f"{error.what}: {error.why}" if error.why else error.what


def _id_of(loaded: Loaded, number: int) -> str:
    """The policy of a number: the set's policies, then its mutations."""
    policies = loaded.policies
    if number < len(policies):
        return policies[number].id
    number -= len(policies)
    return loaded.mutators[number].id if number < len(loaded.mutators) else ""
