"""``haechi webhook replay``: recorded requests at a webhook of their own, over TLS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Haechi

POLICIES = """\
apiVersion: haechi.dev/v1alpha1
kind: ImagePolicy
metadata: {name: ours}
spec: {action: deny, allow: [registry.example]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: broken}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
    - expression: "object.metadata.name != 'odd' || object.metadata.labels['none'] == 'x'"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: broken}
spec: {policyName: broken, validationActions: [Deny]}
"""


def review(name: str, image: str) -> str:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    request = {
        "uid": name,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "name": name,
        "namespace": "shop",
        "userInfo": {"username": "ann"},
        "object": body,
    }
    shown = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(shown)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    path = tmp_path / "policies.yaml"
    path.write_text(POLICIES)
    return path


def asked(haechi: Haechi, tmp_path: Path, policies: Path, *reviews: str) -> tuple[int, str]:
    file = tmp_path / "reviews.jsonl"
    file.write_text("\n".join(reviews) + "\n")
    done = haechi("webhook", "replay", file, "--policies", policies)
    return done.code, done.out.splitlines()[-1]


def test_requests_are_refused_and_let_in(haechi: Haechi, tmp_path: Path, policies: Path) -> None:
    code, said = asked(
        haechi,
        tmp_path,
        policies,
        review("good", "registry.example/a:1"),
        review("bad", "docker.io/a:1"),
    )
    assert (code, said) == (0, "2 requests at the door: 1 let in, 1 refused")


def test_what_could_not_be_judged_is_told_apart(
    haechi: Haechi, tmp_path: Path, policies: Path
) -> None:
    code, said = asked(haechi, tmp_path, policies, review("odd", "registry.example/a:1"))
    assert (code, said) == (3, "1 request at the door: 1 not judged")


def test_without_policies_there_is_nothing_to_ask(haechi: Haechi, tmp_path: Path) -> None:
    file = tmp_path / "reviews.jsonl"
    file.write_text("")
    done = haechi("webhook", "replay", file)
    assert done.code == 2
    assert "no policies" in done.err
