"""The bill of packages: what a push carries comes back as it was, bounded and small."""

from __future__ import annotations

import gzip
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haechi.model import bill as bounds
from haechi.model.bill import Bill, BilledFile, BilledPackage
from haechi.model.config import Config, DepsSection, Development
from haechi.model.coverage import Gap
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile, Source
from haechi.model.severity import Severity
from haechi.scan.deps.bills import bill_of, config_of, files_of, gaps_of
from haechi.scan.deps.look import Dependencies
from haechi.scan.setup import Part
from haechi.server.work.bills import content_of, files_in

TEXT = st.text(alphabet="abz019-_@/.", min_size=1, max_size=12)
PACKAGES = st.lists(
    st.builds(
        Package,
        ecosystem=st.sampled_from(["npm", "PyPI", "Debian:12"]),
        name=TEXT,
        version=st.one_of(st.just(""), TEXT),
        location=st.builds(Location, path=st.just("lock"), line=st.integers(0, 9999)),
        source=st.sampled_from(list(Source)),
        direct=st.sampled_from([None, True, False]),
        development=st.booleans(),
        optional=st.booleans(),
        digests=st.lists(TEXT, max_size=1).map(tuple),
        licence=st.sampled_from(["", "MIT"]),
    ),
    max_size=6,
)


def a_file(packages: list[Package], path: str = "lock") -> PackageFile:
    return PackageFile(path=path, format="uv.lock", ecosystem="PyPI", packages=tuple(packages))


@settings(max_examples=40, deadline=None)
@given(PACKAGES)
def test_what_goes_out_comes_back(packages: list[Package]) -> None:
    """Over the wire and out of the store."""
    file = a_file(packages)
    sent = msgspec.json.encode(bill_of(Dependencies(files=(file,))))
    (back,) = files_of(msgspec.json.decode(sent, type=Bill))
    assert back == file
    assert files_in(content_of([back]).body) == (file,)


def test_settings_of_the_repository_go_along() -> None:
    config = Config(
        disable=["CVE-2026-0001", "k8s-privileged"],
        severity={"GHSA-a-b-c": Severity.LOW, "k8s-x": Severity.HIGH},
        deps=DepsSection(development=Development.IGNORE),
    )
    looked = Dependencies(files=(a_file([]),))
    made = bill_of(looked, config, lambda path, key: f"team of {path}")
    assert made.owners == {"lock": "team of lock"}
    told = config_of(made)
    assert (told.disable, told.severity) == (["CVE-2026-0001"], {"GHSA-a-b-c": Severity.LOW})
    assert told.deps.development is Development.IGNORE


def test_what_is_beyond_the_bounds_is_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.scan.deps.bills.MOST_PACKAGES", 3)
    one = Package(ecosystem="npm", name="a", version="1", location=Location(path="lock"))
    files = tuple(a_file([one] * 2, f"lock{number}") for number in range(3))
    made = bill_of(Dependencies(files=files))
    assert ([file.path for file in made.files], made.left_out) == (["lock0"], 4)
    assert [gap.reason for gap in gaps_of(made)] == ["4 further packages are not listed"]


def test_digests_of_many_packages_are_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.scan.deps.bills.MOST_DIGESTS", 1)
    one = Package(
        ecosystem="npm", name="a", version="1", location=Location(path="lock"), digests=("sha1:x",)
    )
    made = bill_of(Dependencies(files=(a_file([one, replace(one, name="b")]),)))
    assert not any(package.digests for package in made.files[0].packages)
    assert "digests are left out" in gaps_of(made)[0].reason


def test_positions_that_lead_nowhere_are_dropped() -> None:
    package = BilledPackage(name="a", needs=(0, 7, -1))
    file = BilledFile(path="x", format="f", ecosystem="npm", requires=(3, 0), packages=(package,))
    (back,) = files_of(Bill(files=(file,)))
    assert (back.packages[0].needs, back.requires) == ((0,), (0,))


def test_a_push_of_ten_thousand_packages_is_small() -> None:
    drawn = random.Random(8)  # noqa: S311 - a sample that is always the same
    letters = "etaoinshrdlu"
    words = ["".join(drawn.choices(letters, k=drawn.randint(3, 9))) for _ in range(3_000)]
    packages = [
        Package(
            ecosystem="npm",
            name="-".join(drawn.choices(words, k=drawn.choice((1, 2, 2, 3)))),
            version=f"{drawn.randint(0, 9)}.{drawn.randint(0, 20)}.{drawn.randint(0, 9)}",
            location=Location(path="lock", line=5 + number * 7),
            direct=number < 200,
            needs=tuple(drawn.sample(range(10_000), drawn.choice((0, 1, 2, 3, 5)))),
            digests=("sha512-" + drawn.randbytes(64).hex(),),
            licence=drawn.choice(["MIT", "ISC", "Apache-2.0"]),
        )
        for number in range(10_000)
    ]
    assert len(packages) > bounds.MOST_DIGESTS
    sent = msgspec.json.encode(bill_of(Dependencies(files=(a_file(packages),))))
    assert len(gzip.compress(sent, 6)) <= 300_000


def test_what_is_not_known_of_packages_is_not_missing_from_the_bill() -> None:
    gaps = (
        Gap(kind="no-advisories", path="lock", reason="no advisories of PyPI were imported"),
        Gap(kind="undecided-version", path="lock", reason="1 package may be affected"),
        Gap(kind="lockfile", path="broken.lock", reason="line 3: no value"),
    )
    looked = Dependencies(files=(a_file([]),), part=Part(gaps=gaps))
    assert [one.path for one in bill_of(looked).missing] == ["broken.lock"]
