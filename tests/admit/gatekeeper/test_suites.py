"""gator's suites: what is read, what is run, and what each case comes to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.gatekeeper import Engine
from haechi.admit.gatekeeper.running import Result, run_suites
from haechi.admit.gatekeeper.suites import find_suites
from tests.admit.gatekeeper.test_policy import CONFLICT
from tests.admit.gatekeeper.texts import DENY_ALL, LABELS, LABELS_TEMPLATE, OWNED, POD

Body = dict[str, Any]
HEAD = {"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite"}
EXPANSION = """\
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: pods}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]
  templateSource: spec.template
  enforcementAction: warn
  generatedGVK: {group: "", version: v1, kind: Pod}
"""
LABELLED = """\
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: owner}
spec:
  match: {source: Generated}
  location: metadata.labels.owner
  parameters: {assign: {value: ann}}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec: {template: {spec: {containers: [{name: app}]}}}
"""
USER = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: denyall}
spec:
  crd: {spec: {names: {kind: DenyAll}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package denyall
        violation[{"msg": msg}] { msg := input.review.userInfo.username }
"""
USE = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: DenyAll\nmetadata: {name: a}\n"
ADMISSION = """\
apiVersion: admission.k8s.io/v1
kind: AdmissionReview
request: {operation: CREATE, userInfo: {username: mallory}, object: OBJECT}
"""
OBJECT = "{apiVersion: v1, kind: Pod, metadata: {name: p}}"
FILES = {
    "template.yaml": LABELS_TEMPLATE,
    "constraint.yaml": LABELS,
    "bad_constraint.yaml": LABELS.replace("[owner]", "owner"),
    "missing.yaml": POD,
    "owned.yaml": OWNED,
    "deployment.yaml": DEPLOYMENT,
    "expansion.yaml": EXPANSION,
    "expansion_labelled.yaml": f"{EXPANSION}---\n{LABELLED}",
    "conflict.yaml": CONFLICT,
    "user.yaml": USER,
    "use.yaml": USE,
    "review.yaml": ADMISSION.replace("OBJECT", OBJECT),
    "empty_review.yaml": ADMISSION.replace("OBJECT", "{}"),
    "two.yaml": f"{POD}---\n{POD}",
    "broken.yaml": "a: [",
    "nothing.yaml": "",
    "deny.yaml": DENY_ALL,
}
YES, NO = [{"violations": "yes"}], [{"violations": "no"}]


def case(object_: str, assertions: Any, **more: Any) -> Body:
    return {"name": "c", "object": object_, "assertions": assertions, **more}


def suite(*cases: Body, **more: Any) -> Body:
    test = {"name": "t", "template": "template.yaml", "constraint": "constraint.yaml", **more}
    return {**HEAD, "tests": [{**test, "cases": list(cases)} if cases else test]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, body: Body, engine: Engine = Engine.ANY) -> list[Result]:
    (folder / "suite.yaml").write_text(yaml.safe_dump(body))
    suites, unreadable = find_suites([folder / "suite.yaml"])
    assert not unreadable
    (one,) = suites
    return list(run_suites([one], engine=engine, wanted=lambda _test, _case: True))


def outcomes(results: Sequence[Result]) -> list[str]:
    return [one.outcome.value for one in results]


@pytest.mark.parametrize(
    ("object_", "assertions", "outcome", "reason"),
    [
        pytest.param("missing.yaml", YES, "passed", "", id="yes"),
        pytest.param("missing.yaml", [{}], "passed", "", id="yes-unless-told"),
        pytest.param("missing.yaml", [{"violations": True}], "passed", "", id="yes-of-yaml"),
        pytest.param("missing.yaml", [{"violations": 1}], "passed", "", id="one"),
        pytest.param("owned.yaml", NO, "passed", "", id="no"),
        pytest.param("owned.yaml", [{"violations": False}], "passed", "", id="no-of-yaml"),
        pytest.param("missing.yaml", NO, "failed", "1 violations, expected none", id="not-no"),
        pytest.param("owned.yaml", YES, "failed", "expected at least one", id="not-yes"),
        pytest.param("missing.yaml", [{"violations": 2}], "failed", "exactly 2", id="not-two"),
        pytest.param("missing.yaml", [{"message": "ask the .eam"}], "passed", "", id="message"),
        pytest.param("missing.yaml", [{"message": "^ask"}], "failed", "a message like", id="other"),
        pytest.param("missing.yaml", [*YES, {"message": "x"}], "failed", "", id="all-must-hold"),
        pytest.param("missing.yaml", [], "error", "asserts nothing", id="nothing-asserted"),
        pytest.param("", YES, "error", "names no object", id="no-object"),
        pytest.param("gone.yaml", YES, "error", "cannot be read", id="no-file"),
        pytest.param("two.yaml", YES, "error", "holds 2 objects", id="two-objects"),
        pytest.param("broken.yaml", YES, "error", "broken.yaml:", id="broken"),
    ],
)
def test_a_case(folder: Path, object_: str, assertions: Any, outcome: str, reason: str) -> None:
    (result,) = run(folder, suite(case(object_, assertions)))
    assert result.outcome.value == outcome
    assert reason in result.reason
    assert result.line > 0


