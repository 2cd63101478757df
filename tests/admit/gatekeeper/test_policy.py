"""Constraints at work: what they say, at which point, and when they cannot say anything."""

from __future__ import annotations

import pytest

from haechi.admit.decide import decide
from haechi.admit.reviews import review_of
from haechi.admit.view import ObjectsView
from haechi.model.admission import Effect, FailureChoice, Matched, PolicyVerdict
from haechi.model.review import Point, State
from tests.admit.gatekeeper.texts import (
    DENY_ALL,
    LABELS,
    LABELS_TEMPLATE,
    OWNED,
    POD,
    asked,
    policies,
    read,
    review,
    verdicts,
)

BOTH = (LABELS_TEMPLATE, LABELS)
FAIL_CLOSED = "metadata:\n  name: owner\n  annotations: {haechi.dev/failure-policy: Fail}\n"


def only(found: list[PolicyVerdict]) -> PolicyVerdict:
    (verdict,) = found
    return verdict


def test_a_violation_tells_message_details_and_the_line_of_the_rule() -> None:
    verdict = only(verdicts(BOTH, POD))
    assert verdict.policy == "gatekeeper/ShopLabels/owner"
    assert verdict.state is State.FAIL
    assert verdict.message == 'labels are missing: {"owner"} (ask the team)'
    assert verdict.evidence == {"missing": ["owner"]}
    assert verdict.effects == (Effect.DENY,)
    assert verdict.action == "deny"
    assert verdict.file == "policies.yaml"
    lines = LABELS_TEMPLATE.splitlines()
    assert lines[verdict.line - 1].strip().startswith("violation[")


def test_what_holds_passes_and_what_does_not_match_says_nothing() -> None:
    assert only(verdicts(BOTH, OWNED)).state is State.PASS
    assert not verdicts(BOTH, POD.replace("kind: Pod", "kind: Service"))


def test_what_a_policy_is() -> None:
    (policy,) = policies(*BOTH).policies
    info = policy.info
    assert (info.title, info.description) == ("Labels of the shop", "Everything says whose it is.")
    assert info.matched == (Matched(kinds=(("", "Pod"),)),)
    assert info.failure is FailureChoice.IGNORE
    assert info.file == "policies.yaml"


def test_messages_that_differ_in_details_only_are_two_violations() -> None:
    template = DENY_ALL.replace(
        'violation[{"msg": "no"}] { true }',
        'violation[{"msg": "no", "details": n, "x": y}] { n := [1, 2, 2][y] }',
    )
    constraint = (
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: DenyAll\nmetadata: {name: a}\n"
    )
    found = verdicts((template, constraint), POD)
    assert sorted(str(one.evidence["details"]) for one in found) == ["1", "2"]


POINTS = [Point.ADMISSION, Point.AUDIT, Point.FILE, Point.WHAT_IF]
SCOPED = """\
  enforcementAction: scoped
  scopedEnforcementActions:
    - action: deny
      enforcementPoints: [{name: validation.gatekeeper.sh}]
    - action: warn
      enforcementPoints: [{name: validation.gatekeeper.sh}, {name: gator.gatekeeper.sh}]
"""


def at_points(spec: str) -> list[tuple[str, ...] | None]:
    found: list[tuple[str, ...] | None] = []
    for point in POINTS:
        answer = verdicts((LABELS_TEMPLATE, f"{LABELS}{spec}"), POD, point=point)
        found.append(tuple(effect.value for effect in answer[0].effects) if answer else None)
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param("", [("deny",)] * 4, id="deny-unless-told"),
        pytest.param("  enforcementAction: warn\n", [("warn",)] * 4, id="warn"),
        pytest.param("  enforcementAction: dryrun\n", [("audit",)] * 4, id="dryrun"),
        pytest.param(SCOPED, [("deny", "warn"), None, ("warn",), ("deny", "warn")], id="scoped"),
        pytest.param(
            SCOPED + '    - action: dryrun\n      enforcementPoints: [{name: "*"}]\n',
            [("deny", "warn", "audit"), ("audit",), ("warn", "audit"), ("deny", "warn", "audit")],
            id="scoped-everywhere",
        ),
    ],
)
def test_what_is_done_depends_on_the_point(spec: str, expected: list[object]) -> None:
    assert at_points(spec) == expected


