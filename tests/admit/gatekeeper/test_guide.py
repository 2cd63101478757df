"""A pair of template and constraint as people write it first, and as it works.

The first constraint is of a group in which there is no such kind, and the template's schema
stands beside its place: nothing is protected, nobody says so. Both must be told, with lines and
what to write; corrected they deny and allow.
"""

from __future__ import annotations

import pytest

from haechi.model.review import State
from tests.admit.gatekeeper.texts import faults, loaded, verdicts

TEMPLATE = """\
apiVersion: templates.gatekeeper.sh/v1beta1
kind: ConstraintTemplate
metadata:
  name: shoprunsasuser
spec:
  crd:
    spec:
      names:
        kind: ShopRunsAsUser
      validation:
        properties:
          runAsNonRoot:
            type: boolean
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package shoprunsasuser

        violation[{"msg": msg}] {
          container := input.review.object.spec.containers[_]
          not container.securityContext.runAsNonRoot
          msg := sprintf("container %v may run as root", [container.name])
        }

        violation[{"msg": "the pod may run as root"}] {
          not input.review.object.spec.securityContext.runAsNonRoot
        }
"""
CONSTRAINT = """\
apiVersion: config.gatekeeper.sh/v1alpha1
kind: ShopRunsAsUser
metadata:
  name: nobody-is-root
spec:
  match:
    kinds:
      - apiGroups: [""]
        kinds: [Pod]
    namespaces: [production]
  parameters:
    runAsNonRoot: true
"""
RIGHT_TEMPLATE = TEMPLATE.replace(
    """\
        properties:
          runAsNonRoot:
            type: boolean
""",
    """\
        openAPIV3Schema:
          type: object
          properties:
            runAsNonRoot:
              type: boolean
""",
)
RIGHT_CONSTRAINT = CONSTRAINT.replace(
    "config.gatekeeper.sh/v1alpha1", "constraints.gatekeeper.sh/v1beta1"
)
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: production}
spec:
  securityContext: {runAsNonRoot: true}
  containers:
    - name: app
      image: shop/app
      securityContext: {runAsNonRoot: true}
"""


def test_a_constraint_in_the_wrong_group_protects_nothing_and_that_is_said() -> None:
    found = loaded(TEMPLATE, CONSTRAINT)
    assert not found.policies
    by_kind = {one.kind: one for one in found.faults}
    group = by_kind["wrong-group"]
    assert "it protects nothing" in group.what
    assert group.do == "write apiVersion: constraints.gatekeeper.sh/v1beta1"
    lines = [*TEMPLATE.splitlines(), "---", *CONSTRAINT.splitlines()]
    assert lines[group.line - 1] == "apiVersion: config.gatekeeper.sh/v1alpha1"
    assert group.fatal
    assert by_kind["unbound"].what.startswith("ConstraintTemplate shoprunsasuser is used by no")


def test_a_schema_beside_its_place_is_said_with_its_line() -> None:
    (fault,) = [one for one in faults(TEMPLATE, RIGHT_CONSTRAINT) if one.kind == "wrong-shape"]
    assert not fault.fatal
    assert TEMPLATE.splitlines()[fault.line - 1].strip() == "properties:"
    assert "openAPIV3Schema" in fault.do


def test_without_a_legacy_schema_the_misplaced_one_refuses_the_parameters() -> None:
    newer = TEMPLATE.replace("gatekeeper.sh/v1beta1", "gatekeeper.sh/v1")
    found = faults(newer, RIGHT_CONSTRAINT)
    assert [one.kind for one in found] == ["wrong-shape", "unknown-field"]


@pytest.mark.parametrize(
    ("pod", "messages"),
    [
        pytest.param(POD, [], id="as-it-should-be"),
        pytest.param(
            POD.replace("      securityContext: {runAsNonRoot: true}\n", ""),
            ["container app may run as root"],
            id="container",
        ),
        pytest.param(
            POD.replace("  securityContext: {runAsNonRoot: true}\n  c", "  c"),
            ["the pod may run as root"],
            id="pod",
        ),
    ],
)
def test_the_corrected_pair_denies_and_allows(pod: str, messages: list[str]) -> None:
    assert not faults(RIGHT_TEMPLATE, RIGHT_CONSTRAINT)
    found = verdicts((RIGHT_TEMPLATE, RIGHT_CONSTRAINT), pod)
    assert [one.message for one in found if one.state is State.FAIL] == messages
    assert all(one.denies for one in found if one.state is State.FAIL)
    assert found
    assert not verdicts((RIGHT_TEMPLATE, RIGHT_CONSTRAINT), pod.replace("production", "test"))
