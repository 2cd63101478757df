"""What the database answers: one vulnerability for all records about it, never a silent no."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import LimitExceeded, NotFound, StoreError
from haechi.model.advisory import Symbols
from haechi.model.severity import Severity
from haechi.world.advisories import importing, ordering, places, schema
from haechi.world.advisories.importing import import_all
from haechi.world.advisories.names import folded
from haechi.world.advisories.reading import Advisories, open_default
from haechi.world.advisories.shapes import Matched
from tests.world.advisories.records import Json, affected, archive, package, record

V3_LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
V3_HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N"


class Made:
    """A database of PyPI made of records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "advisories.db"
        self.opened: list[Advisories] = []

    def __call__(self, *records: Json) -> Advisories:
        path = archive(self.folder / "PyPI/all.zip", records)
        assert import_all([str(path)], self.path).complete
        self.opened.append(Advisories.open(self.path))
        return self.opened[-1]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    one = Made(tmp_path)
    yield one
    for opened in one.opened:
        opened.close()


def ids(matched: Matched) -> list[str]:
    return [one.id for one in matched.vulnerabilities]


GHSA = record(
    "GHSA-a",
    affected("demo", ("introduced", "1.0"), ("fixed", "1.5")),
    aliases=["CVE-2024-7"],
    summary="Short words",
    details="x",
    severity=[{"type": "CVSS_V3", "score": V3_LOW}],
)
PYSEC = record(
    "PYSEC-2024-1",
    affected("Demo", ("introduced", "1.0"), ("fixed", "1.7")),
    aliases=["GHSA-a"],
    summary="",
    details="y" * 50,
    severity=[{"type": "CVSS_V3", "score": V3_HIGH}],
    references=[{"url": "https://example.org/"}],
)


def test_records_that_disagree_are_one_vulnerability_by_the_stated_policy(made: Made) -> None:
    """Union of what is affected, the worse rating, no fix that another record calls affected."""
    advisories = made(GHSA, PYSEC)
    both = advisories.vulnerabilities("PyPI", "demo", "1.2").vulnerabilities
    assert [one.id for one in both] == ["CVE-2024-7"]
    assert both[0].ids == ("CVE-2024-7", "GHSA-a", "PYSEC-2024-1")
    assert both[0].fixed == ("1.7",)
    assert both[0].advisory.severity is Severity.CRITICAL
    assert both[0].advisory.summary == "Short words"
    assert both[0].advisory.references == ("https://example.org/",)
    one = advisories.vulnerabilities("PyPI", "demo", "1.6").vulnerabilities
    assert [(v.id, v.fixed, v.advisory.severity) for v in one] == [
        ("CVE-2024-7", ("1.7",), Severity.CRITICAL)
    ]
    assert ids(advisories.vulnerabilities("PyPI", "demo", "1.7")) == []


def test_fixes_of_every_later_branch_are_named_lowest_first(made: Made) -> None:
    entry = affected(
        "demo",
        ("introduced", "0"), ("fixed", "1.10"), ("introduced", "2.0"), ("fixed", "2.3"),
    )  # fmt: skip
    advisories = made(record("A-1", entry))
    found = {
        version: [
            v.fixed for v in advisories.vulnerabilities("PyPI", "demo", version).vulnerabilities
        ]
        for version in ("1.9", "1.10", "2.0")
    }
    assert found == {"1.9": [("1.10", "2.3")], "1.10": [], "2.0": [("2.3",)]}


def test_withdrawn_records_match_nothing_join_nothing_and_are_kept(made: Made) -> None:
    gone = record("GHSA-w", aliases=["CVE-2024-7", "CVE-2024-8"], withdrawn="2024-05-01T00:00:00Z")
    other = record("PYSEC-2", aliases=["CVE-2024-8"])
    advisories = made(GHSA, other, gone)
    assert sorted(ids(advisories.vulnerabilities("PyPI", "demo", "1.2"))) == [
        "CVE-2024-7",
        "CVE-2024-8",
    ]
    kept = advisories.advisory("GHSA-w")
    assert kept is not None
    assert kept.withdrawn is not None
    assert advisories.states()["PyPI"].withdrawn == 1
    assert advisories.states()["PyPI"].records == 2


