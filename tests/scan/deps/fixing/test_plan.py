"""Plans: the lowest version that clears, the way to it, and what cannot be cleared."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.model.package import Source
from haechi.model.severity import Severity
from haechi.scan.deps.fixing.choosing import series
from haechi.scan.deps.fixing.plan import Plan, plan_upgrades
from haechi.scan.deps.fixing.ways import PROJECT, Way
from tests.scan.deps.fixing.worlds import Flaw, World, lock, package

HIGH = Severity.HIGH


def planned(world: World, file, threshold: Severity = HIGH, asks=None) -> Plan:  # type: ignore[no-untyped-def]
    return plan_upgrades(file, world.found(file), threshold, affected=world.affected, asks=asks)


def target(plan: Plan) -> tuple[str, bool]:
    assert len(plan.upgrades) == 1, plan
    return plan.upgrades[0].to, plan.upgrades[0].major


@pytest.mark.parametrize(
    ("ecosystem", "now", "flaws", "expected"),
    [
        pytest.param("npm", "1.0.0", [(("", "1.0.5"),)], ("1.0.5", False), id="lowest-fix"),
        pytest.param(
            "npm",
            "1.0.0",
            [(("", "1.0.5"),), (("", "1.2.0"),)],
            ("1.2.0", False),
            id="highest-of-several-fixes",
        ),
        pytest.param(
            "npm",
            "1.0.0",
            [(("", "1.0.5"), ("2.0.0", "2.0.1"))],
            ("1.0.5", False),
            id="branch-in-use",
        ),
        pytest.param("npm", "1.0.0", [(("", "2.0.0"),)], ("2.0.0", True), id="major-where-needed"),
        pytest.param("npm", "0.2.0", [(("", "0.3.0"),)], ("0.3.0", True), id="minor-of-zero"),
        pytest.param("PyPI", "0.2.0", [(("", "0.3.0"),)], ("0.3.0", False), id="zero-in-python"),
        pytest.param(
            "npm",
            "1.0.0",
            [(("", "1.1.0"),), (("1.1.0", "1.1.2"),)],
            ("1.1.2", False),
            id="fix-is-vulnerable-itself",
        ),
        pytest.param(
            "npm",
            "1.0.0",
            [(("", "1.1.0"), ("2.0.0", "2.5.0")), (("", "2.1.0"),)],
            ("2.5.0", True),
            id="both-only-in-the-next-major",
        ),
        pytest.param(
            "PyPI", "1.0", [(("", "1.1rc1"),), (("", "1.1"),)], ("1.1", False), id="no-pre-release"
        ),
        pytest.param(
            "PyPI", "1.1rc1", [(("", "1.1rc2"),)], ("1.1rc2", False), id="pre-release-on-one"
        ),
    ],
)
def test_goes_to_the_lowest_version_that_clears(
    ecosystem: str,
    now: str,
    flaws: list[tuple[tuple[str, str], ...]],
    expected: tuple[str, bool],
) -> None:
    world = World(ecosystem, *(Flaw(f"CVE-{n}", "x", one) for n, one in enumerate(flaws)))
    file = lock(package("x", now, ecosystem=ecosystem))
    assert target(planned(world, file)) == expected


def test_prefers_a_version_without_milder_flaws_and_tells_them_where_there_is_none() -> None:
    mild = Flaw("CVE-mild", "x", (("", "1.3.0"),), Severity.LOW)
    world = World("npm", Flaw("CVE-bad", "x", (("", "1.1.0"),)), mild)
    file = lock(package("x", "1.0.0"))
    assert target(planned(world, file)) == ("1.3.0", False)
    endless = Flaw("CVE-mild", "x", (("", ""),), Severity.LOW)
    plan = planned(World("npm", Flaw("CVE-bad", "x", (("", "1.1.0"),)), endless), file)
    assert target(plan) == ("1.1.0", False)
    assert plan.upgrades[0].leaves == ("CVE-mild",)


def test_clears_what_can_be_and_names_the_rest() -> None:
    world = World(
        "npm", Flaw("CVE-fixed", "x", (("", "1.1.0"),)), Flaw("CVE-open", "x", (("", ""),))
    )
    plan = planned(world, lock(package("x", "1.0.0")))
    (upgrade,) = plan.upgrades
    assert (upgrade.to, upgrade.clears, upgrade.remaining) == (
        "1.1.0",
        ("CVE-fixed",),
        ("CVE-open",),
    )
    assert [(one.ids, one.reason) for one in plan.stays] == [
        (("CVE-open",), "1.1.0 clears the rest; no version known clears this")
    ]


@pytest.mark.parametrize(
    ("flaw", "source", "version", "reason"),
    [
        (Flaw("CVE-1", "x", (("", ""),)), Source.REGISTRY, "1.0.0", "no fixed version is known"),
        (Flaw("MAL-1", "x", (("", ""),), HIGH, True), Source.REGISTRY, "1.0.0", "it is malicious"),
        (
            Flaw("CVE-1", "x", (("", "2.0.0-rc.1"),)),
            Source.REGISTRY,
            "1.0.0",
            "it is fixed only in pre-releases: 2.0.0-rc.1",
        ),
        (
            Flaw("CVE-1", "x", (("", "2.0.0"),)),
            Source.GIT,
            "1.0.0",
            "it comes from a git repository",
        ),
    ],
    ids=["no-fix", "malicious", "pre-release", "git"],
)
def test_says_why_something_stays(flaw: Flaw, source: Source, version: str, reason: str) -> None:
    world = World("npm", flaw)
    plan = planned(world, lock(package("x", version, source=source)))
    assert not plan.upgrades
    assert plan.stays[0].reason.startswith(reason)


def test_a_fix_that_is_vulnerable_without_end_is_none() -> None:
    world = World(
        "npm",
        Flaw("CVE-1", "x", (("", "1.1.0"),)),
        Flaw("CVE-2", "x", (("1.1.0", ""),)),
    )
    plan = planned(world, lock(package("x", "1.0.0")))
    assert not plan.upgrades
    assert "vulnerable themselves: 1.1.0 by CVE-2" in plan.stays[0].reason


def test_below_the_threshold_nothing_moves() -> None:
    world = World("npm", Flaw("CVE-1", "x", (("", "1.1.0"),), Severity.MEDIUM))
    assert planned(world, lock(package("x", "1.0.0"))) == Plan(
        path="package-lock.json", format="package-lock.json", ecosystem="npm"
    )


@pytest.mark.parametrize(
    ("asked", "format", "way", "certain"),
    [
        ({(0, 1): "^1.0.0"}, "package-lock.json", Way.LOCK, True),
        ({(0, 1): "1.0.0"}, "package-lock.json", Way.OVERRIDE, True),
        ({(0, 1): "1.0.0"}, "Gemfile.lock", Way.PARENT, True),
        ({}, "package-lock.json", Way.LOCK, False),
        ({(0, 1): "^1.0.0"}, "site-packages", Way.ELSEWHERE, True),
    ],
    ids=["range-allows", "range-forbids", "no-override", "range-unknown", "installed"],
)
def test_the_way_of_what_another_brings_in(
    asked: Mapping[tuple[int, int], str], format: str, way: Way, certain: bool
) -> None:
    world = World("npm", Flaw("CVE-1", "x", (("", "1.1.0"),)))
    file = lock(package("top", "1.0.0", 1), package("x", "1.0.0"), format=format)
    plan = planned(world, file, asks=lambda *pair: [asked[pair]] if pair in asked else None)
    (upgrade,) = plan.upgrades
    assert (upgrade.way, upgrade.certain, upgrade.by) == (way, certain, ("top",))
    assert bool(upgrade.blockers) == (way in (Way.OVERRIDE, Way.PARENT))


@pytest.mark.parametrize(
    ("asked", "way"),
    [("^1.0.0", Way.LOCK), ("1.0.0", Way.MANIFEST), ("~1.0.0", Way.MANIFEST), (None, Way.MANIFEST)],
)
def test_the_way_of_what_the_project_asks_for(asked: str | None, way: Way) -> None:
    world = World("npm", Flaw("CVE-1", "x", (("", "1.1.0"),)))
    plan = planned(
        world,
        lock(package("x", "1.0.0")),
        asks=lambda owner, _: [asked] if owner == PROJECT and asked else None,
    )
    assert plan.upgrades[0].way is way
    assert plan.upgrades[0].direct


def test_who_moves_itself_blocks_nobody() -> None:
    world = World("npm", Flaw("CVE-1", "x", (("", "1.1.0"),)), Flaw("CVE-2", "p", (("", "1.0.1"),)))
    file = lock(package("p", "1.0.0", 1), package("x", "1.0.0"))
    plan = planned(world, file, asks=lambda *_: ["1.0.0"])
    assert {one.name: (one.way, one.certain) for one in plan.upgrades} == {
        "p": (Way.MANIFEST, True),
        "x": (Way.LOCK, False),
    }


@pytest.mark.parametrize(
    ("ecosystem", "version", "expected"),
    [
        ("npm", "1.2.3", ("1",)),
        ("npm", "0.2.3", ("0", "2")),
        ("PyPI", "0.2.3", ("0",)),
        ("PyPI", "1!2.3", ("2",)),
        ("Go", "v2.0.0+incompatible", ("2",)),
    ],
)
def test_series(ecosystem: str, version: str, expected: tuple[str, ...]) -> None:
    assert series(ecosystem, version) == expected


_PARTS = st.tuples(st.integers(1, 2), st.integers(0, 3), st.integers(0, 1))
_VERSION = _PARTS.map(lambda one: ".".join(map(str, one)))
_FLAWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.lists(st.tuples(_PARTS, _PARTS), min_size=1, max_size=2),
        st.sampled_from([Severity.HIGH, Severity.LOW]),
    ),
    max_size=5,
)


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


@settings(max_examples=150, deadline=None)
@given(versions=st.lists(_VERSION, min_size=3, max_size=3), flaws=_FLAWS)
def test_equals_brute_force_on_small_worlds(versions: list[str], flaws: list) -> None:  # type: ignore[type-arg]
    """Of all assignments of known versions the plan's is one with the fewest vulnerabilities left;
    among those the one with the fewest moved packages and the lowest versions in their series."""
    made = []
    for number, (name, pairs, severity) in enumerate(flaws):
        ranges = tuple(
            (".".join(map(str, min(pair))), ".".join(map(str, max(pair)))) for pair in pairs
        )
        made.append(Flaw(f"CVE-{number}", name, ranges, severity))
    world = World("npm", *made)
    file = lock(
        *(package(name, version) for name, version in zip("abc", versions, strict=True)),
        requires=(0, 1, 2),
    )
    plan = planned(world, file)
    moved = {one.name: one.to for one in plan.upgrades}
    for name, version in zip("abc", versions, strict=True):
        known = {version, *(end for flaw in made if flaw.name == name for _, end in flaw.ranges)}
        options = {
            one: _judged(world, name, one) for one in known if _order(one) >= _order(version)
        }
        now_bad, _ = options[version]
        usable = {
            one: judged
            for one, judged in options.items()
            if one == version or (judged[0] < now_bad and _reached(world, name, version, one))
        }
        best = min(
            usable,
            key=lambda one: (
                len(usable[one][0]),
                one != version,
                one.partition(".")[0] != version.partition(".")[0],
                _order(one)[0],
                bool(usable[one][1]),
                _order(one),
            ),
        )
        assert moved.get(name, version) == best
    stay = {id_ for one in plan.stays for id_ in one.ids}
    left = set(
        itertools.chain.from_iterable(
            _judged(world, name, moved.get(name, version))[0]
            for name, version in zip("abc", versions, strict=True)
        )
    )
    assert stay == left


def _judged(world: World, name: str, version: str) -> tuple[set[str], set[str]]:
    hit = world.affected("npm", name, version).vulnerabilities
    bad = {one.id for one in hit if one.advisory.severity is Severity.HIGH}
    return bad, {one.id for one in hit} - bad


def _reached(world: World, name: str, version: str, wanted: str) -> bool:
    """Whether fixes of fixes lead there: versions that no advisory on the way names are not
    known to help."""
    seen: set[str] = set()
    bad = [
        one
        for one in world.affected("npm", name, version).vulnerabilities
        if one.advisory.severity is Severity.HIGH
    ]
    pending = [fix for one in bad for fix in one.fixed]
    while pending:
        at = pending.pop()
        if at not in seen:
            seen.add(at)
            hit = world.affected("npm", name, at).vulnerabilities
            pending += [fix for one in hit for fix in one.fixed]
    return wanted in seen


def test_what_is_accepted_stands_in_no_ones_way() -> None:
    """A waived vulnerability without a fix concerns every version, the target too."""
    asked = Flaw("CVE-1", "low", (("", "1.0.5"),))
    waived = Flaw("CVE-2", "low", (("", ""),))
    world = World("npm", asked, waived)
    file = lock(package("low", "1.0.0"))
    found = {
        at: [one for one in hits if one.id == "CVE-1"] for at, hits in world.found(file).items()
    }
    plan = plan_upgrades(file, found, HIGH, affected=world.affected)
    assert [(one.to, one.leaves) for one in plan.upgrades] == [("1.0.5", ("CVE-2",))]
    assert not plan.stays


def test_milder_ones_are_raised_too_where_that_is_asked_for() -> None:
    low = Severity.LOW
    world = World(
        "npm",
        Flaw("CVE-1", "bad", (("", "1.0.5"),)),
        Flaw("CVE-2", "bad", (("", "2.0.0"),), low),
        Flaw("CVE-3", "mild", (("", "1.0.1"),), low),
    )
    file = lock(package("bad", "1.0.0"), package("mild", "1.0.0"), requires=(0, 1))
    found = world.found(file)
    plan = plan_upgrades(file, found, HIGH, affected=world.affected, milder=True)
    moves = [(one.name, one.to, one.clears) for one in plan.upgrades]
    assert moves == [("bad", "1.0.5", ("CVE-1",)), ("mild", "1.0.1", ("CVE-3",))]
    without = plan_upgrades(file, found, HIGH, affected=world.affected)
    assert without.upgrades == plan.upgrades[:1]


@pytest.mark.parametrize(
    ("source", "way"),
    [
        (Source.WORKSPACE, Way.MANIFEST),
        (Source.PATH, Way.MANIFEST),
        (Source.REGISTRY, Way.OVERRIDE),
    ],
)
def test_a_member_of_the_workspace_stands_in_nobodys_way(source: Source, way: Way) -> None:
    world = World("npm", Flaw("CVE-1", "low", (("", "1.0.5"),)))
    file = lock(package("member", "1.0.0", 1, source=source), package("low", "1.0.0"))
    plan = planned(world, file, asks=lambda owner, _: ["1.0.0"] if owner == 0 else None)
    assert [one.way for one in plan.upgrades] == [way]
