"""The items of all files, one after the other: defined, appended to, overridden.

What Falco keeps in ``rule_loader_collector.cpp``. ``index`` is when a name was defined first,
``visibility`` when it was touched last: a macro or list sees what has a smaller index.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from haechi.engines.falco import check, messages
from haechi.engines.falco.exceptions import ExceptionInfo, validate
from haechi.engines.falco.load_yaml import LoadError, Written
from haechi.engines.falco.ruleset import At, PluginNeed


class ListInfo(msgspec.Struct):
    name: str
    items: list[str]
    at: At
    index: int = 0
    visibility: int = 0


class MacroInfo(msgspec.Struct):
    name: str
    condition: Written
    at: At
    index: int = 0
    visibility: int = 0


class RuleInfo(msgspec.Struct):
    """A rule as it stands when everything has been read."""

    name: str
    at: At
    condition: Written
    output: Written
    desc: str
    priority: str
    source: str = "syscall"
    enabled: bool = True
    capture: bool = False
    capture_duration: int = 0
    warn_evttypes: bool = True
    skip_if_unknown_filter: bool = False
    tags: tuple[str, ...] = ()
    exceptions: list[ExceptionInfo] = msgspec.field(default_factory=list)
    unknown_source: bool = False
    index: int = 0
    visibility: int = 0


class Update(msgspec.Struct):
    """What an ``append`` or an ``override`` brings; None is what it leaves alone."""

    name: str
    at: At
    source: str = ""
    condition: Written | None = None
    output: Written | None = None
    desc: str | None = None
    tags: tuple[str, ...] | None = None
    exceptions: list[ExceptionInfo] | None = None
    priority: str | None = None
    enabled: bool | None = None
    capture: bool | None = None
    capture_duration: int | None = None
    warn_evttypes: bool | None = None
    skip_if_unknown_filter: bool | None = None

    def is_empty(self) -> bool:
        return all(
            value is None
            for name, value in msgspec.structs.asdict(self).items()
            if name not in ("name", "at", "source")
        )


_REPLACED = (
    "condition",
    "output",
    "desc",
    "tags",
    "exceptions",
    "priority",
    "capture",
    "capture_duration",
    "enabled",
    "warn_evttypes",
    "skip_if_unknown_filter",
)
_Info = TypeVar("_Info", ListInfo, MacroInfo, RuleInfo)


def _wrong(what: str, at: At) -> LoadError:
    return LoadError(messages.VALIDATE, what, at)


class Collector:
    """Names to what they stand for, in the order of their first definition."""

    def __init__(self, known_sources: frozenset[str]) -> None:
        self.lists: dict[str, ListInfo] = {}
        self.macros: dict[str, MacroInfo] = {}
        self.rules: dict[str, RuleInfo] = {}
        self.plugins: list[PluginNeed] = []
        self._sources = known_sources
        self._time = 0

    def _now(self) -> int:
        self._time += 1
        return self._time

    def _define(self, known: dict[str, _Info], info: _Info) -> None:
        now = self._now()
        previous = known.get(info.name)
        info.index = now if previous is None else previous.index
        info.visibility = now
        known[info.name] = info

    def define_list(self, info: ListInfo) -> None:
        self._define(self.lists, info)

    def append_list(self, info: ListInfo) -> None:
        previous = self.lists.get(info.name)
        if previous is None:
            raise _wrong(messages.NO_PREVIOUS["list"], info.at)
        previous.items.extend(info.items)
        previous.visibility = self._now()

    def define_macro(self, info: MacroInfo) -> None:
        self._define(self.macros, info)

    def append_macro(self, info: MacroInfo) -> None:
        previous = self.macros.get(info.name)
        if previous is None:
            raise _wrong(messages.NO_PREVIOUS["macro"], info.at)
        previous.condition = previous.condition.followed_by(info.condition)
        previous.visibility = self._now()

    def define_rule(self, info: RuleInfo) -> None:
        self._previous(info.name, info.source, info.at)
        info.unknown_source = info.source not in self._sources
        for exception in info.exceptions:
            if not exception.fields:
                raise _wrong(
                    "Rule exception item must have fields property with a list of fields",
                    exception.at,
                )
            self._validate(exception, info)
        self._define(self.rules, info)

    def enable(self, name: str, enabled: bool, at: At) -> None:
        previous = self.rules.get(name)
        if previous is None:
            raise _wrong(messages.NO_PREVIOUS_ENABLED, at)
        previous.enabled = enabled

    def append_rule(self, update: Update) -> None:
        previous = self._previous(update.name, update.source, update.at)
        if previous is None:
            raise _wrong(messages.NO_PREVIOUS["rule"], update.at)
        if update.is_empty():
            raise _wrong("Appended rule must have exceptions or condition property", update.at)
        merged = [self._merged(previous, new) for new in update.exceptions or ()]
        if update.condition is not None:
            previous.condition = previous.condition.followed_by(update.condition)
        if update.output is not None:
            previous.output = previous.output.followed_by(update.output)
        if update.desc is not None:
            previous.desc = f"{previous.desc} {update.desc}"
        if update.tags is not None:
            previous.tags = tuple(dict.fromkeys(previous.tags + update.tags))
        for known, new in merged:
            if known is None:
                previous.exceptions.append(new)
            else:
                known.values.extend(new.values)
        previous.visibility = self._now()

    def _merged(
        self, rule: RuleInfo, new: ExceptionInfo
    ) -> tuple[ExceptionInfo | None, ExceptionInfo]:
        """The exception of that name which the rule has already, if any, and the new one."""
        known = next((known for known in rule.exceptions if known.name == new.name), None)
        if known is not None:
            for part in ("fields", "comps"):
                if getattr(new, part):
                    raise _wrong(
                        f"Can not append exception {part} to existing exception, only values",
                        new.at,
                    )
            return known, new
        if not new.fields:
            raise _wrong("Rule exception must have fields property with a list of fields", new.at)
        if not new.values:
            raise _wrong("Rule exception must have values property with a list of values", new.at)
        self._validate(new, rule)
        return None, new

    def replace_rule(self, update: Update) -> None:
        previous = self._previous(update.name, update.source, update.at)
        if previous is None:
            raise _wrong(messages.NO_PREVIOUS_REPLACE, update.at)
        if update.is_empty():
            raise _wrong("The rule must have at least one field that can be replaced", update.at)
        for exception in update.exceptions or ():
            self._validate(exception, previous)
        for name in _REPLACED:
            value = getattr(update, name)
            if value is not None:
                setattr(previous, name, value)
        previous.visibility = self._now()

    def _previous(self, name: str, source: str, at: At) -> RuleInfo | None:
        previous = self.rules.get(name)
        if previous is not None and source and previous.source != source:
            raise _wrong("Rule has been re-defined with a different source", at)
        return previous

    def _validate(self, exception: ExceptionInfo, rule: RuleInfo) -> None:
        if rule.unknown_source:
            validate(exception, None)
        else:
            validate(exception, lambda name: check.is_field(name, rule.source))
