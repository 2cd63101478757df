"""Rules as they were loaded, and what was wrong with the files."""

from __future__ import annotations

from typing import Any

import msgspec

from haechi.engines.falco.syntax import Node


class RuleText(msgspec.Struct, frozen=True, kw_only=True):
    """A file to load: ``name`` is what problems say."""

    name: str
    text: str


class At(msgspec.Struct, frozen=True, kw_only=True):
    """Where something stands in a rule file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a file. ``code`` is Falco's own (``LOAD_ERR_VALIDATE``,
    ``LOAD_UNKNOWN_FILTER``, ``LOAD_UNUSED_MACRO`` …); ``item`` is ``rule X``, ``macro Y``,
    ``list Z`` or empty."""

    error: bool
    code: str
    message: str
    at: At
    item: str = ""

    def __str__(self) -> str:
        weight = "error" if self.error else "warning"
        who = f"{self.item}: " if self.item else ""
        return f"{self.at}: {weight} {self.code}: {who}{self.message}"


class Macro(msgspec.Struct, frozen=True, kw_only=True):
    """``condition`` is what was parsed, before resolution. ``used`` by any rule or macro."""

    name: str
    text: str
    condition: Node
    at: At
    used: bool = False


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """``items`` are resolved: names of lists among them are replaced by their items."""

    name: str
    items: tuple[str, ...]
    at: At
    used: bool = False


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a rule's ``exceptions``: fields and comps line up with each row of values."""

    name: str
    fields: tuple[str, ...]
    comps: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    at: At


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, complete: appended, overridden, its exceptions compiled in.

    ``condition`` is the resolved tree (no Macro, no ListName, exceptions as ``and not (…)``);
    ``bare`` is it without the exceptions. ``event_types`` is every ``evt.type`` that can hold, or
    None when the condition does not bound it. ``priority`` is one of ``model.event.PRIORITIES``.
    ``id`` is "" but for rules of our own catalogue.
    """

    name: str
    condition: Node
    bare: Node
    text: str
    output: str
    priority: str
    at: At
    desc: str = ""
    source: str = "syscall"
    enabled: bool = True
    tags: tuple[str, ...] = ()
    exceptions: tuple[Exclusion, ...] = ()
    warn_evttypes: bool = True
    skip_if_unknown_filter: bool = False
    event_types: frozenset[str] | None = None
    id: str = ""


class PluginNeed(msgspec.Struct, frozen=True, kw_only=True):
    """``required_plugin_versions``: any of ``alternatives`` (name, version) will do."""

    alternatives: tuple[tuple[str, str], ...]


class RuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of all files. ``rules`` are in load order, disabled ones included; rules with
    errors are not among them. ``skipped`` are names left out by skip-if-unknown-filter, ``checks``
    how many checks all conditions have with their macros written out."""

    rules: tuple[Rule, ...]
    macros: tuple[Macro, ...] = ()
    lists: tuple[ItemList, ...] = ()
    problems: tuple[Problem, ...] = ()
    engine_version: str = ""
    plugins: tuple[PluginNeed, ...] = ()
    skipped: tuple[str, ...] = ()
    checks: int = 0
