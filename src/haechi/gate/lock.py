"""haechi.lock: the rules, severities and revisions that a repository has agreed to.

An upgrade brings new rules and stricter ones. What is not in the lock is reported as ``new``
and does not block, so an upgrade turns no green pipeline red by itself; ``haechi lock update``
shows the difference and takes it on. The file is plain YAML, one sorted line a rule, so that a
review of it reads as the list of what changes.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Protocol

import msgspec

from haechi.engines.typed import Misfit, config_error, convert, read_single, shown
from haechi.engines.values import Limits
from haechi.errors import ConfigError
from haechi.model.config import LOCK_FILE, Section
from haechi.model.counting import counted
from haechi.model.severity import Severity
from haechi.rules.schema import RULE_ID, Rule

LIMITS = Limits(size=4 * 1024 * 1024, documents=10, values=200_000, depth=10)
EVERY = "*"
"""Stands for every ecosystem where a lock file holds one date alone."""
_PIN = re.compile(r"([a-z]+) r([1-9][0-9]{0,5})\Z")
_HEAD = """\
# Rules that may block this repository: severity and revision as agreed on, and up to which day
# advisories may.
# Written by `haechi lock update`, which shows what changes first.
"""


class RulePin(msgspec.Struct, frozen=True):
    """What the lock says about one rule."""

    severity: Severity
    revision: int = 1

    def __str__(self) -> str:
        return f"{self.severity} r{self.revision}"


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A lock file. ``haechi`` is the version that wrote it, ``advisories`` the date of each
    ecosystem's data: they are imported one by one, and one may be years behind another."""

    haechi: str
    advisories: Mapping[str, dt.date] = msgspec.field(default_factory=dict)
    rules: Mapping[str, RulePin] = msgspec.field(default_factory=dict)

    def agrees(self, ecosystem: str, since: dt.date | None) -> bool:
        """True for an advisory that the locked data could hold already. One that carries no date
        counts as old, as long as there was any data."""
        day = self.advisories.get(ecosystem) or self.advisories.get(EVERY)
        return day is not None and (since is None or since <= day)


class _File(Section, frozen=True, kw_only=True):
    version: Literal[1]
    haechi: str
    advisories: dict[str, dt.date] | None = None
    rules: dict[str, str]


def pins(rules: Iterable[Rule]) -> dict[str, RulePin]:
    """What a lock of these rules would hold: their own severities, before any override."""
    return {rule.id: RulePin(rule.severity, rule.revision) for rule in rules}


class Advised(Protocol):
    """What the lock asks of a vulnerability that was found; see ``scan/deps/findings.Known``."""

    @property
    def ecosystem(self) -> str: ...
    @property
    def since(self) -> dt.date | None: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def exploited_since(self) -> dt.date | None: ...
    @property
    def own(self) -> bool: ...


def advisory_pins(lock: Lock, found: Mapping[str, Advised]) -> dict[str, RulePin]:
    """Pins of the vulnerabilities that may block: the repository's own, and those that were
    published before the data that the lock names.

    What only became known to be exploited later counts as it was rated before. Advisories that
    are widened later block at once: nothing in them says when a range came in, and to take every
    change for it would let old faults through that somebody brings in today.
    """
    agreed: dict[str, RulePin] = {}
    for id_, one in found.items():
        if one.own or lock.agrees(one.ecosystem, one.since):
            listed = one.exploited_since
            late = listed is not None and not (one.own or lock.agrees(one.ecosystem, listed))
            agreed[id_] = RulePin(one.severity if late else Severity.CRITICAL)
    return agreed


