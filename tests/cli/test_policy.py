"""``haechi policy check|eval|list|simulate``, and the same policies in ``haechi scan``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from haechi.admit.apart import jobs_apart, judged_apart
from tests.cli.command import Haechi
from tests.trees import write

TEMPLATE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: k8snonroot
spec:
  crd:
    spec:
      names:
        kind: K8sNonRoot
      validation:
        openAPIV3Schema:
          type: object
          properties:
            strict: {type: boolean}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8snonroot

        violation[{"msg": msg}] {
          container := input.review.object.spec.containers[_]
          not container.securityContext.runAsNonRoot
          msg := sprintf("container %v may run as root", [container.name])
        }
"""
CONSTRAINT = """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sNonRoot
metadata:
  name: all-pods
spec:
  match:
    kinds:
      - apiGroups: [""]
        kinds: [Pod]
  parameters:
    strict: true
"""
WRONG_GROUP = CONSTRAINT.replace(
    "constraints.gatekeeper.sh/v1beta1", "config.gatekeeper.sh/v1alpha1"
)
WRONG_SCHEMA = TEMPLATE.replace(
    """        openAPIV3Schema:
          type: object
          properties:
            strict: {type: boolean}
""",
    """        properties:
          strict: {type: boolean}
""",
)
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: registry.example/web:1
"""
GOOD_POD = """\
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: shop}
spec:
  containers:
    - name: app
      image: registry.example/app:1
      securityContext: {runAsNonRoot: true}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "policies/template.yaml": TEMPLATE,
            "policies/constraint.yaml": CONSTRAINT,
            "deploy/web.yaml": DEPLOYMENT,
            "deploy/good.yaml": GOOD_POD,
        },
    )


def objects(out: str) -> dict[str, dict[str, Any]]:
    return {one["object"]: one for one in json.loads(out)["objects"]}


def test_a_workload_is_refused_for_the_pod_that_it_makes(haechi: Haechi, tree: Path) -> None:
    done = haechi("policy", "check", tree / "deploy", "-p", tree / "policies", "--format", "json")
    found = objects(done.out)
    assert done.code == 1
    assert found["Pod shop/good"]["outcome"] == "let in"
    (verdict,) = found["Deployment shop/web"]["verdicts"]
    assert verdict["policy"] == "gatekeeper/K8sNonRoot/all-pods"
    assert verdict["message"] == "container web may run as root"
    assert verdict["generated"]
    assert TEMPLATE.splitlines()[verdict["policy_line"] - 1].strip() == 'violation[{"msg": msg}] {'


def test_text_tells_object_reason_and_count(haechi: Haechi, tree: Path) -> None:
    done = haechi("policy", "check", tree / "deploy", "-p", tree / "policies")
    assert "Deployment shop/web  refused" in done.out
    assert "container web may run as root" in done.out
    assert done.out.splitlines()[-1] == "2 objects, 1 policy: 1 refused, 1 let in"


def test_all_let_in_is_zero(haechi: Haechi, tree: Path) -> None:
    done = haechi("policy", "check", tree / "deploy/good.yaml", "-p", tree / "policies")
    assert done.code == 0


@pytest.mark.parametrize(
    ("template", "constraint", "kind", "line"),
    [
        (WRONG_SCHEMA, CONSTRAINT, "wrong-shape", 11),
        (TEMPLATE, WRONG_GROUP, "wrong-group", 1),
    ],
    ids=["schema outside openAPIV3Schema", "constraint of a wrong group"],
)
def test_what_protects_nothing_is_named(
    haechi: Haechi, tree: Path, template: str, constraint: str, kind: str, line: int
) -> None:
    write(tree, {"policies/template.yaml": template, "policies/constraint.yaml": constraint})
    done = haechi("policy", "list", "-p", tree / "policies", "--format", "json")
    faults = {fault["kind"]: fault for fault in json.loads(done.out)["faults"]}
    assert faults[kind]["line"] == line
    assert faults[kind]["do"]


def test_a_waiver_lets_in_and_is_named(haechi: Haechi, tree: Path) -> None:
    waiver = """\
waivers:
  - rule: "policy:gatekeeper/K8sNonRoot/all-pods"
    resource: "Deployment shop/*"
    reason: being rebuilt
    owner: shop
    expires: 2027-06-01
"""
    write(tree, {"haechi.waivers.yaml": waiver})
    done = haechi("policy", "check", tree / "deploy", "-p", tree / "policies", "--format", "json")
    (verdict,) = objects(done.out)["Deployment shop/web"]["verdicts"]
    assert (done.code, verdict["waiver"]) == (0, "haechi.waivers.yaml:2")


