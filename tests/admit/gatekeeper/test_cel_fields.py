"""What the CEL of a template asks of the kinds that its constraints name."""

from __future__ import annotations

import pytest

from haechi.admit.gatekeeper import Engine, load
from haechi.model.admission import PolicyFault
from tests.admit.gatekeeper.test_cel_code import USE, template
from tests.admit.gatekeeper.texts import read

PODS = 'kinds: [{apiGroups: [""], kinds: [Pod]}]'
WORKLOADS = "kinds: [{apiGroups: [apps], kinds: [Deployment, StatefulSet]}]"
EITHER = 'kinds: [{apiGroups: ["", apps], kinds: [Deployment, Pod]}]'

SOURCE = """\
variables:
- name: v
  expression: "{variable}"
validations:
- expression: "{expression}"
"""


def told(expression: str, *matches: str, variable: str = "'x'") -> list[PolicyFault]:
    source = SOURCE.format(variable=variable, expression=expression)
    uses = [
        f"{USE.replace('name: a', f'name: a{number}')}spec: {{match: {{{match}}}}}\n"
        for number, match in enumerate(matches)
    ]
    made = load(
        [one for text in (template(source), *uses) for one in read(text)], engine=Engine.CEL
    )
    assert [one.what for one in made.faults if one.fatal] == []
    assert len(made.policies) == len(matches)
    return [one for one in made.faults if one.kind in ("unknown-field", "wrong-type")]


UNKNOWN = {
    "object": ("object.spec.hostPd == true", [PODS], "object.spec.hostPd"),
    "any object": ("variables.anyObject.spec.hostPd == true", [PODS], "variables.anyObject.spec"),
    "of both constraints": ("has(object.spec.hostPd)", [PODS, WORKLOADS], "object.spec.hostPd"),
    "of this kind": (
        "variables.anyObject.kind == 'Pod' && variables.anyObject.spec.replicas > 1",
        [EITHER],
        "variables.anyObject.spec.replicas",
    ),
    "type": ("object.metadata.name == 3", [PODS], "object.metadata.name"),
}


@pytest.mark.parametrize(("expression", "matches", "chain"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown(expression: str, matches: list[str], chain: str) -> None:
    (found,) = told(expression, *matches)
    assert f"expression: {chain}" in found.what
    assert not found.fatal
    lines = template(SOURCE.format(variable="'x'", expression=expression)).splitlines()
    assert expression in lines[found.line - 1]
    assert lines[found.line - 1][found.column - 1 :].startswith(("hostPd", "replicas", "=="))


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("object.spec.replicas > 1", [WORKLOADS]),
        ("object.spec.replicas > 1", [PODS, WORKLOADS]),
        ("object.spec.typo > 1", [""]),
        ("object.spec.typo > 1", [PODS, ""]),
        ("object.spec.typo > 1", ['kinds: [{apiGroups: ["*"], kinds: [Pod]}]']),
        ("object.spec.typo > 1", ['kinds: [{apiGroups: [""], kinds: ["*"]}]']),
        ("object.spec.typo > 1", ["kinds: [{apiGroups: [example.com], kinds: [Pod]}]"]),
        ("variables.params.typo == 1", [PODS]),
    ],
)
def test_right(expression: str, matches: list[str]) -> None:
    assert told(expression, *matches) == []


def test_variables_have_types() -> None:
    (found,) = told(
        "variables.v.exists(c, c.imag == 'x')", PODS, variable="variables.anyObject.spec.containers"
    )
    assert "Container has no field 'imag'" in found.what
    assert found.do == "did you mean image?"
