"""What is no policy, protects nothing, or is written wrongly is said, with its place."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.load import load_policies
from haechi.admit.policies import PolicySet
from haechi.admit.vap import load
from haechi.model.admission import Effect, FailureChoice, PolicyFault
from haechi.model.review import State
from tests.admit.vap.documents import PODS, VIEW, binding, loaded, pod, policy, read, review


def kinds(faults: tuple[PolicyFault, ...]) -> list[str]:
    return [fault.kind for fault in faults]


def test_what_a_policy_is() -> None:
    made = loaded(
        policy(paramKind={"apiVersion": "v1", "kind": "ConfigMap"}, failurePolicy="Ignore"),
        binding(paramRef={"name": "x", "parameterNotFoundAction": "Allow"}),
        binding(
            "w",
            validationActions=["Warn"],
            paramRef={"selector": {}, "parameterNotFoundAction": "Allow"},
        ),
    )
    assert made.faults == ()
    info, other = (one.info for one in made.policies)
    assert (info.id, other.id) == ("vap/p/b", "vap/p/w")
    assert (info.file, info.line) == ("policies.yaml", 1)
    assert (info.effects, other.effects) == ((Effect.DENY,), (Effect.WARN,))
    assert info.failure is FailureChoice.IGNORE
    assert info.reads == (("", "ConfigMap"),)
    assert info.matched[0].resources == ("pods",)
    assert info.matched[0].operations == ("CREATE", "UPDATE")


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_versions(version: str) -> None:
    bodies = [policy(), binding()]
    for body in bodies:
        body["apiVersion"] = f"admissionregistration.k8s.io/{version}"
    assert len(loaded(*bodies).policies) == 1


@pytest.mark.parametrize("wrong", ["admissionregistration.k8s.io/v9", "policy/v1", "v1"])
def test_another_group_or_version_protects_nothing(wrong: str) -> None:
    body = policy()
    body["apiVersion"] = wrong
    made = loaded(body, binding())
    assert made.policies == ()
    assert kinds(made.faults) == ["wrong-group", "unknown-policy"]
    assert "protects nothing" in made.faults[0].what


def test_a_policy_without_a_binding_protects_nothing() -> None:
    made = loaded(policy())
    assert (made.policies, kinds(made.faults)) == ((), ["unbound"])
    assert "protects nothing" in made.faults[0].what
    made = loaded(policy(), unbound=True)
    assert kinds(made.faults) == ["unbound"]
    (one,) = made.policies
    (verdict,) = one.judge(review(pod("bad")), VIEW)
    assert (verdict.policy, verdict.state, verdict.effects) == (
        "vap/p/-",
        State.FAIL,
        (Effect.AUDIT,),
    )


def test_a_binding_of_nothing() -> None:
    assert kinds(loaded(binding()).faults) == ["unknown-policy"]


def test_the_binding_of_a_broken_policy_is_not_told_twice() -> None:
    made = loaded(policy(validations=[{"expression": "object."}]), binding())
    assert kinds(made.faults) == ["invalid"]


def test_params_that_do_not_fit() -> None:
    ref = {"name": "x", "parameterNotFoundAction": "Deny"}
    made = loaded(policy(), binding(paramRef=ref))
    assert [(f.kind, f.fatal) for f in made.faults] == [("unused-param", False)]
    kind = {"apiVersion": "example.com/v1", "kind": "Limit"}
    made = loaded(policy(paramKind=kind), binding(paramRef=ref))
    assert [(f.kind, f.fatal) for f in made.faults] == [("unknown-param-kind", False)]
    limit = {"apiVersion": "example.com/v1", "kind": "Limit", "metadata": {"name": "x"}}
    assert loaded(policy(paramKind=kind), binding(paramRef=ref), limit).faults == ()
    made = loaded(policy(paramKind=kind), binding(), limit)
    assert kinds(made.faults) == ["missing-param"]


def test_a_mutating_policy_is_not_passed_over_in_silence() -> None:
    body = {**policy(), "kind": "MutatingAdmissionPolicy"}
    assert kinds(loaded(body).faults) == ["unsupported"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"validations": []}, "it has neither validations nor auditAnnotations"),
        ({"validations": "x"}, "spec.validations: a list is needed"),
        ({"validations": [{"message": "x"}]}, "spec.validations[0].expression: it is missing"),
        ({"validations": [{"expression": 1}]}, "spec.validations[0].expression: text is needed"),
        ({"validations": ["true"]}, "spec.validations[0]: a mapping is needed"),
        (
            {"validations": [{"expression": "true", "reason": "Because"}]},
            "spec.validations[0].reason: 'Because' is not known",
        ),
        (
            {"validations": [{"expression": "true", "message": "a\nb"}]},
            "spec.validations[0].message: it must be one line",
        ),
        ({"failurePolicy": "fail"}, "spec.failurePolicy: 'fail' is not known"),
        ({"matchConstraints": None}, "spec.matchConstraints: a mapping is needed"),
        ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules: at least one rule"),
        (
            {"matchConstraints": {"resourceRules": [{**PODS, "operations": ["PATCH"]}]}},
            "spec.matchConstraints.resourceRules[0].operations[0]: 'PATCH' is no operation",
        ),
        (
            {"matchConstraints": {"resourceRules": [{**PODS, "resources": "pods"}]}},
            "spec.matchConstraints.resourceRules[0].resources: a list of texts is needed",
        ),
        (
            {"matchConstraints": {"resourceRules": [PODS], "matchPolicy": "equivalent"}},
            "spec.matchConstraints.matchPolicy: 'equivalent' is not known",
        ),
        (
            {"matchConstraints": {"resourceRules": [PODS], "objectSelector": {"a": "b"}}},
            "spec.matchConstraints.objectSelector: a selector has unknown fields",
        ),
        ({"paramKind": {"kind": "ConfigMap"}}, "spec.paramKind.apiVersion: it is missing"),
        (
            {"variables": [{"name": "a-b", "expression": "1"}]},
            "spec.variables[0].name: 'a-b' is no name",
        ),
        (
            {"matchConditions": [{"name": "a", "expression": "true"}] * 2},
            "spec.matchConditions[1].name: 'a' is there twice",
        ),
        (
            {"auditAnnotations": [{"key": "a"}]},
            "spec.auditAnnotations[0].valueExpression: it is missing",
        ),
    ],
)
def test_shapes_that_the_api_server_refuses(change: dict[str, Any], what: str) -> None:
    made = loaded(policy(**change), binding())
    assert made.policies == ()
    told = [fault for fault in made.faults if what in fault.what]
    assert told and told[0].fatal and told[0].kind == "wrong-shape"
    assert told[0].line > 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"validationActions": []}, "spec.validationActions: at least one action is needed"),
        ({"validationActions": ["deny"]}, "spec.validationActions[0]: 'deny' is no action"),
        ({"validationActions": ["Deny", "Warn"]}, "Deny and Warn together"),
        ({"validationActions": ["Deny", "Deny"]}, "Deny is there twice"),
        ({"policyName": None}, "spec.policyName: it is missing"),
        ({"paramRef": {"parameterNotFoundAction": "Deny"}}, "either name or selector is needed"),
        ({"paramRef": {"name": "x"}}, "parameterNotFoundAction: Allow or Deny is needed"),
        ({"matchResources": []}, "spec.matchResources: a mapping is needed"),
    ],
)
def test_bindings_that_the_api_server_refuses(change: dict[str, Any], what: str) -> None:
    made = loaded(policy(), binding(**change))
    assert made.policies == ()
    assert any(what in fault.what and fault.fatal for fault in made.faults)


def test_fields_that_do_not_exist_are_named() -> None:
    body, bound = policy(validation=[{"expression": "false"}]), binding()
    bound["spec"]["matchResources"] = {"resourceRules": [{**PODS, "operation": ["CREATE"]}]}
    made = loaded(body, bound)
    assert len(made.policies) == 1
    assert [(fault.kind, fault.fatal) for fault in made.faults] == [("wrong-shape", False)] * 2
    assert "spec.validation: there is no such field" in made.faults[0].what
    assert "spec.matchResources.resourceRules[0].operation: there is" in made.faults[1].what


EXPRESSIONS = """apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: p
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
    - expression: object.spec.size() == 'a'
    - message: x
      expression: "object.spec == nope"
    - expression: |
        object.spec == 1 ||
          object.spec.size() == 'b'
    - expression: >
        object.spec == 1 ||
        object.spec.size() == 'c'
    - expression: object.spec == 'd'
      messageExpression: object.spec
