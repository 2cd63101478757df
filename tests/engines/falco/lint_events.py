"""Random conditions, and random events that carry only what their type can carry."""

from __future__ import annotations

import random
from typing import Any

from haechi.engines.falco.presence import absent, constant
from haechi.engines.falco.satisfy import fields_of
from haechi.engines.falco.syntax import Node, Text, Values, checks_of
from haechi.model.event import Event

TEXTS: dict[str, tuple[str, ...]] = {
    "proc.name": ("a", "ab", "abc", "b", "bash"),
    "proc.cmdline": ("a b", "ab", "bash -c a", "b"),
    "fd.name": ("/etc/a", "/etc/b", "/var/a", "1.2.3.4:5->6.7.8.9:10"),
    "proc.aname[2]": ("a", "b", "ab"),
    "container.id": ("host", "abc"),
}
NUMBERS = {"evt.rawres": (-2, -1, 0, 1, 2, 7), "proc.vpid": (1, 2, 3), "fd.num": (-1, 0, 3)}
TRUTHS = ("evt.is_open_read", "evt.is_open_write", "container.privileged")
SEVERAL = {"proc.aname": ("a", "b", "ab"), "fd.ip": ("10.0.0.1", "10.0.0.2", "8.8.8.8")}
TYPES = ("open", "openat", "execve", "connect", "procexit")


def condition(rng: random.Random, depth: int = 3) -> str:
    """A condition over few fields and values, so that contradictions are common."""
    kind = rng.random()
    if depth == 0 or kind < 0.35:
        return _check(rng)
    if kind < 0.5:
        return f"not ({condition(rng, depth - 1)})"
    word = " and " if kind < 0.8 else " or "
    parts = [condition(rng, depth - 1) for _ in range(rng.randint(2, 3))]
    return f"({word.join(parts)})"


def _check(rng: random.Random) -> str:
    kind = rng.randrange(10)
    if kind < 4:
        return _text(rng, rng.choice(list(TEXTS)))
    if kind < 6:
        name = rng.choice(list(NUMBERS))
        op = rng.choice(("=", "!=", "<", "<=", ">", ">=", "in"))
        values = [str(rng.choice(NUMBERS[name])) for _ in range(1 + (op == "in"))]
        return f"{name} in ({', '.join(values)})" if op == "in" else f"{name} {op} {values[0]}"
    if kind == 6:
        return f"{rng.choice(TRUTHS)}={rng.choice(('true', 'false'))}"
    if kind == 7:
        name = rng.choice(list(SEVERAL))
        return f"{name} {rng.choice(('=', '!='))} {rng.choice(SEVERAL[name])}"
    if kind == 8:
        return f"evt.type in ({', '.join(rng.sample(TYPES, rng.randint(1, 3)))})"
    return rng.choice(("evt.dir=<", "evt.type=execve", "evt.type!=open", "evt.arg.flags exists"))


def _text(rng: random.Random, name: str) -> str:
    ops = ("=", "!=", "in", "startswith", "endswith", "contains", "icontains", "exists")
    op = rng.choice(ops)
    value = rng.choice(TEXTS[name])
    match op:
        case "exists":
            return f"{name} exists"
        case "in":
            values = ", ".join(f'"{v}"' for v in rng.choices(TEXTS[name], k=rng.randint(1, 3)))
            return f"{name} in ({values})"
        case "=" | "!=":
            return f'{name} {op} "{value}"'
        case _:
            start = rng.randrange(len(value))
            piece = value[start : start + rng.randint(1, 3)]
            return f'{name} {op} "{piece}"'


def event(rng: random.Random, event_type: str, node: Node, number: int = 0) -> Event:
    """An event that carries what its type can, with values that the condition asks for, too."""
    fields: dict[str, Any] = {}
    wanted: dict[str, list[str]] = {}
    for check in checks_of(node):
        for field in fields_of(check):
            values = wanted.setdefault(str(field), [])
            if isinstance(check.right, Text):
                values.append(check.right.value)
            elif isinstance(check.right, Values):
                values.extend(text.value for text in check.right.values)
    for name, asked in wanted.items():
        plain, _, arg = name.partition("[")
        if name == "evt.type" or absent(plain, arg.removesuffix("]") or None, event_type):
            continue
        value = _value(rng, name, plain, asked, event_type)
        if value is not None:
            fields[name] = value
    return Event(id=str(number), ts_ns=number + 1, source="sensor", type=event_type, fields=fields)


def _value(rng: random.Random, name: str, plain: str, asked: list[str], event_type: str) -> Any:
    fixed = constant(plain, event_type)
    if fixed is not None:
        return {"true": True, "false": False}.get(fixed, fixed)
    if rng.random() < 0.2:
        return None
    if name in NUMBERS:
        return rng.choice(NUMBERS[name])
    if name in TRUTHS:
        return rng.random() < 0.5
    if name in SEVERAL:
        return rng.choices(SEVERAL[name], k=2)
    pool = [*asked, *TEXTS.get(name, ()), "something else"]
    if name == "fd.name" and event_type != "connect":
        pool = [text for text in pool if "->" not in text and ":" not in text]
    return "".join(rng.choices(pool, k=1 + (rng.random() < 0.3)))
