"""Cases of the judges beyond the rules' examples: where they must speak and where be silent."""

from __future__ import annotations

import pytest

from tests.checks.workflows.ci_reviews import judge_of, review_of, run, said, steps

GUIDE = """
on:
  push:
    branches: [main, develop]
jobs:
  security-scan:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Secrets
        uses: trufflesecurity/trufflehog@main
        with: {path: ./, base: main, head: HEAD}
      - name: SAST
        uses: github/codeql-action/analyze@v2
        with:
          languages: typescript, python, go
      - name: Dependencies
        uses: snyk/actions/node@master
        env:
          SNYK_TOKEN: ${{ secrets.SNYK_TOKEN }}
      - name: Image
        uses: aquasecurity/trivy-action@master
        with:
          image-ref: 'myapp:${{ github.sha }}'
          format: sarif
          output: trivy-results.sarif
"""


@pytest.mark.parametrize(
    ("function", "facts"),
    [
        ("references:on_branch", ["trufflehog", "snyk/actions/node", "trivy-action"]),
        ("references:on_tag", ["actions/checkout at v4", "codeql-action/analyze at v2"]),
        ("codeql:without_init", ["analyze without init"]),
        ("names:unknown_input", ['"languages"']),
        ("names:retired", ["codeql-action/analyze at v2"]),
        ("outcomes:cannot_fail", ["Trivy, which passes whatever it finds (no exit-code)"]),
        ("results:sarif_not_uploaded", ["trivy-results.sarif"]),
        ("secrets:given_to_branch", ["SNYK_TOKEN to snyk/actions/node@master"]),
        ("history:shallow", ["one commit and on a push both ends"]),
    ],
)
def test_names_the_faults_of_a_usual_pipeline(function: str, facts: list[str]) -> None:
    messages = said(function, GUIDE)
    assert len(messages) == len(facts)
    for message, fact in zip(messages, facts, strict=True):
        assert fact in message


@pytest.mark.parametrize(
    ("script", "swallowed"),
    [
        ("npm audit || true", True),
        ("npm audit || :", True),
        ("npm audit || exit 0", True),
        ("npm audit || echo found something", True),
        ("npm audit --json | tee audit.json || true", True),
        ("npm ci && npm audit || true", True),
        ("set +e\nnpm audit\necho done", True),
        ("npm audit", False),
        ("npm audit || exit 1", False),
        ("npm audit || echo bad && exit 1", False),
        ("npm audit || { echo bad; exit 1; }", False),
        ("npm audit\nrm -rf x || true", False),
        ("npm audit signatures || true", False),
        ("npm audit fix || true", False),
        ("npm install || true", False),
        ("set +e\nnpm audit\nrc=$?\nexit $rc", False),
        ("set +e\nset -e\nnpm audit\necho done", False),
        ("set +e\nnpm audit", False),
        ("npm audit --help || true", False),
        ("echo npm audit || true", False),
    ],
)
def test_tells_when_a_failure_is_swallowed(script: str, swallowed: bool) -> None:
    assert bool(said("outcomes:ignored", run(script))) is swallowed


@pytest.mark.parametrize(
    ("script", "passes"),
    [
        ("trivy image x", True),
        ("trivy fs --exit-code=0 .", True),
        ("trivy fs --exit-code 1 .", False),
        ("TRIVY_EXIT_CODE=1 trivy fs .", False),
        ("trivy fs --config trivy.yaml .", False),
        ("trivy fs --format cyclonedx .", False),
        ("trivy version", False),
        ("trivy fs --format json . > t.json\njq -e .x t.json", False),
        ("found=$(trivy fs .)", False),
        ("semgrep --config auto", True),
        ("semgrep --config auto --error", False),
        ("semgrep ci", False),
        ("npx semgrep scan", True),
        ("python -m bandit --exit-zero -r src", True),
        ("poetry run bandit -r src", False),
        ("trufflehog git file://.", True),
        ("trufflehog git file://. --fail", False),
        ("gitleaks detect --exit-code=0", True),
        ("govulncheck -format json ./...", True),
        ("govulncheck ./...", False),
        ("checkov -d . --soft-fail", True),
        ("docker scout cves x", True),
        ("docker scout cves --exit-code x", False),
        ("docker build .", False),
        ("dependency-check.sh --scan .", True),
        ("newman run x.json --suppress-exit-code", True),
    ],
)
def test_tells_when_a_scanner_cannot_fail(script: str, passes: bool) -> None:
    assert bool(said("outcomes:cannot_fail", run(script))) is passes


def test_a_second_run_of_a_scanner_may_inform_when_the_first_can_fail() -> None:
    both = steps("run: npm audit --audit-level=high", "run: npm audit || true")
    assert not said("outcomes:ignored", both)
    assert said("outcomes:ignored", steps("run: npm audit || true"))


