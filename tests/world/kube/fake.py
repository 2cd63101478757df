"""Clients of the fake API server, which behaves as a real one does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.config import from_kubeconfig
from tests.fakes.apiserver import ApiServer
from tests.world.kube.raw import AT_ONCE


@contextlib.contextmanager
def cluster(
    folder: Path, *, user: str = "admin", certificate: bool = False, **options: Any
) -> Iterator[tuple[KubernetesClient, ApiServer]]:
    """A server and a client of one of its users."""
    with ApiServer(**options) as server:
        path = server.kubeconfig(folder / "kubeconfig", user, certificate=certificate)
        access = from_kubeconfig(path, name="east", environ={})
        with KubernetesClient(access, patience=AT_ONCE) as client:
            yield client, server


def pod(name: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
    """A pod that runs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "example/app:1"}]},
    }


def deployment(name: str, namespace: str = "default", replicas: int = 2) -> dict[str, Any]:
    """A workload."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "example/app:1"}]},
            },
        },
    }


def policy(name: str, namespace: str = "default", **labels: str) -> dict[str, Any]:
    """A policy that allows nothing to come in."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"]},
    }


def namespace(name: str) -> dict[str, Any]:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
