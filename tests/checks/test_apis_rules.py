"""Retired API versions and dead annotations, judged for a release."""

from __future__ import annotations

import pytest

from haechi.checks import apis
from haechi.checks.apis import target_minor
from haechi.model.review import Review
from haechi.rules.api_table import dead_annotations, retired_apis
from tests.checks.object_reviews import messages, resource_of


def _object(version: str, kind: str) -> str:
    return f"{{apiVersion: {version}, kind: {kind}, metadata: {{name: x}}}}"


@pytest.mark.parametrize(
    ("release", "removed", "deprecated"),
    [("1.30", False, False), ("1.31", False, True), ("1.33", False, True), ("1.34", True, False)],
)
def test_the_target_release_decides(release: str, removed: bool, deprecated: bool) -> None:
    text = _object("admissionregistration.k8s.io/v1beta1", "ValidatingAdmissionPolicy")
    assert bool(messages(apis.removed, text, kubernetes_version=release)) is removed
    assert bool(messages(apis.deprecated, text, kubernetes_version=release)) is deprecated


def test_without_a_configured_release_the_default_holds() -> None:
    (found,) = messages(apis.removed, _object("extensions/v1beta1", "Ingress"))
    assert found.endswith("stopped serving in 1.22; use networking.k8s.io/v1")


@pytest.mark.parametrize(
    ("version", "minor"), [("1.29", 29), ("v1.31", 31), ("1.30.4", 30), ("latest", 33), (None, 33)]
)
def test_release_is_read_in_any_spelling(version: object, minor: int) -> None:
    review = Review(resource=resource_of({}), memo={"kubernetes_version": version})
    assert target_minor(review) == minor


def test_pod_security_policy_is_left_to_its_own_rule() -> None:
    assert messages(apis.removed, _object("policy/v1beta1", "PodSecurityPolicy")) == []


@pytest.mark.parametrize(
    ("version", "kind", "wrong"),
    [
        ("v1", "Deployment", True),
        ("apps/v1", "Deployment", False),
        ("apps/v1", "Service", True),
        ("extensions/v1beta1", "Deployment", False),
        ("serving.knative.dev/v1", "Service", False),
        ("networking.istio.io/v1", "Gateway", False),
        ("batch.volcano.sh/v1alpha1", "Job", False),
        ("rbac.authorization.k8s.io/v1", "Deployment", True),
    ],
)
def test_kinds_under_a_foreign_group(version: str, kind: str, wrong: bool) -> None:
    assert bool(messages(apis.wrong_group, _object(version, kind))) is wrong


def test_annotation_of_a_pod_template_is_seen() -> None:
    text = """
    apiVersion: batch/v1
    kind: CronJob
    metadata: {name: x, annotations: {pod.beta.kubernetes.io/hostname: a}}
    spec:
      jobTemplate:
        spec:
          template:
            metadata: {annotations: {scheduler.alpha.kubernetes.io/critical-pod: ""}}
    """
    assert len(messages(apis.dead_protection, text)) == 1
    assert len(messages(apis.dead_annotation, text)) == 1


def test_tables_are_consistent() -> None:
    assert len(retired_apis()) > 70
    assert len(dead_annotations()) > 20
    for (group, version, kind), entry in retired_apis().items():
        assert group and version and kind
        assert entry.deprecated_minor < entry.removed_minor
        assert entry.replacement != entry.api
