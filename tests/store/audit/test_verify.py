"""Attacks on real files: each must be named, with its place."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.engines import dsse
from haechi.engines.canonical import canonical
from haechi.engines.signing import PublicKey, SigningKey
from haechi.errors import AuditError
from haechi.store.audit import links, segments
from haechi.store.audit.keys import Anchor
from haechi.store.audit.offline import reading
from haechi.store.audit.rows import Ask
from haechi.store.audit.verify import Seen, read_seen, verify
from haechi.store.audit.verify_proof import verify_proof
from haechi.store.audit.verify_report import Kind, Note, Report, Result
from tests.store.audit.logs import (
    START,
    Clock,
    edit_heads,
    edit_records,
    entry,
    filled,
    heads,
    opened,
    raw_records,
    rewrite,
    segment,
)

COUNTS = (300, 10, 40)
"""Heads cover 300, 310 and 350 records, the rotation 350, the last head 360."""
ROTATION = 4
LAST = 6
THIEF = SigningKey.from_seeds(bytes([7]) * 32, bytes([7]) * 32)


@dataclass(frozen=True)
class Made:
    """A store with what a verifier keeps outside of it."""

    folder: Path
    anchor: Anchor
    witness: Path
    proof: dict[str, Any]

    @property
    def audit(self) -> Path:
        return self.folder / "audit"

    def report(self, **more: Any) -> Report:
        return verify(self.audit, **({"anchor": self.anchor} | more))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three heads, a rotation, more records, private values, one of them redacted."""
    home = tmp_path_factory.mktemp("original")
    clock = Clock(now=START + dt.timedelta(hours=1))
    log = filled(home / "store", *COUNTS, clock=clock)
    anchor = log.anchor()
    log.rotate(by="user:ana")
    secrets = [{"name": "ana"}, {"name": "kim"}]
    log.append([entry(351, at=clock(), private=private) for private in secrets])
    log.redact(352, "name", by="user:ana")
    log.append([entry(n, at=clock()) for n in range(354, 360)])
    proof = log.prove(20)
    log.use_witness(home / "witness.log")
    log.close()
    return Made(home / "store", anchor, home / "witness.log", proof)


@pytest.fixture
def made(original: Made, tmp_path: Path) -> Made:
    """A copy to be spoilt."""
    shutil.copytree(original.folder, tmp_path / "store")
    witness = Path(shutil.copy(original.witness, tmp_path / "witness.log"))
    return Made(tmp_path / "store", original.anchor, witness, original.proof)


def kinds(notes: list[Note]) -> set[str]:
    return {str(note.kind) for note in notes}


def test_the_original_is_verified(original: Made) -> None:
    report = original.report(witness=original.witness)
    assert (report.result, report.faults, report.warnings) == (Result.VERIFIED, [], [])
    assert (report.records, report.vouched, report.heads) == (360, 360, LAST + 1)
    assert report.root == links.read(canonical(heads(original.folder)[LAST])).link.root
    assert [(one.seq, one.name) for one in report.redacted] == [(352, "name")]


def test_without_an_anchor_it_can_only_be_incomplete(original: Made) -> None:
    report = original.report(anchor=None)
    assert (report.result, report.faults) == (Result.INCOMPLETE, [])
    assert kinds(report.warnings) == {Kind.NO_ANCHOR, Kind.NO_WITNESS}


def test_the_key_after_a_rotation_is_an_anchor_as_good(original: Made) -> None:
    log = opened(original.folder)
    later = log.anchor()
    log.close()
    assert later.key != original.anchor.key
    assert original.report(anchor=later, witness=original.witness).result is Result.VERIFIED


# --- records


def swap(items: list[Any], first: int, second: int) -> None:
    items[first], items[second] = items[second], items[first]


def altered(raw: bytes) -> bytes:
    return raw.replace(b'"actor":"user:u', b'"actor":"user:v')


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(bytes(data))


def place_of(made: Made, needle: bytes) -> int:
    return segment(made.folder).read_bytes().index(needle)


def change_plainly(made: Made) -> None:
    flip(segment(made.folder), place_of(made, b'"object":"f-42"') + 12)


def change_length(made: Made) -> None:
    """The length of record 42, so that nothing after it in its frame can be found."""
    flip(segment(made.folder), place_of(made, raw_records(segment(made.folder))[42]) - 6)


def change_skilfully(made: Made) -> None:
    edit_records(made.folder, lambda items: items.__setitem__(305, altered(items[305])))


