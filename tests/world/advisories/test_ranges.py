"""Extents answer as OSV's own evaluation does, which walks the events for each version."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.versions import scheme_of
from haechi.errors import VersionError
from haechi.world.advisories.packing import pack_extent, unpack_extent
from haechi.world.advisories.ranges import extent_of, spelled

Pair = tuple[str, str]


def number_key(version: str) -> bytes:
    """Versions that are plain numbers; anything else is none."""
    if not version.isdecimal():
        raise VersionError(version)
    return b"\1" + int(version).to_bytes(2, "big")


def oracle(version: int, ranges: Sequence[Sequence[Pair]], listed: Sequence[str]) -> bool:
    """https://ossf.github.io/osv-schema/#evaluation, line by line, on numbers."""

    def before_limits(pairs: Sequence[Pair]) -> bool:
        limits = [text for kind, text in pairs if kind == "limit"]
        if not limits:
            return True
        return any(text == "*" or version < int(text) for text in limits)

    def place(pair: Pair) -> int:
        """Only for "introduced" is "0" below every version."""
        return -1 if pair == ("introduced", "0") else int(pair[1])

    def included(pairs: Sequence[Pair]) -> bool:
        if not before_limits(pairs):
            return False
        vulnerable = False
        for kind, text in sorted((pair for pair in pairs if pair[0] != "limit"), key=place):
            if kind == "introduced" and version >= int(text):
                vulnerable = True
            elif (kind == "fixed" and version >= int(text)) or (
                kind == "last_affected" and version > int(text)
            ):
                vulnerable = False
        return vulnerable

    return str(version) in listed or any(map(included, ranges))


_event = st.tuples(
    st.sampled_from(["introduced", "introduced", "fixed", "last_affected", "limit"]),
    st.integers(0, 12).map(str),
)
_star = st.just(("limit", "*"))
_ranges = st.lists(st.lists(_event | _star, max_size=7), max_size=3)
_listed = st.lists(st.integers(0, 14).map(str), max_size=4)


@given(_ranges, _listed)
def test_extents_are_what_the_walk_over_events_says(
    ranges: list[list[Pair]], listed: list[str]
) -> None:
    extent = extent_of(ranges, listed, number_key)
    for version in range(15):
        key = number_key(str(version))
        assert extent.judge(str(version), (key,)) is oracle(version, ranges, listed), version
    assert unpack_extent(pack_extent(extent)) == extent


_odd = st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), st.just("x"))


@given(st.lists(st.lists(_event | _odd, max_size=6), min_size=1, max_size=2), st.data())
def test_what_is_answered_despite_a_boundary_that_is_no_version_is_true_for_any_place_of_it(
    ranges: list[list[Pair]], data: st.DataObject
) -> None:
    """Wherever the odd boundary may lie, a yes stays a yes and a no stays a no."""
    extent = extent_of(ranges, (), number_key)
    meant = str(data.draw(st.integers(0, 12)))
    placed = [[(kind, meant if text == "x" else text) for kind, text in one] for one in ranges]
    for version in range(14):
        answer = extent.judge(str(version), (number_key(str(version)),))
        if answer is not None:
            assert answer is oracle(version, placed, ()), version


def test_a_range_whose_end_is_no_version_cannot_tell_from_its_beginning_on() -> None:
    extent = extent_of([[("introduced", "3"), ("fixed", "soon")]], (), number_key)
    assert extent.unsure
    assert extent.judge("2", (number_key("2"),)) is False
    assert extent.judge("4", (number_key("4"),)) is None


def test_a_version_that_is_none_is_affected_only_where_it_is_named_or_all_are() -> None:
    bounded = extent_of([[("introduced", "0"), ("fixed", "3")]], ["dev-build"], number_key)
    assert bounded.judge("dev-build", ()) is True
    assert bounded.judge("other-build", ()) is None
    assert extent_of([[("introduced", "0")]], (), number_key).judge("dev-build", ()) is True
    assert extent_of([], ["a"], number_key).judge("b", ()) is False


def test_versions_inside_of_a_range_are_not_kept_twice() -> None:
    extent = extent_of([[("introduced", "0"), ("fixed", "5")]], ["1", "2", "7"], number_key)
    assert extent.listed == {number_key("7")}


def test_a_version_of_endless_length_is_none() -> None:
    extent = extent_of([[("introduced", "0"), ("fixed", "9" * 300)]], (), number_key)
    assert extent.unsure


@pytest.mark.parametrize(
    ("ecosystem", "pairs", "inside", "outside"),
    [
        (
            "PyPI",
            [("introduced", "1.0"), ("fixed", "2.0")],
            ["1.0.0", "2.0rc1", "1.9.post1"],
            ["1.0rc1", "2", "2.0.post1", "2.0+local"],
        ),
        ("PyPI", [("introduced", "0"), ("last_affected", "1.4")], ["1.4", "0.dev1"], ["1.4.post1"]),
        (
            "Go",
            [("introduced", "1.20.0-0"), ("fixed", "1.20.2")],
            ["1.20.0-rc.1", "v1.20.1"],
            ["1.19.9", "1.20.2"],
        ),
        (
            "Go",
            [("introduced", "0"), ("fixed", "0.0.0-20220314234659-1baeb1ce4c0b")],
            ["0.0.0-20210101000000-abcdefabcdef", "v0.0.0-20220314234658-ffffffffffff"],
            ["0.0.0-20220314234659-1baeb1ce4c0b", "v0.1.0"],
        ),
        (
            "npm",
            [("introduced", "2.0.0"), ("fixed", "2.1.3")],
            ["2.1.3-beta.1", "2.0.0"],
            ["2.0.0-rc.1"],
        ),
    ],
    ids=["pypi-prereleases", "pypi-last-affected", "go-prereleases", "go-pseudo", "npm"],
)
def test_boundaries_follow_the_order_of_the_ecosystem(
    ecosystem: str, pairs: list[Pair], inside: list[str], outside: list[str]
) -> None:
    key = scheme_of(ecosystem).key
    extent = extent_of([pairs], (), key)
    assert {version: extent.judge(version, (key(version),)) for version in inside + outside} == {
        **dict.fromkeys(inside, True),
        **dict.fromkeys(outside, False),
    }


def test_ranges_that_were_not_mapped_narrow_what_is_certain() -> None:
    """Go's database: all versions, and besides that the original advisory's "before 3.31.6"."""
    key = scheme_of("Go").key
    original = [("introduced", "3.30.0"), ("fixed", "3.31.6")]
    extent = extent_of([[("introduced", "0")]], (), key, [original])
    answers = {v: extent.judge(v, (key(v),)) for v in ("v3.29.0", "v3.31.5", "v3.31.6")}
    assert answers == {"v3.29.0": None, "v3.31.5": True, "v3.31.6": None}
    assert [text for _, text in extent.fixes] == ["3.31.6"]
    bounded = [("introduced", "0"), ("fixed", "3.32.0")]
    assert extent_of([bounded], (), key, [original]) == extent_of([bounded], (), key)
    odd = [("introduced", "release-3")]
    assert not extent_of([[("introduced", "0")]], (), key, [odd]).unsure


def test_ranges_are_spelled_as_written() -> None:
    told = spelled([("introduced", "0"), ("fixed", "1"), ("introduced", "2"), ("limit", "9")])
    assert [(one.introduced, one.fixed, one.limit) for one in told] == [
        ("0", "1", "9"),
        ("2", "", "9"),
    ]
