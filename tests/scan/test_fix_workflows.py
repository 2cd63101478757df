"""Fixes of workflows: references pinned where a hash is known, rights stated where provable."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.judge import Judge
from haechi.checks.workflows.uses import parse_uses
from haechi.engines.cel import CelEngine
from haechi.errors import ConfigError, InputError
from haechi.model.finding import Finding
from haechi.model.review import Review, State
from haechi.model.severity import Severity
from haechi.rules.catalogue import load_catalogue
from haechi.rules.schema import AppliesTo, JudgeKind, Rule
from haechi.scan.findings import Findings
from haechi.scan.fix.changes import Refused
from haechi.scan.fix.fixer import parse_fixer
from haechi.scan.fix.pins import Pins, read_pins
from haechi.scan.fix.pipelines import Means, read_pipeline
from haechi.scan.fix.plan import FileFix, Planner
from haechi.scan.iac.audits import Auditing
from haechi.scan.iac.workflows import WORKFLOW, read_workflow
from haechi.world.git_host import Commit

PATH = ".github/workflows/ci.yml"
V4, V5, MAIN = "4" * 40, "5" * 40, "a" * 40
TABLE = {"actions/checkout@v4": V4, "Acme/Tool@v5": V5}
PINNING = {
    name: Rule(
        id=name,
        title=name,
        severity=Severity.MEDIUM,
        why="",
        fix="",
        judge=JudgeKind.PYTHON,
        applies_to=AppliesTo(kinds=["workflow"]),
        function=f"workflows.references:{function}",
        fixer=fixer,
        bad=[""],
        good=[""],
    )
    for name, function, fixer in (
        ("test-tag", "on_tag", "pin-action"),
        ("test-branch", "on_branch", "risky pin-action"),
    )
}


class FakeHost:
    """Knows one branch and one tag."""

    def commit_of(self, repository: str, ref: str) -> Commit:
        if ref == "main":
            return Commit(id=MAIN, tag=False)
        if ref == "v5":
            return Commit(id=V5, tag=True)
        raise InputError(f"{repository} has neither a tag nor a branch called {ref}")


def rights() -> list[Rule]:
    return [r for r in load_catalogue().rules if r.id == "workflow-default-permissions"]


def findings_in(text: str, judge: Judge, auditing: Auditing) -> list[Finding]:
    resource, gaps = read_workflow(text.encode(), PATH, WORKFLOW)
    assert resource is not None
    assert not gaps
    found = Findings({})
    shared = {"zizmor": auditing(resource, text)}
    rules = {rule.id: rule for rule in judge.rules}
    for verdict in judge.review(Review(resource=resource, shared=shared)):
        assert verdict.state in (State.PASS, State.FAIL), verdict
        if verdict.state is State.FAIL:
            found.add(rules[verdict.rule], verdict, resource)
    return found.found


def fix(text: str, rules: list[Rule], pins: Pins | None = None, *, named: bool = False) -> FileFix:
    judge = Judge(rules, CelEngine())
    auditing = Auditing(Path("/nonexistent"))
    planner = Planner(
        judge=judge,
        resources=(),
        read=lambda _: text.encode(),
        means=Means(pins=pins or Pins({}), named=named),
        audits=auditing,
    )
    (made,) = planner.plan(findings_in(text, judge, auditing))
    return made


def steps(*lines: str, head: str = "permissions: {}\n") -> str:
    body = "\n".join(f"      {line}" for line in lines)
    return f"on: push\n{head}jobs:\n  test:\n    runs-on: ubuntu-24.04\n    steps:\n{body}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- uses: actions/checkout@v4", f"- uses: actions/checkout@{V4} # v4"),
        ("- uses: 'actions/checkout@v4'", f"- uses: 'actions/checkout@{V4}' # v4"),
        ('- uses: "actions/checkout@v4"  ', f'- uses: "actions/checkout@{V4}" # v4'),
        ("- uses: actions/checkout@v4 # v4", f"- uses: actions/checkout@{V4} # v4"),
        (
            "- uses: actions/checkout@v4 # zizmor: ignore[artipacked]",
            f"- uses: actions/checkout@{V4} # v4 # zizmor: ignore[artipacked]",
        ),
        (
            "- {uses: actions/checkout@v4, with: {fetch-depth: 0}}",
            f"- {{uses: actions/checkout@{V4}, with: {{fetch-depth: 0}}}} # v4",
        ),
        ("- uses: acme/tool/sub/path@v5", f"- uses: acme/tool/sub/path@{V5} # v5"),
        ("- uses: Actions/Checkout@refs/tags/v4", f"- uses: Actions/Checkout@{V4} # v4"),
    ],
)
def test_a_tag_becomes_the_commit_with_the_tag_behind_it(before: str, after: str) -> None:
    result = fix(steps(before), [PINNING["test-tag"]], Pins(TABLE))
    assert [left.reason for left in result.left] == []
    assert result.after.decode() == steps(after)


def test_equal_references_are_pinned_each() -> None:
    text = steps("- uses: actions/checkout@v4", "- uses: actions/checkout@v4", "- run: make")
    result = fix(text, [PINNING["test-tag"]], Pins(TABLE))
    assert len(result.made) == 2
    assert result.after.decode().count(f"@{V4} # v4") == 2


def test_windows_line_ends_stay() -> None:
    text = steps("- uses: actions/checkout@v4", "- run: make").replace("\n", "\r\n")
    result = fix(text, [PINNING["test-tag"]], Pins(TABLE))
    assert result.after.decode() == text.replace("@v4\r\n", f"@{V4} # v4\r\n")


def test_nothing_is_guessed_without_a_hash() -> None:
    result = fix(steps("- uses: actions/cache@v4"), [PINNING["test-tag"]], Pins(TABLE))
    assert result.before == result.after
    assert "no hash for actions/cache@v4" in result.left[0].reason


@pytest.mark.parametrize(
    ("named", "reason"), [(False, "main is a branch of acme/tool"), (True, "")]
)
def test_a_branch_is_pinned_only_when_its_rule_is_named(named: bool, reason: str) -> None:
    text = steps("- uses: acme/tool@main")
    result = fix(text, [PINNING["test-branch"]], Pins({}, FakeHost()), named=named)
    if reason:
        assert reason in result.left[0].reason
    else:
        assert result.after.decode() == steps(f"- uses: acme/tool@{MAIN} # main")


def test_the_table_comes_before_the_host() -> None:
    pins = Pins({"acme/tool@v5": V4}, FakeHost())
    assert pins.commit_of(parse_uses("acme/tool@v5"), branches=False) == V4
    assert pins.commit_of(parse_uses("other/tool@v5"), branches=False) == V5
    with pytest.raises(Refused, match="neither a tag nor a branch"):
        pins.commit_of(parse_uses("other/tool@v6"), branches=False)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[]", "the file is a table"),
        (f"actions/checkout: {V4}", "is not owner/repo@tag"),
        (f"--upload-pack=x@v1: {V4}", "is not owner/repo@tag"),
        ("actions/checkout@v4: 1234567", "is not a full commit id"),
        ("actions/checkout@v4: v4.2.2", "is not a full commit id"),
        (f"a/b@v1: {V4}\na/b@v1: {V5}", "written twice"),
    ],
)
def test_a_wrong_table_is_told_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        read_pins(text.encode())
    assert "haechi.actions.yaml:" in str(caught.value.where)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "ignore")))
def test_any_table_is_read_or_refused(data: bytes) -> None:
    try:
        table = read_pins(data)
    except ConfigError:
        return
    assert all(isinstance(value, str) for value in table.values())


def workflow(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


HARMLESS = workflow("""
    name: ci
    on: push
    # what is built
    jobs:
      test:
        runs-on: ubuntu-24.04
        steps:
          - uses: actions/checkout@v4
            with: {persist-credentials: false}
          - run: make test
