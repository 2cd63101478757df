"""An export means the same: both sets say the same of the same requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.admit.export.made import VIEW, again, export, namespace, request, review, said

CEL_TEMPLATE = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needslabel}
spec:
  crd:
    spec:
      names: {kind: NeedsLabel}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            labels: {type: array, items: {type: string}}
            most: {type: integer, default: 3}
            note: {type: string}
            mixed: {type: array, items: {x-kubernetes-preserve-unknown-fields: true}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: K8sNativeValidation
          source:
            matchConditions:
              - {name: not-ana, expression: 'request.userInfo.username != "eve"'}
            variables:
              - name: missing
                expression: >-
                  !has(variables.params.labels) ? [] : variables.params.labels.filter(l,
                  !(l in variables.anyObject.metadata.?labels.orValue({})))
              - {name: nothing, expression: "variables.params == null"}
            validations:
              - expression: size(variables.missing) == 0
                messageExpression: '"missing: " + variables.missing.join(", ")'
              - expression: >-
                  variables.nothing
                  || variables.anyObject.?spec.?replicas.orValue(0) <= variables.params.most
                message: too many
              - expression: >-
                  variables.params == null || !has(variables.params.note)
                  || variables.params.note == "it's \\"so\\""
---
"""


def constraint(name: str, **spec: Any) -> str:
    import json

    return json.dumps(
        {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": "NeedsLabel",
            "metadata": {"name": name},
            "spec": spec,
        }
    )


WORKLOADS = [{"apiGroups": ["", "apps"], "kinds": ["Pod", "Deployment"]}]
CONSTRAINTS = {
    "plain": constraint("a", match={"kinds": WORKLOADS}, parameters={"labels": ["owner"]}),
    "no parameters": constraint("a", match={"kinds": WORKLOADS}),
    "quotes, numbers, mixtures": constraint(
        "a",
        match={"kinds": WORKLOADS},
        parameters={
            "labels": ['a"b', "c\\d", "e\nf", "owner"],
            "most": 1,
            "note": 'it\'s "so"',
            "mixed": [1, "a", {"b": [True, 2.5, {}, None]}, []],
        },
    ),
    "warn": constraint(
        "a", match={"kinds": WORKLOADS}, enforcementAction="warn", parameters={"labels": ["owner"]}
    ),
    "dryrun": constraint(
        "a",
        match={"kinds": WORKLOADS},
        enforcementAction="dryrun",
        parameters={"labels": ["owner"]},
    ),
    "namespaces": constraint(
        "a",
        match={
            "kinds": WORKLOADS,
            "namespaces": ["sh*", "kube-system"],
            "excludedNamespaces": ["*-system"],
        },
        parameters={"labels": ["owner"]},
    ),
    "namespace labels": constraint(
        "a",
        match={
            "kinds": WORKLOADS,
            "namespaceSelector": {
                "matchExpressions": [
                    {"key": "environment", "operator": "NotIn", "values": ["test"]}
                ]
            },
        },
        parameters={"labels": ["owner"]},
    ),
    "labels": constraint(
        "a",
        match={"kinds": WORKLOADS, "labelSelector": {"matchLabels": {"tier": "front"}}},
        parameters={"labels": ["owner"]},
    ),
    "name": constraint("a", match={"name": "we*"}, parameters={"labels": ["owner"]}),
    "scope": constraint("a", match={"scope": "Cluster"}, parameters={"labels": ["owner"]}),
    "own kinds": constraint(
        "a",
        match={
            "kinds": [
                {"apiGroups": ["shop.example"], "kinds": ["Cart"]},
                {"apiGroups": [""], "kinds": ["Namespace"]},
            ],
            "namespaces": ["shop"],
        },
        parameters={"labels": ["owner"]},
    ),
    "everything": constraint("a", parameters={"labels": ["owner"]}),
}


def pod(name: str = "web", space: str = "shop", **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": space, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]},
    }


def deployment(replicas: int, **labels: str) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "labels": labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": replicas, "template": {"spec": pod()["spec"]}},
    }


def requests() -> Iterator[dict[str, Any]]:
    for space in ("shop", "lab", "kube-system", "shop-2"):
        yield request(pod(space=space), "pods")
    for labels in ({"owner": "x"}, {"tier": "front"}, {'a"b': "", "c\\d": "", "e\nf": ""}):
        yield request(pod(**labels), "pods")
    yield request(pod("api"), "pods")
    generated = pod()
    del generated["metadata"]["name"]
    generated["metadata"]["generateName"] = "web-"
    yield request(generated, "pods")
    yield request(pod(tier="back"), "pods", operation="UPDATE", old=pod(tier="front"))
    for replicas in (1, 2, 9):
        yield request(deployment(replicas, owner="x"), "deployments")
    yield request(namespace("shop"), "namespaces")
    yield request(namespace("lab", owner="x"), "namespaces")
    for group in ("shop.example", "other.example"):
        cart = {
            "apiVersion": f"{group}/v1",
            "kind": "Cart",
            "metadata": {"name": "c", "namespace": "shop"},
        }
        yield request(cart, "carts")


REQUESTS = list(requests())


