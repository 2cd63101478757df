"""Sets of protocol and port, with names that stand for a number of the destination.

Four protocols: what is neither TCP, UDP nor SCTP (ICMP and the rest) is ``OTHER`` with one port, 0.
A named port is another number on every pod; a set keeps the name until the pod is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

TOP = 65_535
OTHER = "OTHER"
PROTOCOLS = ("TCP", "UDP", "SCTP")

Span = tuple[str, int, int]
Name = tuple[str, str]


class Ports(msgspec.Struct, frozen=True):
    """``spans`` are (protocol, first, last), disjoint and sorted; ``names`` (protocol, name)."""

    spans: tuple[Span, ...] = ()
    names: tuple[Name, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spans or self.names)

    def __and__(self, other: Ports) -> Ports:
        """What may be in both: a name may be any number of its protocol."""
        spans = [
            (one[0], max(one[1], two[1]), min(one[2], two[2]))
            for one in self.spans
            for two in other.spans
            if one[0] == two[0] and max(one[1], two[1]) <= min(one[2], two[2])
        ]
        names = {name for name in self.names if other._may_hold(name)}
        names |= {name for name in other.names if self._may_hold(name)}
        return ports(spans, names)

    def __or__(self, other: Ports) -> Ports:
        return ports((*self.spans, *other.spans), (*self.names, *other.names))

    def __sub__(self, other: Ports) -> Ports:
        """What may be left: a name is only taken away by itself or by all of its protocol."""
        left = list(self.spans)
        for protocol, first, last in other.spans:
            left = [piece for span in left for piece in _without(span, protocol, first, last)]
        names = [
            name
            for name in self.names
            if name not in other.names and (name[0], 1, TOP) not in other.spans
        ]
        return ports(left, names)

    def _may_hold(self, name: Name) -> bool:
        return name in self.names or any(span[0] == name[0] for span in self.spans)

    def resolved(self, known: Mapping[Name, tuple[int, ...]]) -> Ports:
        """Names as the numbers that a pod gives them; a name that it does not have matches none."""
        numbers = [(name[0], port, port) for name in self.names for port in known.get(name, ())]
        return ports((*self.spans, *numbers), ())

    def surely(self, known: Mapping[Name, tuple[int, ...]]) -> Ports:
        """As ``resolved``, without names for which a pod has several numbers."""
        clear = {name: found for name, found in known.items() if len(found) == 1}
        return self.resolved(clear)

    def __str__(self) -> str:
        if self == ANY_PORT:
            return "any"
        parts = [_words(span) for span in self.spans]
        parts += [f"{protocol.lower()}/{name}" for protocol, name in self.names]
        return ",".join(parts)


def ports(spans: Iterable[Span], names: Iterable[Name]) -> Ports:
    """A set in its one spelling: sorted, neighbours joined."""
    joined: list[Span] = []
    for protocol, first, last in sorted(set(spans)):
        if joined and joined[-1][0] == protocol and first <= joined[-1][2] + 1:
            joined[-1] = (protocol, joined[-1][1], max(last, joined[-1][2]))
        else:
            joined.append((protocol, first, last))
    return Ports(tuple(joined), tuple(sorted(set(names))))


def all_of(protocol: str) -> Span:
    """Every port of a protocol."""
    return (protocol, 1, TOP) if protocol in PROTOCOLS else (OTHER, 0, 0)


ANY_PORT = ports([all_of(protocol) for protocol in (*PROTOCOLS, OTHER)], ())
NO_PORT = Ports()


def _without(span: Span, protocol: str, first: int, last: int) -> Iterable[Span]:
    if span[0] != protocol or last < span[1] or first > span[2]:
        yield span
        return
    if span[1] < first:
        yield (protocol, span[1], first - 1)
    if span[2] > last:
        yield (protocol, last + 1, span[2])


def _words(span: Span) -> str:
    protocol, first, last = span
    if protocol == OTHER:
        return "other protocols"
    if (first, last) == (1, TOP):
        return f"{protocol.lower()}/any"
    return f"{protocol.lower()}/{first}" + (f"-{last}" if last > first else "")
