"""One round of breaking an action, and what has to be so after it: the same for tests and bench."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from haechi.errors import StoreFull
from haechi.model.response import ActionState, StepState, Want
from tests.respond.crashing import (
    DONE,
    IRREVERSIBLE,
    Crash,
    Points,
    Still,
    effects,
    snapshot,
    wants,
)

FAULTS: dict[str, dict[str, Any]] = {
    "409": {"kind": "status", "code": 409},
    "429": {"kind": "status", "code": 429, "retry_after": 1},
    "500": {"kind": "status", "code": 500},
    "503": {"kind": "status", "code": 503},
    "timeout": {"kind": "timeout", "seconds": 0.02},
    "reset": {"kind": "reset"},
    "reset_after": {"kind": "reset_after"},
    "timeout_after": {"kind": "timeout_after", "seconds": 0.02},
}


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to one action. ``way``: kill, gone, full, or a fault of FAULTS."""

    number: int
    kind: str
    way: str
    where: int
    then: int = -1
    """A second place, after the first was survived; -1: none."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended. ``wrong`` are what must not be."""

    state: str
    points: int
    wrong: tuple[str, ...] = ()


def break_off(world: Still, one: Round, die: Callable[[Still, int], None] | None = None) -> Broken:
    """Break an action, mend the world, let time pass, and look."""
    want = wants()[one.kind]
    before = snapshot(world)
    world.server.log.clear()
    id_ = world.begin(want, one.number)
    points = _broken(world, one, die)
    world.server.faults.clear()
    last = Points()
    world.run(last)
    wrong = list(_wrong(world, id_, one, before, want))
    state = world.action(id_).state.value
    _again(world, before)
    return Broken(state=state, points=points, wrong=tuple(wrong))


def _broken(world: Still, one: Round, die: Callable[[Still, int], None] | None) -> int:
    seen = 0
    for where in (one.where, one.then):
        if where < 0:
            continue
        match one.way:
            case "kill" if die is not None:
                die(world, where)
            case "kill":
                points = Points(die_at=where)
                world.run(points)
                seen = max(seen, len(points.seen))
            case "gone":
                _gone(world, where)
            case "full":
                _full(world, where)
            case way:
                world.server.faults.add(
                    **FAULTS[way], after=where, times=2, when=lambda entry: entry.writes
                )
                points = Points()
                world.run(points)
                seen = max(seen, len(points.seen))
    return seen


def _gone(world: Still, where: int) -> None:
    """The API server stops at a boundary, and comes back later."""
    points = Points(die_at=where, stop=world.server.stop)
    with world.engine(_quietly(points)) as engine:
        for _ in range(4):
            engine.tick()
            due = engine.ground.state.actions.next_due()
            if due is None:
                break
            world.clock.at = max(world.clock.at, due)
    if len(points.seen) > where:
        world.server.start()


def _quietly(points: Points) -> Callable[[str], None]:
    """Stops the server, and nobody dies of it."""

    def at(point: str) -> None:
        try:
            points(point)
        except Crash:
            return

    return at


def _full(world: Still, where: int) -> None:
    """From a boundary on the store takes nothing, for a while."""
    seen = 0

    def at(point: str) -> None:
        nonlocal seen
        seen += 1

    with world.engine(at) as engine:
        state = engine.ground.state
        real = state._database.write

        def write(work: Any) -> Any:
            if where < seen <= where + 3:
                raise StoreFull("the store cannot be written", why="no space left on device")
            return real(work)

        state._database.write = write  # type: ignore[method-assign]
        for _ in range(6):
            try:
                engine.tick()
            except StoreFull:
                seen += 1
            world.clock.forward(seconds=3)
            if where < seen <= where + 3:
                seen += 1
        state._database.write = real  # type: ignore[method-assign]


def _wrong(
    world: Still, id_: str, one: Round, before: tuple[Any, list[str]], want: Want
) -> list[str]:
    action = world.action(id_)
    found = []
    lasting = action.state is ActionState.APPLIED and action.ended is not None
    untouched = action.state is ActionState.RECOMMENDED  # a check said no: a person decides again
    if action.state not in DONE and not lasting and not untouched:
        found.append(f"it is {action.state.value} for ever: {action.why}")
    for step in action.steps:
        if step.state in (StepState.APPLYING, StepState.UNDOING):
            found.append(f"step {step.place} is {step.state.value} for ever")
        reversible = action.plan.steps[step.place].reversible
        if reversible and step.state is StepState.APPLIED:
            found.append(f"step {step.place} stands and nothing will undo it")
        if reversible and step.state is not StepState.PLANNED and step.inverse is None:
            found.append(f"step {step.place} was applied without a saved inverse")
    if one.kind not in IRREVERSIBLE:
        now = snapshot(world)
        keys = now[0].keys() | before[0].keys()
        differs = {key for key in keys if now[0].get(key) != before[0].get(key)}
        found += [f"{key} is not as before" for key in sorted(differs)]
        if now[1] != before[1]:
            found.append(f"rule files are left: {now[1]}")
    counted = Counter(effects(world.server))
    most = 1 if one.kind in IRREVERSIBLE else 2
    found += [f"{what} took effect {n} times" for what, n in counted.items() if n > most]
    return found


def _again(world: Still, before: tuple[Any, list[str]]) -> None:
    """Pods that an irreversible round took away come back, and the past is over: an hour later
    no failure counts any more."""
    from tests.respond.crashing import pod

    for name in ("web-0", "web-1", "web-2"):
        world.server.remove("pods", name, "shop")
    owner = world.server.get("statefulsets.apps", "web", "shop")
    assert owner is not None
    for name in ("web-0", "web-1", "web-2"):
        labels = {"app": "web", "tier": "front"}
        world.server.put(pod(name, owner["metadata"]["uid"], labels))
    world.clock.forward(hours=2)


def drawn(seed: int, number: int, points: dict[str, int]) -> Round:
    """A round out of a seed."""
    source = random.Random(f"{seed}/{number}")  # noqa: S311
    kind = source.choice(sorted(points))
    way = source.choice(("kill", "kill", "kill", "gone", "full", *FAULTS))
    most = points[kind] if way in ("kill", "gone", "full") else 8
    then = source.randrange(most) if source.random() < 0.3 else -1
    return Round(number=number, kind=kind, way=way, where=source.randrange(most), then=then)


def counted(world: Still) -> dict[str, int]:
    """How many boundaries the undisturbed life of each kind of action has."""
    found = {}
    for number, (kind, want) in enumerate(wants().items()):
        before = snapshot(world)
        world.begin(want, number)
        points = Points()
        world.run(points)
        found[kind] = len(points.seen)
        _again(world, before)
    return found
