"""The guide's words, followed with Python's own library: somebody else can verify a log."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from haechi.store.audit.verify_report import Kind
from tests.store.audit.logs import entry, filled

GUIDE = Path(__file__).parents[3] / "docs/guide/audit-log.md"


def test_every_fault_and_warning_is_in_the_guide() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert [kind for kind in Kind if f"`{kind}`" not in text] == []


def read_records(path: Path) -> Iterator[bytes]:
    data, at = path.read_bytes(), 32
    assert data[:8] == b"HAECHIA1"
    assert struct.unpack_from("<I", data, 28)[0] == zlib.crc32(data[:28])
    while at < len(data):
        mark, _, _, count, length, crc = struct.unpack_from("<4sQQIII", data, at)
        assert mark == b"\x1eHF\x01"
        assert crc == zlib.crc32(data[at : at + 28])
        at += 32
        end = at + length
        for _ in range(count):
            size, crc = struct.unpack_from("<II", data, at)
            record = data[at + 8 : at + 8 + size]
            assert crc == zlib.crc32(record)
            yield record
            at += 8 + size
        assert at == end


def root(records: list[bytes]) -> bytes:
    if len(records) < 2:
        return hashlib.sha256(b"".join(b"\0" + one for one in records)).digest()
    k = 1 << ((len(records) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root(records[:k]) + root(records[k:])).digest()


def check(envelope: dict[str, Any], key: dict[str, str]) -> None:
    ed, ml = (base64.b64decode(key[name]) for name in ("ed25519", "ml-dsa-65"))
    name = hashlib.sha256(b"haechi hybrid key v1\n" + ed + ml).hexdigest()
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    pae = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    given = {one["keyid"]: base64.b64decode(one["sig"]) for one in envelope["signatures"]}

    def signed(algorithm: str) -> bytes:
        parts = (algorithm, "ed25519+ml-dsa-65", name, "haechi audit log")
        framed = b"".join(len(part).to_bytes(8, "big") + part.encode() for part in parts)
        return b"haechi hybrid signature v1\n" + framed + pae

    Ed25519PublicKey.from_public_bytes(ed).verify(given[f"{name}:ed25519"], signed("ed25519"))
    MLDSA65PublicKey.from_public_bytes(ml).verify(
        given[f"{name}:ml-dsa-65"], signed("ml-dsa-65"), b"haechi audit log"
    )


def test_a_verifier_written_from_the_guide_accepts_a_log(tmp_path: Path) -> None:
    log = filled(tmp_path, 300, 7)
    log.rotate(by="user:ana")
    log.append([entry(308, private={"name": "안녕"})])
    anchor = log.anchor()
    log.close()
    audit = tmp_path / "audit"
    records = list(read_records(audit / "segment-00000000.log"))
    assert [json.loads(one)["seq"] for one in records] == list(range(309))
    key: dict[str, str] = {}
    previous, sizes = "", []
    for counter, line in enumerate((audit / "heads.log").read_text().splitlines()):
        envelope = json.loads(line)
        link = json.loads(base64.b64decode(envelope["payload"]))
        key = key or link["new"]
        check(envelope, key)
        if "old" in link:
            assert link["old"] == key
            check(envelope, link["new"])
            key = link["new"]
        assert (link["counter"], link["previous"]) == (counter, previous)
        assert link["algorithms"] == ["ed25519", "ml-dsa-65"]
        assert link["root"] == root(records[: link["size"]]).hex()
        previous = hashlib.sha256(base64.b64decode(envelope["payload"])).hexdigest()
        sizes.append(link["size"])
    assert sizes == [0, 300, 307, 307, 308, 309]
    assert base64.b64decode(key["ed25519"]) == anchor.key.ed25519


def test_private_values_lie_as_the_guide_says(tmp_path: Path) -> None:
    log = filled(tmp_path, 2)
    log.append([entry(2, private={"name": "안녕"})])
    log.close()
    data = (tmp_path / "audit" / "private" / "private-00000000.log").read_bytes()
    seq, name_length, length, crc = struct.unpack_from("<QHII", data)
    name = data[18 : 18 + name_length]
    assert (seq, name, crc) == (2, b"name", zlib.crc32(data[:14] + name))
    state, salt = data[18 + name_length], data[19 + name_length : 35 + name_length]
    value = data[35 + name_length :]
    assert (state, value, len(value)) == (1, "안녕".encode(), length)
    record = json.loads(list(read_records(tmp_path / "audit" / "segment-00000000.log"))[2])
    told = hashlib.sha256(
        b"haechi private v1\n" + salt + len(name).to_bytes(8, "big") + name + value
    )
    assert record["private"] == {"name": told.hexdigest()}
