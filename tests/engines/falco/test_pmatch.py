"""Globs as fnmatch has them, prefixes of paths by segments."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.falco.pmatch import PathPrefixes, glob

PATH = "/opt/dir/subdir/file.txt"


@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        (["/opt/dir"], True),
        (["/opt/dir/subdir"], True),
        (["/opt/dir2"], False),
        (["/opt/dir", "/opt/dir2"], True),
        (["/opt/dir3", "/opt/dir2"], False),
        (["/opt/*"], True),
        (["/opt/*/subdir"], True),
        (["/opt/di?/subdir"], True),
        (["/opt/dii?/subdir"], False),
        (["/opt/di[r]/subdir"], True),
        (["/opt/di[!r]/subdir"], False),
        (["/opt/di[t]/subdir"], False),
        (["/opt/di/subdir"], False),
        (["/opt/*/subdir2"], False),
        (["/opt/*/*"], True),
        (["/opt/*/*/subsubdir"], False),
        (["/"], True),
        ([""], True),
        (["opt//dir/"], True),
        ([PATH], True),
        ([PATH + "/more"], False),
        ([], False),
        (["/opt/d*/x", "/opt/*/subdir"], True),
    ],
)
def test_a_path_matches_what_it_is_below(prefixes: list[str], expected: bool) -> None:
    assert PathPrefixes(prefixes).matches(PATH) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("*", "a/b\nc", True),
        ("a*c", "a/b/c", True),
        ("a?c", "a/c", True),
        ("a?c", "ac", False),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("[]x]y", "]y", True),
        ("[[:digit:]]*", "1a", True),
        ("[z-a]", "m", False),
        ("[!z-a]", "m", True),
        ("[ab", "[ab", True),
        (r"\*x", "*x", True),
        (r"\*x", "ax", False),
        ("x\\", "x\\", False),
        (".hidden", ".hidden", True),
        ("*", ".hidden", True),
        ("é?", "éa", True),
        ("a.b", "axb", False),
        ("(a|b)+", "(a|b)+", True),
    ],
)
def test_globs(pattern: str, text: str, expected: bool) -> None:
    assert glob(pattern).matches(text) is expected


def test_letter_case_is_ignored_only_when_asked() -> None:
    assert not glob("AB*").matches("abc")
    assert glob("AB*", True).matches("abc")


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not glob("*a" * 200 + "b").matches("a" * 5_000)


_SIMPLE = st.text(alphabet="ab*?/.", max_size=12)


@given(_SIMPLE, st.text(alphabet="ab/.\n", max_size=12))
def test_simple_globs_agree_with_fnmatch(pattern: str, text: str) -> None:
    assert glob(pattern).matches(text) is fnmatch.fnmatchcase(text, pattern)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_pattern_raises(pattern: str, text: str) -> None:
    glob(pattern).matches(text)
    PathPrefixes([pattern]).matches(text)
