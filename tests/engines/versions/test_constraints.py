"""Constraints of manifests: tables for every ecosystem, and its own library or tool where it is
here."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from haechi.engines.versions import scheme_of
from haechi.engines.versions.keys import MAX_CONSTRAINT
from haechi.errors import VersionError
from tests.engines.versions import shapes, tools

TABLE = [
    # ecosystem, constraint, versions in it, versions out of it
    ("PyPI", ">=1.2,<2", "1.2 1.9.9 1.2.post1 1.5+local", "1.1 2.0 1.3a1 2.0.dev1"),
    ("PyPI", "~=1.4.2", "1.4.2 1.4.99", "1.5 1.4.1"),
    ("PyPI", "==1.1.*", "1.1 1.1.5 1.1.0.post1", "1.10 1.2 1.1a1"),
    ("PyPI", "!=1.1.*", "1.2 1.0", "1.1 1.1.3"),
    ("PyPI", ">1.0", "1.0.1 1.1", "1.0 1.0.post1 1.0+local"),
    ("PyPI", "<=1.0,>=1.0a1", "1.0a1 1.0rc1 1.0+local", "1.0.post1"),
    ("PyPI", "===1.0", "1.0", "1.0.0 v1.0"),
    ("PyPI", "==1.0", "1.0.0 1.0+x v1.0", "1.0.1"),
    ("PyPI", "==1.0+x", "1.0+X", "1.0 1.0+y"),
    ("PyPI", "", "0 99", "1a1"),
    ("PyPI", "^1.2", "1.2 1.99", "1.1 2.0"),
    ("PyPI", "^0.2.3", "0.2.9", "0.3.0 0.2.2"),
    ("PyPI", "~1.2 || ^3", "1.2.9 3.4", "1.3 2.0 4.0"),
    ("PyPI", "(>=1 <2)", "1.5", "2"),
    ("npm", "^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0 2.0.0-0 1.5.0-beta"),
    ("npm", "^0.2.3", "0.2.3 0.2.9", "0.3.0"),
    ("npm", "^0.0.3", "0.0.3", "0.0.4"),
    ("npm", "^1.2.3-beta.2", "1.2.3-beta.4 1.2.3 1.9.0", "1.2.3-beta.1 1.2.4-beta.9"),
    ("npm", "~1.2", "1.2.0 1.2.9", "1.3.0"),
    ("npm", "1.x", "1.0.0 1.9.9", "2.0.0 0.9.0"),
    ("npm", "*", "0.0.0 9.9.9", "1.0.0-rc.1"),
    ("npm", "", "1.0.0", "1.0.0-a"),
    ("npm", "1.2 - 2.3", "1.2.0 2.3.9", "1.1.9 2.4.0"),
    ("npm", ">=1.2.3 <2 || >3", "1.5.0 4.0.0", "2.5.0 3.5.0"),
    ("npm", ">1.2", "1.3.0", "1.2.9"),
    ("npm", "<=1.2", "1.2.9", "1.3.0"),
    ("npm", "= v1.2.3", "1.2.3 v1.2.3 1.2.3+b", "1.2.4"),
    ("npm", ">x", "", "1.0.0"),
    ("Go", "v1.2.3", "v1.2.3 v1.9.0 v1.2.4-0.20191109021931-daa7c04131f5", "v1.2.2 v1.2.3-rc.1"),
    ("crates.io", "1.2.3", "1.2.3 1.9.0", "2.0.0 1.2.2 1.3.0-rc.1"),
    ("crates.io", "0.2", "0.2.9", "0.3.0"),
    ("crates.io", "=1.2.3", "1.2.3", "1.2.4"),
    ("crates.io", ">=1.2, <1.5", "1.4.9", "1.5.0"),
    ("crates.io", "1.*", "1.9.0", "2.0.0"),
    ("crates.io", "~1.2.3", "1.2.9", "1.3.0"),
    ("Hex", "~> 1.2", "1.2.0 1.9.0", "2.0.0"),
    ("Hex", "~> 1.2.3", "1.2.9", "1.3.0"),
    ("Hex", ">= 1.0.0 and < 2.0.0 or == 3.0.0", "1.5.0 3.0.0", "2.0.0 3.0.1"),
    ("Pub", "^0.1.2", "0.1.9", "0.2.0"),
    ("Pub", "^0.0.3", "0.0.9", "0.1.0"),
    ("Pub", "any", "1.0.0", ""),
    ("RubyGems", "~> 1.2.3", "1.2.3 1.2.99", "1.3 1.3.a 1.2.3.a"),
    ("RubyGems", "~> 1.2", "1.9", "2.0"),
    ("RubyGems", ">= 1.0, != 1.5, < 2", "1.4", "1.5 2"),
    ("RubyGems", "~> 1.0.a", "1.0.rc1 1.9", "2.0"),
    ("Maven", "[1.0,2.0)", "1.0 1.9 1.5-rc1", "2.0 0.9"),
    ("Maven", "(,1.0],[1.2,)", "0.1 1.0 1.2 9", "1.1"),
    ("Maven", "[1.0]", "1.0.0", "1.0.1"),
    ("Maven", "1.0", "1.0 1.0.0", "1.1"),
    ("NuGet", "1.0", "1.0 2.0", "0.9 2.0-beta"),
    ("NuGet", "[1.0,2.0)", "1.0.0.0 1.9", "2.0 1.5-rc"),
    ("NuGet", "1.*", "1.0 1.9", "2.0 0.9 1.5-rc"),
    ("NuGet", "1.2.*-*", "1.2.0-rc 1.2.9", "1.3.0-rc 1.3"),
    ("NuGet", "[1.0-beta, 1.0]", "1.0-RC 1.0", "1.0.1"),
    ("NuGet", "1.0.0-beta*", "1.0.0-beta2 1.0.0", "1.0.0-alpha 1.0.1"),
    ("Packagist", "^1.2", "1.2.0 v1.9", "2.0 1.1.9 1.3-beta1 dev-main"),
    ("Packagist", "~1.2.3", "1.2.9", "1.3.0"),
    ("Packagist", "~1.2", "1.9", "2.0"),
    ("Packagist", "1.0 - 2.0", "2.0.9", "2.1.0"),
    ("Packagist", "1.*|dev-main", "1.5 dev-main", "2.0 dev-other"),
    ("Packagist", "^1.0@beta", "1.5-beta1 1.5-RC1", "1.5-alpha1 2.0"),
    ("Packagist", ">=1.0 <2.0, !=1.5", "1.4", "1.5 2.0"),
    ("Debian:12", ">= 1.2, << 2", "1.2 1.9~", "2 1.1"),
    ("Red Hat", ">= 1.2-3", "1.2-3 1.3", "1.2-2"),
    ("Alpine:v3.20", ">=1.2-r1", "1.2-r1", "1.2-r0"),
]


@pytest.mark.parametrize(
    ("ecosystem", "constraint", "inside", "outside"),
    TABLE,
    ids=[f"{row[0]} {row[1]}" for row in TABLE],
)
def test_lets_in_what_the_ecosystem_does(
    ecosystem: str, constraint: str, inside: str, outside: str
) -> None:
    satisfies = scheme_of(ecosystem).satisfies
    assert [it for it in inside.split() if not satisfies(it, constraint)] == []
    assert [it for it in outside.split() if satisfies(it, constraint)] == []


WRONG = [
    ("PyPI", ">=1.*"),
    ("PyPI", "~=1"),
    ("PyPI", ">=1.0+local"),
    ("PyPI", "latest"),
    ("npm", "latest"),
    ("npm", "git+https://example.com/a.git"),
    ("npm", "file:../a"),
    ("npm", ">= <2"),
    ("RubyGems", "~> x"),
    ("Maven", ""),
    ("Maven", "[1.0,2.0"),
    ("Maven", "(1.0)"),
    ("Maven", "[2,1]"),
    ("Maven", "[1,2],"),
    ("NuGet", "[,1.0"),
    ("Packagist", ">dev-main"),
    ("Packagist", "self.version"),
    ("Debian", ">= "),
]


@pytest.mark.parametrize(("ecosystem", "constraint"), WRONG, ids=[f"{e} {c}" for e, c in WRONG])
def test_refuses_what_is_no_range(ecosystem: str, constraint: str) -> None:
    with pytest.raises(VersionError, match=r"no range|no version"):
        scheme_of(ecosystem).satisfies("1.0.0", constraint)


def test_matches_specifiers_as_packaging_does() -> None:
    """packaging itself lets a lone pre-release in; here it must be asked for (PEP 440, "Handling
    of pre-releases"), so it is told whether a specifier names one."""
    satisfies = scheme_of("PyPI").satisfies
    drawn = random.Random(1)  # noqa: S311
    compared = 0
    for _ in range(4 * shapes.PAIRS):
        constraint, version = _specifiers(drawn), _python(drawn)
        try:
            oracle = SpecifierSet(constraint)
        except InvalidSpecifier:
            with pytest.raises(VersionError):
                satisfies(version, constraint)
            continue
        asked = any(it.prereleases for it in oracle)
        expected = oracle.contains(version, prereleases=bool(asked))
        assert satisfies(version, constraint) is expected, (version, constraint)
        compared += 1
    assert compared > 2 * shapes.PAIRS


def _python(drawn: random.Random) -> str:
    number = drawn.choice(("0", "1", "2", "1.0", "1.1", "1.2", "1.2.3", "2.0", "1!1.0"))
    return number + drawn.choice(("", "", "", "a1", "rc1", ".post1", ".dev1", "+l"))


def _specifiers(drawn: random.Random) -> str:
    operators = ("==", "!=", "<=", ">=", "<", ">", "~=", "===")
    words = [
        drawn.choice(operators) + _python(drawn) + drawn.choice(("", "", "", ".*"))
        for _ in range(drawn.randint(1, 3))
    ]
    return ",".join(words)


def test_matches_ranges_as_npm_does() -> None:
    if not tools.node_semver():
        pytest.skip("npm's semver is not on this machine")
    drawn = random.Random(1)  # noqa: S311
    pairs = [(_npm(drawn), _ranges(drawn)) for _ in range(4 * shapes.PAIRS)]
    satisfies = scheme_of("npm").satisfies
    answers = tools.node("range", pairs)
    wrong = [
        (pair, answer)
        for pair, answer in zip(pairs, answers, strict=True)
        # refused: node-semver 7.8 refuses a wildcard before a number (X.1.2), we read on
        if answer is not None and satisfies(*pair) is not answer
    ]
    assert not wrong
    assert sum(answer is True for answer in answers) > shapes.PAIRS // 4


def _npm(drawn: random.Random) -> str:
    numbers = ".".join(drawn.choice("0012") for _ in range(3))
    return numbers + drawn.choice(("", "", "-0", "-1", "-alpha", "-beta.2", "-rc.1.x"))


def _ranges(drawn: random.Random) -> str:
    if drawn.random() < 0.15:
        return f"{_partial(drawn)} - {_partial(drawn)}"
    operators = ("", "^", "~", ">=", ">", "<", "<=", "=", "~>", "^", "~")
    words = [drawn.choice(operators) + _partial(drawn) for _ in range(drawn.randint(1, 2))]
    text = " ".join(words)
    return text if drawn.random() < 0.7 else f"{text} || {_ranges(drawn)}"


def _partial(drawn: random.Random) -> str:
    """No lone wildcard: beside one, node-semver forgets the other alternatives, and with them
    which pre-releases they let in (Range's constructor, "if we have any that are just *")."""
    numbers = [drawn.choice("0012") for _ in range(drawn.randint(1, 3))]
    if len(numbers) == 3:
        return ".".join(numbers) + drawn.choice(("", "", "-0", "-alpha", "-beta.2"))
    return ".".join(numbers) + drawn.choice(("", "", ".x", ".*"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted({row[0] for row in TABLE})),
    st.text(alphabet="0129.xX*-+~^<>=!|@,[]() adevbr#\0é", max_size=60),
)
def test_any_constraint_is_answered_or_refused(ecosystem: str, constraint: str) -> None:
    satisfies = scheme_of(ecosystem).satisfies
    try:
        answer = satisfies("1.2.3", constraint)
    except VersionError as error:
        assert error.do
    else:
        assert satisfies("1.2.3", constraint) is answer


@pytest.mark.parametrize("ecosystem", sorted({row[0] for row in TABLE}))
def test_refuses_constraints_beyond_the_limit(ecosystem: str) -> None:
    satisfies = scheme_of(ecosystem).satisfies
    for endless in ("1" * (MAX_CONSTRAINT + 1), ",".join(["[1,2]"] * 400), "||".join("1" * 500)):
        with pytest.raises(VersionError):
            satisfies("1.2.3", endless)


PRERELEASES = [
    ("PyPI", "1.0a1 1.0.dev1 1.0.post1.dev2", "1.0 1.0.post1 1.0+local"),
    ("npm", "1.0.0-0", "1.0.0 1.0.0+b"),
    ("Go", "v0.0.0-20170915032832-14c0d48ead0c go1.21rc2", "v1.0.0+incompatible"),
    ("RubyGems", "1.0.rc1 1-a", "1.0"),
    ("Maven", "1.0-alpha-1 1.0-SNAPSHOT 1.0.M1", "1.0.Final 31.1-jre"),
    ("NuGet", "1.0-beta", "1.0"),
    ("Packagist", "1.0-RC1 dev-main 1.x-dev", "1.0-p1"),
    ("Debian", "", "1.0~rc1"),
    ("Red Hat", "", "1.0~rc1-1"),
    ("Alpine", "", "1.0_rc1"),
]


@pytest.mark.parametrize(("ecosystem", "yes", "no"), PRERELEASES, ids=[r[0] for r in PRERELEASES])
def test_tells_prereleases(ecosystem: str, yes: str, no: str) -> None:
    prerelease = scheme_of(ecosystem).prerelease
    assert all(prerelease(it) for it in yes.split())
    assert not any(prerelease(it) for it in no.split())
