"""Every rule that names a fixer: its own bad examples become good, and no other rule complains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.checks.audits import SHARED
from haechi.checks.judge import Judge
from haechi.engines.cel import CelEngine
from haechi.engines.dockerfile import resource_of
from haechi.engines.documents import Document, parse_documents
from haechi.engines.objects import resources_of
from haechi.model.finding import Finding
from haechi.model.resource import Resource
from haechi.model.review import Review, State
from haechi.rules.catalogue import Catalogue, load_catalogue
from haechi.rules.schema import Rule
from haechi.scan.findings import Findings, in_order
from haechi.scan.fix.docker_fixers import DOCKER
from haechi.scan.fix.fixer import parse_fixer
from haechi.scan.fix.kubernetes_fixers import KUBERNETES
from haechi.scan.fix.pins import Pins
from haechi.scan.fix.pipelines import Means
from haechi.scan.fix.plan import FileFix, Planner
from haechi.scan.fix.workflow_fixers import WORKFLOWS
from haechi.scan.iac.audits import Auditing
from haechi.scan.iac.kubernetes import Inventory
from haechi.scan.iac.workflows import ACTION, EXAMPLES, may_be_action, read_workflow
from haechi.world.git_host import Commit

LEFT: dict[str, str] = {
    "docker-package-signature-check-off/3": "nothing to change",
    "docker-build-without-dev-dependencies/1": "nothing to change",
    "docker-build-without-dev-dependencies/2": "nothing to change",
    "k8s-annotation-dead-protection/1": "for a person to say",
    "k8s-rbac-subject-namespace/0": "not known here",
}
"""``rule/number`` of bad examples that no machine should correct → a word of the reason."""
AUDITING = Auditing(Path("/nonexistent"))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def judge(catalogue: Catalogue) -> Judge:
    return Judge(catalogue.rules, CelEngine(catalogue.cel))


def fixable() -> list[Rule]:
    return [rule for rule in load_catalogue().rules if rule.fixer]


class AnyHost:
    """Says of every action that it has such a tag."""

    def commit_of(self, repository: str, ref: str) -> Commit:
        return Commit(id="0123456789abcdef0123456789abcdef01234567", tag=True)


def path_of(text: str, rule: Rule) -> str:
    kinds = rule.applies_to.kinds
    if kinds == ["dockerfile"]:
        return "Dockerfile"
    if not set(kinds) & set(EXAMPLES):
        return "a.yaml"
    return EXAMPLES[ACTION if may_be_action(text.encode()) else kinds[0]]


def resources(text: str, path: str) -> list[Resource]:
    if path == "Dockerfile":
        return [resource_of(text, path)[0]]
    if path in EXAMPLES.values():
        kind = next(kind for kind, name in EXAMPLES.items() if name == path)
        resource, gaps = read_workflow(text.encode(), path, kind)
        assert resource is not None
        assert not gaps
        return [resource]
    documents = parse_documents(text.encode())
    return [r for d in documents if isinstance(d, Document) for r in resources_of(d, path)]


def findings_in(text: str, path: str, rule: Rule, judge: Judge) -> list[Finding]:
    everything = resources(text, path)
    kubernetes = [r for r in everything if r.key.startswith("k8s:")]
    scope = Inventory(kubernetes, judge.templates)
    found = Findings({})
    for resource in everything:
        shared = {SHARED: AUDITING(resource, text)} if resource.kind in EXAMPLES else {}
        for verdict in judge.review(Review(resource=resource, scope=scope, shared=shared)):
            if verdict.rule == rule.id and verdict.state is State.FAIL:
                found.add(rule, verdict, resource)
    return list(in_order(found.found))


def fix_example(text: str, rule: Rule, judge: Judge) -> tuple[list[Finding], FileFix, str]:
    path = path_of(text, rule)
    findings = findings_in(text, path, rule, judge)
    planner = Planner(
        judge=judge,
        resources=(),
        read=lambda _: text.encode(),
        means=Means(pins=Pins({}, AnyHost()), named=True),
        audits=AUDITING,
    )
    (fix,) = planner.plan(findings)
    return findings, fix, path


def examples() -> Iterator[tuple[str, Rule, str]]:
    for rule in fixable():
        for number, text in enumerate(rule.bad):
            yield f"{rule.id}/{number}", rule, text


CASES = list(examples())


@pytest.mark.parametrize(("name", "rule", "text"), CASES, ids=[case[0] for case in CASES])
def test_bad_example_becomes_good(name: str, rule: Rule, text: str, judge: Judge) -> None:
    findings, fix, path = fix_example(text, rule, judge)
    assert findings
    if name in LEFT:
        assert not fix.made
        assert any(LEFT[name] in left.reason for left in fix.left), fix.left
        return
    assert not fix.left, [left.reason for left in fix.left]
    assert [made.finding for made in fix.made] == findings
    after = fix.after.decode()
    assert not findings_in(after, path, rule, judge)
    kept = set(text.splitlines())
    touched = [line for line in after.splitlines() if line not in kept]
    assert len(touched) <= 6 * len(findings), "the fix is larger than it needs to be"


def test_every_fixer_is_known(catalogue: Catalogue) -> None:
    fixable = [rule for rule in catalogue.rules if rule.fixer]
    assert len(fixable) >= 30
    for rule in fixable:
        fixer = parse_fixer(rule.fixer)
        kinds = rule.applies_to.kinds
        ours = WORKFLOWS if set(kinds) & set(EXAMPLES) else KUBERNETES
        table = DOCKER if kinds == ["dockerfile"] else ours
        assert fixer.steps or fixer.function in table, rule.id


def test_every_function_is_used_by_a_rule(catalogue: Catalogue) -> None:
    used = {parse_fixer(rule.fixer).function for rule in catalogue.rules if rule.fixer}
    assert {*DOCKER, *KUBERNETES, *WORKFLOWS} <= used


def test_at_least_24_rules_are_fixed_without_changing_behaviour() -> None:
    assert sum(not parse_fixer(rule.fixer).risky for rule in fixable()) >= 24


def test_every_exception_still_exists() -> None:
    assert set(LEFT) <= {name for name, _, _ in CASES}