def test_a_constraint_may_be_meant_to_be_invalid(folder: Path) -> None:
    assert outcomes(run(folder, suite(constraint="bad_constraint.yaml", invalid=True))) == [
        "passed"
    ]
    assert outcomes(run(folder, suite(invalid=True))) == ["failed"]


def test_what_cannot_be_loaded_is_an_error_of_each_case(folder: Path) -> None:
    cases = [case("missing.yaml", YES)] * 2
    results = run(folder, suite(*cases, constraint="bad_constraint.yaml"))
    assert outcomes(results) == ["error", "error"]
    assert "bad_constraint.yaml:7: ShopLabels owner: spec.parameters.keys" in results[0].reason
    assert outcomes(run(folder, suite(template="use.yaml"))) == ["error"]
    assert outcomes(run(folder, suite(template=""))) == ["error"]


def test_what_is_skipped(folder: Path) -> None:
    kept, left = case("missing.yaml", YES), case("missing.yaml", NO, skip=True)
    assert outcomes(run(folder, suite(kept, left))) == ["passed", "skipped"]
    assert outcomes(run(folder, suite(left, skip=True))) == ["skipped"]
    assert outcomes(run(folder, {**suite(kept), "skip": True})) == ["skipped"]
    assert outcomes(run(folder, suite(kept), Engine.CEL)) == ["skipped"]


def test_a_policy_that_fails_is_an_error_and_no_violation(folder: Path) -> None:
    for assertions in (YES, NO):
        (result,) = run(folder, suite(case("missing.yaml", assertions), template="conflict.yaml"))
        assert result.outcome.value == "error"
        assert "eval_conflict_error" in result.reason


def test_what_a_generator_makes_is_judged_by_expansion(folder: Path) -> None:
    (plain,) = run(folder, suite(case("deployment.yaml", NO)))
    assert plain.outcome.value == "passed"
    (made,) = run(folder, suite(case("deployment.yaml", YES), expansion="expansion.yaml"))
    assert made.outcome.value == "passed"
    assert made.violations == ('[Implied by pods] labels are missing: {"owner"} (ask the team)',)
    (mutated,) = run(
        folder, suite(case("deployment.yaml", NO), expansion="expansion_labelled.yaml")
    )
    assert mutated.outcome.value == "passed"


def test_a_request_is_judged_as_it_was_sent(folder: Path) -> None:
    about = {"template": "user.yaml", "constraint": "use.yaml"}
    (result,) = run(folder, suite(case("review.yaml", [{"message": "^mallory$"}]), **about))
    assert result.outcome.value == "passed"
    (empty,) = run(folder, suite(case("empty_review.yaml", YES), **about))
    assert (empty.outcome.value, empty.reason) == (
        "error",
        "the request holds neither an object nor an oldObject",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tests": {}}, "tests is a list"),
        ({"test": []}, "test is no field"),
        ({"tests": [1]}, "tests[0] is a mapping"),
        ({"tests": [{"skip": "yes, please"}]}, "tests[0].skip is true or false"),
        ({"tests": [{"name": []}]}, "tests[0].name is text"),
        ({"tests": [{"cases": [{"inventory": [1]}]}]}, "inventory names files"),
        (suite(case("a", [{"violations": "maybe"}])), "violations is a number"),
        (suite(case("a", [{"violations": -1}])), "violations is a number"),
        (suite(case("a", [{"message": "("}])), "no regular expression"),
    ],
)
def test_a_suite_that_is_not_understood_is_named_and_the_others_go_on(
    folder: Path, change: Body, reason: str
) -> None:
    (folder / "a_suite.yaml").write_text(yaml.safe_dump({**HEAD, **change}))
    (folder / "b_suite.yaml").write_text(yaml.safe_dump(suite(case("owned.yaml", NO))))
    suites, unreadable = find_suites([folder])
    assert [one.file.name for one in suites] == ["b_suite.yaml"]
    (bad,) = unreadable
    assert bad.file.name == "a_suite.yaml"
    assert reason in bad.reason


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab.y", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "cases", "tests", "object", "assertions", "message", "skip"]),
            inner,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(_json)
def test_any_document_is_a_suite_or_named(
    tmp_path_factory: pytest.TempPathFactory, tests: Any
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "suite.yaml").write_text(yaml.safe_dump({**HEAD, "tests": tests}))
    suites, unreadable = find_suites([folder])
    assert len(suites) + len(unreadable) == 1
    for one in suites:
        assert all(
            result.outcome.value in ("error", "skipped")
            for result in run_suites([one], engine=Engine.ANY, wanted=lambda _test, _case: True)
        )
