"""The programs in the running kernel: what processes do comes out as records.

Needs bpf(2); elsewhere every test here is skipped with what is missing. One sensor watches one
process that does everything (acts.py), the tests look at what was recorded.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import SensorError
from haechi.world.sensor.bpf import BpfError
from haechi.world.sensor.ebpf import Ebpf, explained
from haechi.world.sensor.record import Record
from tests.world.sensor import acts, acts_ring


@pytest.fixture(scope="session")
def possible() -> None:
    try:
        Ebpf(watch=[], syscalls=frozenset({"setuid"})).close()
    except SensorError as error:
        pytest.skip(f"eBPF cannot run here: {error.explain()}")


live = pytest.mark.usefixtures("possible")


class Watch:
    """Collects records while the test acts; ``until`` waits for one, so no test sleeps."""

    def __init__(self, sensor: Ebpf) -> None:
        self.sensor = sensor
        self.records: list[Record] = []

    def until(self, found: Callable[[Record], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        place = 0
        while time.monotonic() < end:
            self.records += self.sensor.poll(0.2)
            if any(found(each) for each in self.records[place:]):
                return
            place = len(self.records)
        raise AssertionError("the awaited record never came")

    def ended(self, pid: int) -> None:
        self.until(lambda each: each.type == "procexit" and each.vpid == pid)


class Done:
    """What acts.py did, and the records of it and its children."""

    def __init__(self, place: Path, records: list[Record], said: dict[str, Any], pid: int) -> None:
        self.place = place
        self.said = said
        self.pid = pid
        family = {pid}
        self.records = []
        for each in records:
            if each.type == "clone" and each.vpid in family:
                family.add(each.args["child_vpid"])
            if each.vpid in family:
                self.records.append(each)

    def of(self, *types: str) -> list[Record]:
        return [each for each in self.records if each.type in types]


@pytest.fixture(scope="module")
def done(possible: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    place = tmp_path_factory.mktemp("acts").resolve()
    (place / "watched").mkdir()
    (place / "watched" / "secret").write_text("x")
    (place / "other").write_text("x")
    (place / "link").symlink_to("watched/secret")
    before = _descriptors()
    with Ebpf(watch=[f"{place}/watched/"], env=frozenset({"HAECHI_TEST"})) as sensor:
        watch = Watch(sensor)
        process = subprocess.Popen(
            [sys.executable, acts.__file__, str(place)],
            stdout=subprocess.PIPE,
            env=os.environ | {"HAECHI_TEST": "a=b"},
        )
        said, _ = process.communicate(timeout=60)
        watch.ended(process.pid)
        assert process.returncode == 0
        assert sensor.missing == {}
        yield Done(place, watch.records, json.loads(said), process.pid)
    assert _descriptors() == before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@live
def test_a_new_program_with_its_environment(done: Done) -> None:
    first = done.of("execve")[0]
    assert first.args["argv"] == [sys.executable, acts.__file__, str(done.place)]
    assert first.args["path"] == os.path.realpath(sys.executable)
    assert first.args["cwd"] == str(Path.cwd())
    assert (first.args["pgid"], first.args["sid"]) == (os.getpgid(0), os.getsid(0))
    assert first.args["env"] == {"HAECHI_TEST": "a=b"}
    assert first.args["ino"] == Path(sys.executable).stat().st_ino
    assert first.args["dev"] == Path(sys.executable).stat().st_dev
    assert abs(first.ts_ns - time.time_ns()) < 60e9
    assert first.uid == os.geteuid()
    assert first.mount_ns == Path("/proc/self/ns/mnt").stat().st_ino


@live
def test_watched_reads_are_seen_by_every_name(done: Done) -> None:
    secret = str(done.place / "watched" / "secret")
    reads = [each for each in done.of("openat", "open") if each.args.get("path") == secret]
    names = [each.args.get("name") for each in reads]
    by_handle = [None] if done.said["by_handle"] else []
    assert names == ["watched/secret", "link", "watched/../watched/secret", *by_handle]
    assert all(each.ret >= 0 and each.args["flags"] & 3 == 0 for each in reads)
    assert {each.args["ino"] for each in reads} == {Path(secret).stat().st_ino}


@live
def test_other_reads_are_not_seen(done: Done) -> None:
    assert not [each for each in done.of("openat", "open") if each.args.get("name") == "other"]


@live
def test_failed_opens_of_watched_names_are_seen(done: Done) -> None:
    failed = [each for each in done.of("openat", "open") if each.ret == -2]
    assert [each.args["name"] for each in failed] == [f"{done.place}/watched/absent"]


@live
def test_files_made_changed_and_removed(done: Done) -> None:
    place = str(done.place)
    (made,) = (e for e in done.of("openat", "open") if e.args.get("name") == "made")
    assert (made.args["path"], made.args["created"]) == (f"{place}/made", True)
    (moved,) = done.of("rename", "renameat", "renameat2")
    assert (moved.args["oldpath"], moved.args["newpath"]) == ("made", "moved")
    assert moved.args.get("oldbase") == moved.args.get("newbase") == place
    (mode,) = done.of("chmod", "fchmodat")
    assert (mode.args["path"], mode.args["base"], mode.args["mode"]) == ("moved", place, 0o751)
    (by_fd,) = done.of("fchmod")
    assert (by_fd.args["path"], by_fd.args["mode"]) == (f"{place}/moved", 0o640)
    (link,) = done.of("link", "linkat")
    assert (link.args["oldpath"], link.args["newpath"]) == ("moved", "second")
    (symlink,) = done.of("symlink", "symlinkat")
    assert (symlink.args["target"], symlink.args["linkpath"]) == ("/etc/shadow", "third")
    removed = [each.args["path"] for each in done.of("unlink", "unlinkat")]
    assert removed == ["moved", "second", "third"]
    (room,) = done.of("mkdir", "mkdirat")
    assert (room.args["path"], room.args["base"]) == ("room", place)
    assert [each.args["path"] for each in done.of("rmdir")] == ["room"]
    assert [each.args["path"] for each in done.of("chdir")] == [place]


@live
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_connections_have_both_ends(done: Done, address: str) -> None:
    port, client = done.said[address]
    ends = (address, port, address, client)
    for kind in (("connect",), ("accept", "accept4")):
        found = [each for each in done.of(*kind) if each.args.get("sport") == port]
        assert [_ends(each) for each in found] == [ends], kind
        assert {each.args["proto"] for each in found} == {"tcp"}
    for kind in (("bind",), ("listen",)):
        (one,) = (each for each in done.of(*kind) if each.args.get("sport") == port)
        assert one.args["sip"] == address


def _ends(record: Record) -> tuple[Any, ...]:
    return tuple(record.args.get(key) for key in ("sip", "sport", "cip", "cport"))


@live
def test_a_refused_connection_names_its_target(done: Done) -> None:
    (refused,) = (e for e in done.of("connect") if e.args.get("sport") == done.said["refused"])
    assert refused.ret == -done.said["refused_errno"] < 0
    assert refused.args["sip"] == "127.0.0.1"


@live
def test_datagrams_are_told_once_for_a_conversation(done: Done) -> None:
    (sent,) = done.of("sendto")
    assert (sent.args["sip"], sent.args["sport"], sent.args["proto"]) == ("127.0.0.1", 9, "udp")


@live
def test_unix_sockets_have_their_path(done: Done) -> None:
    path = str(done.place / "sock")
    for kind in ("bind", "listen", "connect"):
        found = [each for each in done.of(kind) if each.args.get("path") == path]
        assert [each.args["family"] for each in found] == ["AF_UNIX"], kind


@live
def test_only_sockets_are_told_when_duplicated(done: Done) -> None:
    port, client = done.said["127.0.0.1"]
    (copied,) = done.of("dup2", "dup3")
    assert copied.ret == copied.args["newfd"] == 200
    assert copied.args["cport"] == client or copied.args["sport"] == client
    assert port in (copied.args["cport"], copied.args["sport"])


@live
def test_tracing_namespaces_and_signals(done: Done) -> None:
    (traced,) = done.of("ptrace")
    assert traced.args["request"] == 0
    (unshared,) = done.of("unshare")
    assert unshared.args["flags"] == 0x04000000
    (ended,) = (e for e in done.of("procexit") if e.vpid == traced.vpid)
    assert ended.args["status"] == 3 << 8
    (signal,) = done.of("kill")
    assert signal.args["signal"] == 15
    assert [each.args["uid"] for each in done.of("setuid")] == [os.getuid()]


@live
def test_a_program_that_could_not_run(done: Done) -> None:
    (failed,) = (each for each in done.of("execve") if each.ret < 0)
    assert (failed.ret, failed.args["filename"]) == (-13, "/bin")


@live
def test_a_program_in_memory(done: Done) -> None:
    (made,) = done.of("memfd_create")
    assert made.args["name"] == "in-memory"
    (hidden,) = (each for each in done.of("execve") if each.args.get("memfd"))
    assert hidden.args["path"] == "memfd:in-memory"
    assert hidden.args["argv"] == ["hidden", "one"]


@live
def test_short_lived_programs_are_all_seen_whole() -> None:
    with Ebpf(watch=[], syscalls=frozenset({"execve", "clone", "procexit"})) as sensor:
        watch = Watch(sensor)
        script = 'i=0; while [ $i -lt 300 ]; do /bin/true "$i" "a b" ""; i=$((i+1)); done'
        process = subprocess.Popen(["/bin/sh", "-c", script])
        watch.ended(process.pid)
        process.wait()
        assert sensor.lost == 0
    children = {e.args["child_vpid"] for e in watch.records if e.vpid == process.pid and e.ret}
    seen = [e for e in watch.records if e.type == "execve" and e.vpid in children]
    expected = [["/bin/true", str(n), "a b", ""] for n in range(300)]
    assert [each.args["argv"] for each in seen] == expected
    ends = {e.vpid for e in watch.records if e.type == "procexit"}
    assert children <= ends
    assert not [e for e in watch.records if e.type not in {"execve", "clone", "procexit"}]


# int 0x80: open and unlink by the 32-bit calls, from a 64-bit process; the name lies
# low in memory, where 32 bits reach
INT80 = """
#include <sys/mman.h>
#include <string.h>
int main(int count, char **words) {
    int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;
    char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, kind, -1, 0);
    long result;
    strcpy(low, words[1]);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(5), "b"(low), "c"(2), "d"(0) : "memory");
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(10), "b"(low) : "memory");
    return result != 0;
}
"""


@live
@pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 is of x86")
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler for the 32-bit call")
def test_calls_through_the_32_bit_gate_are_seen(tmp_path: Path) -> None:
    program, victim = tmp_path / "gate", tmp_path.resolve() / "victim"
    victim.write_text("x")
    subprocess.run(["gcc", "-x", "c", "-o", str(program), "-"], input=INT80.encode(), check=True)
    with Ebpf(watch=[], syscalls=frozenset({"open", "unlink", "procexit"})) as sensor:
        watch = Watch(sensor)
        process = subprocess.Popen([program, victim])
        watch.ended(process.pid)
        if process.wait():
            pytest.skip("this kernel takes no 32-bit calls")
    assert not victim.exists()
    seen = [each for each in watch.records if each.vpid == process.pid]
    assert [each.type for each in seen] == ["open", "unlink", "procexit"]
    assert seen[0].args["path"] == seen[1].args["path"] == str(victim)


@live
def test_what_is_asked_of_io_uring_is_seen(tmp_path: Path) -> None:
    place = tmp_path.resolve()
    (place / "first").write_text("x")
    with Ebpf(watch=[]) as sensor:
        if "io_uring" in sensor.missing:
            pytest.skip("this kernel has no tracepoint for what is asked of io_uring")
        watch = Watch(sensor)
        process = subprocess.Popen([sys.executable, acts_ring.__file__, str(place)])
        watch.ended(process.pid)
        if process.wait() == 77:
            pytest.skip("io_uring is switched off here")
    assert process.returncode == 0
    mine = [each for each in watch.records if each.vpid == process.pid]
    assert [each.type for each in mine if each.type == "io_uring_setup"] == ["io_uring_setup"]
    asked = [each for each in mine if each.args.get("io_uring")]
    assert [each.type for each in asked] == ["openat", "renameat2", "unlinkat", "connect"]
    opened, renamed, removed, connected = (each.args for each in asked)
    assert (opened["name"], opened["base"], opened["dirfd"]) == ("first", str(place), -100)
    assert (renamed["oldpath"], renamed["newpath"]) == ("first", "second")
    assert renamed["newbase"] == str(place)
    assert (removed["path"], removed["base"]) == ("second", str(place))
    assert (connected["sip"], connected["sport"], connected["family"]) == (
        "127.0.0.1",
        9,
        "AF_INET",
    )


@live
def test_prefixes_change_while_it_runs(tmp_path: Path) -> None:
    names = {name: tmp_path.resolve() / name for name in ("one", "two", "quiet")}
    for path in names.values():
        path.write_text("x")

    def opened(how: str, path: Path) -> bool:
        watch.records.clear()
        process = subprocess.Popen(["/bin/sh", "-c", f': {how} "$0"', str(path)])
        watch.ended(process.pid)
        process.wait()
        return any(each.args.get("path") == str(path) for each in watch.records)

    with Ebpf(watch=[str(names["one"])]) as sensor:
        watch = Watch(sensor)
        assert opened("<", names["one"])
        assert not opened("<", names["two"])
        sensor.rewatch([str(names["two"])], quiet=[str(names["quiet"])])
        assert not opened("<", names["one"])
        assert opened("<", names["two"])
        assert opened(">>", names["one"])
        assert not opened(">>", names["quiet"])


@live
def test_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    with Ebpf(watch=[f"{tmp_path}/"], ring_bytes=4096) as sensor:
        path = tmp_path / "x"
        path.write_text("x")
        script = f'i=0; while [ $i -lt 200 ]; do : < "{path}"; i=$((i+1)); done'
        subprocess.run(["/bin/sh", "-c", script], check=True)
        came = 0
        while records := sensor.poll(0):
            came += len([each for each in records if each.args.get("path") == str(path)])
        assert came < 200
        lost = sensor.lost  # other programs go on, and lose more meanwhile
        assert lost <= sum(sensor.lost_by_type.values()) <= sensor.lost
        assert sensor.lost_by_type["openat"] + came >= 200
    assert sensor.lost >= 200 - came


@live
def test_our_own_doings_are_not_recorded(tmp_path: Path) -> None:
    with Ebpf(watch=[f"{tmp_path}/"]) as sensor:
        watch = Watch(sensor)
        (tmp_path / "own").write_text("x")
        process = subprocess.Popen(["/bin/true"])
        watch.ended(process.pid)
        process.wait()
    own = [each.type for each in watch.records if each.vpid == os.getpid()]
    assert set(own) <= {"clone"}


@live
def test_closing_twice_and_polling_afterwards() -> None:
    before = _descriptors()
    sensor = Ebpf(watch=["/etc/"], syscalls=frozenset({"setuid"}))
    sensor.close()
    sensor.close()
    assert _descriptors() == before
    assert sensor.lost == 0
    with pytest.raises(SensorError, match="closed"):
        sensor.poll(0)


@live
@pytest.mark.parametrize(
    ("prefix", "message"),
    [("etc", "cannot watch"), ("", "cannot watch"), ("/a\0b", "cannot watch"), ("/" * 300, "…")],
    ids=["relative", "empty", "nul", "too-long"],
)
def test_prefixes_that_make_no_sense_are_refused(prefix: str, message: str) -> None:
    before = _descriptors()
    with pytest.raises(SensorError, match=message):
        Ebpf(watch=[prefix], syscalls=frozenset({"setuid"}))
    assert _descriptors() == before


@live
def test_records_come_without_a_wake_up_soon(tmp_path: Path) -> None:
    """A reader that waits long is not left waiting while records lie there."""
    with Ebpf(watch=[], syscalls=frozenset({"execve", "procexit"})) as sensor:
        go = threading.Timer(0.05, lambda: subprocess.run(["/bin/true"], check=True))
        go.start()
        try:
            assert sensor.poll(60)
        finally:
            go.join()


def test_a_ring_of_an_odd_size_is_refused() -> None:
    with pytest.raises(SensorError, match="5000 bytes"):
        Ebpf(watch=[], ring_bytes=5000)


@pytest.mark.parametrize(
    ("number", "what", "expected"),
    [
        (1, "creating the map", "not permitted"),
        (38, "creating the map", "not there"),
        (22, "creating the map haechi_ring", "too old"),
        (13, "loading the program", "cannot be loaded"),
    ],
    ids=["EPERM", "ENOSYS", "EINVAL", "EACCES"],
)
def test_refusals_say_what_to_do(number: int, what: str, expected: str) -> None:
    error = explained(BpfError(number, what, "0: R1 type=ctx\nprocessed 3 insns"))
    assert expected in error.what
    assert error.why
