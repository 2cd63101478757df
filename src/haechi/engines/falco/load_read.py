"""The items of one rule file: what keys they have, and what goes into the collector.

After Falco's ``rule_loader_reader.cpp``. Unlike there, an item that is wrong does not end the
loading: it is told and left out, so that a person sees every fault of a file at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from haechi.engines.falco import messages
from haechi.engines.falco.escaping import BARE
from haechi.engines.falco.exceptions import ExceptionInfo, read_exception
from haechi.engines.falco.load_collect import (
    Collector,
    ListInfo,
    MacroInfo,
    RuleInfo,
    Update,
)
from haechi.engines.falco.load_yaml import Item, LoadError, Page, Written
from haechi.engines.falco.ruleset import At, PluginNeed
from haechi.model.event import PRIORITIES

ENGINE_VERSION = (0, 63, 0)
"""The version of Falco's engine whose language this is: the grammar, the fields, the loader."""

Warn = Callable[[str, str, At, str], None]
"""Called with code, message, place and item."""

_IDENTIFIER = re.compile(r"[a-zA-Z]+[a-zA-Z0-9_]*")
_VERSION = re.compile(r"\s*\+?(\d{1,9})\.(\d{1,9})\.(\d{1,9})", re.ASCII)
_LIST_KEYS = frozenset({"list", "items", "append", "override"})
_MACRO_KEYS = frozenset({"macro", "condition", "append", "override"})
_REPLACEABLE = (
    "condition",
    "exceptions",
    "output",
    "desc",
    "tags",
    "priority",
    "capture",
    "capture_duration",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
)
_APPENDABLE = _REPLACEABLE[:5]
_RULE_KEYS = frozenset({"rule", "source", "override", "append", *_REPLACEABLE})
_FLAGS = frozenset({"capture", "enabled", "warn_evttypes", "skip-if-unknown-filter"})
_NEEDED = ("condition", "output", "desc", "priority")


