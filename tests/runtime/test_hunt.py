"""Hunts: the same answers over hot and sealed events as judging one by one, newest first, whole,
within reach, and over when nobody listens any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import InputError, NotFound
from haechi.model.access import EVERYWHERE, Reach
from haechi.model.event import Event
from haechi.runtime import hunt
from haechi.runtime.hunt import Hunt
from haechi.runtime.hunt_setup import setup_of
from haechi.runtime.hunt_wire import Setup
from haechi.runtime.rulebook import Book, BookFile, assembled
from haechi.store.events.events import Events
from haechi.store.events.hunting import HourDone
from haechi.store.events.question import from_ns
from haechi.store.events.shapes import EventFilter
from tests.runtime.events import AT_NS, SHELL, audit, execve

HOUR_NS = 3600 * 10**9
NOW = from_ns(AT_NS + 6 * HOUR_NS)


def events_of(hours: int, each: int) -> list[Event]:
    """In each hour some shells, some other programs, some audit events, in two clusters."""
    found: list[Event] = []
    for hour in range(hours):
        for number in range(each):
            at = AT_NS + hour * HOUR_NS + number * 10**9
            name = "bash" if number % 5 == 0 else "nginx"
            cluster = "west" if number % 10 == 0 else "east"
            id_ = f"{hour}-{number}"
            found.append(execve(name, id=id_, ts_ns=at, cluster=cluster))
            if number % 7 == 0:
                found.append(audit(id=f"k{id_}", ts_ns=at + 1, cluster=cluster))
    return found


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Events, list[Event]]]:
    """Five hours, three of them sealed, one of those with latecomers."""
    folder = tmp_path_factory.mktemp("hunt")
    events = Events(folder, clock=lambda: NOW)
    every = events_of(5, 50)
    late = [one for one in every if one.id in ("1-5", "1-6", "k1-7")]
    events.append([one for one in every if one not in late]).result()
    events.seal(AT_NS + 3 * HOUR_NS)
    events.append(late).result()
    yield events, every
    events.close()


def book() -> Book:
    """Shells, secrets read, secrets listed."""
    return assembled([BookFile(name="rules.yaml", text=SHELL, origin="saved")])


def setup(events: Events, *names: str, within: Any = (EVERYWHERE,), **ask: Any) -> Setup:
    """A hunt of these rules."""
    folder = events._cold.folder
    return setup_of(
        book(), names, folder=folder, ask=EventFilter(**ask), within=within, builtin=False
    )


def lines_of(events: Events, given: Setup, limit: int = 1000, **more: Any) -> list[dict[str, Any]]:
    """Everything that a hunt says."""
    parts = events.hunt(given.ask, within=given.within)
    made = Hunt(given, parts, limit=limit, deadline_s=120, children=2, **more)
    return [msgspec.json.decode(msgspec.json.encode(line)) for line in made.lines()]


def matches(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(rule, id) in the order in which they were told."""
    told = [line["match"] for line in lines if "match" in line]
    assert all(one["would_have_fired"] for one in told)
    return [(one["rule"], one["event"]["event"]["id"]) for one in told]


def expected(events: list[Event]) -> list[tuple[str, str]]:
    """What the engine says of them, one by one."""
    detector = book().detector
    newest = sorted(events, key=lambda one: -one.ts_ns)
    return [(rule.name, one.id) for one in newest for rule in detector.engine.judge(one)]


def test_finds_what_judging_one_by_one_finds(stored: tuple[Events, list[Event]]) -> None:
    events, every = stored
    lines = lines_of(events, setup(events))
    assert sorted(matches(lines)) == sorted(expected(every))
    hours = [one[1].removeprefix("k").partition("-")[0] for one in matches(lines)]
    assert hours == sorted(hours, reverse=True)
    done = lines[-1]["done"]
    assert (done["complete"], done["matched"], done["faults"]) == (True, len(expected(every)), 0)
    counts = lines[-2]["counts"]
    assert counts == {"Shell": 50, "Secrets listed": 40}
    assert sum("range" in line for line in lines) == 5
    assert done["scanned"] == len(every)


