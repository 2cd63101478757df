"""What a template must be: names, schema, target, code, and what its Rego may reach."""

from __future__ import annotations

import pytest

from haechi.admit.gatekeeper import Engine
from haechi.model.admission import PolicyFault
from haechi.model.review import State
from tests.admit.gatekeeper.texts import (
    DENY_ALL,
    LABELS,
    LABELS_TEMPLATE,
    POD,
    fatal,
    faults,
    loaded,
    verdicts,
)

USE = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: DenyAll\nmetadata: {name: a}\n"
REGO = """\
      rego: |
        package denyall
        violation[{"msg": "no"}] { true }
"""


def first(*texts: str) -> PolicyFault:
    return fatal(*texts)[0]


def line(text: str, fault: PolicyFault) -> str:
    return text.splitlines()[fault.line - 1].strip()


@pytest.mark.parametrize(
    ("old", "new", "what", "at"),
    [
        pytest.param("sh/v1", "sh/v2", "no version 'v2'", "apiVersion:", id="version"),
        pytest.param("name: denyall", "name: DenyAll", "and defines kind", "metadata:", id="name"),
        pytest.param("kind: DenyAll", "kind: 1", "names no kind", "crd:", id="kind"),
        pytest.param("admission.k8s.gate", "other.", "the target is", "- target", id="target"),
        pytest.param(
            "    - target", "    - a: 1\n    - target", "has 2 targets", "targets", id="2"
        ),
        pytest.param("rego: |", "rega: |", "has no code", "- target", id="no-code"),
        pytest.param(REGO, "      rego: ''\n", "has no code", "- target", id="empty"),
        pytest.param(REGO, "      rego: [a]\n", "holds no text", "rego:", id="no-text"),
        pytest.param(
            REGO, "      code: [{engine: Lua, source: {}}]\n", "engine 'Lua'", "code:", id="engine"
        ),
        pytest.param(
            "{kind: DenyAll}",
            "{kind: DenyAll}, validation: {openAPIV3Schema: {properties: {a: {}}}}",
            "it has no type",
            "crd:",
            id="no-type",
        ),
        pytest.param(
            "      rego: |", "      operations: [READ]\n      rego: |", "'READ'", "", id="op"
        ),
    ],
)
def test_what_gatekeeper_refuses_is_told_with_its_line(
    old: str, new: str, what: str, at: str
) -> None:
    text = DENY_ALL.replace(old, new)
    assert text != DENY_ALL
    fault = first(text)
    assert what in fault.what
    assert line(text, fault).startswith(at)
    assert not loaded(text, USE).policies


@pytest.mark.parametrize(
    ("rego", "what", "at"),
    [
        pytest.param("violation[{", "", 1, id="syntax"),
        pytest.param('deny[{"msg": "x"}] { true }', "no rule `violation`", 1, id="no-violation"),
        pytest.param("violation(x) = y { y := x }", "is a function", 2, id="function"),
        pytest.param('violation[{"msg": x}] { true }', "unsafe", 2, id="unsafe-variable"),
        pytest.param('violation[{"msg": "x"}] { data.other.x }', "data.other", 2, id="data"),
        pytest.param('violation[{"msg": "x"}] { data[_] }', "all of data", 2, id="data-any"),
        pytest.param('violation[{"msg": "x"}] { x := data; x }', "all of data", 2, id="data-all"),
        pytest.param(
            'violation[{"msg": "x"}] { data.denyall.violation[_] }', "data.denyall", 2, id="itself"
        ),
        pytest.param(
            'import data.inventory\nviolation[{"msg": "x"}] { true }', "import", 2, id="import"
        ),
        pytest.param(
            'import input.review\nviolation[{"msg": "x"}] { true }', "import", 2, id="import-input"
        ),
        pytest.param('violation[{"msg": "x"}] { http.send({}) }', "http.send", 2, id="http"),
        pytest.param(
            'violation[{"msg": "x"}] { external_data({"provider": "p"}) }',
            "external_data",
            2,
            id="external-data",
        ),
    ],
)
def test_what_rego_may_not_do_is_told_with_the_line_in_the_file(
    rego: str, what: str, at: int
) -> None:
    lines = ["package denyall", *rego.splitlines()]
    body = "".join(f"        {text}\n" for text in lines)
    text = DENY_ALL[: DENY_ALL.index("        package")] + body
    fault = first(text, USE)
    assert what in fault.what
    start = text.splitlines().index("        package denyall") + 1
    assert fault.line == start + at - 1 or (what == "" and fault.line >= start)
    assert not loaded(text, USE).policies


@pytest.mark.parametrize("rule", ["violation { true }", 'violation = "no" { true }'])
def test_a_violation_that_is_no_set_is_an_error_and_no_pass(rule: str) -> None:
    text = DENY_ALL.replace('violation[{"msg": "no"}] { true }', rule)
    (verdict,) = verdicts((text, USE), POD)
    assert (verdict.state, "no set" in verdict.message) == (State.ERROR, True)


LIBRARY = DENY_ALL + "      libs:\n        - |\n          package PACKAGE\n          a = 1\n"


@pytest.mark.parametrize(
    ("package", "good"), [("lib.a", True), ("lib.a.b", True), ("lib", False), ("other", False)]
)
def test_libraries_lie_below_lib(package: str, good: bool) -> None:
    text = LIBRARY.replace("PACKAGE", package)
    found = fatal(text, USE)
    assert bool(found) is not good
    if found:
        assert text.splitlines()[found[0].line - 1].strip() == f"package {package}"


