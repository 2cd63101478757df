"""The policy of namespace labels, through the one function and the one decision."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.admit.decide import decide
from haechi.admit.pod_security import ID, Configuration, NamespaceLabels, load
from haechi.admit.pod_security.labels import PREFIX, Modes, Standard
from haechi.admit.policies import PolicySet
from haechi.admit.reviews import review_of, review_of_request
from haechi.admit.view import NOTHING, ObjectsView
from haechi.checks.pod_security import Level
from haechi.model.admission import Decision, Effect, PolicyVerdict
from haechi.model.review import Point, Review, State
from tests.admit.samples import deployment, pod, resource
from tests.checks.pod_security.pods import pod as allowed_pod

PRIVILEGED = {
    "containers": [{"name": "main", "image": "a", "securityContext": {"privileged": True}}]
}
PLAIN = {"containers": [{"name": "main", "image": "a"}]}


def namespace(name: str = "shop", **labels: str) -> dict[str, Any]:
    written = {PREFIX + key.replace("_", "-"): value for key, value in labels.items()}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": written}}


def body(spec: dict[str, Any], name: str = "cart", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", **metadata},
        "spec": spec,
    }


def request(
    new: dict[str, Any] | None, old: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    shown = new or old or {}
    metadata = shown["metadata"]
    return {
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": shown["kind"]},
        "resource": {"group": "", "version": "v1", "resource": f"{shown['kind'].lower()}s"},
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "operation": "UPDATE" if old else "CREATE",
        "userInfo": {"username": "anna"},
        "object": new,
        "oldObject": old,
        **more,
    }


def decided(
    asked: dict[str, Any],
    *known: dict[str, Any],
    configuration: Configuration | None = None,
    complete: bool = True,
) -> Decision:
    view = ObjectsView(known, complete=complete)
    review = review_of_request(asked, view)
    policies = PolicySet([NamespaceLabels(configuration)])
    return decide(policies.review(review, view), review)


def rules(verdicts: tuple[PolicyVerdict, ...], effect: Effect | None = None) -> list[str]:
    return [
        verdict.rule
        for verdict in verdicts
        if verdict.state is State.FAIL and (effect is None or effect in verdict.effects)
    ]


def test_enforce_refuses_in_the_words_that_people_search_for() -> None:
    decision = decided(request(body(PRIVILEGED)), namespace(enforce="baseline"))
    assert not decision.allowed
    assert decision.code == 403
    assert (
        'violates PodSecurity "baseline:latest": privileged (container "main" must not set '
        "securityContext.privileged=true)"
    ) in decision.message
    assert decision.warnings == ()
    (verdict,) = decision.verdicts
    assert (verdict.policy, verdict.rule, verdict.action) == (ID, "privileged", "enforce,warn")
    assert verdict.path == ("spec", "containers", 0, "securityContext", "privileged")
    assert decision.annotations == {"pod-security-enforce-policy": "baseline:latest"}


def test_warn_and_audit_let_through() -> None:
    decision = decided(request(body(PRIVILEGED)), namespace(warn="baseline", audit="restricted"))
    assert decision.allowed
    (warning,) = decision.warnings
    assert 'would violate PodSecurity "baseline:latest": privileged' in warning
    assert rules(decision.verdicts, Effect.WARN) == ["privileged"]
    assert rules(decision.verdicts, Effect.AUDIT) == [
        "allowPrivilegeEscalation",
        "capabilities_restricted",
        "runAsNonRoot",
        "seccompProfile_restricted",
    ]
    violations = decision.annotations["pod-security-audit-violations"]
    assert violations.startswith('would violate PodSecurity "restricted:latest": privileged (')
    assert "seccompProfile (" in violations


def test_a_stricter_warning_adds_what_enforce_has_not_said() -> None:
    labels = namespace(enforce="baseline", warn="restricted")
    allowed = decided(request(body(PLAIN)), labels)
    assert allowed.allowed
    assert len(allowed.warnings) == 4
    refused = decided(request(body(PRIVILEGED)), labels)
    assert not refused.allowed
    assert refused.warnings == ()
    assert rules(refused.verdicts).count("privileged") == 1


def test_workloads_are_warned_and_never_refused() -> None:
    view = ObjectsView([namespace(enforce="restricted")], complete=True)
    review = review_of(deployment(), view, point=Point.ADMISSION)
    decision = decide(PolicySet([NamespaceLabels()]).review(review, view), review)
    assert decision.allowed
    assert len(decision.warnings) == 4
    assert all("would violate PodSecurity" in warning for warning in decision.warnings)
    assert "pod-security-enforce-policy" not in decision.annotations
    assert decision.verdicts[0].path[:3] == ("spec", "template", "spec")


def test_an_allowed_pod_passes() -> None:
    good = allowed_pod()
    decision = decided(request(body(good["spec"])), namespace(enforce="restricted"))
    assert decision.allowed
    assert [verdict.state for verdict in decision.verdicts] == [State.PASS]


@pytest.mark.parametrize(
    ("label", "allowed"), [("enforce", False), ("warn", True), ("audit", True)]
)
def test_a_label_that_cannot_be_read(label: str, allowed: bool) -> None:
    decision = decided(request(body(PLAIN)), namespace(**{label: "strict"}))
    assert decision.allowed is allowed
    assert any("cannot be read" in warning for warning in decision.warnings)
    assert "Invalid value" in decision.annotations["pod-security-error"]


EXEMPTIONS = Configuration(
    defaults=Modes(enforce=Standard(Level.RESTRICTED)),
    usernames=frozenset({"anna"}),
    namespaces=frozenset({"shop"}),
    runtime_classes=frozenset({"gvisor"}),
)


@pytest.mark.parametrize(
    ("user", "place", "runtime", "exempt"),
    [
        ("anna", "other", "", "user"),
        ("bert", "shop", "", "namespace"),
        ("bert", "other", "gvisor", "runtimeClass"),
        ("bert", "other", "kata", ""),
    ],
)
def test_exemptions_of_the_configuration(user: str, place: str, runtime: str, exempt: str) -> None:
    pod_ = body({**PLAIN, **({"runtimeClassName": runtime} if runtime else {})})
    pod_["metadata"]["namespace"] = place
    asked = request(pod_, userInfo={"username": user})
    decision = decided(asked, namespace(place), configuration=EXEMPTIONS)
    assert decision.allowed is bool(exempt)
    assert decision.annotations.get("pod-security-exempt", "") == exempt
    if exempt:
        assert [verdict.state for verdict in decision.verdicts] == [State.NOT_APPLICABLE]


def test_defaults_of_the_configuration_hold_without_labels() -> None:
    asked = request(body(PLAIN), userInfo={"username": "bert"})
    asked["namespace"] = asked["object"]["metadata"]["namespace"] = "other"
    decision = decided(asked, namespace("other"), configuration=EXEMPTIONS)
    assert 'violates PodSecurity "restricted:latest"' in decision.message


# --- updates and subresources ---------------------------------------------------------------------


def _with(spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return body({**spec, **more})


DEBUG = {"name": "debug", "image": "a"}


@pytest.mark.parametrize(
    ("new", "old", "judged"),
    [
        (body(PRIVILEGED, labels={"a": "b"}), body(PRIVILEGED), False),
        (_with(PRIVILEGED, activeDeadlineSeconds=1), body(PRIVILEGED), False),
        (
            body({"containers": [{**PRIVILEGED["containers"][0], "image": "b"}]}),
            body(PRIVILEGED),
            True,
        ),
        (_with(PRIVILEGED, initContainers=[DEBUG]), body(PRIVILEGED), True),
        (
            _with(PRIVILEGED, initContainers=[{**DEBUG, "image": "b"}]),
            _with(PRIVILEGED, initContainers=[DEBUG]),
            True,
        ),
        (_with(PRIVILEGED, ephemeralContainers=[DEBUG]), body(PRIVILEGED), True),
        (
            _with(PRIVILEGED, ephemeralContainers=[DEBUG]),
            _with(PRIVILEGED, ephemeralContainers=[DEBUG]),
            False,
        ),
        (
            _with(PRIVILEGED, ephemeralContainers=[{**DEBUG, "image": "b"}]),
            _with(PRIVILEGED, ephemeralContainers=[DEBUG]),
            True,
        ),
        (body(PRIVILEGED), _with(PRIVILEGED, ephemeralContainers=[DEBUG]), False),
    ],
    ids=[
        "metadata",
        "deadline",
        "image",
        "init-added",
        "init-image",
        "debug-added",
        "debug-kept",
        "debug-image",
        "debug-gone",
    ],
)
def test_updates_count_when_containers_come_or_change_their_image(
    new: dict[str, Any], old: dict[str, Any], judged: bool
) -> None:
    decision = decided(request(new, old), namespace(enforce="baseline"))
    assert bool(decision.verdicts) is judged
    assert decision.allowed is not judged


@pytest.mark.parametrize(
    ("subresource", "judged"),
    [
        ("status", False),
        ("eviction", False),
        ("binding", False),
        ("ephemeralcontainers", True),
        ("resize", True),
        ("yet-unknown", True),
    ],
)
def test_subresources_that_may_change_the_spec_count(subresource: str, judged: bool) -> None:
    asked = request(body(PRIVILEGED), subResource=subresource)
    assert bool(decided(asked, namespace(enforce="baseline")).verdicts) is judged


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_other_operations_do_not_count(operation: str) -> None:
    asked = request(body(PRIVILEGED), operation=operation)
    assert decided(asked, namespace(enforce="baseline")).verdicts == ()


# --- namespaces that nobody knows -----------------------------------------------------------------


def test_an_unknown_namespace_is_never_guessed() -> None:
    decision = decided(request(body(PRIVILEGED)))
    (verdict,) = decision.verdicts
    assert verdict.state is State.NOT_EVALUATED
    assert "namespace shop are not known" in verdict.message
    assert (decision.allowed, decision.code) == (False, 500)


@pytest.mark.parametrize(
    ("configuration", "state"),
    [(None, State.NOT_APPLICABLE), (Configuration(), State.NOT_EVALUATED)],
)
def test_of_a_file_nothing_is_claimed(configuration: Configuration | None, state: State) -> None:
    review = review_of(pod(), NOTHING, point=Point.FILE)
    (verdict,) = PolicySet([NamespaceLabels(configuration)]).review(review, NOTHING)
    assert verdict.state is state


# --- namespaces themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "old", "allowed"),
    [
        ({"enforce": "strict"}, None, False),
        ({"warn_version": "1.2"}, None, False),
        ({"enforce": "baseline"}, None, True),
        ({"enforce": "strict"}, {"enforce": "baseline"}, False),
        ({"enforce": "strict"}, {"enforce": "strict"}, True),
        ({"enforce": "strict"}, {"enforce": "wrong"}, False),
    ],
)
def test_labels_that_cannot_be_read_are_refused_when_they_are_written(
    labels: dict[str, str], old: dict[str, str] | None, allowed: bool
) -> None:
    before = None if old is None else namespace(**old)
    decision = decided(request(namespace(**labels), before))
    assert decision.allowed is allowed
    if not allowed:
        assert "Invalid value" in decision.message
        assert all(verdict.path[:2] == ("metadata", "labels") for verdict in decision.verdicts)


def _replica(name: str, spec: dict[str, Any], owner: str = "") -> dict[str, Any]:
    references = [{"uid": owner, "controller": True}] if owner else []
    return body(spec, name, ownerReferences=references)


HOST = {**PLAIN, "hostPID": True}
RUNNING = [
    _replica("b", PRIVILEGED, "1"),
    _replica("a", PRIVILEGED, "1"),
    _replica("c", PRIVILEGED),
    _replica("d", HOST),
    _replica("e", allowed_pod()["spec"]),
    {**_replica("f", HOST), "metadata": {"name": "f", "namespace": "elsewhere"}},
]


def _tightened(
    new: dict[str, str], old: dict[str, str], *known: dict[str, Any], complete: bool = True
) -> Decision:
    return decided(request(namespace(**new), namespace(**old)), *known, complete=complete)


def test_a_stricter_label_names_the_pods_that_it_would_refuse() -> None:
    decision = _tightened({"enforce": "baseline"}, {}, *RUNNING)
    assert decision.allowed
    assert [warning.partition("] ")[2] for warning in decision.warnings] == [
        'existing pods in namespace "shop" violate the new PodSecurity enforce level '
        '"baseline:latest"',
        "a (and 2 other pods): privileged",
        "d: host namespaces",
    ]


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"enforce": "baseline"}, {"enforce": "baseline"}),
        ({"enforce": "baseline"}, {"enforce": "restricted"}),
        ({"enforce": "privileged"}, {"enforce": "restricted"}),
        ({"warn": "restricted", "audit": "restricted"}, {}),
    ],
    ids=["same", "relaxed", "off", "not-enforced"],
)
def test_pods_are_looked_at_only_when_enforce_gets_stricter(
    new: dict[str, str], old: dict[str, str]
) -> None:
    assert _tightened(new, old, *RUNNING).warnings == ()


def test_another_version_is_looked_at() -> None:
    old = {"enforce": "baseline", "enforce_version": "v1.20"}
    assert len(_tightened({"enforce": "baseline"}, old, *RUNNING).warnings) == 3


def test_pods_that_nobody_knows_are_not_said_to_be_fine() -> None:
    decision = _tightened({"enforce": "baseline"}, {}, complete=False)
    assert decision.allowed
    assert [verdict.state for verdict in decision.verdicts] == [State.NOT_EVALUATED]


def test_labels_on_an_exempt_namespace_do_nothing_and_say_so() -> None:
    asked = request(namespace(enforce="baseline", enforce_version="v1.30"))
    decision = decided(asked, configuration=EXEMPTIONS)
    assert decision.allowed
    (warning,) = decision.warnings
    assert warning.endswith(
        'namespace "shop" is exempt from Pod Security, and the policy (enforce=baseline:v1.30) '
        "will be ignored"
    )
    unlabelled = decided(request(namespace()), configuration=EXEMPTIONS)
    assert unlabelled.warnings == ()


# --- loading --------------------------------------------------------------------------------------


def test_is_in_force_when_the_documents_ask_for_it() -> None:
    assert load([pod(), deployment()]).policies == ()
    assert load([resource(namespace())]).policies == ()
    (policy,) = load([resource(namespace(warn="baseline"))]).policies
    assert policy.info.id == ID


def test_every_review_has_an_answer_for_odd_bodies() -> None:
    view = ObjectsView([namespace(enforce="restricted")], complete=True)
    odd_specs: list[Any] = [None, [], "x", {"containers": 3}, {"containers": [None]}]
    for spec in odd_specs:
        odd = resource(body(spec))
        review: Review = review_of(odd, view, point=Point.AUDIT)
        for verdict in PolicySet([NamespaceLabels()]).review(review, view):
            assert verdict.state in (State.PASS, State.FAIL)
