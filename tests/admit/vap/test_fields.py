"""A field that no matched kind has is told with its place; what may be right never is."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.vap.fields import Misfit, check, offset_of
from haechi.admit.vap.kinds import type_of_kind
from haechi.admit.vap.program import engine
from haechi.errors import RuleError
from haechi.model.admission import PolicyFault
from haechi.rules.kubernetes_fields import PATH, field_table
from tests.admit.vap.documents import PODS, binding, loaded, policy


def rule(group: str, *resources: str, versions: tuple[str, ...] = ("v1",)) -> dict[str, Any]:
    return {**PODS, "apiGroups": [group], "apiVersions": [*versions], "resources": [*resources]}


POD = [PODS]
DEPLOYMENT = [rule("apps", "deployments")]
BOTH = [PODS, *DEPLOYMENT]
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap"}


def faults(
    *expressions: str, rules: Any = POD, variables: dict[str, str] | None = None, **spec: Any
) -> list[PolicyFault]:
    body = policy(
        matchConstraints={"resourceRules": rules},
        validations=[{"expression": one} for one in expressions],
        variables=[{"name": k, "expression": v} for k, v in (variables or {}).items()],
        **spec,
    )
    made = loaded(body, binding())
    assert [one.what for one in made.faults if one.fatal] == []
    assert len(made.policies) == 1
    return [one for one in made.faults if one.kind in ("unknown-field", "wrong-type")]


UNKNOWN = {
    "chain": ("object.spec.replica > 3", DEPLOYMENT, "object.spec.replica", "replicas"),
    "old": ("oldObject.spec.replica > 3", DEPLOYMENT, "oldObject.spec.replica", "replicas"),
    "has": ("has(object.spec.hostPid)", POD, "object.spec.hostPid", "hostPID"),
    "in": ("'sepc' in object", POD, "object.sepc", "spec"),
    "optional": ("object.?spec.?hostPd.orValue(1) == 2", POD, "object.?spec.?hostPd", "hostPID"),
    "after an optional": (
        "object.?spec.hostPd.orValue(true) == true",
        POD,
        "object.?spec.hostPd",
        "hostPID",
    ),
    "key": ("object['spec']['hostPd'] == true", POD, "object[…].hostPd", "hostPID"),
    "index": ("object.spec.containers[0].nam == ''", POD, "object.spec.containers[…].nam", "name"),
    "all": ("object.spec.containers.all(c, c.nam != '')", POD, "c.nam", "name"),
    "two variables": ("object.spec.containers.all(i, c, c.nam != '')", POD, "c.nam", "name"),
    "map": ("object.spec.containers.map(c, c.ports).exists(p, p[0].hostport > 0)", POD,
            "p[…].hostport", "hostPort"),
    "filter": ("object.spec.containers.filter(c, has(c.ports))[0].zzz == ''", POD, "….zzz", ""),
    "sum of lists": (
        "(object.spec.containers + object.spec.?initContainers.orValue([])).all(c, c.nam != '')",
        POD, "c.nam", "name"),
    "optMap": ("object.?spec.optMap(s, s.hostPd).orValue(1) == 2", POD, "s.hostPd", "hostPID"),
    "choice": ("(has(object.spec) ? object.spec : null).hostPd == 1", POD,
               "_?_:_(…).hostPd", "hostPID"),
    "field of a text": ("object.metadata.name.first == ''", POD, "object.metadata.name.first", ""),
    "field of a list": ("object.spec.containers.image == ''", POD,
                        "object.spec.containers.image", ""),
    "all kinds": ("object.spec.replica == 1", BOTH, "object.spec.replica", "replicas"),
    "deep in one of them": (
        "object.spec.template.spec.hostPd == true", BOTH,
        "object.spec.template.spec.hostPd", "hostPID"),
    "of this kind": ("object.kind != 'Pod' || object.spec.replicas > 1", BOTH,
                     "object.spec.replicas", ""),
    "of that kind": ("'Deployment' == object.kind && object.spec.hostPID == true", BOTH,
                     "object.spec.hostPID", ""),
    "kind chosen": ("object.kind == 'Pod' ? object.spec.replicas > 1 : true", BOTH,
                    "object.spec.replicas", ""),
    "scale": ("object.spec.template == ''", [rule("apps", "deployments/scale")],
              "object.spec.template", ""),
    "status": ("object.spec.hostPd == true", [rule("", "pods/status")], "object.spec.hostPd",
               "hostPID"),
    "any version": ("object.spec.replica > 3", [rule("apps", "deployments", versions=("*",))],
                    "object.spec.replica", "replicas"),
    "a version that is gone": (
        "has(object.spec.schedul)", [rule("batch", "cronjobs", versions=("v1", "v1beta1"))],
        "object.spec.schedul", "schedule"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "rules", "chain", "meant"), UNKNOWN.values(), ids=UNKNOWN.keys()
)
def test_unknown(expression: str, rules: Any, chain: str, meant: str) -> None:
    (found,) = faults(expression, rules=rules)
    assert (found.kind, found.fatal) == ("unknown-field", False)
    assert f"expression: {chain}: " in found.what or chain.startswith("…")
    assert f"has no field {chain.rpartition('.')[2].lstrip('?')!r}" in found.what
    assert found.do == (f"did you mean {meant}?" if meant else "")


RIGHT = {
    "fields": ("object.spec.replicas > 3 && object.spec.paused == true", DEPLOYMENT),
    "labels": ("object.metadata.labels.anything == 'x' && 'any' in object.metadata.labels", POD),
    "one of the kinds": ("object.spec.replicas > 1 || has(object.spec.hostPID)", BOTH),
    "the other kind": ("object.kind == 'Pod' || object.spec.template.spec.hostPID == true", BOTH),
    "spec of either": (
        "(has(object.spec.template) ? object.spec.template.spec : object.spec).hostPID == true",
        BOTH,
    ),
    "either's spec by optionals": (
        "object.?spec.template.spec.or(object.?spec).orValue({}).?hostPID.orValue(true) == true",
        BOTH,
    ),
    "empty map": ("object.metadata.?labels.orValue({}).?foo.orValue('') == ''", POD),
    "own map": ("{'a': object.spec.containers}.a.all(c, c.name != '')", POD),
    "own list": ("[{'who': 'x'}].all(e, e.who == object.metadata.name)", POD),
    "dyn": ("dyn(object).spec.typo == 1", POD),
    "key that is computed": ("object.spec[object.metadata.name].foo == 1", POD),
    "keys of a message": ("object.spec.all(k, k != 'hostPID')", POD),
    "any group": ("object.spec.typo == 1", [rule("*", "pods")]),
    "any resource": ("object.spec.typo == 1", [rule("", "*")]),
    "any subresource": ("object.spec.typo == 1", [rule("", "pods/*")]),
    "custom kind": ("object.spec.typo == 1", [rule("example.com", "pods")]),
    "custom kind besides": ("object.spec.typo == 1", [*POD, rule("argoproj.io", "rollouts")]),
    "options": ("object.container == 'x'", [rule("", "pods/exec")]),
    "unknown resource": ("object.spec.typo == 1", [rule("", "pod")]),
    "only versions nobody knows": (
        "object.spec.typo == 1",
        [rule("apps", "deployments", versions=("v9",))],
    ),
    "escaped": ("object.spec.__typo__ == 1", POD),
    "any form": ("object.data.typo == 1", [rule("apps", "controllerrevisions")]),
    "raw": ("object.data.foo == 'x'", [rule("", "secrets")]),
    "quantity": ("object.spec.containers.all(c, c.resources.limits.cpu == 1)", POD),
    "port": ("object.spec.ports.all(p, p.targetPort == 80 || p.targetPort == 'x')",
             [rule("", "services")]),
    "null": ("object.spec.replicas == null", DEPLOYMENT),
    "numbers": ("object.spec.replicas == 1.5", DEPLOYMENT),
    "among": ("object.metadata.name in ['a', 'b']", POD),
    "params of a custom kind": ("params == null || true", POD),
    "old version": ("has(object.spec.podSelector)", [rule("policy", "poddisruptionbudgets"),
                                                   rule("networking.k8s.io", "networkpolicies")]),
}  # fmt: skip


@pytest.mark.parametrize(("expression", "rules"), RIGHT.values(), ids=RIGHT.keys())
def test_right(expression: str, rules: Any) -> None:
    kind = {"apiVersion": "example.com/v1", "kind": "Limits"}
    found = faults(expression, rules=rules, paramKind=kind)
    assert [one.what for one in found] == []


WRONG_TYPE = {
    "number and text": ("object.spec.replicas == 'three'", DEPLOYMENT, "a number", "text"),
    "text and number": ("object.metadata.name != 3", POD, "text", "a number"),
    "truth value and text": ("object.spec.hostPID == 'true'", POD, "a truth value", "text"),
    "list and text": ("object.spec.containers == ''", POD, "a list", "text"),
    "order": ("object.metadata.name > 3", POD, "text", "a number"),
    "among": ("object.spec.replicas in ['1', '2']", DEPLOYMENT, "a number", "text"),
    "text among objects": ("'sh' in object.spec.containers", POD, "text", "an object"),
    "annotation": ("object.metadata.annotations.on == true", POD, "text", "a truth value"),
    "two fields": ("object.spec.nodeName == object.spec.priority", POD, "text", "a number"),
    "result": ("object.spec.priority == string(1)", POD, "a number", "text"),
}


@pytest.mark.parametrize(
    ("expression", "rules", "mine", "theirs"), WRONG_TYPE.values(), ids=WRONG_TYPE.keys()
)
def test_wrong_type(expression: str, rules: Any, mine: str, theirs: str) -> None:
    (found,) = faults(expression, rules=rules)
    assert (found.kind, found.fatal) == ("wrong-type", False)
    assert f": it is {mine}, and compared with {theirs}" in found.what


def test_variables_have_types_and_are_told_once() -> None:
    variables = {"spec": "object.spec.template.spec", "all": "variables.spec.containers"}
    found = faults(
        "variables.all.all(c, c.nam != '')",
        "variables.spec.hostPd == true && variables.all.size() > 0",
        rules=DEPLOYMENT,
        variables=variables | {"bad": "object.spec.tmplate"},
    )
    assert [one.what.partition("expression: ")[2].partition(": ")[0] for one in found] == [
        "object.spec.tmplate",
        "c.nam",
        "variables.spec.hostPd",
    ]


def test_everything_that_is_evaluated_is_looked_at() -> None:
    body = policy(
        matchConditions=[{"name": "a", "expression": "has(object.spec.hostPd)"}],
        validations=[{"expression": "true", "messageExpression": "string(object.metadata.nam)"}],
        auditAnnotations=[{"key": "k", "valueExpression": "string(object.spec.nodName)"}],
    )
    told = [one.what.partition(": ")[2].partition(": ")[0] for one in loaded(body).faults]
    assert told[:3] == [
        "spec.matchConditions[0].expression",
        "spec.validations[0].messageExpression",
        "spec.auditAnnotations[0].valueExpression",
    ]


def test_params_of_a_built_in_kind() -> None:
    (found,) = faults("params.dta.max == '3'", paramKind=CONFIG)
    assert "ConfigMap has no field 'dta'" in found.what
    assert faults("params.data.max == '3'", paramKind=CONFIG) == []


PLACES = {
    "first": ("object.spec.hostPd == true", 0, 12),
    "second line": ("true &&\n  object.spec.hostPd == true", 1, 14),
    "after other letters": ("'日本' != '' &&\n'é' != '' && object.spec.hostPd == true", 1, 25),
    "has": ("has(object.spec) &&\nhas(object.spec.hostPd)", 1, 16),
    "loop": ("object.spec.containers.all(c,\n  c.nam != ''\n)", 1, 4),
}


@pytest.mark.parametrize("with_variable", [False, True], ids=["alone", "with a variable"])
@pytest.mark.parametrize(("text", "line", "column"), PLACES.values(), ids=PLACES.keys())
def test_places(text: str, line: int, column: int, *, with_variable: bool) -> None:
    """Offsets are of letters, in the author's text, whatever was put around it."""
    from haechi.admit.vap.typed import _place

    class One:
        name, expression = "x", "object.\nspec"

    needed = [One()] if with_variable else []
    text += " && variables.x == null" if with_variable else ""
    compiled = engine().compile(text, variables=needed, returns="bool")
    found = check(compiled.dump(), {"object": type_of_kind("", "v1", "Pod")})
    (misfit,) = found.misfits
    where = _place(compiled.dump(), misfit, ("expression",), text, needed)
    assert where == (line + 1, column + 1)


