"""What a namespace's labels ask of its pods.

``pod-security.kubernetes.io/{enforce,audit,warn}`` and the same with ``-version``. A label that
cannot be read fails as upstream does: ``enforce`` to the strictest, ``audit`` and ``warn`` to
nothing, a version to the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.checks.pod_security import LATEST, Level, parse_level, parse_version, stricter
from haechi.errors import UsageError

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
LEVELS = ", ".join(Level)
_LEVEL_FAULT = f"must be one of {LEVELS}"
_VERSION_FAULT = 'must be "latest" or "v1.x"'


class Standard(msgspec.Struct, frozen=True):
    """A level as of a version: ``restricted:latest``."""

    level: Level = Level.PRIVILEGED
    version: str = LATEST

    def __str__(self) -> str:
        return f"{self.level.value}:{self.version}"


class Modes(msgspec.Struct, frozen=True, kw_only=True):
    """What is refused, written down, and told."""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()

    @property
    def privileged(self) -> bool:
        """Whether nothing is asked at all."""
        levels = {self.enforce.level, self.audit.level, self.warn.level}
        return levels == {Level.PRIVILEGED}

    def means_the_same_as(self, other: Modes) -> bool:
        """Whether no pod is treated differently; of ``privileged`` the version says nothing."""
        return all(
            mine == theirs or mine.level is theirs.level is Level.PRIVILEGED
            for mine, theirs in zip(self.standards, other.standards, strict=True)
        )

    @property
    def standards(self) -> tuple[Standard, Standard, Standard]:
        """In the order of ``MODES``."""
        return self.enforce, self.audit, self.warn


class LabelFault(msgspec.Struct, frozen=True):
    """A label, or a field of the configuration, that cannot be read."""

    key: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"metadata.labels[{self.key}]: Invalid value: {shown(self.value)}: {self.why}"


NOTHING_ASKED = Modes()


def modes_of(
    labels: Mapping[str, Any], defaults: Modes = NOTHING_ASKED
) -> tuple[Modes, tuple[LabelFault, ...]]:
    """What labels ask, with the cluster's defaults for what they leave out; always an answer."""
    faults: list[LabelFault] = []
    found: dict[str, Standard] = {}
    for mode, usual in zip(MODES, defaults.standards, strict=True):
        level, version = PREFIX + mode, f"{PREFIX}{mode}-version"
        found[mode] = Standard(
            _level(labels, level, usual.level, mode, faults),
            _version(labels, version, usual.version, faults),
        )
    bad = {fault.key for fault in faults}
    enforce, warn = found["enforce"], found["warn"]
    says_level = PREFIX + "enforce" in labels and PREFIX + "enforce" not in bad
    if PREFIX + "warn" not in labels and says_level and stricter(enforce.level, warn.level):
        # who tightens the door is warned as early as workloads are applied
        version = warn.version if f"{PREFIX}warn-version" in labels else enforce.version
        found["warn"] = Standard(enforce.level, version)
    return Modes(**found), tuple(faults)


def labels_of(namespace: Mapping[str, Any]) -> Mapping[str, Any]:
    """The labels of a Namespace object, whatever it holds."""
    metadata = namespace.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}


def asks(namespace: Mapping[str, Any]) -> bool:
    """Whether a Namespace says anything about pod security."""
    return any(str(key).startswith(PREFIX) for key in labels_of(namespace))


def level_fault(value: str) -> str:
    """Why a value is no level; empty when it is one."""
    try:
        parse_level(value)
    except UsageError:
        return _LEVEL_FAULT
    return ""


def version_fault(value: str) -> str:
    """Why a value is no version; empty when it is one."""
    try:
        parse_version(value)
    except UsageError:
        return _VERSION_FAULT
    return ""


def shown(value: str) -> str:
    """A value in quotes; hostile ones are as long as they like."""
    return f'"{value}"' if len(value) <= 100 else f'"{value[:100]}..."'


def _level(
    labels: Mapping[str, Any], key: str, usual: Level, mode: str, faults: list[LabelFault]
) -> Level:
    if key not in labels:
        return usual
    value = _text(labels[key])
    why = level_fault(value)
    if not why:
        return Level(value)
    faults.append(LabelFault(key, value, why))
    return Level.RESTRICTED if mode == "enforce" else Level.PRIVILEGED


def _version(labels: Mapping[str, Any], key: str, usual: str, faults: list[LabelFault]) -> str:
    if key not in labels:
        return usual
    value = _text(labels[key])
    why = version_fault(value)
    if not why:
        return value
    faults.append(LabelFault(key, value, why))
    return LATEST


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else repr(value)[:200]
