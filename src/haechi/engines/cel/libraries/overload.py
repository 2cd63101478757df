"""What a function of a library is, before it is told to the CEL wheel.

``parameters`` and ``returns`` name types: CEL's own (``STRING``, ``list<string>``) or those of
``TYPES``. The wheel cannot carry values of a type of ours, so at run time each of ``TYPES`` is
CEL ``bytes`` with a form of its own, and a function given the bytes of another one raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

QUANTITY, URL, IP, CIDR = "kubernetes.Quantity", "kubernetes.URL", "net.IP", "net.CIDR"
SEMVER, FORMAT = "kubernetes.Semver", "kubernetes.NamedFormat"
_AUTHZ = "kubernetes.authorization."
AUTHORIZER, PATH_CHECK, GROUP_CHECK = (
    f"{_AUTHZ}Authorizer",
    f"{_AUTHZ}PathCheck",
    f"{_AUTHZ}GroupCheck",
)
RESOURCE_CHECK, DECISION = f"{_AUTHZ}ResourceCheck", f"{_AUTHZ}Decision"
TYPES = (
    *(QUANTITY, URL, IP, CIDR, SEMVER, FORMAT),
    *(AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION),
)
"""Kubernetes' types that are no type of CEL, by the names that the API server uses."""


class Overload(msgspec.Struct, frozen=True):
    """One signature of a function. Without ``call`` it is rewritten before it runs
    (``expand``). ``kubernetes``: the API server has it too."""

    id: str
    parameters: tuple[str, ...]
    returns: str
    call: Callable[..., Any] | None
    member: bool = True
    kubernetes: bool = True


class Invalid(ValueError):
    """A function cannot answer. The text becomes the CEL error."""


class Mismatch(Invalid):
    """A function was given bytes that are no value of the type it takes."""


def pack(tag: bytes, text: str) -> bytes:
    """Text as a value of the type that ``tag`` names. The wheel cuts bytes at a NUL."""
    return tag + text.encode()


def unpack(tag: bytes, packed: bytes, what: str) -> str:
    """The text of a value of that type. Raises Mismatch for any other bytes."""
    if not packed.startswith(tag):
        raise Mismatch(f"no such overload: the value is no {what}")
    try:
        return bytes(packed[len(tag) :]).decode()
    except UnicodeDecodeError as error:
        raise Mismatch(f"no such overload: the value is no {what}") from error
