"""The policy's file: its shape, and reading it with errors that teach."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from haechi.engines.spans import span_seconds
from haechi.engines.typed import Misfit, config_error, misfits, nearest, placed, read_single
from haechi.engines.values import Limits as DocumentLimits
from haechi.errors import ConfigError
from haechi.model.location import AttrPath
from haechi.model.response import IRREVERSIBLE, ActionKind, Stage
from haechi.model.threat import ThreatLevel

BUILTIN = "built-in"
NEVER_BY_ITSELF = IRREVERSIBLE | {ActionKind.SCALE_TO_ZERO}
"""Automatic only where ``irreversible`` names them."""
LONGEST = 30 * 86_400
LARGEST = 256 << 10
_DOCUMENT = DocumentLimits(size=LARGEST, documents=2, values=10_000, depth=12)
_SHARE = re.compile(r"(\d{1,3})%")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts of the file."""


class Levels(Part, frozen=True, kw_only=True):
    """Actions by level."""

    critical: list[ActionKind] = msgspec.field(
        default_factory=lambda: [ActionKind.ISOLATE, ActionKind.BLOCK]
    )
    high: list[ActionKind] = msgspec.field(
        default_factory=lambda: [ActionKind.MONITOR, ActionKind.LIMIT]
    )
    medium: list[ActionKind] = msgspec.field(default_factory=lambda: [ActionKind.VERBOSE])
    low: list[ActionKind] = msgspec.field(default_factory=list)
    info: list[ActionKind] = msgspec.field(default_factory=list)


class Match(Part, frozen=True, kw_only=True):
    """Which cases. Everything that is set has to fit; ``*`` in a name is any text. ``rule`` is a
    rule's name or id, ``label`` are labels of the workload."""

    level: list[str] = msgspec.field(default_factory=list)
    cluster: list[str] = msgspec.field(default_factory=list)
    namespace: list[str] = msgspec.field(default_factory=list)
    rule: list[str] = msgspec.field(default_factory=list)
    tag: list[str] = msgspec.field(default_factory=list)
    label: dict[str, str] = msgspec.field(default_factory=dict)


class Override(Part, frozen=True, kw_only=True):
    """Other actions, another stage or time for some cases."""

    name: str
    match: Match
    actions: list[ActionKind] | None = None
    stage: Stage | None = None
    ttl: str = ""
    since: dt.date | None = msgspec.field(default=None, name="from")


class Rollout(Part, frozen=True, kw_only=True):
    """From a day on, some namespaces go further (or less far)."""

    stage: Stage
    namespace: list[str] = msgspec.field(default_factory=list)
    cluster: list[str] = msgspec.field(default_factory=list)
    since: dt.date | None = msgspec.field(default=None, name="from")


class Protected(Part, frozen=True, kw_only=True):
    """What is never touched, besides what the built-in policy protects: that holds unless
    ``without`` (in the file: ``except``) names the entry. A list that replaced it would make
    whoever adds a namespace lose ``kube-system``."""

    namespaces: list[str] = msgspec.field(default_factory=list)
    owners: list[str] = msgspec.field(default_factory=list)
    addresses: list[str] = msgspec.field(default_factory=list)
    without: list[str] = msgspec.field(default_factory=list, name="except")


class Limits(Part, frozen=True, kw_only=True):
    """How much at a time."""

    pods: Annotated[int, Meta(ge=0, le=100_000)] = 1
    percent: Annotated[int, Meta(ge=0, le=100)] = 25
    healthy: int | str = 1
    namespace: Annotated[int, Meta(ge=0, le=100_000)] = 5
    hour: Annotated[int, Meta(ge=0, le=100_000)] = 10
    failures: Annotated[int, Meta(ge=1, le=100_000)] = 3


class PolicyFile(Part, frozen=True, kw_only=True):
    """The file. What it leaves out is as in the built-in policy."""

    stage: Stage = Stage.RECOMMEND
    ttl: str = "30m"
    window: str = "1h"
    verify: str = "1m"
    approval: str = "15m"
    levels: Levels = msgspec.field(default_factory=Levels)
    overrides: list[Override] = msgspec.field(default_factory=list)
    rollout: list[Rollout] = msgspec.field(default_factory=list)
    irreversible: list[ActionKind] = msgspec.field(default_factory=list)
    protected: Protected = Protected()
    limits: Limits = Limits()
    receiver: str = ""


