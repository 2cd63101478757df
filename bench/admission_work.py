"""What ``bench admission`` works with: a pod of about 11 KB, ten CEL policies, a load client.

Run as a program it is the client: ``python -m bench.admission_work PORT CAFILE BODY PATH MODE …``
in a process of its own, so that its time is not the webhook's. ``closed N SECONDS`` keeps N
connections busy and counts; ``open RATE SECONDS`` sends at fixed moments, whether answers came or
not, and measures from the moment at which a request was due.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]
NAME = "haechi-webhook.haechi.svc"
CEL = (
    ("labels", "has(object.metadata.labels) && 'app' in object.metadata.labels"),
    ("requests", "object.spec.containers.all(c, has(c.resources) && has(c.resources.requests))"),
    ("limits", "object.spec.containers.all(c, 'memory' in c.resources.limits)"),
    ("pull", "object.spec.containers.all(c, !c.image.endsWith(':latest'))"),
    ("registry", "object.spec.containers.all(c, c.image.startsWith('registry.example/'))"),
    ("probes", "object.spec.containers.all(c, has(c.livenessProbe))"),
    ("node", "!has(object.spec.nodeName)"),
    ("priority", "!has(object.spec.priorityClassName) || object.spec.priorityClassName != 'x'"),
    ("ports", "object.spec.containers.all(c, c.ports.all(p, p.containerPort > 1024))"),
    ("volumes", "object.spec.volumes.all(v, !has(v.hostPath))"),
)


def pod(name: str = "bench") -> Json:
    """A pod that the restricted level lets in: four containers with much said about each."""
    container = {
        "image": "registry.example/shop/app:1.7.3",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{n}", "value": f"some value of it {n}"} for n in range(36)],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 5},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    labels = {"app": "bench", "team": "a", "owner": "b", "gatekeeper": "x"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {
            "serviceAccountName": "bench",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "fsGroup": 10001},
            "containers": [{"name": f"c{n}", **container} for n in range(4)],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }


def review() -> Json:
    """The AdmissionReview of creating that pod."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": "bench",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod(),
            "oldObject": None,
            "dryRun": False,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    }


def pack_and_cel() -> list[Json]:
    """The restricted level of Pod Security, and ten ValidatingAdmissionPolicies."""
    found: list[Json] = [
        {
            "apiVersion": "haechi.dev/v1alpha1",
            "kind": "PolicyPack",
            "metadata": {"name": "restricted"},
            "spec": {"pack": "pss-restricted", "action": "deny", "failurePolicy": "Fail"},
        }
    ]
    for name, expression in CEL:
        rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["pods"],
        }
        policy = {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": expression, "message": f"{name} is wrong"}],
        }
        binding = {"policyName": name, "validationActions": ["Deny"]}
        for kind, spec in (
            ("ValidatingAdmissionPolicy", policy),
            ("ValidatingAdmissionPolicyBinding", binding),
        ):
            found.append(
                {
                    "apiVersion": "admissionregistration.k8s.io/v1",
                    "kind": kind,
                    "metadata": {"name": name},
                    "spec": spec,
                }
            )
    return found


class Client:
    """Keep-alive connections over TLS, with nothing but HTTP/1.1's bare bones."""

    def __init__(self, port: int, authority: Path, body: bytes, path: str) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(authority))
        head = (
            f"POST {path}?timeout=3s HTTP/1.1\r\nHost: {NAME}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self.allowed = self.refused = self.failed = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, server_hostname=NAME
        )

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One review; what came of it is counted."""
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        answer = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed += 1
        elif b'"allowed":true' in answer:
            self.allowed += 1
        else:
            self.refused += 1

    async def closed(self, connections: int, seconds: float) -> list[float]:
        """As many as go: how long each took."""
        took: list[float] = []
        end = time.monotonic() + seconds

        async def busy() -> None:
            reader, writer = await self.connect()
            while (began := time.monotonic()) < end:
                await self.ask(reader, writer)
                took.append(time.monotonic() - began)
            writer.close()

        await asyncio.gather(*(busy() for _ in range(connections)))
        return took

    async def open(self, rate: float, seconds: float) -> list[float]:
        """At fixed moments: from when each was due until its answer."""
        took: list[float] = []
        idle = asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
        for _ in range(32):
            idle.put_nowait(await self.connect())

        async def one(due: float) -> None:
            held = await idle.get()
            await self.ask(*held)
            took.append(time.monotonic() - due)
            idle.put_nowait(held)

        began = time.monotonic() + 0.1
        tasks = []
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.append(asyncio.create_task(one(due)))
        await asyncio.gather(*tasks)
        while not idle.empty():
            idle.get_nowait()[1].close()
        return took


def main(arguments: list[str]) -> None:
    """The client: prints one line of JSON."""
    port, authority, body, path, mode, much, seconds = arguments
    client = Client(int(port), Path(authority), Path(body).read_bytes(), path)
    began = time.monotonic()
    if mode == "closed":
        took = asyncio.run(client.closed(int(much), float(seconds)))
    else:
        took = asyncio.run(client.open(float(much), float(seconds)))
    passed = time.monotonic() - began
    took.sort()
    print(
        json.dumps(
            {
                "count": len(took),
                "rate": len(took) / passed,
                "p50": took[len(took) // 2] * 1000,
                "p99": took[int(len(took) * 0.99)] * 1000,
                "worst": took[-1] * 1000,
                "allowed": client.allowed,
                "refused": client.refused,
                "failed": client.failed,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
