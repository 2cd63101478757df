"""Fingerprints follow a fault, not its line; a finding that a base hands down counts once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haechi.engines.dockerfile import resource_of
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import State, Verdict
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Rule
from haechi.scan.findings import Findings, context_of, in_order
from haechi.scan.items import identity_of, step_name
from tests.trees import findings, resources, scan

RULE = Rule(
    id="a-rule",
    title="A fault",
    severity=Severity.HIGH,
    why="",
    fix="",
    applies_to=AppliesTo(kinds=["core/Pod"]),
    judge=JudgeKind.CEL,
    bad=[],
    good=[],
)


def pod(**changes: Any) -> str:
    """A Pod whose two containers are privileged, with things added around them."""
    values = {"before": "", "name": "ok", "labels": "", "one": "app", "two": "side", "more": ""}
    values |= changes
    return """{before}apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop{labels}}}
spec:
  containers:
    - {{name: {one}, image: "a:1", securityContext: {{privileged: true}}}}
    - {{name: {two}, image: "b:1", securityContext: {{privileged: true}}}}
{more}""".format(**values)


def prints(tmp_path: Path, text: str, rule: str = "k8s-privileged") -> list[str]:
    outcome = scan(tmp_path, {"a.yaml": text})
    return [finding.fingerprint for finding in findings(outcome, rule)]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"before": "# moved\n\n\n"}, True),
        ({"before": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\n"}, True),
        ({"labels": ", labels: {team: a}"}, True),
        ({"more": "    - {name: third, image: 'c:1'}\n"}, True),
        ({"more": "  hostPID: true\n"}, True),
        ({"one": "side", "two": "app"}, True),
        ({"name": "other"}, False),
        ({"one": "web", "two": "log"}, False),
    ],
)
def test_fingerprints_survive_unrelated_edits(
    tmp_path: Path, changes: dict[str, str], same: bool
) -> None:
    before = prints(tmp_path / "a", pod())
    after = prints(tmp_path / "b", pod(**changes))
    assert len(set(before)) == 2
    assert len(set(after)) == 2
    assert (set(before) == set(after)) is same
    assert same or set(before).isdisjoint(after)


def test_fingerprints_differ_by_rule_and_file(tmp_path: Path) -> None:
    outcome = scan(tmp_path, {"a.yaml": pod(), "b.yaml": pod()})
    every = [finding.fingerprint for finding in outcome.material.scan.findings]
    assert len(every) == len(set(every)) > 10


def test_equal_findings_are_told_apart_by_their_number(tmp_path: Path) -> None:
    twice = prints(tmp_path, f"{pod()}---\n{pod()}")
    assert len(set(twice)) == 4
    assert set(prints(tmp_path, pod())) < set(twice)


def test_fingerprints_ignore_the_cluster() -> None:
    (one,) = resources(pod())
    other = Resource(
        key=one.key.replace("k8s:-/", "k8s:prod/"),
        kind=one.kind,
        data=one.data,
        locate=one.locate,
        file=one.file,
    )
    printed = set()
    for resource in (one, other):
        found = Findings({})
        found.add(RULE, Verdict("a-rule", State.FAIL, "x", ("spec",)), resource)
        printed.add(found.found[0].fingerprint)
        assert found.found[0].resource == resource.key
    assert len(printed) == 1


OBJECT = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
    - name: app
      env: [{name: PASSWORD, value: hunter2}]
      args: [--password=hunter2]
      ports: [{containerPort: 80}, {containerPort: 443, name: tls}]
      volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b}]
      securityContext: {capabilities: {add: [NET_ADMIN, SYS_TIME]}}
  rules:
    - {resources: [pods, nodes], verbs: [get]}
    - {nonResourceURLs: [/metrics]}
    - {verbs: [get]}
"""
CONTAINER = ("spec", "containers", 0)