TWO_VALUES = """\
        one("a") = 1

        one(x) = 2 {
          x == "a"
        }

"""
CONFLICT = LABELS_TEMPLATE.replace(
    "        violation[{", f"{TWO_VALUES}        violation[{{"
).replace("given := {", 'one("a") == 1\n          given := {')


def test_an_error_of_the_engine_is_its_own_state_and_obeys_the_failure_choice() -> None:
    found = verdicts((CONFLICT, LABELS), POD)
    assert only(found).state is State.ERROR
    assert "eval_conflict_error" in only(found).message
    subject, view = review(POD)
    assert decide(policies(CONFLICT, LABELS).review(subject, view), subject).allowed
    closed = LABELS.replace("metadata: {name: owner}\n", FAIL_CLOSED)
    decision = decide(policies(CONFLICT, closed).review(subject, view), subject)
    assert (decision.allowed, decision.code) == (False, 500)


@pytest.mark.parametrize("msg", ["{}", '{"msg": 1}', '"no"'], ids=["none", "number", "text"])
def test_a_violation_without_a_message_is_an_error(msg: str) -> None:
    template = DENY_ALL.replace('{"msg": "no"}', msg)
    constraint = (
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: DenyAll\nmetadata: {name: a}\n"
    )
    assert only(verdicts((template, constraint), POD)).state is State.ERROR


def test_an_unknown_namespace_is_not_guessed_and_keeps_the_effects() -> None:
    choosy = LABELS.replace(
        "    kinds:", "    namespaceSelector: {matchLabels: {a: b}}\n    kinds:"
    )
    verdict = only(verdicts((LABELS_TEMPLATE, choosy), POD))
    assert verdict.state is State.NOT_EVALUATED
    assert "namespace shop" in verdict.message
    known = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {a: b}}\n"
    assert only(verdicts((LABELS_TEMPLATE, choosy), POD, known)).state is State.FAIL


