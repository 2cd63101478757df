"""CustomResourceDefinitions: new kinds while the server runs, judged by their schema."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.apiserver import schema
from tests.fakes.apiserver.catalogue import OPEN_SCHEMA, Served
from tests.fakes.apiserver.status import Cause, invalid_value, not_supported, required, shown
from tests.fakes.apiserver.world import World

Json = dict[str, Any]
PLACE = ("apiextensions.k8s.io", "customresourcedefinitions")


def causes(body: Json) -> list[Cause]:
    """What is wrong with a definition."""
    spec, name = body.get("spec") or {}, body["metadata"].get("name", "")
    names, found = spec.get("names") or {}, []
    wanted = f"{names.get('plural', '')}.{spec.get('group', '')}"
    if name != wanted:
        text = 'must be spec.names.plural+"."+spec.group'
        found.append(invalid_value("metadata.name", name, text))
    missing = [field for field in ("plural", "kind") if not names.get(field)]
    found += [required(f"spec.names.{field}") for field in missing]
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        kinds = ("Cluster", "Namespaced")
        found.append(not_supported("spec.scope", spec.get("scope", ""), kinds))
    versions = spec.get("versions") or []
    if sum(bool(each.get("storage")) for each in versions) != 1:
        text = "must have exactly one version marked as storage version"
        found.append(invalid_value("spec.versions", [], text))
    for n, each in enumerate(versions):
        if not (each.get("schema") or {}).get("openAPIV3Schema"):
            field = f"spec.versions[{n}].schema.openAPIV3Schema"
            found.append(required(field, "schemas are required"))
    return found


class Definitions:
    """Keeps the catalogue in step with the definitions stored."""

    def __init__(self, world: World) -> None:
        self._world = world

    def registered(self, old: Json | None, new: Json | None) -> None:
        """A definition came, changed or went."""
        body = new if new is not None else old
        if body is None:
            return
        spec = body["spec"]
        place = (spec["group"], spec["names"]["plural"])
        if new is None:
            self._world.catalogue.register(place, [])
            for each in self._world.all(*place):
                meta = each["metadata"]
                key = meta.get("namespace", ""), meta["name"]
                self._world.store.drop(place, key, seen=each)
            return
        self._world.catalogue.register(place, [_served(spec, v) for v in _versions(spec)])
        self._accepted(new)

    def _accepted(self, body: Json) -> None:
        """As the naming and establishing controllers report."""
        spec, now = body["spec"], self._world.clock.stamp()
        stored = next(v["name"] for v in spec["versions"] if v.get("storage"))
        old = body.get("status") or {}
        if old.get("acceptedNames") == spec["names"]:
            return
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": now,
            }
            for kind, reason, message in (
                ("NamesAccepted", "NoConflicts", "no conflicts found"),
                ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            )
        ]
        found = {
            "acceptedNames": spec["names"],
            "conditions": conditions,
            "storedVersions": [stored],
        }
        key = ("", body["metadata"]["name"])
        self._world.store.put(PLACE, key, body | {"status": found}, seen=body)


def _versions(spec: Json) -> list[Json]:
    return [each for each in spec["versions"] if each.get("served", True)]


def _served(spec: Json, version: Json) -> Served:
    names, below = spec["names"], version.get("subresources") or {}
    stored = next(each["name"] for each in spec["versions"] if each.get("storage"))
    body = (version.get("schema") or {}).get("openAPIV3Schema") or OPEN_SCHEMA
    return Served(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        stored=stored,
        short=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(word for word in ("status", "scale") if word in below),
        schema=body,
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        scale=below.get("scale"),
        custom=True,
    )


# -- judging custom objects by their schema

_HEAD = ("metadata", "apiVersion", "kind")


def judged(served: Served, body: Json) -> list[Cause]:
    """What the definition's schema refuses of a custom object (types are judged at decoding)."""
    found: list[Cause] = []
    own = {key: value for key, value in body.items() if key not in _HEAD}
    _judge(own, schema.root(served), "", found)
    return found


def _judge(value: Any, node: Json, at: str, found: list[Cause]) -> None:
    _limits(value, node, at, found)
    if isinstance(value, dict):
        prefix = f"{at}." if at else ""
        needed = [each for each in node.get("required") or () if each not in _HEAD]
        found += [required(f"{prefix}{name}") for name in needed if name not in value]
        for key, below in value.items():
            _judge(below, schema.child(node, key), f"{prefix}{key}", found)
    elif isinstance(value, list):
        for n, below in enumerate(value):
            _judge(below, schema.items(node), f"{at}[{n}]", found)


def _limits(value: Any, node: Json, at: str, found: list[Cause]) -> None:
    allowed = node.get("enum")
    if allowed is not None and value not in allowed:
        found.append(not_supported(at, value, [str(each) for each in allowed]))
    if isinstance(value, str):
        if node.get("pattern") and not re.search(node["pattern"], value):
            text = f"{at} in body should match '{node['pattern']}'"
            found.append(invalid_value(at, value, text))
        if len(value) > node.get("maxLength", len(value)):
            text = f"Too long: may not be more than {node['maxLength']} bytes"
            found.append(Cause("FieldValueTooLong", at, text))
        if len(value) < node.get("minLength", 0):
            text = f"{at} in body should be at least {node['minLength']} chars long"
            found.append(invalid_value(at, value, text))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < node.get("minimum", value):
            text = f"{at} in body should be greater than or equal to {node['minimum']}"
            found.append(invalid_value(at, value, text))
        if value > node.get("maximum", value):
            text = f"{at} in body should be less than or equal to {node['maximum']}"
            found.append(invalid_value(at, value, text))
    elif isinstance(value, list):
        if len(value) > node.get("maxItems", len(value)):
            text = f"Too many: {len(value)}: must have at most {node['maxItems']} items"
            found.append(Cause("FieldValueTooMany", at, text))
        if len(value) < node.get("minItems", 0):
            text = f"{at} in body should have at least {node['minItems']} items"
            found.append(
                Cause("FieldValueInvalid", at, f"Invalid value: {shown(len(value))}: {text}")
            )


def defaulted(value: Any, node: Json) -> Any:
    """With the schema's defaults filled in."""
    if isinstance(value, dict):
        out = dict(value)
        for key, below in node.get("properties", {}).items():
            if key not in out and "default" in below:
                out[key] = below["default"]
        return {key: defaulted(each, schema.child(node, key)) for key, each in out.items()}
    if isinstance(value, list):
        return [defaulted(each, schema.items(node)) for each in value]
    return value
