"""EPSS and KEV: optional files, known by their content, with the day they speak of."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import InputError
from haechi.world.advisories import risk
from haechi.world.advisories.importing import import_all, import_from
from haechi.world.advisories.reading import Advisories
from tests.world.advisories.records import archive, record

EPSS = b"""#model_version:v2025.03.14,score_date:2026-11-20T00:00:00+0000
cve,epss,percentile
CVE-2024-7,0.97233,0.99981
CVE-1999-0001,0.00042,0.10000
"""
KEV = json.dumps(
    {
        "title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": "2026.11.19",
        "dateReleased": "2026-11-19T15:00:00.000Z",
        "count": 1,
        "vulnerabilities": [
            {"cveID": f"CVE-2024-{n}", "dateAdded": day, "knownRansomwareCampaignUse": use}
            for n, day, use in [(7, "2024-03-01", "Known"), (8, "2024-03-02", "Unknown")]
        ],
    }
).encode()


def _file(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", EPSS),
        ("a.csv.gz", gzip.compress(EPSS)),
        ("parts.gz", gzip.compress(EPSS[:90]) + gzip.compress(EPSS[90:]) + bytes(512)),
        ("odd.name", EPSS),
        ("b.csv", b"\xef\xbb\xbf" + EPSS),
    ],
    ids=["csv", "gz", "gz-in-parts", "other-name", "bom"],
)
def test_scores_are_known_by_content_and_come_before_or_after_the_advisories(
    tmp_path: Path, name: str, data: bytes
) -> None:
    database = tmp_path / "a.db"
    done = import_from(_file(tmp_path / name, data), database)
    assert (done.kind, done.records, done.faulty) == ("epss", 2, 0)
    import_from(_file(tmp_path / "kev.json", KEV), database)
    path = archive(
        tmp_path / "PyPI/all.zip", [record("A-1", aliases=["CVE-2024-7"]), record("A-2")]
    )
    import_from(str(path), database)
    with Advisories.open(database) as advisories:
        found = {
            v.id: v.risk for v in advisories.vulnerabilities("PyPI", "demo", "1.5").vulnerabilities
        }
        assert found["A-2"] is None
        told = found["CVE-2024-7"]
        assert told is not None
        assert (told.epss, told.percentile, told.ransomware) == (0.97233, 0.99981, True)
        assert told.exploited_since == dt.date(2024, 3, 1)
        alone = advisories.risk("CVE-2024-8")
        assert alone is not None
        assert (alone.epss, alone.ransomware) == (None, False)
        assert advisories.risk("GHSA-x") is None
        assert [(one.kind, one.date, one.records) for one in advisories.risk_files()] == [
            ("epss", dt.date(2026, 11, 20), 2),
            ("kev", dt.date(2026, 11, 19), 2),
        ]


def test_a_newer_file_replaces_the_older(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    import_from(_file(tmp_path / "a.csv", EPSS), database)
    import_from(_file(tmp_path / "a.csv", b"cve,epss,percentile\nCVE-2024-9,0.5,0.5\n"), database)
    with Advisories.open(database) as advisories:
        assert advisories.risk("CVE-2024-7") is None
        assert advisories.risk_files()[0].date is None


def test_rows_that_are_none_are_counted_and_the_rest_taken(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    odd = EPSS + b"CVE-x,0.5,0.5\nCVE-2024-10,7,0\nCVE-2024-11,nan,0\nCVE-2024-12\n"
    done = import_from(_file(tmp_path / "a.csv", odd), database)
    assert (done.records, done.faulty) == (2, 4)
    half = json.loads(KEV)
    half["vulnerabilities"] += [{"cveID": "CVE-2024-9", "dateAdded": "soon"}, 5, {"cveID": "x"}]
    done = import_from(_file(tmp_path / "kev.json", json.dumps(half).encode()), database)
    assert (done.records, done.faulty) == (2, 3)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(EPSS)[:-20],
        b"\x1f\x8b broken",
        b"cve,epss,percentile\n",
        b'{"catalogVersion": "1", "vulnerabilities": []}',
        b'{"catalogVersion": "1", "vulnerabilities": ' + b"[" * 50_000,
        b"#model_version:x\n\xff\xfe",
    ],
    ids=["cut", "no-gzip", "no-rows", "no-entries", "deep", "encoding"],
)
def test_files_that_are_none_are_refused_and_the_old_ones_stay(tmp_path: Path, data: bytes) -> None:
    database = tmp_path / "a.db"
    import_from(_file(tmp_path / "a.csv", EPSS), database)
    done = import_all([_file(tmp_path / "b", data)], database)
    assert len(done.refused) == 1
    with Advisories.open(database) as advisories:
        assert advisories.risk("CVE-2024-7") is not None


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk, "MAX_BYTES", 1 << 20)
    done = import_all(
        [_file(tmp_path / "a.gz", gzip.compress(b"0" * (4 << 20)))], tmp_path / "a.db"
    )
    assert "MiB" in done.refused[0].what


@given(st.binary(max_size=80) | st.text('cve,eps0.1-\n"', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for function in (risk.epss, risk.kev, risk.unzipped):
        try:
            function(data)
        except InputError:
            continue
