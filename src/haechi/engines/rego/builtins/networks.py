"""Networks: Go's notion of an address, by which ``::ffff:10.0.0.1`` is 10.0.0.1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.operands import text
from haechi.engines.rego.values import BuiltinError, RegoObject, RegoSet, Value, entries, key

_MAPPED: Final = 0xFFFF << 32
_V4: Final = 1 << 32


class Network(msgspec.Struct, frozen=True):
    """Its first address as 128 bits (IPv4 as ``::ffff:0:0/96``) and how many of them are fixed."""

    first: int
    prefix: int
    text: str = ""

    @property
    def last(self) -> int:
        return self.first | ((1 << (128 - self.prefix)) - 1)

    def holds(self, address: int) -> bool:
        """A network of IPv6, ``::/0`` included, holds no address of IPv4."""
        if (address >> 32 == 0xFFFF) != (self.prefix >= 96 and self.first >> 32 == 0xFFFF):
            return False
        return address >> (128 - self.prefix) == self.first >> (128 - self.prefix)


def _address(value: str) -> int | None:
    """128 bits, or None where it is no address."""
    import ipaddress

    if "%" in value or "/" in value or len(value) > 64:
        return None
    try:
        if ":" in value:
            return int(ipaddress.IPv6Address(value))
        return _MAPPED | int(ipaddress.IPv4Address(value))
    except ipaddress.AddressValueError:
        return None


def _network(value: Value, position: int = 1) -> Network:
    whole = text(value, position)
    bare, slash, digits = whole.partition("/")
    address = _address(bare)
    if address is None or not slash or not digits.isascii() or not digits.isdigit():
        raise BuiltinError(f"invalid CIDR address: {whole[:60]}")
    if len(digits) > 20 or int(digits) > (128 if ":" in bare else 32):
        raise BuiltinError(f"invalid CIDR address: {whole[:60]}")
    prefix = int(digits) + (0 if ":" in bare else 96)
    kept = address >> (128 - prefix) << (128 - prefix)
    return Network(kept, prefix, f"{_shown(kept)}/{int(digits)}")


def _shown(address: int) -> str:
    import ipaddress

    if address >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(address % _V4))
    return str(ipaddress.IPv6Address(address))


def contains(network: Value, other: Value) -> bool:
    outer, inner = _network(network), text(other, 1)
    address = _address(inner)
    if address is not None:
        return outer.holds(address)
    try:
        within = _network(inner)
    except BuiltinError as error:
        raise BuiltinError(
            f"not a valid textual representation of an IP address or CIDR: {inner[:60]}"
        ) from error
    return outer.holds(within.first) and outer.holds(within.last)


def intersects(left: Value, right: Value) -> bool:
    first, second = _network(left), _network(right)
    return first.holds(second.first) or second.holds(first.first)


def is_valid(value: Value) -> bool:
    if type(value) is not str:
        return False
    try:
        _network(value)
    except BuiltinError:
        return False
    return True


def expand(value: Value) -> RegoSet:
    network = _network(value)
    if 1 << (128 - network.prefix) > operands.MAX_ITEMS:
        operands.too_large("the addresses of a network", operands.MAX_ITEMS)
    return RegoSet.of(_shown(address) for address in range(network.first, network.last + 1))


def _candidates(value: Value, position: int) -> list[tuple[Value, Value]]:
    """What to look at, and what names it in the result."""
    kind = type(value)
    if kind is str:
        return [(value, value)]
    if kind not in (list, RegoSet, dict, RegoObject):
        return []
    made = []
    for name, item in entries(value):
        if type(item) is list and item:
            made.append((item[0], name))
        elif type(item) is str:
            made.append((item, name))
        else:
            raise BuiltinError(f"operand {position}: element must be string or non-empty array")
    return made


def contains_matches(networks: Value, others: Value) -> RegoSet:
    made: dict[Any, Value] = {}
    outer = _candidates(networks, 1)
    inner = _candidates(others, 2) if outer else []
    if len(outer) * len(inner) > operands.MAX_ITEMS:
        operands.too_large("the pairs of networks", operands.MAX_ITEMS)
    for network, network_name in outer:
        for other, other_name in inner:
            if contains(network, other):
                pair = [network_name, other_name]
                made[key(pair)] = pair
    return RegoSet(made)


def _mergeable(value: Value) -> Network:
    if type(value) is not str:
        raise BuiltinError("element must be string")
    address = _address(value)
    if address is None:
        return _network(value)
    if address >> 32 != 0xFFFF:
        raise BuiltinError("IPv6 invalid: needs prefix length")
    prefix = _class(address % _V4)
    # Upstream keeps the address as it is and gives it its historic class's mask.
    kept = address >> (32 - prefix) << (32 - prefix)
    return Network(kept, 96 + prefix, f"{_shown(address)}/{prefix}")


def _class(address: int) -> int:
    lead = address >> 24
    if lead < 0x80:
        return 8
    return 16 if lead < 0xC0 else 24


def merge(values: Value) -> RegoSet:
    """The fewest networks that are the same addresses."""
    if type(values) is not list and type(values) is not RegoSet:
        raise BuiltinError("operand must be an array")
    networks = [_mergeable(item) for item in operands.listed(values, 1)]
    ranges = sorted(((n.last, n.first, n.text) for n in networks), key=lambda r: r[:2])
    for index in range(len(ranges) - 1, 0, -1):
        last, first, _ = ranges[index]
        if first - 1 <= ranges[index - 1][0]:
            ranges[index - 1] = (last, min(first, ranges[index - 1][1]), "")
            del ranges[index]
    made: list[str] = []
    for last, first, named in ranges:
        made.extend([named] if named else _spanned(first, last))
    return RegoSet.of(made)


def _spanned(first: int, last: int) -> Iterable[str]:
    while first <= last:
        size = min((first & -first).bit_length() - 1 if first else 128, 128)
        while first + (1 << size) - 1 > last:
            size -= 1
        v4 = first >> 32 == 0xFFFF and size <= 32
        yield f"{_shown(first)}/{(32 if v4 else 128) - size}"
        first += 1 << size


TABLE: Final = (
    Builtin(name="net.cidr_contains", arity=2, call=contains),
    Builtin(name="net.cidr_overlap", arity=2, call=contains),
    Builtin(name="net.cidr_contains_matches", arity=2, call=contains_matches),
    Builtin(name="net.cidr_intersects", arity=2, call=intersects),
    Builtin(name="net.cidr_is_valid", arity=1, call=is_valid),
    Builtin(name="net.cidr_expand", arity=1, call=expand),
    Builtin(name="net.cidr_merge", arity=1, call=merge),
)
