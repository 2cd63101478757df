"""Globs against tables, against fnmatch where both speak the same language, and hostile ones."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.globs import compile_glob, glob_fault, is_catch_all
from haechi.errors import InputError


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("**", "a/b", True),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("a/", "a/b/c", True),
        ("./a/*.yaml", "a/x.yaml", True),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("**/x", "ax", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "ab", False),
        ("*.yaml", "a.yaml", True),
        ("*.yaml", "d/a.yaml", False),
        ("*", ".hidden", True),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "abcd", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("*?b", "b", False),
        ("**/**/x", "x", True),
        ("**/a/**/b*", "x/a/q/bz", True),
        ("**/a/**", "c/a/b/d", True),
        ("**/a/**", "a", False),
        ("a**b", "a/b", False),
        ("a**b", "axxb", True),
        ("a.b", "axb", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("가*", "가나", True),
        ("a*", "a\n", True),
    ],
)
def test_glob_matches_as_documented(glob: str, path: str, matches: bool) -> None:
    assert bool(compile_glob(glob).fullmatch(path)) is matches


@pytest.mark.parametrize(
    "glob", ["", "/a", "a//b", "a/../b", "..", ".", "a\\b", "a/./b", "x" * 1001]
)
def test_unusable_globs_are_named_and_refused(glob: str) -> None:
    assert glob_fault(glob)
    with pytest.raises(InputError):
        compile_glob(glob)


@given(st.text("ab*?", min_size=1, max_size=12), st.text("ab", max_size=12))
def test_within_one_segment_globs_agree_with_fnmatch(glob: str, path: str) -> None:
    if glob.strip("*") == "" and len(glob) == 2:
        return  # a segment `**` spans folders, which fnmatch does not know
    assert bool(compile_glob(glob).fullmatch(path)) is fnmatch.fnmatchcase(path, glob)


_SEGMENTS = st.lists(st.sampled_from(["**", "*", "a", "b", "a*", "?b"]), min_size=1, max_size=6)
_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "bb"]), min_size=1, max_size=6)


@given(_SEGMENTS, _PATHS)
def test_folder_wildcards_agree_with_a_plain_recursive_definition(
    segments: list[str], path: list[str]
) -> None:
    def matches(glob: list[str], parts: list[str]) -> bool:
        if not glob:
            return not parts
        if glob[0] == "**":
            if len(glob) == 1:
                return bool(parts)
            return any(matches(glob[1:], parts[n:]) for n in range(len(parts) + 1))
        return (
            bool(parts) and fnmatch.fnmatchcase(parts[0], glob[0]) and matches(glob[1:], parts[1:])
        )

    pattern = compile_glob("/".join(segments))
    assert bool(pattern.fullmatch("/".join(path))) is matches(segments, path)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_either_a_glob_or_a_named_fault(glob: str, path: str) -> None:
    if glob_fault(glob) is None:
        compile_glob(glob).fullmatch(path)
    else:
        with pytest.raises(InputError):
            compile_glob(glob)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a" * 200 + "b", "a" * 20_000),
        ("**/a/" * 150 + "b", "a/" * 10_000 + "c"),
        ("**/*a*a*b/" * 60 + "b", "aaaaaaaaaaaa/" * 2_000 + "c"),
    ],
)
def test_hostile_globs_finish(glob: str, path: str) -> None:
    assert compile_glob(glob).fullmatch(path) is None


@pytest.mark.parametrize(
    ("glob", "catches_all"),
    [("**", True), ("*", True), ("**/*", True), ("**/*.*", True), ("a/**", False), ("*a", False)],
)
def test_globs_of_wildcards_alone_are_recognised(glob: str, catches_all: bool) -> None:
    assert is_catch_all(glob) is catches_all
