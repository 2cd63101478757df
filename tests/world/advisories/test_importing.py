"""Imports: one new file in the place of the old one, or nothing at all."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.errors import InputError, NotFound, StoreBusy, StoreError
from haechi.world.advisories import importing
from haechi.world.advisories.importing import import_all, import_from, remove
from haechi.world.advisories.reading import Advisories
from haechi.world.advisories.shapes import Matched
from tests.cli.command import environment
from tests.world.advisories.records import affected, archive, package, record


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "haechi" / "advisories.db"


def ask(
    database: Path, name: str = "demo", version: str = "1.5", ecosystem: str = "PyPI"
) -> Matched:
    with Advisories.open(database) as advisories:
        return advisories.vulnerabilities(ecosystem, name, version)


def ids(matched: Matched) -> list[str]:
    return [one.id for one in matched.vulnerabilities]


def test_an_export_in_the_layout_of_offline_scanners_covers_its_ecosystem(
    tmp_path: Path, database: Path
) -> None:
    archive(tmp_path / "x/osv-scanner/PyPI/all.zip", [record()])
    archive(
        tmp_path / "x/osv-scanner/npm/all.zip",
        [record("GHSA-n", affected("n", ("introduced", "0"), ecosystem="npm"))],
    )
    done = import_all([str(tmp_path / "x")], database)
    assert done.complete
    assert [(one.source, one.covers, one.records) for one in done.imported] == [
        ("osv/PyPI", ("PyPI",), 1),
        ("osv/npm", ("npm",), 1),
    ]
    assert ids(ask(database)) == ["PYSEC-2024-1"]
    assert ids(ask(database, version="2.0")) == []
    with Advisories.open(database) as advisories:
        assert {name: state.covered for name, state in advisories.states().items()} == {
            "PyPI": True,
            "npm": True,
        }


def test_only_the_owner_may_read(tmp_path: Path, database: Path) -> None:
    import_from(str(archive(tmp_path / "PyPI/all.zip", [record()])), database)
    assert database.stat().st_mode & 0o777 == 0o600
    assert database.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in database.parent.iterdir() if not one.name.endswith(".lock")] == [
        "advisories.db"
    ]


def test_an_import_replaces_what_the_same_export_brought_and_nothing_else(
    tmp_path: Path, database: Path
) -> None:
    pypi = archive(tmp_path / "PyPI/all.zip", [record("A-1"), record("A-2")])
    import_from(str(pypi), database)
    npm = record("N-1", affected("n", ("introduced", "0"), ecosystem="npm"))
    import_from(str(archive(tmp_path / "npm/all.zip", [npm])), database)
    done = import_from(str(archive(pypi, [record("A-2"), record("A-3")])), database)
    assert (done.added, done.updated, done.removed) == (1, 0, 1)
    assert ids(ask(database)) == ["A-2", "A-3"]
    assert ids(ask(database, "n", "1.0.0", "npm")) == ["N-1"]


def test_single_files_and_folders_add_and_cover_nothing(tmp_path: Path, database: Path) -> None:
    import_from(str(archive(tmp_path / "PyPI/all.zip", [record("A-1")])), database)
    own = tmp_path / "own"
    own.mkdir()
    (own / "x.json").write_text(json.dumps(record("OWN-1")))
    (own / "notes.json").write_text('{"name": "no advisory"}')
    (tmp_path / "y.json").write_text(json.dumps(record("OWN-2")))
    (tmp_path / "z.json").write_text(
        json.dumps(record("OWN-3", affected("crate", ("introduced", "0"), ecosystem="crates.io")))
    )
    folder = import_from(str(own), database)
    assert (folder.records, folder.skipped, folder.covers) == (1, 1, ())
    import_all([str(tmp_path / "y.json"), str(tmp_path / "z.json")], database)
    assert ids(ask(database)) == ["A-1", "OWN-1", "OWN-2"]
    with Advisories.open(database) as advisories:
        assert not advisories.states()["crates.io"].covered
        assert advisories.states()["PyPI"].covered
        assert {one.source for one in advisories.origins()} == {"osv/PyPI", "files", str(own)}
    assert remove("files", database) == 2
    assert ids(ask(database)) == ["A-1", "OWN-1"]
    with pytest.raises(NotFound):
        remove("files", database)


@pytest.mark.parametrize(
    ("files", "source", "covers"),
    [
        ({"vulns/demo/PYSEC-2024-1.yaml": record()}, "pypa/advisory-database", ("PyPI",)),
        (
            {
                "data/osv/GO-1.json": record(
                    "GO-1", affected("m", ("introduced", "0"), ecosystem="Go")
                )
            },
            "golang/vulndb",
            ("Go",),
        ),
        (
            {"advisories/github-reviewed/2024/01/GHSA-a/GHSA-a.json": record("GHSA-a")},
            "github/advisory-database",
            ("PyPI",),
        ),
    ],
    ids=["pypa", "go", "github"],
)
def test_known_repositories_cover_what_they_are_about(
    tmp_path: Path, database: Path, files: dict[str, object], source: str, covers: tuple[str, ...]
) -> None:
    for name, value in files.items():
        path = tmp_path / "repo" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(value))
    (tmp_path / "repo/package.json").write_text("{")
    done = import_from(str(tmp_path / "repo"), database)
    assert (done.source, done.covers, done.faulty) == (source, covers, 0)


def test_an_archive_covers_what_its_importer_says_but_not_what_it_lacks(
    tmp_path: Path, database: Path
) -> None:
    path = archive(tmp_path / "mine.zip", [record()])
    assert import_from(str(path), database).covers == ()
    assert import_from(str(path), database, covers=["PyPI"]).covers == ("PyPI",)
    with pytest.raises(InputError, match="none of its 1 records is about Go"):
        import_from(str(path), database, covers=["Go"])


def test_bad_records_are_named_and_cost_nothing_of_the_rest(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "PyPI/all.zip"
    import_from(str(archive(path, [record("A-1"), record("A-2"), record("A-3")])), database)
    raw = {
        "A-2.json": b"{broken",
        "deep.json": b'{"id":"A-4","modified":"2024-01-01","x":' + b"[" * 50_000,
        "odd.json": b"\xff\xfe\x00",
        "inner.zip": b"PK\3\4",
        "README.md": b"hello",
        "../../outside.json": json.dumps(record("A-5")).encode(),
    }
    done = import_from(str(archive(path, [record("A-1")], raw)), database)
    assert not done.complete
    assert [fault.place for fault in done.faults] == [
        "A-2.json",
        "deep.json",
        "odd.json",
        "inner.zip",
    ]
    assert (done.faulty, done.skipped, done.removed) == (4, 1, 1)
    # A-2 could not be read: what was known of it stays. A-3 is gone.
    assert ids(ask(database)) == ["A-1", "A-2", "A-5"]
    with Advisories.open(database) as advisories:
        assert advisories.states()["PyPI"].incomplete
    assert not (tmp_path / "outside.json").exists()


def test_of_an_id_that_stands_twice_the_newer_counts_and_it_is_told(
    tmp_path: Path, database: Path
) -> None:
    newer = record(
        "A-1",
        affected("demo", ("introduced", "1.0"), ("fixed", "1.2")),
        modified="2026-11-02T00:00:00Z",
    )
    raw = {"b.json": json.dumps(newer).encode(), "c.json": json.dumps(record("A-1")).encode()}
    done = import_from(str(archive(tmp_path / "PyPI/all.zip", [record("A-1")], raw)), database)
    assert (done.records, done.faulty) == (1, 2)
    assert ids(ask(database)) == []
    assert ids(ask(database, version="1.1")) == ["A-1"]


def test_of_one_id_in_several_sources_the_newest_counts_also_when_it_is_withdrawn(
    tmp_path: Path, database: Path
) -> None:
    """GitHub's records stand in the exports of every ecosystem that they name."""
    both = [
        affected("demo", ("introduced", "0")),
        affected("n", ("introduced", "0"), ecosystem="npm"),
    ]
    pypi = archive(tmp_path / "PyPI/all.zip", [record("GHSA-b", *both)])
    npm = archive(tmp_path / "npm/all.zip", [record("GHSA-b", *both)])
    import_all([str(pypi), str(npm)], database)
    assert ids(ask(database)) == ids(ask(database, "n", "1.0.0", "npm")) == ["GHSA-b"]
    newer = {"modified": "2026-11-05T00:00:00Z", "withdrawn": "2026-11-05T00:00:00Z"}
    import_from(
        str(archive(npm, [record("GHSA-b", *both, **newer), record("N-2", both[1])])), database
    )
    assert ids(ask(database)) == []
    import_from(str(archive(npm, [record("N-2", both[1])])), database)
    assert ids(ask(database)) == ["GHSA-b"]