class Reader:
    """Reads items into ``collector``; ``version`` is the highest that a file asked for."""

    def __init__(self, collector: Collector, warn: Warn) -> None:
        self.collector = collector
        self.version: tuple[int, int, int] | None = None
        self._warn = warn

    def read(self, page: Page, node: Any) -> None:
        """One item of a file. Raises LoadError; ``who`` tells which item it was."""
        if node.id != "mapping":
            raise LoadError(
                messages.YAML_VALIDATE,
                "Unexpected element type. Each element should be a yaml associative array.",
                page.at(node),
            )
        item = Item(page, node)
        for key, read in (
            ("required_engine_version", self._engine_version),
            ("required_plugin_versions", self._plugin_versions),
            ("list", self._list),
            ("macro", self._macro),
            ("rule", self._rule),
        ):
            if key in item:
                read(item)
                return
        self._warn(messages.UNKNOWN_ITEM, "Unknown top level item", item.at, "")

    # -- requirements -------------------------------------------------------------------------

    def _engine_version(self, item: Item) -> None:
        text = item.text("required_engine_version")
        version = (0, int(text), 0) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else _version(text)
        if version is None:
            raise item.wrong(
                f"Unable to parse engine version '{text}' as a semver string. Expected "
                '"x.y.z" semver format.'
            )
        if version[0] != ENGINE_VERSION[0] or version > ENGINE_VERSION:
            raise LoadError(
                messages.VALIDATE,
                f"Rules require engine version {_dotted(version)}, but engine version is "
                f"{_dotted(ENGINE_VERSION)}",
                item.at,
            )
        self.version = max(self.version or version, version)
        self._unknown_keys(item, frozenset({"required_engine_version"}), "")

    def _plugin_versions(self, item: Item) -> None:
        node = item.node_of("required_plugin_versions")
        if node.id != "sequence":
            raise item.wrong("Value of required_plugin_versions must be a sequence", node)
        for part in node.value:
            self.collector.plugins.append(self._plugin(item.page, part))
        self._unknown_keys(item, frozenset({"required_plugin_versions"}), "")

    def _plugin(self, page: Page, node: Any) -> PluginNeed:
        plugin = _mapping(page, node, "Plugin version must be a mapping")
        wanted = [(plugin.text("name"), plugin.text("version"))]
        if "alternatives" in plugin:
            others = plugin.node_of("alternatives")
            if others.id != "sequence":
                raise plugin.wrong(
                    "Value of plugin version alternatives must be a sequence", others
                )
            for other in others.value:
                entry = _mapping(page, other, "Plugin version alternative must be a mapping")
                wanted.append((entry.text("name"), entry.text("version")))
        for name, version in wanted:
            if _version(version) is None:
                what = f"Invalid required version '{version}' for plugin '{name}'"
                raise LoadError(messages.VALIDATE, what, plugin.at)
        if len({name for name, _ in wanted}) != len(wanted):
            raise LoadError(
                messages.VALIDATE,
                f"Defined multiple alternative version requirements for plugin '{wanted[0][0]}'",
                plugin.at,
            )
        return PluginNeed(alternatives=tuple(wanted))

    # -- lists and macros ---------------------------------------------------------------------

    def _list(self, item: Item) -> None:
        name = item.text("list")
        who = f"list {name}"
        if not BARE.fullmatch(name):
            self._warn(
                messages.INVALID_LIST_NAME,
                "List has an invalid name: no blanks, quotes, parentheses, '=' or ','",
                item.at,
                who,
            )
        items = [node.value for node in item.sequence("items")]
        info = ListInfo(name=name, items=items, at=item.at)
        if self._appends(item, who, "items"):
            self.collector.append_list(info)
        else:
            self.collector.define_list(info)
        self._unknown_keys(item, _LIST_KEYS, who)

    def _macro(self, item: Item) -> None:
        name = item.text("macro")
        who = f"macro {name}"
        if not _IDENTIFIER.fullmatch(name):
            self._warn(
                messages.INVALID_MACRO_NAME,
                "Macro has an invalid name: a letter, then letters, digits and '_' only",
                item.at,
                who,
            )
        info = MacroInfo(name=name, condition=item.written("condition"), at=item.at)
        if self._appends(item, who, "condition"):
            self.collector.append_macro(info)
        else:
            self.collector.define_macro(info)
        self._unknown_keys(item, _MACRO_KEYS, who)

    def _appends(self, item: Item, who: str, key: str) -> bool:
        """Whether a list or macro adds to an earlier one: ``key`` is all it may override."""
        old = self._old_append(item, who)
        append, replace = _overrides(item, (key,), (key,))
        if old and (append or replace):
            raise item.wrong(messages.OVERRIDE_AND_APPEND)
        return old or bool(append)

    def _old_append(self, item: Item, who: str) -> bool:
        old = item.flag("append", False)
        if old:
            self._warn(messages.DEPRECATED_ITEM, messages.OLD_APPEND, item.at, who)
        return old

    # -- rules --------------------------------------------------------------------------------

    def _rule(self, item: Item) -> None:
        name = item.text("rule")
        who = f"rule {name}"
        source = item.text("source") if "source" in item and not _is_blank(item) else ""
        old = self._old_append(item, who)
        append, replace = _overrides(item, _APPENDABLE, _REPLACEABLE)
        if old and (append or replace):
            raise item.wrong(messages.OVERRIDE_AND_APPEND)
        if append or replace:
            self._override(item, name, source, append, replace)
        elif old:
            keys = [key for key in ("condition", "exceptions") if key in item]
            self.collector.append_rule(self._update(item, name, source, keys, append=True))
        elif not any(key in item for key in _NEEDED):
            enabled = item.flag("enabled", True) if "enabled" in item else None
            if enabled is None:
                raise item.wrong("Item has no mapping for key 'enabled'")
            self._warn(messages.DEPRECATED_ITEM, messages.OLD_ENABLED, item.at, who)
            self.collector.enable(name, enabled, item.at)
        else:
            self._define(item, name, who)
        self._unknown_keys(item, _RULE_KEYS, who)

    def _define(self, item: Item, name: str, who: str) -> None:
        condition, output = item.written("condition"), item.written("output")
        desc, priority = item.text("desc"), _priority(item)
        info = RuleInfo(
            name=name,
            at=item.at,
            condition=condition,
            output=Written(output.text.strip(" \t\n\r\f\v"), output.pieces),
            desc=desc,
            priority=priority,
            source=item.text("source") if "source" in item else "syscall",
            enabled=item.flag("enabled", True),
            capture=item.flag("capture", False),
            capture_duration=item.number("capture_duration", 0),
            warn_evttypes=item.flag("warn_evttypes", True),
            skip_if_unknown_filter=item.flag("skip-if-unknown-filter", False),
            tags=tuple(dict.fromkeys(item.texts("tags"))),
            exceptions=self._exceptions(item, who, append=False),
        )
        self.collector.define_rule(info)
        if info.unknown_source:
            self._warn(
                messages.UNKNOWN_SOURCE, f"Unknown source {info.source}, skipping", item.at, who
            )

    def _override(
        self, item: Item, name: str, source: str, append: list[str], replace: list[str]
    ) -> None:
        given = {key for key in _REPLACEABLE if key in item}
        for operation, keys in (("append", append), ("replace", replace)):
            for key in keys:
                if key not in given:
                    raise item.wrong(
                        f"An {operation} override for '{key}' was specified but '{key}' is not "
                        "defined"
                    )
                given.discard(key)
        for key in sorted(given):
            raise LoadError(
                messages.YAML_VALIDATE,
                f"Unexpected key '{key}': no corresponding entry under 'override' is defined.",
                item.at_key(key),
            )
        if append:
            update = self._update(item, name, source, append, append=True)
            self.collector.append_rule(update)
        if replace:
            update = self._update(item, name, source, replace, append=False)
            self.collector.replace_rule(update)

    def _update(
        self, item: Item, name: str, source: str, keys: list[str], *, append: bool
    ) -> Update:
        update = Update(name=name, at=item.at, source=source if "condition" in keys else "")
        for key in keys:
            attribute = key.replace("-", "_")
            if key in ("condition", "output"):
                setattr(update, attribute, item.written(key))
            elif key == "exceptions":
                update.exceptions = self._exceptions(item, f"rule {name}", append=append)
            elif key == "tags":
                update.tags = item.texts("tags")
            elif key == "priority":
                update.priority = _priority(item)
            elif key in _FLAGS:
                setattr(update, attribute, item.flag(key, True))
            elif key == "capture_duration":
                update.capture_duration = item.number(key, 0)
            else:
                update.desc = item.text("desc")
        return update

    def _exceptions(self, item: Item, who: str, *, append: bool) -> list[ExceptionInfo]:
        if "exceptions" not in item or item.is_null("exceptions"):
            return []
        node = item.node_of("exceptions")
        if node.id != "sequence":
            raise item.wrong("Rule exceptions must be a sequence", node)
        found: list[ExceptionInfo] = []
        for part in node.value:
            entry = _mapping(item.page, part, "Rule exception must be a mapping")
            info = read_exception(entry, optional_fields=append)
            if any(known.name == info.name for known in found):
                self._warn(
                    messages.EXCEPTION_NAME_NOT_UNIQUE,
                    f"Multiple definitions of exception '{info.name}' in the same rule",
                    entry.at,
                    who,
                )
            if append and "values" not in entry:
                self._warn(
                    messages.APPEND_NO_VALUES,
                    "Overriding/appending exception with no values",
                    entry.at,
                    who,
                )
            found.append(info)
        return found

    def _unknown_keys(self, item: Item, known: frozenset[str], who: str) -> None:
        for key, at in item.places():
            if key not in known:
                what = f"Unknown key '{key}'. The key will be ignored."
                self._warn(messages.UNKNOWN_KEY, what, at, who)


