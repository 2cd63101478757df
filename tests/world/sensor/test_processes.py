"""The process table: ancestry, programs, folders, numbers that are used again, bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.world.sensor.containers import HOST, Containers
from haechi.world.sensor.masking import masked, masked_environment
from haechi.world.sensor.proc_fs import ExeFile, ProcFs
from haechi.world.sensor.processes import KEPT_NS, Processes
from tests.world.sensor.fake import ID, NOW, Tree, record


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.process(1, "/sbin/init", ppid=0, comm="systemd")
    made.process(50, "sshd", "-D", ppid=1)
    made.process(100, "bash", "-l", ppid=50, cwd="/home/ann", uid=1000)
    return made


def test_what_runs_is_known_with_its_ancestors(tree: Tree) -> None:
    one = tree.processes().known(100)
    assert one is not None
    assert [other.comm for other in one.ancestry()] == ["bash", "sshd", "systemd"]
    assert (one.cmdline, one.exepath, one.cwd, one.uid) == (
        "bash -l", "/usr/bin/bash", "/home/ann", 1000,
    )  # fmt: skip


def test_a_comm_with_parentheses_is_read_whole(tree: Tree) -> None:
    tree.process(7, "x", comm="a) S 9 (b")
    one = tree.processes().known(7)
    assert one is not None
    assert (one.comm, one.ppid) == ("a) S 9 (b", 1)


def test_fork_and_exec_of_a_process_that_is_already_gone(tree: Tree) -> None:
    """Nothing of 200 is in /proc: the records alone say who it was."""
    table = tree.processes()
    table.of(record("clone", 100, ret=200, args={"child_pid": 200, "child_tid": 200}, uid=1000))
    args = {"filename": "./x", "path": "/home/ann/x", "argv": ["./x", "-a", "b c"]}
    one = table.of(record("execve", 200, at=5, comm="x", ppid=100, uid=1000, args=args))
    assert (one.cmdline, one.exe, one.exepath) == ("x -a b c", "./x", "/home/ann/x")
    assert (one.cwd, one.ppid, one.start_ns) == ("/home/ann", 100, NOW)
    assert [other.comm for other in one.ancestry()] == ["x", "bash", "sshd", "systemd"]


def test_a_thread_is_no_process(tree: Tree) -> None:
    table = tree.processes()
    table.of(record("clone", 100, ret=300, args={"child_pid": 300, "child_tid": 301}))
    assert table.known(300) is None


def test_a_process_is_called_as_at_its_exec_or_as_its_parent_at_the_fork(tree: Tree) -> None:
    """As in Falco: ``runc`` names itself by prctl, and its children bear that name."""
    table = tree.processes()
    table.of(record("clone", 100, ret=200, args={"child_pid": 200}, comm="runc:[1:CHILD]"))
    child = table.of(record("setns", 200, at=1, ppid=100, comm="runc:[2:INIT]"))
    assert [other.comm for other in child.ancestry()][:2] == ["runc:[1:CHILD]", "bash"]


def test_a_thread_that_is_met_first_does_not_name_its_process(tree: Tree) -> None:
    one = tree.processes().of(record("unlink", 50, tid=51, comm="pool-1-thread-1"))
    assert one.comm == "sshd"


@pytest.mark.parametrize(
    ("pgid", "vpid", "leader", "vpgid"),
    [(100, 0, 0, 100), (200, 7, 0, 7), (100, 7, 3, 3), (100, 7, 0, 9)],
    ids=["outside", "its own leader", "a leader that is known", "asked of proc"],
)
def test_the_group_as_the_process_sees_it(
    tree: Tree, pgid: int, vpid: int, leader: int, vpgid: int
) -> None:
    tree.process(200, "x", ppid=100)
    status = tree.root / "200" / "status"
    status.write_text(status.read_text().replace("NSpgid:\t200", "NSpgid:\t100\t9"))
    if not leader:
        tree.end(100)
    table = tree.processes()
    if leader:
        table.of(record("unlink", 100, comm="bash", vpid=leader))
    args = {"argv": ["x"], "path": "/x", "pgid": pgid, "sid": 50}
    one = table.of(record("execve", 200, comm="x", ppid=100, vpid=vpid or 200, args=args))
    assert (one.pgid, one.sid, one.vpgid) == (pgid, 50, vpgid)


def test_the_file_of_a_program_that_has_ended_is_found_if_it_is_the_same(
    tree: Tree, tmp_path: Path
) -> None:
    program = tmp_path / "job"
    program.write_text("#!")
    told = program.stat()
    table = tree.processes()

    def executed(ino: int, dev: int, mount_ns: int = 0) -> ExeFile | None:
        args = {"argv": ["job"], "path": str(program), "ino": ino, "dev": dev}
        return table.of(record("execve", 900, comm="job", mount_ns=mount_ns, args=args)).exe_file

    found = executed(told.st_ino, told.st_dev)
    if os.major(told.st_dev):
        assert found is not None
        assert (found.ino, found.mtime) == (told.st_ino, told.st_mtime_ns)
    else:
        assert found is None
    assert executed(told.st_ino + 1, told.st_dev) is None
    assert executed(told.st_ino, told.st_dev + 1) is None
    assert executed(told.st_ino, told.st_dev, mount_ns=77) is None


def test_capabilities_follow_the_user(tree: Tree) -> None:
    table = tree.processes()
    table.load()
    one = table.of(record("unlink", 100, comm="bash"))
    assert one.capabilities == (3, 1, 0)
    tree.end(100)
    table.of(record("setuid", 100, at=1, comm="bash", uid=33, gid=33))
    assert one.capabilities is None


def test_a_failed_exec_changes_nothing(tree: Tree) -> None:
    one = tree.processes().of(record("execve", 100, ret=-2, comm="bash", args={"argv": ["no"]}))
    assert one.cmdline == "bash -l"


def test_the_number_of_a_dead_process_is_used_again(tree: Tree) -> None:
    table = tree.processes()
    first = table.of(record("unlink", 100, comm="bash", uid=1000))
    table.ended(first, record("procexit", 100, at=1, comm="bash"))
    tree.process(100, "nginx", ppid=1, ticks=900_000)
    second = table.of(record("unlink", 100, at=10_000, comm="nginx"))
    assert second is not first
    assert [other.comm for other in second.ancestry()] == ["nginx", "systemd"]


def test_a_leader_that_ended_before_its_threads_is_the_same_process(tree: Tree) -> None:
    table = tree.processes()
    first = table.of(record("unlink", 100, comm="bash"))
    table.ended(first, record("procexit", 100, at=1))
    again = table.of(record("unlink", 100, at=50, comm="bash", tid=101))
    assert again is first
    assert again.exited_ns == 0


def test_a_child_keeps_its_parent_when_the_number_is_used_again(tree: Tree) -> None:
    table = tree.processes()
    table.of(record("clone", 100, ret=200, args={"child_pid": 200}, comm="bash"))
    parent = table.known(100)
    assert parent is not None
    table.ended(parent, record("procexit", 100, at=1))
    table.sweep(NOW + 2 * KEPT_NS)
    child = table.known(200)
    assert child is not None
    assert [other.comm for other in child.ancestry()][1] == "bash"


def test_an_orphan_follows_the_kernel_to_its_new_parent(tree: Tree) -> None:
    table = tree.processes()
    table.of(record("clone", 100, ret=200, args={"child_pid": 200}, comm="bash"))
    one = table.of(record("unlink", 200, at=1, ppid=1))
    assert (one.ppid, [other.comm for other in one.ancestry()]) == (1, ["bash", "systemd"])


def test_descendants_are_stale_when_an_ancestor_executes(tree: Tree) -> None:
    table = tree.processes()
    before = table.epoch
    table.of(record("execve", 50, comm="evil", ppid=1, args={"argv": ["evil"], "path": "/evil"}))
    assert table.epoch > before


@pytest.mark.parametrize(
    ("name", "dirfd", "expected"),
    [
        ("/etc/passwd", -100, "/etc/passwd"),
        ("x", -100, "/home/ann/x"),
        ("../bob/./x", -100, "/home/bob/x"),
        ("//etc//passwd", -100, "/etc/passwd"),
        ("/../../etc/shadow", -100, "/etc/shadow"),
        ("x", 9, ""),
        ("", -100, ""),
        (None, -100, ""),
    ],
    ids=["absolute", "relative", "dots", "slashes", "above-root", "unknown-folder", "empty", "no"],
)
def test_paths_are_made_absolute(tree: Tree, name: str, dirfd: int, expected: str) -> None:
    table = tree.processes()
    one = table.known(100)
    assert one is not None
    assert table.absolute(one, name, dirfd) == expected


def test_a_folder_behind_a_descriptor_is_asked_of_proc(tree: Tree) -> None:
    (tree.root / "100" / "fd").mkdir()
    (tree.root / "100" / "fd" / "9").symlink_to("/srv/data")
    table = tree.processes()
    one = table.known(100)
    assert one is not None
    assert table.absolute(one, "x", 9) == "/srv/data/x"


@pytest.mark.parametrize(
    ("path", "base", "expected"),
    [("/tmp", "", "/tmp"), ("sub", "", "/home/ann/sub"), ("sub", "/srv", "/srv/sub")],
    ids=["absolute", "relative", "base"],
)
def test_chdir_moves_a_process_and_its_children(
    tree: Tree, path: str, base: str, expected: str
) -> None:
    table = tree.processes()
    args = {"path": path, **({"base": base} if base else {})}
    table.of(record("chdir", 100, args=args, comm="bash"))
    table.of(record("clone", 100, ret=200, args={"child_pid": 200}, comm="bash"))
    child = table.known(200)
    assert child is not None
    assert child.cwd == expected


@pytest.mark.parametrize(
    ("told", "asked", "cwd"),
    [
        ({"path": "x", "base": "…/usr/bin"}, "/a/usr/bin/x", "/a/usr/bin/x"),
        ({"path": "x", "base": "…/usr/bin"}, "/else", "…/usr/bin/x"),
        ({"path": "../../../../bin", "base": "…/usr"}, "/else", "…/bin"),
    ],
    ids=["proc-knows", "proc-is-elsewhere", "climbs"],
)
def test_a_folder_whose_front_was_cut_is_asked_of_proc_or_stays_cut(
    tree: Tree, told: dict[str, str], asked: str, cwd: str
) -> None:
    (tree.root / "100" / "cwd").unlink()
    (tree.root / "100" / "cwd").symlink_to(asked)
    table = tree.processes()
    table.of(record("chdir", 100, args={**told, "path_cut": True}, comm="bash"))
    one = table.known(100)
    assert one is not None
    assert (one.cwd, table.absolute(one, "y")) == (cwd, f"{cwd}/y")


def test_a_program_whose_path_was_cut_is_asked_of_proc_or_stays_cut(tree: Tree) -> None:
    table = tree.processes()
    for pid, exe in ((100, "/deep/usr/bin/x"), (50, "/bin/other")):
        (tree.root / str(pid) / "exe").unlink()
        (tree.root / str(pid) / "exe").symlink_to(exe)
        args = {"path": "…/usr/bin/x", "argv": ["x"], "path_cut": True}
        table.of(record("execve", pid, args=args, comm="x"))
    found = [one.exepath for pid in (100, 50) if (one := table.known(pid)) is not None]
    assert found == ["/deep/usr/bin/x", "…/usr/bin/x"]


def test_what_ended_stays_for_a_minute(tree: Tree) -> None:
    table = tree.processes()
    one = table.of(record("unlink", 100))
    table.ended(one, record("procexit", 100, at=1))
    table.sweep(NOW + KEPT_NS)
    assert table.known(100) is one
    table.sweep(NOW + KEPT_NS + 2_000_000)
    assert table.known(100) is None


def test_the_table_is_bounded_and_what_ended_goes_first(tree: Tree) -> None:
    table = tree.processes(most=50)
    for pid in range(1000, 1100):
        table.of(record("clone", 100, ret=pid, args={"child_pid": pid}, comm="bash"))
        one = table.known(pid)
        assert one is not None
        table.ended(one, record("procexit", pid, at=1))
    assert len(table) == 50
    assert table.known(100) is not None
    assert table.known(1099) is not None


def test_a_chain_of_forks_that_all_end_holds_no_memory(tree: Tree) -> None:
    """Each forks and ends: what is evicted lets go of what was evicted before it."""
    table = tree.processes()
    for pid in range(2000, 2100):
        table.of(record("clone", pid - 1, ret=pid, args={"child_pid": pid}, ppid=1))
        one = table.known(pid - 1)
        assert one is not None
        table.ended(one, record("procexit", pid - 1, at=1))
        table.sweep(NOW + 2 * KEPT_NS)
    last = table.known(2099)
    assert last is not None
    assert len(last.ancestry()) <= 4


def test_a_container_that_lived_for_moments_is_seen_from_exec_to_exit(tree: Tree) -> None:
    (tree.cgroups / "kubepods" / f"cri-containerd-{ID}.scope").mkdir(parents=True)
    inode = (tree.cgroups / "kubepods" / f"cri-containerd-{ID}.scope").stat().st_ino
    table = tree.processes()
    table.of(record("clone", 100, ret=900, args={"child_pid": 900}, comm="bash"))
    one = table.of(record("execve", 900, at=1, comm="job", cgroup=inode, args={"argv": ["job"]}))
    (tree.cgroups / "kubepods" / f"cri-containerd-{ID}.scope").rmdir()
    last = record("procexit", 900, at=2, comm="job", cgroup=inode)
    assert table.of(last) is one
    assert one.container.id == ID[:12]


def test_a_container_of_the_older_hierarchies_is_known_at_its_exec(tree: Tree) -> None:
    """Its cgroup of version 2 is the root, as everybody's; the runtime moves it before exec."""
    root = tree.cgroups.stat().st_ino
    table = tree.processes()
    tree.process(900, "runc", ppid=100, cgroup="0::/\n4:memory:/user", mount_ns=77)
    first = table.of(record("mount", 900, comm="runc", cgroup=root, mount_ns=77, ppid=100))
    assert first.container is HOST
    tree.process(900, "job", ppid=100, cgroup=f"0::/\n4:memory:/docker/{ID}", mount_ns=77)
    args = {"argv": ["job"], "path": "/job"}
    one = table.of(record("execve", 900, at=1, comm="job", cgroup=root, mount_ns=77, args=args))
    assert one.container.id == ID[:12]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["psql", "--password=hunter2"], ["psql", "--password=***"]),
        (["x", "--api-key", "abc", "y"], ["x", "--api-key", "***", "y"]),
        (["x", "--token", "--verbose"], ["x", "--token", "--verbose"]),
        (["mysql", "-uroot", "-psecret"], ["mysql", "-uroot", "-p***"]),
        (["ls", "-psecret"], ["ls", "-psecret"]),
        (["sshpass", "-p", "pw", "ssh", "h"], ["sshpass", "-p", "***", "ssh", "h"]),
        (["curl", "-u", "ann:pw", "h"], ["curl", "-u", "***", "h"]),
        (["curl", "-H", "Authorization: Bearer abc"], ["curl", "-H", "Authorization: Bearer ***"]),
        (["git", "clone", "https://a:b@h/r"], ["git", "clone", "https://a:***@h/r"]),
        (["env", "AWS_SECRET_ACCESS_KEY=abc", "x"], ["env", "AWS_SECRET_ACCESS_KEY=***", "x"]),
        (["sh", "-c", "x --password=a; id"], ["sh", "-c", "x --password=***; id"]),
        (["cat", "/etc/passwd"], ["cat", "/etc/passwd"]),
        (["grep", "-i", "password", "f"], ["grep", "-i", "password", "f"]),
        ([], []),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_secrets_on_command_lines_are_masked(argv: list[str], expected: list[str]) -> None:
    assert masked(argv) == expected