def change_spelling(made: Made) -> None:
    """The same value with a space: not what was hashed, and not canonical."""
    edit_records(made.folder, lambda items: items.__setitem__(7, items[7].replace(b":", b": ", 1)))


def remove(made: Made) -> None:
    edit_records(made.folder, lambda items: items.pop(42))


def remove_and_renumber(made: Made) -> None:
    def change(items: list[bytes]) -> None:
        items.pop(42)
        for seq in range(42, len(items)):
            items[seq] = items[seq].replace(b'"seq":%d}' % (seq + 1), b'"seq":%d}' % seq)

    edit_records(made.folder, change)


def remove_without_care(made: Made) -> None:
    """Cut the bytes of a record out; frame and counts stay."""
    raw = raw_records(segment(made.folder))[42]
    at = place_of(made, raw) - 8
    data = segment(made.folder).read_bytes()
    segment(made.folder).write_bytes(data[:at] + data[at + 8 + len(raw) :])


def insert_twice(made: Made) -> None:
    edit_records(made.folder, lambda items: items.insert(42, items[41]))


def insert_new(made: Made) -> None:
    def change(items: list[bytes]) -> None:
        items.insert(42, altered(items[41]).replace(b'"seq":41}', b'"seq":42}'))

    edit_records(made.folder, change)


def reorder(made: Made) -> None:
    edit_records(made.folder, lambda items: swap(items, 41, 42))


def reorder_and_renumber(made: Made) -> None:
    def change(items: list[bytes]) -> None:
        swap(items, 41, 42)
        items[41] = items[41].replace(b'"seq":42}', b'"seq":41}')
        items[42] = items[42].replace(b'"seq":41}', b'"seq":42}')

    edit_records(made.folder, change)


def cut_records(made: Made) -> None:
    edit_records(made.folder, lambda items: items.__delitem__(slice(355, None)))


def tear_records(made: Made) -> None:
    path = segment(made.folder)
    path.write_bytes(path.read_bytes()[:-100])


def change_header(made: Made) -> None:
    flip(segment(made.folder), 9)


def drop_segment(made: Made) -> None:
    segment(made.folder).unlink()


def change_private(made: Made) -> None:
    path = made.audit / "private" / "private-00000000.log"
    path.write_bytes(path.read_bytes().replace(b"ana", b"eve"))


def drop_private(made: Made) -> None:
    (made.audit / "private" / "private-00000000.log").write_bytes(b"")


def erase_secretly(made: Made) -> None:
    path = made.audit / "private" / "private-00000000.log"
    data = path.read_bytes()
    at = data.index(b"ana") - 17
    path.write_bytes(data[:at] + bytes(20) + data[at + 20 :])


@pytest.mark.parametrize(
    ("attack", "kind", "seq"),
    [
        (change_plainly, Kind.RECORD_CHANGED, 42),
        (change_length, Kind.RECORD_CHANGED, None),
        (change_skilfully, Kind.RECORD_CHANGED, 300),
        (change_spelling, Kind.RECORD_CHANGED, 7),
        (remove, Kind.RECORD_REMOVED, 42),
        (remove_and_renumber, Kind.RECORD_CHANGED, 0),
        (remove_without_care, Kind.RECORD_REMOVED, 42),
        (insert_twice, Kind.RECORD_INSERTED, 41),
        (insert_new, Kind.RECORD_INSERTED, 42),
        (reorder, Kind.REORDERED, 41),
        (reorder_and_renumber, Kind.RECORD_CHANGED, 0),
        (cut_records, Kind.TRUNCATED, 355),
        (tear_records, Kind.TRUNCATED, None),
        (change_header, Kind.SEGMENT_CHANGED, None),
        (drop_segment, Kind.TRUNCATED, 0),
        (change_private, Kind.PRIVATE_CHANGED, 351),
        (drop_private, Kind.PRIVATE_REMOVED, 351),
        (erase_secretly, Kind.REDACTION, 351),
    ],
)
def test_attacks_on_records_are_named(
    made: Made, attack: Callable[[Made], None], kind: Kind, seq: int | None
) -> None:
    attack(made)
    report = made.report(witness=made.witness)
    assert report.result is Result.FAILED
    found = [note for note in report.faults if note.kind is kind]
    assert found, report.faults
    assert seq is None or seq in {note.seq for note in found}, report.faults


