"""OpenAPI v3 as kubectl reads it: one document a group version, made from the schemas served.

kubectl looks there for merge keys, for `explain`, and for whether a path takes `fieldValidation`
and `dryRun`. OpenAPI v2 (protobuf only for kubectl) is not served: it falls back to it only
where v3 is missing.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from tests.fakes.apiserver import schema
from tests.fakes.apiserver.catalogue import Catalogue, Served

Json = dict[str, Any]
_WRITES = {"post": "create", "put": "update", "patch": "patch", "delete": "delete", "get": "get"}


def index(catalogue: Catalogue) -> Json:
    paths = {}
    for name in ["", *catalogue.groups()]:
        for version in catalogue.versions(name):
            place = f"apis/{name}/{version}" if name else f"api/{version}"
            digest = hashlib.sha256(f"{place} {catalogue.generation}".encode()).hexdigest()
            paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest[:32].upper()}"}
    return {"paths": paths}


def document(catalogue: Catalogue, group: str, version: str) -> Json | None:
    served = [each for each in catalogue.all() if (each.group, each.version) == (group, version)]
    if not served:
        return None
    schemas: Json = {}
    paths: Json = {}
    for each in served:
        reference = _include(each, schemas)
        _paths(each, reference, paths)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": f"v{schema.KUBERNETES}"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _include(served: Served, schemas: Json) -> str:
    name = schema.definition_of(served.group, served.version, served.kind)
    gvk = [{"group": served.group, "version": served.version, "kind": served.kind}]
    if served.schema is None and name is not None:
        _closure(name, schemas)
        return name
    parts = ".".join(reversed(served.group.split(".")))
    name = f"{parts}.{served.version}.{served.kind}"
    body = _translated(schema.root(served)) | {"x-kubernetes-group-version-kind": gvk}
    schemas[name] = body
    _closure(schema.META, schemas)
    return name


def _closure(name: str, schemas: Json) -> None:
    if name in schemas:
        return
    schemas[name] = {}
    body = schema.definitions()[name]
    schemas[name] = _translated(body)
    for reference in _references(body):
        _closure(reference, schemas)


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [each for item in node for each in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rsplit("/", 1)[1]] if isinstance(node.get("$ref"), str) else []
    return own + [each for value in node.values() for each in _references(value)]


def _translated(node: Any) -> Any:
    """References into components; `additionalProperties: false` is not in Kubernetes' documents."""
    if isinstance(node, list):
        return [_translated(each) for each in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        own = {"$ref": f"#/components/schemas/{reference.rsplit('/', 1)[1]}"}
        rest = {k: _translated(v) for k, v in node.items() if k not in ("$ref", "description")}
        return {"allOf": [own], "description": node.get("description", "")} | rest
    return {
        key: _translated(value)
        for key, value in node.items()
        if not (key == "additionalProperties" and value is False) and key not in ("$schema", "$id")
    }


def _paths(served: Served, reference: str, paths: Json) -> None:
    head = f"/apis/{served.group}" if served.group else "/api"
    space = "/namespaces/{namespace}" if served.namespaced else ""
    many = f"{head}/{served.version}{space}/{served.plural}"
    paths[many] = {
        method: _operation(served, method, reference)
        for method in ("get", "post")
        if _WRITES[method] in served.verbs
    }
    one = {
        method: _operation(served, method, reference)
        for method in ("get", "put", "patch", "delete")
        if _WRITES[method] in served.verbs
    }
    if one:
        paths[f"{many}/{{name}}"] = one


_OPTIONS = {
    "post": ("dryRun", "fieldManager", "fieldValidation"),
    "put": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "propagationPolicy"),
    "get": (),
}


def _operation(served: Served, method: str, reference: str) -> Json:
    gvk = {"group": served.group, "version": served.version, "kind": served.kind}
    shape = {"schema": {"$ref": f"#/components/schemas/{reference}"}}
    return {
        "operationId": f"{method}{served.kind}",
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in _OPTIONS[method]
        ],
        "responses": {"200": {"description": "OK", "content": {"application/json": shape}}},
        "x-kubernetes-action": method,
        "x-kubernetes-group-version-kind": gvk,
    }


def encoded(body: Json) -> bytes:
    return msgspec.json.encode(body)
