"""What is done about an incident: a file that people write, asked with a case.

Two questions are answered, each with the entries that decided: which actions, and how far each
goes by itself. Entries are read from top to bottom and the last one that fits counts, so a file
grows from the general to the particular. What cannot be undone is never automatic unless
``irreversible`` names it (invariant 7 of the design).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from functools import cached_property
from pathlib import Path

import msgspec

from haechi.errors import ConfigError
from haechi.model.access import matches
from haechi.model.response import ActionKind, Stage
from haechi.model.threat import ThreatLevel
from haechi.respond.policy_file import (
    BUILTIN,
    LARGEST,
    NEVER_BY_ITSELF,
    Limits,
    Match,
    Override,
    PolicyFile,
    builtin_file,
    builtin_text,
    parse,
    seconds,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. ``rules`` are names and ids."""

    level: ThreatLevel
    cluster: str
    namespace: str
    at: dt.datetime
    rules: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of action, how far it goes by itself, and which entries say so."""

    kind: ActionKind
    stage: Stage
    ttl_s: int
    because: str
    receiver: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about a case, and why, in words."""

    responses: tuple[Response, ...]
    why: tuple[str, ...]


class ResponsePolicy:
    """A policy in force. ``origin`` is its file's name, ``text`` what it says."""

    def __init__(self, file: PolicyFile, *, origin: str, text: str) -> None:
        self.file, self.origin, self.text = file, origin, text
        self.ttl_s, self.window_s = seconds(file.ttl), seconds(file.window)
        self.verify_s, self.approval_s = seconds(file.verify), seconds(file.approval)
        self.limits = file.limits

    def decide(self, case: Case, *, most: Stage = Stage.ENFORCE) -> Decision:
        """The actions for a case; none goes further than ``most``."""
        why: list[str] = []
        kinds = self._kinds(case, why)
        ttl_s, ttl_by = self._ttl(case)
        stage, entry = self._stage(case, why)
        found = []
        for kind in dict.fromkeys(kinds):
            reached, because = self._held_back(kind, stage, entry, most, why)
            found.append(
                Response(
                    kind=kind,
                    stage=reached,
                    ttl_s=ttl_s,
                    because=because,
                    receiver=self.file.receiver if kind is ActionKind.WEBHOOK else "",
                )
            )
        if ttl_by:
            why.append(f"undone after {ttl_s} s by {ttl_by}")
        return Decision(responses=tuple(found), why=tuple(why))

    def _kinds(self, case: Case, why: list[str]) -> list[ActionKind]:
        kinds: list[ActionKind] = getattr(self.file.levels, case.level.word)
        entry = f"levels.{case.level.word}"
        for one in self._fitting(case):
            if one.actions is not None:
                kinds, entry = one.actions, f"overrides[{one.name}]"
        why.append(f"{entry}: {', '.join(kinds) or 'nothing is done'}")
        return kinds

    def _stage(self, case: Case, why: list[str]) -> tuple[Stage, str]:
        stage, entry = self.file.stage, "stage"
        for number, rollout in enumerate(self.file.rollout):
            place = _any(case.namespace, rollout.namespace) and _any(case.cluster, rollout.cluster)
            if place and _begun(rollout.since, case.at):
                stage, entry = rollout.stage, f"rollout[{number}]"
        for override in self._fitting(case):
            if override.stage is not None:
                stage, entry = override.stage, f"overrides[{override.name}]"
        why.append(f"{entry}: {stage.value}")
        return stage, entry

    def _ttl(self, case: Case) -> tuple[int, str]:
        ttl_s, entry = self.ttl_s, ""
        for one in self._fitting(case):
            if one.ttl:
                ttl_s, entry = seconds(one.ttl), f"overrides[{one.name}]"
        return ttl_s, entry

    def _held_back(
        self, kind: ActionKind, stage: Stage, entry: str, most: Stage, why: list[str]
    ) -> tuple[Stage, str]:
        held = kind in NEVER_BY_ITSELF and kind not in self.file.irreversible
        if held and further(stage, Stage.APPROVE):
            why.append(f"{kind.value} cannot be undone and `irreversible` does not name it")
            stage, entry = Stage.APPROVE, "irreversible"
        if further(stage, most):
            why.append(f"the server's settings go no further than {most.value} (respond.most)")
            stage, entry = most, "respond.most"
        return stage, entry

    def _fitting(self, case: Case) -> list[Override]:
        return [
            one
            for one in self.file.overrides
            if _begun(one.since, case.at) and fits(one.match, case)
        ]

    # What is never touched

    @cached_property
    def _networks(self) -> list[Network]:
        return [ipaddress.ip_network(one) for one in self._kept("addresses")]

    def _kept(self, what: str) -> list[str]:
        """What the built-in policy protects and this one."""
        without = self.file.protected.without
        builtin: list[str] = getattr(builtin_file().protected, what)
        own: list[str] = getattr(self.file.protected, what)
        return list(dict.fromkeys([*own, *(one for one in builtin if one not in without)]))

    def namespace_kept(self, namespace: str) -> str:
        """The entry that protects a namespace; empty: none."""
        return next((one for one in self._kept("namespaces") if matches(namespace, (one,))), "")

    def owner_kept(self, kind: str) -> str:
        """The entry that protects what such an owner runs; empty: none."""
        return next((one for one in self._kept("owners") if one == kind), "")

    def address_kept(self, address: str) -> str:
        """The network that protects an address, or what is wrong with it; empty: none."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return "no IP address"
        mapped = getattr(ip, "ipv4_mapped", None)
        ip = mapped or ip
        return next((str(one) for one in self._networks if ip in one), "")


def further(one: Stage, other: Stage) -> bool:
    """True when ``one`` goes further than ``other``."""
    order = list(Stage)
    return order.index(one) > order.index(other)


def fits(match: Match, case: Case) -> bool:
    """True when everything that is set fits."""
    return (
        (not match.level or case.level.word in match.level)
        and _any(case.cluster, match.cluster)
        and _any(case.namespace, match.namespace)
        and (not match.rule or any(matches(rule, match.rule) for rule in case.rules))
        and (not match.tag or any(matches(tag, match.tag) for tag in case.tags))
        and all(
            name in case.labels and matches(case.labels[name], (value,))
            for name, value in match.label.items()
        )
    )


def _any(word: str, globs: list[str]) -> bool:
    return not globs or matches(word, globs)


def _begun(since: dt.date | None, at: dt.datetime) -> bool:
    return since is None or at.date() >= since


def healthy_of(limits: Limits, replicas: int) -> int:
    """Pods of a workload that have to stay ready."""
    if isinstance(limits.healthy, int):
        return limits.healthy
    share = int(limits.healthy.removesuffix("%"))
    return -(-replicas * share // 100)


def load_policy(path: Path | None) -> ResponsePolicy:
    """The policy of a file, or the built-in one. Raises ConfigError with the line of each fault."""
    if path is None:
        text = builtin_text()
        return ResponsePolicy(parse(text.encode(), BUILTIN), origin=BUILTIN, text=text)
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
    file = parse(data, path.name)
    return ResponsePolicy(file, origin=str(path), text=data.decode("utf-8", "replace"))
