"""Archives that lie, hide, overlap or end early: refused or bounded, and their entries named."""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import InputError, LimitExceeded
from haechi.world.advisories import zips
from haechi.world.advisories.zips import Archive


def _made(path: Path, files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path


def _contents(path: Path, limit: int = 1 << 20) -> dict[str, bytes]:
    with Archive(path) as archive:
        return {entry.name: archive.read(entry, limit) for entry in archive.entries()}


@pytest.mark.parametrize(
    "how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"]
)
def test_reads_what_zipfile_writes(tmp_path: Path, how: int) -> None:
    files = {"a.json": b"{}" * 500, "sub/b.json": b"", "한글.json": b"x"}
    path = _made(tmp_path / "a.zip", files, how)
    assert _contents(path) == files
    with Archive(path) as archive:
        assert archive.count == 3


def test_reads_archives_of_more_than_65535_entries(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number in range(65_540):
            made.writestr(zipfile.ZipInfo(f"{number}"), b"")
    with Archive(path) as archive:
        assert archive.count == 65_540
        assert sum(1 for _ in archive.entries()) == 65_540


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99], ids=str)
def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    path = _made(tmp_path / "a.zip", {f"{n}.json": bytes(range(256)) for n in range(50)})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError):
        _contents(path)


def test_a_bomb_is_unpacked_no_further_than_the_limit(tmp_path: Path) -> None:
    path = _made(tmp_path / "a.zip", {"bomb.json": b"\0" * (8 << 20), "good.json": b"ok"})
    with Archive(path) as archive:
        bomb, good = archive.entries()
        with pytest.raises(LimitExceeded):
            archive.read(bomb, 1 << 20)
        assert archive.read(good, 1 << 20) == b"ok"


def test_a_size_that_is_a_lie_is_found_out(tmp_path: Path) -> None:
    path = _made(tmp_path / "a.zip", {"a.json": b"0123456789" * 30})
    data = bytearray(path.read_bytes())
    directory = data.rfind(b"PK\1\2")
    data[directory + 24 : directory + 28] = struct.pack("<L", 7)
    path.write_bytes(data)
    with pytest.raises(InputError, match="size or checksum"):
        _contents(path)


def test_overlapping_entries_are_refused(tmp_path: Path) -> None:
    """The directory names one entry's bytes many times over: 40 kB that become terabytes."""
    path = _made(
        tmp_path / "a.zip", {"a.json": bytes(zlib.crc32(b"%d" % n) & 255 for n in range(9000))}
    )
    data = path.read_bytes()
    start = data.rfind(b"PK\1\2")
    end = data.rfind(b"PK\5\6")
    entry, tail = data[start:end], bytearray(data[end:])
    tail[8:12] = struct.pack("<2H", 500, 500)
    tail[12:16] = struct.pack("<L", len(entry) * 500)
    path.write_bytes(data[:start] + entry * 500 + bytes(tail))
    with pytest.raises(InputError, match="overlap"):
        Archive(path)


def test_more_entries_or_a_larger_directory_than_the_limits_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _made(tmp_path / "a.zip", {f"{n}.json": b"" for n in range(30)})
    monkeypatch.setattr(zips, "MAX_ENTRIES", 20)
    with pytest.raises(LimitExceeded):
        Archive(path)
    monkeypatch.setattr(zips, "MAX_ENTRIES", 30)
    monkeypatch.setattr(zips, "MAX_DIRECTORY", 100)
    with pytest.raises(LimitExceeded):
        Archive(path)


def test_a_count_that_is_a_lie_does_not_unbound_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _made(tmp_path / "a.zip", {f"{n}.json": b"" for n in range(30)})
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\5\6")
    data[end + 8 : end + 12] = struct.pack("<2H", 1, 1)
    path.write_bytes(data)
    monkeypatch.setattr(zips, "MAX_ENTRIES", 20)
    with pytest.raises(InputError):
        Archive(path)


def test_the_sum_of_all_entries_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _made(tmp_path / "a.zip", {f"{n}.json": b"\0" * 1000 for n in range(9)})
    monkeypatch.setattr(zips, "MAX_TOTAL", 5000)
    with pytest.raises(LimitExceeded):
        _contents(path)


def test_encrypted_entries_and_unknown_ways_of_packing_are_refused(tmp_path: Path) -> None:
    path = _made(tmp_path / "a.zip", {"a.json": b"abc"})
    data = bytearray(path.read_bytes())
    directory = data.rfind(b"PK\1\2")
    data[directory + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="encrypted"):
        _contents(path)
    path = _made(tmp_path / "b.zip", {"a.json": b"abc" * 99}, zipfile.ZIP_LZMA)
    with pytest.raises(InputError, match="packed"):
        _contents(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400), st.binary(min_size=1, max_size=12))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, at: int, patch: bytes
) -> None:
    path = tmp_path_factory.mktemp("z") / "a.zip"
    data = bytearray(_made(path, {"a.json": b"hello" * 9, "b.json": b"x"}).read_bytes())
    data[at : at + len(patch)] = patch
    for made in (bytes(data), head, head + b"PK\5\6" + head):
        path.write_bytes(made)
        with contextlib.suppress(InputError):
            assert sum(map(len, _contents(path).values())) < 5 << 20