""")


def test_rights_are_stated_where_no_step_can_use_more() -> None:
    result = fix(HARMLESS, rights())
    expected = HARMLESS.replace(
        "# what is built\njobs:", "permissions:\n  contents: read\n# what is built\njobs:"
    )
    assert result.after.decode() == expected
    assert not result.left


def test_blank_lines_between_sections_are_kept() -> None:
    after = fix(HARMLESS.replace("# what", "\n# what"), rights()).after.decode()
    assert "push\n\npermissions:\n  contents: read\n\n# what" in after


def test_only_jobs_without_rights_of_their_own_have_to_do_with_reading() -> None:
    text = HARMLESS + (
        "  release:\n    permissions: {contents: write}\n"
        "    runs-on: ubuntu-24.04\n    steps: [{run: git push}]\n"
    )
    result = fix(text, rights())
    assert result.after.decode() == text.replace("# what", "permissions:\n  contents: read\n# what")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("with: {persist-credentials: false}", "with: {fetch-depth: 0}", "checkout left the token"),
        ("make test", "make test ${{ github.token }}", "given the token"),
        ("- run: make test", "- uses: acme/tool@v1", "acme/tool is given the token"),
        ("name: ci", "env: {T: '${{ secrets.GITHUB_TOKEN }}'}", "environment holds the token"),
    ],
)
def test_rights_that_may_be_needed_are_taken_only_by_name(
    before: str, after: str, reason: str
) -> None:
    text = HARMLESS.replace(before, after)
    assert text != HARMLESS
    unasked = fix(text, rights())
    assert unasked.before == unasked.after
    assert reason in unasked.left[0].reason
    assert b"contents: read" in fix(text, rights(), named=True).after


@pytest.mark.parametrize(
    "script", ["git push", "git -c a=b push", "gh release create", "npm publish"]
)
def test_a_job_that_writes_is_left_to_a_person(script: str) -> None:
    result = fix(HARMLESS.replace("make test", script), rights(), named=True)
    assert result.before == result.after
    assert "writes" in result.left[0].reason


@given(st.text(alphabet="abn:-{}[]#&*!|>'\" \n\tjobs@/1", max_size=120))
def test_any_text_is_edited_or_refused(text: str) -> None:
    means = Means(pins=Pins(TABLE))
    try:
        subject, _ = read_pipeline(
            f"jobs:\n  a:\n    steps:\n    - {text}\n", WORKFLOW, PATH, means
        )
    except InputError:
        return
    for hit in ((), ("jobs", "a"), ("jobs", "a", "steps", 0, "uses")):
        for name in ("pin-action", "state-permissions"):
            try:
                fixed = subject.fixed(parse_fixer(name), 0, hit)
            except Refused:
                continue
            assert fixed.text != subject.text
