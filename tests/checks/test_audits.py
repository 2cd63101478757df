"""Which results of zizmor a rule stands for, and how its findings read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.audits import audit_judge, label_of, place_of
from haechi.checks.origins import Origin, origin_of
from haechi.checks.workflows.view import build
from haechi.engines.zizmor import AuditResult
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Results, Rule

STRANGERS = """\
github.head_ref
github.event.issue.title
github.event.pull_request.body
github.event.comment.body
github.event.pull_request.head.ref
github.event.pull_request.head.label
github.event.pull_request.head.repo.default_branch
github.event.workflow_run.head_branch
github.event.workflow_run.head_commit.message
github.event.head_commit.message
github.event.head_commit.author.email
github.event.commits[0].message
github.event.commits.*.author.name
github.event.pages.*.page_name
GITHUB.EVENT.ISSUE.TITLE
format('{0}', github.head_ref)
""".splitlines()
BOUND = """\
github.actor
github.base_ref
github.event.action
github.event.number
github.event.issue.number
github.event.issue.user.login
github.event.label.name
github.event.repository.default_branch
github.event.repository.name
github.event.pull_request.base.ref
github.event.pull_request.head.sha
""".splitlines()[:-1]
OTHERS = """\
inputs.version
github.event.inputs.version
github.ref_name
steps.changed.outputs.all_changed_files
matrix.version
env.github.head_reference
my_github.head_ref
""".splitlines()


@pytest.mark.parametrize(
    ("expression", "origin"),
    [
        *((text, Origin.STRANGER) for text in STRANGERS),
        *((text, Origin.BOUND) for text in BOUND),
        *((text, Origin.OTHER) for text in OTHERS),
    ],
)
def test_who_writes_a_value(expression: str, origin: Origin) -> None:
    assert origin_of(expression) is origin


def rule(message: str = "", **results: Any) -> Rule:
    return Rule(
        id="x-rule",
        title="t",
        severity=Severity.LOW,
        why="",
        fix="",
        judge=JudgeKind.ZIZMOR,
        applies_to=AppliesTo(kinds=["workflow"]),
        audits=["one", "two"],
        results=Results(**results),
        message=message,
        bad=[""],
        good=[""],
    )


def result(**more: Any) -> AuditResult:
    values: dict[str, Any] = {
        "audit": "one",
        "severity": "high",
        "confidence": "high",
        "persona": "regular",
        "says": "says so",
        "path": ("jobs", "a"),
        "line": 3,
    }
    return AuditResult(**(values | more))


class Given:
    def __init__(self, *results: AuditResult) -> None:
        self.results = results

    def of(self, resource: Resource) -> Sequence[AuditResult]:
        return self.results


def resource(data: Any, line: int = 3) -> Resource:
    def locate(path: AttrPath) -> Location:
        return Location(path="x", line=line)

    return Resource(key="file:x", kind="workflow", data=data, locate=locate, file="x")


JOB: dict[str, Any] = {"jobs": {"a": {}}}


def hits(rule: Rule, *results: AuditResult, data: Any = JOB) -> list[Hit]:
    shared = {"zizmor": Given(*results)}
    return list(audit_judge(rule)(Review(resource=resource(data), shared=shared)))


@pytest.mark.parametrize(
    ("wanted", "given_", "count"),
    [
        ({}, {}, 1),
        ({}, {"audit": "three"}, 0),
        ({}, {"persona": "pedantic"}, 0),
        ({"persona": ["pedantic"]}, {"persona": "pedantic"}, 1),
        ({"severity": ["low"]}, {}, 0),
        ({"confidence": ["high"]}, {}, 1),
        ({"says": "^says"}, {}, 1),
        ({"says": "^so"}, {}, 0),
        ({"unless": r"\./"}, {"expression": "./x"}, 0),
        ({"unless": r"\./"}, {"expression": "a/x"}, 1),
        ({"origin": ["stranger"]}, {"expression": "github.head_ref"}, 1),
        ({"origin": ["stranger"]}, {"expression": "inputs.x"}, 0),
        ({"triggers": ["push"]}, {}, 1),
        ({"triggers": ["release"]}, {}, 0),
    ],
)
def test_only_what_the_rule_stands_for_is_taken(
    wanted: dict[str, Any], given_: dict[str, Any], count: int
) -> None:
    assert (
        len(hits(rule(**wanted), result(**given_), data={"on": ["push"], "jobs": {"a": {}}}))
        == count
    )


def test_results_at_one_place_are_one_finding() -> None:
    names = ["inputs.a", "inputs.b", "inputs.a", "inputs.c", "inputs.d"]
    (hit,) = hits(rule("pasted"), *(result(expression=name) for name in names))
    assert hit.message == 'job "a": pasted: inputs.a, inputs.b, inputs.c and 1 more'


def test_what_is_no_name_is_never_shown() -> None:
    for text in ("hunter2", "'password'", "inputs.x == 'y\n'", "secrets"):
        (hit,) = hits(rule("pasted"), result(expression=text, text=text))
        assert hit.message == 'job "a": pasted'


def test_the_outermost_place_stands_for_those_within() -> None:
    found = hits(rule(outermost=True), result(path=()), result(path=("jobs", "a")))
    assert [hit.path for hit in found] == [()]
    assert len(hits(rule(), result(path=()), result(path=("jobs", "a")))) == 2


def test_a_line_without_a_place_is_found_by_its_text() -> None:
    data = {"jobs": {"a": {"env": {"x": "1", "y": "a toJSON(secrets) b"}}}}
    told = result(path=(), text="toJSON(secrets)", line=3)
    assert place_of(told, resource(data)) == ("jobs", "a", "env", "y")
    assert place_of(told, resource(data, line=4)) == ()
    assert place_of(result(path=(), text="a\nb"), resource(data)) == ()


def test_without_zizmor_nothing_is_said() -> None:
    with pytest.raises(NotEvaluated):
        list(audit_judge(rule())(Review(resource=resource({}))))


DATA = {"jobs": {"a": {"steps": [{"name": "Build it"}, {"uses": "a/b@v1"}]}}}


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ((), ""),
        (("on",), ""),
        (("jobs", "a"), 'job "a"'),
        (("jobs", "a", "steps", 0, "run"), 'step "Build it" of job "a"'),
        (("jobs", "a", "steps", 1), 'step 2 of job "a"'),
        (("jobs", "a", "steps", 9), 'job "a"'),
        (("jobs", "b"), ""),
    ],
)
def test_places_are_called_as_people_do(path: AttrPath, label: str) -> None:
    assert label_of(build(DATA, composite=False), path) == label


def test_a_step_of_an_action_has_no_job() -> None:
    view = build({"runs": {"steps": [{"run": "x"}]}}, composite=True)
    assert label_of(view, ("runs", "steps", 0, "run")) == "step 1"
    assert label_of(view, ("runs",)) == ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(VALUES, st.lists(st.sampled_from(["jobs", "runs", "steps", "a", 0, 7]), max_size=5))
def test_any_data_is_judged(data: Any, path: list[str | int]) -> None:
    for results in ([result(path=tuple(path))], [result(path=(), text="a")]):
        assert len(hits(rule(), *results, data=data)) == 1
