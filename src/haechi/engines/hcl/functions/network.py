"""Address arithmetic: cidrhost, cidrnetmask, cidrsubnet, cidrsubnets, cidrcontains."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.operators import whole_number
from haechi.engines.hcl.values import EvalFault

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LEADING_ZEROS = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9])")


def _network(function: str, text: str) -> Network:
    if "/" not in text:
        raise EvalFault(f"{function}: {text[:60]!r} is no address range")
    plain = text if ":" in text else _LEADING_ZEROS.sub("", text.partition("/")[0])
    mask = text.rpartition("/")[2]
    if not mask.isdigit():
        raise EvalFault(f"{function}: {text[:60]!r} is no address range")
    try:
        whole = text if ":" in text else f"{plain}/{mask}"
        return ipaddress.ip_network(whole, strict=False)
    except ValueError:
        raise EvalFault(f"{function}: {text[:60]!r} is no address range") from None


def _host(context: Context, prefix: str, number: int) -> str:
    network = _network("cidrhost", prefix)
    count = network.num_addresses
    if not -count <= number < count:
        raise EvalFault(f"cidrhost: {prefix} has no address number {number}")
    return str(network[number])


def _netmask(context: Context, prefix: str) -> str:
    network = _network("cidrnetmask", prefix)
    if network.version != 4:
        raise EvalFault("cidrnetmask: only IPv4 has masks")
    return str(network.netmask)


def _part(function: str, network: Network, bits: int, number: int) -> Network:
    length = network.prefixlen + bits
    if bits < 0 or length > network.max_prefixlen:
        raise EvalFault(f"{function}: {network} cannot be extended by {bits} bits")
    if not 0 <= number < 2**bits:
        raise EvalFault(f"{function}: {bits} bits are too few for number {number}")
    shift = network.max_prefixlen - length
    start = int(network.network_address) + (number << shift)
    address: Any = type(network.network_address)(start)
    return ipaddress.ip_network(f"{address}/{length}")


def _subnet(context: Context, prefix: str, bits: int, number: int) -> str:
    network = _network("cidrsubnet", prefix)
    if bits > 128 or number.bit_length() > 128:
        raise EvalFault("cidrsubnet: there are no so many bits")
    return str(_part("cidrsubnet", network, bits, number))


def _subnets(context: Context, prefix: str, *bits: Any) -> list[str]:
    network = _network("cidrsubnets", prefix)
    out: list[str] = []
    at = int(network.network_address)
    end = at + network.num_addresses
    for extra in bits:
        length = network.prefixlen + whole_number(extra)
        if whole_number(extra) < 1 or length > network.max_prefixlen:
            raise EvalFault(f"cidrsubnets: {prefix} cannot be extended by {extra} bits")
        size = 1 << (network.max_prefixlen - length)
        at = -(-at // size) * size
        if at + size > end:
            raise EvalFault(f"cidrsubnets: {prefix} has not enough room")
        out.append(f"{type(network.network_address)(at)}/{length}")
        at += size
    return out


def _contains(context: Context, prefix: str, other: str) -> bool:
    network = _network("cidrcontains", prefix)
    if "/" in other:
        inside = _network("cidrcontains", other)
    else:
        inside = _network("cidrcontains", f"{other}/{network.max_prefixlen}")
    if inside.version != network.version:
        raise EvalFault("cidrcontains: IPv4 and IPv6 are mixed")
    return bool(inside.subnet_of(network))  # type: ignore[arg-type]


FUNCTIONS = (
    Function("cidrcontains", "s s", _contains),
    Function("cidrhost", "s i", _host),
    Function("cidrnetmask", "s", _netmask),
    Function("cidrsubnet", "s i i", _subnet),
    Function("cidrsubnets", "s n*", _subnets),
)
