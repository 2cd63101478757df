"""What a policy says, in the order and the words of the API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from haechi.admit.decide import decide
from haechi.admit.policies import PolicySet
from haechi.admit.view import NOTHING, ObjectsView
from haechi.errors import NotEvaluated
from haechi.model.admission import Effect, FailureChoice
from haechi.model.review import State
from tests.admit.vap.documents import (
    CONFIG,
    SHOP,
    VIEW,
    binding,
    loaded,
    pod,
    policy,
    request,
    review,
    verdicts,
)


def states(found: Any) -> list[tuple[State, str]]:
    return [(verdict.state, verdict.message) for verdict in found]


def test_a_policy_passes_or_fails_with_its_expression() -> None:
    documents = [policy(), binding()]
    assert states(verdicts(documents, review(pod()))) == [(State.PASS, "")]
    (verdict,) = verdicts(documents, review(pod("bad")))
    assert (verdict.state, verdict.policy, verdict.rule) == (
        State.FAIL,
        "vap/p/b",
        "validations[0]",
    )
    assert verdict.message == "failed expression: object.metadata.name != 'bad'"
    assert verdict.evidence["reason"] == "Invalid"
    assert (verdict.effects, verdict.action, verdict.failure) == (
        (Effect.DENY,),
        "Deny",
        FailureChoice.FAIL,
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"message": " no bad pods "}, "no bad pods"),
        ({"messageExpression": "'no ' + object.metadata.name"}, "no bad"),
        ({"message": "plain", "messageExpression": "'no ' + object.metadata.name"}, "no bad"),
        ({"message": "plain", "messageExpression": "string(object.nope)"}, "plain"),
        ({"message": "plain", "messageExpression": "'  '"}, "plain"),
        ({"message": "plain", "messageExpression": "'a\\nb'"}, "plain"),
        ({"message": "plain", "messageExpression": "object.metadata.labels.long"}, "plain"),
        ({"messageExpression": "string(object.nope)"}, "failed expression: false"),
        ({"messageExpression": "variables.who + '!'"}, "bad!"),
    ],
)
def test_the_message(more: Mapping[str, Any], message: str) -> None:
    if "labels.long" in str(more):
        more = {**more, "messageExpression": "string(object.metadata.labels.long)"}
    documents = [
        policy(
            variables=[{"name": "who", "expression": "string(object.metadata.name)"}],
            validations=[{"expression": "false", **more}],
        ),
        binding(),
    ]
    given = review(pod("bad", labels={"long": "x" * 5121}))
    assert states(verdicts(documents, given)) == [(State.FAIL, message)]


def test_every_validation_is_judged() -> None:
    documents = [
        policy(
            validations=[
                {"expression": "true"},
                {"expression": "false", "message": "one", "reason": "Forbidden"},
                {"expression": "object.nope == 1"},
                {"expression": "false", "message": "two"},
            ]
        ),
        binding(),
    ]
    found = verdicts(documents, review(pod()))
    assert [verdict.rule for verdict in found] == [f"validations[{n}]" for n in (1, 2, 3)]
    assert [verdict.state for verdict in found] == [State.FAIL, State.ERROR, State.FAIL]
    assert found[0].evidence["reason"] == "Forbidden"
    assert "expression 'object.nope == 1' resulted in error" in found[1].message


@pytest.mark.parametrize(
    ("failure", "actions", "denies"),
    [
        ("Fail", ["Deny"], True),
        ("Ignore", ["Deny"], False),
        ("Fail", ["Warn"], False),
        ("Fail", ["Audit", "Deny"], True),
        (None, ["Deny"], True),
    ],
)
def test_an_error_follows_the_failure_policy(
    failure: str | None, actions: list[str], denies: bool
) -> None:
    spec = {"failurePolicy": failure} if failure else {}
    documents = [
        policy(validations=[{"expression": "object.nope == 1"}], **spec),
        binding(validationActions=actions),
    ]
    (verdict,) = verdicts(documents, review(pod()))
    assert verdict.state is State.ERROR
    assert verdict.denies is denies


@pytest.mark.parametrize(
    ("actions", "effects"),
    [
        (["Deny"], (Effect.DENY,)),
        (["Warn"], (Effect.WARN,)),
        (["Audit"], (Effect.AUDIT,)),
        (["Audit", "Deny"], (Effect.DENY, Effect.AUDIT)),
        (["Audit", "Warn"], (Effect.WARN, Effect.AUDIT)),
    ],
)
def test_actions_are_effects(actions: list[str], effects: tuple[Effect, ...]) -> None:
    documents = [policy(), binding(validationActions=actions)]
    (verdict,) = verdicts(documents, review(pod("bad")))
    assert verdict.effects == effects
    assert verdict.action == ",".join(actions)


@pytest.mark.parametrize(
    ("conditions", "failure", "found"),
    [
        (["true"], "Fail", [State.FAIL]),
        (["false"], "Fail", []),
        (["true", "false"], "Fail", []),
        (["object.nope == 1"], "Fail", [State.ERROR]),
        (["object.nope == 1"], "Ignore", []),
        (["object.nope == 1", "false"], "Fail", []),
        (["object.nope == 1", "true"], "Fail", [State.ERROR]),
        (["namespaceObject == null"], "Fail", [State.FAIL]),
        (["request.operation == 'CREATE' && oldObject == null"], "Fail", [State.FAIL]),
    ],
)
def test_match_conditions(conditions: list[str], failure: str, found: list[State]) -> None:
    documents = [
        policy(
            failurePolicy=failure,
            matchConditions=[
                {"name": f"c{number}", "expression": text} for number, text in enumerate(conditions)
            ],
        ),
        binding(),
    ]
    assert [v.state for v in verdicts(documents, review(pod("bad")))] == found


def test_variables_are_lazy_and_see_each_other() -> None:
    documents = [
        policy(
            variables=[
                {"name": "broken", "expression": "object.nope.deeper"},
                {"name": "names", "expression": "object.spec.containers.map(c, c.name)"},
                {"name": "count", "expression": "variables.names.size()"},
            ],
            validations=[
                {"expression": "variables.count == 1"},
                {"expression": "variables.count == 1 || variables.broken == 1"},
                {"expression": "variables.broken == 1", "message": "x"},
            ],
        ),
        binding(),
    ]
    found = verdicts(documents, review(pod()))
    assert [(v.rule, v.state) for v in found] == [("validations[2]", State.ERROR)]


def test_sees_what_the_api_server_gives() -> None:
    documents = [
        policy(
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            matchConstraints={
                "resourceRules": [
                    {
                        "apiGroups": ["*"],
                        "apiVersions": ["*"],
                        "operations": ["*"],
                        "resources": ["*", "*/*"],
                    }
                ]
            },
            validations=[
                {
                    "expression": "namespaceObject.metadata.labels.env == 'prod'"
                    " && request.userInfo.username == 'jane' && params.data.max == '3'"
                    " && oldObject == null && object.metadata.name == 'web'"
                }
            ],
        ),
        binding(paramRef={"name": "limits", "parameterNotFoundAction": "Deny"}),
    ]
    assert states(verdicts(documents, request())) == [(State.PASS, "")]


def test_the_object_of_a_delete_is_null() -> None:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["DELETE"],
        "resources": ["pods"],
    }
    documents = [
        policy(
            matchConstraints={"resourceRules": [rule]},
            validations=[{"expression": "object == null && oldObject.metadata.name == 'web'"}],
        ),
        binding(),
    ]
    gone = request(operation="DELETE", object=None, oldObject=pod())
    assert states(verdicts(documents, gone)) == [(State.PASS, "")]


def test_an_unknown_namespace_is_not_null() -> None:
    documents = [
        policy(
            validations=[
                {"expression": "namespaceObject.metadata.name == 'shop'"},
                {"expression": "object.metadata.name == 'web'"},
            ]
        ),
        binding(),
    ]
    (verdict,) = verdicts(documents, review(pod(), NOTHING), NOTHING)
    assert verdict.state is State.NOT_EVALUATED
    assert verdict.rule == "validations[0]"
    cluster = review({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}, NOTHING)
    assert [v.state for v in verdicts(documents, cluster, NOTHING)] == [State.ERROR]


# Params


def with_params(**ref: Any) -> list[dict[str, Any]]:
    return [
        policy(
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            validations=[
                {
                    "expression": "params.data.max != '3'",
                    "messageExpression": "'limit of ' + string(params.metadata.name)",
                }
            ],
        ),
        binding(paramRef=ref),
    ]


SECOND = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "more", "namespace": "shop", "labels": {"kind": "limits"}},
    "data": {"max": "3"},
}
OTHER = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "limits", "namespace": "other"},
    "data": {"max": "9"},
}
FULL = ObjectsView([SHOP, CONFIG, SECOND, OTHER], complete=True)
NO_PARAMS = "no params found for policy binding with `Deny` parameterNotFoundAction"


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ({"name": "limits"}, [(State.FAIL, "limit of limits")]),
        ({"name": "limits", "namespace": "other"}, [(State.PASS, "")]),
        (
            {"selector": {"matchLabels": {"kind": "limits"}}},
            [(State.FAIL, "limit of limits"), (State.FAIL, "limit of more")],
        ),
        ({"selector": {"matchLabels": {"kind": "no"}}}, []),
        ({"selector": {}, "namespace": "other"}, [(State.PASS, "")]),
        ({"name": "nope"}, []),
        (
            {"name": "nope", "parameterNotFoundAction": "Deny"},
            [(State.ERROR, f"failed to configure binding: {NO_PARAMS}")],
        ),
        (
            {"selector": {"matchLabels": {"a": "b"}}, "parameterNotFoundAction": "Deny"},
            [(State.ERROR, f"failed to configure binding: {NO_PARAMS}")],
        ),
    ],
)
def test_params(ref: Mapping[str, Any], found: list[tuple[State, str]]) -> None:
    documents = with_params(**{"parameterNotFoundAction": "Allow", **ref})
    assert states(verdicts(documents, review(pod(), FULL), FULL)) == found


def test_missing_params_deny_whatever_the_actions_are() -> None:
    documents = with_params(name="nope", parameterNotFoundAction="Deny")
    documents[1]["spec"]["validationActions"] = ["Warn"]
    (verdict,) = verdicts(documents, review(pod()))
    assert verdict.denies
    documents[0]["spec"]["failurePolicy"] = "Ignore"
    (verdict,) = verdicts(documents, review(pod()))
    assert not verdict.denies


def test_params_nobody_can_look_for_are_not_missing() -> None:
    partial = ObjectsView([SHOP], complete=False)
    made = loaded(*with_params(name="nope", parameterNotFoundAction="Allow"))
    with pytest.raises(NotEvaluated, match="ConfigMap nope is not known"):
        made.policies[0].judge(review(pod(), partial), partial)


def test_a_namespaced_param_of_a_cluster_object_is_a_wrong_binding() -> None:
    nodes = {**with_params()[0]["spec"]}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["nodes"]}
    nodes["matchConstraints"] = {"resourceRules": [rule]}
    documents = [
        policy(**nodes),
        binding(paramRef={"name": "limits", "parameterNotFoundAction": "Allow"}),
    ]
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    (verdict,) = verdicts(documents, review(node))
    assert verdict.state is State.ERROR
    assert "cannot use namespaced paramRef" in verdict.message


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "limits.example.com"},
    "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Limit"}},
}
LIMIT = {
    "apiVersion": "example.com/v1",
    "kind": "Limit",
    "metadata": {"name": "limit"},
    "data": {"max": "3"},
}


@pytest.mark.parametrize("objects", [[CRD, LIMIT], [LIMIT]])
def test_params_of_a_kind_without_namespaces(objects: list[dict[str, Any]]) -> None:
    view = ObjectsView([SHOP, *objects], complete=True)
    documents = with_params(name="limit", parameterNotFoundAction="Deny")
    documents[0]["spec"]["paramKind"] = {"apiVersion": "example.com/v1", "kind": "Limit"}
    found = verdicts(documents, review(pod(), view), view)
    assert states(found) == [(State.FAIL, "limit of limit")]


def test_params_are_null_without_a_param_ref() -> None:
    documents = [
        policy(
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            validations=[{"expression": "params == null"}],
        ),
        binding(),
    ]
    assert states(verdicts(documents, review(pod()))) == [(State.PASS, "")]


# Audit annotations


def annotated(*values: str, failure: str = "Fail", **ref: Any) -> list[dict[str, Any]]:
    notes = [{"key": f"k{number}", "valueExpression": value} for number, value in enumerate(values)]
    spec: dict[str, Any] = {"auditAnnotations": notes, "failurePolicy": failure}
    if ref:
        spec["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
    bound: dict[str, Any] = {"paramRef": ref} if ref else {}
    return [policy(**spec), binding(**bound)]


def test_audit_annotations_are_published() -> None:
    documents = annotated("'pod ' + string(object.metadata.name)", "'  '", "null")
    (verdict,) = verdicts(documents, review(pod()))
    assert verdict.state is State.PASS
    assert verdict.annotations == {"p/k0": "pod web"}


def test_annotations_of_several_params_are_joined() -> None:
    documents = annotated(
        "string(params.metadata.name)",
        "'same'",
        selector={"matchLabels": {"kind": "limits"}},
        parameterNotFoundAction="Deny",
    )
    (verdict,) = verdicts(documents, review(pod(), FULL), FULL)
    assert verdict.annotations == {"p/k0": "limits, more", "p/k1": "same"}


@pytest.mark.parametrize(("failure", "found"), [("Fail", State.ERROR), ("Ignore", State.PASS)])
def test_an_annotation_that_fails(failure: str, found: State) -> None:
    documents = annotated("string(object.nope)", failure=failure)
    (verdict,) = verdicts(documents, review(pod()))
    assert verdict.state is found
    assert verdict.denies is (found is State.ERROR)


# The authorizer


class Knowing(ObjectsView):
    """A view that knows who may do what."""

    def allows(self, user: Mapping[str, Any], attributes: Mapping[str, str]) -> bool | None:
        if attributes["verb"] == "unknown":
            return None
        return user.get("username") == "jane"


@pytest.mark.parametrize(
    ("verb", "user", "found"),
    [
        ("get", "jane", State.PASS),
        ("get", "joe", State.FAIL),
        ("unknown", "jane", State.ERROR),
    ],
)
def test_the_authorizer(verb: str, user: str, found: State) -> None:
    view = Knowing([SHOP], complete=True)
    expression = f"authorizer.requestResource.check('{verb}').allowed()"
    documents = [policy(validations=[{"expression": expression}]), binding()]
    given = request(view, userInfo={"username": user})
    assert [v.state for v in verdicts(documents, given, view)] == [found]


def test_nobody_answers_for_an_authorizer_in_files() -> None:
    expression = "authorizer.path('/healthz').check('get').allowed()"
    documents = [policy(validations=[{"expression": expression}]), binding()]
    (verdict,) = verdicts(documents, review(pod()))
    assert verdict.state is State.ERROR
    assert "nobody here can say" in verdict.message


# The whole way


def test_the_decision_of_a_set() -> None:
    made = loaded(policy(), binding(), policy("q"), binding("w", policyName="q"))
    policies = PolicySet(made.policies, faults=made.faults)
    given = review(pod("bad"))
    decision = decide(policies.review(given, VIEW), given)
    assert (decision.allowed, decision.code, decision.reason) == (False, 422, "Invalid")
    assert "vap/p/b" in decision.message and "vap/q/w" in decision.message
    for name, bound in (("p", "b"), ("q", "w")):
        words = f"ValidatingAdmissionPolicy '{name}' with binding '{bound}' denied request: "
        assert words in decision.message


@pytest.mark.parametrize(
    ("reasons", "code", "reason"),
    [
        (("Forbidden",), 403, "Forbidden"),
        (("Unauthorized",), 401, "Unauthorized"),
        (("RequestEntityTooLarge",), 413, "RequestEntityTooLarge"),
        (("Invalid", "Forbidden"), 422, "Invalid"),
        (("Unauthorized", None), 401, "Unauthorized"),
        ((None, "Unauthorized"), 422, "Invalid"),
    ],
)
def test_the_first_validation_that_denies_gives_code_and_reason(
    reasons: tuple[str | None, ...], code: int, reason: str
) -> None:
    validations = [
        {"expression": "false", **({"reason": one} if one is not None else {})} for one in reasons
    ]
    made = loaded(policy(validations=validations), binding())
    given = review(pod())
    decision = decide(PolicySet(made.policies).review(given, VIEW), given)
    assert (decision.code, decision.reason) == (code, reason)


def test_a_deployment_is_judged_by_its_pod() -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "x:latest"}]}}},
    }
    expression = "object.spec.containers.all(c, !c.image.endsWith(':latest'))"
    made = loaded(policy(validations=[{"expression": expression}]), binding())
    found = PolicySet(made.policies).review(review(deployment), VIEW)
    assert [(v.state, v.generated) for v in found] == [(State.FAIL, True)]


def test_policies_of_a_review_share_one_activation() -> None:
    made = loaded(policy(), binding(), policy("q"), binding("w", policyName="q"))
    given = review(pod())
    made.policies[0].judge(given, VIEW)
    first = [value for name, value in given.memo.items() if name.startswith("cel")]
    made.policies[1].judge(given, VIEW)
    assert [value for name, value in given.memo.items() if name.startswith("cel")] == first
    assert len(first) == 1
