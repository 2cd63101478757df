"""Whether the sort keys in a database are those that this haechi makes.

Keys are only compared with keys of one making: if a later haechi orders the versions of an
ecosystem otherwise, an older database would answer wrongly without any error. So the database
keeps, for each ecosystem, a digest of the keys of some telling versions.
"""

from __future__ import annotations

import hashlib
from functools import cache

from haechi.engines import versions
from haechi.errors import StoreError, VersionError
from haechi.world.advisories.names import base

PREFIX = "ordering/"
"""Of the names in ``meta``."""
_TELLING = (
    *("0", "1", "1.0", "1.0.0", "1.2.3.4", "10.0.0", "v1.2.3", "1.0.0-alpha.1", "1.0.0-rc.1+b"),
    *("2.0rc1", "1!2.0.post1.dev3+local.1", "2.0.0+incompatible", "1.0-SNAPSHOT", "1.0-1.el8_2"),
    *("0.0.0-20220314234659-1baeb1ce4c0b", "1:2.3~rc1-4ubuntu1", "1.2.3-r4", "1.0.0.beta10"),
    *("dev-main", "2024.1.01", "1.a", "1.0.0-x.7.z.92"),
)


@cache
def ordering_of(ecosystem: str) -> str:
    """The digest for an ecosystem; the same for all of its releases."""
    digest = hashlib.blake2b(digest_size=12)
    try:
        key = versions.scheme_of(base(ecosystem)).key
    except VersionError:
        return "none"
    for version in _TELLING:
        try:
            told = b"\1" + key(version)
        except VersionError:
            told = b"\0"
        digest.update(len(told).to_bytes(4, "big") + told)
    return digest.hexdigest()


def require_same(family: str, made_with: str) -> None:
    """Raises StoreError unless a database made with that digest orders as this haechi does."""
    if made_with != ordering_of(family):
        raise StoreError(
            f"the database was made when {family}'s versions were ordered otherwise",
            do="remove the file and import everything again: haechi db import",
        )