def item_name(node: Any) -> str:
    """``rule X``, ``macro Y`` or ``list Z`` for messages; empty when it is none of them."""
    if node.id != "mapping":
        return ""
    for kind in ("list", "macro", "rule"):
        for key, value in node.value:
            if key.id == "scalar" and key.value == kind and value.id == "scalar":
                return f"{kind} {value.value}"
    return ""


def _overrides(
    item: Item, appendable: tuple[str, ...], replaceable: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """The keys that ``override`` wants appended, and those it wants replaced."""
    if "override" not in item:
        return [], []
    wanted = _mapping(item.page, item.node_of("override"), "Value for 'override' is no mapping")
    append: list[str] = []
    replace: list[str] = []
    for key, at in wanted.places():
        operation = wanted.text(key)
        if operation == "append":
            if key not in appendable:
                what = f"Key '{key}' cannot be appended to, use 'replace' instead"
                raise LoadError(messages.YAML_VALIDATE, what, at)
            append.append(key)
        elif operation == "replace":
            if key not in replaceable:
                what = f"Key '{key}' cannot be replaced"
                raise LoadError(messages.YAML_VALIDATE, what, at)
            replace.append(key)
        else:
            allowed = "append " * (key in appendable) + "replace " * (key in replaceable)
            raise wanted.wrong(
                f"Invalid override operation for key '{key}': '{operation}'. Allowed values "
                f"are: {allowed.strip()}",
                wanted.node_of(key),
            )
    return append, replace


def _mapping(page: Page, node: Any, what: str) -> Item:
    if node.id != "mapping":
        raise LoadError(messages.YAML_VALIDATE, what, page.at(node))
    return Item(page, node)


def _is_blank(item: Item) -> bool:
    """``source:`` without a value is allowed where it only names an earlier rule."""
    node = item.node_of("source")
    return node.id == "scalar" and (item.is_null("source") or not node.value)


def _priority(item: Item) -> str:
    text = item.text("priority").lower()
    priority = "informational" if text == "info" else text
    if priority not in PRIORITIES:
        raise item.wrong(
            f"Invalid priority '{item.text('priority')}': one of "
            f"{', '.join(name.capitalize() for name in PRIORITIES)}",
            item.node_of("priority"),
        )
    return priority


def _version(text: str) -> tuple[int, int, int] | None:
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
