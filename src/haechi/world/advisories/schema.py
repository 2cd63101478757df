"""The file: its tables, how it is known, and how it is known to be whole.

The header's application id names the format and its version. The header's user version holds a
CRC-32 of the whole file (with those four bytes as zero), set after everything else: one bit that
flips in a sort key would otherwise make a vulnerable version look clean without any error. It is
against damage, not against forgery: the file is its owner's alone.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import zlib
from pathlib import Path
from urllib.parse import quote

from haechi.errors import NotFound, StoreError

FORMAT = 1
_MARK = b"HAd"
_MAGIC = b"SQLite format 3\0"
_SUM_AT, _MARK_AT = 60, 68
_CHUNK = 1 << 20
_AGAIN = "remove the file and run `haechi db import` again"

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE dictionaries (dictionary INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE sources (
  source TEXT PRIMARY KEY, place TEXT NOT NULL, covers TEXT NOT NULL, imported REAL NOT NULL,
  newest REAL, sha256 TEXT NOT NULL, records INTEGER NOT NULL, withdrawn INTEGER NOT NULL,
  faults INTEGER NOT NULL, commit_ranges INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE records (
  record INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL, modified REAL NOT NULL,
  withdrawn INTEGER NOT NULL, malicious INTEGER NOT NULL, active INTEGER NOT NULL,
  vulnerability TEXT NOT NULL, rank INTEGER NOT NULL, mark BLOB NOT NULL,
  commit_ranges INTEGER NOT NULL, dictionary INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE UNIQUE INDEX records_by_id ON records (id, source);
CREATE INDEX records_by_vulnerability ON records (vulnerability);
CREATE TABLE aliases (record INTEGER NOT NULL, alias TEXT NOT NULL, PRIMARY KEY (record, alias))
  WITHOUT ROWID;
CREATE INDEX aliases_by_alias ON aliases (alias);
CREATE TABLE packages (
  package INTEGER PRIMARY KEY, ecosystem TEXT NOT NULL, name TEXT NOT NULL, mark BLOB,
  UNIQUE (ecosystem, name)
);
CREATE TABLE affected (
  package INTEGER NOT NULL, record INTEGER NOT NULL, position INTEGER NOT NULL,
  unsure INTEGER NOT NULL, distribution TEXT NOT NULL, source_package TEXT NOT NULL,
  module_stream TEXT NOT NULL, fix_state TEXT NOT NULL, extent BLOB NOT NULL,
  PRIMARY KEY (package, record, position)
) WITHOUT ROWID;
CREATE INDEX affected_by_record ON affected (record);
CREATE TABLE malicious (
  package INTEGER NOT NULL, record INTEGER NOT NULL, position INTEGER NOT NULL,
  unsure INTEGER NOT NULL, distribution TEXT NOT NULL, source_package TEXT NOT NULL,
  module_stream TEXT NOT NULL, fix_state TEXT NOT NULL, extent BLOB NOT NULL,
  PRIMARY KEY (package, record, position)
) WITHOUT ROWID;
CREATE INDEX malicious_by_record ON malicious (record);
CREATE TABLE generations (
  generation INTEGER PRIMARY KEY, made REAL NOT NULL, changed INTEGER NOT NULL
);
CREATE TABLE changes (
  generation INTEGER NOT NULL, ecosystem TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (generation, ecosystem, name)
) WITHOUT ROWID;
CREATE TABLE risk_files (
  kind TEXT PRIMARY KEY, place TEXT NOT NULL, imported REAL NOT NULL, date TEXT,
  sha256 TEXT NOT NULL, records INTEGER NOT NULL, faults INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE epss (cve INTEGER PRIMARY KEY, score INTEGER NOT NULL, percentile INTEGER);
CREATE TABLE kev (cve INTEGER PRIMARY KEY, since TEXT NOT NULL, ransomware INTEGER NOT NULL);
"""
"""``malicious`` has the rows of MAL- records, so that the many of them lie apart from the few."""
BUNDLES = """
CREATE TABLE IF NOT EXISTS bundles (
  vulnerability TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (vulnerability, record)
) WITHOUT ROWID
"""
"""The further vulnerabilities of records that are about several. Younger than the format: a file
from before has none until the next import."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file or in memory."""
    number = int.from_bytes(_MARK + bytes([FORMAT]), "big")
    connection.executescript(f"PRAGMA application_id = {number};{TABLES}")
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        [("identity", os.urandom(16).hex()), ("generation", 0), ("oldest", 0)],
    )


def meta(connection: sqlite3.Connection, name: str) -> str:
    """What the file says of itself under a name; "" where it says nothing."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def connect(path: Path) -> sqlite3.Connection:
    """Open a whole database for reading. Raises NotFound, StoreError."""
    while True:
        inode = verify(path)
        uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("SELECT count(*) FROM meta").fetchone()
            if path.stat().st_ino == inode:
                return connection
        except FileNotFoundError:
            pass
        except sqlite3.Error as error:
            connection.close()
            raise damaged(path, str(error)) from error
        connection.close()


def verify(path: Path) -> int:
    """Read the file once and compare its sum; the number of its inode. Raises NotFound,
    StoreError."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_CHUNK)
            _known(path, head)
            stored = head[_SUM_AT : _SUM_AT + 4]
            total = zlib.crc32(head[:_SUM_AT] + b"\0\0\0\0" + head[_SUM_AT + 4 :])
            while chunk := stream.read(_CHUNK):
                total = zlib.crc32(chunk, total)
            if stored != struct.pack(">I", total):
                raise damaged(path, "its content is not what was written")
            return os.fstat(stream.fileno()).st_ino
    except FileNotFoundError:
        raise NotFound(
            f"no database of advisories: {path}", do="make one: haechi db import PyPI npm Go"
        ) from None
    except OSError as error:
        raise StoreError(
            f"the database of advisories cannot be read: {path}", why=error.strerror or ""
        ) from error


def _known(path: Path, head: bytes) -> None:
    if not head.startswith(_MAGIC) or len(head) < 100:
        raise StoreError(f"{path} is no database", do=_AGAIN)
    mark = head[_MARK_AT : _MARK_AT + 4]
    if mark[:3] != _MARK:
        raise StoreError(f"{path} is not a database of advisories", do="name another one")
    if mark[3] > FORMAT:
        raise StoreError(
            f"{path} was made by a newer haechi (format {mark[3]}, this one knows {FORMAT})",
            do="use that one, or name another file in HAECHI_DB",
        )
    if mark[3] < FORMAT:
        raise StoreError(f"{path} is of an older format ({mark[3]})", do=_AGAIN)


def seal(path: Path) -> None:
    """Write the sum into a finished, closed file, and all of it to the disk."""
    with path.open("r+b") as stream:
        stream.seek(_SUM_AT)
        stream.write(b"\0\0\0\0")
        stream.seek(0)
        total = 0
        while chunk := stream.read(_CHUNK):
            total = zlib.crc32(chunk, total)
        stream.seek(_SUM_AT)
        stream.write(struct.pack(">I", total))
        stream.flush()
        os.fsync(stream.fileno())


def damaged(path: Path, why: str) -> StoreError:
    """The error for a file that is not whole."""
    return StoreError(f"the database of advisories is damaged: {path}", why=why, do=_AGAIN)
