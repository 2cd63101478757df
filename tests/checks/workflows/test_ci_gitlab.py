"""GitLab pipelines: jobs are judged with what they inherit, findings point to where it stands."""

from __future__ import annotations

import pytest

from haechi.checks.workflows.gitlab.view import pipeline_of
from tests.checks.workflows.ci_reviews import judge_of, review_of, said


def test_a_value_is_found_where_it_is_written() -> None:
    text = """
    default:
      image: ruby
    .base:
      image: node
    .more:
      extends: .base
    one: {extends: .more, script: x}
    two: {extends: .more, script: x}
    three: {script: x}
    four: {script: x, image: go, inherit: {default: false}}
    five: {script: x, inherit: {default: false}}
    """
    hits = judge_of("workflows.gitlab.sources:floating_image")(review_of(text, "gitlab-ci"))
    assert [hit.path for hit in hits] == [(".base", "image"), ("default", "image"),
                                         ("four", "image")]  # fmt: skip


def test_later_parents_win() -> None:
    text = """
    .a: {image: "a:1.0"}
    .b: {image: "b:1.0"}
    job: {extends: [.a, .b], script: x}
    """
    (message,) = said("gitlab.sources:tagged_image", text, "gitlab-ci")
    assert "b:1.0" in message


def test_a_circle_of_extends_ends() -> None:
    text = """
    .a: {extends: .b, image: node}
    .b: {extends: .a}
    job: {extends: .a, script: x}
    """
    assert len(said("gitlab.sources:floating_image", text, "gitlab-ci")) == 1


def test_references_and_nested_lists_are_followed() -> None:
    text = """
    .scan:
      script:
        - npm audit || true
    job:
      script:
        - !reference [.scan, script]
        - [make, "pytest || true"]
    """
    review = review_of(text, "gitlab-ci")
    lines = [line.text for line in pipeline_of(review).jobs[0].lines]
    assert lines == ["npm audit || true", "make", "pytest || true"]
    hits = list(judge_of("workflows.gitlab.outcomes:ignored")(review))
    assert [hit.path for hit in hits] == [(".scan", "script", 0), ("job", "script", 1, 1)]


def test_a_reference_to_itself_ends() -> None:
    text = """
    job:
      script:
        - !reference [job, script]
        - make
    """
    assert pipeline_of(review_of(text, "gitlab-ci")).jobs[0].lines


def test_a_template_that_several_jobs_extend_is_told_once() -> None:
    text = """
    .scan: {script: "npm audit || true"}
    a: {extends: .scan}
    b: {extends: .scan}
    """
    assert len(said("gitlab.outcomes:ignored", text, "gitlab-ci")) == 1


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        ("", False),
        ("needs: [build]", True),
        ("needs: [scan]", False),
        ("needs: [{job: scan}]", False),
        ("needs: []", True),
        ("needs: [late]", False),
    ],
)
def test_tells_what_a_deployment_waits_for(needs: str, missing: bool) -> None:
    text = f"""
    stages: [build, test, deploy]
    build: {{stage: build, script: make}}
    scan: {{stage: test, script: gitleaks detect}}
    late: {{stage: deploy, script: make}}
    deploy:
      stage: deploy
      environment: production
      {needs}
      script: ./deploy
    """
    assert bool(said("gitlab.outcomes:gate_not_needed", text, "gitlab-ci")) is missing


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ('eval "$CI_COMMIT_TITLE"', True),
        ('bash -c "echo $CI_COMMIT_BRANCH"', True),
        ("bash -c 'echo $CI_COMMIT_BRANCH'", False),
        ('ssh host "git checkout ${CI_COMMIT_REF_NAME}"', True),
        ('echo "$CI_COMMIT_TITLE"', False),
        ('ssh host "deploy $CI_COMMIT_SHA"', False),
        ('bash deploy.sh "$CI_COMMIT_TITLE"', False),
    ],
)
def test_tells_where_a_strangers_text_becomes_a_command(script: str, found: bool) -> None:
    text = f"job:\n  script:\n    - |\n      {script}\n"
    assert bool(said("gitlab.secrets:injected", text, "gitlab-ci")) is found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("DEPLOY_TOKEN", "correct-horse-9-staple", True),
        ("DEPLOY_TOKEN", "$OTHER", False),
        ("DEPLOY_TOKEN", "changeme-please-1", False),
        ("POSTGRES_PASSWORD", "correct-horse-9-staple", False),
        ("DATABASE_URL", "postgres://user:pass1234@postgres:5432/db", False),
        ("DATABASE_URL", "postgres://user:pass1234@db.acme.io:5432/db", True),
        ("NODE_VERSION", "correct-horse-9-staple", False),
    ],
)
def test_tells_secrets_from_settings(name: str, value: str, found: bool) -> None:
    text = f'variables:\n  {name}: "{value}"\njob: {{script: make}}\n'
    assert bool(said("gitlab.secrets:literal", text, "gitlab-ci")) is found
