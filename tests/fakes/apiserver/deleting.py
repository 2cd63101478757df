"""Deletion: preconditions, grace, finalizers and what becomes of dependents."""

from __future__ import annotations

from typing import Any

from tests.fakes.apiserver import status
from tests.fakes.apiserver.clock import seconds, stamp
from tests.fakes.apiserver.intake import Hand
from tests.fakes.apiserver.request import Request, Target
from tests.fakes.apiserver.storage import Stale
from tests.fakes.apiserver.strict import shaped
from tests.fakes.apiserver.world import World, finished, key_of
from tests.fakes.apiserver.writing import TRIES

Json = dict[str, Any]
_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
# kinds whose deletion answers with the object, not with a Status
_RETURNED = {"pods", "services", "serviceaccounts", "namespaces", "nodes", "persistentvolumes"}


def options_of(request: Request, document: Any) -> Json:
    """DeleteOptions from the body, the query's filling what it does not say."""
    options = shaped(document, "v1", "DeleteOptions")
    if "gracePeriodSeconds" in request.query:
        text = request.query["gracePeriodSeconds"]
        if not text.isdigit():
            raise status.bad_request(f"gracePeriodSeconds: Invalid value: {text!r}")
        options.setdefault("gracePeriodSeconds", int(text))
    if "propagationPolicy" in request.query:
        options.setdefault("propagationPolicy", request.query["propagationPolicy"])
    if "orphanDependents" in request.query:
        options.setdefault("orphanDependents", request.flag("orphanDependents"))
    policy = options.get("propagationPolicy")
    if policy not in (None, "Orphan", "Background", "Foreground"):
        allowed = ("Foreground", "Background", "Orphan")
        cause = status.not_supported("propagationPolicy", policy, allowed)
        raise status.invalid("meta.k8s.io", "DeleteOptions", "", [cause])
    if policy is not None and options.get("orphanDependents") is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        cause = status.invalid_value("propagationPolicy", policy, text)
        raise status.invalid("meta.k8s.io", "DeleteOptions", "", [cause])
    return options


class Deleter:
    def __init__(self, world: World) -> None:
        self.world = world

    def delete(self, target: Target, options: Json, hand: Hand, *, asked: bool = False) -> Json:
        """Delete or begin to; what the client is answered with.

        `asked`: webhooks were already asked about what leads to this (an eviction).
        """
        place, key = target.served.place, (target.namespace, target.name)
        dry = hand.dry or "All" in (options.get("dryRun") or ())
        for _ in range(TRIES):
            old = self.world.store.get(place, key)
            if old is None:
                raise status.not_found(*place, target.name)
            self._preconditions(target, old, options)
            if self.world.webhooks is not None and not asked:
                self.world.webhooks.validate(target, "DELETE", old, None, hand)
            try:
                return self._deleted(target, old, options, dry)
            except Stale:
                continue
        raise status.conflict(*place, target.name)

    def _preconditions(self, target: Target, old: Json, options: Json) -> None:
        wanted = options.get("preconditions") or {}
        for field, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            asked, held = wanted.get(field), old["metadata"][field]
            if asked and asked != held:
                text = (
                    f"Precondition failed: {word} in precondition: {asked}, "
                    f"{word} in object meta: {held}"
                )
                raise status.conflict(*target.served.place, target.name, text)

    def _deleted(self, target: Target, old: Json, options: Json, dry: bool) -> Json:
        served, meta = target.served, old["metadata"]
        finalizers = self._finalizers(meta, options)
        grace = self._grace(target, old, options)
        held = bool(finalizers) or grace > 0 or served.kind == "Namespace"
        if not held:
            last = old if dry else self.world.store.drop(served.place, key_of(old), seen=old)
            if not dry and served.kind == "CustomResourceDefinition":
                self.world.registered(old, None)
            if served.plural in _RETURNED and served.group == "":
                return last
            return status.success(*served.place, target.name, meta["uid"])
        new = self._leaving(old, finalizers, grace)
        if dry or new == old:
            return new
        return self.world.store.put(served.place, key_of(old), new, seen=old)

    def _finalizers(self, meta: Json, options: Json) -> list[str]:
        policy = options.get("propagationPolicy")
        if options.get("orphanDependents"):
            policy = "Orphan"
        kept = list(meta.get("finalizers") or ())
        if policy:
            kept = [each for each in kept if each not in _FINALIZERS.values()]
        if policy in _FINALIZERS:
            kept.append(_FINALIZERS[policy])
        return kept

    def _grace(self, target: Target, old: Json, options: Json) -> int:
        """Only pods have a grace period, and only those a node still runs."""
        if target.served.place != ("", "pods"):
            return 0
        asked = options.get("gracePeriodSeconds")
        spec = old.get("spec") or {}
        grace = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
        if not spec.get("nodeName") or finished(old):
            return 0
        return max(int(grace), 0)

    def _leaving(self, old: Json, finalizers: list[str], grace: int) -> Json:
        meta = dict(old["metadata"])
        if finalizers:
            meta["finalizers"] = finalizers
        else:
            meta.pop("finalizers", None)
        now = self.world.clock.now()
        ends = now + grace
        if meta.get("deletionTimestamp"):
            ends = min(ends, seconds(meta["deletionTimestamp"]))
            grace = min(grace, meta.get("deletionGracePeriodSeconds", 0))
        meta["deletionTimestamp"] = stamp(ends)
        meta["deletionGracePeriodSeconds"] = grace
        if "generation" in meta and not old["metadata"].get("deletionTimestamp"):
            meta["generation"] += 1
        out = old | {"metadata": meta}
        if old.get("kind") == "Namespace":
            out["status"] = (old.get("status") or {}) | {"phase": "Terminating"}
        return out