def test_a_step_whose_outcome_is_asked_for_may_go_on() -> None:
    step = "id: tests\ncontinue-on-error: true\nrun: pytest"
    assert said("outcomes:ignored", steps(step))
    asked = "if: steps.tests.outcome == 'failure'\nrun: exit 1"
    assert not said("outcomes:ignored", steps(step, asked))


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("echo $T", "A"),
        ("echo ${{ secrets.B }}", "B"),
        ("printf '%s' \"$T\"", "A"),
        ("echo $T | tee log.txt", "A"),
        ("echo $T >&2", "A"),
        ("echo $T > file", ""),
        ("echo $T | cut -c1-4", ""),
        ("echo $T | gpg --import", ""),
        ("x=$(echo $T)", ""),
        ("echo ${#T}", ""),
        ("echo $TT", ""),
        ("{\n  echo $T\n} > file", ""),
    ],
)
def test_tells_when_a_secret_is_printed(script: str, names: str) -> None:
    messages = said("printing:printed", run(script, T="${{ secrets.A }}"))
    assert [f"prints {names} to the log" in message for message in messages] == [True] * bool(names)


@pytest.mark.parametrize(
    ("script", "changed"),
    [
        ("echo $T | base64", True),
        ("echo $T | rev", True),
        ("echo $T | cut -c1-4", True),
        ("echo $T | sed 's/./& /g' | tee x", True),
        ("echo $T | base64 -d > key", False),
        ("echo $T | base64 | docker login --password-stdin", False),
        ("echo $T", False),
    ],
)
def test_tells_when_a_secret_is_printed_changed(script: str, changed: bool) -> None:
    assert bool(said("printing:printed_changed", run(script, T="${{ secrets.A }}"))) is changed


def test_no_message_holds_a_value() -> None:
    value = "correct-horse-9-staple"
    text = f"""
    variables:
      DEPLOY_TOKEN: {value}
    job:
      script:
        - echo "$DEPLOY_TOKEN {value}"
        - set -x
    """
    review = review_of(text, "gitlab-ci")
    hits = [
        hit
        for name in ("literal", "printed", "exposed")
        for hit in judge_of(f"workflows.gitlab.secrets:{name}")(review)
    ]
    assert len(hits) == 3
    assert not any(value in hit.message for hit in hits)


@pytest.mark.parametrize(
    ("uses", "found"),
    [
        ("actions/chekout@v4", True),
        ("actions/checkuot@v4", True),
        ("docker/login-acton@v3", True),
        ("actions/cache/restore@v4", False),
        ("actions/setup-ruby@v1", False),
        ("acme/chekout@v4", False),
        ("Azure/login@v2", False),
        ("snyk/actions@master", False),
        ("gradle/actions/setup-gradle@v4", False),
        ("sonarsource/sonarcloud-github-action@v2", False),
    ],
)
def test_tells_slips_of_the_finger(uses: str, found: bool) -> None:
    assert bool(said("names:misnamed", steps(f"uses: {uses}"))) is found


@pytest.mark.parametrize(
    ("uses", "found"),
    [
        ("action/checkout@v4", True),
        ("actons/checkout@v4", True),
        ("githb/codeql-action/init@v3", True),
        ("actions/checkout@v4", False),
        ("my-actions/checkout@v4", False),
        ("actions/something-else@v4", False),
        ("actins/something-else@v4", False),
    ],
)
def test_tells_owners_that_look_alike(uses: str, found: bool) -> None:
    assert bool(said("names:lookalike", steps(f"uses: {uses}"))) is found


def test_secrets_of_the_job_reach_its_actions() -> None:
    text = """
    on: push
    jobs:
      build:
        runs-on: ubuntu-latest
        env: {PUSH_KEY: "${{ secrets.PUSH_KEY }}"}
        steps:
          - uses: acme/build@main
          - run: make
    """
    (message,) = said("secrets:given_to_branch", text)
    assert "PUSH_KEY to acme/build@main" in message


def test_places_lead_to_what_is_written() -> None:
    review = review_of(GUIDE)
    (hit,) = judge_of("workflows.secrets:given_to_branch")(review)
    assert hit.path == ("jobs", "security-scan", "steps", 3, "env", "SNYK_TOKEN")
    (hit,) = judge_of("workflows.history:shallow")(review)
    assert hit.path == ("jobs", "security-scan", "steps", 1, "with", "base")


@pytest.mark.parametrize(
    ("shell", "hidden"), [("", True), ("shell: bash", False), ("shell: pwsh", False)]
)
def test_only_a_named_bash_asks_all_of_a_pipe(shell: str, hidden: bool) -> None:
    text = steps(f"run: pytest | tee log\n{shell}")
    assert bool(said("outcomes:hidden_by_pipe", text)) is hidden


def test_scripts_for_windows_are_not_read_as_shell() -> None:
    text = run("npm audit || true").replace("ubuntu-latest", "windows-2022")
    assert not said("outcomes:ignored", text)


def test_a_composite_action_is_judged_like_a_job() -> None:
    text = """
    name: x
    description: x
    runs:
      using: composite
      steps:
        - uses: acme/setup@main
        - run: npm audit || true
          shell: bash
    """
    assert len(said("references:on_branch", text, "action")) == 1
    (message,) = said("outcomes:ignored", text, "action")
    assert message.startswith("step 2 runs npm audit")