def test_both_places_and_both_versions_of_rego() -> None:
    code = """\
      code:
        - engine: Rego
          source:
            version: v1
            rego: |
              package denyall
              violation contains {"msg": msg} if {
                some c in input.review.object.spec.containers
                msg := c.name
              }
"""
    newer = DENY_ALL.replace(REGO, code)
    assert [one.message for one in verdicts((newer, USE), POD)] == ["app"]
    assert [one.message for one in verdicts((DENY_ALL, USE), POD)] == ["no"]
    assert first(newer.replace("version: v1", "version: v3"), USE).what.endswith("version 'v3'")


CEL = """\
      code:
        - engine: K8sNativeValidation
          source:
            failurePolicy: Fail
            variables:
              - {name: names, expression: "variables.anyObject.spec.containers.map(c, c.name)"}
            validations:
              - expression: "!('app' in variables.names)"
                messageExpression: "'not ' + variables.names.join(', ')"
        - engine: Rego
          source:
            rego: |
              package denyall
              violation[{"msg": "by rego"}] { true }
"""
BOTH = DENY_ALL.replace(REGO, CEL)


@pytest.mark.parametrize(
    ("engine", "message"),
    [(Engine.ANY, "not app"), (Engine.CEL, "not app"), (Engine.REGO, "by rego")],
)
def test_of_two_engines_cel_is_used_unless_told(engine: Engine, message: str) -> None:
    from tests.admit.gatekeeper.texts import policies, review

    subject, view = review(POD)
    (verdict,) = policies(BOTH, USE, engine=engine).review(subject, view)
    assert verdict.message == message


def test_a_template_for_an_engine_that_it_has_not_is_a_fault() -> None:
    found = loaded(DENY_ALL, USE, engine=Engine.CEL)
    assert not found.policies
    assert "K8sNativeValidation" in found.faults[0].what


def test_a_template_without_a_constraint_and_a_constraint_without_a_template() -> None:
    (unused,) = faults(LABELS_TEMPLATE)
    assert (unused.kind, unused.fatal) == ("unbound", False)
    (missing,) = faults(LABELS)
    assert (missing.kind, missing.fatal) == ("unknown-template", True)
    assert "no template defines kind ShopLabels" in missing.what
    broken = faults(DENY_ALL.replace("violation[", "broken["), USE)
    assert [one.kind for one in broken] == ["invalid-template", "unknown-template"]


def test_two_templates_of_one_kind_are_told() -> None:
    (fault,) = faults(DENY_ALL, DENY_ALL, USE)
    assert (fault.kind, fault.fatal) == ("duplicate", True)


@pytest.mark.parametrize(
    ("group", "kind", "wanted"),
    [
        ("config.gatekeeper.sh/v1alpha1", "ShopLabels", "constraints.gatekeeper.sh/v1beta1"),
        ("example.org/v1", "DenyAll", "constraints.gatekeeper.sh/v1beta1"),
        ("gatekeeper.sh/v1", "Assign", "mutations.gatekeeper.sh/v1"),
        ("constraints.gatekeeper.sh/v1beta1", "DenyAll", None),
        ("status.gatekeeper.sh/v1beta1", "ConstraintPodStatus", None),
        ("example.org/v1", "Something", None),
    ],
)
def test_objects_of_the_wrong_group(group: str, kind: str, wanted: str | None) -> None:
    found = faults(DENY_ALL, f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: a}}\n")
    told = [one.do for one in found if one.kind == "wrong-group"]
    assert told == ([] if wanted is None else [f"write apiVersion: {wanted}"])


SYNC = """\
apiVersion: syncset.gatekeeper.sh/v1alpha1
kind: SyncSet
metadata: {name: s}
spec: {gvks: [{group: "", version: v1, kind: Service}]}
"""


@pytest.mark.parametrize(
    ("read", "extra", "told"),
    [
        ('namespace[_]["v1"]["Service"][_]', "", "Service (core)"),
        ('namespace[_]["v1"]["Service"][_]', SYNC, ""),
        ('namespace[_]["apps/v1"].Deployment[_]', SYNC, "Deployment (apps)"),
        ('cluster["v1"].Node[_]', SYNC, "Node (core)"),
        ("namespace[_][_].Service[_]", SYNC, ""),
        ("cluster", "", "* (*)"),
    ],
)
def test_kinds_that_nobody_syncs_are_told(read: str, extra: str, told: str) -> None:
    text = DENY_ALL.replace("{ true }", f"{{ data.inventory.{read} }}")
    found = faults(text, USE, *([extra] if extra else []))
    assert [one.kind for one in found] == (["not-synced"] if told else [])
    assert all(told in one.what and not one.fatal for one in found)


def test_a_provider_is_told() -> None:
    text = "apiVersion: externaldata.gatekeeper.sh/v1beta1\nkind: Provider\nmetadata: {name: p}\n"
    (fault,) = faults(text)
    assert (fault.kind, fault.fatal) == ("unsupported", False)


def test_the_verdict_of_cel_has_the_line_of_its_expression() -> None:
    (verdict,) = verdicts((BOTH, USE), POD)
    assert verdict.state is State.FAIL
    assert BOTH.splitlines()[verdict.line - 1].strip().startswith("- expression:")
