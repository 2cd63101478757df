"""Policies and objects as text, read as files are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haechi.admit.gatekeeper import Engine, load
from haechi.admit.policies import PolicySet
from haechi.admit.policy import Loaded
from haechi.admit.reviews import review_of, review_of_request
from haechi.admit.view import ObjectsView
from haechi.model.admission import PolicyFault, PolicyVerdict
from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.model.review import Point, Review
from haechi.world.manifests import objects_of

LABELS_TEMPLATE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: shoplabels
  annotations:
    metadata.gatekeeper.sh/title: Labels of the shop
    description: Everything says whose it is.
spec:
  crd:
    spec:
      names:
        kind: ShopLabels
      validation:
        openAPIV3Schema:
          type: object
          required: [keys]
          properties:
            keys:
              type: array
              items: {type: string, pattern: "^[a-z/.-]+$"}
            hint:
              type: string
              default: ask the team
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package shoplabels

        violation[{"msg": msg, "details": {"missing": missing}}] {
          given := {key | input.review.object.metadata.labels[key]}
          wanted := {key | key := input.parameters.keys[_]}
          missing := wanted - given
          count(missing) > 0
          msg := sprintf("labels are missing: %v (%v)", [missing, input.parameters.hint])
        }
"""
LABELS = """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: ShopLabels
metadata: {name: owner}
spec:
  match:
    kinds: [{apiGroups: [""], kinds: [Pod]}]
  parameters: {keys: [owner]}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop}
spec: {containers: [{name: app, image: shop/cart}]}
"""
OWNED = POD.replace("{name: cart,", "{name: cart, labels: {owner: ann},")
DENY_ALL = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: denyall}
spec:
  crd: {spec: {names: {kind: DenyAll}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package denyall
        violation[{"msg": "no"}] { true }
"""


def read(*texts: str, file: str = "policies.yaml") -> list[Resource]:
    """The objects of the texts, as documents of one file."""
    gaps: list[Gap] = []
    found = list(objects_of("---\n".join(texts).encode(), file, gaps))
    assert not gaps, gaps
    return found


def loaded(*texts: str, engine: Engine = Engine.ANY) -> Loaded:
    return load(read(*texts), engine=engine)


def faults(*texts: str) -> list[PolicyFault]:
    return list(loaded(*texts).faults)


def fatal(*texts: str) -> list[PolicyFault]:
    return [one for one in loaded(*texts).faults if one.fatal]


def policies(*texts: str, engine: Engine = Engine.ANY) -> PolicySet:
    """Policies without any fatal fault."""
    found = loaded(*texts, engine=engine)
    assert not [one.what for one in found.faults if one.fatal]
    return PolicySet(found.policies, mutators=found.mutators)


def review(
    text: str, *around: str, point: Point = Point.ADMISSION, operation: str = "CREATE"
) -> tuple[Review, ObjectsView]:
    """The review of one object, with others around it."""
    (subject,) = read(text, file="object.yaml")
    view = ObjectsView.of(read(*around, file="around.yaml") if around else [])
    return review_of(subject, view, point=point, operation=operation), view


def asked(request: dict[str, Any], *around: str) -> tuple[Review, ObjectsView]:
    """The review of a request."""
    view = ObjectsView.of(read(*around) if around else [])
    return review_of_request(request, view), view


def verdicts(
    given: Sequence[str], text: str, *around: str, point: Point = Point.ADMISSION
) -> list[PolicyVerdict]:
    """What the policies of some texts say about an object itself."""
    subject, view = review(text, *around, point=point)
    found = policies(*given).review(subject, view)
    return [one for one in found if not one.generated]
