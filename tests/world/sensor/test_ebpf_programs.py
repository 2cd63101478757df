"""The programs assemble for every machine, and what does not load is named."""

from __future__ import annotations

import os

import pytest

from haechi.world.sensor.assembler import AssemblyError
from haechi.world.sensor.bpf import Bpf, BpfError
from haechi.world.sensor.layout import ARGS
from haechi.world.sensor.programs import suite
from haechi.world.sensor.programs.frame import (
    HEAD,
    RECORD_BYTES,
    SCRATCH_BYTES,
    WALK,
    Frame,
    Maps,
)
from haechi.world.sensor.programs.numbers import I386, LIMIT, NUMBERS
from tests.world.sensor.made_up_kernel import NEAR, Loader, MadeUpKernel

MACHINES = ("x86_64", "aarch64")
MAPS = Maps(ring=11, scratch=12, lost=13, watch=14, recent=15)


def _assemble(kernel: MadeUpKernel, program: suite.Program) -> bytes:
    frame = Frame(kernel, MAPS, None, own=4242, watermark=4096)
    return suite.assemble(program, frame)


def _all(machine: str) -> dict[str, bytes]:
    kernel = MadeUpKernel(machine)
    found = suite.programs(kernel, frozenset({"PATH"}))
    return {each.name: _assemble(kernel, each) for each in found}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_program_assembles(machine: str) -> None:
    made = _all(machine)
    assert len(made) > 40
    for name, code in made.items():
        # in the whole of what one program may hold, with its functions
        assert 30 * 8 < len(code) < 4096 * 8, name


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_machine_has_its_program(machine: str) -> None:
    names = {
        each.name
        for each in suite.programs(MadeUpKernel(machine), frozenset())
        if each.tracepoint == "sys_exit"
    }
    assert names == set(NUMBERS[machine])
    assert max(NUMBERS[machine].values()) < LIMIT
    assert len(set(NUMBERS[machine].values())) == len(NUMBERS[machine])


def test_every_type_of_the_layout_is_made() -> None:
    made = {
        each.kind.type
        for machine in MACHINES
        for each in suite.programs(MadeUpKernel(machine), frozenset())
    }
    assert made == set(ARGS)


def test_calls_of_one_shape_have_the_same_code() -> None:
    made = _all("x86_64")
    for same in (
        ("unlink", "rmdir", "mkdir", "chmod", "chdir", "chroot", "umount2"),
        ("unlinkat", "mkdirat", "fchmodat", "fchmodat2"),
        ("rename", "link"),
        ("renameat", "renameat2", "linkat"),
    ):
        assert len({made[name] for name in same}) == 1, same
    assert made["open"] != made["openat"]


def test_machines_read_arguments_from_their_own_registers() -> None:
    assert _all("x86_64")["unlinkat"] != _all("aarch64")["unlinkat"]


def test_the_scratch_holds_the_largest_record_and_fits_into_a_processors_share() -> None:
    assert HEAD.size == 80
    assert RECORD_BYTES < WALK < SCRATCH_BYTES <= 32 << 10


@pytest.mark.parametrize(
    ("lacking", "programs"),
    [
        ("task_struct.loginuid", set()),
        ("unix_sock.addr", set()),
        ("ovl_inode", set()),
        ("group_dead", set()),
        ("file.f_mode", {"open", "openat", "openat2", "creat", "open_by_handle_at"}),
        ("linux_binprm.file", {"exec"}),
        ("sched_process_fork", {"fork"}),
        ("short_submit", {"io_uring"}),
        ("io_kiocb.opcode", {"io_uring"}),
    ],
)
def test_what_a_kernel_lacks_costs_only_what_needs_it(lacking: str, programs: set[str]) -> None:
    loader = Loader()
    made = _load(MadeUpKernel("x86_64", frozenset({lacking})), loader)
    without_narrow = {name for name in made.missing if "32-bit" not in name}
    assert without_narrow == programs
    assert all(lacking in why or "arguments" in why for why in made.missing.values())
    assert len(made.kinds) > 40


