"""Whatever bytes lie in a file, the readers say so and end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi.engines.canonical import canonical
from haechi.errors import AuditError
from haechi.store.audit import frames, index, keys, links, private, proofs
from haechi.store.audit.entries import Secret, draft, stored
from haechi.store.audit.tip import Line, Place
from haechi.store.audit.verify import read_seen, verify
from haechi.store.audit.verify_report import Result
from tests.store.audit.logs import entry, filled, opened, segment

BYTES = st.binary(max_size=200)
TEXT = st.text(max_size=20)


@given(BYTES, st.integers(0, 50))
def test_any_bytes_are_a_frame_or_damaged(data: bytes, offset: int) -> None:
    for read in (
        lambda: frames.read_segment_header(data),
        lambda: list(frames.records(data, frames.read_frame(data, offset))),
    ):
        try:
            read()
        except frames.Damaged as fault:
            assert fault.offset >= 0


@given(st.lists(BYTES, min_size=1, max_size=5), st.integers(0, 2**40), st.data())
def test_frames_read_back_and_no_changed_bit_passes(
    content: list[bytes], first: int, data: st.DataObject
) -> None:
    body = b"".join(frames.record_header(one) + one for one in content)
    raw = frames.frame_header(first, first, len(content), len(body)) + body
    frame = frames.read_frame(raw, 0)
    assert (frame.first, frame.count, frame.end) == (first, len(content), len(raw))
    assert list(frames.records(raw, frame)) == content
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    spoilt = bytearray(raw)
    spoilt[bit // 8] ^= 1 << bit % 8
    with pytest.raises(frames.Damaged):
        list(frames.records(bytes(spoilt), frames.read_frame(bytes(spoilt), 0)))


@given(BYTES)
def test_any_bytes_are_a_statement_or_refused(data: bytes) -> None:
    for read in (links.read, proofs.read, read_seen, stored):
        with pytest.raises(AuditError):
            read(data)


@given(BYTES)
def test_any_bytes_are_private_values_or_end(data: bytes) -> None:
    assert all(kept.end <= len(data) for kept in private.decode(data))
    assert index.decode(data) is None


@given(st.integers(0, 2**60), TEXT, TEXT)
def test_private_values_read_back(seq: int, name: str, value: str) -> None:
    raw = private.encode(seq, Secret(name, bytes(16), value))
    (kept,) = private.decode(raw)
    assert (kept.seq, kept.name, kept.end) == (seq, name, len(raw))
    assert kept.secret == Secret(name, bytes(16), value)


@given(st.integers(0, 9), st.integers(0, 2**50), st.integers(-(2**40), 2**40))
def test_lines_of_the_index_read_back(number: int, offset: int, second: int) -> None:
    line = Line(Place(number, offset, offset), second, second, bytes(range(32)))
    assert index.decode(index.encode(line)) == line


@given(st.dictionaries(TEXT, st.none() | TEXT | st.floats(allow_nan=False) | st.integers(0, 9)))
def test_entries_read_back(detail: dict[str, object]) -> None:
    if any(value in (float("inf"), float("-inf")) for value in detail.values()):
        with pytest.raises(AuditError):
            draft(entry(0, detail=detail))
        return
    found = stored(draft(entry(0, detail=detail)).record(7))
    assert (found.seq, canonical(found.detail)) == (7, canonical(detail))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    log = filled(folder, 40, 30)
    keys_path = folder / "anchor.json"
    keys_path.write_text(keys.anchor_text(log.anchor()))
    log.close()
    yield folder


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["segment-00000000.log", "heads.log"]))
def test_no_change_to_the_files_is_verified(
    store: Path, tmp_path: Path, data: st.DataObject, name: str
) -> None:
    """Any stretch replaced by anything: failed, unless only an unfinished end was added."""
    audit = tmp_path / "audit"
    shutil.rmtree(audit, ignore_errors=True)
    shutil.copytree(store / "audit", audit)
    raw = (audit / name).read_bytes()
    start = data.draw(st.integers(0, len(raw) - 1))
    stop = data.draw(st.integers(start, min(len(raw), start + 300)))
    new = data.draw(st.binary(max_size=100))
    (audit / name).write_bytes(raw[:start] + new + raw[stop:])
    report = verify(audit, anchor=keys.read_anchor(store / "anchor.json"))
    if raw[:start] + new + raw[stop:] == raw:
        assert report.result is Result.VERIFIED
    elif name == "heads.log" and len(raw) - start < 5000:
        # the newest head cut off: its records are unsigned, which is told
        assert report.faults or report.warnings
    else:
        assert report.result is Result.FAILED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no anchor"),
        ("{}", "no anchor"),
        ('{"log": "x", "key": {"ed25519": "AA==", "ml-dsa-65": "AA=="}}', "no anchor"),
        ("[" * 5000, "no anchor"),
    ],
)
def test_an_anchor_is_one_or_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "anchor").write_text(text)
    with pytest.raises(AuditError, match=said):
        keys.read_anchor(tmp_path / "anchor")
    with pytest.raises(AuditError, match="cannot be read"):
        keys.read_anchor(tmp_path / "none")


def test_an_anchor_must_have_the_id_of_its_key(tmp_path: Path) -> None:
    log = opened(tmp_path)
    text = keys.anchor_text(log.anchor())
    log.close()
    (tmp_path / "anchor").write_text(text.replace(log.anchor().id[:8], "00000000"))
    with pytest.raises(AuditError):
        keys.read_anchor(tmp_path / "anchor")
    assert segment(tmp_path).parent.is_dir()
