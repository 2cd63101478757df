"""Whose code runs with the repository's rights: what counts, what stands between."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.checkouts import brought, executed
from haechi.model.location import Location
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review
from haechi.scan.iac.workflows import WORKFLOW, read_workflow

BASE = """\
on: pull_request_target
jobs:
  test:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
        with:
          ref: ${{ github.event.pull_request.head.sha }}
      - run: npm ci
"""
PATH = ("jobs", "test", "steps", 0, "with", "ref")


def review(data: Any) -> Review:
    def locate(path: object) -> Location:
        return Location(path="x")

    return Review(resource=Resource(key="file:x", kind="workflow", data=data, locate=locate))


def judged(text: str) -> tuple[list[Hit], list[Hit]]:
    resource, _ = read_workflow(text.encode(), ".github/workflows/ci.yml", WORKFLOW)
    assert resource is not None
    given = Review(resource=resource)
    return list(executed(given)), list(brought(given))


def test_building_a_strangers_code_is_found_at_its_reference() -> None:
    (hit,), others = judged(BASE)
    assert hit.path == PATH
    assert hit.message == (
        'step 1 of job "test" checks out what a stranger\'s pull request brings, and step 2 of job '
        '"test" (npm) runs it with the repository\'s rights'
    )
    assert others == []


HEADS = """\
${{ github.head_ref }}
${{ github.event.pull_request.head.ref }}
refs/pull/${{ github.event.number }}/merge
refs/pull/${{ github.event.pull_request.number }}/head
${{ github.event.pull_request.merge_commit_sha }}
${{ github.event.workflow_run.head_sha }}
${{ github.event.workflow_run.head_branch }}
""".splitlines()


@pytest.mark.parametrize("ref", HEADS)
def test_every_way_to_name_the_head(ref: str) -> None:
    assert len(judged(BASE.replace("${{ github.event.pull_request.head.sha }}", ref))[0]) == 1


@pytest.mark.parametrize(
    "script",
    [
        "gh pr checkout 5 && make",
        "git fetch origin pull/$N/head:pr\ngit checkout pr\n./build.sh",
        "git fetch origin ${{ github.head_ref }} && go test ./...",
    ],
)
def test_a_script_may_fetch_and_run(script: str) -> None:
    text = yaml.safe_dump(
        {"on": "issue_comment", "jobs": {"test": {"steps": [{"run": script}]}}}, sort_keys=False
    )
    (hit,), _ = judged(text)
    assert "the same step" in hit.message


@pytest.mark.parametrize(
    "step",
    [
        "run: 'echo x; ./configure'",
        "run: sudo make install",
        "run: CI=1 pytest",
        "run: go test ./...",
        "run: pip install -e .",
        "run: docker build .",
        "run: bash scripts/ci.sh",
        "uses: ./.github/actions/build",
        "uses: docker/build-push-action@v6",
    ],
)
def test_what_runs_files(step: str) -> None:
    assert len(judged(BASE.replace("run: npm ci", step))[0]) == 1


@pytest.mark.parametrize(
    "step",
    ["run: echo npm", "run: 'cat README # then make'", "run: npm --version", "uses: acme/lint@v1"],
)
def test_files_that_nothing_runs_are_milder(step: str) -> None:
    first, second = judged(BASE.replace("run: npm ci", step))
    assert first == []
    assert [hit.path for hit in second] == [PATH]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    runs-on", "    if: github.event.label.name == 'ok'\n    runs-on"),
        ("    runs-on", "    if: github.event.comment.author_association == 'OWNER'\n    runs-on"),
        ("    runs-on", "    environment: reviewed\n    runs-on"),
        ("    steps:\n", "    steps:\n      - run: gh api repos/x/collaborators/$U/permission\n"),
        ("  test:\n", "  authorize: {runs-on: x, steps: []}\n  test:\n    needs: authorize\n"),
        ("on: pull_request_target", "on: pull_request_target\npermissions: {contents: read}"),
    ],
)
def test_a_person_or_few_rights_in_between_make_it_milder(old: str, new: str) -> None:
    first, second = judged(BASE.replace(old, new, 1))
    assert first == []
    assert len(second) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pull_request_target", "pull_request"),
        ("pull_request_target", "push"),
        ("${{ github.event.pull_request.head.sha }}", "main"),
        ("${{ github.event.pull_request.head.sha }}", "${{ github.event.pull_request.base.sha }}"),
        (
            "    runs-on",
            "    if: github.event.pull_request.head.repo.full_name == github.repository\n"
            "    runs-on",
        ),
        ("    runs-on", "    if: '!github.event.pull_request.head.repo.fork'\n    runs-on"),
        ("    runs-on", "    if: github.event.workflow_run.event == 'push'\n    runs-on"),
    ],
)
def test_what_no_stranger_can_bring_is_fine(old: str, new: str) -> None:
    assert judged(BASE.replace(old, new, 1)) == ([], [])


def test_a_secret_is_a_right() -> None:
    text = BASE.replace("on: pull_request_target", "on: pull_request_target\npermissions: {}")
    assert len(judged(text)[0]) == 0
    text += "        env:\n          T: ${{ secrets.DEPLOY }}\n"
    assert len(judged(text)[0]) == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["steps", "uses", "run", "with", "ref", "if", "a", "needs", "env"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_any_data_is_judged(jobs: Any, permissions: Any) -> None:
    data = {"on": ["pull_request_target"], "permissions": permissions, "jobs": {"a": jobs}}
    assert isinstance([*executed(review(data)), *brought(review(data))], list)
