"""SARIF: the parts of the specification that readers insist on, and GitHub's limits.

The official schema is not ours to ship; HAECHI_SARIF_SCHEMA=/path/to/sarif-schema-2.1.0.json
validates against it as well.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from haechi.model.finding import FindingState
from haechi.model.location import Location
from haechi.model.severity import Severity
from haechi.report import sarif
from haechi.report.material import Material
from tests.report.fixture import HOSTILE_PATH, at, clean, empty, finding, findings, many, shop
from tests.report.strategies import materials

URI = r"^(file://)?[A-Za-z0-9/._~%-]+$"


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """An object with exactly these keys."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


WORDS = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
BAG = {"type": "object"}
LEVEL = {"enum": ["error", "warning", "note"]}
TEXT = closed({"text": WORDS})
ARTIFACT = closed(
    {"uri": {"type": "string", "pattern": URI}}, {"uriBaseId": {"const": "%SRCROOT%"}}
)
REGION = closed({"startLine": COUNT, "startColumn": COUNT, "endLine": COUNT}, {"endColumn": COUNT})
PHYSICAL = closed({"artifactLocation": ARTIFACT}, {"region": REGION})
LOCATION = closed(
    {"physicalLocation": PHYSICAL},
    {
        "logicalLocations": {
            "type": "array",
            "items": closed(
                {"fullyQualifiedName": {"type": "string"}}, {"name": {"type": "string"}}
            ),
        }
    },
)
NOTIFICATION = closed(
    {"descriptor": closed({"id": WORDS}), "level": LEVEL, "message": TEXT},
    {"locations": {"type": "array", "items": LOCATION}},
)
RULE = closed(
    {
        "id": {"type": "string"},
        "shortDescription": {"type": "object"},
        "defaultConfiguration": closed({"level": LEVEL}),
        "fullDescription": TEXT,
        "help": closed({"text": WORDS}, {"markdown": WORDS}),
        "properties": closed(
            {
                "tags": {"type": "array", "maxItems": 20, "uniqueItems": True, "items": WORDS},
                "security-severity": {"type": "string", "pattern": r"^\d+\.\d$"},
                "problem.severity": {"enum": ["error", "warning", "recommendation"]},
                "precision": {"const": "high"},
            },
            {"haechi/ko": BAG},
        ),
    },
    {"name": {"type": "string", "pattern": "^[A-Z0-9][A-Za-z0-9]*$"}},
)
RESULT = closed(
    {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "items": LOCATION, "minItems": 1, "maxItems": 1},
        "partialFingerprints": closed({"haechi/v1": WORDS}),
        "properties": BAG,
    },
    {
        "baselineState": {"enum": ["new", "unchanged"]},
        "suppressions": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "kind": {"enum": ["inSource", "external"]},
                    "status": {"const": "accepted"},
                    "justification": WORDS,
                },
                {"location": LOCATION},
            ),
        },
    },
)
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
RUN = closed(
    {
        "tool": closed(
            {
                "driver": closed(
                    {
                        "name": {"const": "haechi"},
                        "version": WORDS,
                        "rules": {"type": "array", "items": RULE, "maxItems": 25_000},
                    },
                    {
                        "semanticVersion": {"type": "string"},
                    },
                )
            }
        ),
        "automationDetails": closed({"id": {"type": "string", "pattern": "^haechi/.*/$"}}),
        "originalUriBaseIds": closed(
            {"%SRCROOT%": closed({"description": TEXT}, {"uri": {"pattern": "^file:///(.*/)?$"}})}
        ),
        "columnKind": {"const": "unicodeCodePoints"},
        "invocations": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": closed(
                {
                    "executionSuccessful": {"type": "boolean"},
                    "exitCode": {"type": "integer"},
                    "exitCodeDescription": WORDS,
                    "startTimeUtc": MOMENT,
                    "endTimeUtc": MOMENT,
                    "toolExecutionNotifications": {"type": "array", "items": NOTIFICATION},
                    "toolConfigurationNotifications": {"type": "array", "items": NOTIFICATION},
                    "properties": BAG,
                }
            ),
        },
        "results": {"type": "array", "items": RESULT, "maxItems": 5_000},
    }
)
LOG = closed(
    {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "maxItems": 1, "items": RUN},
    }
)
VALIDATOR = jsonschema_rs.Draft202012Validator(LOG)


def run_of(material: Material, **limits: int) -> Any:
    """The one run of the report, checked against what every report has to keep."""
    log = json.loads(sarif.render(material, **limits))
    assert [f"{e.instance_path}: {e.message}" for e in VALIDATOR.iter_errors(log)] == []
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        region = result["locations"][0]["physicalLocation"].get("region")
        assert (region is None) == ("haechi/commit" in result["properties"])
        if region is None:
            continue
        start = (region["startLine"], region["startColumn"])
        assert (region["endLine"], region.get("endColumn", 10**9)) > start
    states = {"baselineState" in result for result in run["results"]}
    assert len(states) <= 1, "baselineState is on every result or on none"
    return run


