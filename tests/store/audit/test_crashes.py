"""A process that dies loses nothing that was acknowledged; damage is never mended in silence."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import AuditError
from haechi.store.audit import segments
from haechi.store.audit.frames import SEGMENT_BYTES, frame_header, record_header
from haechi.store.audit.log import AuditLog
from haechi.store.audit.verify import verify
from haechi.store.audit.verify_report import Result
from tests.store.audit.logs import entry, filled, heads, opened, segment


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="haechi-audit-") as name:
        yield Path(name)


def abandon(log: AuditLog) -> None:
    """What the kernel does when a process dies: files are closed, nothing is signed."""
    log._signer.stop()
    log._close_files()


def rows(log: AuditLog) -> list[tuple[int, str, dict[str, str | None]]]:
    return [(row.seq, row.object, row.private) for row in log.rows(limit=10**6)]


@settings(max_examples=12)
@given(data=st.data())
def test_acknowledged_records_survive_any_torn_write(data: st.DataObject) -> None:
    """Batches, heads, crashes in the middle of a write: reopened, the log has what it said."""
    acknowledged: list[tuple[int, str, dict[str, str | None]]] = []
    with folder() as store:
        log = opened(store)
        anchor = log.anchor()
        for _ in range(data.draw(st.integers(1, 5))):
            count = data.draw(st.sampled_from([1, 2, 7, 255, 256, 300]))
            first = log.size
            texts = [{"p": f"v{n}"} if n % 5 == 0 else {} for n in range(first, first + count)]
            log.append([entry(n, private=text) for n, text in enumerate(texts, first)])
            acknowledged += [(n, f"f-{n}", {**text}) for n, text in enumerate(texts, first)]
            if data.draw(st.booleans()):
                log.sign()
            if data.draw(st.booleans()):
                before = {path: path.read_bytes() for path in (store / "audit").rglob("*.log")}
                log.append([entry(n, private={"p": "lost"}) for n in range(log.size, log.size + 9)])
                abandon(log)
                torn = _tear(store, before, data)
                log = opened(store)
                kept = rows(log)
                assert kept[: len(acknowledged)] == acknowledged
                assert log.torn > 0 or not torn or len(kept) == len(acknowledged)
                acknowledged = kept
        assert rows(log) == acknowledged
        log.close()
        report = verify(store / "audit", anchor=anchor)
        assert (report.result, report.faults) == (Result.VERIFIED, [])
        assert report.vouched == report.records == len(acknowledged)


def _tear(store: Path, before: dict[Path, bytes], data: st.DataObject) -> bool:
    """Leave of the last write what a crash may leave: a part, or the right length with zeros.
    Private values come to the disk first."""
    whole = data.draw(st.booleans())
    for path in sorted((store / "audit").rglob("*.log"), key=lambda path: path.name):
        old, new = before.get(path, b""), path.read_bytes()
        if path.name in ("heads.log", "keys.log") or old == new:
            continue
        if path.name.startswith("private"):
            keep = len(new) if whole else data.draw(st.integers(len(old), len(new)))
        else:
            keep = data.draw(st.integers(len(old), len(new) - 1)) if whole else len(old)
        zeros = len(new) - keep if data.draw(st.booleans()) else 0
        path.write_bytes(new[:keep] + bytes(zeros))
    return whole


@pytest.mark.parametrize("cut", [1, 20, 35, 150])
def test_a_torn_end_is_cut_and_said(tmp_path: Path, cut: int) -> None:
    log = filled(tmp_path, 5)
    size = segment(tmp_path).stat().st_size
    log.append([entry(5)])
    abandon(log)
    path = segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    torn = path.stat().st_size - size
    again = opened(tmp_path)
    assert (again.size, again.torn) == (5, torn)
    assert path.stat().st_size == size
    again.append([entry(5)])
    again.close()


def test_a_segment_of_which_only_the_name_came_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_LIMIT", 500)
    log = filled(tmp_path, 5)
    anchor = log.anchor()
    log.close()
    for content in (b"", b"HAEC", bytes(SEGMENT_BYTES)):
        segment(tmp_path, 1).write_bytes(content)
        again = opened(tmp_path)
        assert again.size == 5
        again.close()
        assert not segment(tmp_path, 1).exists()
    again = opened(tmp_path)
    again.append([entry(5)])
    again.close()
    assert segment(tmp_path, 1).exists()
    assert verify(tmp_path / "audit", anchor=anchor).result is Result.VERIFIED


def test_a_log_that_died_before_its_first_record(tmp_path: Path) -> None:
    abandon(opened(tmp_path))
    segment(tmp_path).write_bytes(b"HA")
    again = opened(tmp_path)
    assert again.append([entry(0)]) == range(1)
    again.close()


def test_a_torn_head_is_cut_and_signed_again(tmp_path: Path) -> None:
    log = filled(tmp_path, 5)
    log.append([entry(5)])
    abandon(log)
    path = tmp_path / "audit" / "heads.log"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:500])
    again = opened(tmp_path)
    assert again.torn == 500
    again.close()
    assert len(heads(tmp_path)) == 3


@pytest.mark.parametrize(
    ("where", "said"),
    [("signed", "were signed"), ("middle", "is damaged"), ("header", "header of the segment")],
)
def test_damage_to_what_was_acknowledged_is_an_error(tmp_path: Path, where: str, said: str) -> None:
    log = filled(tmp_path, 300)
    if where == "middle":
        log.append([entry(300)])
        log.append([entry(301)])
    abandon(log)
    path = segment(tmp_path)
    data = bytearray(path.read_bytes())
    needle = b'"object":"f-300"' if where == "middle" else b'"object":"f-299"'
    data[10 if where == "header" else data.index(needle) + 12] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(AuditError) as caught:
        opened(tmp_path)
    assert said in caught.value.explain()
    assert path.read_bytes() == bytes(data), "nothing is changed"


def test_frames_of_one_torn_group_are_no_damage(tmp_path: Path) -> None:
    """Pages of one write may come to the disk in any order: the second frame without the first."""
    log = filled(tmp_path, 250)
    size = segment(tmp_path).stat().st_size
    log.append([entry(n) for n in range(250, 270)])
    abandon(log)
    path = segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[size + 40] ^= 1
    path.write_bytes(bytes(data))
    again = opened(tmp_path)
    assert (again.size, again.torn) == (250, len(data) - size)
    again.close()


def test_text_that_looks_like_a_frame_is_text(tmp_path: Path) -> None:
    """A torn record that quotes a frame of a later group does not pass for one."""
    log = filled(tmp_path, 1)
    record = b'{"x":1}'
    body = record_header(record) + record
    fake = (frame_header(9, 9, 1, len(body)) + body).decode("latin-1")
    log.append([entry(1, detail={"fake": fake})])
    abandon(log)
    path = segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    again = opened(tmp_path)
    assert again.size == 1
    again.close()


def test_missing_private_values_of_the_newest_records_are_damage(tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    log.append([entry(3, private={"name": "ana"})])
    log.close()
    shutil.rmtree(tmp_path / "audit" / "private")
    with pytest.raises(AuditError, match="private value 'name' of record 3"):
        opened(tmp_path)


def test_what_a_dead_rotation_left_is_cleared(tmp_path: Path) -> None:
    """Killed after the new key signed: the old key is still there, and the new one counts."""
    log = filled(tmp_path, 3)
    old = {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    log.rotate(by="user:ana")
    log.close()
    chain = (tmp_path / "audit" / "heads.log").read_bytes().splitlines(keepends=True)
    rotation = next(n for n, line in enumerate(chain) if b"rotation" in line)
    (tmp_path / "audit" / "heads.log").write_bytes(b"".join(chain[: rotation + 1]))
    (tmp_path / "audit" / "keys.log").unlink()
    for path, data in old.items():
        path.write_bytes(data)
        path.chmod(0o600)
    again = opened(tmp_path)
    again.append([entry(4)])
    key = again.anchor().key.id
    proof = again.prove(4)
    again.close()
    assert [path.stem for path in (tmp_path / "keys").iterdir()] == [f"audit-{key[:32]}"]
    assert len(json.loads(json.dumps(proof))["keys"]) == 2