@pytest.mark.parametrize("attack", [change_plainly, reorder, insert_twice, remove])
def test_the_place_in_the_file_is_told(made: Made, attack: Callable[[Made], None]) -> None:
    attack(made)
    (first, *_) = made.report().faults
    assert first.file == "segment-00000000.log"
    assert first.offset is not None
    data = segment(made.folder).read_bytes()[first.offset + 8 :]
    assert data.startswith(b'{"action"')


def test_a_skilful_change_is_narrowed_to_between_two_heads(made: Made) -> None:
    change_skilfully(made)
    report = made.report()
    (fault,) = report.faults
    assert (fault.seq, fault.last) == (300, 309)
    assert report.vouched == 300, "what earlier heads cover still holds"


# --- heads


def wire(signed: links.Signed) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(dsse.encode(signed.envelope))
    return value


def resigned(envelope: dict[str, Any], signer: SigningKey, **changes: Any) -> dict[str, Any]:
    """A head that the thief signs, naming his key or whom he likes."""
    signed = links.read(canonical(envelope))
    link = msgspec.structs.replace(signed.link, **changes)
    return wire(links.sign(signed.kind, link, (signer,)))


def repaid(envelope: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Another payload under the old signatures."""
    payload = json.loads(base64.b64decode(envelope["payload"])) | changes
    return {**envelope, "payload": base64.b64encode(canonical(payload)).decode()}


def strip(algorithm: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(found: list[dict[str, Any]]) -> None:
        found[2]["signatures"] = [
            one for one in found[2]["signatures"] if not one["keyid"].endswith(algorithm)
        ]

    return change


def downgrade(found: list[dict[str, Any]]) -> None:
    found[2] = repaid(found[2], algorithms=["ed25519"])


def other_algorithm(found: list[dict[str, Any]]) -> None:
    one = found[2]["signatures"][1]
    one["keyid"] = one["keyid"].replace("ml-dsa-65", "none")


def swap_signatures(found: list[dict[str, Any]]) -> None:
    found[2]["signatures"], found[1]["signatures"] = found[1]["signatures"], found[2]["signatures"]


def crossed(found: list[dict[str, Any]]) -> None:
    """The two signatures of one head, each under the other's name."""
    first, second = found[2]["signatures"]
    first["sig"], second["sig"] = second["sig"], first["sig"]


def other_root(found: list[dict[str, Any]]) -> None:
    found[2] = repaid(found[2], root="00" * 32)


def by_the_thief(found: list[dict[str, Any]]) -> None:
    found[2] = resigned(found[2], THIEF, key=THIEF.public.id)


def by_the_thief_in_her_name(found: list[dict[str, Any]]) -> None:
    hers = found[2]["signatures"]
    found[2] = resigned(found[2], THIEF)
    for forged, real in zip(found[2]["signatures"], hers, strict=True):
        forged["keyid"] = real["keyid"]


def forge_rotation(found: list[dict[str, Any]]) -> None:
    """The thief names his key as the next; the old key's signatures he does not have."""
    signed = links.read(canonical(found[ROTATION]))
    link = msgspec.structs.replace(signed.link, new=THIEF.public)
    forged = wire(links.sign(links.Kind.ROTATION, link, (THIEF,)))
    forged["signatures"] += found[ROTATION]["signatures"][:2]
    found[ROTATION] = forged


def rotation_by_the_old_key_alone(found: list[dict[str, Any]]) -> None:
    del found[ROTATION]["signatures"][2:]


def drop_rotation(found: list[dict[str, Any]]) -> None:
    del found[ROTATION]


def drop_head(found: list[dict[str, Any]]) -> None:
    del found[2]


def swap_heads(found: list[dict[str, Any]]) -> None:
    swap(found, 2, 3)


def repeat_head(found: list[dict[str, Any]]) -> None:
    found.insert(2, found[2])


def drop_beginning(found: list[dict[str, Any]]) -> None:
    del found[0]


def garbage(found: list[dict[str, Any]]) -> None:
    found[2]["payload"] = "e30="


@pytest.mark.parametrize(
    ("attack", "kind"),
    [
        (strip("ml-dsa-65"), Kind.SIGNATURE_STRIPPED),
        (strip("ed25519"), Kind.SIGNATURE_STRIPPED),
        (downgrade, Kind.DOWNGRADE),
        (other_algorithm, Kind.DOWNGRADE),
        (swap_signatures, Kind.SIGNATURE_FORGED),
        (crossed, Kind.SIGNATURE_FORGED),
        (other_root, Kind.SIGNATURE_FORGED),
        (by_the_thief, Kind.KEY_SWAP),
        (by_the_thief_in_her_name, Kind.SIGNATURE_FORGED),
        (forge_rotation, Kind.ROTATION_FORGED),
        (rotation_by_the_old_key_alone, Kind.ROTATION_FORGED),
        (drop_rotation, Kind.KEY_SWAP),
        (drop_head, Kind.HEAD_CHAIN),
        (swap_heads, Kind.HEAD_CHAIN),
        (repeat_head, Kind.HEAD_CHAIN),
        (drop_beginning, Kind.HEAD_CHAIN),
        (garbage, Kind.HEAD_CHANGED),
    ],
)
def test_attacks_on_heads_are_named(
    made: Made, attack: Callable[[list[dict[str, Any]]], None], kind: Kind
) -> None:
    edit_heads(made.folder, attack)
    report = made.report(witness=made.witness)
    assert report.result is Result.FAILED
    assert kind in kinds(report.faults), report.faults
    places = [note.offset for note in report.faults if note.kind is kind]
    assert all(place is not None for place in places)


def test_heads_that_are_gone_are_told(made: Made) -> None:
    (made.audit / "heads.log").unlink()
    report = made.report()
    assert report.result is Result.FAILED
    assert Kind.HEADS_MISSING in kinds(report.faults)


# --- the whole log replaced, and cut


def replaced(made: Made) -> None:
    """A whole log of the thief's own, consistent in itself."""
    shutil.rmtree(made.folder)
    log = filled(made.folder, *COUNTS)
    log.close()


def test_a_log_by_another_key_is_a_key_swap(made: Made) -> None:
    replaced(made)
    report = made.report()
    assert report.result is Result.FAILED
    assert kinds(report.faults) == {Kind.KEY_SWAP}
    assert made.report(anchor=None).result is Result.INCOMPLETE, "nobody could tell"


def test_the_thief_cannot_pass_for_the_log_by_its_name(made: Made) -> None:
    """Same log id, another key: the beginning and all heads signed anew."""

    def change(found: list[dict[str, Any]]) -> None:
        previous = ""
        for place, envelope in enumerate(found):
            link = links.read(canonical(envelope)).link
            kind = links.Kind.HEAD if place else links.Kind.BEGIN
            link = msgspec.structs.replace(
                link,
                key=THIEF.public.id,
                previous=previous,
                new=None if place else THIEF.public,
                old=None,
            )
            signed = links.sign(kind, link, (THIEF,))
            previous, found[place] = signed.hash, wire(signed)

    edit_heads(made.folder, change)
    report = made.report()
    assert kinds(report.faults) == {Kind.KEY_SWAP}
    assert made.report(anchor=None).faults == []


def cut(made: Made) -> None:
    """Cut the log back to its second head, records and heads alike."""
    edit_heads(made.folder, lambda found: found.__delitem__(slice(3, None)))
    edit_records(made.folder, lambda items: items.__delitem__(slice(310, None)))


def test_a_cut_log_is_told_by_a_witness(made: Made) -> None:
    cut(made)
    report = made.report(witness=made.witness)
    assert report.result is Result.FAILED
    (fault,) = report.faults
    assert (fault.kind, fault.seq) == (Kind.TRUNCATED, 310)


@pytest.mark.parametrize("form", ["envelope", "api", "proof"])
def test_a_cut_log_is_told_by_a_head_seen_before(made: Made, form: str) -> None:
    link = links.read(canonical(heads(made.folder)[LAST])).link
    text = {
        "envelope": json.dumps(heads(made.folder)[LAST]),
        "api": json.dumps({"size": link.size, "root": link.root, "unsigned": 0}),
        "proof": json.dumps(made.proof),
    }[form]
    seen = read_seen(text.encode())
    assert made.report(seen=seen).result is Result.VERIFIED
    cut(made)
    report = made.report(seen=seen)
    assert kinds(report.faults) == {Kind.TRUNCATED}
    assert report.faults[0].seq == 310


def test_without_either_the_verifier_says_what_it_cannot_know(made: Made) -> None:
    cut(made)
    report = made.report()
    assert report.result is Result.VERIFIED
    assert kinds(report.warnings) == {Kind.NO_WITNESS}
    assert "cannot be noticed" in report.warnings[0].what


def test_a_head_of_another_history_is_told(made: Made) -> None:
    report = made.report(seen=Seen(size=200, root="ab" * 32))
    assert kinds(report.faults) == {Kind.SEEN_HEAD}


def test_a_history_that_forks_from_the_witness_is_told(made: Made) -> None:
    """The owner of the key cuts his log and goes on otherwise."""
    short = made.folder.parent / "short"
    log = filled(short, 5)
    log.use_witness(made.folder.parent / "w")
    keys = {path.name: path.read_bytes() for path in (short / "keys").iterdir()}
    log.close()
    saved = {path: path.read_bytes() for path in (short / "audit").iterdir() if path.is_file()}
    log = opened(short, witness=made.folder.parent / "w")
    log.append([entry(5)])
    anchor = log.anchor()
    log.close()
    for path, data in saved.items():
        path.write_bytes(data)
    assert keys
    log = opened(short)
    log.append([entry(6), entry(7)])
    log.close()
    report = verify(short / "audit", anchor=anchor, witness=made.folder.parent / "w")
    assert kinds(report.faults) == {Kind.WITNESS}


def test_a_witness_of_nonsense_proves_nothing_either_way(made: Made) -> None:
    made.witness.write_bytes(b"what is this\n")
    report = made.report(witness=made.witness)
    assert report.result is Result.INCOMPLETE
    assert Kind.WITNESS_UNREADABLE in kinds(report.warnings)
    forged = resigned(heads(made.folder)[LAST], THIEF, counter=LAST + 1, key=THIEF.public.id)
    made.witness.write_bytes(canonical(forged) + b"\n")
    assert made.report(witness=made.witness).result is Result.INCOMPLETE
    with pytest.raises(AuditError, match="witness cannot be read"):
        made.report(witness=made.witness.with_name("none"))


# --- what is no attack


def test_records_after_the_newest_head_are_counted(tmp_path: Path) -> None:
    log = filled(tmp_path, 5)
    log.append([entry(5), entry(6)])
    report = verify(tmp_path / "audit", anchor=log.anchor())
    log.close()
    assert report.result is Result.VERIFIED
    assert (report.records, report.vouched) == (7, 5)
    (note,) = [note for note in report.warnings if note.kind is Kind.UNSIGNED]
    assert "2 records" in note.what
    assert note.seq == 5


@pytest.mark.parametrize("name", ["segment-00000000.log", "heads.log"])
def test_an_unfinished_write_is_a_warning(made: Made, name: str) -> None:
    with (made.audit / name).open("ab") as stream:
        stream.write(b"\x1eHF\x01 half a frame")
    report = made.report(witness=made.witness)
    assert (report.result, kinds(report.warnings)) == (Result.VERIFIED, {Kind.TORN})


def test_a_copy_without_private_values_is_verified(made: Made) -> None:
    shutil.rmtree(made.audit / "private")
    report = made.report(witness=made.witness)
    assert (report.result, kinds(report.warnings)) == (Result.VERIFIED, {Kind.PRIVATE_ABSENT})


def test_the_index_is_not_asked(made: Made) -> None:
    (made.audit / "index.bin").write_bytes(b"\xff" * 999)
    (made.audit / "keys.log").unlink()
    assert made.report(witness=made.witness).result is Result.VERIFIED


def test_missing_segments_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_LIMIT", 20_000)
    log = opened(tmp_path)
    for start in range(0, 600, 50):
        log.append([entry(n) for n in range(start, start + 50)])
    anchor = log.anchor()
    log.close()
    paths = [segment(tmp_path, number) for number in range(4)]
    assert paths[3].exists()
    for path in paths[:3]:
        kept = path.read_bytes()
        first = json.loads(raw_records(path)[0])["seq"]
        path.unlink()
        report = verify(tmp_path / "audit", anchor=anchor)
        path.write_bytes(kept)
        gone = [note for note in report.faults if note.kind is Kind.SEGMENT_MISSING]
        assert [note.file for note in gone] == [path.name]
        assert first in {n.seq for n in report.faults if n.kind is Kind.RECORD_REMOVED}
    swapped = paths[1].read_bytes()
    paths[1].write_bytes(paths[2].read_bytes())
    paths[2].write_bytes(swapped)
    found = kinds(verify(tmp_path / "audit", anchor=anchor).faults)
    assert {Kind.SEGMENT_CHANGED, Kind.REORDERED} & found


def test_faults_are_bounded(made: Made) -> None:
    def change(items: list[bytes]) -> None:
        items[:] = items[::-1]

    edit_records(made.folder, change)
    report = made.report()
    assert len(report.faults) == 100
    assert report.untold > 0


# --- proofs


def test_a_proof_needs_only_the_anchor(original: Made) -> None:
    report, record = verify_proof(json.dumps(original.proof).encode(), anchor=original.anchor)
    assert report.result is Result.VERIFIED
    assert record is not None
    assert record["object"] == "f-20"
    without, _ = verify_proof(json.dumps(original.proof).encode(), anchor=None)
    assert without.result is Result.INCOMPLETE


def other_record(proof: dict[str, Any]) -> None:
    raw = altered(base64.b64decode(proof["record"]))
    proof["record"] = base64.b64encode(raw).decode()


def other_number(proof: dict[str, Any]) -> None:
    proof["seq"] += 1


def other_path(proof: dict[str, Any]) -> None:
    proof["path"][0] = "00" * 32


def no_hex(proof: dict[str, Any]) -> None:
    proof["path"][0] = "zz"


def stripped_head(proof: dict[str, Any]) -> None:
    del proof["head"]["signatures"][1]


def earlier_head(proof: dict[str, Any]) -> None:
    """A head by the key that was given up: a thief may have had it."""
    proof["head"] = resigned(proof["head"], THIEF, key=THIEF.public.id)


def no_keys(proof: dict[str, Any]) -> None:
    proof["keys"] = []


def only_first_key(proof: dict[str, Any]) -> None:
    del proof["keys"][1]


def keys_turned_round(proof: dict[str, Any]) -> None:
    proof["keys"].reverse()


def other_size(proof: dict[str, Any]) -> None:
    proof["size"] -= 1


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (other_record, Kind.PROOF),
        (other_number, Kind.PROOF),
        (other_path, Kind.PROOF),
        (no_hex, Kind.PROOF),
        (other_size, Kind.PROOF),
        (stripped_head, Kind.SIGNATURE_STRIPPED),
        (earlier_head, Kind.KEY_SWAP),
        (no_keys, Kind.KEY_SWAP),
        (only_first_key, Kind.KEY_SWAP),
        (keys_turned_round, Kind.ROTATION_FORGED),
    ],
)
def test_a_changed_proof_proves_nothing(
    original: Made, change: Callable[[dict[str, Any]], None], kind: Kind
) -> None:
    proof = json.loads(json.dumps(original.proof))
    change(proof)
    report, record = verify_proof(json.dumps(proof).encode(), anchor=original.anchor)
    assert report.result is Result.FAILED
    assert record is None
    assert kind in kinds(report.faults)