def alone(found: Any, **more: Any) -> Material:
    """The shop with one finding."""
    base = shop()
    return replace(base, scan=replace(base.scan, findings=(found,), **more))


@pytest.mark.parametrize("make", [shop, clean, empty])
def test_report_has_the_shape_that_readers_insist_on(make: Any) -> None:
    assert len(run_of(make())["results"]) == len(make().scan.findings)


@given(materials())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_material_keeps_the_shape(material: Material) -> None:
    run_of(material)


SCHEMA_FILE = os.environ.get("HAECHI_SARIF_SCHEMA", "")


@pytest.mark.skipif(not SCHEMA_FILE, reason="HAECHI_SARIF_SCHEMA names no official schema file")
@given(materials())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_report_fits_the_official_schema(material: Material) -> None:
    schema = json.loads(Path(SCHEMA_FILE).read_text(encoding="utf-8"))
    official = jsonschema_rs.Draft4Validator(schema, validate_formats=True)
    for report in (shop(), clean(), empty(), material):
        log = json.loads(sarif.render(report))
        assert [f"{e.instance_path}: {e.message}" for e in official.iter_errors(log)] == []


def test_results_over_the_limit_are_the_mildest_and_are_counted() -> None:
    run = run_of(many(5_300))
    assert len(run["results"]) == 5_000
    total = len(many(5_300).scan.findings)
    said = run["invocations"][0]["toolExecutionNotifications"][0]
    assert said["descriptor"]["id"] == "results-left-out"
    assert f"{total - 5_000} results left out" in said["message"]["text"]
    levels = {result["properties"]["haechi/severity"] for result in run["results"][-1:]}
    assert levels == {"info"}
    assert "critical" not in said["message"]["text"]


def test_waived_results_go_before_open_ones_when_there_are_too_many() -> None:
    run = run_of(shop(), limit=len(findings()) - 2)
    assert all("suppressions" not in result for result in run["results"])


def test_report_shrinks_until_it_fits_the_upload() -> None:
    import gzip

    material = many(2_000)
    text = sarif.render(material, size_limit=20_000)
    assert len(gzip.compress(text.encode())) <= 20_000
    run = run_of(material, size_limit=20_000)
    assert 0 < len(run["results"]) < 2_000
    assert "left out" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


@pytest.mark.parametrize(
    ("severity", "level", "lowest", "highest"),
    [
        (Severity.CRITICAL, "error", 9.0, 10.0),
        (Severity.HIGH, "error", 7.0, 8.9),
        (Severity.MEDIUM, "warning", 4.0, 6.9),
        (Severity.LOW, "note", 0.1, 3.9),
        (Severity.INFO, "note", 0.1, 3.9),
    ],
)
def test_severity_lands_where_github_shows_it(
    severity: Severity, level: str, lowest: float, highest: float
) -> None:
    run = run_of(alone(finding("k8s-privileged", "x", at("a.yaml", 1), severity=severity)))
    assert run["results"][0]["level"] == level
    rule = run["tool"]["driver"]["rules"][0]
    assert lowest <= float(rule["properties"]["security-severity"]) <= highest
    assert rule["defaultConfiguration"]["level"] == level


@pytest.mark.parametrize(
    ("path", "uri", "base"),
    [
        ("k8s/cart.yaml", "k8s/cart.yaml", True),
        ("a b/#x?.yaml", "a%20b/%23x%3F.yaml", True),
        ("git::https://x", "git%3A%3Ahttps%3A//x", True),
        ("결제/a", "%EA%B2%B0%EC%A0%9C/a", True),
        ("odd\udcff", "odd%FF", True),
        ("", ".", True),
        ("/abs/a.yaml", "file:///abs/a.yaml", False),
    ],
)
def test_path_becomes_a_uri_that_readers_accept(path: str, uri: str, base: bool) -> None:
    run = run_of(alone(finding("k8s-privileged", "x", at(path, 1))))
    artifact = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact["uri"] == uri
    assert ("uriBaseId" in artifact) is base


@pytest.mark.parametrize(
    ("where", "region"),
    [
        (Location(path="a", line=0, column=0), {"startLine": 1, "startColumn": 1, "endLine": 1}),
        (
            Location(path="a", line=3, column=2, end_line=3, end_column=9),
            {"startLine": 3, "startColumn": 2, "endLine": 3, "endColumn": 9},
        ),
        (
            Location(path="a", line=9, column=5, end_line=2, end_column=1),
            {"startLine": 9, "startColumn": 5, "endLine": 9},
        ),
        (
            Location(path="a", line=2, column=5, end_line=4, end_column=1),
            {"startLine": 2, "startColumn": 5, "endLine": 4, "endColumn": 1},
        ),
    ],
)
def test_region_is_never_invalid(where: Location, region: dict[str, int]) -> None:
    run = run_of(alone(finding("k8s-privileged", "x", where)))
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == region


