"""The catalogue's cache: used when it is ours and current, harmless in every other case."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.errors import RuleError
from haechi.rules import catalogue
from haechi.rules.catalogue import load_catalogue
from haechi.rules.private_files import cache_directory

ROOT = Path(__file__).parents[2]
RULE = """\
rules:
- id: %s
  title: A title
  severity: low
  why: Because
  fix: Do
  applies_to: {kinds: [core/Pod]}
  judge: cel
  expression: "object.kind == 'Pod'"
  bad: [text]
  good: [other]
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small catalogue instead of ours: two families and a table."""
    root = tmp_path / "data"
    for name, text in {
        "kubernetes/a.yaml": RULE % "k8s-a",
        "docker/b.yaml": RULE % "docker-b",
        "tables/t.yaml": "not: rules\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(catalogue, "DATA", root)
    return root


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one each time the rule files are read."""
    real, times = catalogue._compile, [0]

    def counting(files: object) -> object:
        times[0] += 1
        return real(files)  # type: ignore[arg-type]

    monkeypatch.setattr(catalogue, "_compile", counting)
    return times


def ids(cache: Path) -> list[str]:
    return [rule.id for rule in load_catalogue(cache=cache).rules]


def kept(cache: Path) -> Path:
    (found,) = cache.glob("rules-*.msgpack")
    return found


@pytest.mark.usefixtures("data")
def test_the_cache_is_written_for_its_owner_and_used(tmp_path: Path, compiled: list[int]) -> None:
    cache = tmp_path / "cache"
    first = load_catalogue(cache=cache)
    assert kept(cache).stat().st_mode & 0o777 == 0o600
    assert cache.stat().st_mode & 0o777 == 0o700
    second = load_catalogue(cache=cache)
    assert compiled == [1]
    assert [rule.id for rule in first.rules] == ["docker-b", "k8s-a"]
    assert first.rules == second.rules
    assert dict(first.cel) == dict(second.cel) != {}
    assert [path for path in cache.iterdir() if path.suffix != ".msgpack"] == []


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("content", [b"", b"\x00", b"\x82\xa5rules\x90\xa3cel\x81", b"\xff" * 99])
def test_a_broken_cache_is_made_again(tmp_path: Path, compiled: list[int], content: bytes) -> None:
    cache = tmp_path / "cache"
    ids(cache)
    kept(cache).write_bytes(content)
    assert ids(cache) == ["docker-b", "k8s-a"]
    assert compiled == [2]
    assert ids(cache) == ["docker-b", "k8s-a"]
    assert compiled == [2]


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_cache_that_others_may_write_is_not_trusted(
    tmp_path: Path, compiled: list[int], mode: int
) -> None:
    cache = tmp_path / "cache"
    ids(cache)
    kept(cache).chmod(mode)
    ids(cache)
    assert compiled == [2]
    assert kept(cache).stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("data")
def test_a_cache_in_a_folder_that_others_may_write_is_not_trusted(
    tmp_path: Path, compiled: list[int]
) -> None:
    cache = tmp_path / "cache"
    ids(cache)
    cache.chmod(0o777)
    assert ids(cache) == ["docker-b", "k8s-a"]
    assert compiled == [2]


@pytest.mark.usefixtures("data")
def test_a_cache_of_another_user_is_not_trusted(
    tmp_path: Path, compiled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    ids(cache)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    ids(cache)
    assert compiled == [2]


@pytest.mark.usefixtures("data")
def test_a_link_in_place_of_the_cache_is_not_followed(tmp_path: Path, compiled: list[int]) -> None:
    cache = tmp_path / "cache"
    ids(cache)
    original, elsewhere = kept(cache), tmp_path / "elsewhere"
    original.rename(elsewhere)
    original.symlink_to(elsewhere)
    ids(cache)
    assert compiled == [2]
    assert not original.is_symlink()


def test_a_changed_rule_file_is_read(data: Path, tmp_path: Path, compiled: list[int]) -> None:
    cache = tmp_path / "cache"
    ids(cache)
    (data / "kubernetes" / "a.yaml").write_text(RULE % "k8s-changed")
    assert ids(cache) == ["docker-b", "k8s-changed"]
    (data / "kubernetes" / "c.yaml").write_text(RULE % "k8s-c")
    assert ids(cache) == ["docker-b", "k8s-changed", "k8s-c"]
    (data / "tables" / "t.yaml").write_text("other: table\n")
    assert len(ids(cache)) == 3
    assert compiled == [3]


@pytest.mark.usefixtures("data")
def test_without_a_writable_cache_the_rules_are_read_each_time(
    tmp_path: Path, compiled: list[int]
) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    for cache in (occupied, occupied / "below", Path("/proc/haechi")):
        assert ids(cache) == ["docker-b", "k8s-a"]
    assert compiled == [3]


@pytest.mark.usefixtures("data")
def test_old_caches_are_cleared_away(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for name, mtime in (("rules-old.msgpack", 0), ("rules-recent.msgpack", None), ("other", 0)):
        (cache / name).write_text("")
        if mtime is not None:
            os.utime(cache / name, (mtime, mtime))
    ids(cache)
    assert {path.name for path in cache.iterdir()} >= {"rules-recent.msgpack", "other"}
    assert not (cache / "rules-old.msgpack").exists()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_CACHE_HOME": "/x"}, "/x/haechi"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/haechi"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/haechi"),
    ],
)
def test_where_the_cache_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert str(cache_directory()) == expected


@pytest.mark.usefixtures("data")
def test_nobody_without_a_home_needs_a_cache(
    monkeypatch: pytest.MonkeyPatch, compiled: list[int]
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_directory() is None
    assert len(load_catalogue().rules) == 2
    assert compiled == [1]


@pytest.mark.parametrize(
    ("text", "fault"), [(RULE % "k8s-a", "stands in"), ("rules: [1]", "broken")]
)
def test_a_broken_catalogue_is_an_error(data: Path, tmp_path: Path, text: str, fault: str) -> None:
    (data / "docker" / "z.yaml").write_text(text)
    with pytest.raises(RuleError, match=fault):
        load_catalogue(cache=tmp_path / "cache")


def test_a_warm_start_reads_no_yaml(tmp_path: Path) -> None:
    """A count of modules, not of time: the YAML parser is not even imported."""
    load_catalogue(cache=tmp_path / "haechi")
    program = (
        "import sys; from haechi.rules.catalogue import load_catalogue; "
        "print(len(load_catalogue().rules), 'yaml' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(len(load_catalogue().rules)), "False"]
