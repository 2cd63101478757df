"""What came to the shop's door on the day of the attack: requests as its API server sent them.

``python -m examples.door`` writes ``examples/door.reviews.jsonl``, one AdmissionReview a line, made
of the objects of ``examples/cluster/shop.json`` and of what people did besides. ``./dev run`` asks
a real webhook with them, by the policies of ``examples/policies``.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REVIEWS = HERE / "door.reviews.jsonl"
Json = dict[str, Any]
_PLURALS = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
_CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
_CI = "system:serviceaccount:ci:deployer"
DIGEST = "sha256:" + "7c1a" * 16


def main() -> None:
    """Write the file; the same each time."""
    lines = [json.dumps(review, sort_keys=True) for review in reviews()]
    REVIEWS.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} requests in {REVIEWS.relative_to(HERE.parent)}")


def reviews() -> Iterator[Json]:
    """The day, in order."""
    objects = json.loads((HERE / "cluster" / "shop.json").read_text())["items"]
    shop = [one for one in objects if one["metadata"].get("namespace") == "shop"]
    for body in _of(shop, "Deployment", "StatefulSet", "DaemonSet"):
        yield _review("CREATE", body, _CI, ["system:serviceaccounts"])
    for body in _of(shop, "Service", "Ingress", "NetworkPolicy"):
        yield _review("CREATE", body, _CI, ["system:serviceaccounts"])
    for body in _of(shop, "Pod"):
        yield _review("CREATE", body, _CONTROLLER, ["system:serviceaccounts"])
    yield from _people(shop)


def _people(shop: list[Json]) -> Iterator[Json]:
    """What people did: a release, a debugging session, a hurry, and an attack that was tried."""
    web = next(_of(shop, "Deployment", name="web"))
    released = copy.deepcopy(web)
    image = f"registry.shop.example/web:1.4.1@{DIGEST}"
    released["spec"]["template"]["spec"]["containers"][0]["image"] = image
    yield _review("UPDATE", released, "mina@shop.example", ["web"], old=web)
    hurried = copy.deepcopy(web)
    hurried["spec"]["replicas"] = 1
    hurried["spec"]["template"]["spec"]["containers"][0]["image"] = "web:hotfix"
    yield _review("UPDATE", hurried, "jun@shop.example", ["web"], old=web)
    yield _review("CREATE", _pod("debug", "nicolaka/netshoot"), "jun@shop.example", ["web"])
    yield _review("CREATE", _pod("debug", f"registry.shop.example/tools:3@{DIGEST}"), "jun@shop.example", ["web"])
    root = _pod("node-shell", "docker.io/library/alpine:latest")
    root["spec"].update(hostPID=True, hostNetwork=True, volumes=[{"name": "host", "hostPath": {"path": "/"}}])
    root["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    root["spec"]["containers"][0]["volumeMounts"] = [{"name": "host", "mountPath": "/host"}]
    account = "system:serviceaccount:shop:cart"
    yield _review("CREATE", root, account, ["system:serviceaccounts"])
    again = copy.deepcopy(root)
    again["metadata"]["name"] = "cart-cache"
    again["spec"]["containers"][0]["image"] = "registry.shop.example.evil.test/cart:1"
    yield _review("CREATE", again, account, ["system:serviceaccounts"])
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "sync", "namespace": "shop"},
        "spec": {
            "schedule": "*/5 * * * *",
            "jobTemplate": {"spec": {"template": {"spec": {**root["spec"], "restartPolicy": "Never"}}}},
        },
    }
    yield _review("CREATE", job, account, ["system:serviceaccounts"])
    cart = next(_of(shop, "Deployment", name="cart"))
    yield _review("UPDATE", cart, "mina@shop.example", ["web"], old=cart, dry=True)
    yield _review("DELETE", None, "mina@shop.example", ["web"], old=_pod("debug", "x"))


def _of(objects: list[Json], *kinds: str, name: str = "") -> Iterator[Json]:
    for kind in kinds:
        for one in objects:
            if one["kind"] == kind and name in ("", one["metadata"]["name"]):
                yield {key: value for key, value in one.items() if key != "status"}


def _pod(name: str, image: str) -> Json:
    container: Json = {"name": "main", "image": image, "command": ["sleep", "3600"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": [container]},
    }


def _review(
    operation: str,
    body: Json | None,
    user: str,
    groups: list[str],
    *,
    old: Json | None = None,
    dry: bool = False,
) -> Json:
    shown = body if body is not None else old
    assert shown is not None
    group, _, version = shown["apiVersion"].rpartition("/")
    kind = {"group": group, "version": version, "kind": shown["kind"]}
    plural = _PLURALS.get(shown["kind"], f"{shown['kind'].lower()}s")
    resource = {"group": group, "version": version, "resource": plural}
    metadata = shown["metadata"]
    name = f"{operation}/{shown['kind']}/{metadata['name']}/{user}/{json.dumps(body, sort_keys=True)}"
    request = {
        "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "operation": operation,
        "userInfo": {"username": user, "groups": [*groups, "system:authenticated"]},
        "object": body,
        "oldObject": old,
        "dryRun": dry,
        "options": {},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


if __name__ == "__main__":
    main()
