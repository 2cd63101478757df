"""Kept pattern databases: where, for whom, and what happens to those that do not fit."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from haechi.engines.patterns import Matcher, Source
from haechi.world import pattern_store
from haechi.world.pattern_store import NO_HYPERSCAN, stored_matcher

SOURCES = [Source(r"tok_[0-9]{4}", ("tok_",)), Source(r"key-[a-z]{4}", ("key-",))]


def databases(cache: Path) -> list[Path]:
    return sorted((cache / "patterns").glob("*.hsdb"))


def finds(matcher: Matcher) -> list[list[int]]:
    return [list(matcher.matching(text)) for text in (b"tok_1234", b"key-abcd", b"nothing")]


EXPECTED = [[0], [1], []]


def test_a_database_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    assert finds(stored_matcher(SOURCES, cache=tmp_path)) == EXPECTED
    (kept,) = databases(tmp_path)
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_the_kept_one_is_loaded_and_not_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_matcher(SOURCES, cache=tmp_path)

    def compiles(_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr("haechi.engines.patterns.hyperscan.compile_matcher", compiles)
    assert finds(stored_matcher(SOURCES, cache=tmp_path)) == EXPECTED


@pytest.mark.parametrize("data", [b"", b"garbage", b"\0" * 5000])
def test_a_broken_database_is_made_anew(tmp_path: Path, data: bytes) -> None:
    stored_matcher(SOURCES, cache=tmp_path)
    (kept,) = databases(tmp_path)
    kept.write_bytes(data)
    assert finds(stored_matcher(SOURCES, cache=tmp_path)) == EXPECTED
    assert len(kept.read_bytes()) > 5000


@pytest.mark.parametrize("part", ["folder", "file"])
def test_what_others_may_write_is_not_loaded(tmp_path: Path, part: str) -> None:
    other = [Source("zzzz", ("zzzz",)), Source("yyyy", ("yyyy",))]
    stored_matcher(other, cache=tmp_path / "other")
    stored_matcher(SOURCES, cache=tmp_path)
    (kept,) = databases(tmp_path)
    (planted,) = databases(tmp_path / "other")
    kept.write_bytes(planted.read_bytes())
    (kept.parent if part == "folder" else kept).chmod(0o777)
    assert finds(stored_matcher(SOURCES, cache=tmp_path)) == EXPECTED


def test_other_expressions_have_another_database(tmp_path: Path) -> None:
    stored_matcher(SOURCES, cache=tmp_path)
    stored_matcher(SOURCES[:1], cache=tmp_path)
    assert len(databases(tmp_path)) == 2


def test_another_cpu_has_another_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_matcher(SOURCES, cache=tmp_path)
    monkeypatch.setattr(pattern_store, "_cpu", lambda: "flags: none")
    stored_matcher(SOURCES, cache=tmp_path)
    assert len(databases(tmp_path)) == 2


def test_where_nothing_can_be_kept_the_scan_goes_on(tmp_path: Path) -> None:
    (tmp_path / "patterns").write_text("a file where the folder should be")
    assert finds(stored_matcher(SOURCES, cache=tmp_path)) == EXPECTED


def test_without_the_wheel_keywords_find_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("haechi.engines.patterns.hyperscan", raising=False)
    monkeypatch.setitem(sys.modules, "haechi.engines.patterns.hyperscan", None)
    matcher = stored_matcher(SOURCES, cache=tmp_path)
    assert matcher.key == "keywords"
    assert finds(matcher) == EXPECTED
    assert databases(tmp_path) == []


def test_the_slower_engine_may_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NO_HYPERSCAN, "1")
    assert stored_matcher(SOURCES, cache=tmp_path).key == "keywords"