def test_a_proof_of_another_log_proves_nothing(original: Made, tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    report, _ = verify_proof(json.dumps(log.prove(1)).encode(), anchor=original.anchor)
    log.close()
    assert (report.result, kinds(report.faults)) == (Result.FAILED, {Kind.KEY_SWAP})


def test_rewriting_alone_is_no_attack(made: Made) -> None:
    """What the tests' attacker does besides changing: lengths, frames, checksums."""
    rewrite(segment(made.folder), raw_records(segment(made.folder)))
    assert made.report(witness=made.witness).result is Result.VERIFIED


def test_times_of_heads_are_times(made: Made) -> None:
    link = links.read(canonical(heads(made.folder)[LAST])).link
    assert link.time > dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert isinstance(made.anchor.key, PublicKey)


def test_a_log_that_goes_on_meanwhile_is_no_attack(tmp_path: Path) -> None:
    """Verified again and again while a thread writes, signs and fills segments."""
    log = filled(tmp_path / "store", 3)
    witness = tmp_path / "witness.log"
    log.use_witness(witness)
    anchor, stop = log.anchor(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            log.append([entry(n, private={"p": f"v{n}"}) for n in range(log.size, log.size + 40)])
            log.sign()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_LIMIT", 30_000)
        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(8):
                with reading(log.folder) as reader:
                    assert reader.page(Ask(newest_first=True), limit=1).items
            reports = [verify(log.folder, anchor=anchor, witness=witness) for _ in range(8)]
        finally:
            stop.set()
            thread.join()
            log.close()
    assert [report.faults for report in reports] == [[]] * 8
    assert {report.result for report in reports} == {Result.VERIFIED}
    assert reports[-1].records > reports[0].records


@pytest.mark.parametrize("name", ["segment-00000000.log", "heads.log"])
def test_a_pipe_in_the_place_of_a_file_is_told_not_waited_for(made: Made, name: str) -> None:
    (made.audit / name).unlink()
    os.mkfifo(made.audit / name)
    with pytest.raises(AuditError, match="not a file"):
        verify(made.audit, anchor=made.anchor)