def read_lock(text: str, *, name: str = LOCK_FILE) -> Lock:
    """Parse a lock file. Raises ConfigError for anything but what ``write_lock`` writes."""
    document = read_single(text.encode("utf-8", "surrogatepass"), name, limits=LIMITS)
    if document is None:
        do = "run `haechi lock update`, or delete the file"
        raise ConfigError("the lock file is empty", do=do, where=name)
    _check_version(document.data, name)
    _take_one_date(document.data)
    file = convert(document, _File, name)
    rules: dict[str, RulePin] = {}
    wrong: list[Misfit] = []
    for rule, pin in file.rules.items():
        match = _PIN.match(pin)
        if match is None or match[1] not in list(Severity):
            message = f"rule {shown(rule)} is pinned to {shown(pin)}"
            do = "write a severity and a revision, such as `high r1`"
            wrong.append(Misfit(path=("rules", rule), message=message, do=do))
        else:
            rules[rule] = RulePin(Severity(match[1]), int(match[2]))
    if wrong:
        raise config_error(name, document, wrong)
    return Lock(haechi=file.haechi, advisories=file.advisories or {}, rules=rules)


def _take_one_date(data: object) -> None:
    """Files of earlier versions hold one date for everything."""
    if isinstance(data, dict) and isinstance(data.get("advisories"), str):
        data["advisories"] = {EVERY: data["advisories"]}


def _check_version(data: object, name: str) -> None:
    version = data.get("version") if isinstance(data, dict) else 1
    if version is not None and version != 1:
        do = "use the version of haechi that wrote it, or run `haechi lock update`"
        raise ConfigError(f"version {shown(version)} is not known here", do=do, where=name)


def write_lock(
    rules: Mapping[str, RulePin], version: str, *, advisories: Mapping[str, dt.date] | None = None
) -> str:
    """Text of a lock file; equal input gives equal bytes."""
    days = sorted((advisories or {}).items())
    lines = [
        "version: 1",
        f"haechi: {json.dumps(version)}",
        "advisories:" if days else "advisories: null",
        *(f"  {json.dumps(name, ensure_ascii=False)}: {day.isoformat()}" for name, day in days),
        "rules:" if rules else "rules: {}",
        *(f"  {_key(rule)}: {pin}" for rule, pin in sorted(rules.items())),
    ]
    return _HEAD + "\n".join(lines) + "\n"


def _key(rule: str) -> str:
    """Ids in kebab-case mean themselves in YAML; anything else is quoted."""
    return rule if RULE_ID.match(rule) else json.dumps(rule, ensure_ascii=False)


class Change(msgspec.Struct, frozen=True):
    """One rule whose pin would change; ``before`` or ``after`` is None when it is not there."""

    rule: str
    before: RulePin | None
    after: RulePin | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.rule}: {self.after}"
        if self.after is None:
            return f"{self.rule}: was {self.before}"
        return f"{self.rule}: {self.before} -> {self.after}"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What ``haechi lock update`` would take on.

    ``stricter``: a worse severity or a later revision. ``looser``: neither, and something else.
    """

    added: tuple[Change, ...] = ()
    removed: tuple[Change, ...] = ()
    stricter: tuple[Change, ...] = ()
    looser: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.stricter or self.looser)

    def render(self) -> str:
        """Lines for a terminal or a commit message; one line when nothing changes."""
        return "\n".join(self._lines()) or "haechi.lock is up to date"

    def _lines(self) -> Iterator[str]:
        for title, sign, changes in (
            ("new", "+", self.added),
            ("stricter", "!", self.stricter),
            ("looser", "~", self.looser),
            ("gone", "-", self.removed),
        ):
            if changes:
                yield f"{title}, {counted(len(changes), 'rule')}:"
                yield from (f"  {sign} {change}" for change in changes)


def difference(lock: Lock | None, rules: Mapping[str, RulePin]) -> Difference:
    """Compare the lock with the rules at hand; without a lock every rule is added."""
    locked = lock.rules if lock else {}
    found: dict[str, list[Change]] = {"added": [], "removed": [], "stricter": [], "looser": []}
    for rule in sorted({*locked, *rules}):
        before, after = locked.get(rule), rules.get(rule)
        if before != after:
            found[_sort(before, after)].append(Change(rule, before, after))
    return Difference(**{kind: tuple(changes) for kind, changes in found.items()})


def _sort(before: RulePin | None, after: RulePin | None) -> str:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    worse = after.severity.rank < before.severity.rank or after.revision > before.revision
    return "stricter" if worse else "looser"
