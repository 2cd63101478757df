"""Programs that only run another program: ``sudo apt-get …`` is apt-get to the rules."""

from __future__ import annotations

import re

import msgspec

_VALUE_OPTIONS = {
    "sudo": frozenset({"-u", "-g", "-h", "-p", "-C", "-r", "-t", "-U", "--user", "--group"}),
    "doas": frozenset({"-u", "-C"}),
    "env": frozenset({"-u", "-C", "--unset", "--chdir"}),
    "exec": frozenset({"-a"}),
    "command": frozenset[str](),
    "builtin": frozenset[str](),
    "time": frozenset({"-f", "-o"}),
    "nohup": frozenset[str](),
    "nice": frozenset({"-n"}),
    "ionice": frozenset({"-c", "-n"}),
    "eatmydata": frozenset[str](),
    "timeout": frozenset({"-s", "-k", "--signal", "--kill-after"}),
    "xargs": frozenset({"-n", "-I", "-P", "-L", "-d", "-a", "-s", "-E"}),
    "gosu": frozenset[str](),
    "su-exec": frozenset[str](),
    "tini": frozenset({"-p", "-e"}),
    "dumb-init": frozenset({"-r"}),
}
_OPERANDS = {"timeout": 1, "gosu": 1, "su-exec": 1}
_ASSIGNING = frozenset({"env", "sudo", "doas"})
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_MAX_WRAPPERS = 8


class Wrapped(msgspec.Struct, frozen=True):
    """What runs in the end, the wrappers around it, and variables that they set."""

    argv: tuple[str, ...]
    wrappers: tuple[str, ...] = ()
    assignments: tuple[tuple[str, str], ...] = ()


def unwrap(words: tuple[str, ...]) -> Wrapped:
    """Take wrappers away; a wrapper without a program behind it stays the program."""
    wrappers: list[str] = []
    assignments: list[tuple[str, str]] = []
    while words and len(wrappers) < _MAX_WRAPPERS:
        name = words[0].rpartition("/")[2]
        options = _VALUE_OPTIONS.get(name)
        if options is None:
            break
        at = _behind_options(words, options)
        while name in _ASSIGNING and at < len(words) and _ASSIGNMENT.match(words[at]):
            variable, _, value = words[at].partition("=")
            assignments.append((variable, value))
            at += 1
        at += _OPERANDS.get(name, 0)
        if at >= len(words):
            break
        wrappers.append(name)
        words = words[at:]
    return Wrapped(words, tuple(wrappers), tuple(assignments))


def _behind_options(words: tuple[str, ...], with_value: frozenset[str]) -> int:
    at = 1
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        at += 2 if word in with_value else 1
        if word == "--":
            break
    return at
