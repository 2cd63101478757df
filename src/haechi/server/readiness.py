"""Can the server do its work? What /readyz answers; the API's health tells more of it.

The parts are tried, not assumed: the state is written to, the log's head is read, the disk is
looked at. A stranger may ask /readyz, so it names the parts and no more, and the answer is kept
for a second.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from haechi.errors import HaechiError
from haechi.model.access import EVERYWHERE
from haechi.server.shapes import Part
from haechi.server.work.sensors import OUTCOMES, SILENT
from haechi.store.folder import storage_errors

if TYPE_CHECKING:
    from haechi.server.world import World

KEPT_SECONDS, LONGEST_SECONDS = 1.0, 5.0
LEAST_ROOM = 64 << 20
LOW_ROOM = 512 << 20
UNSIGNED = 100_000
log = logging.getLogger("haechi.server")
OK, DEGRADED, FAILED = "ok", "degraded", "failed"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A part and how it is; why and what to do is told by the API's health, after a sign-in."""

    name: str
    state: str


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /readyz."""

    ready: bool
    parts: list[State]


def parts(world: World, *, write: bool = True) -> list[Part]:
    """Every part that must work, tried now. It waits for the disk: call it in a thread. With
    ``write`` False nothing is written."""
    return [
        _tried("state", "findings, waivers and people", lambda: _state(world)),
        *([_tried("writing", "the disk takes writes", lambda: _written(world))] if write else ()),
        _tried("events", "events", lambda: _events(world)),
        _tried("audit", "the signed log", lambda: _audit(world)),
        _tried("disk", "room on the disk", lambda: _disk(world)),
        _tried("rules", "runtime rules", lambda: _rules(world)),
        _tried("feeds", "feeds", lambda: _feeds(world)),
        _tried("sensors", "sensors", lambda: _sensors(world)),
        _tried("clusters", "clusters", lambda: _clusters(world)),
        _tried("policies", "policies at the door", lambda: _policies(world)),
        _tried("advisories", "advisories about packages", lambda: _advisories(world)),
        _tried("incidents", "incidents", lambda: _incidents(world)),
        _tried("responses", "responses", lambda: _responses(world)),
        _jobs(world),
    ]


def _tried(name: str, what: str, look: Callable[[], Part | None]) -> Part:
    try:
        return look() or Part(name=name, state=OK, what=what)
    except HaechiError as error:
        return Part(name=name, state=FAILED, what=f"{what}: {error.what}", do=error.do)
    except Exception as error:  # a look must not end the looking
        log.exception("the part %s cannot be looked at", name)
        return Part(name=name, state=FAILED, what=f"{what}: {type(error).__name__}")


def _state(world: World) -> None:
    with world.store.state.read() as connection:
        connection.exec_driver_sql("SELECT 1")


def _written(world: World) -> None:
    """A file of our own beside the databases: it says of the disk what a write of theirs would,
    and changes nothing that is remembered of them."""
    path = world.store.folder.path / ".probe"
    with storage_errors(path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags, 0o600)
        try:
            os.write(handle, b"written to see whether the disk takes it\n")
            os.fsync(handle)
        finally:
            os.close(handle)


def _events(world: World) -> Part:
    figures = world.store.events.figures()
    state, why = figures.get("state", OK), figures.get("why", "")
    if state == OK:
        return Part(name="events", state=OK, what="events are taken and found", figures=figures)
    do = "see the server's log; `haechi store check`"
    return Part(name="events", state=state, what=f"events: {why}", do=do, figures=figures)


def _audit(world: World) -> Part:
    head = world.store.audit.head()
    trouble = head.problem or head.witness_problem
    if trouble:
        return Part(
            name="audit",
            state=DEGRADED,
            what=f"the signed log: {trouble}",
            do="see the server's log; records are kept, and signed once this is mended",
            figures={"records": head.size + head.unsigned, "unsigned": head.unsigned},
        )
    late = head.unsigned > UNSIGNED
    return Part(
        name="audit",
        state=DEGRADED if late else OK,
        what=f"{head.unsigned:,} records wait for a signature" if late else "the signed log",
        do="see the server's log for why heads are not signed" if late else "",
        figures={"records": head.size + head.unsigned, "unsigned": head.unsigned},
    )


def _disk(world: World) -> Part:
    usage = shutil.disk_usage(world.store.folder.path)
    state = FAILED if usage.free < LEAST_ROOM else DEGRADED if usage.free < LOW_ROOM else OK
    return Part(
        name="disk",
        state=state,
        what=f"room on the disk: {usage.free >> 20} MiB",
        do="" if state == OK else "make room, or lower store.max_bytes or store.retention_days",
        figures={"free_bytes": usage.free, "total_bytes": usage.total},
    )


def _rules(world: World) -> Part | None:
    if world.watch.fault:
        what = f"events are kept, and not judged by rules: {world.watch.fault}"
        return Part(name="rules", state=DEGRADED, what=what, do="see the server's log")
    rules = world.watch.rulebook(world)
    if not rules.ready:
        return None
    book = rules.book
    figures = {"rules": len(book.rules), "on": sum(one.enabled for one in book.rules)}
    bad = sorted({problem.at.file for problem in book.problems if problem.error})
    if not bad:
        return Part(name="rules", state=OK, what="runtime rules judge events", figures=figures)
    return Part(
        name="rules",
        state=DEGRADED,
        what=f"rule files with errors: {', '.join(bad[:5])}; the others run",
        do="GET /api/v1/runtime/files says what is wrong with them",
        figures=figures,
    )


def _advisories(world: World) -> Part | None:
    """Nothing imported is nothing wrong; what fails or grew old is."""
    sources = world.store.state.advisories.sources()
    failed = [one for one in sources if one.state == "failed"]
    do = "GET /api/v1/advisories/status says which, and since when"
    if world.advising.fault:
        what = f"stored SBOMs are not judged by new advisories: {world.advising.fault}"
        return Part(name="advisories", state=DEGRADED, what=what, do="see the server's log")
    if failed:
        what = f"{len(failed)} of {len(sources)} sources of advisories do not answer"
        return Part(name="advisories", state=DEGRADED, what=what, do=do)
    if not world.store.folder.advisories_db.exists():
        return None
    today, most = world.clock().date(), world.settings.advisories.stale_days
    with world.advising.judge(world) as judge:
        states = judge.database.states().values() if judge is not None else ()
        covered = {one.ecosystem: one.age(today) for one in states if one.covered}
    old = sorted(name for name, age in covered.items() if age is not None and age > most)
    figures = {"ecosystems": len(covered), "stale": len(old)}
    if not old:
        return Part(name="advisories", state=OK, what="advisories are new", figures=figures)
    what = f"advisories of {', '.join(old[:5])} are older than {most} days: import newer ones"
    do = f"haechi db import {' '.join(old[:5])} --server URL"
    return Part(name="advisories", state=DEGRADED, what=what, do=do, figures=figures)


def _feeds(world: World) -> Part:
    every = world.store.state.feeds.all(within=(EVERYWHERE,))
    failed = [one for one in every if one.state == "failed"]
    lost = sum(one.counts.lost for one in every)
    figures = {
        "feeds": len(every),
        "refused": sum(one.counts.refused for one in every),
        "lost": lost,
    }
    if not failed:
        what = f"feeds are read; their sources lost {lost:,} events" if lost else "feeds are read"
        return Part(name="feeds", state=OK, what=what, figures=figures)
    return Part(
        name="feeds",
        state=DEGRADED,
        what=f"feeds that cannot be read: {failed[0].id}: {failed[0].error}",
        do="GET /api/v1/feeds lists them",
        figures=figures,
    )


def _sensors(world: World) -> Part:
    now = world.clock()
    every = world.sensors.all(now)
    silent = [one for one in every if now - one.heard > SILENT]
    losing = [one for one in every if any(one.counts.values())]
    figures = {"sensors": len(every), "silent": len(silent), "losing": len(losing)}
    figures |= {name: sum(one.counts[name] for one in every) for name in OUTCOMES}
    if silent:
        minutes = int((now - silent[0].heard).total_seconds()) // 60
        return Part(
            name="sensors",
            state=DEGRADED,
            what=f"the sensor of node {silent[0].node or '-'} is silent for {minutes} minutes",
            do="look whether it runs; what happens there is not seen",
            figures=figures,
        )
    what = "sensors tell what they see" if every else "no sensor has told anything yet"
    if losing:
        missing = sum(sum(one.counts.values()) for one in losing)
        what = f"sensors lost {missing:,} events since their start, the rest is seen"
    return Part(name="sensors", state=OK, what=what, figures=figures)


LATE_S = 60.0
"""So long detections may wait for their incident before it is told."""


def _incidents(world: World) -> Part:
    told = world.correlating.figures()
    why, do = world.correlating.why, "see the server's log"
    if told.get("left_out"):
        why = f"{told['left_out']:,} detections were never looked at, since too many waited"
        do = "they are stored: search the events; find out which rule is so loud"
    elif told.get("joined"):
        why = f"{told['waiting']:,} detections wait; those that are alike are counted together"
        do = "find out which rule is so loud, and make an exception"
    elif not why and told["lag_s"] > LATE_S:
        why = f"{told['waiting']:,} detections wait, for {told['lag_s']:.0f} s"
    if not why:
        return Part(name="incidents", state=OK, what="detections become incidents", figures=told)
    return Part(name="incidents", state=DEGRADED, what=f"incidents: {why}", do=do, figures=told)


def _responses(world: World) -> Part | None:
    """A response that waits is one that is not undone in time, either."""
    why = world.respond.why
    if not why:
        return None
    what = f"responses wait, and so does their undoing: {why}"
    return Part(name="responses", state=DEGRADED, what=what, do="see the server's log")


def _clusters(world: World) -> Part:
    every = world.clusters.states()
    bad = [one for one in every if one.state in ("failed", "lagging", "partial")]
    figures = {
        "clusters": len(every),
        "not_followed": sum(one.state == "failed" for one in every),
        "gaps": sum(len(one.gaps) for one in every),
        "objects": sum(one.objects for one in every),
    }
    if not bad:
        what = "clusters are followed" if every else "no cluster is configured"
        return Part(name="clusters", state=OK, what=what, figures=figures)
    return Part(
        name="clusters",
        state=DEGRADED,
        what=f"the cluster {bad[0].name} is {bad[0].state}: {bad[0].why}",
        do="GET /api/v1/clusters names what cannot be read; the guide has the rights (clusters.md)",
        figures=figures,
    )


def _policies(world: World) -> Part:
    """The background audit, and webhooks that were heard once."""
    state = world.store.state
    audits = state.policy_states.coverage(within=(EVERYWHERE,))
    hooks = state.admissions.webhooks(world.clock(), within=(EVERYWHERE,))
    figures = {
        "audited": len(audits),
        "policies": sum(one.policies for one in audits),
        "faults": sum(one.faults for one in audits),
        "stopped": sum(len(one.off) for one in audits),
        "webhooks": len(hooks),
    }
    failed = next((one for one in audits if one.state == "failed"), None)
    stopped = next((one for one in audits if one.off), None)
    hook = next((one for one in hooks if one.silent or not one.ready), None)
    what, do = "", ""
    if failed is not None:
        what = f"the audit of the cluster {failed.cluster} failed: {failed.why}"
        do = "see the reason; GET /api/v1/admission/coverage has all of them"
    elif hook is not None:
        how = "silent" if hook.silent else f"not ready: {hook.why}"
        what = f"the webhook {hook.replica} of {hook.cluster} is {how}"
        do = "look at its log"
    elif stopped is not None:
        what = f"the audit of {stopped.cluster} stopped a policy: {stopped.off[0][:300]}"
        do = "make the policy cheaper; until then its verdicts are errors"
    if not what:
        told = f"{figures['policies']} policies judge what is there" if audits else "no audit runs"
        return Part(name="policies", state=OK, what=told, figures=figures)
    return Part(name="policies", state=DEGRADED, what=what, do=do, figures=figures)


def _jobs(world: World) -> Part:
    failed = {name: state.error for name, state in world.jobs.states.items() if state.error}
    return Part(
        name="jobs",
        state=DEGRADED if failed else OK,
        what=f"work by the clock: {', '.join(failed)} failed" if failed else "work by the clock",
        do="see the server's log" if failed else "",
        figures={
            name: {"runs": state.runs, "failures": state.failures, "seconds": state.seconds}
            for name, state in world.jobs.states.items()
        },
    )


class Readiness:
    """Asks ``parts`` in a thread of its own (requests that hang must not make it hang)."""

    def __init__(self, world: World, look: Callable[[World], list[Part]] = parts) -> None:
        self._world = world
        self._look = look
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="haechi-ready")
        self._asking: asyncio.Future[list[Part]] | None = None
        self._known: tuple[float, Ready] | None = None

    async def now(self) -> Ready:
        """The parts as they are, at most a second old."""
        loop = asyncio.get_running_loop()
        if self._known is not None and loop.time() - self._known[0] < KEPT_SECONDS:
            return self._known[1]
        if self._asking is None or self._asking.done():
            self._asking = loop.run_in_executor(self._pool, self._look, self._world)
        done, _ = await asyncio.wait({self._asking}, timeout=LONGEST_SECONDS)
        if not done:
            return Ready(ready=False, parts=[State(name="answer in time", state=FAILED)])
        told = [State(name=part.name, state=part.state) for part in self._asking.result()]
        ready = Ready(ready=all(part.state != FAILED for part in told), parts=told)
        self._known = (loop.time(), ready)
        return ready

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)
