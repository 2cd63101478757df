"""Maven's order against Maven: univers ported its ComparableVersion, and where they differ the
specification decides."""

from __future__ import annotations

import re

import pytest
import univers.versions

from haechi.engines.versions import scheme_of
from tests.engines.versions import shapes

KEY = scheme_of("Maven").key


def sign(one: str, other: str) -> int:
    return (KEY(one) > KEY(other)) - (KEY(one) < KEY(other))


def theirs(one: str, other: str) -> int:
    left, right = univers.versions.MavenVersion(one), univers.versions.MavenVersion(other)
    return bool(left > right) - bool(left < right)


def comparable(version: str) -> bool:
    """Not the forms that univers' port does not know as Maven 3.9 does (a qualifier after a dot,
    see MAVEN), nor those in which Maven's comparison is no order (a word for a release before
    another qualifier, see DIFFERENCES)."""
    text = version.lower()
    return not re.search(r"\.[a-z]|(ga|final|release)[0-9]*-?[a-z]", text)


def test_orders_as_maven_does_but_where_it_is_no_order() -> None:
    pairs = [pair for pair in shapes.pairs("Maven", 4 * shapes.PAIRS) if all(map(comparable, pair))]
    assert len(pairs) > shapes.PAIRS
    assert [pair for pair in pairs if sign(*pair) != theirs(*pair)] == []


MAVEN = [
    # pairs that univers gets wrong or that show a rule; the sign is Maven 3.9.9's own
    ("2.0.0.RC", "2.0.0-SNAPSHOT", -1),
    ("2.0.0.RC", "2.0.0-RC", 0),
    ("2.0.0.RC10", "2.0.0-RC-10", 0),
    ("2.0.0.RC2", "2.0.0.RC10", -1),
    ("2.1.2.GA1", "2.1.2.0-GA1", 0),
    ("1-RELEASE.1", "1-M", -1),
    ("1.0.Final-redhat-1", "1.0.0.redhat-2", -1),
    ("1.0.Final", "1.0.Final-redhat-1", -1),
    ("31.1-jre", "31.1-android", 1),
    ("9.4.48.v20220622", "9.4.49.v20220914", -1),
    ("4.1.100.Final", "4.1.77.Final", 1),
    ("1.0-20240101.120000-1", "1.0-SNAPSHOT", 1),
    ("2.0.b1", "2.0-beta-1", 0),
    ("1.0.0.0.0", "1", 0),
]


@pytest.mark.parametrize(("one", "other", "maven"), MAVEN, ids=[f"{a} {b}" for a, b, _ in MAVEN])
def test_orders_as_maven_itself(one: str, other: str, maven: int) -> None:
    assert (sign(one, other), sign(other, one)) == (maven, -maven)


DIFFERENCES = [
    # a pair, what Maven 3.9 says, what we say, and why
    ("2.0.alpha-2", "2.0-alpha-2", 1, 0, ". and - before a qualifier are the same"),
    ("2.0.alpha-2", "2.0-sp", 1, -1, "a chain: 2.0-sp > 2.0 > 2.0.alpha-2"),
    ("1-0-alpha", "1-alpha", 1, 0, "zeros before a qualifier are trimmed"),
    ("1-final-sp", "1-abc", 1, -1, "an empty qualifier is trimmed; sp < abc"),
    ("0-sp", "abc", 1, -1, "zeros before a qualifier are trimmed, at the beginning, too"),
]


@pytest.mark.parametrize(
    ("one", "other", "maven", "ours"),
    [row[:4] for row in DIFFERENCES],
    ids=[f"{row[0]} {row[1]}" for row in DIFFERENCES],
)
def test_differs_from_maven_where_that_is_no_order(
    one: str, other: str, maven: int, ours: int
) -> None:
    assert theirs(one, other) == maven
    assert sign(one, other) == ours


def test_maven_contradicts_itself_where_it_is_not_followed() -> None:
    """Why it cannot be followed: no keys could say this."""
    assert theirs("2.0-sp", "2.0") == 1
    assert theirs("2.0", "2.0.alpha-2") == 1
    assert theirs("2.0.alpha-2", "2.0-sp") == 1
