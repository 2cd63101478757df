"""Dashboards and rules: valid, parsed, and asking only for what the server exports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import promql_parser
import pytest
import yaml

from dashboards.__main__ import FOLDER, files, text
from haechi.server.metrics import COUNTED, FIGURES, HISTOGRAM, Metrics

RULES = FOLDER.parent / "prometheus"
SCHEMA = json.loads((FOLDER.parent / "dashboard.schema.json").read_text(encoding="utf-8"))
OUTSIDE = frozenset({"up", "process_resident_memory_bytes"})
"""Of Prometheus itself and of prometheus-client's process collector."""
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")


def _boards() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in files().items():
        yield name, value.get("dashboard", value)


def _rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    for name in ("haechi.rules.yaml", "haechi.alerts.yaml"):
        document = yaml.safe_load((RULES / name).read_text(encoding="utf-8"))
        rules += [rule for group in document["groups"] for rule in group["rules"]]
    return rules


def _expressions() -> list[str]:
    boards = [
        target["expr"]
        for _, board in _boards()
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]
    return sorted({*boards, *(rule["expr"] for rule in _rules())})


def _exported() -> set[str]:
    names = set(OUTSIDE)
    for family in (*FIGURES, *COUNTED):
        ends = ("_bucket", "_sum", "_count") if family.kind == HISTOGRAM else ("",)
        names |= {family.name + end for end in ends}
    return names


def _asked(node: Any) -> Iterator[str]:
    """Names of the metrics in a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name or ""
        return
    for part in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        child = getattr(node, part, None)
        if child is not None and not isinstance(child, (str, int, float)):
            yield from _asked(child)
    for child in getattr(node, "args", None) or ():
        yield from _asked(child)


@pytest.mark.parametrize("name", sorted(files()))
def test_the_files_are_what_the_builder_makes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == text(files()[name])


@pytest.mark.parametrize(("name", "board"), list(_boards()))
def test_a_dashboard_holds_to_the_schema(name: str, board: dict[str, Any]) -> None:
    jsonschema_rs.validate(SCHEMA, board)
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places), name
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"


def test_a_wrong_dashboard_does_not_hold_to_the_schema() -> None:
    board = json.loads(json.dumps(files()["haechi.json"]))
    board["panels"][1]["type"] = "graph"
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, board)


def test_the_guides_dashboard_has_its_three_panels() -> None:
    board = files()["security-metrics.json"]
    assert board["title"] == "Security Metrics Dashboard"
    assert [panel["title"] for panel in board["panels"]] == [
        "Security Events Over Time",
        "Vulnerability Scan Results",
        "Compliance Score",
    ]


def test_every_expression_is_promql_over_what_is_exported() -> None:
    known = _exported() | {rule["record"] for rule in _rules() if "record" in rule}
    expressions = _expressions()
    assert len(expressions) > 20
    for expression in expressions:
        names = set(_asked(promql_parser.parse(expression)))
        assert names, expression
        assert names <= known, f"{expression}: {names - known} is exported by nobody"


def test_every_exported_family_is_scraped() -> None:
    scraped = Metrics().text([("haechi_findings", ("high", "open"), 2.0)]).decode()
    for family in (*FIGURES, *COUNTED):
        assert f"# HELP {family.name}" in scraped, family.name
    assert 'haechi_findings{severity="high",state="open"} 2.0' in scraped


def test_every_alert_says_what_is_wrong() -> None:
    for rule in _rules():
        if "alert" in rule:
            assert rule["annotations"]["summary"], rule["alert"]
            assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_agrees() -> None:
    for command in (
        ["check", "rules", "haechi.rules.yaml", "haechi.alerts.yaml"],
        ["test", "rules", "haechi.test.yaml"],
    ):
        done = subprocess.run(
            [str(PROMTOOL), *command], cwd=RULES, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_labels_are_bounded() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.count("haechi_scans_total", f"answer-{number}")
    lines = [
        line for line in metrics.text(()).decode().splitlines() if "haechi_scans_total{" in line
    ]
    assert len(lines) == 201
    assert 'haechi_scans_total{answer="(other)"} 800.0' in lines


def test_events_count_under_both_names() -> None:
    metrics = Metrics()
    metrics.events({("falco", "critical", "execve"): 3, ("falco", "", "open"): 2})
    scraped = metrics.text(()).decode()
    assert 'security_events_total{event_type="execve",severity="critical"} 3.0' in scraped
    assert 'security_events_total{event_type="open",severity="info"} 2.0' in scraped
    assert 'haechi_events_total{priority="none",source="falco"} 2.0' in scraped


def test_the_folder_of_rules_is_whole() -> None:
    assert {path.name for path in Path(RULES).iterdir()} == {
        "haechi.alerts.yaml",
        "haechi.rules.yaml",
        "haechi.test.yaml",
    }


def test_the_guide_page_names_every_family_with_its_labels() -> None:
    page = (FOLDER.parents[1] / "docs/guide/metrics.md").read_text(encoding="utf-8")
    for family in (*FIGURES, *COUNTED):
        labels = "{" + ",".join(family.labels) + "}" if family.labels else ""
        assert f"| `{family.name}{labels}` | {family.kind} |" in page, family.name
