"""Exceptions that are proposed: what would silence a rule for what is known to be harmless.

A proposal names the program and where it comes from (its image; on a node its parent), and, where
all that is to be silenced has it in common, the file or folder. It is never so broad as a
namespace, and never names what cannot be written in a rule file without doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from posixpath import commonprefix
from typing import Any

import msgspec

from haechi.model.event import Event

MOST_VALUES = 8
"""Distinct values of an optional field that are followed; with more it is nothing in common."""
LEAST_PREFIX = 2
"""Folders that a common beginning of paths must have, at least: ``/var/lib/``."""
_SAFE = re.compile(r"[A-Za-z0-9_./:@%+#~-][A-Za-z0-9_./:@%+#~ -]{0,199}")
_WORDS = frozenset(
    (
        *("and", "or", "not", "exists", "in", "intersects", "pmatch", "contains", "icontains"),
        *("bcontains", "startswith", "bstartswith", "endswith", "glob", "iglob", "regex"),
        *("oneof", "anyof", "allof", "val"),
    )
)
_IMAGE, _NAME, _PARENT, _FILE = (
    "container.image.repository",
    "proc.name",
    "proc.pname",
    "fd.name",
)
_AUDIT = ("ka.user.name", "ka.verb", "ka.target.resource", "ka.target.namespace")
_FLOW = ("flow.source.namespace", "flow.source.workload", "flow.destination.workload")


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an exception."""

    field: str
    comp: str
    value: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An exception for a rule. ``here``: our engine judges by the rule, not Falco."""

    id: str
    rule: str
    rule_id: str
    source: str
    here: bool
    values: tuple[Value, ...]


class Group:
    """Detections of one rule that have program and origin in common."""

    def __init__(self, rule: str, here: bool, fixed: tuple[tuple[str, str], ...]) -> None:
        self.rule, self.here, self.fixed = rule, here, fixed
        self.rule_id = self.source = ""
        self.count = 0
        self.incidents: set[str] = set()
        self._parents: set[str] = set()
        self._files: set[str] = set()
        self._prefix: str | None = None

    def add(self, event: Event, count: int) -> None:
        """Count a detection."""
        self.count += count
        self.rule_id = self.rule_id or _text(event.fields, "haechi.rule")
        self.source = self.source or language_of(event)
        if len(self._parents) <= MOST_VALUES:
            self._parents.add(_text(event.fields, _PARENT))
        name = _text(event.fields, _FILE)
        if len(self._files) <= MOST_VALUES:
            self._files.add(name)
        self._prefix = name if self._prefix is None else commonprefix([self._prefix, name])

    def candidate(self) -> Candidate | None:
        """The tightest exception that covers them all; None when it would be too broad, or cannot
        be written."""
        values = [Value(field=name, comp="=", value=value) for name, value in self.fixed]
        names = {one.field for one in values}
        if _NAME in names:
            if len(self._parents) == 1 and _safe(parent := next(iter(self._parents))):
                values.append(Value(field=_PARENT, comp="=", value=parent))
            elif _IMAGE not in names:
                return None  # a program's name alone, anywhere on a node, is anybody's
            values += self._path()
        if not values or not all(_safe(one.value) for one in values):
            return None
        words = "\0".join((self.rule, *(f"{v.field}{v.comp}{v.value}" for v in values)))
        return Candidate(
            id=blake2b(words.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest(),
            rule=self.rule,
            rule_id=self.rule_id,
            source=self.source,
            here=self.here,
            values=tuple(values),
        )

    def _path(self) -> Iterator[Value]:
        if len(self._files) == 1 and (one := next(iter(self._files))).startswith("/"):
            if _safe(one):
                yield Value(field=_FILE, comp="=", value=one)
            return
        prefix = (self._prefix or "").rpartition("/")[0] + "/"
        if prefix.startswith("/") and prefix.count("/") > LEAST_PREFIX and _safe(prefix):
            yield Value(field=_FILE, comp="startswith", value=prefix)


class Groups:
    """Detections by rule, program and origin; bounded."""

    def __init__(self, most: int = 5_000) -> None:
        self._most = most
        self.groups: dict[Any, Group] = {}
        self.left_out = 0

    def add(self, event: Event, count: int = 1, incident: str = "") -> None:
        """Count a detection."""
        fixed = fixed_of(event)
        if not fixed or not event.rule:
            self.left_out += count
            return
        here = event.source == "haechi"
        key = (event.rule, here, fixed)
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= self._most:
                self.left_out += count
                return
            group = self.groups[key] = Group(event.rule, here, fixed)
        group.add(event, count)
        if incident:
            group.incidents.add(incident)


def fixed_of(event: Event) -> tuple[tuple[str, str], ...]:
    """The fields that an exception for such a detection must name; empty when there are none that
    are narrow enough."""
    fields = event.fields
    language = language_of(event)
    if language == "k8s_audit":
        return _all(fields, _AUDIT, needed=2)
    if language == "flow":
        return _all(fields, _FLOW, needed=2)
    if language != "syscall" or not _text(fields, _NAME):
        return ()
    image = _text(fields, _IMAGE)
    return ((_NAME, _text(fields, _NAME)), *(((_IMAGE, image),) if image else ()))


def _all(
    fields: Mapping[str, Any], names: Sequence[str], *, needed: int
) -> tuple[tuple[str, str], ...]:
    found = tuple((name, value) for name in names if (value := _text(fields, name)))
    return found if len(found) >= needed and found[0][0] == names[0] else ()


def language_of(event: Event) -> str:
    """The source of the rule that held, as Falco names it."""
    from haechi.engines.falco.access import SOURCES

    told = event.fields.get("haechi.source", event.fields.get("falco.source", ""))
    if told in ("syscall", "k8s_audit"):
        return str(told)
    return SOURCES.get(str(told), "syscall" if event.source != "haechi" else "")


def origin_of(event: Event) -> Event:
    """The event that the rule held for, as far as the detection tells it: what an engine judges."""
    from haechi.engines.falco.access import SOURCES

    told = event.fields.get("haechi.source", "")
    if told in SOURCES:
        return msgspec.structs.replace(event, source=told)
    source = "kubernetes-audit" if language_of(event) == "k8s_audit" else "sensor"
    return msgspec.structs.replace(event, source=source)


def exception_name(one: Candidate) -> str:
    """Its name in a rule file: what it lets be, and its id, so that two never clash."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", one.values[0].value).strip("_")[:40] or "known"
    return f"{word}_{one.id}"


def rule_file(candidates: Iterable[Candidate], comment: str = "") -> str:
    """A rule file that adds the exceptions to rules which are loaded before it: for Falco (from
    0.36 on) and for our own engine. JSON within YAML leaves no text to interpretation."""
    by_rule: dict[str, list[Candidate]] = {}
    for one in candidates:
        by_rule.setdefault(one.rule, []).append(one)
    lines = [f"# {line}" for line in comment.splitlines()]
    for rule, several in sorted(by_rule.items()):
        lines += ["", f"- rule: {in_json(rule)}", "  exceptions:"]
        for one in several:
            lines += [
                f"    - name: {in_json(exception_name(one))}",
                f"      fields: {in_json([v.field for v in one.values])}",
                f"      comps: {in_json([v.comp for v in one.values])}",
                "      values:",
                f"        - {in_json([v.value for v in one.values])}",
            ]
        lines += ["  override:", "    exceptions: append"]
    return "\n".join(lines).lstrip("\n") + "\n" if by_rule else ""


def in_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _safe(value: str) -> bool:
    """True for what Falco reads as this very value without quotes (blanks get quotes there)."""
    return bool(_SAFE.fullmatch(value)) and value == value.strip() and value not in _WORDS


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
