"""Subresources that are not a part of their object: eviction, scale, token, binding, log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.fakes.apiserver import budgets, status
from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.deleting import Deleter
from tests.fakes.apiserver.intake import Hand
from tests.fakes.apiserver.patch import json_patch, merge_patch
from tests.fakes.apiserver.request import Answer, Request, Target
from tests.fakes.apiserver.specs import dig
from tests.fakes.apiserver.storage import Stale
from tests.fakes.apiserver.strict import parse, shaped
from tests.fakes.apiserver.tokens import Tokens
from tests.fakes.apiserver.world import World, finished, key_of
from tests.fakes.apiserver.writing import JSON_PATCH, MERGE_PATCH, STRATEGIC, TRIES, Writer

Json = dict[str, Any]
_WOULD_VIOLATE = "Cannot evict pod as it would violate the pod's disruption budget."


class Subresources:
    def __init__(self, world: World, writer: Writer, deleter: Deleter, tokens: Tokens) -> None:
        self._world, self._writer = world, writer
        self._deleter, self._tokens = deleter, tokens

    def answer(self, request: Request, target: Target, document: Any) -> Answer | None:
        """The answer to what is no part of the object; None for `status` and the like."""
        key = target.namespace, target.name
        match target.subresource:
            case "eviction" if target.verb == "create":
                return self._evict(request, target, document or {})
            case "token" if target.verb == "create":
                review = shaped(document, "authentication.k8s.io/v1", "TokenRequest")
                body = self._tokens.request(*key, review)
                return Answer(code=201, body=body)
            case "binding" if target.verb == "create":
                return self._bind(request, target, shaped(document, "v1", "Binding"))
            case "scale":
                return self._scale(request, target, document)
            case "log" if target.verb == "get":
                return self._log(target)
            case "status" | "ephemeralcontainers" if target.verb in ("get", "update", "patch"):
                return None
            case "finalize" if target.verb == "update":
                return self._finalize(target, document or {})
        raise status.method_not_allowed(target.verb)

    def _pod(self, target: Target) -> Json:
        pod = self._world.find("", "pods", target.namespace, target.name)
        if pod is None:
            raise status.not_found("", "pods", target.name)
        return pod

    # -- eviction

    def _evict(self, request: Request, target: Target, document: Json) -> Answer:
        if document.get("kind") != "Eviction":
            raise status.bad_request(f"not an Eviction object: {document.get('kind')}")
        document = shaped(document, "policy/v1", "Eviction")
        name = (document.get("metadata") or {}).get("name", "")
        if name != target.name:
            raise status.bad_request("name in URL does not match name in Eviction object")
        options = document.get("deleteOptions") or {}
        hand = Hand.of(request)
        dry = hand.dry or "All" in (options.get("dryRun") or ())
        self._pod(target)
        if self._world.webhooks is not None:
            own = replace(hand, dry=dry)
            self._world.webhooks.validate(target, "CREATE", None, document, own)
        for _ in range(TRIES):
            pod = self._pod(target)
            try:
                if not _unguarded(pod):
                    self._spend(pod, dry)
                whole = replace(target, subresource="")
                self._deleter.delete(whole, options, replace(hand, dry=dry), asked=True)
            except Stale:
                continue
            body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            return Answer(code=201, body=body | {"code": 201})
        raise status.too_many(_WOULD_VIOLATE)

    def _spend(self, pod: Json, dry: bool) -> None:
        """Take one of the disruptions the pod's budget allows; 429 when there is none."""
        found = budgets.of_pod(self._world, pod)
        if not found:
            return
        if len(found) > 1:
            text = (
                "This pod has more than one PodDisruptionBudget, which the eviction subresource "
                "does not support."
            )
            raise status.ApiError(500, "InternalError", text)
        budget = found[0]
        counted = budgets.counted(self._world, budget)
        if not budgets.asks(budget, counted, pod):
            return
        if counted["disruptionsAllowed"] <= 0:
            text = (
                f"The disruption budget {budget['metadata']['name']} needs "
                f"{counted['desiredHealthy']} healthy pods and has {counted['currentHealthy']} "
                "currently"
            )
            cause = {"reason": "DisruptionBudget", "message": text}
            raise status.too_many(_WOULD_VIOLATE, causes=[cause])
        if dry:
            return
        left = counted["disruptionsAllowed"] - 1
        disrupted = (counted.get("disruptedPods") or {}) | {
            pod["metadata"]["name"]: self._world.clock.stamp()
        }
        spent = counted | {"disruptionsAllowed": left, "disruptedPods": disrupted}
        body = budget | {"status": spent}
        self._world.store.put(("policy", "poddisruptionbudgets"), key_of(budget), body, seen=budget)

    # -- scale

    def _scale(self, request: Request, target: Target, document: Any) -> Answer:
        live = self._world.store.get(target.served.place, (target.namespace, target.name))
        if live is None:
            raise status.not_found(*target.served.place, target.name)
        paths = _scale_paths(target.served)
        scale = _scale_of(live, paths)
        if target.verb == "get":
            return Answer(body=scale)
        if target.verb == "patch":
            asked = shaped(_patched(scale, request), "autoscaling/v1", "Scale")
        elif target.verb == "update":
            asked = shaped(document, "autoscaling/v1", "Scale")
        else:
            raise status.method_not_allowed(target.verb)
        wanted = (asked.get("spec") or {}).get("replicas", 0)
        if not isinstance(wanted, int) or wanted < 0:
            text = "must be greater than or equal to 0"
            cause = status.invalid_value("spec.replicas", wanted, text)
            raise status.invalid("autoscaling", "Scale", target.name, [cause])
        sent = (asked.get("metadata") or {}).get("resourceVersion")
        if sent and sent != live["metadata"]["resourceVersion"]:
            raise status.conflict(*target.served.place, target.name)

        def scaled(old: Json) -> Json:
            return _set(old, paths["specReplicasPath"], wanted)

        body = self._writer.changed(target, Hand.of(request), scaled)
        return Answer(body=_scale_of(body, paths))

    # -- the rest

    def _bind(self, request: Request, target: Target, document: Json) -> Answer:
        pod = self._pod(target)
        node = (document.get("target") or {}).get("name", "")
        held = pod["spec"].get("nodeName")
        if held:
            text = f'pod {target.name} is already assigned to node "{held}"'
            raise status.conflict("", "pods/binding", target.name, text)
        if not request.dry:
            bound = pod | {"spec": pod["spec"] | {"nodeName": node}}
            self._world.store.put(("", "pods"), key_of(pod), bound, seen=pod)
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return Answer(code=201, body=body | {"code": 201})

    def _log(self, target: Target) -> Answer:
        notes = self._pod(target)["metadata"].get("annotations") or {}
        text = notes.get("fake.haechi/log", "")
        return Answer(body=text.encode(), media="text/plain")

    def _finalize(self, target: Target, document: Json) -> Answer:
        key = ("", target.name)
        old = self._world.store.get(("", "namespaces"), key)
        if old is None:
            raise status.not_found("", "namespaces", target.name)
        new = old | {"spec": document.get("spec") or {}}
        return Answer(body=self._world.store.put(("", "namespaces"), key, new, seen=old))


