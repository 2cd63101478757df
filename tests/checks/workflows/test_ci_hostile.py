"""Whatever stands in a file, the judges answer: they never raise but to say that they cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import NotEvaluated
from tests.checks.workflows.ci_reviews import judge_of, own_rules, review_of_value

RULES = own_rules()
WORDS = st.sampled_from(
    [
        "on", "jobs", "steps", "uses", "run", "with", "env", "if", "needs", "name", "id",
        "permissions", "secrets", "container", "services", "image", "runs-on", "environment",
        "continue-on-error", "push", "branches", "shell", "defaults", "runs", "script", "extends",
        "default", "include", "variables", "rules", "when", "never", "artifacts", "stages",
        "allow_failure", "true", ".a", "a", "b", "actions/checkout@v4", "snyk/actions/node@master",
        "${{ secrets.A }}", "echo $A | base64", "npm audit || true", "docker:dind", "output",
        "trivy image x > y.sarif", "aquasecurity/trivy-action@master", "set -x", "exit-code",
        "github/codeql-action/analyze@v2", "kubectl apply -f x", "production", "project", "ref",
    ]
)  # fmt: skip
SCALARS = st.one_of(
    WORDS, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=30,
)
STEPS = st.lists(st.dictionaries(WORDS, VALUES, max_size=5), max_size=4)
JOBS = st.dictionaries(
    WORDS, st.fixed_dictionaries({"steps": STEPS}, optional={"env": VALUES, "needs": VALUES})
)
WORKFLOWS = st.one_of(
    VALUES, st.fixed_dictionaries({"jobs": JOBS}, optional={"on": VALUES, "env": VALUES})
)


@pytest.mark.parametrize("kind", ["workflow", "action", "gitlab-ci"])
@settings(max_examples=60, deadline=None)
@given(data=WORKFLOWS)
def test_judges_answer_about_anything(kind: str, data: Any) -> None:
    review = review_of_value({"runs": data} if kind == "action" else data, kind)
    for rule in RULES:
        if kind in rule.applies_to.kinds:
            for hit in judge_of(rule.function)(review):
                assert "\n" not in hit.message


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("workflow", {"jobs": {f"j{i}": {} for i in range(501)}}),
        ("workflow", {"jobs": {"j": {"steps": [{}] * 4_001}}}),
        ("workflow", {"jobs": {"j": {"steps": [{"run": "x" * 1_500_001}]}}}),
        ("action", {"runs": {"steps": [{}] * 4_001}}),
        ("gitlab-ci", {f"j{i}": {} for i in range(1_001)}),
        ("gitlab-ci", {"j": {"script": "x" * 1_500_001}}),
        (
            "gitlab-ci",
            {".s": {"script": ["x"] * 100}, **{f"j{i}": {"extends": ".s"} for i in range(300)}},
        ),
    ],
)
def test_says_that_a_file_is_too_large_to_judge(kind: str, data: Any) -> None:
    review = review_of_value(data, kind)
    judges = [rule for rule in RULES if kind in rule.applies_to.kinds]
    assert judges
    refused = 0
    for rule in judges:
        try:
            list(judge_of(rule.function)(review))
        except NotEvaluated:
            refused += 1
    assert refused >= len(judges) - 2  # includes are read past the view