def test_related_is_not_an_alias(made: Made) -> None:
    advisories = made(record("A-1", related=["A-2"]), record("A-2"))
    assert ids(advisories.vulnerabilities("PyPI", "demo", "1.5")) == ["A-1", "A-2"]


def test_versions_that_are_only_listed_match_by_value_and_by_text(made: Made) -> None:
    advisories = made(record("A-1", affected("demo", versions=["1.0", "2.0rc1", "odd build"])))
    answers = {
        version: bool(ids(advisories.vulnerabilities("PyPI", "demo", version)))
        for version in ("1.0", "1.0.0", "1.0+cu118", "2.0.rc1", "odd build", "1.1")
    }
    assert answers == {**dict.fromkeys(answers, True), "1.1": False}


def test_nobody_can_tell_is_told_and_never_silence(made: Made) -> None:
    advisories = made(
        record("A-1", affected("demo", ("introduced", "1.0"), ("fixed", "next release"))),
        record("A-2", affected("demo", ("introduced", "1.0"), ("fixed", "1.4"))),
    )
    odd = advisories.vulnerabilities("PyPI", "demo", "1.5")
    assert ids(odd) == []
    assert [(one.id, one.ids) for one in odd.undecided] == [("A-1", ("A-1",))]
    assert "boundary" in odd.undecided[0].why
    assert advisories.vulnerabilities("PyPI", "demo", "0.9") == Matched()
    nonsense = advisories.vulnerabilities("PyPI", "demo", "main-build")
    assert [one.id for one in nonsense.undecided] == ["A-1", "A-2"]
    assert "'main-build'" in nonsense.undecided[0].why
    assert advisories.states()["PyPI"].undecidable == 1


def test_a_sure_record_of_a_group_outweighs_an_unsure_one(made: Made) -> None:
    advisories = made(
        record("A-1", affected("demo", ("introduced", "1.0"), ("fixed", "next"))),
        record("A-2", affected("demo", ("introduced", "1.0"), ("fixed", "3")), aliases=["A-1"]),
    )
    found = advisories.vulnerabilities("PyPI", "demo", "2")
    assert ids(found) == ["A-1"]
    assert not found.undecided


def test_symbols_come_from_records_that_name_some(made: Made) -> None:
    imports = {"imports": [{"path": "example.org/m", "symbols": ["Parse"]}]}
    go = affected(
        "example.org/m",
        ("introduced", "0"),
        ("fixed", "1.2.3"),
        ecosystem="Go",
        ecosystem_specific=imports,
    )
    plain = affected("example.org/m", ("introduced", "0"), ("fixed", "1.2.3"), ecosystem="Go")
    advisories = made(record("GO-1", go, aliases=["GHSA-z"]), record("GHSA-z", plain), record("P"))
    found = advisories.vulnerabilities("Go", "example.org/m", "v1.0.0").vulnerabilities
    assert [one.symbols for one in found] == [(Symbols("example.org/m", ("Parse",)),)]
    assert not advisories.states()["Go"].covered


def test_bulk_answers_in_order_and_asks_names_as_the_ecosystem_compares_them(made: Made) -> None:
    advisories = made(
        record("A-1", affected("zope.interface", ("introduced", "0"), ("fixed", "2")))
    )
    asked = [
        package("Zope_Interface", "1"),
        package("zope-interface", "2"),
        package("unknown", "1"),
        package("zope-interface", ""),
        package("zope-interface", "1", "npm"),
        package("zope-interface", "1"),
    ]
    answers = advisories.bulk(asked)
    assert [ids(one) for one in answers] == [["A-1"], [], [], [], [], ["A-1"]]
    assert answers[0] is answers[5]
    assert advisories.bulk([]) == []


def test_thousands_of_names_are_asked_in_one_pass(made: Made) -> None:
    advisories = made(
        *(record(f"A-{n}", affected(f"p{n}", ("introduced", "0"))) for n in range(0, 3000, 2))
    )
    answers = advisories.bulk([package(f"p{n}", "1") for n in range(3000)])
    assert [len(one.vulnerabilities) for one in answers] == [1, 0] * 1500


