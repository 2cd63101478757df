"""Owners: CODEOWNERS as GitHub documents it, then configuration, then annotations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.gate.owners import (
    MAX_CHARACTERS,
    CodeOwners,
    Owners,
    annotated_owner,
    parse_codeowners,
)


@pytest.mark.parametrize(
    ("pattern", "owned", "not_owned"),
    [
        ("*", ["a", "d/a", "d/.x"], []),
        ("*.js", ["a.js", "d/a.js"], ["a.jsx", "a.js.map"]),
        ("/build/logs/", ["build/logs/x", "build/logs/d/x"], ["d/build/logs/x", "build/logs"]),
        ("docs/*", ["docs/a.md"], ["docs/b/a.md", "x/docs/a.md", "docs"]),
        ("apps/", ["apps/x", "z/apps/x/y"], ["apps", "myapps/x"]),
        ("/docs/", ["docs/x"], ["z/docs/x"]),
        ("/scripts", ["scripts", "scripts/x"], ["z/scripts"]),
        ("**/logs", ["logs", "logs/x", "deep/er/logs/x"], ["logs2"]),
        ("src/**", ["src/a", "src/a/b"], ["src", "x/src/a"]),
        ("src/**/test", ["src/test", "src/a/b/test", "src/a/test/x"], ["src/testing"]),
        ("/a/b.txt", ["a/b.txt"], ["x/a/b.txt"]),
        ("a/b", ["a/b", "a/b/c"], ["x/a/b"]),
        ("Makefile", ["Makefile", "d/Makefile"], ["Makefile.am"]),
        ("v?.txt", ["v1.txt"], ["v.txt", "v12.txt", "v/.txt"]),
        (r"a\ b/c", ["a b/c"], ["a", "b/c"]),
        ("/apps/**/x-*", ["apps/x-1", "apps/q/x-1/y"], ["apps/x"]),
    ],
)
def test_pattern_owns_what_github_says(
    pattern: str, owned: list[str], not_owned: list[str]
) -> None:
    owners = parse_codeowners(f"{pattern} @them\n")
    assert len(owners) == 1
    for path in owned:
        assert owners.owner_of(path) == "@them", path
    for path in not_owned:
        assert owners.owner_of(path) is None, path


@pytest.mark.parametrize(
    ("text", "path", "owner"),
    [
        ("* @a\n*.py @b\n", "x.py", "@b"),
        ("*.py @b\n* @a\n", "x.py", "@a"),
        ("* @a\n/apps/github\n", "apps/github", None),
        ("* @org/team other@example.com # both\n", "x", "@org/team other@example.com"),
        ("# * @a\n\n   \n* @b", "x", "@b"),
        ("* @a\r\n*.md @b\r\n", "x.md", "@b"),
        ("\ufeff* @a", "x", "@a"),
        ("* @a\n!x @b\n", "x", "@a"),
        ("* @a\n[ab].txt @b\n", "a.txt", "@a"),
        ("* @a\n\\#x @b\n", "#x", "@a"),
        ("* @a\nx nobody\n", "x", "@a"),
        ("* @a\n/ @b\n", "x", "@a"),
        ("[Docs] @docs\nreadme.md\n", "readme.md", "@docs"),
        ("^[Docs][2] @docs @more\nreadme.md @own\n", "readme.md", "@own"),
        ("[Docs] @docs\na\n[Other]\nb\n", "b", None),
        ("[Section name] @docs\na\n", "a", "@docs"),
        ("* @@developer\n", "a", "@@developer"),
    ],
)
def test_line_semantics(text: str, path: str, owner: str | None) -> None:
    assert parse_codeowners(text).owner_of(path) == owner


def test_oversized_file_is_ignored_as_github_does() -> None:
    assert len(parse_codeowners("* @a\n" + "#" * MAX_CHARACTERS)) == 0


@given(st.text(max_size=120), st.text("ab/.*", min_size=1, max_size=12))
def test_any_text_parses(text: str, path: str) -> None:
    assert isinstance(parse_codeowners(text), CodeOwners)
    parse_codeowners(text).owner_of(path)


_LINES = st.lists(st.sampled_from(["*", "a", "/a", "a/", "*.b", "a/*", "**/b", "b/**"]), max_size=6)
_PATHS = st.lists(st.sampled_from(["a", "b", "x.b"]), min_size=1, max_size=4).map("/".join)


@given(_LINES, _PATHS)
def test_the_last_matching_line_wins(patterns: list[str], path: str) -> None:
    text = "\n".join(f"{pattern} @n{number}" for number, pattern in enumerate(patterns))
    alone = [bool(parse_codeowners(f"{pattern} @n").owner_of(path)) for pattern in patterns]
    expected = f"@n{len(alone) - 1 - alone[::-1].index(True)}" if any(alone) else None
    assert parse_codeowners(text).owner_of(path) == expected


def test_hostile_patterns_finish() -> None:
    owners = parse_codeowners("**/a*a*a*b/" * 80 + "c @x\n" + "*a" * 400 + "b @y\n")
    assert len(owners) == 2
    assert owners.owner_of("aaaaaaaaaaa/" * 2_000 + "a" * 5_000) is None


def test_annotation_beats_configuration_beats_codeowners() -> None:
    owners = Owners(
        annotated={"k8s:key": "@pod"},
        configured={"deploy/**": "@conf", "deploy/x/**": "@last"},
        codeowners=parse_codeowners("* @code"),
    )
    assert owners.owner_of("deploy/a.yaml", "k8s:key") == "@pod"
    assert owners.owner_of("deploy/a.yaml", "k8s:other") == "@conf"
    assert owners.owner_of("deploy/x/a.yaml") == "@last"
    assert owners.owner_of("other/a.yaml") == "@code"
    assert Owners().owner_of("other/a.yaml") is None


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"annotations": {"haechi.dev/owner": " @a  team "}, "labels": {"team": "b"}}, "@a team"),
        ({"labels": {"team": "b", "owner": "o"}}, "o"),
        ({"labels": {"team": "b"}}, "b"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, None),
        ({"annotations": {"haechi.dev/owner": ""}, "labels": {"team": "b"}}, "b"),
        ({"annotations": {"haechi.dev/owner": 3}, "labels": ["x"]}, None),
        ({"annotations": "x"}, None),
        ("x", None),
        (None, None),
    ],
)
def test_object_names_its_owner(metadata: Any, owner: str | None) -> None:
    assert annotated_owner({"metadata": metadata}) == owner


@pytest.mark.parametrize("data", [None, [], "x", 3, {}])
def test_odd_objects_name_nobody(data: Any) -> None:
    assert annotated_owner(data) is None
