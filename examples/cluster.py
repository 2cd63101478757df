"""Make the sample cluster: the shop as a cluster that runs it would tell of it.

    .venv/bin/python -m examples.cluster examples/cluster

What ``kubectl get -A -o json`` would write of a cluster with one node, Calico and the shop's
production overlay, without Secrets; the tests' fake API server and its controllers stand in for
the cluster. ``./dev run`` plans responses on it. One pod is named as in the recorded attack.
Needs ``kubectl`` (to render the overlay); the result is committed, so that nobody else does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from examples.record import NODE, POD

from examples.attack import SCOPE

ROOT = Path(__file__).resolve().parents[1]
OVERLAY = ROOT / "examples/shop/deploy/overlays/prod"
FILE = "shop.json"
CONTAINER = SCOPE.partition("cri-containerd-")[2].removesuffix(".scope")
_RUNNING = frozenset(
    {
        *("Namespace", "ServiceAccount", "Service", "Deployment", "StatefulSet", "DaemonSet"),
        *("NetworkPolicy", "Ingress"),
    }
)
"""What is taken of the overlay: what runs and who may reach it."""
_KINDS = (
    *("nodes", "namespaces", "pods", "services", "deployments.apps", "replicasets.apps"),
    *("statefulsets.apps", "daemonsets.apps", "networkpolicies.networking.k8s.io"),
    "ingresses.networking.k8s.io",
)
_AROUND = f"""\
apiVersion: v1
kind: Node
metadata: {{name: {NODE}, labels: {{kubernetes.io/os: linux}}}}
spec: {{podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}}
status:
  conditions: [{{type: Ready, status: "True"}}]
  addresses: [{{type: InternalIP, address: 192.0.2.11}}]
  capacity: {{cpu: "8", memory: 32Gi, pods: "110"}}
  allocatable: {{cpu: "8", memory: 32Gi, pods: "110"}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: calico-node, namespace: kube-system, labels: {{k8s-app: calico-node}}}}
spec:
  selector: {{matchLabels: {{k8s-app: calico-node}}}}
  template:
    metadata: {{labels: {{k8s-app: calico-node}}}}
    spec:
      hostNetwork: true
      containers: [{{name: calico-node, image: "quay.io/calico/node:v3.29.1"}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: coredns, namespace: kube-system}}
spec:
  replicas: 1
  selector: {{matchLabels: {{k8s-app: kube-dns}}}}
  template:
    metadata: {{labels: {{k8s-app: kube-dns}}}}
    spec:
      containers: [{{name: coredns, image: "registry.k8s.io/coredns/coredns:v1.11.3"}}]
"""


def main(words: Sequence[str]) -> int:
    """Exit code 0 when the file was written."""
    if len(words) != 1:
        print("cluster: python -m examples.cluster FOLDER", file=sys.stderr)
        return 2
    folder = Path(words[0])
    folder.mkdir(parents=True, exist_ok=True)
    items = named_as_recorded(list(cluster()))
    lines = ",\n".join(json.dumps(one, separators=(",", ":"), sort_keys=True) for one in items)
    text = f'{{"apiVersion":"v1","kind":"List","items":[\n{lines}\n]}}\n'
    (folder / FILE).write_text(text, encoding="utf-8")
    print(f"cluster: {len(items)} objects, {len(text):,} bytes")
    return 0


def cluster() -> Iterator[dict[str, Any]]:
    """The objects of the cluster once all controllers are at rest."""
    from tests.fakes.apiserver import ApiServer

    with ApiServer(controllers=True, objects=list(yaml.safe_load_all(_AROUND))) as server:
        for one in manifests():
            if one["kind"] in _RUNNING:
                server.put(one)
        for kind in _KINDS:
            for found in server.list(kind):
                found["metadata"].pop("managedFields", None)
                yield found


def manifests() -> list[dict[str, Any]]:
    """The overlay, rendered; namespaces first."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(OVERLAY)], capture_output=True, check=True, text=True
    )
    found = [one for one in yaml.safe_load_all(done.stdout) if one]
    return sorted(found, key=lambda one: one["kind"] != "Namespace")


def named_as_recorded(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first pod of the attacked workload by the names that the recording has."""
    workload, hash_, _ = POD["k8s.pod.name"].rsplit("-", 2)
    pods = [one for one in items if one["kind"] == "Pod"]
    first = next(one for one in pods if one["metadata"]["name"].startswith(f"{workload}-"))
    was = first["metadata"]["name"]
    for status in first["status"]["containerStatuses"]:
        status["containerID"] = f"containerd://{CONTAINER}"
    text = json.dumps(items).replace(was, POD["k8s.pod.name"])
    return list(json.loads(text.replace(was.rsplit("-", 2)[1], hash_)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
