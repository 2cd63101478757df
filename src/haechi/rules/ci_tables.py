"""Tables of facts about scanners and actions in pipelines: what they are called, what they take.

Data files under ``rules/data/tables``, read once and kept. They say only what is documented;
what is not listed is unknown to the judges, never wrong.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache

import msgspec

from haechi.rules.compiled import table


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that checks something; see the head of scanners.yaml for the fields."""

    program: str
    name: str
    finds: str
    sub: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    option: tuple[str, ...] = ()
    excluded: tuple[str, ...] = msgspec.field(default=(), name="except")
    needs: tuple[str, ...] = ()
    soft: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    output: tuple[str, ...] = ()


class ScanAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action that checks something. ``history`` reads commits, not files."""

    action: str
    name: str
    finds: str
    excluded: tuple[str, ...] = msgspec.field(default=(), name="except")
    only: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    needs: str = ""
    passing: tuple[str, ...] = ()
    soft: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    args: str = ""
    soft_args: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    lists: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    output: str = ""
    format: str = ""
    base: str = ""
    head: str = ""
    history: bool = False
    uploads: bool = False


class _Scanners(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    as_of: dt.date
    programs: tuple[Program, ...]
    actions: tuple[ScanAction, ...]
    uploads: frozenset[str]


class Misnamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name under which there is no action (``why``), and the one that is meant."""

    name: str
    instead: str
    why: str = ""


class Retired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Major versions of an action that GitHub no longer runs or serves."""

    action: str
    majors: tuple[int, ...]
    why: str
    instead: str


class CloudKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input through which an action is given a key that lives long."""

    action: str
    input: str
    cloud: str
    instead: str


class ActionTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """data/tables/actions.yaml."""

    as_of: dt.date
    known: tuple[str, ...]
    neighbours: frozenset[str]
    misnamed: tuple[Misnamed, ...]
    retired: tuple[Retired, ...]
    retired_runners: tuple[str, ...]
    inputs: dict[str, tuple[str, ...]]
    cloud_keys: tuple[CloudKey, ...]
    cloud_variables: dict[str, str]
    deploys: tuple[str, ...]
    deploy_commands: tuple[str, ...]
    local_clusters: tuple[str, ...]


@cache
def programs() -> Mapping[str, Sequence[Program]]:
    """Programs that check something, by their name on a command line."""
    found: dict[str, list[Program]] = {}
    for entry in _scanners().programs:
        found.setdefault(entry.program, []).append(entry)
    return found


def scan_action(key: str) -> ScanAction | None:
    """The entry of an action by its lower-case name."""
    found = _scan_actions().get(key)
    if found is None and key.count("/") > 1:
        owner, repo, path = key.split("/", 2)
        found = _scan_actions().get(f"{owner}/{repo}/*")
        if found is not None and path in found.excluded:
            return None
    return found


def uploads(key: str) -> bool:
    """True for an action that takes a SARIF file to where it is read."""
    return key in _scanners().uploads


@cache
def action_table() -> ActionTable:
    """What is known about actions that are used everywhere."""
    return table("actions", ActionTable)


def fits(word: str, patterns: Sequence[str]) -> bool:
    """True when a word is one of the patterns (``test``, ``test:*``)."""
    return any(word == pattern or fnmatchcase(word, pattern) for pattern in patterns)


@cache
def _scanners() -> _Scanners:
    return table("scanners", _Scanners)


@cache
def _scan_actions() -> Mapping[str, ScanAction]:
    return {entry.action: entry for entry in _scanners().actions}
