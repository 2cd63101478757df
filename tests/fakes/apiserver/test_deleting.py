"""Deletion, eviction and what follows: preconditions, grace, finalizers, budgets, dependents."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.apiserver.manifests import (
    CONFIGS,
    PODS,
    budget,
    config,
    eviction,
    pod,
    running,
    workload,
)

Json = dict[str, Any]
MERGE = {"content-type": "application/merge-patch+json"}


def delete(http: httpx.Client, path: str, **options: Any) -> httpx.Response:
    body = {"kind": "DeleteOptions", "apiVersion": "v1"} | options
    return http.request("DELETE", path, json=body)


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
def test_a_precondition_that_does_not_hold_stops_a_deletion(
    server: ApiServer, http: httpx.Client, field: str
) -> None:
    meta = server.put(config("c"))["metadata"]
    refused = delete(http, f"{CONFIGS}/c", preconditions={field: "other"})
    assert refused.status_code == 409
    assert "Precondition failed:" in refused.json()["message"]
    done = delete(http, f"{CONFIGS}/c", preconditions={field: meta[field]})
    assert done.status_code == 200
    assert done.json()["details"] == {"name": "c", "kind": "configmaps", "uid": meta["uid"]}
    assert delete(http, f"{CONFIGS}/c").status_code == 404


def test_a_running_pod_is_given_its_grace(server: ApiServer, http: httpx.Client) -> None:
    server.put(running("p"))
    leaving = delete(http, f"{PODS}/p").json()["metadata"]
    assert leaving["deletionGracePeriodSeconds"] == 30
    assert server.get("pods", "p") is not None
    delete(http, f"{PODS}/p", gracePeriodSeconds=0)
    assert server.get("pods", "p") is None


def test_a_pod_not_yet_on_a_node_goes_at_once(server: ApiServer, http: httpx.Client) -> None:
    server.put(pod("p"))
    delete(http, f"{PODS}/p")
    assert server.get("pods", "p") is None


def test_a_slow_node_ends_pods_when_their_grace_is_over(
    cluster: ApiServer, cluster_http: httpx.Client
) -> None:
    assert cluster.kubelet is not None
    cluster.kubelet.prompt = False
    cluster.put(pod("p"))
    delete(cluster_http, f"{PODS}/p")
    cluster.advance(29)
    assert cluster.get("pods", "p") is not None
    cluster.advance(2)
    assert cluster.get("pods", "p") is None


def test_finalizers_hold_an_object_until_they_are_gone(
    server: ApiServer, http: httpx.Client
) -> None:
    body = config("c")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    server.put(body)
    assert delete(http, f"{CONFIGS}/c").json()["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    refused = http.patch(f"{CONFIGS}/c", json=more, headers=MERGE)
    assert refused.status_code == 422
    assert "no new finalizers can be added if the object is being deleted" in refused.text
    http.patch(f"{CONFIGS}/c", json={"metadata": {"finalizers": None}}, headers=MERGE)
    assert server.get("configmaps", "c") is None


def test_delete_collection_takes_what_is_selected(server: ApiServer, http: httpx.Client) -> None:
    for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
        server.put(pod(name, {"app": app}))
    http.delete(PODS, params={"labelSelector": "app=x"})
    assert [each["metadata"]["name"] for each in server.list("pods")] == ["c"]


# -- eviction


def evict(http: httpx.Client, name: str, **more: Any) -> httpx.Response:
    return http.post(f"{PODS}/{name}/eviction", json=eviction(name, **more))


def three(server: ApiServer, **spec: Any) -> None:
    for n in range(3):
        server.put(running(f"p{n}", {"app": "a"}))
    server.put(budget("b", "a", **spec))


def test_eviction_spends_the_budget_and_then_waits(server: ApiServer, http: httpx.Client) -> None:
    three(server, minAvailable=2)
    first = evict(http, "p0")
    assert (first.status_code, first.json()["status"]) == (201, "Success")
    second = evict(http, "p1")
    assert second.status_code == 429
    said = second.json()
    assert said["reason"] == "TooManyRequests"
    assert said["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert said["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget b needs 2 healthy pods and has 2 currently",
        }
    ]


def test_a_dry_eviction_asks_the_budget_and_spends_nothing(
    server: ApiServer, http: httpx.Client
) -> None:
    three(server, minAvailable=2)
    dry = {"deleteOptions": {"dryRun": ["All"]}}
    assert [evict(http, f"p{n}", **dry).status_code for n in range(3)] == [201] * 3
    assert not any(each["metadata"].get("deletionTimestamp") for each in server.list("pods"))
    server.put(budget("b", "a", minAvailable=3))
    assert evict(http, "p0", **dry).status_code == 429


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"minAvailable": 3}, 0),
        ({"minAvailable": "50%"}, 1),
        ({"maxUnavailable": 1}, 1),
        ({"maxUnavailable": "100%"}, 3),
        ({"maxUnavailable": 0}, 0),
    ],
    ids=str,
)
def test_budgets_count_as_the_controller_does(
    cluster: ApiServer, cluster_http: httpx.Client, spec: Json, allowed: int
) -> None:
    cluster.put(workload("Deployment", "a", 3))
    cluster.put(budget("b", "a", **spec))
    body = cluster_http.get("/apis/policy/v1/namespaces/default/poddisruptionbudgets/b").json()
    assert body["status"]["disruptionsAllowed"] == allowed
    assert (body["status"]["expectedPods"], body["status"]["currentHealthy"]) == (3, 3)


def test_two_budgets_over_a_pod_are_an_error(server: ApiServer, http: httpx.Client) -> None:
    three(server, minAvailable=1)
    server.put(budget("c", "a", minAvailable=1))
    refused = evict(http, "p0")
    assert refused.status_code == 500
    assert "more than one PodDisruptionBudget" in refused.json()["message"]


def test_what_no_budget_protects_is_evicted(server: ApiServer, http: httpx.Client) -> None:
    three(server, minAvailable=3)
    body = pod("done", {"app": "a"}) | {"status": {"phase": "Succeeded"}}
    server.put(body)
    assert evict(http, "done").status_code == 201
    assert evict(http, "none").status_code == 404
    wrong = http.post(f"{PODS}/p0/eviction", json=eviction("p1"))
    assert wrong.status_code == 400


# -- dependents


def test_dependents_go_with_their_owner(cluster: ApiServer, cluster_http: httpx.Client) -> None:
    cluster.put(workload("Deployment", "web", 2))
    assert len(cluster.list("pods")) == 2
    cluster_http.delete("/apis/apps/v1/namespaces/default/deployments/web")
    assert cluster.list("replicasets") == []
    assert cluster.list("pods") == []


@pytest.mark.parametrize(("policy", "pods"), [("Orphan", 2), ("Foreground", 0), ("Background", 0)])
def test_propagation_policies(
    cluster: ApiServer, cluster_http: httpx.Client, policy: str, pods: int
) -> None:
    cluster.put(workload("ReplicaSet", "web", 2))
    path = "/apis/apps/v1/namespaces/default/replicasets/web"
    assert delete(cluster_http, path, propagationPolicy=policy).status_code == 200
    assert cluster.get("replicasets", "web") is None
    left = cluster.list("pods")
    assert len(left) == pods
    assert not any(each["metadata"].get("ownerReferences") for each in left)


def test_a_namespace_goes_with_its_content(cluster: ApiServer, cluster_http: httpx.Client) -> None:
    cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})
    held = config("c")
    held["metadata"] |= {"namespace": "x", "finalizers": ["example.com/hold"]}
    cluster.put(held)
    cluster_http.delete("/api/v1/namespaces/x")
    space = cluster.get("namespaces", "x")
    assert space is not None
    assert space["status"]["phase"] == "Terminating"
    late = cluster_http.post("/api/v1/namespaces/x/configmaps", json=config("late"))
    assert late.status_code == 403
    assert "because it is being terminated" in late.json()["message"]
    change = {"metadata": {"finalizers": None}}
    cluster_http.patch("/api/v1/namespaces/x/configmaps/c", json=change, headers=MERGE)
    assert cluster.get("namespaces", "x") is None
