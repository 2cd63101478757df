"""Programs that ``haechi up`` starts beside its server: the scan, a recording, the sensor.

Each is a process of its own that comes in by the API with a token of its own, as a pipeline or
another machine would: there is one way in, and their work never takes the server's breath away.
The token can do what that program needs, and dies with it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from haechi.server.settings import Settings
    from haechi.server.world import World

_STOPPING_S = 10
_SETTLES_S, _LOOK_S = 15.0, 0.05
DAY_S = 86_400


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """``haechi words… OPTION url``: ``address`` is the option that takes the server's address."""

    words: tuple[str, ...]
    address: str
    permissions: tuple[str, ...]
    lasts: dt.timedelta = dt.timedelta(hours=1)


def scan(path: Path) -> Program:
    """A look at a folder, pushed."""
    return Program(
        words=("scan", str(path), "--summary"),
        address="--push",
        permissions=("scans.push", "waivers.list"),
    )


def replay(file: Path) -> Program:
    """A recording, sent as if its last event were now."""
    return Program(
        words=("runtime", "send", str(file), "--now"),
        address="--server",
        permissions=("events.ingest",),
    )


def door(file: Path, settings: Settings) -> Program:
    """Recorded admission requests, put to a webhook that asks by the server's policies."""
    admission = settings.admission
    words = ["webhook", "replay", str(file)]
    for option, values in (("--policies", admission.policies), ("--pack", admission.packs)):
        for value in values:
            words += [option, value]
    for cluster in settings.clusters.followed[:1]:
        words += ["--cluster-name", cluster.name]
        words += ["--known", cluster.dump] if cluster.dump else []
    return Program(
        words=tuple(words), address="--server", permissions=("admission.send", "waivers.list")
    )


def sensor() -> Program:
    """This machine, watched by the own sensor. Its token outlives any stay of a server."""
    return Program(
        words=("sensor",),
        address="--server",
        permissions=("events.ingest", "runtime.rules"),
        lasts=dt.timedelta(days=365),
    )


async def run(program: Program, world: World, url: str) -> int:
    """Run it to its end; its exit code. Cancelled, it is asked to end, then made to."""
    secret, token_id, ca = await asyncio.to_thread(_pass, program, world)
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            # -P: what lies in the working directory is no program of ours
            *("-P", "-m", "haechi", *program.words, program.address, url),
            env=_environment(secret, ca),
        )
        try:
            return await child.wait()
        finally:
            if child.returncode is None:
                await _end(child)
    finally:
        await asyncio.shield(asyncio.to_thread(_revoke, world, token_id))


async def _end(child: asyncio.subprocess.Process) -> None:
    child.terminate()
    try:
        await asyncio.wait_for(child.wait(), _STOPPING_S)
    except TimeoutError:
        child.kill()
        await child.wait()


def detections(world: World) -> str:
    """A line about what the runtime rules detected lately; empty when that is nothing."""
    from haechi.model.access import EVERYWHERE
    from haechi.model.counting import counted
    from haechi.model.event import PRIORITIES
    from haechi.store.events.encoding import OWN
    from haechi.store.events.shapes import EventFilter

    until = int(world.clock().timestamp()) + 60
    found = world.store.events.series(
        since_s=until - DAY_S,
        until_s=until,
        step_s=DAY_S,
        by="priority",
        ask=EventFilter(source=[OWN]),
        within=(EVERYWHERE,),
    )
    counts = {name: sum(numbers) for name, numbers in found.lines.items()}
    parts = [f"{counts[name]:,} {name}" for name in PRIORITIES if counts.get(name)]
    if not parts:
        return ""
    total = counted(sum(counts.values()), "detection")
    return f"{total} of the last 24 h: {', '.join(parts)}; the page shows them under Events\n"


async def settled(world: World) -> None:
    """Wait, not for ever, until what was sent is folded into incidents and planned for, and the
    clusters have been judged by the policies of their door."""
    ends = time.monotonic() + _SETTLES_S
    while time.monotonic() < ends:
        folded = not world.correlating.waiting
        if (
            folded
            and not await asyncio.to_thread(world.respond.behind, world)
            and await asyncio.to_thread(_audited, world)
        ):
            return
        await asyncio.sleep(_LOOK_S)


def _audited(world: World) -> bool:
    """Whether no cluster still waits for its first judgement."""
    from haechi.model.access import EVERYWHERE

    told = world.store.state.policy_states.coverage(within=(EVERYWHERE,))
    expected = len(world.settings.clusters.followed) if world.settings.admission.audit else 0
    return len(told) >= expected and all(one.state not in ("waiting", "auditing") for one in told)


def incidents(world: World) -> str:
    """Lines about the worst open incident and what would be done; empty without one."""
    from haechi.model.access import EVERYWHERE
    from haechi.model.counting import counted
    from haechi.store.state.incidents_records import IncidentFilter

    state = world.store.state
    page = state.incidents.page(IncidentFilter(), within=(EVERYWHERE,), limit=1)
    if not page.items:
        return ""
    worst = page.items[0]
    number = page.total if page.total is not None else len(page.items)
    planned = state.actions.of_incident(worst.id)[:3]
    lines = [
        f"{counted(number, 'open incident')}, the worst: {worst.level}, {worst.title}",
        *(f"  {action.state.value}: {action.plan.says}" for action in planned),
    ]
    return "".join(f"{line}\n" for line in lines)


def _pass(program: Program, world: World) -> tuple[str, str, Path | None]:
    """A token for this program alone, and the authority to trust."""
    from haechi.model.access import Grant, Role
    from haechi.server.run import certificate
    from haechi.store.state.access_tokens import NewToken
    from haechi.store.state.access_users import OWNER

    wanted = NewToken(
        name=f"haechi up: {program.words[0]}",
        grants=(Grant(role=Role.OPERATOR),),
        lasts=program.lasts,
        permissions=program.permissions,
    )
    record, secret = world.store.state.access.tokens.make(wanted, by=OWNER)
    pair = certificate(world)
    return secret, record.id, pair.ca if pair else None


def _revoke(world: World, token_id: str) -> None:
    from haechi.store.state.access_users import OWNER

    world.store.state.access.tokens.revoke(token_id, by=OWNER)


def _environment(token: str, ca: Path | None) -> dict[str, str]:
    """The token travels in the environment, not on the command line."""
    env = {key: value for key, value in os.environ.items() if key != "HAECHI_TOKEN_FILE"}
    env["HAECHI_TOKEN"] = token
    if ca is not None:
        env["HAECHI_CA_FILE"] = str(ca)
    return env
