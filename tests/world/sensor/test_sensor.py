"""The sensor as a whole: which way it takes, what it leaves out, how it tells how it does."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import SensorError
from haechi.model.event import Event
from haechi.world.sensor import sensor as module
from haechi.world.sensor.containers import mounted
from haechi.world.sensor.record import Record
from haechi.world.sensor.sensor import Place, Sensor, Wants, Way
from tests.world.sensor.fake import ID, Tree, record


class Hand:
    """A way in with records made by hand."""

    def __init__(self, *records: Record) -> None:
        self.waiting = list(records)
        self.lost = 0
        self.closed = False
        self.watched: tuple[str, ...] | None = None
        self.quiet: tuple[str, ...] = ()
        self.room = 100

    def poll(self, timeout_s: float) -> list[Record]:
        found, self.waiting = self.waiting, []
        return found

    def rewatch(self, watch: tuple[str, ...], quiet: tuple[str, ...] = ()) -> None:
        if len(watch) > self.room:
            raise SensorError("too many places")
        self.watched, self.quiet = watch, quiet

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.process(1, "init", ppid=0, mount_ns=1)
    made.process(50, "sshd", ppid=1)
    made.process(100, "bash", ppid=50, cwd="/tmp")
    return made


def _sensor(tree: Tree, hand: Hand, **more: Any) -> Sensor:
    place = Place(node="n1", proc=str(tree.root), root=str(tree.root.parent))
    return Sensor(more.pop("wants", None), place=place, opened=("hand", hand), **more)


def _types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def test_its_own_doings_are_left_out(tree: Tree) -> None:
    mine = record("openat", os.getpid(), ret=3, args={"name": "/proc/1/stat", "flags": 0})
    other = record("unlink", 100, args={"path": "x"})
    events = _sensor(tree, Hand(mine, other)).events(0)
    assert _types(events) == ["unlink"]


def test_records_that_keep_the_table_right_are_no_events_unless_asked_for(tree: Tree) -> None:
    records = [
        record("clone", 100, ret=200, args={"child_pid": 200}),
        record("chdir", 100, args={"path": "/"}),
        record("procexit", 200, at=1),
    ]
    assert _types(_sensor(tree, Hand(*records)).events(0)) == []
    asked = _sensor(tree, Hand(*records), wants=Wants(types=frozenset({"clone", "procexit"})))
    assert _types(asked.events(0)) == ["clone", "procexit"]


def test_the_end_of_a_containers_process_is_told(tree: Tree) -> None:
    tree.process(300, "job", cgroup=f"0::/system.slice/docker-{ID}.scope")
    (event,) = _sensor(tree, Hand(record("procexit", 300))).events(0)
    assert (event.type, event.container_id) == ("procexit", ID[:12])


@pytest.mark.parametrize(
    ("flags", "watch", "seen"),
    [(0, (), False), (1, (), True), (0, ("/etc/ld.so.cache",), True)],
    ids=["read", "write", "a-rule-names-it"],
)
def test_what_every_program_reads_is_no_event(
    tree: Tree, flags: int, watch: tuple[str, ...], seen: bool
) -> None:
    one = record("openat", 100, ret=3, args={"name": "/etc/ld.so.cache", "flags": flags})
    assert bool(_sensor(tree, Hand(one), wants=Wants(watch=watch)).events(0)) is seen


def test_a_record_that_makes_no_sense_costs_itself_alone(tree: Tree) -> None:
    bad = record("mkdir", 100, args={"path": "/x", "mode": "much"})
    sensor = _sensor(tree, Hand(bad, record("unlink", 100, args={"path": "/x"})))
    assert _types(sensor.events(0)) == ["unlink"]
    assert sensor.faults == 1


def test_a_tree_holds_children_orphans_and_nothing_else(tree: Tree) -> None:
    tree.process(400, "other", ppid=1)
    records = [
        record("clone", 100, ret=200, args={"child_pid": 200}),
        record("unlink", 200, at=1, ppid=100, args={"path": "/a"}),
        record("procexit", 100, at=2),
        record("unlink", 200, at=3, ppid=1, args={"path": "/b"}),
        record("unlink", 400, at=4, ppid=1, args={"path": "/c"}),
        record("unlink", 50, at=5, ppid=1, args={"path": "/d"}),
    ]
    events = _sensor(tree, Hand(*records), within=100).events(0)
    assert [event.fields["evt.arg.path"] for event in events] == ["/a", "/b"]


def test_a_tree_needs_a_process(tree: Tree) -> None:
    hand = Hand()
    with pytest.raises(SensorError, match="no process 777"):
        _sensor(tree, hand, within=777)
    assert hand.closed


def test_rules_may_ask_for_other_places_while_it_runs(tree: Tree) -> None:
    hand = Hand()
    sensor = _sensor(tree, hand)
    sensor.want(Wants(watch=("/srv/",), types=frozenset({"chdir"})))
    assert hand.watched == ("/srv/",)
    hand.waiting = [record("chdir", 100, args={"path": "/"})]
    assert _types(sensor.events(0)) == ["chdir"]


def test_quiet_places_stay_when_rules_change(tree: Tree) -> None:
    hand = Hand()
    sensor = _sensor(tree, hand, wants=Wants(quiet=("/srv/db/",)))
    sensor.want(Wants(watch=("/srv/",)))
    assert (hand.watched, hand.quiet) == (("/srv/",), ("/srv/db/",))


def test_places_that_have_no_room_leave_the_old_ones_and_are_tried_again(tree: Tree) -> None:
    hand = Hand()
    sensor = _sensor(tree, hand, wants=Wants(watch=("/etc/",)))
    hand.room = 0
    for _ in range(2):
        with pytest.raises(SensorError, match="too many"):
            sensor.want(Wants(watch=("/srv/",), fields=frozenset({"proc.env"})))
        assert sensor.wants.watch == ("/etc/",)
    hand.room = 1
    sensor.want(Wants(watch=("/srv/",)))
    assert hand.watched == ("/srv/",)


def test_it_tells_how_it_does(tree: Tree) -> None:
    hand = Hand(record("unlink", 100, args={"path": "/x"}))
    sensor = _sensor(tree, hand)
    sensor.events(0)
    hand.lost = 7
    event = sensor.status_event({"dropped": 2})
    expected = {
        "sensor.way": "hand", "sensor.lost": 7, "sensor.events": 1, "sensor.dropped": 2,
        "sensor.processes": 3,
    }  # fmt: skip
    assert expected.items() <= event.fields.items()
    assert (event.type, event.source, event.node) == ("sensor.status", "sensor", "n1")
    assert event.fields["sensor.rss_bytes"] > 1 << 20
    assert event.fields["sensor.blind"] == list(module.ALWAYS_BLIND)


def test_two_starts_give_other_ids(tree: Tree) -> None:
    one = record("unlink", 100, args={"path": "/x"})
    first = _sensor(tree, Hand(one)).events(0)[0]
    second = _sensor(tree, Hand(one)).events(0)[0]
    assert first.id != second.id


def _refusing(reason: str) -> Any:
    def refuse(self: Sensor, *_: object) -> Way:
        raise SensorError(reason)

    return refuse


def test_the_next_way_is_taken_and_the_reason_told(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand()
    monkeypatch.setattr(Sensor, "_ebpf", _refusing("no eBPF"))
    monkeypatch.setattr(Sensor, "_audit", lambda self: hand)
    sensor = Sensor(place=Place(proc=str(tree.root)))
    assert (sensor.way, sensor.refused) == ("audit", ("ebpf: no eBPF",))
    sensor.close()
    assert hand.closed


def test_a_way_that_is_asked_for_has_no_stand_in(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sensor, "_ebpf", _refusing("no eBPF"))
    with pytest.raises(SensorError, match="no eBPF"):
        Sensor(place=Place(proc=str(tree.root)), way="ebpf")
    with pytest.raises(SensorError, match="no way 'magic'"):
        Sensor(place=Place(proc=str(tree.root)), way="magic")


def test_no_way_at_all_names_every_reason(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sensor, "_opened", _refusing("not here"))
    with pytest.raises(SensorError) as caught:
        Sensor(place=Place(proc=str(tree.root)))
    assert all(f"{way}: not here" in caught.value.why for way in module.WAYS)


@pytest.mark.parametrize("way", module.WAYS)
def test_a_real_program_is_seen(way: str, tmp_path: Path) -> None:
    """The whole path on this machine, by each way that works here."""
    if os.geteuid() != 0:
        pytest.skip("the sensor needs root")
    try:
        sensor = Sensor(Wants(watch=(f"{tmp_path}/",)), way=way)
    except SensorError as error:
        pytest.skip(f"no {way} here: {error.what} {error.why}")
    if any("another audit daemon" in line for line in sensor.blind):
        sensor.close()
        pytest.skip("another audit daemon runs")
    script = 'cat "$0"; sleep 0.3'
    (tmp_path / "secret").write_text("x")
    seen: dict[str, Event] = {}
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", script, str(tmp_path / "secret")], stdout=subprocess.DEVNULL
        )
        ends = time.monotonic() + 15
        while "exec" not in seen or (way != "connector" and "read" not in seen):
            assert time.monotonic() < ends, f"not seen by {way}: {sorted(seen)}"
            _note(sensor.events(0.1), child.pid, seen, str(tmp_path / "secret"))
        child.wait()
    finally:
        sensor.close()
    assert seen["exec"].fields["proc.aname"][1:2] != []
    if way != "connector":
        assert seen["read"].fields["proc.pname"] == "sh"


def _note(events: list[Event], pid: int, seen: dict[str, Event], secret: str) -> None:
    for event in events:
        if event.type == "execve" and event.fields["evt.rawres"] == 0:
            if event.fields["proc.pid"] == pid:
                seen["exec"] = event
        elif event.fields.get("fd.name") == secret:
            seen["read"] = event


def _cgroup() -> Path:
    """A cgroup as Docker names one; its process is gone long before anybody could ask /proc."""
    root = mounted()
    if os.geteuid() != 0 or not root:
        pytest.skip("needs root and cgroup version 2")
    folder = Path(root) / f"docker-{ID}.scope"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    return folder


def test_a_real_container_of_moments_is_seen_from_exec_to_exit() -> None:
    folder = _cgroup()
    try:
        sensor = Sensor(way="ebpf")
    except SensorError as error:
        folder.rmdir()
        pytest.skip(f"no eBPF here: {error.why}")
    script = f"echo $$ > {folder}/cgroup.procs && exec /bin/echo haechi-moment"
    seen: list[Event] = []
    try:
        subprocess.run(["/bin/sh", "-c", script], stdout=subprocess.DEVNULL, check=True)
        ends = time.monotonic() + 15
        while not any(event.type == "procexit" for event in seen):
            assert time.monotonic() < ends, f"not seen: {_types(seen)}"
            seen += [e for e in sensor.events(0.1) if e.container_id == ID[:12]]
    finally:
        sensor.close()
        folder.rmdir()
    (started,) = [event for event in seen if event.type == "execve"]
    assert started.fields["proc.cmdline"] == "echo haechi-moment"
    assert started.fields["container.type"] == "docker"
    assert seen[-1].fields["proc.pid"] == started.fields["proc.pid"]
