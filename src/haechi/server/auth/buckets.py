"""Rate limits: one token bucket for each asker, in a table with a bound.

The table is in memory: after a restart everybody starts with a full bucket, which costs nothing
that a limit protects. When it is full, whoever has asked longest ago is forgotten.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

ROWS = 20_000


class Buckets:
    """Thread-safe. Seconds are of any clock that does not stand still."""

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, *, per_second: float, burst: float, now: float) -> float:
        """Takes one; 0.0, or the seconds until there is one again (nothing is taken then)."""
        with self._lock:
            left, at = self._held.pop(key, (burst, now))
            left = min(burst, left + max(0.0, now - at) * per_second)
            wait = 0.0 if left >= 1 else (1 - left) / per_second
            self._held[key] = (left - 1 if left >= 1 else left, now)
            if len(self._held) > self._rows:
                self._held.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._held)


def network(address: str) -> str:
    """What counts as one address: with IPv6 a whole /64, which one machine has for itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
