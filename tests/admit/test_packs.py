"""Built-in packs, and PolicyPacks that put them in force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from haechi.admit.catalogue import RulePolicy, is_about_objects, user_rules
from haechi.admit.decide import decide
from haechi.admit.load import load_policies
from haechi.admit.own import Binding
from haechi.admit.packs import LevelPolicy, Pack, all_packs, built_in, load
from haechi.admit.pod_security import NamespaceLabels
from haechi.admit.policies import PolicySet
from haechi.admit.reviews import review_of, review_of_request
from haechi.admit.view import NOTHING, ObjectsView
from haechi.checks.pod_security import CHECKS
from haechi.checks.pod_security.words import check_words
from haechi.engines.cel import CelEngine
from haechi.errors import UsageError
from haechi.model.admission import Effect, FailureChoice, PolicyVerdict
from haechi.model.resource import Resource
from haechi.model.review import Point, State
from haechi.rules.catalogue import Catalogue, load_catalogue
from haechi.rules.load import load_rules
from tests.admit.own_documents import documents, own
from tests.admit.samples import deployment, pod, resource

PACKS = ("nsa", "pod-security-labels", "pss-baseline", "pss-restricted", "sensible")
NO_API_OBJECT = ("kubelet.config.k8s.io/", "apiserver.config.k8s.io/", "audit.k8s.io/")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def engine(catalogue: Catalogue) -> CelEngine:
    return CelEngine(catalogue.cel)


def judged(policies: PolicySet, one: Resource, view: Any = NOTHING) -> tuple[PolicyVerdict, ...]:
    return policies.review(review_of(one, view, point=Point.FILE), view)


def privileged(namespace: str = "shop", image: str = "a:1") -> Resource:
    body = pod(image, namespace=namespace).data
    body["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    return resource(body)


def packed(**spec: Any) -> PolicySet:
    loaded = load(documents(own("PolicyPack", **spec)))
    assert loaded.faults == ()
    return PolicySet(loaded.policies)


# --- what packs hold ------------------------------------------------------------------------------


def test_the_packs_are_these() -> None:
    assert tuple(sorted(all_packs())) == PACKS


@pytest.mark.parametrize("name", PACKS)
def test_every_pack_is_explained_in_both_languages(name: str) -> None:
    pack = all_packs()[name]
    assert min(len(pack.title), len(pack.why), len(pack.ko.title), len(pack.ko.why)) > 10
    assert any("\uac00" <= sign <= "\ud7a3" for sign in pack.ko.why)
    assert pack.standards or pack.rules or pack.labels


@pytest.mark.parametrize("name", ["nsa", "sensible"])
def test_every_rule_of_a_pack_is_explained_in_both_languages(
    name: str, catalogue: Catalogue
) -> None:
    for entry in all_packs()[name].rules:
        rule = catalogue.by_id[entry.id]
        assert rule.ko is not None, entry.id
        assert bool(entry.why) is (entry.ko is not None) is (name == "sensible"), entry.id


@pytest.mark.parametrize("name", ["nsa", "sensible"])
def test_every_rule_of_a_pack_judges_one_object_alone(
    name: str, catalogue: Catalogue, engine: CelEngine
) -> None:
    """Its own examples hold at the door, where nothing but the object is seen."""
    for entry in all_packs()[name].rules:
        rule = catalogue.by_id[entry.id]
        assert is_about_objects(rule), entry.id
        policy = RulePolicy(rule, engine, [Binding(action="deny")], reads=entry.reads)
        for kind, texts in (("bad", rule.bad), ("good", rule.good)):
            for text in texts:
                states = set(_states(policy, text))
                assert not states & {State.NOT_EVALUATED, State.ERROR}, (entry.id, text)
                assert (State.FAIL in states) is (kind == "bad"), (entry.id, text)


def _states(policy: RulePolicy, text: str) -> Iterator[State]:
    objects = documents(text)
    view = ObjectsView.of(objects)
    for one in objects:
        for verdict in policy.judge(review_of(one, view, point=Point.FILE), view):
            yield verdict.state


def test_nsa_holds_what_answers_to_the_guide_and_can_be_judged_alone(
    catalogue: Catalogue, engine: CelEngine
) -> None:
    """A new rule that names the guide belongs into the pack, or needs other objects."""
    held = {entry.id for entry in all_packs()["nsa"].rules}
    for rule in catalogue.rules:
        if "nsa" not in rule.refs or not is_about_objects(rule) or rule.id in held:
            continue
        if rule.applies_to.kinds[0].startswith(("kubernetes", *NO_API_OBJECT)):
            continue
        policy = RulePolicy(rule, engine, [Binding(action="deny")])
        states = {state for text in rule.bad for state in _states(policy, text)}
        assert State.NOT_EVALUATED in states, f"{rule.id} belongs into nsa.yaml"


def test_sensible_is_quiet_about_an_ordinary_deployment() -> None:
    body = deployment("shop/cart:1.2").data
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"memory": "64Mi"}}
    policies = PolicySet(built_in(["sensible"]).policies)
    assert {verdict.state for verdict in judged(policies, resource(body))} == {State.PASS}
    assert 15 <= len(policies.policies) <= 30


def test_no_pack_wants_to_see_every_object() -> None:
    """A webhook registers what policies match: one rule about everything slows down a cluster."""
    for policy in built_in(PACKS).policies:
        for matched in policy.info.matched:
            assert ("*", "*") not in matched.kinds, policy.info.id
            assert matched.kinds or matched.resources, policy.info.id


def test_words_tell_of_every_check() -> None:
    assert set(check_words()) == {check.id for check in CHECKS}


def test_a_pack_that_does_not_exist_is_an_error_with_the_names() -> None:
    with pytest.raises(UsageError, match="no pack 'pss'") as raised:
        built_in(["pss"])
    assert "pss-baseline" in raised.value.do


# --- rules as policies ------------------------------------------------------------------------


def test_a_rule_is_a_policy_with_its_own_words() -> None:
    policies = PolicySet(built_in(["sensible"]).policies)
    (verdict,) = [v for v in judged(policies, privileged()) if v.policy == "rules/k8s-privileged"]
    assert (verdict.state, verdict.action) == (State.FAIL, "deny")
    assert verdict.path == ("spec", "containers", 0, "securityContext", "privileged")
    info = policies.by_id()[verdict.policy].info
    assert (info.severity, info.effects) == ("critical", (Effect.DENY,))
    assert info.title and info.description and info.fix
    assert ("apps", "Deployment") in info.matched[0].kinds


def test_a_rule_that_needs_other_objects_is_not_evaluated(
    catalogue: Catalogue, engine: CelEngine
) -> None:
    rule = catalogue.by_id["k8s-account-missing"]
    policy = RulePolicy(rule, engine, [Binding(action="deny")])
    body = pod().data
    body["spec"]["serviceAccountName"] = "robot"
    review = review_of(resource(body), NOTHING, point=Point.ADMISSION)
    assert [v.state for v in policy.judge(review, NOTHING)] == [State.NOT_EVALUATED]


LIMITS = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "l", "namespace": "shop"},
    "spec": {"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]},
}


@pytest.mark.parametrize(
    ("view", "point", "state"),
    [
        (ObjectsView([LIMITS]), Point.FILE, State.PASS),
        (ObjectsView([LIMITS]), Point.ADMISSION, State.PASS),
        (NOTHING, Point.FILE, State.FAIL),
        (NOTHING, Point.ADMISSION, State.NOT_EVALUATED),
        (ObjectsView(complete=True), Point.ADMISSION, State.FAIL),
    ],
)
def test_a_rule_reads_the_kinds_that_its_pack_names(
    view: ObjectsView, point: Point, state: State
) -> None:
    (policy,) = [
        p for p in built_in(["sensible"]).policies if p.info.id == "rules/k8s-memory-limit"
    ]
    assert policy.info.reads == (("", "LimitRange"),)
    review = review_of(pod("a:1"), view, point=point)
    assert {verdict.state for verdict in policy.judge(review, view)} == {state}


def _update(new: Resource, old: Resource, **more: Any) -> tuple[PolicyVerdict, ...]:
    request = {
        "kind": {"group": new.group, "version": "v1", "kind": new.kind},
        "operation": "UPDATE",
        "name": new.name,
        "namespace": "shop",
        "object": new.data,
        "oldObject": old.data,
        **more,
    }
    review = review_of_request(request, NOTHING)
    return PolicySet(built_in(["pss-restricted", "sensible"]).policies).review(review, NOTHING)


def _scaled(image: str, replicas: int) -> Resource:
    body = deployment(image).data
    body["spec"]["replicas"] = replicas
    return resource(body)


def test_what_changes_no_pod_is_not_refused_for_what_the_pod_says() -> None:
    assert _update(privileged(), privileged()) == ()
    generated = _update(_scaled("a", 3), _scaled("a", 1))
    assert {verdict.generated for verdict in generated} <= {True}
    assert any(
        v.policy == "rules/k8s-image-latest" for v in _update(_scaled("a", 1), _scaled("b", 1))
    )
    assert _update(_scaled("a", 1), _scaled("b", 1), subResource="status") == ()


USERS = """\
rules:
  - id: team-no-default-namespace
    title: Workloads say where they live
    severity: low
    why: it matters
    fix: do it
    judge: cel
    applies_to: {kinds: [pod]}
    expression: "object.metadata.?namespace.orValue('default') != 'default'"
    message: no namespace
    bad: ["a: 1"]
    good: ["a: 1"]
  - id: team-dockerfile
    title: t
    severity: low
    why: it matters
    fix: do it
    judge: cel
    applies_to: {kinds: [dockerfile]}
    expression: "true"
    message: m
    bad: ["a"]
    good: ["a"]