def test_secrets_in_the_environment_are_masked() -> None:
    told = masked_environment({"LD_PRELOAD": "/x.so", "DB_PASSWORD": "a", "PROXY": "http://a:b@p"})
    assert told == {"LD_PRELOAD": "/x.so", "DB_PASSWORD": "***", "PROXY": "http://a:***@p"}


def test_a_long_command_line_is_bounded(tree: Tree) -> None:
    argv = ["x", *("y" * 100 for _ in range(1000))]
    one = tree.processes().of(record("execve", 100, comm="x", args={"argv": argv, "path": "/x"}))
    assert len(" ".join(one.args)) <= 4096


@given(
    stat=st.one_of(st.binary(max_size=120), st.just(b"7 (a) S 1 2 3 4 " + b"0 " * 20)),
    status=st.binary(max_size=120),
    cmdline=st.binary(max_size=120),
    cgroup=st.binary(max_size=120),
)
@settings(max_examples=80, deadline=None)
def test_any_proc_is_read_without_a_fault(
    tmp_path_factory: pytest.TempPathFactory, **files: bytes
) -> None:
    root = tmp_path_factory.getbasetemp() / "hostile"
    (root / "proc" / "7").mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        (root / "proc" / "7" / name).write_bytes(raw)
    proc = ProcFs(str(root / "proc"))
    table = Processes(proc, Containers(proc, cgroups=""))
    table.load()
    one = table.known(7)
    assert one is not None
    assert "\0" not in one.cmdline


@given(st.lists(st.text(max_size=60), max_size=8))
def test_masking_keeps_the_number_of_words_and_is_stable(argv: list[str]) -> None:
    told = masked(argv)
    assert len(told) == len(argv)
    assert masked(told) == told