UNIQUE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: onehost}
spec:
  crd: {spec: {names: {kind: OneHost}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package onehost
        import data.lib.names

        violation[{"msg": msg}] {
          other := data.inventory.namespace[ns]["v1"]["Service"][name]
          names.same(other.spec.host, input.review.object.spec.host)
          msg := sprintf("%v/%v has this host", [ns, name])
        }
      libs:
        - |
          package lib.names

          same(a, b) {
            a == b
          }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: OneHost
metadata: {name: one}
"""


def test_other_objects_are_seen_where_a_template_looks_for_them() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b}\nspec: {host: x}\n"
    subject = service.replace("name: a", "name: c")
    (policy,) = policies(UNIQUE).policies
    assert policy.info.reads == (("", "Service"),)
    assert only(verdicts((UNIQUE,), subject, service)).message == "b/a has this host"


NO_KIND = UNIQUE.replace('["v1"]["Service"]', "[_][_]")


@pytest.mark.parametrize(
    ("text", "complete", "point", "state"),
    [
        pytest.param(UNIQUE, True, Point.ADMISSION, State.PASS, id="all-known"),
        pytest.param(UNIQUE, False, Point.ADMISSION, State.NOT_EVALUATED, id="not-all-known"),
        pytest.param(UNIQUE, False, Point.AUDIT, State.NOT_EVALUATED, id="not-all-in-the-audit"),
        pytest.param(UNIQUE, False, Point.FILE, State.PASS, id="files-as-gator"),
        pytest.param(NO_KIND, True, Point.ADMISSION, State.NOT_EVALUATED, id="kinds-not-said"),
    ],
)
def test_nothing_found_among_objects_that_are_not_all_known_is_no_pass(
    text: str, complete: bool, point: Point, state: State
) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: c, namespace: b}\nspec: {}\n"
    (subject,) = read(service)
    view = ObjectsView((), complete=complete)
    found = policies(text).review(review_of(subject, view, point=point), view)
    assert [one.state for one in found] == [state]


@pytest.mark.parametrize(
    ("unknown", "state"),
    [
        (("", "ConfigMap"), State.PASS),
        (("", "Service"), State.NOT_EVALUATED),
        (("*", "*"), State.NOT_EVALUATED),
    ],
    ids=["another kind", "this kind", "all"],
)
def test_kinds_that_are_not_known_matter_to_who_compares_with_them(
    unknown: tuple[str, str], state: State
) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: c, namespace: b}\nspec: {}\n"
    (subject,) = read(service)
    view = ObjectsView((), complete=True, unknown=[unknown])
    made = policies(UNIQUE)
    found = made.review(review_of(subject, view, point=Point.ADMISSION), view)
    assert [one.state for one in found] == [state]


def test_what_goes_is_shown_as_the_object() -> None:
    template = DENY_ALL.replace(
        "{ true }",
        '{ input.review.operation == "DELETE"; input.review.object.metadata.name == "cart";'
        ' input.review.oldObject.metadata.name == "cart" }',
    ).replace("      rego:", "      operations: ['*']\n      rego:")
    constraint = (
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: DenyAll\nmetadata: {name: a}\n"
    )
    (pod,) = read(POD)
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {"operation": "DELETE", "kind": kind, "namespace": "shop", "name": "cart"}
    subject, view = asked({**request, "object": None, "oldObject": pod.data})
    (verdict,) = policies(template, constraint).review(subject, view)
    assert verdict.state is State.FAIL


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("input.review.namespaceObject.metadata.labels.a", State.FAIL),
        ("input.review._unstable.namespace.metadata.labels.a", State.FAIL),
        ("input.review.oldObject == null", State.FAIL),
        ("input.review.userInfo.username", State.PASS),
    ],
)
def test_what_a_template_is_given(condition: str, state: State) -> None:
    template = DENY_ALL.replace("{ true }", f"{{ {condition} }}")
    constraint = (
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: DenyAll\nmetadata: {name: a}\n"
    )
    namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {a: "1"}}\n'
    assert only(verdicts((template, constraint), POD, namespace)).state is state


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE", "CONNECT"])
def test_who_names_no_operations_is_asked_as_by_gatekeepers_webhook(
    point: Point, operation: str
) -> None:
    subject, view = review(POD, point=point, operation=operation)
    found = policies(*BOTH).review(subject, view)
    at_door = point in (Point.ADMISSION, Point.WHAT_IF)
    assert bool(found) is (operation in ("CREATE", "UPDATE") or not at_door)


def test_a_template_may_be_for_all_operations() -> None:
    template = LABELS_TEMPLATE.replace("      rego:", "      operations: ['*']\n      rego:")
    made = policies(template, LABELS)
    wanted = ("CREATE", "UPDATE", "DELETE", "CONNECT")
    assert made.policies[0].info.matched[0].operations == wanted
    for operation in wanted:
        subject, view = review(POD, operation=operation)
        assert only(list(made.review(subject, view))).state is State.FAIL


def test_a_template_may_be_for_some_operations_only() -> None:
    template = DENY_ALL.replace("      rego:", "      operations: [DELETE]\n      rego:")
    constraint = (
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: DenyAll\nmetadata: {name: a}\n"
    )
    made = policies(template, constraint)
    assert made.policies[0].info.matched[0].operations == ("DELETE",)
    subject, view = review(POD, operation="CREATE")
    assert not made.review(subject, view)
    subject, view = review(POD, operation="DELETE")
    assert made.review(subject, view)


CONFIG = """\
apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata: {name: config, namespace: gatekeeper-system}
spec:
  match:
    - excludedNamespaces: ["sh*"]
      processes: [PROCESS]
"""


@pytest.mark.parametrize(
    ("process", "left_out"),
    [
        ('"*"', [True, True, True, True]),
        ("webhook", [True, False, True, True]),
        ("audit", [False, True, False, False]),
        ("mutation-webhook", [False] * 4),
    ],
)
def test_namespaces_that_gatekeeper_leaves_alone(process: str, left_out: list[bool]) -> None:
    config = CONFIG.replace("PROCESS", process)
    found = [not verdicts((*BOTH, config), POD, point=point) for point in POINTS]
    assert found == left_out
    elsewhere = POD.replace("namespace: shop", "namespace: bank")
    assert all(verdicts((*BOTH, config), elsewhere, point=point) for point in POINTS)
