"""Isolation: judged by the naive evaluator, and read by hand where a person would ask why."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from haechi.checks.reach import Enforcement
from haechi.errors import InputError, UsageError
from haechi.model.resource import Resource
from haechi.model.response import Plan
from haechi.respond.isolate import isolate, verify
from tests.checks.reach.things import (
    ADMIN,
    CILIUM,
    PLAIN,
    admin,
    cilium,
    network_policy,
    pod,
    space,
)
from tests.respond.clusters import WORKLOAD, Object, case_of, made, resource_of
from tests.respond.judging import applied, run

CASES = 2_000
FLOOR = 0.9
"""Of the cases in which taking labels would do, the share that is contained."""


def test_contained_is_never_claimed_while_a_packet_passes() -> None:
    counts: Counter[str] = Counter()
    for seed in range(CASES):
        case = case_of(seed)
        outcome = run(case, look_for_escape=seed % 10 == 0)
        assert outcome.leak is None, (seed, outcome.leak)
        assert outcome.undone, seed
        assert outcome.verified, seed
        counts["contained" if outcome.contained else "not contained"] += 1
        if seed % 10 == 0 and case.pods is not None and outcome.escapable:
            counts["escapable"] += 1
            counts["escaped"] += outcome.contained
    assert counts["contained"] > CASES * 0.4
    assert counts["not contained"] > CASES * 0.1
    assert counts["escapable"] > CASES // 10 * 0.3
    assert counts["escaped"] >= counts["escapable"] * FLOOR, counts


# A small shop: Deployment web (two pods), its Service, a pod db

LABELS = {"app": "web", "tier": "front"}


def shop(*more: Object, labels: dict[str, str] | None = None, host: bool = False) -> list[Resource]:
    chosen = labels or LABELS
    spec: Object = {"containers": [{"name": "c", "image": "x"}]}
    if host:
        spec["hostNetwork"] = True
    template = {"metadata": {"labels": chosen}, "spec": spec}
    selector = {"matchLabels": {"app": "web"}}
    deployment = made(
        "apps/v1", "Deployment", "web", "shop", spec={"selector": selector, "template": template}
    )
    replicas = made(
        "apps/v1",
        "ReplicaSet",
        "web-abc",
        "shop",
        spec={"selector": {"matchLabels": {"app": "web", "pod-template-hash": "abc"}}},
    )
    replicas["metadata"]["ownerReferences"] = [
        {"kind": "Deployment", "name": "web", "controller": True}
    ]
    pods = []
    for number in range(2):
        one = pod(f"web-{number}", labels={**chosen, "pod-template-hash": "abc"}, host=host)
        one["metadata"]["uid"] = f"u{number}"
        one["metadata"]["ownerReferences"] = [
            {"kind": "ReplicaSet", "name": "web-abc", "controller": True}
        ]
        pods.append(one)
    service = made("v1", "Service", "web", "shop", spec={"selector": {"app": "web"}})
    base = [space("shop", team="a"), deployment, replicas, *pods, service, pod("db", "shop")]
    return [resource_of(one) for one in (*base, *more)]


def plan(objects: list[Resource], enforcement: Enforcement = PLAIN, **more: Any) -> Plan:
    more.setdefault("pods", ["web-0"])
    return isolate(objects, WORKLOAD, enforcement=enforcement, action_id="a1", **more)


def kinds(found: Plan) -> list[str]:
    return [one.body["kind"] for one in found.steps if one.kind == "kube.apply"]


def taken(found: Plan) -> list[str]:
    return [
        operation["path"].rpartition("/")[2]
        for step in found.steps
        if step.kind == "kube.patch"
        for operation in step.body
        if operation["op"] == "remove"
    ]


ALLOW_WEB = network_policy(
    "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}", "allow-web"
)
ALLOW_ALL = network_policy("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}", "allow-all")
ALLOW_ABSENT = network_policy(
    "{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}, "
    "ingress: [{}]}",
    "allow-others",
)


def test_nothing_allows_so_a_policy_and_a_mark_suffice() -> None:
    found = plan(shop())
    assert found.contained
    assert kinds(found) == ["NetworkPolicy"]
    assert taken(found) == []
    assert any("Service shop/web still counts 1" in one for one in found.warnings)


def test_a_whole_workload_is_closed_by_its_selector_and_no_pod_is_touched() -> None:
    found = plan(shop(), pods=None)
    assert found.contained
    (step,) = found.steps
    assert step.body["spec"]["podSelector"] == {"matchLabels": {"app": "web"}}
    assert {"k8s:c1/core/Pod/shop/web-0", "k8s:c1/core/Pod/shop/web-1"} <= set(found.touches)


def test_labels_by_which_a_policy_allows_are_taken_and_what_follows_is_said() -> None:
    found = plan(shop(ALLOW_WEB))
    assert found.contained
    assert taken(found) == ["app"]
    said = "\n".join(found.warnings)
    assert "ReplicaSet shop/web-abc lets the pod go and starts another one" in said
    assert "Service shop/web sends nothing more to 1" in said
    assert "k8s:c1/apps/ReplicaSet/shop/web-abc" in found.touches


def test_a_label_that_no_controller_asks_for_is_taken_rather() -> None:
    policy = network_policy(
        "{podSelector: {matchLabels: {app: web, tier: front}}, ingress: [{}]}", "both"
    )
    found = plan(shop(policy))
    assert (found.contained, taken(found)) == (True, ["tier"])


@pytest.mark.parametrize(
    "policies", [[ALLOW_ALL], [ALLOW_WEB, ALLOW_ABSENT]], ids=["all", "absent"]
)
def test_a_policy_that_selects_by_absence_cannot_be_escaped(policies: list[Object]) -> None:
    found = plan(shop(*policies))
    assert found.contained is False
    assert any("NetworkPolicy shop/allow-" in one.because[0] for one in found.residual)
    assert not any(step.target.endswith("allow-all") for step in found.steps)


def test_the_residual_names_peers_ports_and_policy() -> None:
    (first, *_) = plan(shop(ALLOW_ALL)).residual
    assert (first.direction, first.ports) == ("ingress", "tcp/80")
    assert first.because == ("NetworkPolicy shop/allow-all",)


def test_new_pods_of_a_workload_that_is_only_marked_are_residual() -> None:
    found = plan(shop(ALLOW_WEB), pods=None)
    assert found.contained is False
    assert all(one.because[0] == "new pods of Deployment shop/web" for one in found.residual)
    assert taken(found) == ["app", "app"]


def test_cilium_denies_without_taking_a_label() -> None:
    found = plan(shop(ALLOW_ALL), CILIUM)
    assert found.contained
    assert kinds(found) == ["CiliumNetworkPolicy"]
    assert taken(found) == []


def test_an_admin_tier_denies_pods_and_the_policy_beside_it_the_world() -> None:
    inside = network_policy("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", "inside")
    found = plan(shop(inside), ADMIN)
    assert found.contained
    assert kinds(found) == ["AdminNetworkPolicy", "NetworkPolicy"]
    outside = plan(shop(ALLOW_ALL), ADMIN)  # no tier can deny addresses that come in
    assert outside.contained is False
    assert {one.peer for one in outside.residual} == {"nodes", "any address outside"}


@pytest.mark.parametrize("action", ["Allow", "Pass"])
def test_an_admin_policy_of_equal_or_higher_precedence_is_not_overridden(action: str) -> None:
    inside = network_policy("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", "inside")
    early = admin(
        f"{{priority: 0, subject: {{namespaces: {{}}}}, ingress: [{{action: {action}, "
        "from: [{namespaces: {}}]}]}",
        "early",
    )
    assert plan(shop(inside, early), ADMIN).contained is False


def test_a_cilium_allow_and_a_label_that_goes() -> None:
    policy = cilium(
        "{endpointSelector: {matchLabels: {tier: front}}, ingress: [{fromEntities: [all]}]}"
    )
    found = plan(shop(policy), PLAIN)  # nobody obeys it, perhaps: it counts as if
    assert (found.contained, taken(found)) == (True, ["tier"])


@pytest.mark.parametrize(
    ("enforcement", "words", "steps"),
    [
        (Enforcement(), "not known whether the network plug-in enforces", True),
        (Enforcement(plugin="flannel", network_policy=False), "flannel does not enforce", False),
        (
            Enforcement(plugin="calico", network_policy=True, silent=("n1",)),
            "calico is not ready on n1",
            True,
        ),
        (Enforcement(plugin="cilium", network_policy=True, doubts=("odd",)), "odd", True),
    ],
    ids=["not known", "none", "node", "doubt"],
)
def test_without_known_enforcement_nothing_is_contained(
    enforcement: Enforcement, words: str, steps: bool
) -> None:
    found = plan(shop(), enforcement)
    assert found.contained is False
    assert found.residual
    assert any(words in one for one in found.warnings)
    assert bool(found.steps) is steps


def test_pods_on_their_nodes_network_cannot_be_isolated() -> None:
    found = plan(shop(host=True))
    assert (found.contained, found.steps) == (False, ())
    assert {(one.direction, one.peer) for one in found.residual} == {
        ("ingress", "any"),
        ("egress", "any"),
    }
    assert "no policy governs it" in found.residual[0].because[0]


def test_pods_on_more_networks_are_not_contained() -> None:
    objects = shop()
    mine = next(one for one in objects if one.name == "web-0")
    mine.data["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": "storage"}
    assert plan(objects).contained is False


def test_gaps_and_unknown_kinds_of_policy_are_never_contained() -> None:
    assert plan(shop(), gaps=("networkpolicies: 403",)).contained is False
    calico = made("crd.projectcalico.org/v1", "GlobalNetworkPolicy", "x", spec={})
    found = plan(shop(calico))
    assert found.contained is False
    assert "GlobalNetworkPolicy x" in found.residual[0].because[0]


def test_names_are_resolved_where_asked_and_said_to_be_residual() -> None:
    found = plan(shop(), keep=("dns",))
    assert found.contained is False
    (only,) = found.residual
    assert (only.direction, only.ports) == ("egress", "tcp/53,udp/53")
    assert "k8s-app=kube-dns" in only.peer
    with pytest.raises(UsageError, match="'http' cannot be kept"):
        plan(shop(), keep=("http",))


def test_a_pod_without_labels_gets_its_first() -> None:
    bare = made("v1", "Pod", "bare", "shop", spec={"containers": []}, status={})
    objects = [space("shop"), bare]
    found = isolate(
        [resource_of(one) for one in objects],
        "k8s:c1/core/Pod/shop/bare",
        enforcement=PLAIN,
        action_id="a1",
    )
    after = applied(objects, found)
    assert after[1]["metadata"]["labels"] == {"quarantine.haechi.dev/a1": "true"}


def test_ended_pods_are_left_alone() -> None:
    objects = shop()
    for one in objects:
        if one.name == "web-0":
            one.data["status"]["phase"] = "Failed"
    found = plan(objects)
    assert found.steps == ()
    assert any("has ended" in one for one in found.warnings)


def test_nobodys_object_is_overwritten() -> None:
    other = network_policy("{podSelector: {matchLabels: {app: db}}}", "haechi-quarantine-a1")
    found = plan(shop(other))
    assert found.steps[0].body["metadata"]["name"] == "haechi-quarantine-a1-x"
    again = plan([*shop(), resource_of(plan(shop()).steps[0].body)])
    assert again.steps[0].body["metadata"]["name"] == "haechi-quarantine-a1"


@pytest.mark.parametrize(
    ("resource", "pods", "what"),
    [
        ("k8s:c1/apps/Deployment/shop/gone", None, "is not in the cluster's state"),
        ("k8s:c1/core/Service/shop/web", None, "runs no pods"),
        (WORKLOAD, ["web-9"], "no pod web-9"),
    ],
)
def test_what_cannot_be_isolated_is_told(resource: str, pods: list[str] | None, what: str) -> None:
    with pytest.raises(InputError, match=what):
        isolate(shop(), resource, pods=pods, enforcement=PLAIN, action_id="a1")


OWNERS = {
    "StatefulSet": "cannot start another one of that name",
    "DaemonSet": "starts another one on the same node",
    "Job": "its work may be done twice",
}


@pytest.mark.parametrize("kind", OWNERS)
def test_every_controller_says_what_it_will_do(kind: str) -> None:
    group = "batch/v1" if kind == "Job" else "apps/v1"
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": []}}
    owner = made(
        group,
        kind,
        "web",
        "shop",
        spec={"selector": {"matchLabels": {"app": "web"}}, "template": template},
    )
    mine = pod("web-0", labels=LABELS)
    mine["metadata"]["ownerReferences"] = [{"kind": kind, "name": "web", "controller": True}]
    objects = [resource_of(one) for one in (space("shop"), owner, mine, ALLOW_WEB)]
    found = isolate(objects, objects[1].key, pods=["web-0"], enforcement=PLAIN, action_id="a1")
    assert any(OWNERS[kind] in one for one in found.warnings)


def test_pods_to_come_are_closed_by_the_labels_of_their_template() -> None:
    template = {"metadata": {"labels": {"job": "x"}}, "spec": {"containers": []}}
    cron = made(
        "batch/v1",
        "CronJob",
        "night",
        "shop",
        spec={"jobTemplate": {"spec": {"template": template}}},
    )
    found = isolate(
        shop(cron), "k8s:c1/batch/CronJob/shop/night", enforcement=PLAIN, action_id="a1"
    )
    assert found.contained
    assert found.steps[0].body["spec"]["podSelector"] == {"matchLabels": {"job": "x"}}
    assert any("no pod of CronJob shop/night runs now" in one for one in found.warnings)


def test_a_workload_without_pods_or_labels_of_its_own_has_no_step() -> None:
    template = {"metadata": {"labels": {}}, "spec": {"containers": []}}
    cron = made(
        "batch/v1",
        "CronJob",
        "night",
        "shop",
        spec={"jobTemplate": {"spec": {"template": template}}},
    )
    found = isolate(
        shop(cron), "k8s:c1/batch/CronJob/shop/night", enforcement=PLAIN, action_id="a1"
    )
    assert (found.contained, found.steps) == (False, ())


# After it was applied


def after(found: Plan, objects: list[Resource]) -> list[Object]:
    return applied([one.data for one in objects], found)


def seen(objects: list[Object], **more: Any) -> bool:
    more.setdefault("pods", ["web-0"])
    state = [resource_of(one) for one in objects]
    return verify(state, WORKLOAD, enforcement=PLAIN, action_id="a1", **more).contained


def test_what_was_applied_is_seen_to_hold() -> None:
    objects = shop(ALLOW_WEB)
    assert seen(after(plan(objects), objects))
    assert not seen([one.data for one in objects])


def test_labels_that_were_put_back_are_seen() -> None:
    objects = shop(ALLOW_WEB)
    state = after(plan(objects), objects)
    mine = next(one for one in state if one["metadata"]["name"] == "web-0")
    mine["metadata"]["labels"]["app"] = "web"
    assert not seen(state)


def test_policies_that_were_added_since_are_seen() -> None:
    objects = shop()
    assert not seen([*after(plan(objects), objects), ALLOW_ALL])


def test_pods_that_are_gone_pass_nothing() -> None:
    objects = shop()
    state = [one for one in after(plan(objects), objects) if one["metadata"]["name"] != "web-0"]
    assert seen(state)


def test_a_pod_that_its_controller_let_go_still_belongs_to_the_action() -> None:
    objects = shop(ALLOW_WEB)
    found = plan(objects, pods=None)
    state = after(found, objects)
    for one in state:
        if one["kind"] == "Pod" and one["metadata"]["name"].startswith("web"):
            one["metadata"].pop("ownerReferences")
    result = verify(
        [resource_of(one) for one in state], WORKLOAD, enforcement=PLAIN, action_id="a1"
    )
    assert all(one.because[0].startswith("new pods") for one in result.residual)


def test_a_plan_is_plain_data() -> None:
    found = plan(shop(ALLOW_WEB))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Plan) == found


@pytest.mark.parametrize("action", ["a1", "Ärger/../1", "x" * 300], ids=["plain", "odd", "long"])
def test_any_action_id_gives_valid_names(action: str) -> None:
    found = isolate(shop(), WORKLOAD, pods=["web-0"], enforcement=PLAIN, action_id=action)
    name = found.steps[0].body["metadata"]["name"]
    (label,) = found.steps[0].body["spec"]["podSelector"]["matchLabels"]
    assert len(name) <= 63
    assert len(label.rpartition("/")[2]) <= 63
    assert name.isascii()