def _unguarded(pod: Json) -> bool:
    """Pods no budget protects: finished, not yet running, or leaving already."""
    phase = (pod.get("status") or {}).get("phase")
    return finished(pod) or phase == "Pending" or bool(pod["metadata"].get("deletionTimestamp"))


_BUILT_IN_SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".spec.selector",
}


def _scale_paths(served: Served) -> Json:
    return served.scale or _BUILT_IN_SCALE


def _scale_of(body: Json, paths: Json) -> Json:
    meta = body["metadata"]
    keys = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = dig(body, paths.get("labelSelectorPath", "").lstrip("."))
    if isinstance(selector, dict):
        labels = selector.get("matchLabels", {})
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    state: Json = {"replicas": dig(body, paths["statusReplicasPath"].lstrip(".")) or 0}
    if selector:
        state["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in keys if key in meta},
        "spec": {"replicas": dig(body, paths["specReplicasPath"].lstrip(".")) or 0},
        "status": state,
    }


def _patched(scale: Json, request: Request) -> Json:
    change = parse(request.body, request.media)
    match request.media:
        case "application/json-patch+json":
            return json_patch(scale, change)
        case "application/merge-patch+json" | "application/strategic-merge-patch+json":
            found: Json = merge_patch(scale, change)
            return found
    raise status.unsupported_media([JSON_PATCH, MERGE_PATCH, STRATEGIC])


def _set(body: Json, path: str, value: Any) -> Json:
    first, _, rest = path.lstrip(".").partition(".")
    below = _set(body.get(first) or {}, rest, value) if rest else value
    return body | {first: below}
