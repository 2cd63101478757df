"""What the server adds to new objects besides defaults: addresses, selectors, tokens' volumes."""

from __future__ import annotations

from typing import Any

from tests.fakes.apiserver import status
from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.world import World

Json = dict[str, Any]
_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_PROBLEMS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def completed(world: World, served: Served, body: Json) -> Json:
    """The new object with what strategies and built-in admission plugins add."""
    match served.group, served.kind:
        case "", "Service":
            return _service(world, body)
        case "", "Pod":
            return _pod(world, body)
        case "batch", "Job":
            return _job(body)
    return body


def _service(world: World, body: Json) -> Json:
    spec = dict(body["spec"])
    if spec.get("type") == "ExternalName":
        return body
    if not spec.get("clusterIP"):
        used = {(each["spec"] or {}).get("clusterIP") for each in world.all("", "services")}
        numbers = range(1, 65000)
        free = (f"10.96.{n // 250}.{n % 250 + 1}" for n in numbers)
        spec["clusterIP"] = next(each for each in free if each not in used)
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        taken = {
            port.get("nodePort")
            for each in world.all("", "services")
            for port in each["spec"].get("ports") or ()
        }
        ports = []
        for port in spec.get("ports") or ():
            number = port.get("nodePort") or next(n for n in range(30000, 32768) if n not in taken)
            taken.add(number)
            ports.append(port | {"nodePort": number})
        spec["ports"] = ports
    return body | {"spec": spec}


def _job(body: Json) -> Json:
    spec, meta = dict(body["spec"]), body["metadata"]
    if spec.get("manualSelector"):
        return body
    own = {
        "batch.kubernetes.io/controller-uid": meta["uid"],
        "batch.kubernetes.io/job-name": meta["name"],
        "controller-uid": meta["uid"],
        "job-name": meta["name"],
    }
    template = dict(spec.get("template") or {})
    labels = ((template.get("metadata") or {}).get("labels") or {}) | own
    template["metadata"] = (template.get("metadata") or {}) | {"labels": labels}
    selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": meta["uid"]}}
    return body | {"spec": spec | {"selector": selector, "template": template}}


def _pod(world: World, body: Json) -> Json:
    spec = dict(body["spec"])
    found: Json = {"phase": "Pending", "qosClass": "BestEffort"}
    if not world.plugins:
        return body | {"status": found}
    name = spec.get("serviceAccountName") or "default"
    space = body["metadata"]["namespace"]
    account = world.find("", "serviceaccounts", space, name)
    if account is None:
        why = f'error looking up service account {space}/{name}: serviceaccount "{name}" not found'
        raise status.forbidden("", "pods", body["metadata"]["name"], why)
    spec |= {"serviceAccountName": name, "serviceAccount": name}
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    own = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    given = list(spec.get("tolerations") or ())
    held = {each.get("key") for each in given}
    spec["tolerations"] = given + [own | {"key": key} for key in _PROBLEMS if key not in held]
    if spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
        spec = _mounted(world, spec)
    return body | {"spec": spec, "status": found}


def _mounted(world: World, spec: Json) -> Json:
    """With the projected volume of the account's token in every container without one."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    if all(_has_token(each) for each in containers):
        return spec
    name = f"kube-api-access-{world.suffix()}"
    token = {"expirationSeconds": 3607, "path": "token"}
    root = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    downward = {"items": [{"path": "namespace", "fieldRef": field}]}
    sources = [{"serviceAccountToken": token}, {"configMap": root}, {"downwardAPI": downward}]
    volume = {"name": name, "projected": {"defaultMode": 420, "sources": sources}}
    mount = {"name": name, "readOnly": True, "mountPath": _MOUNT}

    def with_token(each: Json) -> Json:
        if _has_token(each):
            return each
        return each | {"volumeMounts": [*(each.get("volumeMounts") or ()), mount]}

    out = spec | {"volumes": [*(spec.get("volumes") or ()), volume]}
    for word in ("containers", "initContainers"):
        if spec.get(word):
            out[word] = [with_token(each) for each in spec[word]]
    return out


def _has_token(container: Json) -> bool:
    mounts = container.get("volumeMounts") or ()
    return any(each.get("mountPath") == _MOUNT for each in mounts)
