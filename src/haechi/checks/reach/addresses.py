"""Sets of IP addresses: exact arithmetic on ranges, both families apart."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from haechi.checks.cidr import Network, network

Range = tuple[int, int, int]
_BITS = {4: 32, 6: 128}
_MAX_WORDS = 6


class Addresses(msgspec.Struct, frozen=True):
    """``ranges`` are (version, first, last), disjoint and sorted."""

    ranges: tuple[Range, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __and__(self, other: Addresses) -> Addresses:
        return addresses(
            (one[0], max(one[1], two[1]), min(one[2], two[2]))
            for one in self.ranges
            for two in other.ranges
            if one[0] == two[0] and max(one[1], two[1]) <= min(one[2], two[2])
        )

    def __or__(self, other: Addresses) -> Addresses:
        return addresses((*self.ranges, *other.ranges))

    def __sub__(self, other: Addresses) -> Addresses:
        left = list(self.ranges)
        for version, first, last in other.ranges:
            left = [piece for one in left for piece in _without(one, version, first, last)]
        return addresses(left)

    def covers(self, other: Addresses) -> bool:
        return not (other - self)

    def __str__(self) -> str:
        """Blocks while they are few; ``any address`` for all."""
        if self == ALL:
            return "any address"
        blocks: list[str] = []
        for version, first, last in self.ranges:
            make = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
            found = ipaddress.summarize_address_range(make(first), make(last))
            for block in found:
                blocks.append(str(block))
                if len(blocks) > _MAX_WORDS:
                    return ", ".join([*blocks[:_MAX_WORDS], "…"])
        return ", ".join(blocks)


def addresses(ranges: Iterable[Range]) -> Addresses:
    """A set in its one spelling: sorted, neighbours joined."""
    joined: list[Range] = []
    for version, first, last in sorted(ranges):
        if joined and joined[-1][0] == version and first <= joined[-1][2] + 1:
            joined[-1] = (version, joined[-1][1], max(last, joined[-1][2]))
        else:
            joined.append((version, first, last))
    return Addresses(tuple(joined))


def of_block(block: Network) -> Addresses:
    """All addresses of a block."""
    first = int(block.network_address)
    return Addresses(((block.version, first, int(block.broadcast_address)),))


def of_text(text: object) -> Addresses | None:
    """The addresses that a CIDR or a single address names; None when it is neither."""
    block = network(text)
    return None if block is None else of_block(block)


NOWHERE = Addresses()
ALL_IPV4 = Addresses(((4, 0, (1 << 32) - 1),))
ALL_IPV6 = Addresses(((6, 0, (1 << 128) - 1),))
ALL = ALL_IPV4 | ALL_IPV6


def _without(one: Range, version: int, first: int, last: int) -> Iterable[Range]:
    if one[0] != version or last < one[1] or first > one[2]:
        yield one
        return
    if one[1] < first:
        yield (version, one[1], first - 1)
    if one[2] > last:
        yield (version, last + 1, one[2])
