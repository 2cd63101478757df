"""CI files read into resources, and judged by zizmor among the other rules of a scan."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.scan.findings import context_of
from haechi.scan.iac.sources import Source, classify
from haechi.scan.iac.workflows import ACTION, EXAMPLES, GITLAB, WORKFLOW, read_workflow
from haechi.world import zizmor
from tests.trees import findings, gaps, places, scan

CI = ".github/workflows/ci.yml"
INJECTED = """\
on: pull_request
permissions: {}
jobs:
  greet:
    runs-on: ubuntu-24.04
    steps:
      - name: Say
        run: echo "${{ github.event.pull_request.title }}"
"""
RULE = "workflow-template-injection"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (".github/workflows/ci.yml", Source.WORKFLOW),
        ("sub/.github/workflows/ci.yaml", Source.WORKFLOW),
        (".github/workflows/action.yml", Source.WORKFLOW),
        (".github/workflows/deep/ci.yml", Source.MANIFEST),
        (".github/dependabot.yml", Source.MANIFEST),
        ("action.yml", Source.ACTION),
        (".github/actions/x/action.yaml", Source.ACTION),
        ("transaction.yml", Source.MANIFEST),
        (".gitlab-ci.yml", Source.GITLAB),
        ("ci/build.gitlab-ci.yml", Source.GITLAB),
        (".gitlab/ci/jobs/test.yaml", Source.GITLAB),
        (".gitlab-ci/test.yml", Source.GITLAB),
        (".gitlab/issue.yml", Source.MANIFEST),
    ],
)
def test_files_are_told_by_their_place(path: str, source: Source) -> None:
    assert classify(path) is source


@pytest.mark.parametrize("trigger", ["on", '"on"', "'on'", "On", "ON"])
def test_the_trigger_keeps_its_name(trigger: str) -> None:
    resource, gaps = read_workflow(f"name: x\n{trigger}: push\njobs: {{}}\n".encode(), CI, WORKFLOW)
    assert resource is not None
    assert not gaps
    assert resource.data["on"] == "push" if trigger.lower() == trigger else resource.data
    assert resource.locate(("jobs",)).line == 3


def test_the_trigger_has_a_place() -> None:
    resource, _ = read_workflow(b"name: x\non:\n  push:\n", CI, WORKFLOW)
    assert resource is not None
    assert resource.locate(("on", "push")).line == 3


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (WORKFLOW, "a: [", "not valid YAML"),
        (WORKFLOW, "- a", "a workflow is a mapping"),
        (ACTION, "text", "an action is a mapping"),
        (GITLAB, "- a", "a pipeline is a mapping"),
        (WORKFLOW, "on: push\n---\non: push\n", "a further document"),
    ],
)
def test_what_no_ci_reads_is_a_gap(kind: str, text: str, reason: str) -> None:
    _, gaps = read_workflow(text.encode(), "x", kind)
    assert reason in gaps[0].reason


def test_the_head_of_a_gitlab_component_is_not_its_pipeline() -> None:
    resource, gaps = read_workflow(b"spec: {inputs: {}}\n---\njob: {script: [x]}\n", "x", GITLAB)
    assert resource is not None
    assert not gaps
    assert list(resource.data) == ["job"]
    assert resource.locate(("job",)).line == 3


@given(
    st.sampled_from(sorted(EXAMPLES)),
    st.binary(max_size=150) | st.text(max_size=150).map(str.encode),
)
def test_any_bytes_are_a_resource_or_a_gap(kind: str, data: bytes) -> None:
    resource, gaps = read_workflow(data, "x", kind)
    assert all(gap.reason for gap in gaps)
    if resource is not None:
        assert isinstance(resource.data, dict)
        assert resource.locate(("on", "x", 3)).line >= 1


def test_an_action_yml_that_runs_nothing_is_a_manifest(tmp_path: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostPID: true}\n"
    outcome = scan(
        tmp_path, {"action.yml": pod, "x/action.yml": "name: x\nruns: {using: node20}\n"}
    )
    assert [r.file for r in outcome.looked.inventory.resources] == ["action.yml"]
    assert [r.file for r in outcome.looked.workflows] == ["x/action.yml"]


def test_a_result_stands_where_zizmor_saw_it(tmp_path: Path) -> None:
    outcome = scan(tmp_path, {CI: INJECTED})
    (found,) = findings(outcome, RULE)
    assert str(found.location) == f"{CI}:8"
    assert found.message == (
        'step "Say" of job "greet": text that strangers write becomes part of the script: '
        "github.event.pull_request.title"
    )
    assert found.evidence["confidence"] == "high"


def test_fingerprints_survive_new_lines_and_steps(tmp_path: Path) -> None:
    moved = INJECTED.replace("    steps:\n", "    steps:\n      - run: make\n\n")
    first = findings(scan(tmp_path / "a", {CI: INJECTED}), RULE)
    second = findings(scan(tmp_path / "b", {CI: moved}), RULE)
    assert [f.fingerprint for f in first] == [f.fingerprint for f in second]
    assert first[0].location.line != second[0].location.line


def test_steps_are_called_by_name_id_or_action() -> None:
    text = b"""\