def test_place_in_the_file() -> None:
    (found,) = faults("true", "object.spec.hostPd == true")
    text = loaded_text("object.spec.hostPd == true")
    line = next(at for at, one in enumerate(text, 1) if "hostPd" in one)
    assert text[line - 1][found.column - 1 :].startswith("hostPd")


def loaded_text(expression: str) -> list[str]:
    import yaml

    return yaml.safe_dump(policy(validations=[{"expression": expression}])).splitlines()


KINDS = [
    ("", "v1", "Pod"),
    ("apps", "v1", "Deployment"),
    ("batch", "v1", "CronJob"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("storage.k8s.io", "v1", "StorageClass"),
    ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration"),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[2])
def test_the_table_has(kind: tuple[str, str, str]) -> None:
    assert type_of_kind(*kind) is not None


def test_the_table_is_small_and_whole() -> None:
    table = field_table()
    assert PATH.stat().st_size < 150_000
    assert len(table.names) == len(table.fields)
    for fields in table.fields:
        for text in fields.values():
            inner = text.lstrip("[{")
            assert inner in {"*", "t", "i", "n", "b", "x"} or int(inner[1:]) < len(table.names)


def test_the_table_is_what_the_definitions_say() -> None:
    from bench.kubernetes_fields import made

    assert made() == field_table()


@cache
def compiled_sample() -> bytes:
    text = (
        "object.spec.containers.filter(c, has(c.ports)).all(c, c.?name.orValue('') != ''"
        " && c.ports.map(p, p.hostPort).max() > 1 && 'x' in object.metadata.labels)"
    )
    return engine().compile(text, returns="bool").dump()


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_bytes_make_it_raise(data: st.DataObject) -> None:
    sample = bytearray(compiled_sample())
    for _ in range(data.draw(st.integers(1, 6))):
        sample[data.draw(st.integers(0, len(sample) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(sample[: data.draw(st.integers(0, len(sample)))])
    for blob in (bytes(sample), raw):
        found = check(blob, {"object": type_of_kind("", "v1", "Pod")})
        for misfit in found.misfits:
            assert isinstance(misfit, Misfit)
            assert offset_of(blob, misfit) >= -1


NAMES = st.sampled_from(
    ["spec", "metadata", "labels", "containers", "name", "typo", "template", "replicas", "status"]
)


@st.composite
def paths(draw: st.DrawFn) -> str:
    text = "object"
    for _ in range(draw(st.integers(1, 5))):
        name = draw(NAMES)
        forms = [f".{name}", f".?{name}", f"['{name}']", "[0]", f".map(e, e.{name})", "[?0]"]
        text += draw(st.sampled_from(forms))
    return text


@settings(deadline=None, max_examples=60)
@given(
    one=paths(), other=paths(), form=st.sampled_from(["{} == {}", "{} in {}", "[{}] + [{}] == []"])
)
def test_no_expression_makes_it_raise(one: str, other: str, form: str) -> None:
    """Whatever compiles loads, and a warning never takes a policy out of force."""
    try:
        engine().compile(form.format(one, other), returns="bool")
    except RuleError:
        return
    faults(form.format(one, other), rules=BOTH)