def pod(image: str, name: str = "a") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": [{"name": "a", "image": image}]},
    }


BAD, GOOD = pod("registry.example/a:latest"), pod("registry.example/a:1")
NO_LATEST = """\
apiVersion: haechi.dev/v1alpha1
kind: ImagePolicy
metadata: {name: tags}
spec: {denyTags: [latest]}
"""


@pytest.mark.parametrize(
    ("files", "paths", "outcomes"),
    [
        (
            {"a/pod.yaml": json.dumps(BAD), "b/pod.yaml": json.dumps(GOOD)},
            ["a", "b"],
            ["refused", "let in"],
        ),
        (
            {"a/pod.yaml": json.dumps(BAD), "b/pod.yaml": json.dumps(GOOD)},
            ["a/pod.yaml", "b/pod.yaml", "b"],
            ["refused", "let in"],
        ),
        ({"pods.json": json.dumps(BAD) + json.dumps(GOOD)}, ["."], ["refused", "let in"]),
        (
            {"list.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": [BAD, GOOD]})},
            [".", "list.json"],
            ["refused", "let in"],
        ),
    ],
    ids=["two folders", "files and their folder", "one line", "a list in one line"],
)
def test_objects_of_one_name_do_not_hide_each_other(
    haechi: Haechi, files: dict[str, str], paths: list[str], outcomes: list[str]
) -> None:
    write(haechi.where, {**files, "policies/tags.txt": NO_LATEST})
    words = [haechi.where / path for path in paths]
    done = haechi(
        "policy", "check", *words, "-p", haechi.where / "policies/tags.txt", "--format", "json"
    )
    found = json.loads(done.out)["objects"]
    assert (done.code, [one["outcome"] for one in found]) == (1, outcomes)


@pytest.mark.parametrize("failure", ["Fail", "Ignore"])
def test_what_an_error_refuses_is_not_called_allowed(haechi: Haechi, failure: str) -> None:
    broken = f"""\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: broken}}
spec:
  failurePolicy: {failure}
  matchConstraints:
    resourceRules:
      - {{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}}
  validations: [{{expression: "object.nothing == 1"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: broken}}
spec: {{policyName: broken, validationActions: [Deny]}}
"""
    write(haechi.where, {"p/broken.yaml": broken, "deploy/pod.json": json.dumps(GOOD)})
    where = haechi.where
    done = haechi("policy", "check", where / "deploy", "-p", where / "p", "--format", "json")
    (found,) = json.loads(done.out)["objects"]
    assert (done.code, found["outcome"], found["allowed"]) == (
        3,
        "unjudged",
        failure == "Ignore",
    )


def test_a_pack_by_name_is_not_softened_by_a_document_of_it(haechi: Haechi) -> None:
    soft = """\
apiVersion: haechi.dev/v1alpha1
kind: PolicyPack
metadata: {name: soft}
spec: {pack: pss-restricted, action: audit}
"""
    where = write(haechi.where, {"p/soft.yaml": soft, "deploy/pod.json": json.dumps(GOOD)})
    words = ("policy", "check", where / "deploy", "-p", where / "p")
    assert haechi(*words).code == 0
    assert haechi(*words, "--pack", "pss-restricted").code == 1


def test_a_policy_that_hides_a_stricter_one_is_a_fault(haechi: Haechi) -> None:
    soft = NO_LATEST.replace("denyTags: [latest]", "denyTags: [stable]")
    where = write(
        haechi.where,
        {
            "p/a.yaml": soft,
            "p/b.yaml": NO_LATEST,
            "p/c.yaml": NO_LATEST,
            "deploy/pod.json": json.dumps(BAD),
        },
    )
    done = haechi("policy", "check", where / "deploy", "-p", where / "p", "--format", "json")
    (fault,) = json.loads(done.out)["faults"]
    assert (done.code, fault["kind"], fault["fatal"]) == (3, "duplicate", True)
    assert fault["file"].endswith("b.yaml")
    only = haechi(
        "policy", "check", where / "deploy", "-p", where / "p/b.yaml", "-p", where / "p/c.yaml"
    )
    assert only.code == 1
    assert "twice" not in only.out


def test_eval_explains_by_policy_place_and_effect(haechi: Haechi, tree: Path) -> None:
    bad = write(tree, {"bad.yaml": GOOD_POD.replace("runAsNonRoot: true", "runAsNonRoot: false")})
    done = haechi("policy", "eval", "-p", tree / "policies", "-r", bad / "bad.yaml")
    assert done.code == 1
    assert "gatekeeper/K8sNonRoot/all-pods" in done.out
    assert "container app may run as root" in done.out
    assert "effect: deny" in done.out
    assert "template.yaml:" in done.out