def test_waived_results_say_who_accepted_them_and_why() -> None:
    found = {
        result["ruleId"]: result["suppressions"][0]
        for result in run_of(shop())["results"]
        if "suppressions" in result
    }
    assert found["k8s-docker-socket"]["kind"] == "external"
    assert "BuildKit" in found["k8s-docker-socket"]["justification"]
    assert found["docker-no-healthcheck"]["kind"] == "inSource"
    assert len(found) == 2


def test_baseline_state_is_told_only_when_there_is_a_baseline() -> None:
    told = {
        result["properties"]["haechi/state"]: result["baselineState"]
        for result in run_of(shop())["results"]
    }
    assert told == {"open": "new", "new": "new", "known": "unchanged", "waived": "unchanged"}
    base = shop()
    without = replace(base, decision=replace(base.decision, baseline=None))
    assert all("baselineState" not in result for result in run_of(without)["results"])


def test_gaps_are_told_and_make_the_run_unsuccessful() -> None:
    invocation = run_of(shop())["invocations"][0]
    assert invocation["executionSuccessful"] is False
    told = {n["descriptor"]["id"]: n["level"] for n in invocation["toolExecutionNotifications"]}
    assert told == {"helm-chart": "error", "syntax": "error", "too-large": "note"}
    assert run_of(clean())["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize(
    ("only", "category"),
    [
        ((), "haechi/all/"),
        (("secrets",), "haechi/secrets/"),
        (("secrets", "iac"), "haechi/iac+secrets/"),
    ],
)
def test_scans_of_different_parts_do_not_replace_each_other(
    only: tuple[str, ...], category: str
) -> None:
    base = shop()
    run = run_of(replace(base, scan=replace(base.scan, only=only)))
    assert run["automationDetails"]["id"] == category


@pytest.mark.parametrize(
    ("root", "uri"),
    [
        ("/work/my shop", "file:///work/my%20shop/"),
        ("/", "file:///"),
        ("C:\\src\\shop", "file:///C:/src/shop/"),
        ("shop", None),
    ],
)
def test_root_is_a_uri_when_it_can_be(root: str, uri: str | None) -> None:
    base = shop()
    run = run_of(replace(base, scan=replace(base.scan, root=root)))
    assert run["originalUriBaseIds"]["%SRCROOT%"].get("uri") == uri


def test_message_makes_no_placeholder_and_no_link() -> None:
    texts = [result["message"]["text"] for result in run_of(shop())["results"]]
    hostile = next(text for text in texts if "evil" in text)
    assert "](" not in hostile
    assert "{{0}}" in hostile
    assert not re.search(r"[\x00-\x1f\u202e]", hostile)


def test_rule_brings_its_help_and_weakness() -> None:
    rules = {rule["id"]: rule for rule in run_of(shop())["tool"]["driver"]["rules"]}
    rule = rules["k8s-privileged"]
    assert rule["name"] == "K8sPrivileged"
    assert "privileged: false" in rule["help"]["markdown"]
    assert "CKV_K8S_16" in rule["help"]["text"]
    assert "external/cwe/cwe-250" in rule["properties"]["tags"]
    assert rule["properties"]["haechi/ko"]["title"] == "컨테이너가 특권 모드로 실행됨"
    assert all("helpUri" not in rule for rule in rules.values())


def test_snippet_with_backticks_stays_inside_its_fence() -> None:
    base = shop()
    rule = replace_rule(base, "k8s-privileged", snippet="a\n````\n# out\n")
    run = run_of(rule)
    markdown = next(
        r["help"]["markdown"] for r in run["tool"]["driver"]["rules"] if r["id"] == "k8s-privileged"
    )
    assert markdown.count("`````") == 2


def replace_rule(material: Material, id_: str, **change: Any) -> Material:
    """The material with one rule changed."""
    import msgspec

    changed = msgspec.structs.replace(material.rules[id_], **change)
    return replace(material, rules={**material.rules, id_: changed})


def test_rule_with_many_tags_keeps_to_the_limit() -> None:
    base = replace_rule(shop(), "k8s-privileged", tags=[f"tag{number}" for number in range(40)])
    rules = run_of(base)["tool"]["driver"]["rules"]
    rule = next(rule for rule in rules if rule["id"] == "k8s-privileged")
    assert len(rule["properties"]["tags"]) == 20
    assert "security" in rule["properties"]["tags"]


def test_hostile_path_is_percent_encoded() -> None:
    assert "<script>" in HOSTILE_PATH
    uris = json.dumps(run_of(shop())["results"])
    assert "<script>alert('x')" not in uris.replace("&", "")
    states = {result["properties"]["haechi/state"] for result in run_of(shop())["results"]}
    assert states == {state.value for state in FindingState}


def test_what_only_history_holds_marks_no_line_of_todays_file() -> None:
    where = Location(path="a.env", line=7)
    old = replace(finding("secret-old", "x", where), commit="c" * 40, domain="secrets")
    (result,) = run_of(alone(old))["results"]
    (place,) = result["locations"]
    assert list(place["physicalLocation"]) == ["artifactLocation"]
    assert result["properties"]["haechi/commit"] == "c" * 40
