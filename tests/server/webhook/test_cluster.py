"""The webhook as an API server meets it: registered, trusted, asked, over restarts of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from haechi.server.webhook.certificates.bundle import Trust
from haechi.server.webhook.sources.cluster import ClusterSource
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.config import from_kubeconfig
from tests.fakes.apiserver import ApiServer
from tests.server.webhook.conftest import Running, Start, trial

Json = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"
RULES = [
    {
        "apiGroups": [""],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["pods"],
        "scope": "*",
    }
]


def configuration(kind: str, path: str, *groups: tuple[str, str]) -> Json:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "haechi-webhook"},
        "webhooks": [
            {
                "name": f"{group}.{kind.lower()}.haechi.dev",
                "clientConfig": {
                    "service": {
                        "namespace": "haechi",
                        "name": "haechi-webhook",
                        "path": f"/{path}/{group}",
                    }
                },
                "rules": RULES,
                "failurePolicy": policy,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 5,
            }
            for group, policy in groups
        ],
    }


BOTH = (("fail", "Fail"), ("ignore", "Ignore"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ApiServer]:
    with ApiServer(controllers=False) as server:
        yield server
        assert server.bugs == []


def access(cluster: ApiServer, tmp_path: Path) -> KubernetesClient:
    path = tmp_path / "kubeconfig"
    cluster.kubeconfig(path)
    return KubernetesClient(from_kubeconfig(path))


@pytest.fixture
def client(cluster: ApiServer, tmp_path: Path) -> Iterator[KubernetesClient]:
    with access(cluster, tmp_path) as made:
        yield made


def serve(webhook: Start, cluster: ApiServer, client: KubernetesClient, *policies: Json) -> Running:
    running = webhook(*policies, trust=Trust(client, "haechi-webhook"), wait=False)
    cluster.route("haechi", "haechi-webhook", f"127.0.0.1:{running.port}")
    return running


def pod(name: str, **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {"containers": [{"name": "c", "image": "registry.example/a:1"}]},
    }


def create(cluster: ApiServer, name: str, query: str = "") -> httpx.Response:
    return httpx.post(f"{cluster.url}{PODS}{query}", json=pod(name), trust_env=False)


def test_it_is_ready_once_api_servers_trust_it_and_not_before(
    webhook: Start, cluster: ApiServer, client: KubernetesClient
) -> None:
    running = serve(webhook, cluster, client, trial("strict", "refuses_bad"))
    running.wait(lambda: running.hook.pool.loaded)
    running.wait(lambda: "no webhook configuration" in str(running.ready()[1]["why"]))
    cluster.put(configuration("Validating", "admit", *BOTH))
    running.wait(lambda: running.ready()[0])
    bundles = {
        hook["clientConfig"]["caBundle"]
        for hook in cluster.list("validatingwebhookconfigurations")[0]["webhooks"]
    }
    assert len(bundles) == 1
    assert create(cluster, "bad").status_code == 403
    assert create(cluster, "good").status_code == 201
    calls = [(call.webhook, call.allowed, call.error) for call in cluster.webhooks.calls]
    assert ("fail.validating.haechi.dev", False, "") in calls
    assert all(error == "" for _, _, error in calls)


def test_deny_warn_dry_run_update_delete_and_mutation(
    webhook: Start, cluster: ApiServer, client: KubernetesClient
) -> None:
    cluster.put(configuration("Validating", "admit", *BOTH))
    cluster.put(configuration("Mutating", "mutate", ("ignore", "Ignore")))
    labels = {
        "apiVersion": "haechi.dev/v1alpha1",
        "kind": "Labels",
        "metadata": {"name": "team"},
    }
    running = serve(
        webhook,
        cluster,
        client,
        trial("strict", "refuses_bad"),
        trial("mild", "refuses_bad", effect="warn", failure="Ignore"),
        trial("broken", "raises", failure="Ignore"),
        labels,
    )
    running.wait(lambda: running.ready()[0])
    refused = create(cluster, "bad")
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        'admission webhook "fail.validating.haechi.dev" denied the request: [rules/strict] not here'
    )
    warned = create(cluster, "raise")
    assert (warned.status_code, warned.json()["metadata"]["labels"]) == (201, {"team": "a"})
    assert "ValueError: as asked" in warned.headers["warning"]
    assert create(cluster, "dry", "?dryRun=All").status_code == 201
    assert cluster.get("pods", "dry", "default") is None
    changed = httpx.put(
        f"{cluster.url}{PODS}/raise",
        json=pod("raise", annotations={"a": "b"}),
        trust_env=False,
    )
    assert changed.status_code == 200, changed.text
    assert httpx.delete(f"{cluster.url}{PODS}/raise", trust_env=False).status_code == 200
    told = {(call.operation, call.dry) for call in cluster.webhooks.calls}
    assert {("CREATE", True), ("CREATE", False), ("UPDATE", False), ("DELETE", False)} <= told
    assert running.total("unjudged") == 0


def test_a_stopped_webhook_refuses_where_it_fails_closed_and_is_no_outage_where_not(
    webhook: Start, cluster: ApiServer, client: KubernetesClient
) -> None:
    cluster.put(configuration("Validating", "admit", BOTH[1]))
    running = serve(webhook, cluster, client, trial("strict", "refuses_bad", failure="Ignore"))
    running.wait(lambda: running.ready()[0])
    assert create(cluster, "bad").status_code == 403
    running.stop()
    assert create(cluster, "bad").status_code == 201
    closed = configuration("Validating", "admit", *BOTH)
    cluster.put(closed)
    assert create(cluster, "good").status_code == 500


def test_a_restart_of_the_api_server_changes_nothing(
    webhook: Start, cluster: ApiServer, client: KubernetesClient
) -> None:
    cluster.put(configuration("Validating", "admit", *BOTH))
    running = serve(webhook, cluster, client, trial("strict", "refuses_bad"))
    running.wait(lambda: running.ready()[0])
    cluster.kill()
    running.wait(lambda: running.ready()[1]["certificate_fault"])
    assert running.ready()[0] is True  # what is served is as right as before
    cluster.start()
    assert create(cluster, "bad").status_code == 403
    running.wait(lambda: not running.ready()[1]["certificate_fault"])


def test_a_bundle_that_somebody_emptied_is_written_again(
    webhook: Start, cluster: ApiServer, client: KubernetesClient
) -> None:
    cluster.put(configuration("Validating", "admit", *BOTH))
    running = serve(webhook, cluster, client, trial("strict", "refuses_bad"))
    running.wait(lambda: running.ready()[0])
    cluster.put(configuration("Validating", "admit", *BOTH))

    def written() -> bool:
        hooks = cluster.list("validatingwebhookconfigurations")[0]["webhooks"]
        return all(hook["clientConfig"].get("caBundle") for hook in hooks)

    running.wait(written)
    assert create(cluster, "bad").status_code == 403


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "trials.haechi.dev"},
    "spec": {
        "group": "haechi.dev",
        "names": {"kind": "Trial", "plural": "trials"},
        "scope": "Cluster",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


def test_policies_and_namespaces_come_from_the_cluster(
    webhook: Start, cluster: ApiServer, client: KubernetesClient
) -> None:
    cluster.put(CRD)
    cluster.put(trial("locks", "asks"))
    cluster.put(configuration("Validating", "admit", *BOTH))
    source = ClusterSource(client.access, quiet_s=0.05)
    running = webhook(source=source, trust=Trust(client, "haechi-webhook"), wait=False)
    source.tell = running.hook.tell
    cluster.route("haechi", "haechi-webhook", f"127.0.0.1:{running.port}")
    running.wait(lambda: running.ready()[0])
    assert create(cluster, "first").status_code == 201
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
    space["metadata"]["labels"] = {"lock": "yes"}  # type: ignore[index]
    cluster.put(space)
    count = iter(range(1000))
    running.wait(lambda: create(cluster, f"p{next(count)}").status_code == 403)
    before = running.ready()[1]["generation"]
    cluster.remove("trials", "locks")
    cluster.put(trial("strict", "refuses_bad"))
    running.wait(lambda: running.ready()[1]["generation"] != before)
    running.wait(lambda: running.ready()[1]["policies"] == 1)
    assert create(cluster, "good").status_code == 201
    assert create(cluster, "bad").status_code == 403