def test_the_work_of_a_lookup_does_not_grow_with_the_database(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine: a pass over all records would show."""

    def steps(count: int) -> int:
        bundle = record("GO-9", aliases=["CVE-2024-1", "CVE-2024-2"])
        others = (record(f"A-{n}", affected(f"p{n}", ("introduced", "0"))) for n in range(count))
        path = archive(tmp_path / f"{count}/PyPI/all.zip", [bundle, *others])
        import_all([str(path)], tmp_path / f"{count}.db")
        connection = schema.connect(tmp_path / f"{count}.db")
        with Advisories(connection) as advisories:
            counted: list[int] = []
            connection.set_progress_handler(lambda: counted.append(1), 1)
            assert len(advisories.vulnerabilities("PyPI", "demo", "1.5").vulnerabilities) == 2
            assert advisories.vulnerabilities("PyPI", "p3", "1").vulnerabilities
            connection.set_progress_handler(None, 0)
        return len(counted)

    assert steps(300) < 1.5 * steps(30)


def test_the_worst_comes_first(made: Made) -> None:
    def rated(id_: str, word: str) -> Json:
        return record(id_, database_specific={"severity": word})

    advisories = made(
        rated("A-1", "LOW"), rated("A-2", "CRITICAL"), record("A-3"), rated("A-4", "HIGH")
    )
    assert ids(advisories.vulnerabilities("PyPI", "demo", "1.5")) == ["A-2", "A-4", "A-3", "A-1"]


def test_a_record_about_several_cves_gives_a_finding_for_each(made: Made) -> None:
    """A waiver or a statement about one of them must not hide the other."""
    bundle = record("GO-9", aliases=["CVE-2024-1", "CVE-2024-2", "GHSA-a", "GHSA-b"])
    first = record(
        "GHSA-a", aliases=["CVE-2024-1"], severity=[{"type": "CVSS_V3", "score": V3_LOW}]
    )
    second = record(
        "GHSA-b",
        affected("other", ("introduced", "0")),
        aliases=["CVE-2024-2", "GO-9"],
        severity=[{"type": "CVSS_V3", "score": V3_HIGH}],
    )
    advisories = made(bundle, first, second)
    told = advisories.vulnerabilities("PyPI", "demo", "1.2").vulnerabilities
    assert [(one.id, one.ids[1:], one.advisory.severity) for one in told] == [
        ("CVE-2024-2", ("GHSA-b", "GO-9"), Severity.CRITICAL),
        ("CVE-2024-1", ("GHSA-a", "GO-9"), Severity.LOW),
    ]
    assert ids(advisories.vulnerabilities("PyPI", "other", "1.2")) == ["CVE-2024-2"]
    assert [one.id for one in advisories.by_alias("CVE-2024-1")] == ["GHSA-a", "GO-9"]
    assert [one.id for one in advisories.by_alias("GO-9")] == ["GHSA-a", "GHSA-b", "GO-9"]
    assert advisories.ids() == {"CVE-2024-1", "CVE-2024-2"}


def test_what_changes_of_one_cve_in_a_bundle_is_a_change_of_its_packages(made: Made) -> None:
    bundle = record("GO-9", aliases=["CVE-2024-1", "CVE-2024-2"])
    before = made(bundle, record("GHSA-b", affected("b", ("introduced", "0")))).generation
    after = made(
        bundle,
        record(
            "GHSA-b",
            affected("b", ("introduced", "0")),
            aliases=["CVE-2024-2"],
            database_specific={"severity": "CRITICAL"},
        ),
    )
    assert after.changed_since(before) == frozenset({("PyPI", "demo"), ("PyPI", "b")})


def test_a_file_from_before_bundles_is_read_and_mended_by_the_next_import(
    made: Made, tmp_path: Path
) -> None:
    bundle = record("GO-9", aliases=["CVE-2024-1", "CVE-2024-2"])
    made(bundle)
    with sqlite3.connect(made.path) as connection:
        connection.execute("DROP TABLE bundles")
    connection.close()
    schema.seal(made.path)
    with Advisories.open(made.path) as older:
        assert ids(older.vulnerabilities("PyPI", "demo", "1.2")) == ["CVE-2024-1"]
        assert older.ids() == {"CVE-2024-1"}
    newer = made(bundle)
    assert ids(newer.vulnerabilities("PyPI", "demo", "1.2")) == ["CVE-2024-1", "CVE-2024-2"]


def test_a_local_build_of_the_last_affected_version_is_affected(made: Made) -> None:
    advisories = made(
        record("A-1", affected("demo", ("introduced", "1"), ("last_affected", "2.0")))
    )
    for version, there in (
        ("2.0", True),
        ("2.0+cu118", True),
        ("2.0.post1", False),
        ("0.9+x", False),
    ):
        assert bool(ids(advisories.vulnerabilities("PyPI", "demo", version))) is there, version


@pytest.mark.parametrize("name", ["github.com/Azure/sdk", "github.com/azure/sdk"])
def test_go_modules_are_found_however_their_names_are_cased(tmp_path: Path, name: str) -> None:
    """Package URLs of Go are in lower case by the rules: an SBOM must not look clean by that."""
    about = affected("github.com/Azure/sdk", ("introduced", "0"), ecosystem="Go", kind="SEMVER")
    path = archive(tmp_path / "Go/all.zip", [record("GO-1", about)])
    import_all([str(path)], tmp_path / "a.db")
    with Advisories.open(tmp_path / "a.db") as advisories:
        assert ids(advisories.vulnerabilities("Go", name, "1.0.0")) == ["GO-1"]
        asked = package(name, "1.0.0", "Go")
        assert advisories.bulk([asked])[0].vulnerabilities
        there = frozenset({("Go", folded("Go", name))})
        assert advisories.names() == advisories.changed_since(0) == there


def test_the_registry_behind_an_ecosystem_does_not_hide_its_advisories(tmp_path: Path) -> None:
    """Drupal's advisories name their own registry, which no composer.lock tells."""
    drupal = affected(
        "drupal/core",
        ("introduced", "8.0.0"),
        ("fixed", "10.2.0"),
        ecosystem="Packagist:https://packages.drupal.org/8",
    )
    path = archive(tmp_path / "Packagist/all.zip", [record("DRUPAL-1", drupal)])
    import_all([str(path)], tmp_path / "a.db")
    with Advisories.open(tmp_path / "a.db") as advisories:
        assert ids(advisories.vulnerabilities("Packagist", "drupal/core", "10.1.0")) == ["DRUPAL-1"]
        assert list(advisories.states()) == ["Packagist"]


def test_records_are_found_by_any_of_their_ids(made: Made) -> None:
    advisories = made(GHSA, PYSEC, record("A-9"))
    for name in ("CVE-2024-7", "GHSA-a", "PYSEC-2024-1"):
        assert [one.id for one in advisories.by_alias(name)] == ["GHSA-a", "PYSEC-2024-1"]
    assert advisories.by_alias("CVE-1") == ()
    assert advisories.advisory("CVE-2024-7") is None
    found = advisories.advisory("PYSEC-2024-1")
    assert found is not None
    assert found.details == "y" * 50


def test_an_ecosystem_with_releases_is_covered_by_the_whole(tmp_path: Path) -> None:
    debian = affected("openssl", ("introduced", "0"), ("fixed", "1"), ecosystem="Debian:12")
    path = archive(tmp_path / "Debian/all.zip", [record("DSA-1", debian)])
    database = tmp_path / "a.db"
    import_all([str(path)], database)
    with Advisories.open(database) as advisories:
        for name in ("Debian:12", "Debian:13", "Debian"):
            state = advisories.state_of(name)
            assert state is not None
            assert state.covered
        assert advisories.state_of("Ubuntu:24.04") is None


@pytest.mark.parametrize(
    ("modified", "days"),
    [("2026-10-02T00:00:00Z", 51), ("0001-01-01T00:00:00Z", 2)],
    ids=["dated", "not"],
)
def test_age_is_that_of_the_newest_record_or_at_least_of_the_import(
    tmp_path: Path, modified: str, days: int
) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record(modified=modified)])
    when = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    import_all([str(path)], tmp_path / "a.db", now=when)
    with Advisories.open(tmp_path / "a.db") as advisories:
        assert advisories.states()["PyPI"].age(dt.date(2026, 11, 22)) == days


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


