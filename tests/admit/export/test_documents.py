"""What is written: valid for Kubernetes, and everything that is not written is named."""

from __future__ import annotations

import datetime as dt
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from haechi.admit.export.literals import any_glob, literal, path_glob
from haechi.admit.export.writing import document
from haechi.admit.match import glob_takes
from haechi.admit.reviews import nowhere
from haechi.admit.vap.program import engine
from haechi.engines.globs import compile_glob
from haechi.model.resource import Resource
from haechi.model.review import Review
from tests.admit.export.made import TODAY, again, export, request, said
from tests.admit.export.test_same_verdict import (
    CEL_TEMPLATE,
    CONSTRAINTS,
    IMAGES,
    POLICY,
    constraint,
    imaged,
    pod,
)

PACK = """
apiVersion: haechi.dev/v1alpha1
kind: PolicyPack
metadata: {name: p}
spec: {pack: %s%s}
"""


@pytest.mark.parametrize(
    "text",
    [
        *(CEL_TEMPLATE + one for one in CONSTRAINTS.values()),
        POLICY % "[Deny]",
        IMAGES,
        PACK % ("nsa", ""),
    ],
    ids=[*CONSTRAINTS, "vap", "images", "nsa"],
)
def test_policies_of_the_api_server_are_valid(text: str) -> None:
    documents = list(yaml.safe_load_all(export(text, "vap")[2]))
    judged = [body for body in documents if body]
    assert {body["kind"] for body in judged} == {
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    for body in judged:
        kubernetes_validate.validate(body, "1.32", strict=True)


def test_a_document_is_read_as_it_was_written() -> None:
    body = {
        "a": "0o17",
        "b": "yes",
        "c": 'it\'s "so"\nand so',
        "d": ["1e3", "on", "~", ""],
        "e": " x ",
        "f": {"g": [], "h": {}, "i": None, "j": "# no comment", "k": "a: b", "l": "x" * 200},
    }
    assert yaml.safe_load(document(body)) == body


REGO = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: byrego}
spec:
  crd: {spec: {names: {kind: ByRego}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package byrego
        violation[{"msg": "no"}] { input.review.object.x }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: ByRego
metadata: {name: r}
spec: {}
"""
PARAMS = POLICY.replace("  failurePolicy: Ignore", "  paramKind: {apiVersion: v1, kind: ConfigMap}")
REFUSED = {
    "Rego": (REGO, "vap", "Rego"),
    "source": (CEL_TEMPLATE + constraint("a", match={"source": "Original"}), "vap", "generated"),
    "namespaces of Namespaces": (
        CEL_TEMPLATE + constraint("a", match={"namespaceSelector": {"matchLabels": {"a": "b"}}}),
        "vap",
        "as they were",
    ),
    "points": (
        CEL_TEMPLATE
        + constraint(
            "a",
            enforcementAction="scoped",
            scopedEnforcementActions=[
                {"action": "deny", "enforcementPoints": [{"name": "validation.gatekeeper.sh"}]}
            ],
        ),
        "vap",
        "audit",
    ),
    "deny and warn": (
        CEL_TEMPLATE
        + constraint(
            "a",
            enforcementAction="scoped",
            scopedEnforcementActions=[
                {"action": action, "enforcementPoints": [{"name": "*"}]}
                for action in ("deny", "warn")
            ],
        ),
        "vap",
        "denies and warns",
    ),
    "conditions with variables": (
        CEL_TEMPLATE.replace('request.userInfo.username != "eve"', "variables.anyObject != null")
        + constraint("a"),
        "vap",
        "variables",
    ),
    "params": (PARAMS % "[Deny]", "gatekeeper", "params"),
    "authorizer": (
        POLICY.replace(
            "request.operation == 'CREATE'", "authorizer.path('/x').check('get').allowed()"
        )
        % "[Deny]",
        "gatekeeper",
        "authorizer",
    ),
    "subresources": (
        POLICY.replace("resources: [deployments]", "resources: [deployments/scale]") % "[Deny]",
        "gatekeeper",
        "another kind",
    ),
    "unknown plural": (
        POLICY.replace("apiGroups: [apps]", "apiGroups: [shop.example]") % "[Deny]",
        "gatekeeper",
        "not known",
    ),
    "Gatekeeper's names": (
        POLICY.replace("many", "params") % "[Deny]",
        "gatekeeper",
        "keeps for itself",
    ),
    "versions that are left out": (
        POLICY.replace(
            '{apiGroups: ["*"], apiVersions: ["*"]', '{apiGroups: ["*"], apiVersions: [v2]'
        )
        % "[Deny]",
        "gatekeeper",
        "name versions",
    ),
    "two packs": (
        PACK % ("nsa", "") + "---" + PACK.replace("name: p", "name: q") % ("nsa", ", action: deny"),
        "vap",
        "2 PolicyPacks",
    ),
    "checks left out": (PACK % ("pss-baseline", ", except: [hostPorts]"), "vap", "single checks"),
    "nothing in force": ("---\n".join((POLICY % "[Deny]").split("---\n")[:1]), "vap", "no binding"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_said_is_named(name: str) -> None:
    text, form, words = REFUSED[name]
    _, made, written = export(text, form)
    assert any(words in left.reason for left in made.left), made.left
    assert all(left.policy in written for left in made.left)


def test_levels_are_labels_of_namespaces() -> None:
    text = PACK % ("pss-restricted", ", action: warn, match: {excludedNamespaces: [kube-*]}")
    _, made, written = export(text, "vap")
    assert not made.parts and not made.left
    assert "pod-security.kubernetes.io/warn: restricted" in written
    assert "but not kube-*" in written
    assert list(yaml.safe_load_all(written)) in ([], [None])


ROLLOUT = """---
apiVersion: haechi.dev/v1alpha1
kind: PolicyRollout
metadata: {name: slowly}
spec:
  policies: ["*/**"]
  stages:
    - {stage: observe, from: 2026-01-01}
    - {stage: new, from: 2026-02-01, namespaces: ["sh?p"]}
    - {stage: all, from: 2026-03-01, namespaces: ["sh?p", lab]}
    - {stage: all, from: 2027-01-01}
"""


@pytest.mark.parametrize(
    ("day", "form", "stages"),
    [
        (dt.date(2025, 1, 1), "vap", {"shop": "audit", "lab": "audit"}),
        (dt.date(2026, 1, 5), "vap", {"shop": "audit", "lab": "audit"}),
        (dt.date(2026, 2, 5), "vap", {"shop": "warn", "lab": "audit"}),
        (dt.date(2026, 2, 5), "gatekeeper", {"shop": "warn", "lab": "audit"}),
        (TODAY, "vap", {"shop": "warn", "lab": "warn", "shop-2": "audit"}),
        (dt.date(2027, 1, 5), "gatekeeper", {"shop": "warn", "lab": "warn", "shop-2": "warn"}),
    ],
)
def test_a_rollout_is_written_as_it_stands(day: dt.date, form: str, stages: dict[str, str]) -> None:
    _, made, text = export(IMAGES + ROLLOUT, form, today=day)
    assert not made.left and "PolicyRollout slowly" in text
    fresh = again(text)
    for space, effect in stages.items():
        body = imaged("nginx")
        body["metadata"]["namespace"] = space
        heard = said(fresh, request(body, "pods"))
        assert {one[2] for one in heard} == {(effect,)}, space
        update = request(body, "pods", operation="UPDATE", old=pod(space=space))
        new_only = day.month == 2 and space == "shop"
        assert bool(said(fresh, update)) is not new_only


def test_a_policy_of_the_api_server_is_staged_by_its_binding() -> None:
    text = POLICY % "[Deny]" + ROLLOUT
    fresh = again(export(text, "vap", today=dt.date(2026, 1, 5))[2])
    assert [policy.info.effects[0].value for policy in fresh.policies] == ["audit"]
    fresh = again(export(text, "vap")[2])
    assert sorted(policy.info.effects[0].value for policy in fresh.policies) == ["audit", "deny"]


# --- literals -------------------------------------------------------------------------------

_SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(_SIGNS, max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(_SIGNS, max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.text("abs-hop", max_size=6)


def evaluated(expression: str, value: Any) -> Any:
    compiled = engine().compile(expression, returns="bool")
    resource = Resource(key="x", kind="Pod", data={}, locate=nowhere)
    review = Review(resource=resource, params={"v": value})
    return engine().activation(review).evaluate(compiled)


@given(plain)
def test_a_literal_is_the_value(value: Any) -> None:
    assert evaluated(f"dyn({literal(value)}) == params.v", value) is True


@given(
    st.lists(st.sampled_from(["*", "*a", "a*", "*h*", "sh", "s*p", "", "**"]), max_size=3), NAMES
)
def test_globs_are_those_of_gatekeeper(globs: list[str], name: str) -> None:
    said_ = evaluated(f"[string(params.v)].exists(n, {any_glob(globs, 'n')})", name)
    assert said_ is any(glob_takes(glob, name) for glob in globs)


@given(st.text("ab-*?", min_size=1, max_size=5), NAMES)
def test_globs_of_rollouts_are_theirs(glob: str, name: str) -> None:
    said_ = evaluated(f"[string(params.v)].exists(n, {path_glob(glob, 'n')})", name)
    assert said_ is bool(compile_glob(glob).fullmatch(name))
