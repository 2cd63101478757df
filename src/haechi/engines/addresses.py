"""What an address says about who is meant."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """True for this machine's own addresses (IPv4 within IPv6, too) and the name localhost; false
    for every other name."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
