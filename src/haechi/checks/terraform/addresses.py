"""Resources by the address of an instance: ``module.a["x"].aws_s3_bucket.logs[0]``.

Two addresses may name one instance when keys that both have are the same; keys that one of them
lacks fit any. A thousand instances refer to a thousand others, so none is compared with all: those
that have keys at the same steps are looked up by the keys that the asked address has, too.
"""

from __future__ import annotations

import re
from collections import defaultdict

from haechi.model.resource import Resource

_INDEX = re.compile(r"\[(?:\"(?:[^\"\\]|\\.)*\"|[^\]\"]*)\]")
_Steps = tuple[int, ...]
_Entries = list[tuple[int, Resource]]
"""With the number by which they came, which is their order."""


def bare(address: str) -> str:
    """An address without the keys of instances."""
    return _INDEX.sub("", address) if "[" in address else address


class Addresses:
    """Resources by an address each, which need not be their own."""

    def __init__(self) -> None:
        self._count = 0
        self._alike: dict[str, dict[_Steps, list[tuple[dict[int, str], int, Resource]]]] = {}
        self._found: dict[tuple[str, _Steps, _Steps], dict[tuple[str, ...], _Entries]] = {}

    def add(self, address: str, resource: Resource) -> None:
        """Keep a resource. All are added before one is asked for."""
        keys = _keys(address)
        alike = self._alike.setdefault(bare(address), {})
        alike.setdefault(tuple(keys), []).append((keys, self._count, resource))
        self._count += 1

    def of(self, address: str) -> list[Resource]:
        """Those of which the address may be this one, in the order in which they came."""
        name, keys = bare(address), _keys(address)
        found: _Entries = []
        for steps in self._alike.get(name, ()):
            shared = tuple(step for step in steps if step in keys)
            by_key = self._by_key(name, steps, shared)
            found += by_key.get(tuple(keys[step] for step in shared), ())
        return [resource for _, resource in sorted(found, key=_number)]

    def _by_key(self, name: str, steps: _Steps, shared: _Steps) -> dict[tuple[str, ...], _Entries]:
        known = self._found.get((name, steps, shared))
        if known is None:
            known = self._found[name, steps, shared] = defaultdict(list)
            for keys, number, resource in self._alike[name][steps]:
                known[tuple(keys[step] for step in shared)].append((number, resource))
        return known


def _number(entry: tuple[int, Resource]) -> int:
    return entry[0]


def _keys(address: str) -> dict[int, str]:
    """The keys of an address by where they stand in it without them."""
    keys: dict[int, str] = {}
    if "[" in address:
        cut = 0
        for match in _INDEX.finditer(address):
            keys[match.start() - cut] = match.group()
            cut += len(match.group())
    return keys
