"""The Kubernetes client over ten thousand pods: time and memory of reading, mirroring, looking up.

The server is a loop of prepared pages on loopback in a process of its own, so that the figures are
the client's. Three ways to read: typed parts, plain dictionaries, and the mirror (JSON kept, and
the index of pods, addresses and containers).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from haechi.world.kube import objects
from haechi.world.kube.access import Access, Credential
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.credentials import Fixed
from haechi.world.kube.mirror import Mirror
from haechi.world.kube.names import POD

PAGE = 500


def a_pod(number: int) -> dict[str, object]:
    """A pod as servers send it, of about 6 KB with its bookkeeping."""
    container = {
        "name": "app",
        "image": f"registry.example/shop/app-{number % 50}:1.{number % 7}",
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{n}", "value": f"value-{n}"} for n in range(12)],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets", "readOnly": True}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10},
        "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
    }
    fields: dict[str, object] = {f"f:field-{n}": {".": {}, "f:x": {}} for n in range(60)}
    return {
        "metadata": {
            "name": f"app-{number:05d}",
            "namespace": f"team-{number % 40}",
            "uid": f"00000000-0000-4000-8000-{number:012d}",
            "resourceVersion": str(number),
            "labels": {"app": f"app-{number % 50}", "pod-template-hash": "5d4f8c7b9"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"app-{number % 50}-5d4f8c7b9",
                    "uid": "u",
                    "controller": True,
                }
            ],
            "managedFields": [{"manager": "kubelet", "fieldsV1": fields}] * 2,
        },
        "spec": {"nodeName": f"node-{number % 100}", "containers": [container, container]},
        "status": {
            "phase": "Running",
            "podIP": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            "conditions": [{"type": "Ready", "status": "True"}] * 4,
            "containerStatuses": [{"name": "app", "containerID": f"containerd://{number:064x}"}],
        },
    }


def serve(number: int, told: Connection) -> None:
    """Pages of pods, then watches that say nothing."""
    pages = []
    for start in range(0, number, PAGE):
        end = min(start + PAGE, number)
        metadata = {"resourceVersion": "1"} | ({"continue": str(end)} if end < number else {})
        items = [a_pod(one) for one in range(start, end)]
        body = json.dumps({"kind": "PodList", "metadata": metadata, "items": items}).encode()
        pages.append(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    listener = socket.create_server(("127.0.0.1", 0))
    told.send((listener.getsockname()[1], sum(map(len, pages))))
    while True:
        connection, _ = listener.accept()
        with connection:
            answer(connection, pages)


def answer(connection: socket.socket, pages: Sequence[bytes]) -> None:
    """One connection until it is closed."""
    while head := connection.recv(65536):
        target = head.split(b" ", 2)[1]
        if b"watch=true" in target:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            connection.recv(1)
            return
        start = int(target.partition(b"continue=")[2].partition(b"&")[0] or b"0")
        connection.sendall(pages[start // PAGE])


def typed(client: KubernetesClient) -> int:
    """Typed parts, one at a time."""
    return sum(len(pod.addresses) for pod in client.read(POD, objects.Pod))


def plain(client: KubernetesClient) -> int:
    """Plain dictionaries, all kept."""
    return len(list(client.list(POD)))


def mirrored(client: KubernetesClient) -> int:
    """The mirror with its index."""
    mirror = Mirror(client, kinds=(POD,), named=())
    mirror.start()
    mirror.wait(600)
    assert mirror.places.of_address("10.0.0.1") is not None
    count = mirror.count("core/Pod")
    mirror.close()
    return count


WAYS: dict[str, Callable[[KubernetesClient], int]] = {
    "typed parts": typed,
    "plain dictionaries": plain,
    "mirror": mirrored,
}


def measure(way: str, port: int, told: Connection) -> None:
    """In a process of its own: CPU seconds and peak memory over what it began with."""
    access = Access(
        name="bench",
        server=f"http://127.0.0.1:{port}",
        credentials=Fixed(Credential(token="t")),  # noqa: S106
    )
    with KubernetesClient(access) as client:
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.monotonic()
        count = WAYS[way](client)
        took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told.send((count, cpu, took, (after.ru_maxrss - before.ru_maxrss) / 1024))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    options = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(options.pods, theirs), daemon=True)
    server.start()
    port, size = ours.recv()
    print(f"{options.pods:,} pods, {size / 1e6:.0f} MB of JSON")
    for way in WAYS:
        child = context.Process(target=measure, args=(way, port, theirs))
        child.start()
        count, cpu, took, memory = ours.recv()
        child.join()
        print(f"  {way:20} {count:7,}  CPU {cpu:5.2f} s  wall {took:5.2f} s  +{memory:6.0f} MB")
    server.terminate()
    server.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