def same(text: str, form: str, *, joined: bool = False) -> list[Any]:
    policies, made, exported = export(text, form)
    assert not made.left and made.parts
    fresh = again(exported)
    heard = []
    for asked in REQUESTS:
        mine = said(policies, asked, joined=joined)
        assert said(fresh, asked) == mine, asked
        heard += mine
    return heard


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_as_policies_of_the_api_server(name: str) -> None:
    heard = same(CEL_TEMPLATE + CONSTRAINTS[name], "vap")
    assert {one[0] for one in heard} & {"pass", "fail"}, "nothing was judged"


def test_parameters_that_are_missing_are_null_in_both() -> None:
    heard = same(CEL_TEMPLATE + CONSTRAINTS["no parameters"], "vap")
    assert {one[0] for one in heard} == {"pass"}


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few-replicas}
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
      - apiGroups: [apps]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [deployments]
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE]
        resources: [pods]
        resourceNames: [web]
    excludeResourceRules:
      - {apiGroups: ["*"], apiVersions: ["*"], operations: [UPDATE], resources: [pods]}
  matchConditions:
    - {name: no-tests, expression: "object.metadata.namespace != 'lab'"}
  variables:
    - {name: many, expression: "object.?spec.?replicas.orValue(1)"}
  validations:
    - {expression: "variables.many < 3", message: "three is too many"}
    - {expression: "'owner' in object.metadata.?labels.orValue({})",
       messageExpression: "object.metadata.name + ' has no owner'"}
    - {expression: "request.operation == 'CREATE'"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: prod}
spec:
  policyName: few-replicas
  validationActions: %s
  matchResources:
    namespaceSelector: {matchLabels: {environment: prod}}
    objectSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}
"""


@pytest.mark.parametrize("actions", ["[Deny]", "[Warn, Audit]", "[Audit]"])
def test_policies_of_the_api_server_as_constraints(actions: str) -> None:
    heard = same(POLICY % actions, "gatekeeper")
    assert {one[0] for one in heard} == {"pass", "fail", "not_evaluated"}


def test_policies_in_the_target_format_are_written_as_they_are() -> None:
    for text, form in (
        (POLICY % "[Deny]", "vap"),
        (CEL_TEMPLATE + CONSTRAINTS["plain"], "gatekeeper"),
    ):
        heard = same(text, form)
        assert heard


IMAGES = """
apiVersion: haechi.dev/v1alpha1
kind: ImagePolicy
metadata: {name: ours}
spec:
  action: warn
  match: {excludedNamespaces: [kube-system]}
  allow: [ghcr.io/team, "*/mirror/*", docker.io/library]
  requireDigest: true
  denyTags: [latest, edge]
"""
PINNED = "@sha256:" + "a" * 64


def imaged(*images: str) -> dict[str, Any]:
    body = pod()
    roles = ("containers", "initContainers", "ephemeralContainers")
    body["spec"] = {
        role: [{"name": f"{role[0]}{n}", "image": image} for n, image in enumerate(images)]
        for role in roles
    }
    body["spec"]["volumes"] = [{"name": "v", "image": {"reference": images[0]}}]
    return body


@pytest.mark.parametrize("form", ["vap", "gatekeeper"])
def test_image_policies(form: str) -> None:
    policies, made, text = export(IMAGES, form)
    assert not made.left
    fresh = again(text)
    bodies = [
        imaged("nginx"),
        imaged("ghcr.io/team/a:1" + PINNED),
        imaged("GHCR.io/team-evil/a:edge"),
        imaged("q.example:5000/mirror/x:latest", "no such image!"),
        pod(),
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "shop"}},
    ]
    asked = [request(body, "pods") for body in bodies]
    asked.append(
        request(imaged("nginx", "redis"), "pods", operation="UPDATE", old=imaged("nginx", "a/b:1"))
    )
    asked.append(request(imaged("nginx"), "pods", operation="UPDATE", old=imaged("nginx")))
    asked.append(
        request(imaged("nginx"), "pods", sub="ephemeralcontainers", operation="UPDATE", old=pod())
    )
    states = set()
    for one in asked:
        mine = said(policies, one, joined=True)
        assert said(fresh, one) == mine
        states |= {state for state, *_ in mine}
    assert states == {"pass", "fail"}


def test_rules_of_a_pack() -> None:
    text = """
apiVersion: haechi.dev/v1alpha1
kind: PolicyPack
metadata: {name: nsa}
spec: {pack: nsa, action: deny}
"""
    policies, made, written = export(text, "vap")
    assert {left.reason for left in made.left} >= {"it is judged in Python, not by an expression"}
    fresh = again(written)
    names = {part.policy for part in made.parts}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "shop"},
        "secrets": [{"name": "x"}],
    }
    bodies = [
        (account, "serviceaccounts"),
        (namespace("kube-x"), "namespaces"),
        (namespace("a", **{"pod-security.kubernetes.io/enforce": "privileged"}), "namespaces"),
        (
            {
                "apiVersion": "cilium.io/v2",
                "kind": "CiliumNetworkPolicy",
                "metadata": {"name": "n", "namespace": "shop"},
                "spec": {"ingress": [{"fromEntities": ["world"]}]},
            },
            "ciliumnetworkpolicies",
        ),
    ]
    failed = 0
    for body, plural in bodies:
        asked = request(body, plural)
        only = policies.review
        mine = sorted(
            (v.state.value, v.message) for v in only(review(asked), VIEW) if v.policy in names
        )
        theirs = sorted((v.state.value, v.message) for v in fresh.review(review(asked), VIEW))
        assert mine == theirs
        failed += sum(state == "fail" for state, _ in mine)
    assert failed > 4
