"""Address blocks as NetworkPolicies, Services and Ingresses write them."""

from __future__ import annotations

import ipaddress
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
METADATA = ipaddress.ip_address("169.254.169.254")
"""Where AWS, Azure, GCP, OpenStack and others serve a node's credentials."""


def network(text: Any) -> Network | None:
    """The block that a CIDR means, host bits dropped, or None when it is not one."""
    if not isinstance(text, str):
        return None
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def is_everything(text: Any) -> bool:
    """``0.0.0.0/0`` and ``::/0`` in any spelling."""
    block = network(text)
    return block is not None and block.prefixlen == 0


def inside(part: Network, whole: Network) -> bool:
    """Whether a block is a proper part of another one of the same family."""
    if isinstance(part, ipaddress.IPv4Network) and isinstance(whole, ipaddress.IPv4Network):
        return part != whole and part.subnet_of(whole)
    if isinstance(part, ipaddress.IPv6Network) and isinstance(whole, ipaddress.IPv6Network):
        return part != whole and part.subnet_of(whole)
    return False
