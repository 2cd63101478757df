"""Addresses and networks as texts, compared without building objects for each event.

An address is a pair (bits, number): ``(32, …)`` for IPv4, ``(128, …)`` for IPv6. An IPv6 address
that only carries an IPv4 one (``::ffff:1.2.3.4``) is that IPv4 address, as in libs. What was
asked once is remembered: a node talks to the same few thousand addresses all day.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

Address: TypeAlias = tuple[int, int]
Network: TypeAlias = tuple[int, int, int]
"""(bits, length of the prefix, the prefix's number shifted to the right)."""

REMEMBERED = 16_384
_LONGEST = 64


def address(text: str) -> Address | None:
    """The address a text says, None when it says none."""
    # a long text is no address, and must not be remembered: texts are hostile input
    return None if len(text) > _LONGEST else _parsed(text)


@lru_cache(maxsize=REMEMBERED)
def _parsed(text: str) -> Address | None:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        if mapped is None:
            return (128, int(parsed))
        parsed = mapped
    return (32, int(parsed))


def network(text: str) -> Network:
    """``10.0.0.0/8``; bits of the host may be set and count for nothing. Raises ValueError."""
    head, slash, tail = text.partition("/")
    if not slash:
        raise ValueError(f"unrecognized IP network {text}")
    try:
        parsed = ipaddress.ip_address(head)
    except ValueError:
        raise ValueError(f"unrecognized IP address {text}") from None
    bits = 32 if parsed.version == 4 else 128
    if not (tail.isascii() and tail.isdigit()) or len(tail) > 3 or int(tail) > bits:
        raise ValueError(f"invalid netmask {tail}")
    length = int(tail)
    return (bits, length, int(parsed) >> (bits - length))


def within(place: Address, net: Network) -> bool:
    """Whether the address lies in the network; never for one of the other family."""
    return place[0] == net[0] and place[1] >> (net[0] - net[1]) == net[2]


class NetSet:
    """Many networks as one question: for each length of prefix that occurs, one look-up."""

    __slots__ = ("_by_length", "matches", "networks")

    def __init__(self, networks: Iterable[Network]) -> None:
        self.networks = tuple(networks)
        by_length: dict[tuple[int, int], set[int]] = {}
        for bits, length, prefix in self.networks:
            by_length.setdefault((bits, length), set()).add(prefix)
        self._by_length = {
            wide: [(wide - length, frozenset(known)) for (b, length), known in by_length.items()
                   if b == wide]
            for wide in (32, 128)
        }  # fmt: skip
        # a cache of its own: bounded, and gone with the set
        # asked only with what ``address`` takes, so what is remembered is short
        self.matches = lru_cache(maxsize=REMEMBERED)(self._matches)

    def either(self, texts: Iterable[str]) -> bool:
        """Whether any of the networks has any of the addresses."""
        matches = self.matches
        return any(matches(text) for text in texts)

    def _matches(self, text: str) -> bool:
        place = address(text)
        return place is not None and self.holds(place)

    def holds(self, place: Address) -> bool:
        """Whether any of the networks has the address."""
        number = place[1]
        return any(number >> shift in known for shift, known in self._by_length[place[0]])