on: push
jobs:
  a:
    steps:
      - {name: One, uses: a/b@v1}
      - {id: two, uses: a/b@v1}
      - {uses: a/b@v1}
      - {run: make}
"""
    resource, _ = read_workflow(text, CI, WORKFLOW)
    assert resource is not None
    said = [
        context_of(resource, ("jobs", "a", "steps", n)).rpartition("/steps/")[2] for n in range(4)
    ]
    assert said == ["One", "id=two", "uses=a/b", "3"]


COMMENTS = [
    ("# haechi:allow workflow-template-injection reviewed", "reviewed"),
    ("# zizmor: ignore[template-injection] reviewed", "reviewed"),
    ("# zizmor: ignore[artipacked,template-injection]", ""),
]


@pytest.mark.parametrize(("comment", "reason"), COMMENTS)
def test_a_comment_waives_and_is_shown(comment: str, reason: str, tmp_path: Path) -> None:
    outcome = scan(tmp_path, {CI: INJECTED.replace('title }}"', f'title }}}}" {comment}')})
    (found,) = findings(outcome, RULE)
    assert found.state == "waived"
    (waiver,) = [w for w in outcome.material.scan.waivers if w.rule == RULE]
    assert (waiver.reason, waiver.location.line) == (reason, 8)


def test_a_comment_for_another_audit_waives_nothing(tmp_path: Path) -> None:
    text = INJECTED.replace('title }}"', 'title }}" # zizmor: ignore[artipacked]')
    (found,) = findings(scan(tmp_path, {CI: text}), RULE)
    assert found.state == "open"


def test_the_configuration_of_zizmor_waives_and_hides_nothing(tmp_path: Path) -> None:
    config = "rules: {template-injection: {disable: true}}\n"
    (found,) = findings(scan(tmp_path, {CI: INJECTED, ".github/zizmor.yml": config}), RULE)
    assert found.state == "waived"


def test_a_file_that_zizmor_refuses_is_one_gap(tmp_path: Path) -> None:
    files = {CI: INJECTED, ".github/workflows/bad.yml": "on: push\njobs: []\n"}
    outcome = scan(tmp_path, files)
    assert places(outcome, RULE) == [f"{CI}:8"]
    assert [(gap.kind, gap.path) for gap in gaps(outcome)] == [
        ("zizmor", ".github/workflows/bad.yml")
    ]


def test_without_zizmor_one_gap_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zizmor, "zizmor_path", lambda tree: None)
    outcome = scan(tmp_path, {CI: INJECTED})
    assert not findings(outcome, RULE)
    assert RULE not in outcome.material.scan.coverage.evaluated
    (gap,) = gaps(outcome)
    assert (gap.kind, gap.path) == ("zizmor", ".")
    assert "not installed" in gap.reason


def test_gitlab_pipelines_are_not_given_to_zizmor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zizmor, "zizmor_path", lambda tree: None)
    outcome = scan(tmp_path, {".gitlab-ci.yml": "job: {script: [make]}\n"})
    assert [r.kind for r in outcome.looked.workflows] == ["gitlab-ci"]
    assert not gaps(outcome)
