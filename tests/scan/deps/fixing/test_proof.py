"""The second look: which version of a package is rid of what was known against it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from haechi.model.package import PackageFile
from haechi.model.severity import Severity
from haechi.scan.deps.fixing.plan import plan_upgrades, rated
from haechi.scan.deps.fixing.proof import Proof, Tally
from haechi.scan.deps.matching import Sources, match
from haechi.world.advisories.reading import Advisories
from tests.cli.fixable import advisory
from tests.scan.deps.fixing.worlds import lock, package

HIGH = Severity.HIGH


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Sources]:
    """``low`` is bad in 1.x before 1.0.5 and in 2.x before 2.0.5."""
    record: dict[str, Any] = advisory("CVE-2026-1", "npm", "low", "1.0.5")
    record["affected"][0]["ranges"][0]["events"] += [{"introduced": "2.0.0"}, {"fixed": "2.0.5"}]
    (tmp_path / "CVE-2026-1.json").write_text(json.dumps(record))
    with Advisories.of_folder(tmp_path) as own:
        yield Sources(None, [own])


def installed(old: str, new: str) -> PackageFile:
    """``a`` needs the one, ``b`` the other; equal ones are one package."""
    served = list(dict.fromkeys((old, new)))
    places = {version: at for at, version in enumerate(served, 2)}
    packages = [package("low", version) for version in served]
    return lock(
        package("a", "1.0.0", places[old]), package("b", "1.0.0", places[new]), *packages,
        requires=(0, 1),
    )  # fmt: skip


def verdicts(known: Sources, then: PackageFile) -> Mapping[str, bool]:
    """Version in use → whether its upgrade is proven."""
    before = installed("1.0.0", "2.0.0")
    found = {index: hits for (_, index), hits in match([before], known).found.items()}
    (own,) = known.own
    plan = plan_upgrades(before, found, HIGH, affected=own.vulnerabilities)
    was, now = (Tally((file,), known, HIGH, rated) for file in (before, then))
    proof = Proof(was, now, ())
    return {one.version: proof.gone(before.path, one) for one in plan.upgrades}


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (("1.0.5", "2.0.5"), (True, True)),
        (("1.0.5", "2.0.0"), (True, False)),
        (("1.0.0", "2.0.5"), (False, True)),
        (("1.0.0", "2.0.0"), (False, False)),
        (("2.0.5", "2.0.5"), (True, True)),
        # the tool moved the old one's user to the other vulnerable one
        (("2.0.0", "2.0.0"), (False, False)),
        (("1.0.3", "2.0.5"), (False, False)),
    ],
    ids=["both", "old", "new", "none", "one", "moved-to-the-other", "another-vulnerable-one"],
)
def test_two_versions_of_a_package_are_proven_apart(
    known: Sources, then: tuple[str, str], expected: tuple[bool, bool]
) -> None:
    assert verdicts(known, installed(*then)) == dict(zip(("1.0.0", "2.0.0"), expected, strict=True))


def test_a_vulnerable_version_in_more_places_is_not_worse(known: Sources) -> None:
    """npm hangs packages elsewhere when others move; that is no new vulnerability."""
    before = installed("1.0.0", "2.0.5")
    after = lock(*before.packages, package("low", "1.0.0"), requires=(0, 1))
    more = lock(*before.packages, package("low", "2.0.1"), requires=(0, 1))
    tallies = [Tally((file,), known, HIGH, rated) for file in (before, after, more)]
    assert Proof(tallies[0], tallies[1], ()).holds
    assert not Proof(tallies[0], tallies[2], ()).holds
