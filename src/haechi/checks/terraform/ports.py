"""Address blocks and port ranges as security groups and firewalls write them."""

from __future__ import annotations

import ipaddress
from typing import Any

from haechi.checks.cidr import Network, network
from haechi.errors import NotEvaluated
from haechi.model.unknown import Unknown

_WORDS = frozenset({"*", "any", "internet", "<nw>/0", "/0"})
"""How Azure and others write the whole internet."""


def open_to_world(cidrs: Any) -> str | None:
    """The first block that is the whole internet, or (v4) at least a 256th of it that is not
    private; None when there is none. Takes a text or a list, nested once.

    Raises NotEvaluated when none is and one that may be anything is not known.
    """
    unknown: Unknown | None = None
    for item in _flat(cidrs):
        if isinstance(item, Unknown):
            # An address of a resource (an elastic IP with /32) is not the world.
            if not item.given and not _narrows(item):
                unknown = unknown or item
        elif is_world(item):
            return str(item)
    if unknown is not None:
        raise NotEvaluated(unknown.reason or "an address block is not known", cause=unknown.cause)
    return None


def _flat(cidrs: Any) -> list[Any]:
    if cidrs is None:
        return []
    if isinstance(cidrs, Unknown) or not isinstance(cidrs, list):
        return [cidrs]
    out: list[Any] = []
    for item in cidrs:
        out += item if not isinstance(item, Unknown) and isinstance(item, list) else [item]
    return out


def _narrows(item: Unknown) -> bool:
    """``${var.ip}/32``: whatever the address, it is one."""
    last = item.parts[-1] if item.parts else None
    if not isinstance(last, str) or "/" not in last:
        return False
    width = last.rpartition("/")[2]
    return width.isdigit() and int(width) >= 8


def is_world(cidr: Any) -> bool:
    """``0.0.0.0/0``, ``::/0``, their halves, and what Azure calls ``*`` or ``Internet``."""
    if not isinstance(cidr, str):
        return False
    if cidr.strip().lower() in _WORDS:
        return True
    block = network(cidr)
    if block is None or "/" not in cidr:
        return False
    if block.is_private or block.is_multicast:
        return False  # fd00::/8 is as wide as a company's own network gets
    return block.prefixlen <= (8 if isinstance(block, ipaddress.IPv6Network) else 7)


def is_private(cidr: Any) -> bool:
    """Whether a block lies in what is not routed on the internet (RFC 1918, 6598, 4193 …)."""
    block: Network | None = network(cidr)
    return block is not None and (block.is_private or block.is_link_local)


def covers(first: Any, last: Any, port: int) -> bool:
    """Whether a range of ports holds ``port``; ``-1`` and ``0`` to ``0`` mean all of them."""
    for end in (first, last):
        if isinstance(end, Unknown):
            raise NotEvaluated(end.reason or "a port is not known", cause=end.cause)
    try:
        low = int(first) if first is not None else int(last)
        high = int(last) if last is not None else low
    except (TypeError, ValueError):
        return str(first).strip() == "*" or str(last).strip() == "*"
    if low == -1 or high == -1:
        return True
    return low <= port <= high
