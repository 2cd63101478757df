"""The golden test: haechi finds in the shop what was planted there, and cries wolf nowhere.

examples/shop.faults.yaml lists every planted fault by rule and place. The test runs the real
command in a process of its own, as a pipeline would.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from examples.history import materialise

from haechi.cli.pipeline import Options, Outcome, run
from haechi.model.scan import WaiverStatus
from haechi.model.waiver import WaiverOrigin
from haechi.report.terminal_summary import summary

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "shop"
ROOMS = {"iac", "secrets", "code", "deps", "workflows", "terraform", "runtime"}
SEEN = {"iac", "secrets", "deps", "workflows", "terraform", "runtime"}
"""The rooms that this version looks into."""
SERIOUS = ("critical", "high")


class Place(NamedTuple):
    """What is reported where."""

    rule: str
    severity: str
    path: str
    line: int


def table() -> list[dict[str, Any]]:
    text = (ROOT / "examples" / "shop.faults.yaml").read_text(encoding="utf-8")
    faults: list[dict[str, Any]] = yaml.safe_load(text)
    return faults


def place(fault: dict[str, Any]) -> Place:
    return Place(fault["rule"], fault["severity"], fault["path"], fault["line"])


def planted(*, overlay: bool) -> set[Place]:
    """The faults of these rooms; those of the overlay show only when it was rendered."""
    faults = [fault for fault in table() if fault["room"] in SEEN]
    return {place(fault) for fault in faults if overlay or "needs" not in fault}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("golden") / "shop"
    materialise(target)
    return target


@pytest.fixture(scope="module", params=["rendered", "as it stands"])
def report(request: pytest.FixtureRequest, repository: Path) -> dict[str, Any]:
    """The scan's report, once with kubectl and once without."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    if request.param == "as it stands":
        environment["PATH"] = str(only_git(repository.parent / "bin"))
    elif shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed, so the overlay cannot be rendered")
    out = repository.parent / f"{request.param}.json"
    done = subprocess.run(
        [sys.executable, "-m", "haechi", "scan", str(repository), "--format=json", "-o", str(out)],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1, f"the gate should block the shop\n{done.stdout}\n{done.stderr}"
    document: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return document


def only_git(folder: Path) -> Path:
    """A folder for PATH that holds git and nothing that renders."""
    git = shutil.which("git")
    assert git is not None
    folder.mkdir()
    (folder / "git").symlink_to(git)
    return folder


def rendered(report: dict[str, Any]) -> bool:
    """Whether the overlay was rendered, by the report's own words."""
    return not any(gap["kind"] == "kustomize" for gap in report["coverage"]["gaps"])


@pytest.fixture(scope="module")
def found(report: dict[str, Any]) -> Counter[Place]:
    return Counter(
        Place(
            finding["rule"],
            finding["severity"],
            finding["location"]["path"],
            finding["location"]["line"],
        )
        for finding in report["findings"]
    )


def test_table_is_well_formed() -> None:
    faults = table()
    assert len(faults) >= 30
    assert {fault["room"] for fault in faults} == ROOMS
    for fault in faults:
        keys = fault.keys() - {"needs"}
        assert keys == {"room", "rule", "severity", "path", "line", "what", "why"}, fault
        if fault["room"] != "secrets":
            lines = (SHOP / fault["path"]).read_text(encoding="utf-8").splitlines()
            assert 1 <= fault["line"] <= len(lines), fault
    assert len(set(map(place, faults))) == len(faults)


def test_every_planted_fault_is_found(report: dict[str, Any], found: Counter[Place]) -> None:
    expected = planted(overlay=rendered(report))
    assert len(expected) >= 40
    rooms = {spot.rule.partition("-")[0] for spot in expected}
    assert rooms == {"k8s", "docker", "workflow", "secret", "falco", "tf", "CVE"}
    assert sorted(expected - found.keys()) == []


def test_nothing_serious_is_reported_that_was_not_planted(
    report: dict[str, Any], found: Counter[Place]
) -> None:
    serious = {spot for spot in found if spot.severity in SERIOUS}
    assert serious
    assert sorted(serious - planted(overlay=rendered(report))) == []


def test_overlay_counts_as_unseen_without_kubectl(
    request: pytest.FixtureRequest, report: dict[str, Any]
) -> None:
    assert rendered(report) == ("as it stands" not in request.node.callspec.id)
    in_overlay = planted(overlay=True) - planted(overlay=False)
    assert {spot.rule for spot in in_overlay} == {"k8s-host-network", "k8s-host-network-dns"}


def test_payments_shows_what_good_looks_like(found: Counter[Place]) -> None:
    bad = {"critical", "high", "medium"}
    assert not [spot for spot in found if "payments" in spot.path and spot.severity in bad]


def test_chart_is_said_to_be_unseen_without_helm(report: dict[str, Any]) -> None:
    gaps = [(gap["kind"], gap["path"]) for gap in report["coverage"]["gaps"]]
    unseen = ("helm-chart", "charts/web-extras/Chart.yaml") in gaps
    assert unseen == (shutil.which("helm") is None or not rendered(report))


@pytest.fixture(scope="module")
def waived(repository: Path) -> Outcome:
    """A run on a day on which all waivers hold."""
    return run(Options(path=repository), today=dt.date(2026, 12, 1))


def test_waivers_of_every_origin_hold(waived: Outcome) -> None:
    waivers = waived.material.decision.waivers
    assert {use.status for use in waivers} == {WaiverStatus.MATCHED}
    origins = Counter(use.waiver.origin for use in waivers)
    assert origins == {WaiverOrigin.FILE: 1, WaiverOrigin.INLINE: 1, WaiverOrigin.PEER: 2}


def test_the_first_screen_names_a_fault_of_packages_and_one_of_terraform(
    waived: Outcome,
) -> None:
    lines = summary(waived.material).split("\n")
    for place in ("services/cart/requirements.txt:", "infra/database.tf:"):
        assert any(place in line for line in lines[:20]), place


def test_waiver_of_the_file_ends_on_its_day(repository: Path) -> None:
    outcome = run(Options(path=repository), today=dt.date(2027, 7, 1))
    expired = [
        use.waiver.rule
        for use in outcome.material.decision.waivers
        if use.status is WaiverStatus.EXPIRED
    ]
    assert expired == ["k8s-rbac-cluster-admin-namespace"]


def test_first_risk_is_the_way_from_the_internet_to_every_secret(report: dict[str, Any]) -> None:
    first = report["summary"]["risks"][0]
    assert first["severity"] == "critical"
    for word in ("internet", "cart", "Secret"):
        assert word in first["sentence"]
    assert first["location"]["path"] == "deploy/base/rbac.yaml"
