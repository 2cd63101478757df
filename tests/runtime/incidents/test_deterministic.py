"""However detections are parted into folds, wherever the process begins anew, and whatever is
told twice: the same incidents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.model.event import Event
from haechi.runtime.incidents.correlate import Correlator
from tests.runtime.incidents.made import Store, detection, folded, lots_of, on_host

TAGS: tuple[list[str], ...] = (
    ["mitre_execution", "T1059"],
    ["mitre_discovery", "T1057"],
    ["mitre_impact"],
    [],
)


@st.composite
def drawn(draw: st.DrawFn, number: int) -> Event:
    """A detection somewhere in a small world, so that much of it meets."""
    line = draw(st.lists(st.integers(3, 9), max_size=4, unique=True))
    made: Callable[..., Event] = draw(st.sampled_from([detection, detection, on_host]))
    place = {} if made is on_host else {"namespace": draw(st.sampled_from(["shop", "pay"]))}
    if made is detection:
        name = draw(st.sampled_from("ab"))
        place["resource"] = f"k8s:prod/apps/Deployment/{place['namespace']}/{name}"
    return made(
        number,
        minute=draw(st.integers(0, 60)),
        rule=draw(st.sampled_from("ABCD")),
        priority=draw(st.sampled_from(["critical", "warning", "notice", "notice", "debug"])),
        tags=draw(st.sampled_from(TAGS)),
        pids=line,
        names=[draw(st.sampled_from(["sh", "x", "sshd"])) for _ in line],
        type=draw(st.sampled_from(["execve", "connect"])),
        **place,
    )


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Event], list[int], list[bool]]:
    """Detections, the sizes of folds, and after which of them the process begins anew."""
    number = draw(st.integers(1, 25))
    events = [draw(drawn(n)) for n in range(1, number + 1)]
    sizes = draw(st.lists(st.integers(1, 6), min_size=number, max_size=number))
    return events, sizes, draw(st.lists(st.booleans(), min_size=number, max_size=number))


@settings(max_examples=200, deadline=None)
@given(stream=streams(), undone=st.lists(st.booleans(), min_size=25, max_size=25))
def test_the_same_incidents_whatever_happens_in_between(
    stream: tuple[Sequence[Event], list[int], list[bool]], undone: list[bool]
) -> None:
    events, sizes, again = stream
    whole = folded(events)
    store = Store()
    correlator = Correlator(store.loaded())
    lots = lots_of(events)
    turn = 0
    while lots:
        part = lots[: sizes[turn]]
        if undone[turn % 25]:  # the store could not write it
            correlator.fold(part, epoch="e")
            correlator.undo()
        store.fold(correlator, part)
        if again[turn]:  # killed after the commit: some of it is read once more
            correlator = Correlator(store.loaded())
        lots = [one for one in lots if one.seq > store.place[1]]
        turn += 1
    assert store.told() == whole.told()


@settings(max_examples=60, deadline=None)
@given(stream=streams())
def test_nothing_is_lost_and_nothing_counted_twice(
    stream: tuple[Sequence[Event], list[int], list[bool]],
) -> None:
    events, _, _ = stream
    store = folded(events)
    rows = sum(row.counted.count for row in store.rows.values())
    assert rows == sum(one.incident.detections for one in store.kept.values())
    assert rows == sum(n for one in store.kept.values() for n in one.incident.rules.values())
    waiting = sum(one.counted.count for one in store.faint.values())
    over = len(events) - rows - waiting
    faint = sum(one.priority in ("notice", "debug") for one in events)
    assert 0 <= over <= faint  # faint ones whose time was over