@pytest.mark.parametrize(
    ("path", "context"),
    [
        ((), ""),
        (("spec", "containers"), "/spec/containers"),
        ((*CONTAINER, "image"), "/spec/containers/app/image"),
        ((*CONTAINER, "env", 0, "value"), "/spec/containers/app/env/PASSWORD/value"),
        ((*CONTAINER, "args", 0), "/spec/containers/app/args/0"),
        ((*CONTAINER, "ports", 0), "/spec/containers/app/ports/containerPort=80"),
        ((*CONTAINER, "ports", 1), "/spec/containers/app/ports/tls"),
        ((*CONTAINER, "volumeMounts", 1), "/spec/containers/app/volumeMounts/mountPath=/b"),
        (
            (*CONTAINER, "securityContext", "capabilities", "add", 1),
            "/spec/containers/app/securityContext/capabilities/add/=SYS_TIME",
        ),
        (("spec", "rules", 0, "verbs", 0), "/spec/rules/resources=nodes,pods/verbs/=get"),
        (("spec", "rules", 1), "/spec/rules/nonResourceURLs=/metrics"),
        (("spec", "rules", 2), "/spec/rules/2"),
        (("spec", "rules", 9, "x"), "/spec/rules/9/x"),
        (("spec", 0, "x", 1), "/spec/0/x/1"),
    ],
)
def test_the_context_names_things_and_keeps_secrets_out(path: AttrPath, context: str) -> None:
    (resource,) = resources(OBJECT)
    assert context_of(resource, path) == "k8s:-/core/Pod/-/a" + context
    assert "hunter2" not in context_of(resource, path)


@pytest.mark.parametrize("item", [None, 1, "a", [], {}, {"name": None}, {"resources": [1]}])
def test_items_without_a_name_are_counted(item: object) -> None:
    assert identity_of(item) == ("", "")
    assert step_name("env", item, 3) == "3"


def test_instructions_are_known_by_their_text_and_variables_by_their_names() -> None:
    text = "FROM a\nENV TOKEN=hunter2 B=c\nARG PASSWORD=hunter2\nRUN  a \\\n  b\n"
    resource, faults = resource_of(text, "Dockerfile")
    assert not faults
    contexts = [context_of(resource, ("instructions", index)) for index in range(4)]
    assert contexts == ["FROM a", "ENV TOKEN B", "ARG PASSWORD", "RUN a \\ b"]
    assert context_of(resource, ()) == ""


def fail(path: AttrPath = ("spec",), message: str = "x") -> Verdict:
    return Verdict("a-rule", State.FAIL, message, path)


def test_what_several_renderings_have_from_one_base_counts_once() -> None:
    one, other = resources(pod())[0], resources(pod(name="p-ok"))[0]
    found = Findings({})
    found.add(RULE, fail(), one, origin="base.yaml#0")
    found.add(RULE, fail(message="said otherwise"), other, origin="base.yaml#0")
    found.add(RULE, fail(("spec", "x")), other, origin="base.yaml#0")
    found.add(RULE, fail(), other, origin="base.yaml#99")
    found.add(RULE, fail(), other, origin="base.yaml#99")  # the same object: two violations
    assert [f.message for f in found.found] == ["x"] * 4
    assert len({f.fingerprint for f in found.found}) == 4


def test_a_finding_that_an_overlay_made_is_known_by_the_overlay() -> None:
    base = resources(pod())[0]
    moved = [
        Resource(
            key=base.key,
            kind=base.kind,
            data=base.data,
            locate=lambda path, where=where: Location(path=where),  # type: ignore[misc]
            file="base.yaml",
        )
        for where in ("prod.yaml", "dev.yaml")
    ]
    both, alone = Findings({}), Findings({})
    for resource in moved:
        both.add(RULE, fail(), resource, origin="base.yaml#0")
    alone.add(RULE, fail(), moved[1], origin="base.yaml#0")
    assert len(both.found) == 2
    assert both.found[1].fingerprint == alone.found[0].fingerprint


def test_severities_order_and_the_limit() -> None:
    (resource,) = resources(pod())
    found = Findings({"b-rule": Severity.CRITICAL}, limit=3)
    for name in ("a-rule", "b-rule", "a-rule", "a-rule", "a-rule"):
        rule = Rule(**{**{f: getattr(RULE, f) for f in RULE.__struct_fields__}, "id": name})
        found.add(rule, Verdict(name, State.FAIL, "", ("spec",)), resource)
    assert found.left_out == 2
    ordered = in_order(found.found)
    assert [f.rule for f in ordered] == ["b-rule", "a-rule", "a-rule"]
    assert ordered[0].severity is Severity.CRITICAL
    assert ordered[0].message == "A fault"  # a verdict without words has the rule's title


def test_findings_past_the_limit_are_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from haechi.scan.iac import look

    monkeypatch.setattr(look, "Findings", lambda severities: Findings(severities, limit=1))
    outcome = scan(tmp_path, {"a.yaml": pod()})
    assert [gap.kind for gap in outcome.material.scan.coverage.gaps] == ["too-many-findings"]
    assert outcome.material.decision.exit_code in (1, 3)