@pytest.mark.parametrize("kept", [0.2, 0.7, 0.98], ids=str)
def test_a_truncated_archive_is_refused_and_the_old_data_stays(
    tmp_path: Path, database: Path, kept: float
) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record(f"A-{n}") for n in range(20)])
    import_from(str(path), database)
    before = database.read_bytes()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    done = import_all([str(path)], database)
    assert not done.imported
    assert "zip archive" in done.refused[0].what
    assert database.read_bytes() == before


def test_what_is_refused_does_not_keep_others_from_being_imported(
    tmp_path: Path, database: Path
) -> None:
    good = archive(tmp_path / "PyPI/all.zip", [record()])
    empty = archive(tmp_path / "npm/all.zip", [])
    done = import_all(
        [str(empty), str(good), "no-such-thing", "http://example.org/all.zip"], database
    )
    assert [one.source for one in done.imported] == ["osv/PyPI"]
    assert [(one.wrong_use, one.place.rpartition("/")[2]) for one in done.refused] == [
        (False, "all.zip"),
        (True, "no-such-thing"),
        (True, "all.zip"),
    ]
    assert ids(ask(database)) == ["PYSEC-2024-1"]


def test_readers_go_on_with_what_they_opened(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "PyPI/all.zip"
    import_from(str(archive(path, [record("A-1")])), database)
    with Advisories.open(database) as old:
        import_from(str(archive(path, [record("A-2")])), database)
        assert ids(old.vulnerabilities("PyPI", "demo", "1.5")) == ["A-1"]
        assert old.generation == 1
    assert ids(ask(database)) == ["A-2"]


def test_two_imports_at_once_do_not_mix(tmp_path: Path, database: Path) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record()])
    import_from(str(path), database)
    with importing._alone(database), pytest.raises(StoreBusy):
        import_from(str(path), database)


