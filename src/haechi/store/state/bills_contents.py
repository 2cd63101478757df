"""Contents of SBOMs: each stands once, with the numbers of the packages that it holds.

There is no index from a package to the contents with it. One would have an entry for each package
of each content, in the order of packages: keeping the 300 packages of one push then changes 300
pages all over the file, more than all else that a push does together. The numbers as they are take
1 kB, written at its end; who asks for a package (a person, or an import of advisories) reads them
one after another, 12 MB and a tenth of a second for ten thousand repositories.

A content is written with the push that names it. Packages that nobody had before come first where
they are many, in small steps: a push of a hundred thousand does not hold the writer.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, delete, func, insert, literal, select, text

from haechi.errors import StoreBusy
from haechi.store.state.bulk import next_number, parts
from haechi.store.state.dependency_tables import bill, bill_body, bill_packages, package
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import to_json

ADDED = 500
"""Packages that are new to the store, in one transaction."""
_ROWS = 500
Key = tuple[str, str, str]
"""Ecosystem, name, version."""
_KNOWN = text(
    "SELECT k.key, p.n FROM json_each(:keys) AS k CROSS JOIN package AS p"
    " WHERE p.ecosystem = json_extract(k.value, '$[0]')"
    " AND p.name = json_extract(k.value, '$[1]') AND p.version = json_extract(k.value, '$[2]')"
)
"""One statement for a thousand triples; a list of them would be compiled anew each time."""
_ASKED = 1_000
b, y, k, p = bill.c, bill_body.c, bill_packages.c, package.c


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a bill holds, packed. ``keys`` are its packages, each once."""

    body: bytes
    files: int
    packages: int
    ecosystems: dict[str, int]
    formats: tuple[str, ...]
    keys: Sequence[Key]

    @property
    def digest(self) -> str:
        """By which equal contents are one."""
        return hashlib.blake2b(self.body, digest_size=20).hexdigest()


class Prepared:
    """A content that is ready to be written with the bill that names it."""

    def __init__(
        self,
        content: Content,
        numbers: Mapping[Key, int],
        new: Sequence[Key],
        is_late: Callable[[], bool],
    ) -> None:
        self._content = content
        self._digest = content.digest
        self._numbers = numbers
        self._new = new
        self._is_late = is_late

    def write(self, connection: Connection) -> int:
        """Its number, also where it stands already. Raises StoreBusy when packages were tidied
        away since it was prepared, perhaps one of these."""
        known = _number(connection, self._digest)
        if known is not None:
            return known
        if self._is_late():
            raise StoreBusy("packages were tidied away in between", do="push again")
        numbers = {**self._numbers, **_added(connection, self._new)} if self._new else self._numbers
        return _inserted(connection, self._content, self._digest, numbers)


class Contents:
    """Prepares contents, and takes away what nobody names."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unused: frozenset[int] = frozenset()
        self._tidied = 0

    def prepare(self, content: Content) -> Prepared:
        """What can be done before the transaction that names it."""
        tidied = self._tidied
        numbers: dict[Key, int] = {}
        last: list[Key] = []
        with self._database.read() as connection:
            known = _number(connection, content.digest)
            if known is None:
                numbers = _known(connection, content.keys)
        if known is None:
            for some in parts((key for key in content.keys if key not in numbers), ADDED):
                numbers.update(self._add(last))
                last = some
        return Prepared(content, numbers, last, lambda: self._tidied != tidied)

    def _add(self, keys: Sequence[Key]) -> dict[Key, int]:
        if not keys:
            return {}
        return self._database.write(lambda transaction: _added(transaction.connection, keys))

    def tidy(self) -> int:
        """Contents that no bill names, now and at the last tidying; how many went."""
        named = select(literal(1)).where(b.body == y.n).exists()
        with self._database.read() as connection:
            unused = frozenset(connection.execute(select(y.n).where(~named)).scalars())
        gone = sorted(self._unused & unused)
        for one in gone:
            forget = delete(bill_body).where(y.n == one, ~named)
            self._database.write(lambda t, forget=forget: t.connection.execute(forget).rowcount)  # type: ignore[misc]
        self._unused = unused - frozenset(gone)
        if gone:
            self._forget_packages()
        return len(gone)

    def _forget_packages(self) -> None:
        """Those that no content holds, in small steps, until a new content comes."""
        with self._database.read() as connection:
            newest = _newest(connection)
            unused = set(connection.execute(select(p.n)).scalars())
            for rows in connection.execute(select(k.packages)).partitions(_ROWS):
                for (held,) in rows:
                    unused.difference_update(unpacked(held))

        def forget(transaction: Transaction, numbers: Sequence[int]) -> bool:
            if _newest(transaction.connection) != newest:
                return False
            self._tidied += 1
            transaction.connection.execute(delete(package).where(p.n.in_(numbers)))
            return True

        for some in parts(sorted(unused), ADDED):
            if not self._database.write(lambda t, some=some: forget(t, some)):  # type: ignore[misc]
                return


def _number(connection: Connection, digest: str) -> int | None:
    number: int | None = connection.execute(select(y.n).where(y.digest == digest)).scalar()
    return number


def _known(connection: Connection, keys: Sequence[Key]) -> dict[Key, int]:
    """Numbers of those that the store has."""
    found: dict[Key, int] = {}
    for some in parts(keys, _ASKED):
        rows = connection.execute(_KNOWN, {"keys": to_json(some)})
        found.update((some[place], number) for place, number in rows)
    return found


def _added(connection: Connection, keys: Sequence[Key]) -> dict[Key, int]:
    """Numbers of these packages, which nobody had a moment ago."""
    numbers = _known(connection, keys)
    missing = [key for key in keys if key not in numbers]
    if missing:
        first = next_number(connection, package)
        numbers.update((key, first + place) for place, key in enumerate(missing))
        names = ("n", "ecosystem", "name", "version")
        rows = [dict(zip(names, (numbers[key], *key), strict=True)) for key in missing]
        connection.execute(insert(package), rows)
    return numbers


def _inserted(
    connection: Connection, content: Content, digest: str, numbers: Mapping[Key, int]
) -> int:
    number = next_number(connection, bill_body)
    row = {
        "n": number,
        "digest": digest,
        "files": content.files,
        "packages": content.packages,
        "ecosystems": to_json(content.ecosystems),
        "formats": to_json(list(content.formats)),
        "body": content.body,
    }
    connection.execute(insert(bill_body), row)
    held = packed(numbers[key] for key in content.keys)
    connection.execute(insert(bill_packages), {"body": number, "packages": held})
    return number


def _newest(connection: Connection) -> int:
    return int(connection.execute(select(func.max(y.n))).scalar() or 0)


def packed(numbers: Iterable[int]) -> bytes:
    """Numbers of packages, four bytes each, in order."""
    held = array("I", sorted(numbers))
    if sys.byteorder == "big":
        held.byteswap()
    return held.tobytes()


def unpacked(held: bytes) -> array[int]:
    """What ``packed`` packed."""
    numbers = array("I", held)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
