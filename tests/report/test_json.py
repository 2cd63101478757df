"""haechi.scan/1 against its schema, and back through the gate's baseline reader."""

from __future__ import annotations

import copy
import datetime as dt
import json as stdlib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haechi.gate.baseline import baseline_from_json
from haechi.model.finding import FindingState
from haechi.report import json
from haechi.report.material import Material
from tests.report.fixture import clean, empty, many, shop
from tests.report.strategies import materials

SCHEMA = stdlib.loads(
    (Path(json.__file__).parent / "data" / "haechi.scan-1.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)


def errors(document: Any) -> list[str]:
    """What the schema says against a document."""
    return [
        f"{list(error.instance_path)}: {error.message}" for error in VALIDATOR.iter_errors(document)
    ]


def written(material: Material) -> Any:
    """The report as a consumer reads it."""
    return stdlib.loads(json.render(material))


@pytest.mark.parametrize("make", [shop, clean, empty, lambda: many(300)])
def test_report_fits_its_schema(make: Any) -> None:
    assert errors(written(make())) == []


@given(materials())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_report_of_hostile_material_fits_its_schema(material: Material) -> None:
    assert errors(written(material)) == []


def _places(document: Any) -> list[tuple[str | int, ...]]:
    """Paths of all objects whose keys the schema fixes."""
    free = {("coverage", "looked")}
    found: list[tuple[str | int, ...]] = []

    def walk(value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            if path not in free and path[-1:] != ("evidence",):
                found.append(path)
            for key, item in value.items():
                if key != "evidence":
                    walk(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value[:1]):
                walk(item, (*path, index))

    walk(document, ())
    return found


@pytest.mark.parametrize("path", _places(written(shop())), ids=str)
def test_schema_refuses_a_key_too_many_and_a_key_too_few(path: tuple[str | int, ...]) -> None:
    document = written(shop())
    target = document
    for part in path:
        target = target[part]
    wider = copy.deepcopy(document)
    inner = wider
    for part in path:
        inner = inner[part]
    inner["surprise"] = 1
    assert errors(wider)
    for key in list(target):
        kept = target.pop(key)
        assert errors(document), f"{key} is not required"
        target[key] = kept
    assert not errors(document)


def test_counts_add_up_to_the_findings() -> None:
    document = written(shop())
    counts = document["summary"]["counts"]
    assert sum(sum(row.values()) for row in counts.values()) == len(document["findings"]) > 0
    for state in FindingState:
        listed = [finding for finding in document["findings"] if finding["state"] == state]
        assert sum(counts[state].values()) == len(listed)


def test_worst_finding_and_worst_risk_come_first() -> None:
    document = written(shop())
    assert document["findings"][0]["rule"] == "k8s-privileged"
    scores = [risk["score"] for risk in document["summary"]["risks"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 2


def test_start_without_zone_is_taken_for_utc() -> None:
    material = shop()
    naive = replace(material, scan=replace(material.scan, started=dt.datetime(2026, 3, 2, 9)))
    assert written(naive)["scope"]["started"] == "2026-03-02T09:00:00+00:00"


def test_baseline_reader_takes_the_report() -> None:
    material = shop()
    baseline = baseline_from_json(json.render(material), "main.json")
    waived = {f.fingerprint for f in material.scan.findings if f.state is FindingState.WAIVED}
    everything = {f.fingerprint for f in material.scan.findings}
    assert waived
    assert baseline.waived == waived
    assert set(baseline.findings) == everything - waived


class Odd:
    """An object that JSON does not know."""

    def __str__(self) -> str:
        return "odd \ud800"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=9)
    | st.binary(max_size=9)
    | st.dates()
    | st.builds(Odd)
    | st.frozensets(st.integers(), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.none(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), anything, max_size=4))
@settings(max_examples=150, deadline=None)
def test_evidence_may_hold_anything(evidence: dict[str, Any]) -> None:
    material = shop()
    first = replace(material.scan.findings[0], evidence=evidence)
    odd = replace(material, scan=replace(material.scan, findings=(first,)))
    assert errors(written(odd)) == []


def test_evidence_without_end_is_cut() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    material = shop()
    first = replace(material.scan.findings[0], evidence=endless)
    text = json.render(replace(material, scan=replace(material.scan, findings=(first,))))
    assert "…" in text


def test_evidence_keeps_plain_values_as_they_are() -> None:
    plain = {"a": [1, 2.5, None, True, "글"], "b": {"c": -1}}
    assert stdlib.loads(json.to_text(plain)) == plain