"""


def test_a_wrong_expression_is_told_with_its_place_in_the_file() -> None:
    made = load(read(EXPRESSIONS))
    lines = EXPRESSIONS.split("\n")
    first = (10, lines[9].index("== 'a'") + 1)
    second = (12, lines[11].index("nope") + 1)
    third = (15, lines[14].index("== 'b'") + 1)
    places = [(fault.line, fault.column) for fault in made.faults]
    assert places[:3] == [first, second, third]
    assert places[3][0] == 16  # of a folded text only the beginning is known
    assert "gives dyn; it must give string" in made.faults[4].what
    assert "messageExpression" in made.faults[4].what


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"validations": [{"expression": "params.x == 1"}]}, "undeclared reference to 'params'"),
        ({"validations": [{"expression": "variables.x == 1"}]}, "variables.x is not defined"),
        ({"validations": [{"expression": "object.x"}]}, "gives dyn; it must give bool"),
        ({"validations": [{"expression": "1"}]}, "gives int; it must give bool"),
        ({"validations": [{"expression": "math.abs(-1) == 1"}]}, "undeclared reference"),
        (
            {
                "validations": [
                    {
                        "expression": "true",
                        "messageExpression": "string(authorizer.path('/').check('get').allowed())",
                    }
                ]
            },
            "undeclared reference to 'authorizer'",
        ),
        (
            {"auditAnnotations": [{"key": "a", "valueExpression": "1"}]},
            "gives int; it must give string or null",
        ),
        (
            {
                "variables": [{"name": "x", "expression": "1"}],
                "matchConditions": [{"name": "a", "expression": "variables.x == 1"}],
            },
            "variables.x is not defined",
        ),
        ({"variables": [{"name": "x", "expression": "nope"}]}, "undeclared reference to 'nope'"),
        (
            {
                "variables": [
                    {"name": "x", "expression": "variables.z"},
                    {"name": "z", "expression": "1"},
                ]
            },
            "variables.z is not defined before its use",
        ),
    ],
)
def test_expressions_that_the_api_server_refuses(spec: dict[str, Any], what: str) -> None:
    made = loaded(policy(**spec), binding())
    assert made.policies == ()
    (fault,) = made.faults
    assert what in fault.what
    assert fault.kind == "invalid" and fault.line > 1 and fault.column > 1


def test_policies_come_in_by_the_common_door() -> None:
    resources = read("---\n".join(map(_yaml, (policy(), binding()))))
    policies = load_policies(resources)
    assert list(policies.by_id()) == ["vap/p/b"]
    assert policies.faults == ()


def _yaml(body: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(body))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("metadata", "spec", "containers", "labels", "name", "namespace", "image", "kind")
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_SPEC = st.dictionaries(
    st.sampled_from(
        (
            *("matchConstraints", "validations", "variables", "paramKind", "paramRef"),
            *("matchConditions", "auditAnnotations", "failurePolicy", "policyName"),
            *("validationActions", "matchResources"),
        )
    ),
    _JSON,
    max_size=4,
)
ALL = PolicySet(
    loaded(
        policy(
            variables=[{"name": "c", "expression": "object.spec.containers"}],
            matchConditions=[{"name": "m", "expression": "has(object.metadata)"}],
            validations=[
                {
                    "expression": "variables.c.all(c, c.image.find('[a-z]+') != '')",
                    "messageExpression": "object.metadata.name + '!'",
                },
                {"expression": "object.metadata.labels.exists(k, k.size() > 2)"},
                {"expression": "object.spec.containers.map(c, c.name).sum() == 1"},
                {"expression": "quantity(object.spec.name).isInteger()"},
                {"expression": "object.spec.containers.indexOf(object.spec.name) > 0"},
                {"expression": "format.dns1123Label().validate(object.metadata.name).hasValue()"},
            ],
            auditAnnotations=[{"key": "k", "valueExpression": "string(object.spec.name)"}],
        ),
        binding(),
    ).policies
)


@given(_JSON)
@settings(deadline=None, max_examples=150)
def test_any_object_is_judged(spec: Any) -> None:
    body = {**pod(), "spec": spec}
    given_review = review({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})
    from msgspec import structs

    resource = structs.replace(given_review.resource, data=body)
    found = ALL.review(structs.replace(given_review, resource=resource, memo={}), VIEW)
    assert {v.state for v in found} <= {State.PASS, State.FAIL, State.ERROR}
    assert not any("Error: " in v.message.split("resulted in error")[0] for v in found)


@given(_SPEC, _SPEC)
@settings(deadline=None, max_examples=150)
def test_any_document_is_read(one: dict[str, Any], other: dict[str, Any]) -> None:
    from haechi.admit.reviews import nowhere
    from haechi.model.keys import k8s_key
    from haechi.model.resource import Resource

    def resource(body: dict[str, Any]) -> Resource:
        kind, name = body["kind"], body["metadata"]["name"]
        group = "admissionregistration.k8s.io"
        return Resource(
            key=k8s_key(group=group, kind=kind, namespace=None, name=name),
            kind=kind,
            data=body,
            locate=nowhere,
            group=group,
            version="v1",
            name=name,
        )

    bodies = deepcopy([policy(**one), binding(**other)])
    for made in load([resource(body) for body in bodies], unbound=True).policies:
        made.judge(review(pod()), VIEW)