@pytest.mark.parametrize("share", [0.001, 0.2, 0.4, 0.6, 0.8, 0.9999], ids=str)
def test_one_flipped_bit_anywhere_is_an_error_and_never_clean(made: Made, share: float) -> None:
    made(*(record(f"A-{n}", details="x" * n) for n in range(60)))
    data = made.path.read_bytes()
    made.path.write_bytes(_flip(data, int(len(data) * share)))
    with pytest.raises(StoreError):
        Advisories.open(made.path)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"SQLite format 3\0" + b"\0" * 2000],
    ids=["empty", "text", "other-database"],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(data)
    with pytest.raises(StoreError):
        Advisories.open(path)


def test_a_truncated_database_is_refused(made: Made) -> None:
    made(record())
    data = made.path.read_bytes()
    made.path.write_bytes(data[:-4096])
    with pytest.raises(StoreError, match="damaged"):
        Advisories.open(made.path)


def test_a_newer_format_is_named(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made(record())
    monkeypatch.setattr(schema, "FORMAT", 0)
    with pytest.raises(StoreError, match="newer haechi"):
        Advisories.open(made.path)


def test_a_database_of_another_order_of_versions_answers_nothing(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    advisories = made(record())
    assert ids(advisories.vulnerabilities("PyPI", "demo", "1.5")) == ["PYSEC-2024-1"]
    monkeypatch.setattr(ordering, "_TELLING", ("1.0",))
    ordering.ordering_of.cache_clear()
    try:
        with pytest.raises(StoreError, match="ordered otherwise"):
            advisories.vulnerabilities("PyPI", "demo", "1.5")
        with pytest.raises(StoreError, match="ordered otherwise"):
            import_all([str(made.folder / "PyPI/all.zip")], made.path)
    finally:
        ordering.ordering_of.cache_clear()


def test_the_usual_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    monkeypatch.delenv(places.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert places.database() == tmp_path / "share/haechi/advisories.db"
    assert open_default() is None
    monkeypatch.setenv(places.VARIABLE, str(tmp_path / "none.db"))
    with pytest.raises(NotFound):
        open_default()
    made(record())
    monkeypatch.setenv(places.VARIABLE, str(made.path))
    found = open_default()
    assert found is not None
    found.close()
    monkeypatch.delenv(places.VARIABLE)
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert places.database() == tmp_path / "home/.local/share/haechi/advisories.db"


def test_own_advisories_of_a_repository_are_read_in_memory(tmp_path: Path) -> None:
    own = tmp_path / "advisories"
    own.mkdir()
    (own / "one.json").write_text(json.dumps(record("OWN-1", aliases=["CVE-2024-1"])))
    (own / "two.json").write_text("{broken")
    (own / "three.json").write_text('{"name": "no advisory"}')
    before = sorted(tmp_path.rglob("*"))
    with Advisories.of_folder(own) as advisories:
        assert ids(advisories.vulnerabilities("PyPI", "demo", "1.5")) == ["CVE-2024-1"]
        assert not advisories.states()["PyPI"].covered
        assert [Path(fault.place).name for fault in advisories.faults] == ["three.json", "two.json"]
    assert sorted(tmp_path.rglob("*")) == before


def test_own_advisories_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "advisories"
    own.mkdir()
    with Advisories.of_folder(own) as advisories:
        assert advisories.states() == {}
        assert len(advisories.faults) == 1
    for number in range(4):
        (own / f"{number}.json").write_text(json.dumps(record(f"OWN-{number}")))
    monkeypatch.setattr(importing, "_OWN_FILES", 3)
    with pytest.raises(LimitExceeded):
        Advisories.of_folder(own)
    with pytest.raises(NotFound):
        Advisories.of_folder(tmp_path / "none")
    (tmp_path / "link").symlink_to(own)
    with pytest.raises(NotFound):
        Advisories.of_folder(tmp_path / "link")
