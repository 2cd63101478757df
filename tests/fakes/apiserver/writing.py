"""Create, update, patch and apply: from what was sent to what is stored.

The order is the server's: decode, defaults, ownership, mutating webhooks, validation, validating
webhooks, store. Nothing is held locked meanwhile: a write that was overtaken is made again from
the newer object, unless it named the version it meant (409).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fakes.apiserver import crds, names, ownership, schema, specs, status, strict
from tests.fakes.apiserver.born import completed
from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.defaults import filled
from tests.fakes.apiserver.intake import Hand, decoded, decoded_patch, matches, room, undeclared
from tests.fakes.apiserver.ownership import Apply, Manager
from tests.fakes.apiserver.patch import json_patch, merge_patch
from tests.fakes.apiserver.request import Target
from tests.fakes.apiserver.storage import Key, Stale
from tests.fakes.apiserver.strategic import strategic_merge
from tests.fakes.apiserver.world import World

Json = dict[str, Any]
TRIES = 5
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
# kinds a PUT may create
_UPSERTED = {"endpoints", "events", "leases"}
# kinds whose status writes may change labels and annotations, too
_LOOSE_STATUS = {"pods", "nodes"}


_SYSTEM = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
)


class Writer:
    def __init__(self, world: World) -> None:
        self.world = world

    # -- create

    def create(self, target: Target, document: Any, hand: Hand) -> Json:
        served = target.served
        body = decoded(document, served, hand)
        matches(body, target)
        meta = body.setdefault("metadata", {})
        if served.namespaced:
            meta["namespace"] = target.namespace
        room(self.world, target)
        if meta.get("resourceVersion"):
            text = "resourceVersion should not be set on objects to be created"
            raise status.ApiError(500, "", text)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:58] + self.world.suffix()
        manager = Manager(hand.manager, "Update", served.api_version, target.subresource)
        now = self.world.clock.stamp()

        def owned(body: Json) -> Json:
            return ownership.on_update(None, body, schema.root(served), manager, now)

        return self._born(target, body, hand, owned)

    def _born(self, target: Target, body: Json, hand: Hand, owned: Callable[[Json], Json]) -> Json:
        served, world = target.served, self.world
        meta = body["metadata"]
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            meta.pop(key, None)
        if "status" in served.subresources:
            body.pop("status", None)
        own = {"uid": world.uid(), "creationTimestamp": world.clock.stamp()}
        meta |= own | ({k: meta[k] for k in own if meta.get(k)} if hand.given else {})
        if _counted(served):
            meta["generation"] = 1
        body = owned(self._prepared(served, body, None))
        body = completed(world, served, body)
        body = self._mutated(target, "CREATE", None, body, hand)
        self._valid(served, None, body)
        self._validated(target, "CREATE", None, body, hand)
        place_key: Key = (meta.get("namespace", ""), meta["name"])
        if self.world.store.get(served.place, place_key) is not None:
            raise status.already_exists(*served.place, meta["name"])
        if hand.dry:
            return body
        try:
            stored = world.store.put(served.place, place_key, body, seen=None)
        except Stale:
            raise status.already_exists(*served.place, meta["name"]) from None
        self._told(served, None, stored)
        return stored

    # -- change

    def update(self, target: Target, document: Any, hand: Hand) -> tuple[Json, bool]:
        """PUT: the stored object, and whether it is new."""
        served = target.served
        body = decoded(document, served, hand)
        matches(body, target)
        name = body.setdefault("metadata", {}).get("name", "")
        if name != target.name:
            text = f"the name of the object ({name}) does not match the name on the URL"
            raise status.bad_request(f"{text} ({target.name})")
        if served.namespaced:
            body["metadata"]["namespace"] = target.namespace
        sent = body["metadata"].get("resourceVersion", "")
        if self._live(target) is None and served.plural in _UPSERTED and not sent:
            return self.create(target, document, hand), True
        if served.custom and not sent:
            text = "must be specified for an update"
            cause = status.Cause(
                "FieldValueInvalid", "metadata.resourceVersion", f"Invalid value: 0x0: {text}"
            )
            raise status.invalid(served.group, served.kind, name, [cause])
        return self.changed(target, hand, lambda old: body), False

    def patch(self, target: Target, raw: bytes, media: str, hand: Hand) -> tuple[Json, bool]:
        served = target.served
        if media == APPLY:
            return self._apply(target, raw, hand)
        if hand.force:
            cause = status.forbidden_field("force", "may not be specified for non-apply patch")
            raise status.invalid("meta.k8s.io", "PatchOptions", "", [cause])
        wanted = [JSON_PATCH, MERGE_PATCH, APPLY] + ([] if served.custom else [STRATEGIC])
        if media not in wanted:
            raise status.unsupported_media(wanted)
        change = strict.parse(raw, media)
        problems = strict.repeated(change)

        def patched(old: Json) -> Json:
            if media == JSON_PATCH:
                out = json_patch(old, change)
            elif media == MERGE_PATCH:
                out = merge_patch(old, change)
            else:
                out = strategic_merge(old, change, schema.root(served))
            if not isinstance(out, dict):
                raise status.bad_request("error decoding patch: not an object")
            return decoded_patch(out, served, hand, problems, raw)

        return self.changed(target, hand, patched), False

    def _apply(self, target: Target, raw: bytes, hand: Hand) -> tuple[Json, bool]:
        served = target.served
        document = strict.parse(raw, "yaml")
        if not isinstance(document, dict):
            raise status.bad_request("error decoding YAML: not an object")
        if strict.repeated(document) and hand.validation == "Strict":
            raise status.bad_request(
                "error strict decoding YAML: " + ", ".join(strict.repeated(document))
            )
        for problem in strict.decode(document, served).problems:
            if problem.startswith("unknown"):
                raise undeclared(target, problem)
        config = _plain(document)
        if config.get("apiVersion") != served.api_version:
            raise status.bad_request(
                "Incorrect version specified in apply patch. Specified patch version: "
                f"{config.get('apiVersion', '')}, expected: {served.api_version}"
            )
        matches(config, target)
        meta = config.setdefault("metadata", {})
        if meta.get("name", target.name) != target.name:
            text = f"the name of the object ({meta['name']}) does not match the name on the URL"
            raise status.bad_request(f"{text} ({target.name})")
        meta["name"] = target.name
        if served.namespaced:
            meta["namespace"] = target.namespace
        how = Apply(
            manager=Manager(hand.manager, "Apply", served.api_version, target.subresource),
            force=hand.force,
            now=self.world.clock.stamp(),
            ignored=_reset_fields(target),
        )
        node = schema.root(served)
        if self._live(target) is None:
            if meta.get("uid"):
                text = (
                    f"uid mismatch: the provided object specified uid {meta['uid']}, and no "
                    "existing object was found"
                )
                raise status.conflict(*served.place, target.name, text)
            if target.subresource:
                raise status.not_found(*served.place, target.name)
            room(self.world, target)

            def owned(body: Json) -> Json:
                applied = ownership.on_apply(None, config, node, how)
                entries = applied["metadata"].get("managedFields")
                return body | {"metadata": body["metadata"] | {"managedFields": entries}}

            body = ownership.bare(ownership.on_apply(None, config, node, how))
            return self._born(target, strict.decode(body, served).body, hand, owned), True

        def merged(old: Json) -> Json:
            body = ownership.on_apply(old | {"apiVersion": served.api_version}, config, node, how)
            return strict.decode(body, served).body

        return self.changed(target, hand, merged, applied=True), False

    def changed(
        self, target: Target, hand: Hand, change: Callable[[Json], Json], *, applied: bool = False
    ) -> Json:
        for _ in range(TRIES):
            old = self._live(target)
            if old is None:
                raise status.not_found(*target.served.place, target.name)
            new = change(old)
            self._precondition(target, old, new)
            try:
                return self._stored(target, old, new, hand, applied)
            except Stale:
                continue  # a PUT that named its version is refused by the next round's check
        raise status.conflict(*target.served.place, target.name)

    def _precondition(self, target: Target, old: Json, new: Json) -> None:
        sent, held = new["metadata"].get("resourceVersion"), old["metadata"]["resourceVersion"]
        if sent and sent != held:
            raise status.conflict(*target.served.place, target.name)
        uid = new["metadata"].get("uid")
        if uid and uid != old["metadata"]["uid"]:
            text = (
                f"Precondition failed: UID in precondition: {uid}, "
                f"UID in object meta: {old['metadata']['uid']}"
            )
            raise status.conflict(*target.served.place, target.name, text)

    def _stored(self, target: Target, old: Json, new: Json, hand: Hand, applied: bool) -> Json:
        served = target.served
        new = self._carried(target, old, new)
        new = self._prepared(served, new, old)
        if _counted(served) and _spec(new) != _spec(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if not applied:
            manager = Manager(hand.manager, "Update", served.api_version, target.subresource)
            now = self.world.clock.stamp()
            new = ownership.on_update(old, new, schema.root(served), manager, now)
        new = self._mutated(target, "UPDATE", old, new, hand)
        self._valid(served, _against(target, old, new), new)
        self._validated(target, "UPDATE", old, new, hand)
        if new == old or hand.dry:
            return new
        meta = new["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if meta.get("deletionTimestamp") and _gone(served, new):
            last = self.world.store.drop(served.place, key, seen=old)
            self._told(served, old, None)
            return last
        stored = self.world.store.put(served.place, key, new, seen=old)
        self._told(served, old, stored)
        return stored

    def _carried(self, target: Target, old: Json, new: Json) -> Json:
        """What this endpoint may not change is as it was."""
        served, out = target.served, dict(new)
        meta = dict(new["metadata"])
        if target.subresource == "status":
            out = {k: v for k, v in old.items() if k != "status"}
            if "status" in new:
                out["status"] = new["status"]
            kept = dict(old["metadata"])
            if served.plural in _LOOSE_STATUS:
                for key in ("labels", "annotations"):
                    kept.pop(key, None)
                    if key in meta:
                        kept[key] = meta[key]
            if "managedFields" in meta:
                kept["managedFields"] = meta["managedFields"]
            meta = kept
        elif "status" in served.subresources:
            out.pop("status", None)
            if "status" in old:
                out["status"] = old["status"]
        for key in _SYSTEM:
            meta.pop(key, None)
            if key in old["metadata"]:
                meta[key] = old["metadata"][key]
        stored = self.world.catalogue.stored(*served.place)
        version = (stored or served).api_version
        return out | {"metadata": meta, "apiVersion": version, "kind": served.kind}

    # -- steps both share

    def _live(self, target: Target) -> Json | None:
        return self.world.store.get(target.served.place, (target.namespace, target.name))

    def _prepared(self, served: Served, body: Json, old: Json | None) -> Json:
        out = filled(served.kind, served.group, body)
        if served.custom and served.schema is not None:
            out = crds.defaulted(out, served.schema)
        if old is not None and served.place == ("", "services"):
            spec = out.get("spec") or {}
            for key in ("clusterIP", "clusterIPs"):
                if key not in spec and key in (old.get("spec") or {}):
                    spec[key] = old["spec"][key]
        stored = self.world.catalogue.stored(*served.place)
        version = (stored or served).api_version
        return out | {"apiVersion": version, "kind": served.kind}

    def _mutated(
        self, target: Target, action: str, old: Json | None, new: Json, hand: Hand
    ) -> Json:
        hooks = self.world.webhooks
        if hooks is None:
            return new
        changed = hooks.mutate(target, action, old, new, hand)
        if changed is new:
            return new
        clean = strict.decode(changed, target.served).body
        return self._prepared(target.served, clean, old)

    def _validated(
        self, target: Target, action: str, old: Json | None, new: Json, hand: Hand
    ) -> None:
        if self.world.webhooks is not None:
            self.world.webhooks.validate(target, action, old, new, hand)

    def _valid(self, served: Served, old: Json | None, new: Json) -> None:
        meta = new["metadata"]
        found = names.metadata_causes(meta, served.kind, namespaced=served.namespaced)
        if old is not None:
            found += names.frozen_metadata(old["metadata"], meta)
        found += specs.causes(served.group, served.kind, old, new)
        if served.custom:
            found += crds.judged(served, new)
        if found:
            raise status.invalid(served.group, served.kind, meta.get("name", ""), found)

    def _told(self, served: Served, old: Json | None, new: Json | None) -> None:
        if served.kind == "CustomResourceDefinition":
            self.world.registered(old, new)


def _against(target: Target, old: Json, new: Json) -> Json:
    """What an update is judged against: ephemeral containers have an endpoint of their own."""
    if target.subresource != "ephemeralcontainers":
        return old
    added = (new.get("spec") or {}).get("ephemeralContainers")
    spec = {k: v for k, v in (old.get("spec") or {}).items() if k != "ephemeralContainers"}
    return old | {"spec": spec | ({"ephemeralContainers": added} if added else {})}


def _plain(value: Any) -> Any:
    """Plain dicts, so that what was sent is not shared with what is stored."""
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _reset_fields(target: Target) -> frozenset[tuple[str, ...]]:
    if target.subresource == "status":
        return frozenset({("f:spec",)})
    return frozenset({("f:status",)} if "status" in target.served.subresources else ())


def _counted(served: Served) -> bool:
    """Kinds whose changes count up `metadata.generation`."""
    if served.custom:
        return True
    uncounted = {"pods", "services", "nodes", "namespaces", "persistentvolumes"}
    return ("status" in served.subresources and served.plural not in uncounted) or (
        served.kind in ("NetworkPolicy",) or served.group == "admissionregistration.k8s.io"
    )


def _spec(body: Json) -> Json:
    return {
        key: value for key, value in body.items() if key not in ("metadata", "status", "apiVersion")
    }


def _gone(served: Served, body: Json) -> bool:
    meta = body["metadata"]
    if served.kind == "Namespace" and (body.get("spec") or {}).get("finalizers"):
        return False
    return not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds")
