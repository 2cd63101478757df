"""``haechi policy test``: what it prints and how it ends."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from haechi.admit.apart import jobs_apart
from tests.admit.gatekeeper.texts import LABELS, LABELS_TEMPLATE, OWNED, POD
from tests.cli.command import Haechi

SUITE = """\
apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
tests:
  - name: labels
    template: template.yaml
    constraint: constraint.yaml
    cases:
      - name: owned
        object: owned.yaml
        assertions: [{violations: no}]
      - name: missing
        object: missing.yaml
        assertions: [{violations: yes, message: owner}]
"""


@pytest.fixture
def haechi(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Haechi:
    files = {"template": LABELS_TEMPLATE, "constraint": LABELS, "owned": OWNED, "missing": POD}
    for folder in ("good", "bad", "broken"):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / f"{name}.yaml").write_text(text)
    (tmp_path / "good" / "suite.yaml").write_text(SUITE)
    (tmp_path / "bad" / "suite.yaml").write_text(SUITE.replace("violations: no", "violations: 3"))
    (tmp_path / "broken" / "suite.yaml").write_text(SUITE.replace("tests:", "test:"))
    (tmp_path / "none").mkdir()
    return Haechi(capsys, tmp_path)


def test_json_has_a_summary_and_every_case(haechi: Haechi) -> None:
    done = haechi("policy", "test", "good", "--format", "json")
    report = json.loads(done.out)
    assert done.code == 0
    assert report["summary"] == {"passed": 2, "failed": 0, "errors": 0, "skipped": 0}
    assert [(one["case"], one["result"]) for one in report["cases"]] == [
        ("owned", "passed"),
        ("missing", "passed"),
    ]
    assert report["cases"][1]["violations"] == ['labels are missing: {"owner"} (ask the team)']
    assert set(report) == {"summary", "cases"}


@pytest.mark.parametrize(
    ("folders", "code", "last"),
    [
        (["good"], 0, "2 passed"),
        (["good", "bad"], 1, "3 passed, 1 failed"),
        (["broken"], 3, "1 errors"),
        (["bad", "broken"], 1, "1 passed, 1 failed, 1 errors"),
    ],
)
def test_how_it_ends(haechi: Haechi, folders: list[str], code: int, last: str) -> None:
    done = haechi("policy", "test", *folders)
    assert (done.code, done.out.splitlines()[-1]) == (code, last)


def test_a_failure_tells_where_the_case_stands(haechi: Haechi) -> None:
    lines = haechi("policy", "test", "bad").out.splitlines()
    assert lines[0] == "failed: bad/suite.yaml:8: labels // owned"
    assert lines[1].strip() == "0 violations, expected exactly 3"


@pytest.mark.parametrize(
    ("run", "passed"),
    [("labels", 2), ("missing", 1), ("labels//own", 1), ("other//own", 0), ("^miss", 1)],
)
def test_which_cases_are_run(haechi: Haechi, run: str, passed: int) -> None:
    done = haechi("policy", "test", "good", "--run", run, "--format", "json")
    summary = json.loads(done.out)["summary"]
    assert summary == {"passed": passed, "failed": 0, "errors": 0, "skipped": 2 - passed}


def test_junit_is_xml_with_the_same_counts(haechi: Haechi) -> None:
    done = haechi("policy", "test", "good", "bad", "--format", "junit")
    root = ElementTree.fromstring(done.out)  # noqa: S314 - our own report
    assert sorted(str(suite.get("failures")) for suite in root) == ["0", "1"]
    assert len(root.findall(".//failure")) == 1


@pytest.mark.parametrize(
    "arguments",
    [["none"], ["gone"], ["good", "--run", "("], ["good", "--run", "a//b//c"], []],
)
def test_wrong_use(haechi: Haechi, arguments: list[str]) -> None:
    assert haechi("policy", "test", *arguments).code == 2


ENDLESS = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8sendless}
spec:
  crd: {spec: {names: {kind: K8sEndless}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8sendless

        violation[{"msg": "it ends"}] {
          input.review.object.metadata.labels.owner
          n := numbers.range(1, 1000)[_]
          x := json.patch({}, [{"op": "add", "path": "/a", "value": i + n}
            | i := numbers.range(1, 20000)[_]])
          x.b
        }
"""
ENDLESS_CONSTRAINT = """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sEndless
metadata: {name: endless}
"""
ENDLESS_SUITE = """\
apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
tests:
  - name: endless
    template: endless-template.yaml
    constraint: endless-constraint.yaml
    cases:
      - {name: before, object: missing.yaml, assertions: [{violations: no}]}
      - {name: first, object: owned.yaml, assertions: [{violations: no}]}
      - {name: second, object: owned.yaml, assertions: [{violations: no}]}
      - {name: third, object: owned.yaml, assertions: [{violations: no}]}
      - {name: after, object: missing.yaml, assertions: [{violations: no}]}
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_cases_without_an_end_are_errors_of_their_own(
    haechi: Haechi, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jobs_apart.__kwdefaults__ is not None
    monkeypatch.setitem(jobs_apart.__kwdefaults__, "deadline_s", 0.2)
    files = {"template": ENDLESS, "constraint": ENDLESS_CONSTRAINT, "suite": ENDLESS_SUITE}
    for name, text in files.items():
        (haechi.where / "good" / f"endless-{name}.yaml").write_text(text)
    done = haechi("policy", "test", "good", "--format", "json")
    found = {one["case"]: one for one in json.loads(done.out)["cases"]}
    assert done.code == 3
    assert {case: one["result"] for case, one in found.items()} == {
        "before": "passed",
        "first": "error",
        "second": "error",
        "third": "error",
        "after": "passed",
        "owned": "passed",
        "missing": "passed",
    }
    reasons = {found[case]["reason"] for case in ("first", "second", "third")}
    assert reasons == {"not judged: it came to no answer within 0.2 s"}