def test_eval_takes_a_request(haechi: Haechi, tree: Path) -> None:
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": "shop",
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "x"},
                "spec": {"containers": [{"name": "c", "image": "a"}]},
            },
        },
    }
    write(tree, {"review.json": json.dumps(review)})
    words = ("policy", "eval", "-p", tree / "policies", "-r", tree / "review.json")
    done = haechi(*words, "--format", "json")
    answer = json.loads(done.out)
    assert (done.code, answer["allowed"], answer["code"]) == (1, False, 403)


ENDLESS = TEMPLATE.replace(
    "container := input.review.object.spec.containers[_]",
    'x := json.patch({}, [{"op": "add", "path": "/a", "value": i}'
    ' | i := numbers.range(1, 100000)[_]])\n          container := {"name": x}',
)
SUITE = """\
apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
tests:
  - name: endless
    template: template.yaml
    constraint: constraint.yaml
    cases:
      - {name: pod, object: ../deploy/good.yaml, assertions: [{violations: no}]}
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "words",
    [
        ("eval", "-p", "policies", "-r", "deploy/good.yaml"),
        ("check", "-p", "policies", "deploy/good.yaml"),
        ("test", "policies"),
    ],
    ids=lambda words: words[0],
)
def test_a_policy_that_does_not_end_is_an_error(
    haechi: Haechi, tree: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    for apart in (judged_apart, jobs_apart):
        assert apart.__kwdefaults__ is not None
        monkeypatch.setitem(apart.__kwdefaults__, "deadline_s", 0.2)
    write(tree, {"policies/template.yaml": ENDLESS, "policies/suite.yaml": SUITE})
    done = haechi("policy", *(tree / word if (tree / word).exists() else word for word in words))
    assert (done.code, "came to no answer within 0.2 s" in done.out) == (3, True), done.out


@pytest.mark.parametrize("operation", ["create", None, 1])
def test_eval_refuses_a_request_that_is_none(haechi: Haechi, operation: object) -> None:
    request = {"kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": operation}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    where = write(haechi.where, {"review.json": json.dumps(body)})
    done = haechi("policy", "eval", "--pack", "sensible", "-r", where / "review.json")
    assert done.code == 2
    assert "operation must be one of CREATE, UPDATE, DELETE, CONNECT" in done.err


def test_simulate_tells_what_new_policies_would_refuse(haechi: Haechi, tree: Path) -> None:
    done = haechi(
        "policy", "simulate", tree / "deploy", "-p", tree / "policies", "--format", "json"
    )
    found = json.loads(done.out)
    assert done.code == 1
    assert found["newly_refused"] == 1
    (change,) = found["changes"]
    assert (change["label"], change["before"], change["after"]) == (
        "Deployment shop/web",
        "let-in",
        "refused",
    )


def test_simulate_is_quiet_about_policies_that_are_there_already(
    haechi: Haechi, tree: Path
) -> None:
    policies = tree / "policies"
    done = haechi("policy", "simulate", tree / "deploy", "-p", policies, "--today", policies)
    assert done.code == 0
    assert "nothing more would be refused" in done.out


def test_scan_judges_by_the_policies_that_the_configuration_names(
    haechi: Haechi, tree: Path
) -> None:
    write(tree, {"haechi.yaml": 'admission: {policies: ["policies/"]}\n'})
    done = haechi("scan", tree, "--only", "iac", "--format", "json")
    found = [
        finding
        for finding in json.loads(done.out)["findings"]
        if finding["rule"].startswith("policy:")
    ]
    (finding,) = found
    assert finding["rule"] == "policy:gatekeeper/K8sNonRoot/all-pods"
    assert finding["severity"] == "high"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "nowhere"), "there is no"),
        (("check", ".", "-p", "nowhere"), "there is no"),
        (("check", ".", "--pack", "nsaa"), "nsaa"),
        (("simulate", "."), "no new policies"),
        (("eval", "-r", "nowhere", "--pack", "sensible"), "there is no"),
    ],
    ids=["no file", "no policies", "no pack", "nothing new", "no resource"],
)
def test_wrong_use_is_told(haechi: Haechi, words: tuple[str, ...], said: str) -> None:
    done = haechi("policy", *words)
    assert done.code == 2
    assert said in done.err