def _load(
    kernel: MadeUpKernel, loader: Loader, wanted: frozenset[str] | None = None
) -> suite.Suite:
    return suite.load(
        Bpf(loader), kernel, MAPS, 3, wanted=wanted, own=1, watermark=4096, env=frozenset()
    )


def test_fields_too_far_apart_are_refused() -> None:
    far = MadeUpKernel("x86_64")
    program = next(p for p in suite.programs(far, frozenset()) if p.name == "unlink")
    try:
        NEAR["dentry.d_parent"] = 4096
        with pytest.raises(AssemblyError, match="too far apart"):
            _assemble(far, program)
    finally:
        NEAR["dentry.d_parent"] = 24


def test_a_program_that_is_refused_is_named_and_the_others_run() -> None:
    loader = Loader(refused=frozenset({"connect", "exec"}))
    made = _load(MadeUpKernel("x86_64"), loader)
    assert set(made.missing) == {"connect", "connect (32-bit)", "exec"}
    assert "Permission denied" in made.missing["connect"]
    numbers = NUMBERS["x86_64"]
    assert {number for number in loader.table if number < LIMIT} == (
        set(numbers.values()) - {numbers["connect"]}
    )
    assert {number - LIMIT for number in loader.table if number >= LIMIT} == (
        set(I386.values()) - {I386["connect"]}
    )
    # fork and exit, and the dispatcher after everything that it jumps to
    assert [loader.loaded[fd] for fd in loader.attached] == [
        "haechi_fork",
        "haechi_exit",
        "haechi_io_uring",
        "haechi_calls",
    ]


@pytest.mark.parametrize("refused", ["calls", ""], ids=["dispatcher", "all"])
def test_when_the_dispatcher_or_all_are_refused_nothing_runs(
    refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(os, "close", closed.append)
    loader = Loader(refused=frozenset({refused}), all_refused=not refused)
    with pytest.raises(BpfError):
        _load(MadeUpKernel("x86_64"), loader)
    assert loader.attached == []
    assert closed == list(loader.loaded)


def test_only_wanted_types_are_loaded() -> None:
    loader = Loader()
    kernel = MadeUpKernel("x86_64", frozenset({"narrow"}))
    made = _load(kernel, loader, frozenset({"execve", "openat"}))
    assert {kind.type for kind in made.kinds.values()} == {"execve", "openat"}
    # execve, openat and what comes as it: open_by_handle_at
    assert set(loader.table) == {59, 257, 304}
    # a failed execveat is of another type, of what io_uring is asked only opens
    assert {"haechi_exec", "haechi_openat", "haechi_execve"} <= set(loader.loaded.values())


def test_kinds_are_numbers_of_calls_or_beyond_all_of_them() -> None:
    made = _load(MadeUpKernel("aarch64"), Loader())
    for kind, name in made.names.items():
        assert kind == NUMBERS["aarch64"].get(name, kind)
        assert (kind >= LIMIT) == (name in {"exec", "fork", "exit", "io_uring"})


def test_calls_of_32_bit_programs_have_programs_of_their_own() -> None:
    kernel = MadeUpKernel("x86_64")
    unlink = next(each for each in suite.programs(kernel, frozenset()) if each.name == "unlink")
    narrow = Frame(kernel, MAPS, None, own=4242, watermark=4096, narrow=True)
    assert suite.assemble(unlink, narrow) != _assemble(kernel, unlink)
    made = _load(kernel, Loader())
    assert made.kinds[LIMIT + I386["unlink"]] is made.kinds[NUMBERS["x86_64"]["unlink"]]
    assert all(
        kind < LIMIT or kind >= suite.FIRST_KIND
        for kind in _load(MadeUpKernel("aarch64"), Loader()).names
    )
