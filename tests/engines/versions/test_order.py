"""Keys order versions as each ecosystem does: by tables, against libraries, against the tools."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import packaging.version
import pytest
import univers.versions
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.versions import scheme_of
from haechi.engines.versions.keys import MAX_LENGTH
from haechi.errors import VersionError
from tests.engines.versions import shapes, tools

LADDERS: dict[str, str] = {
    # versions that are equal stand in one line, older ones first
    "PyPI": """
        1.dev0 1.0.dev0 v1.0.DEV
        1.0a1.dev1
        1.0a1 1.0-alpha-1 1.0.ALPHA.1 1.0.0a01
        1.0a1.post1
        1.0b1 1beta1
        1.0rc1 1.0c1 1.0pre1 1.0-preview_1
        1 1.0 1.0.0 v1 1.0.0.0
        1.0+a
        1.0+a.1 1.0+a-1 1.0+A_1
        1.0+ab
        1.0+1
        1.0.post1.dev1
        1.0.post1 1.0-1 1.0-r1 1.0.rev1
        1.0.1
        1.0.10
        1!0.1
    """,
    "npm": """
        0.0.0-0
        0.0.0
        1.0.0-1
        1.0.0-10
        1.0.0-alpha =1.0.0-alpha
        1.0.0-alpha.1
        1.0.0-alpha.beta
        1.0.0-beta
        1.0.0-beta.2
        1.0.0-beta.11
        1.0.0-rc.1
        1.0.0 v1.0.0 1.0.0+build 1.0 1
        1.2.3
        1.10.0
        99999999999999999999.0.0
    """,
    "Go": """
        v0.0.0-20170915032832-14c0d48ead0c
        v0.0.0-20180915032832-14c0d48ead0c
        0
        v1.2.4-0.20191109021931-daa7c04131f5
        v1.2.4
        1.21.0-rc.2 go1.21rc2
        1.21.0 go1.21 go1.21.0 v1.21.0
        1.21.3 go1.21.3 go1.21.3-vendor
        v2.0.0 v2.0.0+incompatible 2.0.0
    """,
    "Pub": """
        1.0.0-dev.1
        1.0.0
        1.0.0+1
        1.0.0+2
        1.0.1
    """,
    "RubyGems": """
        1.a
        1.a.1
        1.0.0.beta1 1.beta.1
        1.0.0.rc1
        1.0.rc2 1.rc2.0 1.rc.2
        1 1.0 1.0.0 1.0.0.0
        1.0.1.a
        1.0.1
        1.1.pre.1 1.1-1
        1.1
        1.10
        2
    """,
    "Maven": """
        1-alpha 1.alpha 1.0-alpha 1-ALPHA
        1-alpha-1 1-alpha1 1-a1 1.0.0-alpha-1 1.0.alpha1
        1-beta
        1-milestone-3 1-m3
        1-rc 1-cr 1.0.RC
        1-rc-2 1cr2
        1-SNAPSHOT 1.0-snapshot
        1 1.0 1.0.0 1-ga 1.0.Final 1.0-RELEASE 1-0 1.0-0
        1-sp
        1-sp-1 1-SP1
        1-abc
        1-jre8
        1-redhat-1 1.0.Final-redhat-1
        1-xyz
        1-1 1.0-1
        1-2
        1.0.1
        1.1
        1.1.1
        1.10
        2147483648
        99999999999999999999
    """,
    "NuGet": """
        1.0.0-alpha 1.0.0-ALPHA 1-alpha
        1.0.0-alpha.1
        1.0.0-beta
        1.0 1.0.0 1.0.0.0 1 1.0.0+meta 1.00
        1.0.0.1-rc
        1.0.0.1
        1.0.1
        1.10
    """,
    "Packagist": """
        dev-main
        dev-master master
        1.0-dev 1.0.0.0-dev
        1.0-alpha1 1.0.0a1 1.0-alpha.1
        1.0-beta
        1.0-beta.2 1.0b2
        1.0-RC1 1.0.0-rc1
        1 1.0 v1.0.0 1.0.0.0 1.0-stable 1.0.0+build
        1.0-p1 1.0.0-patch1 1.0pl1
        1.0.1
        1.x-dev 1.*.dev
        2.0.0-dev
        20121212
    """,
    "Debian:12": """
        1.0~~
        1.0~~a
        1.0~
        1.0~rc1-1
        1.0 1.0-0 0:1.0 1.00
        1.0-0.1
        1.0-1 01.0-1
        1.0-1ubuntu1
        1.0-1+deb12u1
        1.0-1.1
        1.0a
        1.0+dfsg-1
        1.0.1
        1.2
        1.10
        1:0.5
    """,
    "Red Hat:enterprise_linux:8": """
        1.0~rc1
        1.0~rc1-1
        1.0 0:1.0 (none):1.0 1_0
        1.0-1.el8 1.0-1_el8
        1.0-1.el8_1
        1.0-2
        1.0^git1-1
        1.0a-1
        1.0.1
        1.10 1.010
        1:0.5
    """,
    "Alpine:v3.20": """
        1.0_alpha
        1.0_alpha1
        1.0_beta
        1.0_pre
        1.0_rc
        1.0_rc1
        1.0
        1.0-r0
        1.0-r1
        1.0~abc
        1.0_git20240101
        1.0_p
        1.0_p0
        1.0_p1
        1.0_p1-r1
        1.0a
        1.0b
        1.0.1
        1.01
        1.1
        1.10
    """,
}


def _rungs(ecosystem: str) -> list[list[str]]:
    return [line.split() for line in LADDERS[ecosystem].splitlines() if line.strip()]


@pytest.mark.parametrize("ecosystem", LADDERS)
def test_orders_as_the_specification_says(ecosystem: str) -> None:
    key = scheme_of(ecosystem).key
    rungs = _rungs(ecosystem)
    keys = [[key(version) for version in rung] for rung in rungs]
    assert [len(set(equal)) for equal in keys] == [1] * len(rungs)
    assert [equal[0] for equal in keys] == sorted({equal[0] for equal in keys})


def _sign(one: Any, other: Any) -> int:
    return bool(one > other) - bool(one < other)


ORACLES: dict[str, Callable[[str], Any]] = {
    "PyPI": packaging.version.Version,
    "npm": univers.versions.SemverVersion,
    "RubyGems": univers.versions.RubygemsVersion,
    "NuGet": univers.versions.NugetVersion,
    "Debian": univers.versions.DebianVersion,
    "Maven": univers.versions.MavenVersion,
    "Red Hat": univers.versions.RpmVersion,
    "Packagist": univers.versions.ComposerVersion,
    "Alpine": univers.versions.AlpineLinuxVersion,
}
WHOLLY = ("PyPI", "npm", "RubyGems", "NuGet", "Debian")
"""Ecosystems in which the library agrees on every pair that it can read."""


@pytest.mark.parametrize("ecosystem", WHOLLY)
def test_orders_as_the_library_does(ecosystem: str) -> None:
    key, oracle = scheme_of(ecosystem).key, ORACLES[ecosystem]
    compared = 0

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(shapes.close(ecosystem))
    def check(pair: tuple[str, str]) -> None:
        nonlocal compared
        try:
            one, other = map(oracle, pair)
        except univers.versions.InvalidVersion:
            return
        compared += 1
        assert _sign(key(pair[0]), key(pair[1])) == _sign(one, other)

    check()
    assert compared > 100


@pytest.mark.parametrize("ecosystem", ["Debian", "Red Hat", "RubyGems", "Packagist"])
def test_orders_as_the_tool_does(ecosystem: str) -> None:
    asked = tools.command(ecosystem)
    if asked is None:
        pytest.skip(f"the tool that orders versions of {ecosystem} is not on this machine")
    key = scheme_of(ecosystem).key
    pairs = shapes.pairs(ecosystem)
    answers = tools.order(asked, pairs)
    assert len(answers) == len(pairs)
    wrong = [
        (pair, answer)
        for pair, answer in zip(pairs, answers, strict=True)
        if answer is not None and _sign(key(pair[0]), key(pair[1])) != answer
    ]
    assert not wrong
    assert sum(answer is not None for answer in answers) > len(pairs) // 2


def test_orders_as_npm_does() -> None:
    if not tools.node_semver():
        pytest.skip("npm's semver is not on this machine")
    key = scheme_of("npm").key
    pairs = shapes.pairs("npm")
    answers = tools.node("order", pairs)
    assert [_sign(key(one), key(other)) for one, other in pairs] == answers


DIFFERENCES = [
    # Each was found by 20,000 pairs; ecosystem, a pair, what univers says, what we say, and why
    ("Packagist", "01.b.1", "01.b.10", 0, -1, "PHP, version_compare: 1 < 10"),
    ("Packagist", "1.0", "1.0-stable", 1, 0, "composer/semver normalises -stable away"),
    ("Packagist", "0.0", "0-patch1", 1, -1, "PHP, version_compare: any < pl"),
    ("Red Hat", "1.0", "1.0-.", 0, -1, "rpm: a version with a release is newer than without"),
    ("Alpine", "1.010", "1.01.0", -1, 1, "apk-tools: 010 and 01 compare as texts, 010 is longer"),
    ("Alpine", "1.00", "1.000", 0, -1, "apk-tools: texts"),
    ("Alpine", "1.0.0", "1.00", 1, -1, "apk-tools: 0 and 00 compare as texts"),
]


@pytest.mark.parametrize(
    ("ecosystem", "one", "other", "theirs", "ours"),
    [row[:5] for row in DIFFERENCES],
    ids=[f"{row[0]} {row[1]} {row[2]}" for row in DIFFERENCES],
)
def test_differs_from_univers_where_the_ecosystem_does(
    ecosystem: str, one: str, other: str, theirs: int, ours: int
) -> None:
    oracle, key = ORACLES[ecosystem], scheme_of(ecosystem).key
    assert _sign(oracle(one), oracle(other)) == theirs
    assert _sign(key(one), key(other)) == ours
    asked = tools.command(ecosystem)
    if asked is not None:
        assert tools.order(asked, [(one, other)]) == [ours]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(LADDERS)), st.text(max_size=MAX_LENGTH + 10))
def test_any_text_has_a_key_or_is_refused(ecosystem: str, text: str) -> None:
    key = scheme_of(ecosystem).key
    try:
        made = key(text)
    except VersionError as error:
        assert error.why
        assert error.do
    else:
        assert made == key(text) == key(f" {text} ")


@pytest.mark.parametrize("ecosystem", LADDERS)
def test_numbers_of_any_length_within_the_limit(ecosystem: str) -> None:
    scheme = scheme_of(ecosystem)
    digits = 5 if ecosystem == "Packagist" else 100  # Composer's first number has five at most
    long, longer = "9" * digits, f"1.{'9' * 200}"
    assert scheme.key("1") < scheme.key(long)
    assert scheme.key("1.2") < scheme.key(longer) < scheme.key("2.1")
    with pytest.raises(VersionError, match="characters"):
        scheme.key("1" * (MAX_LENGTH + 1))


@pytest.mark.parametrize("ecosystem", LADDERS)
@pytest.mark.parametrize("piece", ["1", "0", "a", "-", "~", ".0", "0a", "1-", "-beta1"])
def test_long_repetitions_do_not_backtrack(ecosystem: str, piece: str) -> None:
    """With a pattern that does, this would not end."""
    scheme = scheme_of(ecosystem)
    for beginning in ("", "1.0", "1.0-beta"):
        hostile = (beginning + piece * MAX_LENGTH)[: MAX_LENGTH - 1] + "!"
        assert hostile.isprintable()
        with contextlib.suppress(VersionError):
            scheme.key(hostile)
