"""Ways around a rule that its own words open; said for information, with every rule.

A test of a name asks what the program is called, not what it is; a test of a command line asks
how it was written. Where a set of event types leaves out a system call that does the same, the
way is named exactly. No claim is made about what a rule does catch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haechi.engines.falco.lint_fault import Fault
from haechi.engines.falco.ruleset import Rule
from haechi.engines.falco.satisfy import named_types
from haechi.engines.falco.syntax import And, Check, Field, Node, Not, Or, Text, Values

_NAMES = frozenset({"proc.name", "proc.exe", "proc.exepath", "proc.pname"})
_LINES = frozenset({"proc.cmdline", "proc.args", "proc.exeline", "proc.pcmdline"})
_PATHS = frozenset({"fd.name", "fs.path.name", "fs.path.source", "fs.path.target"})
_FAMILIES: tuple[tuple[frozenset[str], frozenset[str], str], ...] = (
    (
        frozenset({"execve"}),
        frozenset({"execveat"}),
        "starts a program from a descriptor, and some drivers tell it under that name",
    ),
    (frozenset({"execveat"}), frozenset({"execve"}), "is how almost every program starts"),
    (frozenset({"open"}), frozenset({"openat", "openat2"}), "opens files, too"),
    (frozenset({"openat"}), frozenset({"open", "openat2"}), "opens files, too"),
    (frozenset({"unlink"}), frozenset({"unlinkat"}), "removes files, too"),
    (frozenset({"unlinkat"}), frozenset({"unlink"}), "removes files, too"),
    (frozenset({"rename"}), frozenset({"renameat", "renameat2"}), "renames files, too"),
    (frozenset({"renameat"}), frozenset({"rename", "renameat2"}), "renames files, too"),
    (frozenset({"mkdir"}), frozenset({"mkdirat"}), "makes directories, too"),
    (frozenset({"chmod"}), frozenset({"fchmod", "fchmodat"}), "changes modes, too"),
    (frozenset({"fchmodat"}), frozenset({"chmod", "fchmod"}), "changes modes, too"),
    (frozenset({"symlink"}), frozenset({"symlinkat"}), "makes links, too"),
    (frozenset({"link"}), frozenset({"linkat"}), "makes links, too"),
    (frozenset({"init_module"}), frozenset({"finit_module"}), "loads modules, too"),
    (frozenset({"finit_module"}), frozenset({"init_module"}), "loads modules, too"),
    (frozenset({"accept"}), frozenset({"accept4"}), "accepts connections, too"),
    (frozenset({"dup2"}), frozenset({"dup3"}), "redirects a descriptor, too"),
)
_RING = frozenset({"open", "openat", "openat2", "connect", "accept", "accept4", "sendto"})

Saying = Callable[..., Fault]


def evasions(rule: Rule, said: Saying) -> Iterator[Fault]:
    """One fault for each kind of way around."""
    if rule.source != "syscall":
        return
    wanted = list(_wanted(rule.bare, positive=True))
    yield from _names(wanted, said)
    yield from _lines(wanted, said)
    yield from _relative(wanted, said)
    yield from _siblings(rule, said)
    yield from _creat(rule, wanted, said)


def _wanted(node: Node, *, positive: bool) -> Iterator[Check]:
    """The tests that must hold for the rule to fire (those under an even number of ``not``)."""
    match node:
        case Check():
            if positive:
                yield node
        case Not():
            yield from _wanted(node.part, positive=not positive)
        case And() | Or():
            for part in node.parts:
                yield from _wanted(part, positive=positive)
        case _:
            pass


def _names(wanted: list[Check], said: Saying) -> Iterator[Fault]:
    tests = [c for c in wanted if _is(c, _NAMES) and c.op in ("=", "in", "startswith")]
    named = list(dict.fromkeys(value for check in tests for value in _values(check)))
    if named:
        field = str(tests[0].left)
        yield said(
            "evasion",
            "info",
            f"it asks for programs by name: {_some(named)}",
            f"a copy or link of the program under another name has another {field}",
            "test what the program does (a file it opens, an address it reaches) beside its name",
            field,
            key="name",
        )


def _lines(wanted: list[Check], said: Saying) -> Iterator[Fault]:
    tests = [c for c in wanted if _is(c, _LINES) and c.op != "exists"]
    named = list(dict.fromkeys(value for check in tests for value in _values(check)))
    if named:
        field = str(tests[0].left)
        yield said(
            "evasion",
            "info",
            f"it looks for words in {field}: {_some(named)}",
            "other spacing, long options for short ones, another path to the same place, a script "
            "or a variable write the same command without these words",
            "test the system call that the command makes, or the file that it touches",
            field,
            key="cmdline",
        )


def _relative(wanted: list[Check], said: Saying) -> Iterator[Fault]:
    for check in wanted:
        if not _is(check, _PATHS) or check.op not in ("=", "in", "startswith"):
            continue
        named = [value for value in _values(check) if _is_relative(value)]
        if named:
            yield said(
                "evasion",
                "info",
                f"{check.left} is compared with a path that is not absolute: {_some(named)}",
                "Falco fills in absolute paths wherever it knows the folder",
                "write the path from / on, or test with endswith or contains",
                str(check.left),
                key="relative",
            )
            return


def _siblings(rule: Rule, said: Saying) -> Iterator[Fault]:
    types = frozenset(named_types(rule.bare))
    missing: dict[str, str] = {}
    for present, wanted, does in _FAMILIES:
        if present <= types:
            missing.update(dict.fromkeys(sorted(wanted - types), does))
    if missing:
        first = next(iter(missing))
        yield said(
            "evasion",
            "info",
            f"it does not watch {', '.join(missing)}",
            f"{first} {missing[first]}, and any program may call it",
            f"add {', '.join(missing)} to evt.type",
            "evt.type",
            key="siblings",
        )
    ring = sorted(_RING & types)
    if ring and not any(name.startswith("io_uring") for name in types):
        yield said(
            "evasion",
            "info",
            f"io_uring does {ring[0]} without that event",
            "a program may hand the work to the kernel's ring instead of making the system call",
            "tell the use of io_uring itself (evt.type=io_uring_setup) in a rule of its own",
            "evt.type",
            key="io_uring",
        )


def _creat(rule: Rule, wanted: list[Check], said: Saying) -> Iterator[Fault]:
    asks = {"evt.is_open_write", "evt.is_open_create"}
    tests = [check for check in wanted if str(check.left) in asks]
    if tests and "creat" not in named_types(rule.bare):
        field = str(tests[0].left)
        yield said(
            "evasion",
            "info",
            "it does not watch creat",
            f"creat empties or makes a file, and {field} is false there",
            "write: or (evt.type=creat and fd.num>=0)",
            field,
            key="creat",
        )


def _is(check: Check, names: frozenset[str]) -> bool:
    return isinstance(check.left, Field) and check.left.arg is None and check.left.name in names


def _is_relative(path: str) -> bool:
    """Not the name of a connection, a pipe or a pattern."""
    return bool(path) and path[0] not in "/*<[" and ":" not in path and "->" not in path


def _values(check: Check) -> list[str]:
    match check.right:
        case Text() as text:
            return [text.value]
        case Values() as values:
            return [text.value for text in values.values]
        case _:
            return []


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
