"""What is handed to ``bpf(2)``, seen by a kernel that is a function of the test."""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Callable

import pytest

from haechi.errors import SensorError
from haechi.world.sensor.bpf import (
    BTF_RAW_TRACEPOINT,
    LPM_TRIE,
    TRACING,
    Bpf,
    BpfError,
    Buffer,
    system_call,
)


class FakeKernel:
    """Notes every command and answers with what ``answer`` says."""

    def __init__(self, answer: Callable[[int, bytes], int] = lambda _, __: 5) -> None:
        self.seen: list[tuple[int, bytes]] = []
        self._answer = answer

    def __call__(self, command: int, attributes: Buffer) -> int:
        self.seen.append((command, attributes.raw))
        return self._answer(command, attributes.raw)


def test_creating_a_map() -> None:
    kernel = FakeKernel()
    assert Bpf(kernel).create_map(LPM_TRIE, 256, 4, 99, name="watch", flags=1) == 5
    ((command, raw),) = kernel.seen
    assert command == 0
    assert struct.unpack_from("=IIIII", raw) == (LPM_TRIE, 256, 4, 99, 1)
    assert raw[28:44] == b"watch".ljust(16, b"\0")


def test_elements_are_passed_by_address() -> None:
    found: list[bytes] = []

    def answer(command: int, raw: bytes) -> int:
        _, _, key, value, _ = struct.unpack("=IIQQQ", raw)
        found.append(ctypes.string_at(key, 3))
        if command == 2:
            found.append(ctypes.string_at(value, 2))
        if command == 1:
            ctypes.memmove(value, b"answer!!", 8)
        return 0 if command != 3 else -errno.ENOENT

    bpf = Bpf(FakeKernel(answer))
    bpf.update(3, b"key", b"vv")
    assert bpf.lookup(3, b"key", 8) == b"answer!!"
    assert bpf.delete(3, b"key") is False
    assert found == [b"key", b"vv", b"key", b"key"]


def test_loading_hands_over_code_licence_and_target() -> None:
    seen: dict[str, object] = {}

    def answer(command: int, raw: bytes) -> int:
        kind, count, code, licence = struct.unpack_from("=IIQQ", raw)
        seen["code"] = ctypes.string_at(code, count * 8)
        seen["licence"] = ctypes.string_at(licence)
        seen["type"], seen["log"] = kind, struct.unpack_from("=I", raw, 24)[0]
        (seen["attach"],) = struct.unpack_from("=I", raw, 68)
        (seen["target"],) = struct.unpack_from("=I", raw, 108)
        seen["name"] = raw[48:64].rstrip(b"\0")
        return 9

    bpf = Bpf(FakeKernel(answer))
    code = bytes(range(16))
    assert bpf.load(code, name="a_name_over_15_bytes", attach=BTF_RAW_TRACEPOINT, target=77) == 9
    assert seen == {
        "code": code,
        "licence": b"Dual BSD/GPL",
        "type": TRACING,
        "log": 0,
        "attach": BTF_RAW_TRACEPOINT,
        "target": 77,
        "name": b"a_name_over_15_",
    }


def test_a_refused_program_carries_the_verifiers_words() -> None:
    def answer(_: int, raw: bytes) -> int:
        level, size, place = struct.unpack_from("=IIQ", raw, 24)
        if level:
            words = b"0: R1 invalid mem access\n"
            assert size > len(words)
            ctypes.memmove(place, words, len(words))
        return -errno.EACCES

    kernel = FakeKernel(answer)
    with pytest.raises(BpfError, match="loading the program x") as caught:
        Bpf(kernel).load(b"\0" * 8, name="x")
    assert caught.value.errno == errno.EACCES
    assert caught.value.log == "0: R1 invalid mem access\n"
    assert len(kernel.seen) == 2  # the log is asked for only after a refusal


def test_running_a_program_gives_its_result() -> None:
    def call(command: int, attributes: Buffer) -> int:
        assert command == 10
        struct.pack_into("=I", attributes, 4, 4242)
        return 0

    assert Bpf(call).run(3) == 4242


def test_misses_are_read_from_the_programs_facts() -> None:
    def answer(_: int, raw: bytes) -> int:
        _, size, place = struct.unpack("=IIQ", raw)
        assert size == 256
        ctypes.memmove(place + 208, struct.pack("=Q", 17), 8)
        return 0

    assert Bpf(FakeKernel(answer)).misses(3) == 17
    assert Bpf(FakeKernel(lambda _, __: -errno.EINVAL)).misses(3) == 0


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOMEM, errno.EINVAL])
def test_refusals_are_errors(number: int) -> None:
    bpf = Bpf(FakeKernel(lambda _, __: -number))
    for command in (
        lambda: bpf.create_map(2, 4, 4, 1, name="m"),
        lambda: bpf.update(1, b"k", b"v"),
        lambda: bpf.lookup(1, b"k", 4),
        lambda: bpf.delete(1, b"k"),
        lambda: bpf.attach(1),
        lambda: bpf.run(1),
    ):
        with pytest.raises(BpfError) as caught:
            command()
        assert caught.value.errno == number


def test_an_unknown_machine_is_told() -> None:
    with pytest.raises(SensorError, match="riscv64"):
        system_call("riscv64")