_KILLED = """
import sys, signal
from pathlib import Path
from haechi.world.advisories import schema
from haechi.world.advisories.importing import import_all
def stopped(path):
    print("sealing", flush=True)
    signal.pause()
def progress(done, total, place):
    if done >= 200:
        print("reading", flush=True)
        signal.pause()
if sys.argv[3] == "sealing":
    schema.seal = stopped
told = progress if sys.argv[3] == "reading" else None
import_all([sys.argv[1]], Path(sys.argv[2]), progress=told)
"""


@pytest.mark.parametrize("moment", ["reading", "sealing"])
def test_an_import_that_is_killed_changes_nothing(
    tmp_path: Path, database: Path, moment: str
) -> None:
    path = tmp_path / "PyPI/all.zip"
    import_from(str(archive(path, [record("A-1")])), database)
    archive(path, [record(f"B-{n}") for n in range(400)])
    command = [sys.executable, "-c", _KILLED, str(path), str(database), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == moment.encode()
        child.send_signal(signal.SIGKILL)
    assert ids(ask(database)) == ["A-1"]
    assert any(one.is_dir() for one in database.parent.iterdir())
    import_from(str(path), database)
    assert not any(one.is_dir() for one in database.parent.iterdir())
    assert len(ids(ask(database))) == 400


def test_what_changed_is_told_by_name(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "PyPI/all.zip"
    one = record("A-1", affected("one", ("introduced", "0")))
    two = record("A-2", affected("two", ("introduced", "0")))
    three = record("A-3", affected("three", ("introduced", "0")))
    import_from(str(archive(path, [one, two, three])), database)
    words = {**one, "details": "only other words", "modified": "2026-11-09T00:00:00Z"}
    ends = record("A-2", affected("two", ("introduced", "0"), ("fixed", "3")))
    done = import_from(str(archive(path, [words, ends])), database)
    assert (done.changed, done.generation) == (2, 2)
    rated = {**words, "database_specific": {"severity": "HIGH"}}
    import_from(str(archive(path, [rated, ends])), database)
    with Advisories.open(database) as advisories:
        assert advisories.changed_since(0) == frozenset(
            {("PyPI", name) for name in ("one", "two", "three")}
        )
        assert advisories.changed_since(1) == frozenset(
            {("PyPI", name) for name in ("one", "two", "three")}
        )
        assert advisories.changed_since(2) == frozenset({("PyPI", "one")})
        assert advisories.changed_since(3) == frozenset()
        assert advisories.changed_since(4) is None


def test_changes_of_long_ago_are_not_known(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.world.advisories.settling.KEPT_GENERATIONS", 2)
    path = archive(tmp_path / "PyPI/all.zip", [record()])
    for _ in range(4):
        import_from(str(path), database)
    with Advisories.open(database) as advisories:
        assert advisories.changed_since(1) is None
        assert advisories.changed_since(2) == frozenset()


def test_importing_the_same_again_changes_no_answer_and_does_not_grow(
    tmp_path: Path, database: Path
) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record(f"A-{n}") for n in range(300)])
    import_from(str(path), database)
    size = database.stat().st_size
    for _ in range(4):
        done = import_from(str(path), database)
        assert (done.added, done.updated, done.removed, done.changed) == (0, 0, 0, 0)
    assert database.stat().st_size <= size * 1.3


def test_a_database_that_is_no_longer_whole_is_not_built_upon(
    tmp_path: Path, database: Path
) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record()])
    import_from(str(path), database)
    data = bytearray(database.read_bytes())
    data[-100] ^= 1
    database.write_bytes(data)
    with pytest.raises(StoreError):
        import_from(str(path), database)


