"""NetworkPolicies: what counts as open, and which protection cannot work."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.checks import network, policies
from haechi.checks.cidr import inside, is_everything
from haechi.checks.cidr import network as block
from haechi.checks.labels import map_selects, selects, wording
from tests.checks.object_reviews import messages

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: p, namespace: production}}
spec: {spec}
"""
POD = """
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: production, labels: {{app: {name}}}}}
spec: {{containers: [{{name: a, image: a, ports: [{{name: http, containerPort: 80}}]}}]}}
"""


def _policy(spec: str, *pods: str) -> str:
    return POLICY.format(spec=spec) + "".join(POD.format(name=name) for name in pods)


TWO_ITEMS = (
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {KEY: VALUE}}},"
    " {podSelector: {matchLabels: {tier: frontend}}}]}]}"
)
NAMESPACE = """
---
apiVersion: v1
kind: Namespace
metadata: {name: production, labels: {env: live}}
"""
DATABASE = """
---
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: {name: db, namespace: production}
"""
ANYWHERE_BUT_TEN = (
    "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]}"
)


@pytest.mark.parametrize("key", ["name", "kubernetes.io/metadata.name"])
def test_items_that_mean_or_within_the_own_namespace_void_the_pod_selector(key: str) -> None:
    text = _policy(TWO_ITEMS.replace("KEY", key).replace("VALUE", "production"))
    (found,) = messages(network.void_pod_selector, text)
    assert "any pod in namespace production is let through" in found
    assert "tier=frontend" in found
    assert messages(network.either_selector, text) == []


def test_items_that_mean_or_with_another_namespace_are_only_asked_about() -> None:
    text = _policy(TWO_ITEMS.replace("KEY", "name").replace("VALUE", "ingress"))
    assert messages(network.void_pod_selector, text) == []
    assert len(messages(network.either_selector, text)) == 1


def test_namespace_labels_in_the_scope_decide_whether_it_is_the_own_namespace() -> None:
    text = _policy(TWO_ITEMS.replace("KEY", "env").replace("VALUE", "live"))
    assert messages(network.void_pod_selector, text, "NetworkPolicy") == []
    assert len(messages(network.void_pod_selector, text + NAMESPACE, "NetworkPolicy")) == 1


@pytest.mark.parametrize(
    ("spec", "open_"),
    [
        ("{podSelector: {}, ingress: [{}]}", True),
        ("{podSelector: {}, ingress: [{from: []}]}", True),
        ("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}", False),
        ("{podSelector: {}, ingress: []}", False),
        ("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}", True),
        ("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}", True),
        (ANYWHERE_BUT_TEN, False),
    ],
)
def test_ingress_is_open_without_peers_and_ports(spec: str, open_: bool) -> None:
    assert bool(messages(network.open_ingress, _policy(spec))) is open_


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, {"Ingress"}),
        ({"egress": []}, {"Ingress"}),
        ({"egress": [{}]}, {"Ingress", "Egress"}),
        ({"policyTypes": ["Egress"]}, {"Egress"}),
        ({"policyTypes": []}, {"Ingress"}),
    ],
)
def test_policy_types_default_as_in_the_api_server(spec: Any, types: set[str]) -> None:
    assert policies.policy_types({"spec": spec}) == types


@pytest.mark.parametrize(
    ("ports", "reachable"),
    [("", True), (", ports: [{port: 443}]", False), (", ports: [{port: 1, endPort: 1024}]", True)],
)
def test_metadata_address_is_reachable_on_port_80_only(ports: str, reachable: bool) -> None:
    spec = f"{{podSelector: {{}}, egress: [{{to: [{{ipBlock: {{cidr: 0.0.0.0/0}}}}]{ports}}}]}}"
    assert bool(messages(network.metadata_reachable, _policy(spec))) is reachable


def test_pods_that_another_policy_lets_to_dns_can_resolve_names() -> None:
    deny = _policy("{podSelector: {}, policyTypes: [Egress]}", "cart", "web")
    dns = POLICY.format(
        spec="{podSelector: {matchLabels: {app: cart}}, egress: [{ports: [{port: 53}]}]}"
    )
    (found,) = messages(network.without_dns, f"{deny}---{dns}", "NetworkPolicy")
    assert 'Pod "web"' in found
    everyone = dns.replace("{matchLabels: {app: cart}}", "{}")
    assert messages(network.without_dns, f"{deny}---{everyone}", "NetworkPolicy") == []


def test_a_namespace_without_policy_is_told_once() -> None:
    pods = "".join(POD.format(name=name) for name in ("a", "b", "c"))
    assert len(messages(network.unisolated_namespace, pods)) == 1
    assert (
        messages(network.unisolated_namespace, pods + "---" + _policy("{podSelector: {}}"), "Pod")
        == []
    )


def test_nothing_is_concluded_where_an_operator_makes_pods() -> None:
    text = _policy("{podSelector: {matchLabels: {app: db}}}", "web")
    assert len(messages(network.selects_nothing, text, "NetworkPolicy")) == 1
    assert messages(network.selects_nothing, text + DATABASE, "NetworkPolicy") == []


def test_opening_a_declared_port_name_is_fine() -> None:
    spec = "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: NAME}]}]}"
    for name, count in (("http", 0), ("https", 1)):
        text = _policy(spec.replace("NAME", name), "web")
        assert len(messages(network.unknown_port_name, text, "NetworkPolicy")) == count


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        (None, False),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchLabels": {"app": "web", "pod-template-hash": "x"}}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": ["app"], "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Near"}]}, False),
    ],
)
def test_label_selectors_match_as_in_the_api_server(selector: Any, matches: bool) -> None:
    assert selects(selector, {"app": "web"}) is matches


def test_service_selector_that_is_empty_selects_nothing() -> None:
    assert not map_selects({}, {"app": "web"})
    assert map_selects({"app": "web"}, {"app": "web", "tier": "a"})


def test_selector_is_worded_as_kubectl_writes_it() -> None:
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "x", "operator": "Exists"},
        ],
    }
    assert wording(selector) == "app=web,tier In (a,b),x Exists"


def test_blocks_are_compared_within_their_family() -> None:
    ten, part, six = block("10.0.0.0/8"), block("10.1.0.0/16"), block("fd00::/8")
    assert ten and part and six
    assert inside(part, ten)
    assert not inside(ten, ten)
    assert not inside(six, ten)
    assert is_everything("0.0.0.0/0") and is_everything("::/0") and not is_everything(7)