@pytest.mark.parametrize(
    ("names", "more", "wanted"),
    [
        (("Secrets listed",), {}, lambda e: e.source == "kubernetes-audit"),
        ((), {"cluster": ["west"]}, lambda e: e.cluster == "west"),
        ((), {"within": (Reach(cluster="east"),)}, lambda e: e.cluster == "east"),
        (
            (),
            {"since": from_ns(AT_NS + 2 * HOUR_NS), "until": from_ns(AT_NS + 4 * HOUR_NS)},
            lambda e: AT_NS + 2 * HOUR_NS <= e.ts_ns < AT_NS + 4 * HOUR_NS,
        ),
    ],
    ids=["one rule", "a cluster", "a reach", "a time"],
)
def test_looks_only_at_what_is_asked_for(
    stored: tuple[Events, list[Event]], names: tuple[str, ...], more: dict[str, Any], wanted: Any
) -> None:
    events, every = stored
    given = setup(events, *names, **more)
    found = matches(lines_of(events, given))
    chosen = [
        one for one in expected([e for e in every if wanted(e)]) if not names or one[0] in names
    ]
    assert sorted(found) == sorted(chosen)


def test_shows_the_newest_and_counts_all(stored: tuple[Events, list[Event]]) -> None:
    events, every = stored
    lines = lines_of(events, setup(events, "Shell"), limit=7)
    found = [one for one in expected(every) if one[0] == "Shell"]
    assert matches(lines) == found[:7]
    assert (lines[-1]["done"]["shown"], lines[-1]["done"]["matched"]) == (7, 50)


def test_an_hour_that_is_sealed_meanwhile_is_told_once(tmp_path: Path) -> None:
    """The parts are read one by one, and the hour is sealed between two of them."""
    events = Events(tmp_path, clock=lambda: NOW)
    try:
        every = [execve("bash", n, ts_ns=AT_NS + n * 10**8) for n in range(5_000)]
        events.append(every).result()
        given = setup(events, "Shell")

        def parts() -> Iterator[Any]:
            for number, part in enumerate(events.hunt(given.ask, within=given.within)):
                yield part
                if number == 0:
                    events.seal(AT_NS + 2 * HOUR_NS)

        made = Hunt(given, parts(), limit=10_000, deadline_s=120, children=1)
        found = matches([msgspec.json.decode(msgspec.json.encode(one)) for one in made.lines()])
        assert len(found) == len(set(found)) == 5_000
    finally:
        events.close()


def test_a_child_that_dies_is_replaced(
    stored: tuple[Events, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    events, every = stored
    born: list[Any] = []
    ask = hunt._Child.ask

    def shot(child: Any, work: Any) -> Any:
        if child not in born:
            born.append(child)
            if len(born) == 1:
                found = ask(child, work)
                child.kill()
                return found
        return ask(child, work)

    monkeypatch.setattr(hunt._Child, "ask", shot)
    lines = lines_of(events, setup(events))
    assert sorted(matches(lines)) == sorted(expected(every))
    assert len(born) >= 2


def test_a_part_that_kills_twice_is_told_as_not_searched(
    stored: tuple[Events, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    events, _ = stored
    monkeypatch.setattr(hunt._Child, "ask", lambda child, work: setattr(child, "ready", True))
    done = lines_of(events, setup(events))[-1]["done"]
    assert (done["complete"], done["scanned"]) == (False, 0)
    assert done["unread"] > 0


def test_rules_that_cannot_run_end_the_hunt(stored: tuple[Events, list[Event]]) -> None:
    events, _ = stored
    odd: Any = [("no pair",)]
    given = msgspec.structs.replace(setup(events), wanted=odd)
    with pytest.raises(InputError, match="could not be run"):
        lines_of(events, given)
    with pytest.raises(NotFound):
        setup(events, "No such rule")


def test_ends_its_children_when_nobody_listens(stored: tuple[Events, list[Event]]) -> None:
    events, _ = stored
    given = setup(events)
    made = Hunt(
        given, events.hunt(given.ask, within=given.within), limit=10, deadline_s=120, children=2
    )
    lines = made.lines()
    next(lines)
    lines.close()
    pids = [child._process.pid for child in made._children]
    assert pids
    assert not [pid for pid in pids if Path(f"/proc/{pid}/exe").exists() and os.getpid() != pid]
    assert not [thread for thread in made._threads if thread.is_alive()]


def test_a_deadline_ends_it_with_what_is_known(stored: tuple[Events, list[Event]]) -> None:
    events, _ = stored
    given = setup(events)
    parts = events.hunt(given.ask, within=given.within)
    lines = list(Hunt(given, parts, limit=10, deadline_s=-1, children=1).lines())
    assert lines[-1]["done"]["complete"] is False


def test_hours_without_anything_that_matters_are_not_read(
    stored: tuple[Events, list[Event]],
) -> None:
    events, _ = stored
    given = setup(events, "Secret read")
    parts = list(events.hunt(given.ask, within=given.within))
    assert [one for one in parts if not isinstance(one, HourDone)] == []
