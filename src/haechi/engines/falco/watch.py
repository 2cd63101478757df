"""Which files a set of rules needs to see read: what the sensor tells the kernel to let through.

Opens for reading are most of what a machine does, so the kernel drops those outside of watched
places; opens that may write always come. For every rule this finds beginnings of names such that
the rule can hold for a read only if the name begins with one of them. Where no such beginnings
can be found (``fd.name endswith .pem``, a condition on the program alone, a name that is not
absolute), the rule is named: it then sees the watched places only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from haechi.engines.falco.ruleset import Rule
from haechi.engines.falco.syntax import And, Check, Field, Node, Not, Or, Text, Values

OPENS = frozenset({"open", "openat", "openat2"})
_NAMES = frozenset({"fd.name", "fd.nameraw", "fs.path.name", "evt.arg.name", "evt.abspath"})
_WRITE_WORDS = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")
_WILD = "*?["
_SHORTEST = 2
LONGEST, MOST = 252, 4_096
"""Bytes of a beginning, and how many there can be: what the kernel's table of the sensor holds."""

Bound = frozenset[str] | None
"""Beginnings of names; none at all: never for a read. None: nothing can be said."""
_NEVER: Bound = frozenset()


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """``prefixes`` of names; ``open_ended`` are rules about reads whose files are not bounded;
    ``left_out`` are those asked for beside the rules for which there was no room."""

    prefixes: tuple[str, ...]
    open_ended: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def watch(rules: Sequence[Rule], also: Iterable[str] = ()) -> Watch:
    """The places that these rules need, and of ``also``, in its order, as many as there is room
    for."""
    prefixes: frozenset[str] = frozenset()
    open_ended = []
    for rule in rules:
        if not rule.enabled or rule.source != "syscall":
            continue
        if rule.event_types is not None and not rule.event_types & OPENS:
            continue
        bound = _bound(rule.condition)
        more = prefixes.union(map(_cut, bound)) if bound is not None and _fits(bound) else None
        if more is None or (len(more) > MOST and len(_shortest(more)) > MOST):
            open_ended.append(rule.name)
        else:
            prefixes = more
    wished = list(dict.fromkeys(also))
    usable = [_cut(one) for one in wished if _fits((one,))]
    kept = _shortest(prefixes.union(usable[: max(0, MOST - len(_shortest(prefixes)))]))
    left_out = tuple(one for one in wished if not one.startswith(kept))
    return Watch(prefixes=kept, open_ended=tuple(open_ended), left_out=left_out)


def _shortest(prefixes: Iterable[str]) -> tuple[str, ...]:
    """Without those that begin with another."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)


def _fits(prefixes: Iterable[str]) -> bool:
    """Whether the kernel can look for them: absolute, and not nearly every name."""
    return all(
        one.startswith("/") and len(one) >= _SHORTEST and one.isprintable() for one in prefixes
    )


def _cut(prefix: str) -> str:
    """To what the table holds; a shorter beginning lets more through, never less."""
    if len(prefix) * 4 <= LONGEST:
        return prefix
    return prefix.encode()[:LONGEST].decode("utf-8", "ignore")


def _bound(node: Node) -> Bound:
    match node:
        case And():
            return _narrowest([_bound(part) for part in node.parts])
        case Or():
            return _all([_bound(part) for part in node.parts])
        case Not():
            return _denied(node.part)
        case Check():
            return _check(node)
        case _:
            return None


def _narrowest(parts: Sequence[Bound]) -> Bound:
    """All parts hold, so any bound is one of the whole; the smallest that can be used is best."""
    known = [part for part in parts if part is not None]
    return min(known, key=lambda part: (not _fits(part), len(part))) if known else None


def _all(parts: Sequence[Bound]) -> Bound:
    found: set[str] = set()
    for part in parts:
        if part is None:
            return None
        found |= part
    return frozenset(found)


def _denied(node: Node) -> Bound:
    """``not`` bounds nothing, but for what says that the open is no read."""
    if isinstance(node, Check) and _named(node) == "evt.is_open_read":
        return _NEVER if _truth(node) is True else None
    return None


def _named(check: Check) -> str:
    left = check.left
    if not isinstance(left, Field):
        return ""
    return f"{left.name}.{left.arg}" if left.name == "evt.arg" and left.arg else left.name


def _words(check: Check) -> tuple[str, ...]:
    match check.right:
        case Text():
            return (check.right.value,)
        case Values():
            return tuple(one.value for one in check.right.values)
        case _:
            return ()


def _truth(check: Check) -> bool | None:
    words = _words(check)
    if check.op not in ("=", "in") or len(words) != 1:
        return None
    return {"true": True, "1": True, "false": False, "0": False}.get(words[0].lower())


def _check(check: Check) -> Bound:
    name, words = _named(check), _words(check)
    if not words:
        return None
    if name == "evt.type" and check.op in ("=", "in"):
        return None if OPENS.intersection(words) else _NEVER
    if name == "evt.is_open_write":
        return _NEVER if _truth(check) is True else None
    if name == "evt.is_open_read":
        return _NEVER if _truth(check) is False else None
    if name == "evt.arg.flags" and check.op == "contains":
        return _NEVER if all(_writes(word) for word in words) else None
    if name in _NAMES:
        return _beginnings(check, words)
    if name == "fd.directory":
        return _folders(check, words)
    return None


def _writes(word: str) -> bool:
    return any(flag in word for flag in _WRITE_WORDS)


def _beginnings(check: Check, words: Sequence[str]) -> Bound:
    if check.op in ("=", "in", "startswith", "pmatch"):
        wild = _WILD if check.op == "pmatch" else ""
        return frozenset(_plain(word, wild) for word in words)
    if check.op == "glob":
        return frozenset(_plain(word, _WILD + "\\{") for word in words)
    return None


def _folders(check: Check, words: Sequence[str]) -> Bound:
    if check.op in ("=", "in"):
        return frozenset(word.rstrip("/") + "/" for word in words)
    return _beginnings(check, words) if check.op in ("startswith", "pmatch", "glob") else None


def _plain(word: str, wild: str) -> str:
    """The part before the first character that stands for others."""
    ends = [place for char in wild if (place := word.find(char)) >= 0]
    return word[: min(ends)] if ends else word
