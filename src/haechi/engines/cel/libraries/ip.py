"""``ip`` and ``cidr``: addresses and networks as Go's net/netip reads them.

An address travels as its canonical text, a network as address/bits, as bytes; a slash tells one
from the other, so neither passes for the other, and ``string()`` of either is the text itself.
Host bits of a network are kept, as the API server keeps them (``masked`` clears them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haechi.engines.cel.libraries.overload import CIDR, IP, Invalid, Mismatch, Overload

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    _Address = IPv4Address | IPv6Address
_ANY_LENGTH = 100


def parse_ip(text: str) -> _Address:
    """An address without zone that is no IPv4 address in IPv6's clothes. Raises Invalid."""
    from ipaddress import ip_address

    shown = text[:_ANY_LENGTH]
    if "%" in text:
        raise Invalid(f'IP address "{shown}" with zone value is not allowed')
    try:
        found = ip_address(text)
    except ValueError as error:
        raise Invalid(
            f'IP Address "{shown}" parse error during conversion from string: '
            f'ParseAddr("{shown}"): unable to parse IP'
        ) from error
    if found.version == 6 and found.ipv4_mapped is not None:
        raise Invalid(f'IPv4-mapped IPv6 address "{shown}" is not allowed')
    return found


def parse_cidr(text: str) -> tuple[_Address, int]:
    """Address and number of bits. Raises Invalid."""
    fault = "network address parse error during conversion from string: "
    address, slash, length = text.rpartition("/")
    if not slash:
        raise Invalid(f"{fault}netip.ParsePrefix({text[:_ANY_LENGTH]!r}): no '/'")
    try:
        found = parse_ip(address)
    except Invalid as error:
        raise Invalid(f"{fault}{error}") from error
    plain = length.isascii() and length.isdigit() and (length == "0" or length[0] != "0")
    if not plain or len(length) > 3 or int(length) > found.max_prefixlen:
        raise Invalid(
            f"{fault}netip.ParsePrefix({text[:_ANY_LENGTH]!r}): bad bits after slash: {length!r}"
        )
    return found, int(length)


def _address(packed: bytes) -> _Address:
    try:
        return parse_ip(bytes(packed).decode("ascii"))
    except (Invalid, UnicodeDecodeError) as error:
        raise Mismatch("no such overload: the value is no IP address") from error


def _cidr(packed: bytes) -> tuple[_Address, int]:
    try:
        return parse_cidr(bytes(packed).decode("ascii"))
    except (Invalid, UnicodeDecodeError) as error:
        raise Mismatch("no such overload: the value is no CIDR") from error


def _network(packed: bytes) -> IPv4Network | IPv6Network:
    from ipaddress import ip_network

    address, bits = _cidr(packed)
    return ip_network((address, bits), strict=False)


def _pack_cidr(address: Any, bits: int) -> bytes:
    return f"{address}/{bits}".encode()


def _holds(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except Invalid:
        return False
    return True


def _contains_ip(packed: bytes, other: _Address) -> bool:
    network = _network(packed)
    return network.version == other.version and other in network


def _contains_cidr(packed: bytes, other: tuple[_Address, int]) -> bool:
    network = _network(packed)
    address, bits = other
    return network.version == address.version and network.prefixlen <= bits and address in network


def is_link_local_multicast(address: _Address) -> bool:
    """224.0.0.0/24 and ff02::/16 under any flags (netip.Addr)."""
    if address.version == 4:
        return int(address) >> 8 == 0xE00000
    return (int(address) >> 112) & 0xFF0F == 0xFF02


def is_link_local_unicast(address: _Address) -> bool:
    """169.254.0.0/16 and fe80::/10."""
    if address.version == 4:
        return int(address) >> 16 == 0xA9FE
    return int(address) >> 118 == 0xFE80 >> 6


def is_global_unicast(address: _Address) -> bool:
    """Private addresses count, as in netip.Addr."""
    if address.version == 4 and int(address) == 0xFFFFFFFF:
        return False
    return not (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or is_link_local_unicast(address)
    )


def _masked(packed: bytes) -> bytes:
    network = _network(packed)
    return _pack_cidr(network.network_address, network.prefixlen)


def _is_canonical(text: str) -> bool:
    return str(parse_ip(text)) == text


_S, _B = "string", "bool"

OVERLOADS = {
    "ip": (
        Overload("string_to_ip", (_S,), IP, lambda s: str(parse_ip(s)).encode(), member=False),
        Overload("cidr_ip", (CIDR,), IP, lambda p: str(_cidr(p)[0]).encode()),
    ),
    "isIP": (Overload("is_ip", (_S,), _B, lambda s: _holds(parse_ip, s), member=False),),
    "ip.isCanonical": (Overload("ip_is_canonical", (_S,), _B, _is_canonical, member=False),),
    "family": (Overload("ip_family", (IP,), "int", lambda p: _address(p).version),),
    "isUnspecified": (
        Overload("ip_is_unspecified", (IP,), _B, lambda p: _address(p).is_unspecified),
    ),
    "isLoopback": (Overload("ip_is_loopback", (IP,), _B, lambda p: _address(p).is_loopback),),
    "isLinkLocalMulticast": (
        Overload(
            "ip_is_link_local_multicast",
            (IP,),
            _B,
            lambda p: is_link_local_multicast(_address(p)),
        ),
    ),
    "isLinkLocalUnicast": (
        Overload(
            "ip_is_link_local_unicast", (IP,), _B, lambda p: is_link_local_unicast(_address(p))
        ),
    ),
    "isGlobalUnicast": (
        Overload("ip_is_global_unicast", (IP,), _B, lambda p: is_global_unicast(_address(p))),
    ),
    "cidr": (
        Overload("string_to_cidr", (_S,), CIDR, lambda s: _pack_cidr(*parse_cidr(s)), member=False),
    ),
    "isCIDR": (Overload("is_cidr", (_S,), _B, lambda s: _holds(parse_cidr, s), member=False),),
    "containsIP": (
        Overload(
            "cidr_contains_ip_string", (CIDR, _S), _B, lambda p, s: _contains_ip(p, parse_ip(s))
        ),
        Overload("cidr_contains_ip_ip", (CIDR, IP), _B, lambda p, o: _contains_ip(p, _address(o))),
    ),
    "containsCIDR": (
        Overload(
            "cidr_contains_cidr_string",
            (CIDR, _S),
            _B,
            lambda p, s: _contains_cidr(p, parse_cidr(s)),
        ),
        Overload("cidr_contains_cidr", (CIDR, CIDR), _B, lambda p, o: _contains_cidr(p, _cidr(o))),
    ),
    "masked": (Overload("cidr_masked", (CIDR,), CIDR, _masked),),
    "prefixLength": (Overload("cidr_prefix_length", (CIDR,), "int", lambda p: _cidr(p)[1]),),
}

CONVERSIONS = {
    "string": (
        Overload("ip_to_string", (IP,), _S, None, member=False),
        Overload("cidr_to_string", (CIDR,), _S, None, member=False),
    ),
}
"""For the type check alone: at run time CEL's own ``string(bytes)`` answers."""
