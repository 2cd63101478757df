"""Rules of the kernel's audit, as bytes: which calls it reports while the sensor runs.

The shapes are those of ``linux/audit.h`` (``struct audit_rule_data``). Every rule carries one key,
by which exactly these rules are found and taken away again, also after a sensor that was killed.
"""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Iterator, Sequence

KEY = "haechi-sensor"
_HEAD = struct.Struct("=III")
_WORDS, _MOST_FIELDS = 64, 64
_SIZE = _HEAD.size + 4 * (_WORDS + 3 * _MOST_FIELDS) + 4
_EXIT, _ALWAYS = 4, 2
_EQUAL, _NOT_EQUAL, _BIT_MASK = 0x40000000, 0x30000000, 0x08000000
_PID, _ARCH, _SUCCESS, _WATCH, _DIR, _KEY, _ARG0 = 0, 11, 104, 105, 107, 210, 200
_WRITES = 0o103
"""O_WRONLY, O_RDWR, O_CREAT: any of them."""

_X86 = {
    "open": 2, "dup2": 33, "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50,
    "execve": 59, "kill": 62, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83, "rmdir": 84,
    "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "fchmod": 91,
    "ptrace": 101, "setuid": 105, "setgid": 106, "setresuid": 117, "chroot": 161, "mount": 165,
    "umount2": 166, "init_module": 175, "openat": 257, "mkdirat": 258, "unlinkat": 263,
    "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268, "unshare": 272,
    "accept4": 288, "dup3": 292, "setns": 308, "finit_module": 313, "renameat2": 316,
    "memfd_create": 319, "bpf": 321, "execveat": 322, "userfaultfd": 323, "openat2": 437,
}  # fmt: skip
_ARM = {
    "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "umount2": 39,
    "mount": 40, "chdir": 49, "fchdir": 50, "chroot": 51, "fchmod": 52, "fchmodat": 53,
    "openat": 56, "unshare": 97, "init_module": 105, "ptrace": 117, "kill": 129, "setgid": 144,
    "setuid": 146, "setresuid": 147, "socket": 198, "bind": 200, "listen": 201, "accept": 202,
    "connect": 203, "execve": 221, "accept4": 242, "dup3": 24, "setns": 268, "finit_module": 273,
    "renameat2": 276, "memfd_create": 279, "bpf": 280, "execveat": 281, "userfaultfd": 282,
    "openat2": 437,
}  # fmt: skip
_MACHINES = {
    "x86_64": (0xC000003E, _X86),
    "aarch64": (0xC00000B7, _ARM),
}
_OPENS = ("open", "openat", "openat2", "creat")
_FREQUENT = frozenset({"socket", "dup2", "dup3", "kill", "chdir", "fchdir"})
"""Left out unless a rule is about them: they are many and say little. chdir is known by CWD."""


def machine() -> tuple[int, dict[str, int]] | None:
    """The architecture's number and its calls by name; None where they are not known."""
    return _MACHINES.get(platform.machine())


def rules(
    arch: int,
    calls: dict[str, int],
    watch: Sequence[str],
    *,
    wanted: frozenset[str] = frozenset(),
    itself: int = 0,
) -> Iterator[bytes]:
    """Every rule: calls that count always, opens that may write, opens below watched paths."""
    plain = [
        number
        for name, number in calls.items()
        if name not in _OPENS and (name not in _FREQUENT or name in wanted)
    ]
    yield _rule(arch, plain, itself)
    for name, argument in (("open", 1), ("openat", 2)):
        if name in calls:
            mask = (_ARG0 + argument, _BIT_MASK, _WRITES)
            yield _rule(arch, [calls[name]], itself, (mask, (_SUCCESS, _EQUAL, 1)))
    rest = [calls[name] for name in ("creat", "openat2") if name in calls]
    yield _rule(arch, rest, itself)
    opens = [calls[name] for name in ("open", "openat") if name in calls]
    for path in watch:
        found = watchable(path)
        if found is not None:
            kind = _DIR if found[1] else _WATCH
            yield _rule(arch, opens, itself, text=(kind, found[0]))


def watchable(path: str) -> tuple[str, bool] | None:
    """The path as the audit can watch it, and whether it is a folder; None for one that is not
    there, or that is only the beginning of names."""
    plain = path.rstrip("/") or "/"
    if plain == "/":
        return None
    if os.path.isdir(plain):  # noqa: PTH112
        return plain, True
    return (plain, False) if os.path.exists(plain) else None  # noqa: PTH110


def _rule(
    arch: int,
    numbers: Sequence[int],
    itself: int,
    tests: Sequence[tuple[int, int, int]] = (),
    *,
    text: tuple[int, str] | None = None,
) -> bytes:
    mask = [0] * _WORDS
    for number in numbers:
        mask[number // 32] |= 1 << number % 32
    fields = [(_ARCH, _EQUAL, arch)]
    if itself:
        fields.append((_PID, _NOT_EQUAL, itself))
    fields += tests
    buffer = b""
    for kind, value in (*([text] if text else []), (_KEY, KEY)):
        raw = os.fsencode(value)
        fields.append((kind, _EQUAL, len(raw)))
        buffer += raw
    columns = [
        [field[i] for field in fields] + [0] * (_MOST_FIELDS - len(fields)) for i in (0, 2, 1)
    ]
    words = [*mask, *columns[0], *columns[1], *columns[2], len(buffer)]
    return _HEAD.pack(_EXIT, _ALWAYS, len(fields)) + struct.pack(f"={len(words)}I", *words) + buffer


def is_ours(rule: bytes) -> bool:
    """True for a rule, as the kernel lists it, that carries our key."""
    if len(rule) < _SIZE:
        return False
    count = min(_HEAD.unpack_from(rule)[2], _MOST_FIELDS)
    place = _HEAD.size + 4 * _WORDS
    kinds = struct.unpack_from(f"={_MOST_FIELDS}I", rule, place)
    values = struct.unpack_from(f"={_MOST_FIELDS}I", rule, place + 4 * _MOST_FIELDS)
    at = _SIZE
    for kind, value in list(zip(kinds, values, strict=True))[:count]:
        if kind == _KEY and rule[at : at + value] == KEY.encode():
            return True
        if kind in _TEXTS:
            at += value
    return False


_TEXTS = frozenset({_WATCH, _DIR, _KEY, 112, *range(13, 24)})
"""Kinds of fields whose value is the length of a text (paths, keys, executables, labels)."""