def test_a_full_disk_leaves_the_old_data(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record("A-1")])
    import_from(str(path), database)
    archive(path, [record("A-2")])

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("haechi.world.advisories.schema.seal", full)
    with pytest.raises(StoreError, match="cannot be written") as told:
        import_from(str(path), database)
    assert told.value.do.startswith("make room")
    assert ids(ask(database)) == ["A-1"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("all.zip", b"\n<!DOCTYPE html><html>not found</html>", "a web page"),
        ("a.json", b"<html><body>sign in</body></html>", "a web page"),
        ("advisories.tar.gz", b"\x1f\x8b\x08", "a tar archive"),
        ("advisories", b"a".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
    ],
    ids=["page-as-zip", "page-as-json", "tar.gz", "tar"],
)
def test_what_people_give_by_mistake_is_called_by_its_name(
    tmp_path: Path, database: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    (refused,) = import_all([str(tmp_path / name)], database).refused
    assert said in refused.what
    assert refused.do


@pytest.mark.parametrize(
    ("word", "meant"), [("npn", "is npm meant?"), ("cargo", "is crates.io meant?"), ("?", "eco")]
)
def test_a_word_that_is_no_ecosystem_is_answered_with_the_nearest(
    database: Path, word: str, meant: str
) -> None:
    (refused,) = import_all([word], database).refused
    assert refused.do.startswith(meant)


def test_an_export_that_is_older_than_what_it_replaces_is_told(
    tmp_path: Path, database: Path
) -> None:
    path = archive(tmp_path / "PyPI/all.zip", [record(modified="2026-11-01T00:00:00Z")])
    assert import_from(str(path), database).replaced is None
    archive(path, [record(modified="2026-10-01T00:00:00Z")])
    done = import_from(str(path), database)
    assert done.newest and done.replaced and done.newest < done.replaced


def test_an_import_that_stands_apart_is_seen_as_a_whole_file(
    tmp_path: Path, database: Path
) -> None:
    """A reader in another process, opening again and again, sees old or new and nothing else."""
    path = tmp_path / "PyPI/all.zip"
    import_from(str(archive(path, [record("A-0")])), database)
    code = (
        "import sys; from pathlib import Path\n"
        "from haechi.world.advisories.reading import Advisories\n"
        "for line in sys.stdin:\n"
        "    with Advisories.open(Path(sys.argv[1])) as a:\n"
        "        found = a.vulnerabilities('PyPI', 'demo', '1.5').vulnerabilities\n"
        "        print(a.generation, *[v.id for v in found], flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(database)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for number in range(1, 6):
            reader.stdin.write("ask\n" * 3)
            reader.stdin.flush()
            import_from(str(archive(path, [record(f"A-{number}")])), database)
            for _ in range(3):
                generation, id_ = reader.stdout.readline().split()
                assert id_ == f"A-{int(generation) - 1}"
        reader.stdin.close()
        assert reader.wait(20) == 0


def test_links_in_folders_are_not_followed(tmp_path: Path, database: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.json").write_text(json.dumps(record("OWN-1")))
    (tmp_path / "secret.json").write_text(json.dumps(record("OWN-2")))
    (own / "b.json").symlink_to(tmp_path / "secret.json")
    done = import_from(str(own), database)
    assert (done.records, done.faulty) == (1, 1)


def test_malicious_packages_lie_in_a_table_of_their_own(tmp_path: Path, database: Path) -> None:
    bad = record("MAL-2024-1", affected("demo", ("introduced", "0")))
    import_from(str(archive(tmp_path / "PyPI/all.zip", [bad, record("A-1")])), database)
    with sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True) as connection:
        assert connection.execute("SELECT count(*) FROM malicious").fetchone() == (1,)
    connection.close()
    assert ids(ask(database)) == ["MAL-2024-1", "A-1"]
    assert ask(database).vulnerabilities[0].advisory.malicious
    with Advisories.open(database) as advisories:
        assert (advisories.states()["PyPI"].records, advisories.states()["PyPI"].malicious) == (
            1,
            1,
        )
        assert advisories.bulk([package(version="9")])[0].vulnerabilities[0].id == "MAL-2024-1"


def test_many_records_are_packed_against_what_they_have_in_common(
    tmp_path: Path, database: Path
) -> None:
    text = "A long description that many records share word for word. " * 6
    path = archive(
        tmp_path / "PyPI/all.zip", [record(f"A-{n}", details=f"{n} {text}") for n in range(400)]
    )
    import_from(str(path), database)
    assert database.stat().st_size / 400 < 1024
