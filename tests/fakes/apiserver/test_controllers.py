"""The controllers: who makes pods, what isolation by a label does, what services point at."""

from __future__ import annotations

from typing import Any

import httpx
import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.apiserver.manifests import PODS, pod, workload

Json = dict[str, Any]
MERGE = {"content-type": "application/merge-patch+json"}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def pods(cluster: ApiServer, **labels: str) -> list[Json]:
    return [
        each
        for each in cluster.list("pods")
        if labels.items() <= (each["metadata"].get("labels") or {}).items()
    ]


def test_a_deployment_has_its_pods_running(cluster: ApiServer) -> None:
    cluster.put(workload("Deployment", "web", 3))
    found = pods(cluster, app="web")
    assert len(found) == 3
    assert {each["spec"]["nodeName"] for each in found} == {"node-1", "node-2"}
    addresses = {each["status"]["podIP"] for each in found}
    assert len(addresses) == 3
    replica_set = cluster.list("replicasets")[0]
    mark = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{mark}"
    for each in found:
        assert each["metadata"]["labels"]["pod-template-hash"] == mark
        assert each["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
    deployment = cluster.get("deployments", "web")
    assert deployment is not None
    assert deployment["status"]["readyReplicas"] == 3
    assert deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]


def test_a_pod_without_its_label_is_let_go_and_replaced(
    cluster: ApiServer, cluster_http: httpx.Client
) -> None:
    cluster.put(workload("Deployment", "web", 2))
    name = pods(cluster)[0]["metadata"]["name"]
    change = {"metadata": {"labels": {"app": None, "quarantine": "yes"}}}
    cluster_http.patch(f"{PODS}/{name}", json=change, headers=MERGE)
    isolated = cluster.get("pods", name)
    assert isolated is not None
    assert "ownerReferences" not in isolated["metadata"]
    assert isolated["status"]["phase"] == "Running"
    assert len(pods(cluster, app="web")) == 2
    # given back, it is one too many: taken in again, and the youngest of the three goes
    back = {"metadata": {"labels": {"app": "web", "quarantine": None}}}
    cluster_http.patch(f"{PODS}/{name}", json=back, headers=MERGE)
    assert len(pods(cluster)) == len(pods(cluster, app="web")) == 2
    assert cluster.get("pods", name) is not None


def test_a_new_template_rolls_and_a_scale_to_zero_empties(
    cluster: ApiServer, cluster_http: httpx.Client
) -> None:
    cluster.put(workload("Deployment", "web", 2))
    old = {each["metadata"]["name"] for each in pods(cluster)}
    containers = [{"name": "c", "image": "registry/app:2"}]
    change = {"spec": {"template": {"spec": {"containers": containers}}}}
    cluster_http.patch(f"{DEPLOYMENTS}/web", json=change, headers=MERGE)
    now = pods(cluster)
    assert not old & {each["metadata"]["name"] for each in now}
    assert {each["spec"]["containers"][0]["image"] for each in now} == {"registry/app:2"}
    assert sorted(each["spec"]["replicas"] for each in cluster.list("replicasets")) == [0, 2]
    scale = {"spec": {"replicas": 0}}
    answer = cluster_http.patch(f"{DEPLOYMENTS}/web/scale", json=scale, headers=MERGE)
    assert (answer.json()["kind"], answer.json()["spec"]["replicas"]) == ("Scale", 0)
    assert pods(cluster) == []


def test_a_deleted_pod_comes_again(cluster: ApiServer, cluster_http: httpx.Client) -> None:
    cluster.put(workload("StatefulSet", "db", 2, serviceName="db"))
    before = {each["metadata"]["name"]: each["metadata"]["uid"] for each in pods(cluster)}
    assert sorted(before) == ["db-0", "db-1"]
    cluster_http.delete(f"{PODS}/db-0")
    after = {each["metadata"]["name"]: each["metadata"]["uid"] for each in pods(cluster)}
    assert sorted(after) == ["db-0", "db-1"]
    assert after["db-0"] != before["db-0"]


def test_daemons_run_on_cordoned_nodes_and_others_do_not(
    cluster: ApiServer, cluster_http: httpx.Client
) -> None:
    cordon = {"spec": {"unschedulable": True}}
    cluster_http.patch("/api/v1/nodes/node-1", json=cordon, headers=MERGE)
    cluster.put(workload("DaemonSet", "agent"))
    cluster.put(workload("Deployment", "web", 3))
    on = {
        name: {p["spec"]["nodeName"] for p in pods(cluster, app=name)} for name in ("agent", "web")
    }
    assert on == {"agent": {"node-1", "node-2"}, "web": {"node-2"}}


def test_a_job_ends_with_its_pods(cluster: ApiServer) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {
            "template": {
                "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}
            }
        },
    }
    cluster.put(job)
    (running,) = pods(cluster)
    cluster.put(running | {"status": running["status"] | {"phase": "Succeeded"}})
    done = cluster.get("jobs", "once")
    assert done is not None
    assert [each["type"] for each in done["status"]["conditions"]] == ["Complete"]
    assert len(pods(cluster)) == 1


def test_slices_follow_the_pods_of_a_service(
    cluster: ApiServer, cluster_http: httpx.Client
) -> None:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    made = cluster.put(service)
    assert made["spec"]["clusterIP"].startswith("10.96.")
    cluster.put(workload("Deployment", "web", 2))

    def told() -> set[str]:
        (found,) = cluster.list("endpointslices")
        return {address for each in found.get("endpoints", ()) for address in each["addresses"]}

    assert told() == {each["status"]["podIP"] for each in pods(cluster)}
    cluster_http.patch(f"{DEPLOYMENTS}/web", json={"spec": {"replicas": 1}}, headers=MERGE)
    assert len(told()) == 1
    (found,) = cluster.list("endpointslices")
    assert found["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]


def test_pods_no_node_takes_wait(cluster: ApiServer) -> None:
    cluster.put(pod("p", nodeSelector={"disk": "ssd"}))
    waiting = cluster.get("pods", "p")
    assert waiting is not None
    assert "nodeName" not in waiting["spec"]
    node = cluster.get("nodes", "node-2")
    assert node is not None
    labels = node["metadata"]["labels"] | {"disk": "ssd"}
    cluster.put(node | {"metadata": node["metadata"] | {"labels": labels}})
    cluster.put(pod("q", nodeSelector={"disk": "ssd"}))
    placed = cluster.get("pods", "q")
    assert placed is not None
    assert placed["spec"]["nodeName"] == "node-2"


def test_a_pod_of_an_unknown_account_is_forbidden(
    cluster: ApiServer, cluster_http: httpx.Client
) -> None:
    refused = cluster_http.post(PODS, json=pod("p", serviceAccountName="nobody"))
    assert refused.status_code == 403
    assert 'serviceaccount "nobody" not found' in refused.json()["message"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_what_the_controllers_make_is_valid(cluster: ApiServer, kind: str) -> None:
    """By the schemas of kubernetes-validate, strictly, with its own validator."""
    cluster.put(
        workload(kind, "web", serviceName="web") if kind == "StatefulSet" else workload(kind, "web")
    )
    made = [body for _, _, body in cluster.world.store.each()]
    seen = set()
    for body in made:
        if body["kind"] not in seen:
            seen.add(body["kind"])
            kubernetes_validate.validate(body, "1.32", strict=True)
    assert {kind, "Pod", "Namespace", "Node", "ServiceAccount"} <= seen