def seconds(span: str) -> int:
    """``30m`` in seconds. ConfigError."""
    number = span_seconds(span) or 0
    if not 1 <= number <= LONGEST:
        raise ConfigError(
            f"`{span[:40]}` is no span of time", do="for example 30m, 2h; at most 30d"
        )
    return number


def builtin_text() -> str:
    """The policy that counts when none is named."""
    return (files("haechi.respond") / "default.yaml").read_text("utf-8")


@cache
def builtin_file() -> PolicyFile:
    """The same, read."""
    return parse(builtin_text().encode(), BUILTIN)


def parse(data: bytes, name: str) -> PolicyFile:
    """Strict. Raises ConfigError."""
    document = read_single(data, name, limits=_DOCUMENT)
    if document is None or document.data is None:
        return PolicyFile()
    found = list(misfits(document.data, PolicyFile)) or _faults(document.data, name)
    if found:
        raise config_error(name, document, map(placed, found))
    return msgspec.convert(document.data, PolicyFile)


def _faults(data: Any, name: str) -> list[Misfit]:
    """What types cannot say."""
    file = msgspec.convert(data, PolicyFile)
    found: list[Misfit] = []
    for key in ("ttl", "window", "verify", "approval"):
        found += _span((key,), getattr(file, key))
    names: set[str] = set()
    for number, one in enumerate(file.overrides):
        found += _override(("overrides", number), one, names)
    for number, address in enumerate(file.protected.addresses):
        found += _network(("protected", "addresses", number), address)
    if name != BUILTIN:
        found += _without(file.protected.without)
    for number, kind in enumerate(file.irreversible):
        if kind not in NEVER_BY_ITSELF:
            words = ", ".join(sorted(one.value for one in NEVER_BY_ITSELF))
            message = f"`{kind.value}` can be undone and need not be named here"
            found.append(Misfit(path=("irreversible", number), message=message, do=words))
    found += _healthy(file.limits.healthy)
    if ActionKind.WEBHOOK in _all_kinds(file) and not file.receiver:
        message = "`webhook` is an action here, and no `receiver` is named"
        found.append(Misfit(path=(), message=message, do="receiver: NAME of respond.receivers"))
    return found


def _all_kinds(file: PolicyFile) -> set[ActionKind]:
    kinds = {kind for name in Levels.__struct_fields__ for kind in getattr(file.levels, name)}
    return kinds | {kind for one in file.overrides for kind in one.actions or ()}


def _span(path: AttrPath, span: str) -> list[Misfit]:
    try:
        seconds(span)
    except ConfigError as error:
        return [Misfit(path=path, message=f"`{path[-1]}`: {error.what}", do=error.do)]
    return []


def _override(path: AttrPath, one: Override, names: set[str]) -> list[Misfit]:
    found: list[Misfit] = []
    if not one.name.strip() or one.name in names:
        message = "an override needs a name of its own: decisions are explained by it"
        found.append(Misfit(path=(*path, "name"), message=message))
    names.add(one.name)
    if one.actions is None and one.stage is None and not one.ttl:
        message = "it changes nothing"
        found.append(Misfit(path=path, message=message, do="set actions, stage or ttl"))
    if one.ttl:
        found += _span((*path, "ttl"), one.ttl)
    words = [level.word for level in ThreatLevel]
    for number, level in enumerate(one.match.level):
        if level not in words:
            message = f"`{level[:40]}` is no level"
            found.append(
                Misfit(path=(*path, "match", "level", number), message=message, do=", ".join(words))
            )
    return found


def _network(path: AttrPath, address: str) -> list[Misfit]:
    try:
        ipaddress.ip_network(address)
    except ValueError as error:
        return [Misfit(path=path, message=f"no network: {error}"[:200], do="10.0.0.0/8")]
    return []


def _without(names: list[str]) -> list[Misfit]:
    builtin = builtin_file().protected
    known = [*builtin.namespaces, *builtin.owners, *builtin.addresses]
    return [
        Misfit(
            path=("protected", "except", number),
            message=f"`{name[:60]}` is nothing that the built-in policy protects",
            do=nearest(name, known) or "haechi respond policy --builtin",
        )
        for number, name in enumerate(names)
        if name not in known
    ]


def _healthy(value: int | str) -> list[Misfit]:
    share = _SHARE.fullmatch(value) if isinstance(value, str) else None
    good = (share and int(share[1]) <= 100) if isinstance(value, str) else 0 <= value <= 100_000
    if good:
        return []
    message = "`limits.healthy` must be a number of pods or a share"
    return [Misfit(path=("limits", "healthy"), message=message, do="1, or 50%")]
