"""CEL of templates: variables, parameters, match conditions, errors and messages."""

from __future__ import annotations

import textwrap

import pytest

from haechi.admit.gatekeeper import Engine
from haechi.engines.cel.variables import carried
from haechi.model.admission import FailureChoice, PolicyVerdict
from haechi.model.review import State
from tests.admit.gatekeeper.texts import POD, asked, fatal, policies, read, verdicts

USE = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: DenyAll\nmetadata: {name: a}\n"
GIVEN = f"{USE}spec: {{parameters: {{names: [app]}}}}\n"
HEAD = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: denyall}
spec:
  crd:
    spec:
      names: {kind: DenyAll}
      validation:
        openAPIV3Schema:
          {type: object, properties: {names: {type: array, items: {type: string}}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: K8sNativeValidation
          source:
"""


def template(source: str) -> str:
    return HEAD + textwrap.indent(textwrap.dedent(source).rstrip(), " " * 12) + "\n"


def validation(expression: str, more: str = "") -> str:
    return template(f"validations:\n- expression: {expression!r}\n{more}")


def judged(text: str, constraint: str = GIVEN) -> PolicyVerdict | None:
    found = verdicts((text, constraint), POD)
    return found[0] if found else None


def state(text: str, constraint: str = GIVEN) -> State | None:
    verdict = judged(text, constraint)
    return verdict.state if verdict else None


@pytest.mark.parametrize(
    ("expression", "constraint", "expected"),
    [
        ("object.metadata.name == 'cart'", GIVEN, State.PASS),
        ("variables.anyObject.metadata.name == 'web'", GIVEN, State.FAIL),
        ("'app' in variables.params.names", GIVEN, State.PASS),
        ("has(variables.params.names)", USE, State.FAIL),
        ("variables.params == null", USE, State.PASS),
        ("variables.params != null", GIVEN, State.PASS),
        ("has(variables.params) && has(variables.anyObject)", USE, State.PASS),
        ("object.spec.missing == 1", GIVEN, State.ERROR),
        ("oldObject == null && request.operation == 'CREATE'", GIVEN, State.PASS),
    ],
)
def test_what_an_expression_sees(expression: str, constraint: str, expected: State) -> None:
    assert state(validation(expression), constraint) is expected


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("", "failed expression: false"),
        ("  message: stop\n", "stop"),
        ("  message: stop\n  messageExpression: \"'not ' + object.metadata.name\"\n", "not cart"),
        ("  message: stop\n  messageExpression: string(object.spec.missing)\n", "stop"),
        ("  message: stop\n  messageExpression: \"'a\\\\nb'\"\n", "stop"),
    ],
)
def test_messages(more: str, message: str) -> None:
    verdict = judged(validation("false", more))
    assert verdict is not None
    assert verdict.message == message


def test_a_condition_that_is_false_leaves_the_object_alone() -> None:
    text = template("""\
        matchConditions:
        - {name: broken, expression: object.spec.missing == 1}
        - {name: no, expression: "false"}
        validations:
        - expression: "false"
        """)
    assert judged(text) is None
    assert state(text.replace('"false"}', '"true"}')) is State.ERROR


@pytest.mark.parametrize(
    ("policy", "annotation", "expected"),
    [
        ("", "", FailureChoice.FAIL),
        ("failurePolicy: Ignore\n", "", FailureChoice.IGNORE),
        ("failurePolicy: Ignore\n", "Fail", FailureChoice.FAIL),
    ],
)
def test_errors_count_by_the_failure_policy(
    policy: str, annotation: str, expected: FailureChoice
) -> None:
    text = template(f"{policy}validations:\n- expression: object.spec.missing == 1\n")
    note = f"{{name: a, annotations: {{haechi.dev/failure-policy: {annotation}}}}}"
    constraint = USE.replace("{name: a}", note) if annotation else USE
    verdict = judged(text, constraint)
    assert verdict is not None
    assert (verdict.state, verdict.failure) == (State.ERROR, expected)


def chain(count: int) -> str:
    rows = ["variables:", "- {name: v0, expression: object.spec.containers}"]
    rows += [
        f"- {{name: v{n}, expression: 'variables.v{n - 1}.filter(c, c.name != \"x{n}\")'}}"
        for n in range(1, count)
    ]
    last = f"size(variables.v{count - 1}) == 1 && !has(variables.anyObject.x)"
    return "\n".join([*rows, "validations:", f"- expression: '{last}'", ""])


@pytest.mark.parametrize("count", [2, 12, 40])
def test_chains_of_variables_of_any_length(count: int) -> None:
    assert state(template(chain(count))) is State.PASS
    assert state(template(chain(count).replace("== 1", "== 2"))) is State.FAIL


def test_a_variable_that_fails_matters_to_what_uses_it_only() -> None:
    for count in (2, 40):
        text = chain(count).replace(
            "variables:\n", "variables:\n- {name: bad, expression: object.spec.missing}\n"
        )
        assert state(template(text)) is State.PASS
        used = text.replace("size(", "variables.bad == 1 || size(").replace("== 1 &&", "== 2 &&")
        assert state(template(used)) is State.ERROR


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("validations: []", "no validations"),
        ("validations:\n- expression: 'object.'", "validations[0].expression"),
        ("validations:\n- expression: 1", "an expression is text"),
        ("validations:\n- expression: '1 + 1'", "must give bool"),
        ("validations:\n- expression: variables.x == 1", "variables.x is not defined"),
        (
            "variables:\n- {name: params, expression: '1'}\nvalidations:\n- expression: 'true'",
            "own name",
        ),
        (
            "variables:\n- {name: a, expression: nobody}\nvalidations:\n- expression: 'true'",
            "variables[0].expression",
        ),
        ("failurePolicy: Maybe\nvalidations:\n- expression: 'true'", "neither Fail nor Ignore"),
    ],
)
def test_what_does_not_compile_is_told_with_its_place(source: str, what: str) -> None:
    text = template(source)
    fault = fatal(text, USE)[0]
    assert what in fault.what
    assert fault.line > HEAD.count("\n") - 1


def test_what_goes_is_any_object_and_not_the_object() -> None:
    text = validation("object == null && variables.anyObject.metadata.name == 'cart'")
    text = text.replace("      code:", "      operations: [DELETE]\n      code:", 1)
    (pod,) = read(POD)
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    subject, view = asked(
        {"operation": "DELETE", "kind": kind, "name": "cart", "object": None, "oldObject": pod.data}
    )
    (verdict,) = policies(text, USE, engine=Engine.CEL).review(subject, view)
    assert verdict.state is State.PASS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("variables.a + variables.b", "params.v .a + variables.b"),
        ("x.variables.a", "x.variables.a"),
        ("'variables.a'", "'variables.a'"),
        ("variables\n.a", "params.v \n.a"),
        ("variables", "variables"),
    ],
)
def test_variables_that_are_carried_keep_their_places(source: str, expected: str) -> None:
    assert carried(source, ["a"], "params.v") == expected
