"""``/proc`` of processes that choose what stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.world.sensor.proc_fs import ProcFs

GROUPS = " ".join(str(number) for number in range(2**32 - 65_536, 2**32))
STATUS = f"""\
Name:\ta
Tgid:\t7
Uid:\t1\t2\t3\t4
Gid:\t5\t6\t7\t8
Groups:\t{GROUPS}
NSpid:\t7\t1
NSpgid:\t7\t1
NSsid:\t7\t1
CapInh:\t0
CapPrm:\t1
CapEff:\t1
"""


@pytest.fixture
def process(tmp_path: Path) -> Path:
    folder = tmp_path / "7"
    folder.mkdir()
    return folder


def test_a_process_in_every_group_is_read_whole(process: Path) -> None:
    (process / "status").write_text(STATUS)
    status = ProcFs(str(process.parent)).status(7)
    assert status is not None
    assert (status.uid, status.vpid, status.effective) == (2, 1, 1)


@pytest.mark.parametrize("end", ["\u2028", "\x1c", "\x0b", "\r", "\x85"], ids=ascii)
def test_a_cgroups_name_makes_no_second_line(process: Path, end: str) -> None:
    (process / "cgroup").write_text(f"4:memory:/a{end}0::docker-{'a' * 64}.scope\n", newline="")
    (path,) = ProcFs(str(process.parent)).cgroups(7)
    assert path.startswith("/a")


@pytest.mark.parametrize(
    "comm", ["a) R 1 1 (b", ") S 0 (", "((((", "))))", " ", "\n", "x (deleted)"], ids=ascii
)
def test_a_name_with_parentheses_shifts_no_field(process: Path, comm: str) -> None:
    numbers = " ".join(str(number) for number in range(4, 53))
    (process / "stat").write_text(f"7 ({comm}) S 3 {numbers}", newline="")
    stat = ProcFs(str(process.parent)).stat(7)
    assert stat is not None
    assert (stat.comm, stat.ppid, stat.pgid, stat.sid) == (comm, 3, 4, 5)
