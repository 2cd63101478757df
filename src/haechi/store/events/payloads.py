"""Payloads, compressed one by one against a dictionary that the store trains itself.

An event alone compresses badly; with a dictionary of what its like have in common it takes a
fifth. The dictionary is trained from the first few thousand events and again when what comes in
has become so different that the ratio suffers. Every version is kept, since rows refer to it;
version 0 is plain zstd.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from typing import cast

import zstandard

from haechi.errors import StoreError
from haechi.store.events.shapes import Options

LARGEST = 1 << 20
"""No payload decompresses to more; events are far smaller."""
_Bytes = bytes | bytearray | memoryview
_WORSE = 1.35
_SAMPLE = 3_000


class Dictionaries:
    """All versions for reading. Thread-safe: decompressors are kept per thread."""

    def __init__(self) -> None:
        self._data: dict[int, zstandard.ZstdCompressionDict | None] = {0: None}
        self._local = threading.local()

    def add(self, version: int, data: bytes) -> zstandard.ZstdCompressionDict:
        found = zstandard.ZstdCompressionDict(data)
        self._data[version] = found
        return found

    def load(self, connection: sqlite3.Connection) -> int:
        """Read those that are new; the newest version."""
        query = "SELECT version, data FROM dictionary WHERE version > ? ORDER BY version"
        for version, data in connection.execute(query, (max(self._data),)).fetchall():
            self.add(version, data)
        return max(self._data)

    def decompress(self, version: int, payload: bytes) -> bytes:
        """The payload as it was. StoreError when it is damaged."""
        tools: dict[int, zstandard.ZstdDecompressor] | None
        tools = getattr(self._local, "tools", None)
        if tools is None:
            tools = self._local.tools = {}
        tool = tools.get(version)
        try:
            if tool is None:
                tool = tools[version] = zstandard.ZstdDecompressor(dict_data=self._data[version])
            return tool.decompress(payload, max_output_size=LARGEST)
        except (zstandard.ZstdError, KeyError) as error:
            raise StoreError("an event's payload is damaged", why=str(error)) from error


class Press:
    """The writer's side: compresses with the newest version and decides when to train anew."""

    def __init__(self, dictionaries: Dictionaries, options: Options) -> None:
        self._all, self._options = dictionaries, options
        self._sample: list[bytes] = []
        self._raw = self._packed = 0
        self.version = 0
        self.ratio = 0.0
        """Of the newest version when it was trained."""
        self.now = 0.0
        """Of what came in lately."""
        self._tool = self._make(None)

    def load(self, connection: sqlite3.Connection) -> None:
        """Use the newest version of the file."""
        self.version = self._all.load(connection)
        query = "SELECT ratio, data FROM dictionary WHERE version = ?"
        for ratio, data in connection.execute(query, (self.version,)):
            self.ratio = ratio
            self._tool = self._make(zstandard.ZstdCompressionDict(data))

    def _make(self, trained: zstandard.ZstdCompressionDict | None) -> zstandard.ZstdCompressor:
        if trained is not None:
            trained.precompute_compress(level=self._options.level)
        return zstandard.ZstdCompressor(
            level=self._options.level, dict_data=trained, write_dict_id=False
        )

    def press(self, payloads: Sequence[bytes]) -> Sequence[zstandard.BufferSegment]:
        """Compress, outside of Python's lock."""
        if not payloads:
            return ()
        packed = self._tool.multi_compress_to_buffer(cast(list[_Bytes], list(payloads)))
        raw, size = sum(map(len, payloads)), packed.size()
        self._raw += raw
        self._packed += size
        if self._raw > 4 << 20:
            self.now = self._raw / max(1, self._packed)
            self._raw //= 2
            self._packed //= 2
        self._keep(payloads)
        return cast(Sequence[zstandard.BufferSegment], packed)

    def _keep(self, payloads: Sequence[bytes]) -> None:
        """A sample of what came in lately, small ones only: large ones need no dictionary."""
        step = 1 if self.version == 0 else 16
        self._sample.extend(one for one in payloads[::step] if len(one) <= 4096)
        if len(self._sample) > 2 * _SAMPLE:
            del self._sample[:-_SAMPLE]

    @property
    def due(self) -> bool:
        """True when a dictionary should be trained now."""
        if len(self._sample) < self._options.dictionary_after:
            return False
        return self.version == 0 or (self.now > 0 and self.now * _WORSE < self.ratio)

    def train(self, connection: sqlite3.Connection, now_ns: int) -> None:
        """Train the next version and use it from here on; inside of a transaction."""
        sample = self._sample[-_SAMPLE:]
        self._sample = []
        try:
            trained = zstandard.train_dictionary(
                self._options.dictionary_bytes, cast(list[_Bytes], sample)
            )
        except zstandard.ZstdError:
            return  # too alike or too little for one; tried again with other events
        version = self.version + 1
        tool = self._make(trained)
        packed = tool.multi_compress_to_buffer(cast(list[_Bytes], sample))
        ratio = sum(map(len, sample)) / max(1, packed.size())
        connection.execute(
            "INSERT INTO dictionary VALUES (?, ?, ?, ?, ?)",
            (version, now_ns, len(sample), ratio, trained.as_bytes()),
        )
        self._all.add(version, trained.as_bytes())
        self.version, self.ratio, self.now, self._tool = version, ratio, 0.0, tool
        self._raw = self._packed = 0