"""


def test_rules_of_users_join() -> None:
    rules, faults = load_rules(USERS.encode(), "team.yaml")
    assert faults == []
    (policy,) = user_rules(rules, CelEngine, Binding(action="warn"))
    assert policy.info.id == "rules/team-no-default-namespace"
    policies = PolicySet([policy])
    assert [v.state for v in judged(policies, pod(namespace="default"))] == [State.FAIL]
    assert [v.state for v in judged(policies, pod(namespace="shop"))] == [State.PASS]
    assert [v.effects for v in judged(policies, pod(namespace="shop"))] == [(Effect.WARN,)]


# --- levels -----------------------------------------------------------------------------------


def test_a_level_is_asked_of_everything() -> None:
    policies = PolicySet(built_in(["pss-baseline"]).policies)
    review = review_of(privileged(), NOTHING, point=Point.ADMISSION)
    decision = decide(policies.review(review, NOTHING), review)
    assert 'violates PodSecurity "baseline:latest": privileged' in decision.message
    (verdict,) = decision.verdicts
    assert (verdict.policy, verdict.rule) == ("pod-security/baseline", "privileged")
    assert verdict.evidence["fix"] == check_words()["privileged"].fix
    assert [v.state for v in judged(policies, pod())] == [State.PASS]
    (generated,) = judged(policies, deployment())
    assert generated.generated


# --- documents --------------------------------------------------------------------------------


def test_match_action_and_exceptions_of_a_document() -> None:
    policies = packed(
        pack="pss-restricted",
        action="warn",
        failurePolicy="Fail",
        match={"namespaces": ["shop"]},
        **{"except": ["runAsNonRoot", "privileged"]},
    )
    (policy,) = policies.policies
    assert (policy.info.effects, policy.info.failure) == ((Effect.WARN,), FailureChoice.FAIL)
    found = {verdict.rule for verdict in judged(policies, privileged())}
    assert found == {
        "allowPrivilegeEscalation",
        "capabilities_restricted",
        "seccompProfile_restricted",
    }
    assert judged(policies, privileged("other")) == ()


ONLY_PROD = {"namespaceSelector": {"matchLabels": {"env": "prod"}}}


@pytest.mark.parametrize(
    ("first", "second", "denied"),
    [
        pytest.param({"except": ["privileged"]}, {}, True, id="an-exception-of-one-is-no-others"),
        pytest.param({}, {"except": ["privileged"]}, True, id="whatever-comes-first"),
        pytest.param({"except": ["privileged"]}, {"action": "warn"}, False, id="the-other-warns"),
        pytest.param({"match": ONLY_PROD}, {}, True, id="one-is-surely-about-it"),
    ],
)
def test_what_one_document_leaves_out_another_asks_for(
    first: dict[str, Any], second: dict[str, Any], denied: bool
) -> None:
    loaded = load(
        documents(
            own("PolicyPack", name="a", pack="pss-baseline", **first)
            + own("PolicyPack", name="b", pack="pss-baseline", **second)
        )
    )
    policies = PolicySet(loaded.policies)
    review = review_of(privileged(), NOTHING, point=Point.ADMISSION)
    (verdict,) = policies.review(review, NOTHING)
    assert (verdict.rule, verdict.state) == ("privileged", State.FAIL)
    assert decide((verdict,), review).allowed is not denied


def test_what_is_not_known_hides_nothing_that_is() -> None:
    but: dict[str, Any] = {"except": ["privileged"]}
    loaded = load(
        documents(
            own("PolicyPack", name="a", pack="pss-baseline", **but)
            + own("PolicyPack", name="b", pack="pss-baseline", match=ONLY_PROD)
        )
    )
    body = privileged().data
    body["spec"]["hostNetwork"] = True
    review = review_of(resource(body), NOTHING, point=Point.ADMISSION)
    found = PolicySet(loaded.policies).review(review, NOTHING)
    assert {(one.rule, one.state) for one in found} == {
        ("hostNamespaces", State.FAIL),
        ("privileged", State.NOT_EVALUATED),
    }


def test_of_two_that_are_as_strict_the_one_that_fails_closed_counts() -> None:
    loaded = load(
        documents(
            own("PolicyPack", name="a", pack="pss-baseline")
            + own("PolicyPack", name="b", pack="pss-baseline", failurePolicy="Fail")
        )
    )
    (policy,) = loaded.policies
    assert isinstance(policy, LevelPolicy)
    assert policy.bindings[0].failure is FailureChoice.FAIL


def test_an_excepted_rule_is_no_policy() -> None:
    names = set(packed(pack="sensible", **{"except": ["k8s-image-latest"]}).by_id())
    assert "rules/k8s-image-latest" not in names
    assert "rules/k8s-privileged" in names


def test_the_strictest_document_that_matches_counts() -> None:
    text = own("PolicyPack", name="all", pack="sensible", action="audit")
    text += own(
        "PolicyPack", name="prod", pack="sensible", action="deny", match={"namespaces": ["prod"]}
    )
    loaded = load(documents(text))
    policies = PolicySet(loaded.policies)
    assert len(policies.policies) == len(all_packs()["sensible"].rules)
    for namespace, effect in (("prod", Effect.DENY), ("shop", Effect.AUDIT)):
        found = judged(policies, privileged(namespace, "a"))
        effects = {v.effects for v in found if v.state is State.FAIL}
        assert effects == {(effect,)}
    assert policies.by_id()["rules/k8s-privileged"].info.effects == (Effect.DENY, Effect.AUDIT)


def test_a_match_that_cannot_be_told_does_not_hide_behind_a_weaker_one() -> None:
    text = own("PolicyPack", name="all", pack="pss-baseline", action="audit")
    selector = {"namespaceSelector": {"matchLabels": {"tier": "prod"}}}
    text += own("PolicyPack", name="prod", pack="pss-baseline", match=selector)
    policies = PolicySet(load(documents(text)).policies)
    assert [v.state for v in judged(policies, privileged())] == [State.NOT_EVALUATED]


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({}, "spec.pack: must name a pack"),
        ({"pack": "pss"}, "spec.pack: must name a pack"),
        ({"pack": ["nsa"]}, "spec.pack: must name a pack"),
        ({"pack": "nsa", "except": ["k8s-nothing"]}, "spec.except[0]: pack nsa has nothing"),
        ({"pack": "pss-baseline", "except": ["k8s-privileged"]}, "spec.except[0]"),
        ({"pack": "nsa", "action": "enforce"}, "spec.action: must be one of"),
        ({"pack": "nsa", "match": []}, "spec.match: a match is a mapping"),
        ({"pack": "nsa", "mode": "x"}, "spec.mode: there is no such field"),
    ],
)
def test_what_is_wrong_is_named_and_not_in_force(spec: dict[str, Any], what: str) -> None:
    loaded = load(documents(own("PolicyPack", **spec)))
    assert loaded.policies == ()
    assert any(what in fault.what for fault in loaded.faults)


def test_labels_say_for_themselves_what_is_done() -> None:
    loaded = load(documents(own("PolicyPack", pack="pod-security-labels", action="deny")))
    assert [policy.info.id for policy in loaded.policies] == ["pod-security/labels"]
    (fault,) = loaded.faults
    assert (fault.fatal, "has no effect" in fault.what) == (False, True)


def test_packs_name_no_rule_twice() -> None:
    for pack in all_packs().values():
        assert isinstance(pack, Pack)
        assert len({entry.id for entry in pack.rules}) == len(pack.rules)


def test_the_labels_of_namespaces_are_one_policy_however_many_ask_for_it() -> None:
    configuration = resource(
        {
            "apiVersion": "pod-security.admission.config.k8s.io/v1",
            "kind": "PodSecurityConfiguration",
            "metadata": {"name": "defaults"},
            "defaults": {"enforce": "restricted"},
        }
    )
    found = load_policies([configuration], packs=["pod-security-labels"])
    (policy,) = found.policies
    assert isinstance(policy, NamespaceLabels)
    assert policy.configured and not found.faults
