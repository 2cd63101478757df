"""Compiled pattern databases: kept for their owner, made anew when anything is off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from haechi.engines.patterns import Source
from haechi.engines.patterns.matcher import KeywordMatcher
from haechi.world.pattern_store import NO_HYPERSCAN, stored_matcher

hyperscan = pytest.importorskip("haechi.engines.patterns.hyperscan", exc_type=ImportError)
SOURCES = [Source("tok_[a-z]{4}", ("tok_",)), Source("key=[0-9]{4}", ("key=",))]
TEXT = b"a tok_abcd b"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one each time expressions are compiled."""
    real, times = hyperscan.compile_matcher, [0]

    def counting(sources: object) -> object:
        times[0] += 1
        return real(sources)

    monkeypatch.setattr(hyperscan, "compile_matcher", counting)
    return times


def kept(cache: Path) -> Path:
    (found,) = (cache / "patterns").iterdir()
    return found


def test_a_kept_database_is_loaded_not_compiled(tmp_path: Path, compiled: list[int]) -> None:
    for _ in range(2):
        assert list(stored_matcher(SOURCES, cache=tmp_path / "cache").matching(TEXT)) == [0]
    assert compiled == [1]
    assert kept(tmp_path / "cache").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_other_expressions_have_a_database_of_their_own(
    tmp_path: Path, compiled: list[int]
) -> None:
    stored_matcher(SOURCES, cache=tmp_path)
    assert list(stored_matcher(SOURCES[::-1], cache=tmp_path).matching(TEXT)) == [1]
    assert compiled == [2]


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"no database" * 99),
        lambda p: p.write_bytes(p.read_bytes()[:-9]),
        lambda p: p.chmod(0o666),
        lambda p: p.parent.chmod(0o770),
        lambda p: (p.rename(p.parents[2] / "moved"), p.symlink_to(p.parents[2] / "moved")),
    ],
    ids=["empty", "broken", "truncated", "writable", "folder", "link"],
)
def test_what_is_off_is_compiled_anew(
    tmp_path: Path, compiled: list[int], change: Callable[[Path], object]
) -> None:
    cache = tmp_path / "cache"
    stored_matcher(SOURCES, cache=cache)
    change(kept(cache))
    assert list(stored_matcher(SOURCES, cache=cache).matching(TEXT)) == [0]
    assert compiled == [2]


def test_the_engine_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_HYPERSCAN, "1")
    assert isinstance(stored_matcher(SOURCES, cache=tmp_path), KeywordMatcher)
    assert list(tmp_path.iterdir()) == []
