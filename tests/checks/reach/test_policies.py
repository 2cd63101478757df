"""What each kind of policy lets through, as its documents say, one table for each kind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.reach import Enforcement
from haechi.checks.reach.network import policies_of
from haechi.checks.reach.ports import ports
from haechi.checks.reach.talk import may_talk
from tests.checks.reach.things import (
    ADMIN,
    CILIUM,
    PLAIN,
    TIERS,
    admin,
    cilium,
    cluster,
    named,
    network,
    network_policy,
    pod,
    space,
    words,
)
from tests.respond.clusters import Object, case_of, resource_of

EVERYONE = ["any address outside: any", "nodes: any", "pods of any namespace: any"]
HTTP = [{"name": "http", "containerPort": 8080}]
BASE = (space("shop", team="a"), space("pay", team="b"), pod("web", ports=HTTP), pod("db", "pay"))

PLAIN_CASES = {
    "nothing selects it": ("{podSelector: {matchLabels: {app: db}}}", "ingress", EVERYONE),
    "no types: ingress": ("{podSelector: {}}", "ingress", []),
    "no types: not egress": ("{podSelector: {}}", "egress", EVERYONE),
    "no types: egress by its rules": ("{podSelector: {}, egress: [{}]}", "ingress", []),
    "types win": ("{policyTypes: [Egress], ingress: [{}]}", "ingress", EVERYONE),
    "rules of a direction left out": ("{policyTypes: [Ingress], egress: [{}]}", "ingress", []),
    "empty rule": ("{ingress: [{}]}", "ingress", EVERYONE),
    "null rule": ("{ingress: [null]}", "ingress", EVERYONE),
    "ports only": (
        "{ingress: [{ports: [{port: 80}]}]}",
        "ingress",
        ["any address outside: tcp/80", "nodes: tcp/80", "pods of any namespace: tcp/80"],
    ),
    "own namespace": (
        "{ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]}",
        "ingress",
        ["namespace shop pods app=a: any"],
    ),
    "two selectors in one item": (
        "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {}}]}]}",
        "ingress",
        ["namespaces team=b pods (all): any"],
    ),
    "two items": (
        "{ingress: [{from: [{namespaceSelector: {}}, {podSelector: {}}]}]}",
        "ingress",
        ["namespace shop pods (all): any", "pods of any namespace: any"],
    ),
    "named port of the pod": (
        "{ingress: [{from: [{podSelector: {}}], ports: [{port: http}]}]}",
        "ingress",
        ["namespace shop pods (all): tcp/8080"],
    ),
    "named port it has not": (
        "{ingress: [{from: [{podSelector: {}}], ports: [{port: dns}]}]}",
        "ingress",
        [],
    ),
    "named port of the peer": (
        "{egress: [{to: [{podSelector: {}}], ports: [{port: web, protocol: UDP}]}]}",
        "egress",
        ["namespace shop pods (all): udp/web"],
    ),
    "range of ports": (
        "{ingress: [{from: [{podSelector: {}}], ports: [{port: 80, endPort: 90}]}]}",
        "ingress",
        ["namespace shop pods (all): tcp/80-90"],
    ),
    "block without a part": (
        "{egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.128.0.0/9]}}]}]}",
        "egress",
        [
            "10.0.0.0/9: any",
            "nodes in 10.0.0.0/9: any",
            "pods of any namespace: any",
        ],
    ),
}


@pytest.mark.parametrize("name", PLAIN_CASES)
def test_network_policy(name: str) -> None:
    spec, direction, expected = PLAIN_CASES[name]
    assert words(network(*BASE, network_policy(spec)), "web", direction, PLAIN) == expected


PRIORITY = "subject: {namespaces: {}}, priority"
DENY_PODS = "{action: Deny, from: [{namespaces: {}}]}"
ADMIN_CASES: dict[str, tuple[list[Object], str, list[str]]] = {
    "deny of pods leaves the rest": (
        [admin(f"{{{PRIORITY}: 5, ingress: [{DENY_PODS}]}}")],
        "ingress",
        ["any address outside: any", "nodes: any"],
    ),
    "an earlier allow wins": (
        [
            admin(f"{{{PRIORITY}: 5, ingress: [{DENY_PODS}]}}"),
            admin(
                f"{{{PRIORITY}: 4, ingress: [{{action: Allow, from: [{{namespaces: "
                "{matchLabels: {team: b}}}], ports: [{portNumber: {protocol: TCP, port: 80}}]}]}",
                "first",
            ),
        ],
        "ingress",
        [
            "any address outside: any",
            "namespaces team=b pods (all): tcp/80",
            "nodes: any",
        ],
    ),
    "a later allow does not": (
        [
            admin(f"{{{PRIORITY}: 5, ingress: [{DENY_PODS}]}}"),
            admin(
                f"{{{PRIORITY}: 6, ingress: [{{action: Allow, from: [{{namespaces: {{}}}}]}}]}}",
                "b",
            ),
        ],
        "ingress",
        ["any address outside: any", "nodes: any"],
    ),
    "of equals either may win": (
        [
            admin(f"{{{PRIORITY}: 5, ingress: [{DENY_PODS}]}}"),
            admin(
                f"{{{PRIORITY}: 5, ingress: [{{action: Allow, from: [{{namespaces: {{}}}}]}}]}}",
                "b",
            ),
        ],
        "ingress",
        EVERYONE,
    ),
    "a pass leaves the tier": (
        [
            admin(
                f"{{{PRIORITY}: 5, ingress: [{{action: Pass, from: [{{namespaces: {{}}}}]}}, "
                f"{DENY_PODS}]}}"
            ),
            network_policy("{ingress: [{from: [{podSelector: {}}]}]}"),
        ],
        "ingress",
        ["namespace shop pods (all): any"],
    ),
    "a deny wins over a NetworkPolicy": (
        [
            admin(f"{{{PRIORITY}: 5, ingress: [{DENY_PODS}]}}"),
            network_policy("{ingress: [{from: [{podSelector: {}}]}]}"),
        ],
        "ingress",
        [],
    ),
    "a baseline deny does not": (
        [
            admin(
                f"{{subject: {{namespaces: {{}}}}, ingress: [{DENY_PODS}]}}",
                "default",
                "BaselineAdminNetworkPolicy",
            ),
            network_policy("{ingress: [{from: [{podSelector: {}}]}]}"),
        ],
        "ingress",
        ["namespace shop pods (all): any"],
    ),
    "a baseline deny closes the rest": (
        [
            admin(
                f"{{subject: {{namespaces: {{}}}}, ingress: [{DENY_PODS}]}}",
                "default",
                "BaselineAdminNetworkPolicy",
            )
        ],
        "ingress",
        ["any address outside: any", "nodes: any"],
    ),
    "networks mean pods and nodes, too": (
        [
            admin(
                f"{{{PRIORITY}: 5, egress: [{{action: Deny, to: "
                "[{networks: [0.0.0.0/0, '::/0']}]}]}"
            )
        ],
        "egress",
        [],
    ),
    "networks of one family leave the other": (
        [admin(f"{{{PRIORITY}: 5, egress: [{{action: Deny, to: [{{networks: [0.0.0.0/0]}}]}}]}}")],
        "egress",
        ["::/0: any", "nodes in ::/0: any", "pods of any namespace: any"],
    ),
}


@pytest.mark.parametrize("name", ADMIN_CASES)
def test_admin_and_baseline_policies(name: str) -> None:
    policies, direction, expected = ADMIN_CASES[name]
    assert words(network(*BASE, *policies), "web", direction, ADMIN) == expected


def test_cluster_network_policy_speaks_as_its_tier_says() -> None:
    deny = "ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{udp: {}}]}]"
    late = cluster(f"{{tier: Baseline, priority: 1, subject: {{namespaces: {{}}}}, {deny}}}")
    found = network(*BASE, late)
    assert "pods of any namespace: other protocols,sctp/any,tcp/any" in words(
        found, "web", "ingress", TIERS
    )
    opened = network(*BASE, late, network_policy("{ingress: [{from: [{podSelector: {}}]}]}"))
    assert words(opened, "web", "ingress", TIERS) == ["namespace shop pods (all): any"]


CILIUM_CASES: dict[str, tuple[list[Object], str, list[str]]] = {
    "an empty rule closes": ([cilium("{endpointSelector: {}, ingress: [{}]}")], "ingress", []),
    "no section, no effect": ([cilium("{endpointSelector: {}}")], "ingress", EVERYONE),
    "endpoints mean the own namespace": (
        [cilium("{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}")],
        "ingress",
        ["namespace shop pods (all): any"],
    ),
    "endpoints of another namespace": (
        [
            cilium(
                "{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: "
                "{'k8s:io.kubernetes.pod.namespace': pay, 'k8s:app': db}}]}]}"
            )
        ],
        "ingress",
        ["namespace pay pods app=db: any"],
    ),
    "clusterwide endpoints mean all": (
        [cilium("{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}", where=None)],
        "ingress",
        ["pods of any namespace: any"],
    ),
    "ports without peers mean everyone": (
        [cilium("{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80'}]}]}]}")],
        "ingress",
        [
            f"{who}: sctp/80,tcp/80,udp/80"
            for who in ("any address outside", "nodes", "pods of any namespace")
        ],
    ),
    "layer 7 counts as an allow": (
        [
            cilium(
                "{endpointSelector: {}, ingress: [{fromEndpoints: [{}], toPorts: [{ports: "
                "[{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}]}"
            )
        ],
        "ingress",
        ["namespace shop pods (all): tcp/80"],
    ),
    "a deny wins over a NetworkPolicy": (
        [
            cilium("{endpointSelector: {}, ingressDeny: [{fromEntities: [all]}]}"),
            network_policy("{ingress: [{}]}"),
        ],
        "ingress",
        [],
    ),
    "the world is not the cluster": (
        [
            cilium(
                "{endpointSelector: {}, enableDefaultDeny: {ingress: false}, "
                "ingressDeny: [{fromEntities: [world]}]}"
            )
        ],
        "ingress",
        ["nodes: any", "pods of any namespace: any"],
    ),
    "a block is no pod": (
        [cilium("{endpointSelector: {}, egress: [{toCIDR: [10.0.0.0/8]}]}")],
        "egress",
        ["10.0.0.0/8: any", "nodes in 10.0.0.0/8: any"],
    ),
    "a name may be any address": (
        [cilium("{endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.example}]}]}")],
        "egress",
        ["any address outside: any", "nodes: any"],
    ),
    "host and API server are nodes at most": (
        [cilium("{endpointSelector: {}, ingress: [{fromEntities: [host]}]}")],
        "ingress",
        ["nodes: any"],
    ),
    "a deny of the host is not one of all nodes": (
        [
            cilium(
                "{endpointSelector: {}, ingress: [{fromEntities: [all]}], "
                "ingressDeny: [{fromEntities: [host, kube-apiserver]}]}"
            )
        ],
        "ingress",
        EVERYONE,
    ),
    "of several specs each counts": (
        [
            {
                **cilium("{}"),
                "spec": None,
                "specs": [
                    {"endpointSelector": {}, "ingress": [{}]},
                    {"endpointSelector": {}, "ingress": [{"fromEntities": ["host"]}]},
                ],
            }
        ],
        "ingress",
        ["nodes: any"],
    ),
}


@pytest.mark.parametrize("name", CILIUM_CASES)
def test_cilium_policies(name: str) -> None:
    policies, direction, expected = CILIUM_CASES[name]
    assert words(network(*BASE, *policies), "web", direction, CILIUM) == expected


@pytest.mark.parametrize(
    "enforcement",
    [Enforcement(), Enforcement(plugin="flannel", network_policy=False), CILIUM],
    ids=["not known", "not enforced", "by another's rules"],
)
def test_a_deny_that_is_not_surely_obeyed_closes_nothing(enforcement: Enforcement) -> None:
    everything = "[{networks: [0.0.0.0/0, '::/0']}]"
    policy = admin(f"{{{PRIORITY}: 0, egress: [{{action: Deny, to: {everything}}}]}}")
    assert words(network(*BASE, policy), "web", "egress", enforcement) == EVERYONE


def test_a_pod_on_its_nodes_network_is_governed_by_nothing() -> None:
    found = network(space("shop"), pod("web", host=True), network_policy("{}"))
    assert words(found, "web", "ingress", PLAIN) == EVERYONE


def test_a_namespace_that_was_not_read_may_have_any_label() -> None:
    policies = (
        admin(
            "{subject: {namespaces: {matchLabels: {team: x}}}, priority: 0, "
            "ingress: [{action: Allow, from: [{namespaces: {}}]}]}"
        ),
        network_policy("{}"),
    )
    assert words(network(pod("web"), *policies), "web", "ingress", ADMIN) == [
        "pods of any namespace: any"
    ]
    known = network(space("shop", team="a"), pod("web"), *policies)
    assert words(known, "web", "ingress", ADMIN) == []


def test_two_pods_talk_where_the_one_may_send_and_the_other_receives() -> None:
    found = network(
        *BASE,
        network_policy("{egress: [{to: [{namespaceSelector: {}}], ports: [{port: 5432}]}]}"),
        network_policy("{ingress: [{ports: [{port: 5000, endPort: 6000}]}]}", "in", "pay"),
    )
    web, db = named(found, "web"), named(found, "db")
    assert may_talk(found, web, db, PLAIN) == ports([("TCP", 5432, 5432)], ())
    assert not may_talk(found, db, web, PLAIN)
    assert str(may_talk(found, db, db, PLAIN)) == "any"


ODD: dict[str, Any] = {
    "direction that is no list": {"podSelector": {}, "ingress": "all"},
    "unknown type": {"podSelector": {}, "policyTypes": ["ingress"]},
    "unknown field of a peer": {"ingress": [{"from": [{"serviceSelector": {}}]}]},
    "empty peer": {"ingress": [{"from": [{}]}]},
    "exception outside its block": {
        "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]}]
    },
    "port that is none": {"ingress": [{"ports": [{"port": 0}]}]},
    "range of a name": {"ingress": [{"ports": [{"port": "http", "endPort": 90}]}]},
    "protocol that is none": {"ingress": [{"ports": [{"protocol": "ICMP"}]}]},
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_read_is_not_known(name: str) -> None:
    policy = {**network_policy("{}", "odd"), "spec": ODD[name]}
    found = network(*BASE, policy)
    (why,) = found.unknown(named(found, "web"))
    assert why.startswith("NetworkPolicy shop/odd cannot be read: ")
    assert not list(found.unknown(named(found, "db")))


@pytest.mark.parametrize(
    ("api", "kind", "space_of", "known"),
    [
        ("crd.projectcalico.org/v1", "GlobalNetworkPolicy", None, False),
        ("crd.projectcalico.org/v1", "NetworkPolicy", "shop", False),
        ("crd.projectcalico.org/v1", "NetworkPolicy", "pay", True),
        ("projectcalico.org/v3", "StagedNetworkPolicy", "shop", True),
        ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", None, False),
    ],
)
def test_a_policy_of_another_maker_is_not_known(
    api: str, kind: str, space_of: str | None, known: bool
) -> None:
    metadata = {"name": "x", **({"namespace": space_of} if space_of else {})}
    foreign = {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": {}}
    found = network(*BASE, foreign)
    assert (not list(found.unknown(named(found, "web")))) is known


WORDS = (
    *("podSelector", "ingress", "egress", "from", "to", "ports", "port", "endPort", "ipBlock"),
    *("cidr", "except", "matchLabels", "matchExpressions", "key", "operator", "values", "subject"),
    *("namespaces", "pods", "priority", "action", "tier", "protocols", "tcp", "networks"),
    *("endpointSelector", "fromEndpoints", "toPorts", "fromEntities", "ingressDeny"),
    *("fromCIDRSet", "policyTypes", "namespaceSelector", "namespaceSelector"),
)


@pytest.mark.parametrize(
    "peer",
    ["{namespaces: {namespaceSelector: {}}}", "{pods: {namespaces: {}, podSelector: {}}}"],
    ids=["namespaces", "pods"],
)
def test_shapes_of_old_versions_are_not_read_as_everything(peer: str) -> None:
    policy = admin(f"{{{PRIORITY}: 0, ingress: [{{action: Deny, from: [{peer}]}}]}}")
    found = network(*BASE, policy)
    assert list(found.unknown(named(found, "web")))
    assert words(found, "web", "ingress", ADMIN) == EVERYONE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70_000) | st.sampled_from(("", "a", "10.0.0.0/8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KINDS = (
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
    ("cilium.io/v2", "CiliumNetworkPolicy"),
)


ODD_VALUES: tuple[Any, ...] = (None, 7, "x", [], {}, [[]], [{}], {"a": []}, [None], {1: 2})


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
@pytest.mark.parametrize("seed", range(12))
def test_no_odd_value_anywhere_makes_a_reader_fail(seed: int, odd: Any) -> None:
    for policy in (one for one in case_of(seed).objects if one["kind"].endswith("Policy")):
        for path in _paths(policy["spec"]):
            changed = copy.deepcopy(policy)
            holder = changed["spec"]
            for part in path[:-1]:
                holder = holder[part]
            holder[path[-1]] = odd
            assert all(one.label for one in policies_of(resource_of(changed)))


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield (*before, key)
        if isinstance(one, dict | list):
            yield from _paths(one, (*before, key))


@given(kind=st.sampled_from(KINDS), spec=JSON)
def test_no_policy_makes_a_reader_fail(kind: tuple[str, str], spec: Any) -> None:
    body = {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": "x"}, "spec": spec}
    for policy in policies_of(resource_of(body)):
        assert policy.label
