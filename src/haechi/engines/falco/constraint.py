"""Can one value of one field satisfy all of these tests? The arithmetic under ``satisfy``.

A positive literal says that the test holds, so the field is there; a negative one that it does
not, which a missing field satisfies, too. Only fields with exactly one value at an event are
reasoned about (``fd.ip`` stands for either end, ``proc.aname`` for any ancestor: two different
values of those are no contradiction). Whatever is not understood counts as possible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from haechi.engines.falco.syntax import Check, Field, Text, Values

MAX_CANDIDATES = 2_000
MAX_LITERALS = 64
MAX_WORK = 40_000
"""Values of a list, tests of one field, and values times tests: what is more counts as possible,
so that a hostile rule cannot take the time of a run."""

_TEXTS = frozenset(
    {
        *("proc.name", "proc.exe", "proc.exepath", "proc.cmdline", "proc.cwd", "proc.args"),
        *("proc.pname", "proc.pexe", "proc.pexepath", "proc.pcmdline", "proc.exeline"),
        *("fd.name", "fd.nameraw", "fd.directory", "fd.filename", "fd.type", "fd.typechar"),
        *("fd.l4proto", "fd.sockfamily", "evt.type", "evt.res", "evt.dir"),
        *("container.id", "container.name", "container.image", "container.image.repository"),
        *("container.image.tag", "container.image.digest", "container.type", "user.name"),
        *("user.loginname", "group.name", "k8s.ns.name", "k8s.pod.name"),
        *("ka.verb", "ka.user.name", "ka.auth.decision", "ka.target.name", "ka.uri"),
        *("ka.target.namespace", "ka.target.resource", "ka.target.subresource"),
    }
)
_NUMBERS = frozenset(
    {
        *("proc.pid", "proc.ppid", "proc.vpid", "proc.pvpid", "fd.num", "evt.rawres"),
        *("fd.sport", "fd.cport", "fd.lport", "fd.rport"),
        "ka.response.code",
    }
)
_TRUTHS = re.compile(
    r"(?:evt\.is_open_\w+|evt\.failed|proc\.is_\w+|fd\.is_server|container\.privileged)\Z"
)
_INDEXED = frozenset({"proc.aname", "proc.aexe", "proc.aexepath", "proc.acmdline"})
_GENERATION = re.compile(r"[0-9]+\Z")


class Literal(msgspec.Struct, frozen=True):
    """A test that must hold (``positive``) or must not."""

    check: Check
    positive: bool


def consistent(literals: Sequence[Literal]) -> bool:
    """False when no event can satisfy all of these tests of one field; they share their left."""
    if len(literals) > MAX_LITERALS:
        return True
    positive = [literal.check for literal in literals if literal.positive]
    if not positive:
        return True
    negative = [literal.check for literal in literals if not literal.positive]
    if any(check.op == "exists" or check in positive for check in negative):
        return False
    left = positive[0].left
    kind = _kind(left) if isinstance(left, Field) else ""
    if kind in ("text", "truth"):
        return _texts_agree(positive, negative, kind)
    if kind == "number":
        return _numbers_agree(positive, negative)
    return True


def _kind(field: Field) -> str:
    if field.arg is not None:
        if field.name in _INDEXED and _GENERATION.match(field.arg):
            return "text"
        return ""
    if field.name in _TEXTS:
        return "text"
    if field.name in _NUMBERS:
        return "number"
    return "truth" if _TRUTHS.match(field.name) else ""


# --- texts ---------------------------------------------------------------------------------


def _texts_agree(positive: Sequence[Check], negative: Sequence[Check], kind: str) -> bool:
    meaning = _truth if kind == "truth" else str
    candidates = _candidates(positive, negative, meaning)
    if candidates is not None:
        if len(candidates) * (len(positive) + len(negative)) > MAX_WORK:
            return True
        return any(_fits(value, positive, negative, meaning) for value in candidates)
    if kind == "truth":
        return True
    return not any(_exclude(one, other) for one in positive for other in positive) and not any(
        _implies(one, other) for one in positive for other in negative
    )


def _candidates(
    positive: Sequence[Check], negative: Sequence[Check], meaning: Callable[[str], str | None]
) -> list[str] | None:
    """The values that some test leaves, or None when no test names them all."""
    sets = [named for check in positive if (named := _named(check, "=")) is not None]
    sets += [named for check in negative if (named := _named(check, "!=")) is not None]
    if not sets:
        return None
    values = [meaning(value) for value in min(sets, key=len)]
    known = [value for value in values if value is not None]
    return None if len(known) < len(values) or len(known) > MAX_CANDIDATES else known


def _named(check: Check, equality: str) -> list[str] | None:
    if check.modifier:
        return None
    if check.op == equality and isinstance(check.right, Text):
        return [check.right.value]
    if equality == "=" and check.op == "in" and isinstance(check.right, Values):
        return [text.value for text in check.right.values]
    return None


def _fits(
    value: str,
    positive: Sequence[Check],
    negative: Sequence[Check],
    meaning: Callable[[str], str | None],
) -> bool:
    return all(_test(check, value, meaning) is not False for check in positive) and all(
        _test(check, value, meaning) is not True for check in negative
    )


def _test(check: Check, value: str, meaning: Callable[[str], str | None]) -> bool | None:
    """Whether a field of this value passes; None when that is not certain."""
    right = check.right
    if check.modifier:
        return None
    if check.op == "exists":
        return True
    if check.op == "in" and isinstance(right, Values):
        meant = [meaning(text.value) for text in right.values]
        return value in meant or (None if None in meant else False)
    if not isinstance(right, Text):
        return None
    wanted = meaning(right.value)
    if wanted is None:
        return None
    return text_test(check.op, value, wanted)


def text_test(op: str, value: str, wanted: str) -> bool | None:
    """A plain test of a text; None for what this does not judge (patterns, paths)."""
    match op:
        case "=":
            return value == wanted
        case "!=":
            return value != wanted
        case "contains":
            return wanted in value
        case "icontains":
            return wanted.lower() in value.lower() if wanted.isascii() and value.isascii() else None
        case "startswith":
            return value.startswith(wanted)
        case "endswith":
            return value.endswith(wanted)
        case _:
            return None


def _exclude(one: Check, other: Check) -> bool:
    """No text passes both: two beginnings, or two ends, of which neither goes on as the other."""
    a, b = _plain(one), _plain(other)
    if a is None or b is None or one.op != other.op:
        return False
    if one.op == "startswith":
        return not (a.startswith(b) or b.startswith(a))
    return one.op == "endswith" and not (a.endswith(b) or b.endswith(a))


def _implies(one: Check, other: Check) -> bool:
    """Every text that passes ``one`` passes ``other``."""
    a, b = _plain(one), _plain(other)
    if a is None or b is None:
        return False
    match one.op, other.op:
        case ("startswith", "startswith"):
            return a.startswith(b)
        case ("endswith", "endswith"):
            return a.endswith(b)
        case (("startswith" | "endswith" | "contains"), "contains"):
            return b in a
        case _:
            return False


def _plain(check: Check) -> str | None:
    return check.right.value if isinstance(check.right, Text) and not check.modifier else None


def _truth(text: str) -> str | None:
    return text.lower() if text.lower() in ("true", "false") else None


# --- numbers -------------------------------------------------------------------------------


def _numbers_agree(positive: Sequence[Check], negative: Sequence[Check]) -> bool:
    """Whole numbers only: the fields that are reasoned about hold nothing else."""
    low, high = -(1 << 70), 1 << 70
    named: set[int] | None = None
    excluded: set[int] = set()
    for check, holds in [*((c, True) for c in positive), *((c, False) for c in negative)]:
        values = _numbers(check)
        if values is None:
            continue
        op = _DIRECT.get(check.op, check.op) if holds else _OPPOSITE[check.op]
        if op == "in":
            named = set(values) if named is None else named & set(values)
        elif op == "not in":
            excluded.update(values)
        elif op in (">", ">="):
            low = max(low, values[0] + (op == ">"))
        else:
            high = min(high, values[0] - (op == "<"))
    if named is not None:
        return any(low <= value <= high and value not in excluded for value in named)
    if high - low < MAX_CANDIDATES:
        return any(value not in excluded for value in range(low, high + 1))
    return True


_OPPOSITE = {
    "=": "not in",
    "in": "not in",
    "!=": "in",
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
}
_DIRECT = {"=": "in", "!=": "not in"}


def _numbers(check: Check) -> list[int] | None:
    if check.modifier or check.op not in _OPPOSITE:
        return None
    if isinstance(check.right, Values) and check.op == "in":
        texts = [text.value for text in check.right.values]
    elif isinstance(check.right, Text) and check.op != "in":
        texts = [check.right.value]
    else:
        return None
    try:
        return [int(text, 0) for text in texts]
    except ValueError:
        return None
