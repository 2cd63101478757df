"""Random conditions and events for comparing two judges. Not a benchmark.

Values are drawn from small pools that conditions and events share, so that tests hold and fail
about equally often; fields are missing, of the wrong type, or lists where they should not be, as
hostile events are. Everything follows from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from haechi.engines.falco.fields import FieldInfo, field, fields_of
from haechi.engines.falco.syntax import (
    LISTS,
    MODIFIERS,
    NUMERIC,
    And,
    Check,
    Field,
    Items,
    Node,
    Not,
    Operand,
    Or,
    Text,
    Transform,
    Values,
)
from haechi.engines.falco.tree import examined
from haechi.engines.falco.values import family
from haechi.errors import ConditionError
from haechi.model.event import Event

TYPES = ("open", "openat", "execve", "connect", "accept4", "rename", "unlink", "dup", "create", "x")
TEXTS = (
    "", "a", "A", "sh", "bash", "/bin/bash", "/etc/shadow", "/etc", "/ETC/ssh", "/var//log/x",
    "/var/log", "*", "/etc/*", "[a-c]?", "host", "O_RDWR|O_CREAT", "YWJj", "YWJjZA==", "é",
    "ÉTÉ", "-ab value", "0", "1", "5", "true", "a\nb", "\udc80", "/", "o[pen]*", "ENOENT",
    "SUCCESS", "10.0.0.1", "f", "4", "tcp", "<NA>", "openat", "execve", "/proc/1/root/etc",
)  # fmt: skip
EXPRESSIONS = ("a.*", "[a-z]+", "/etc/.*", ".*sh", "(a|b)*", "", "é+", "[[:alpha:]]*", "x?$")
HEX = ("61", "2f657463", "", "ff")
NUMBERS = (0, 1, -1, 2, 3, 5, 80, 443, 1000, 5_000_000_000, -2, 2**63, 0.5)
ADDRESSES = ("10.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fe80::1", "::ffff:10.0.0.1", "8.8.8.8",
             "bad", "2001:db8::5")  # fmt: skip
NETS = ("10.0.0.0/8", "10.0.0.1/32", "0.0.0.0/0", "::/0", "fe80::/10", "192.168.0.0/16",
        "2001:db8::/32")  # fmt: skip
_NAMES = (
    "proc.name proc.pname proc.cmdline proc.args proc.exe proc.env proc.aname proc.apid proc.aexe "
    "proc.tty proc.duration proc.is_exe_upper_layer proc.vpid fd.name fd.directory fd.filename "
    "fd.typechar fd.type fd.num fd.ip fd.cip fd.sip fd.net fd.snet fd.cnet fd.port fd.sport "
    "fd.l4proto fd.sproto fd.types fd.is_server evt.type evt.rawres evt.res evt.failed evt.num "
    "evt.dir evt.is_open_read evt.is_open_write evt.is_open_create evt.arg.flags evt.arg.path "
    "evt.rawarg.res evt.buffer evt.category evt.time evt.args container.id container.name "
    "container.privileged container.image.repository user.name user.uid thread.cap_effective "
    "fs.path.name k8s.ns.name"
)
NAMES = tuple(_NAMES.split())
ARGUMENTS = {"proc.aname": ("0", "1", "2", "7"), "proc.apid": ("1",), "proc.aexe": ("2",),
             "proc.env": ("A", "HOME"), "proc.args": ("0", "2"), "fd.types": ("0",)}  # fmt: skip


class Cases:
    """Cases of one seed: ``condition`` and ``event`` draw the next ones."""

    def __init__(self, seed: int, source: str = "syscall") -> None:
        self.random = random.Random(seed)  # noqa: S311  (must be repeatable)
        self.source = source
        known = [info for info in (field(n, source) for n in NAMES) if info is not None]
        self.infos: list[FieldInfo] = known or list(fields_of(source))

    # -- conditions -----------------------------------------------------------------------

    def condition(self, depth: int = 4) -> Node:
        """A condition that makes sense to libs."""
        draw = self.random.random()
        if depth == 0 or draw < 0.3:
            return self.check()
        if draw < 0.5:
            return Not(part=self.condition(depth - 1))
        parts = tuple(self.condition(depth - 1) for _ in range(self.random.randint(2, 4)))
        return And(parts=parts) if draw < 0.75 else Or(parts=parts)

    def check(self) -> Check:
        """One check that libs would take."""
        while True:
            check = self._any_check()
            try:
                examined(check, self.source)
            except ConditionError:
                continue
            return check

    def _any_check(self) -> Check:
        left = self.operand()
        info = field(left.name, self.source) if isinstance(left, Field) else None
        type = info.type if info else "string"
        if isinstance(left, Transform) and left.name == "len":
            type = "number"
        op = self.random.choice(_operators(type, bool(info and info.many)))
        if op == "exists":
            return Check(left=left, op=op)
        if op in LISTS:
            return Check(left=left, op=op, right=self._right(type, op, many=True))
        if op not in NUMERIC and self.random.random() < 0.15:
            modifier = self.random.choice(sorted(MODIFIERS))
            right = self._values(type, op)
            return Check(left=left, op=op, modifier=modifier, right=right)
        return Check(left=left, op=op, right=self._right(type, op, many=False))

    def operand(self) -> Field | Transform:
        """A field, or now and then a transformer."""
        if self.random.random() < 0.15:
            return self._transform()
        return self._field()

    def _field(self) -> Field:
        info = self.random.choice(self.infos)
        args = ARGUMENTS.get(info.name, ())
        if info.argument == "required" or (args and self.random.random() < 0.5):
            return Field(name=info.name, arg=self.random.choice(args or ("a",)))
        return Field(name=info.name)

    def _transform(self) -> Transform:
        name = self.random.choice(
            ("tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt")
        )
        text = Text(value=self.random.choice(("a", "-", "")), quoted=True)
        items = Items(items=tuple(self._item() for _ in range(self.random.randint(0, 3))))
        args: tuple[Operand, ...] = (self._field(),)
        if name == "join":
            args = (text, items)
        elif name == "concat":
            args = (self._item(), text)
        elif name == "getopt":
            args = (items, Text(value="ab:c", quoted=True))
        arg = "b" if name == "getopt" and self.random.random() < 0.5 else None
        return Transform(name=name, args=args, arg=arg)

    def _item(self) -> Operand:
        if self.random.random() < 0.5:
            return Text(value=self.random.choice(("-a", "-b", "v", "-ab", "YWJj")), quoted=True)
        return self._field()

    def _right(self, type: str, op: str, *, many: bool) -> Any:
        if self.random.random() < 0.06:
            return self.operand()
        return self._values(type, op) if many else Text(value=self._constant(type, op))

    def _values(self, type: str, op: str) -> Values:
        count = self.random.choice((0, 1, 1, 2, 3, 9))
        return Values(values=tuple(Text(value=self._constant(type, op)) for _ in range(count)))

    def _constant(self, type: str, op: str) -> str:
        kind = family(type)
        if op == "regex":
            return self.random.choice(EXPRESSIONS)
        if op in ("bcontains", "bstartswith"):
            return self.random.choice(HEX)
        if kind == "number":
            return str(self.random.choice(NUMBERS))
        if kind == "bool":
            return self.random.choice(("true", "false"))
        if kind == "address":
            return self.random.choice([text for text in ADDRESSES if text != "bad"])
        return self.random.choice(NETS if kind == "net" else TEXTS)

    # -- events ---------------------------------------------------------------------------

    def event(self, number: int = 0) -> Event:
        """An event: about half of the fields, some of them of the wrong type."""
        fields: dict[str, Any] = {}
        for info in self.infos:
            if self.random.random() < 0.5:
                fields[info.name] = self._value(info)
        if self.random.random() < 0.3:
            fields["fd.name"] = self.random.choice(
                ("10.0.0.1:5->8.8.8.8:443", "::1:80->fe80::1:22", "1.2.3.4:x->b")
            )
        if self.random.random() < 0.2:
            fields[f"proc.aname[{self.random.randint(0, 3)}]"] = self.random.choice(TEXTS)
        return Event(
            id=str(number),
            ts_ns=1_700_000_000_000_000_000 + number,
            source="sensor",
            type=self.random.choice(TYPES),
            container_id=self.random.choice(("", "0123456789abcdef")),
            namespace=self.random.choice(("-", "shop")),
            fields=fields,
        )

    def _value(self, info: FieldInfo) -> Any:
        draw = self.random.random()
        if draw < 0.06:
            return self.random.choice((None, {}, [], True, 1, 1.5, "x", {"A": "1"}, [None, 1]))
        if info.name in ("proc.aname", "proc.aexe") or info.many:
            return [self.random.choice(TEXTS) for _ in range(self.random.randint(0, 4))]
        if info.name == "proc.apid":
            return [self.random.choice(NUMBERS) for _ in range(3)]
        if info.name == "proc.args" and draw < 0.5:
            return [self.random.choice(TEXTS) for _ in range(3)]
        if info.name == "proc.env":
            return {"A": self.random.choice(TEXTS)} if draw < 0.5 else "A=1 HOME=/etc"
        kind = family(info.type)
        if kind == "number":
            return self.random.choice(NUMBERS)
        if kind == "bool":
            return self.random.random() < 0.5
        if kind in ("address", "net"):
            return self.random.choice(ADDRESSES)
        return self.random.choice(TEXTS)


def _operators(type: str, many: bool) -> Sequence[str]:
    if many:
        return ("in", "intersects", "exists")
    kind = family(type)
    if kind in ("bool", "address", "net"):
        return ("=", "!=", "in", "intersects", "exists")
    if kind == "number":
        return ("=", "!=", "in", "exists", "<", "<=", ">", ">=")
    if kind == "bytes":
        return ("=", "!=", "contains", "startswith", "endswith", "bcontains", "bstartswith", "in")
    return (
        "=", "=", "!=", "in", "in", "in", "exists", "<", ">=", "contains", "icontains",
        "startswith", "startswith", "endswith", "glob", "iglob", "regex", "intersects", "pmatch",
    )  # fmt: skip
