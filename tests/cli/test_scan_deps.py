"""``haechi scan --only deps`` and what a gate makes of vulnerable packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from haechi.model.severity import Severity
from haechi.world.advisories.importing import import_all
from tests.cli.command import Haechi, commit
from tests.scan.deps.advised import CRITICAL, LOW, rated
from tests.trees import write
from tests.world.advisories.records import Json, affected, archive, record

EARLY, LATE = "2024-01-01T00:00:00Z", "2026-11-10T00:00:00Z"
OLD = record("PYSEC-2024-9", aliases=["CVE-2024-9", "GHSA-aaaa-bbbb-cccc"], published=EARLY,
             cwe=[], **rated(CRITICAL))  # fmt: skip
FRESH = record("PYSEC-2026-1", aliases=["CVE-2026-1"], published=LATE, modified=LATE,
               **rated(CRITICAL))  # fmt: skip
PINNED = {"requirements.txt": "demo==1.5\n"}
WAIVER = """\
waivers:
  - {{rule: {rule}, path: requirements.txt, reason: not called, owner: kim, expires: 2026-12-31}}
"""


@pytest.fixture
def advised(haechi: Haechi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Haechi:
    """A project with one vulnerable package, and a database that knows it."""
    monkeypatch.setenv("HAECHI_DB", str(tmp_path / "advisories.db"))
    given(tmp_path, OLD)
    write(haechi.where, {**PINNED, "haechi.yaml": "deps: {max_age_days: 3650}\n"})
    return haechi


def given(folder: Path, *records: Json) -> None:
    """Import these records as all that there are of PyPI."""
    export = archive(folder / "osv" / "PyPI" / "all.zip", records)
    assert not import_all([str(export)], folder / "advisories.db").refused


def scanned(haechi: Haechi, *arguments: str) -> dict[str, Any]:
    done = haechi("scan", "--only", "deps", "--format", "json", *arguments)
    report: dict[str, Any] = json.loads(done.out)
    assert report["summary"]["exit_code"] == done.code
    return report


def state(haechi: Haechi, rule: str = "CVE-2024-9", *arguments: str) -> tuple[int, str]:
    report = scanned(haechi, *arguments)
    (found,) = [one for one in report["findings"] if one["rule"] == rule]
    return report["summary"]["exit_code"], found["state"]


def test_vulnerable_package_blocks_and_is_told_by_package(advised: Haechi) -> None:
    done = advised("scan", "--only", "deps")
    assert done.code == 1
    assert "1:1 CRITICAL demo 1.5 → 2.0" in done.out
    assert "CRITICAL CVE-2024-9 about PYSEC-2024-9" in done.out
    assert "fix: upgrade to 2.0" in done.out
    assert "haechi fix" not in done.out


def test_first_screen_names_the_upgrade(advised: Haechi) -> None:
    done = advised()
    assert "change: Upgrade demo to 2.0" in done.out
    assert "demo 1.5: about PYSEC-2024-9 (CVE-2024-9)" in done.out


def test_without_advisories_it_is_not_sure(haechi: Haechi) -> None:
    write(haechi.where, PINNED)
    done = haechi("scan", "--only", "deps")
    assert done.code == 3
    assert "no advisories of PyPI were imported" in done.out
    accepted = "coverage: {accept: [{kind: no-advisories, reason: not shipped}]}\n"
    write(haechi.where, {"haechi.yaml": accepted})
    assert haechi("scan", "--only", "deps").code == 0


def test_database_that_was_named_and_is_not_there_is_an_error(
    haechi: Haechi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAECHI_DB", str(tmp_path / "gone.db"))
    write(haechi.where, PINNED)
    done = haechi("scan", "--only", "deps")
    assert (done.code, "gone.db" in done.err) == (2, True)


def test_a_lock_file_may_be_asked_for_by_name(advised: Haechi) -> None:
    done = advised("scan", "requirements.txt", "--format", "json")
    report = json.loads(done.out)
    assert [one["rule"] for one in report["findings"]] == ["CVE-2024-9"]
    assert "unknown" not in [gap["kind"] for gap in report["coverage"]["gaps"]]


# --- waivers and baselines ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CVE-2024-9", "GHSA-aaaa-bbbb-cccc", "PYSEC-2024-9"])
def test_waiver_by_any_id(advised: Haechi, name: str) -> None:
    write(advised.where, {"haechi.yaml": "deps: {max_age_days: 3650}\n",
                          "haechi.waivers.yaml": WAIVER.format(rule=name)})  # fmt: skip
    assert state(advised) == (0, "waived")


@pytest.mark.parametrize(
    ("name", "status"),
    [("GHSA-aaaa-bbbb-cccc", "unused"), ("CVE-1999-1", "not_judged")],
)
def test_unused_is_said_only_of_what_the_data_knows(
    advised: Haechi, name: str, status: str
) -> None:
    files = {"requirements.txt": "demo==2.0\n", "haechi.waivers.yaml": WAIVER.format(rule=name)}
    write(advised.where, {"haechi.yaml": "deps: {max_age_days: 3650}\n", **files})
    done = advised("scan", "--format", "json")
    report = json.loads(done.out)
    assert [one["status"] for one in report["waivers"]] == [status]
    assert not any("no rule here" in reason for reason in report["summary"]["reasons"])


def test_comment_waives_and_may_be_denied(advised: Haechi) -> None:
    files = {"requirements.txt": "demo==1.5  # haechi:allow CVE-2024-9 not called\n"}
    write(advised.where, {"haechi.yaml": "deps: {max_age_days: 3650}\n", **files})
    assert state(advised) == (0, "waived")
    deny = "deps: {max_age_days: 3650}\ngate: {inline_waivers: deny}\n"
    write(advised.where, {"haechi.yaml": deny})
    assert state(advised) == (1, "open")


def test_baseline_knows_it_when_another_id_leads(advised: Haechi, tmp_path: Path) -> None:
    given(tmp_path, record("PYSEC-2024-9", published=EARLY, **rated(CRITICAL)))
    assert advised("scan", "--only", "deps", "--format", "json", "-o", "before.json").code == 1
    given(tmp_path, OLD)
    assert state(advised, "CVE-2024-9", "--baseline", "before.json") == (0, "known")
    write(advised.where, {"haechi.yaml": "deps: {max_age_days: 3650}\n", "b/requirements.txt":
                          "demo==1.5\n"})  # fmt: skip
    report = scanned(advised, "--baseline", "before.json")
    assert [one["state"] for one in report["findings"]] == ["open", "known"]


def test_baseline_of_a_commit(advised: Haechi) -> None:
    commit(advised.where)
    write(advised.where, {"haechi.yaml": "deps: {max_age_days: 3650}\n",
                          "requirements.txt": "# moved\ndemo==1.6\n"})  # fmt: skip
    assert state(advised, "CVE-2024-9", "--baseline", "git:HEAD") == (0, "known")


# --- the lock -------------------------------------------------------------------------------------


def test_advisory_after_the_lock_is_new_until_the_next_update(
    advised: Haechi, tmp_path: Path
) -> None:
    done = advised("lock", "update")
    assert "PyPI: 2026-11-01" in done.out
    assert '  "PyPI": 2026-11-01\n' in (advised.where / "haechi.lock").read_text()
    assert state(advised) == (1, "open")
    given(tmp_path, OLD, FRESH)
    assert state(advised, "CVE-2026-1") == (1, "new")
    shown = advised("lock", "update", "--check")
    assert shown.code == 1
    assert "PyPI: 2026-11-10 (was 2026-11-01)" in shown.out
    assert "1 finding would begin to block:\n  critical CVE-2026-1 demo 1.5" in shown.out
    assert advised("lock", "update").code == 0
    assert state(advised, "CVE-2026-1") == (1, "open")
    assert advised("lock", "update", "--check").code == 0


def test_lock_from_before_any_data_lets_nothing_block(
    advised: Haechi, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.delenv("HAECHI_DB")
        assert advised("lock", "update").code == 0
    assert "advisories: null\n" in (advised.where / "haechi.lock").read_text()
    assert state(advised) == (0, "new")


def test_update_without_data_takes_nothing_back(
    advised: Haechi, monkeypatch: pytest.MonkeyPatch
) -> None:
    advised("lock", "update")
    monkeypatch.delenv("HAECHI_DB")
    advised("lock", "update")
    assert '"PyPI": 2026-11-01' in (advised.where / "haechi.lock").read_text()


def test_own_advisories_block_whatever_the_lock_says(advised: Haechi) -> None:
    advised("lock", "update")
    own = record("SHOP-2027-1", published="2027-01-01T00:00:00Z", **rated(CRITICAL))
    config = "deps: {max_age_days: 3650, advisories: [own]}\n"
    write(advised.where, {"own/a.json": json.dumps(own), "haechi.yaml": config})
    assert state(advised, "SHOP-2027-1") == (1, "open")


# --- reports --------------------------------------------------------------------------------------


def test_sarif_leads_to_the_advisory_with_its_score(advised: Haechi) -> None:
    done = advised("scan", "--only", "deps", "--format", "sarif")
    run = json.loads(done.out)["runs"][0]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["id"] == "CVE-2024-9"
    assert rule["helpUri"] == "https://github.com/advisories/GHSA-aaaa-bbbb-cccc"
    assert rule["properties"]["security-severity"] == "9.8"
    said = run["results"][0]["properties"]
    assert said["haechi/purl"] == "pkg:pypi/demo@1.5"
    assert set(said["haechi/aliases"]) == {"PYSEC-2024-9", "GHSA-aaaa-bbbb-cccc"}


def test_score_gives_way_where_haechi_yaml_says_otherwise(advised: Haechi) -> None:
    severity = "deps: {max_age_days: 3650}\nseverity: {PYSEC-2024-9: low}\n"
    write(advised.where, {"haechi.yaml": severity})
    done = advised("scan", "--only", "deps", "--format", "sarif")
    (rule,) = json.loads(done.out)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["properties"]["security-severity"] == "2.0"


@pytest.mark.parametrize(
    ("format_", "part"),
    [
        ("markdown", "| **critical** | `demo 1.5` | `2.0` | about PYSEC-2024-9: `CVE-2024-9` |"),
        ("html", "demo 1.5 → 2.0"),
        ("junit", "demo 1.5: about PYSEC-2024-9"),
    ],
)
def test_other_reports(advised: Haechi, format_: str, part: str) -> None:
    assert part in advised("scan", "--only", "deps", "--format", format_).out


def test_packages_are_told_worst_first_and_one_upgrade_ends_several(
    advised: Haechi, tmp_path: Path
) -> None:
    mild = record("PYSEC-2024-10", affected("demo", ("introduced", "0"), ("fixed", "1.9")),
                  **rated(LOW))  # fmt: skip
    other = record("PYSEC-2024-11", affected("other", ("introduced", "0"), ("fixed", "3")),
                   **rated(LOW))  # fmt: skip
    given(tmp_path, OLD, mild, other)
    write(advised.where, {"haechi.yaml": "deps: {max_age_days: 3650}\n",
                          "requirements.txt": "other==1\ndemo==1.5\n"})  # fmt: skip
    out = advised("scan", "--only", "deps").out
    assert "demo 1.5 → 2.0 fixes 2" in out
    assert out.index("demo 1.5 →") < out.index("other 1 →")
    found = scanned(advised)["findings"]
    assert [one["severity"] for one in found] == [Severity.CRITICAL, Severity.LOW, Severity.LOW]


def test_malicious_package_is_taken_out_not_upgraded(advised: Haechi, tmp_path: Path) -> None:
    bad = record("MAL-2026-1", affected("demo", ("introduced", "0")), published=EARLY)
    given(tmp_path, bad)
    out = advised("scan", "--only", "deps").out
    assert "CRITICAL demo 1.5 is malicious" in out
    assert "fix: Take demo out" in out
    assert "take it out" in advised("scan", "--only", "deps", "--format", "markdown").out
