"""What a check answers, and the words that answers are made of.

Reasons and details read as upstream's, word for word: people search for them, and alerts match
on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from haechi.model.location import AttrPath


class Place(msgspec.Struct, frozen=True):
    """An offending value, or where a missing one belongs. The path starts at the pod (its
    ``metadata`` or ``spec``); ``container`` is empty for what the pod itself says."""

    path: AttrPath
    container: str = ""


class CheckResult(msgspec.Struct, frozen=True):
    """One check's answer about one pod. ``reason`` is short, ``detail`` names what is wrong."""

    check: str
    allowed: bool = True
    reason: str = ""
    detail: str = ""
    places: tuple[Place, ...] = ()

    @property
    def text(self) -> str:
        """Reason with its detail: ``hostPort (container "a" uses hostPort 80)``."""
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


def joined(results: Iterable[CheckResult]) -> str:
    """All that is forbidden, in one sentence; empty when nothing is."""
    return ", ".join(result.text for result in results if not result.allowed)


def reasons(results: Iterable[CheckResult]) -> str:
    """The reasons without their details, as told of pods that run already."""
    return ", ".join(result.reason for result in results if not result.allowed)


def quoted(names: Iterable[str]) -> str:
    """``"a", "b"``, unescaped as upstream's."""
    return '"' + '", "'.join(names) + '"'


def plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def containers(names: Sequence[str]) -> str:
    """``container "a"`` or ``containers "a", "b"``."""
    return f"{plural('container', 'containers', len(names))} {quoted(names)}"


def setters(pod: bool, names: Sequence[str]) -> str:
    """Who sets something: ``pod and container "a"``."""
    parts = ["pod"] if pod else []
    if names:
        parts.append(containers(names))
    return " and ".join(parts)


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES |= {"\v": "\\v", '"': '\\"', "\\": "\\\\"}


def escaped(text: str) -> str:
    """The text in double quotes as Go's ``%q`` writes it."""
    return '"' + "".join(_escape(sign) for sign in text) + '"'


def _escape(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    if sign.isprintable():
        return sign
    code = ord(sign)
    return (
        f"\\x{code:02x}"
        if code < 0x80
        else f"\\u{code:04x}"
        if code < 1 << 16
        else f"\\U{code:08x}"
    )
