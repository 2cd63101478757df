"""Rights: what a principal may grant and push, and where two grants overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.access import (
    ANY,
    Grant,
    Principal,
    Reach,
    Role,
    covered,
    matches,
    meet,
    repository_name,
    simplest,
)

PLACES = ("a", "b", "-")
reaches = st.builds(
    Reach, cluster=st.sampled_from((ANY, *PLACES)), namespace=st.sampled_from((ANY, *PLACES))
)
grants = st.lists(st.builds(Grant, role=st.sampled_from(list(Role)), reach=reaches), max_size=4)
THINGS = [(cluster, namespace) for cluster in PLACES for namespace in PLACES]


def holder(*held: Grant, **narrowed: object) -> Principal:
    return Principal(id="user:x", name="x", grants=held, **narrowed)  # type: ignore[arg-type]


@given(grants, grants)
def test_what_two_grants_have_in_common_allows_exactly_what_both_allow(
    one: list[Grant], other: list[Grant]
) -> None:
    both = holder(*meet(one, other))
    for role in Role:
        for thing in THINGS:
            allowed = holder(*one).reaches(role, *thing) and holder(*other).reaches(role, *thing)
            assert both.reaches(role, *thing) == allowed


@given(grants, grants)
def test_who_grants_never_gives_more_than_they_have(had: list[Grant], wanted: list[Grant]) -> None:
    if holder(*had).may_grant(wanted):
        for role in Role:
            for thing in THINGS:
                if holder(*wanted).reaches(role, *thing):
                    assert holder(*had).reaches(role, *thing)


@given(grants)
def test_everybody_may_grant_what_they_have(had: list[Grant]) -> None:
    assert holder(*had).may_grant(had)


@given(st.lists(reaches, max_size=6))
def test_simplest_keeps_the_reach(every: list[Reach]) -> None:
    for thing in THINGS:
        assert covered(every, *thing) == covered(simplest(every), *thing)


@pytest.mark.parametrize(
    ("mine", "wanted", "may"),
    [
        (None, None, True),
        (None, frozenset({"scans.push"}), True),
        (frozenset({"scans.push", "now.show"}), frozenset({"scans.push"}), True),
        (frozenset({"scans.push"}), frozenset({"tokens.create"}), False),
        (frozenset({"scans.push"}), None, False),
    ],
)
def test_narrowing_is_inherited(
    mine: frozenset[str] | None, wanted: frozenset[str] | None, may: bool
) -> None:
    held = Grant(role=Role.ADMIN)
    assert holder(held, permissions=mine).may_grant([held], wanted) is may
    repositories = None if mine is None else tuple(mine)
    asked = None if wanted is None else tuple(wanted)
    assert holder(held, repositories=repositories).may_grant([held], None, asked) is may


@pytest.mark.parametrize(
    ("globs", "url", "may"),
    [
        (None, "https://github.com/acme/shop", True),
        ((), "https://github.com/acme/shop", False),
        (("https://github.com/acme/shop",), "https://github.com/acme/shop", True),
        (("https://github.com/acme/shop",), "https://GitHub.com/acme/shop.git", True),
        (("https://github.com/acme/shop",), "https://github.com/acme/shop/", True),
        (("https://github.com/acme/shop",), "https://github.com/Acme/shop", False),
        (("https://github.com/acme/shop",), "https://github.com/acme/shop-2", False),
        (("https://github.com/acme/shop",), "https://github.com/acme/shop\nx", False),
        (("https://github.com/acme/*",), "https://github.com/acme/a/b", True),
        (("https://github.com/acme/*",), "https://github.com.evil.example/acme/a", False),
        (("https://github.com/a.c/*",), "https://github.com/abc/x", False),
    ],
)
def test_pushes_only_for_its_repositories(
    globs: tuple[str, ...] | None, url: str, may: bool
) -> None:
    assert holder(repositories=globs).may_push(url) is may


@pytest.mark.parametrize(
    ("refs", "ref", "may"),
    [
        (None, "anything", True),
        (("main",), "main", True),
        (("main",), "feature", False),
        (("release/*",), "release/1", True),
        (("main",), "", False),
    ],
)
def test_pushes_only_for_its_branches(refs: tuple[str, ...] | None, ref: str, may: bool) -> None:
    assert holder(refs=refs).may_push("https://x.example/y", ref) is may


@given(st.text(alphabet="ab*./[](){}+?\\^$|\n", max_size=12))
def test_a_glob_without_stars_matches_itself_alone(text: str) -> None:
    if "*" not in text:
        assert matches(text, (text,))
        assert not matches(text + "x", (text,))
    assert matches(text, ("*",))


def test_a_repositorys_name_keeps_capitals_of_paths() -> None:
    assert repository_name("HTTPS://Host.Example/Acme/Shop.git") == "https://host.example/Acme/Shop"
    assert repository_name("dir:Shop") == "dir:Shop"
