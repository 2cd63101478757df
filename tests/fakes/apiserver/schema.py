"""What the server knows of the fields of its kinds.

The built-in kinds' schemas are Kubernetes' own OpenAPI definitions, read from the development
dependency `kubernetes-validate`; a CRD brings its schema along. From one schema come strict
decoding, server-side apply's topology, strategic merge keys and the OpenAPI documents kubectl
asks for.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tests.fakes.apiserver.catalogue import Served

Json = dict[str, Any]
KUBERNETES = "1.32.0"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
ANY: Json = {"x-any": True}
SCALAR: Json = {"type": "string"}


@cache
def definitions() -> dict[str, Json]:
    """Every definition of the built-in API by its OpenAPI name."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise RuntimeError("kubernetes-validate is not installed; run ./dev setup")
    folder = Path(spec.origin).parent / "kubernetes-json-schema" / f"v{KUBERNETES}-local-strict"
    text = (folder / "_definitions.json").read_bytes()
    found: dict[str, Json] = msgspec.json.decode(text)["$defs"]
    for name, body in found.items():
        _mend(name, body)
    return found


def _mend(name: str, body: Json) -> None:
    """Undo what the schema's packagers added: `null` as a type, and keys' lost defaults."""
    for key in ("type",):
        kinds = body.get(key)
        if isinstance(kinds, list):
            body[key] = kinds[0]
    for part in ("oneOf", "anyOf"):
        for each in body.get(part, ()):
            _mend("", each)
    for each in body.get("properties", {}).values():
        _mend("", each)
    for key in ("items", "additionalProperties"):
        if isinstance(body.get(key), dict):
            _mend("", body[key])
    if name in _PROTOCOL:
        body["properties"]["protocol"]["default"] = "TCP"


_PROTOCOL = ("io.k8s.api.core.v1.ContainerPort", "io.k8s.api.core.v1.ServicePort")


@cache
def _by_kind() -> dict[tuple[str, str, str], str]:
    return {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, body in definitions().items()
        for gvk in body.get("x-kubernetes-group-version-kind", ())
    }


def definition_of(group: str, version: str, kind: str) -> str | None:
    return _by_kind().get((group, version, kind))


@cache
def _custom_root(text: bytes) -> Json:
    body: Json = msgspec.json.decode(text)
    meta = {"$ref": f"#/$defs/{META}"}
    kept = {k: v for k, v in body.get("properties", {}).items() if k != "metadata"}
    fixed = {"apiVersion": SCALAR, "kind": SCALAR, "metadata": meta}
    return body | {"type": "object", "properties": kept | fixed}


def root(served: Served) -> Json:
    """The schema of whole objects of this kind; `ANY` where none is known."""
    if served.schema is not None:
        return _custom_root(msgspec.json.encode(served.schema))
    name = definition_of(served.group, served.version, served.kind)
    return definitions()[name] if name else ANY


def resolve(node: Json) -> Json:
    """The node a `$ref` stands for; its own extensions win over the definition's."""
    reference = node.get("$ref")
    if reference is None:
        return node
    target = definitions()[reference.rsplit("/", 1)[1]]
    extra = {k: v for k, v in node.items() if k.startswith("x-kubernetes-")}
    return target | extra if extra else target


def is_open(node: Json) -> bool:
    """May hold fields that the schema does not name."""
    if node is ANY or "x-any" in node or node.get("x-kubernetes-preserve-unknown-fields"):
        return True
    return node.get("type") == "object" and not {"properties", "additionalProperties"} & set(node)


def declared(node: Json, key: str) -> Json | None:
    found = node.get("properties", {}).get(key)
    return resolve(found) if found is not None else None


def child(node: Json, key: str) -> Json:
    """The schema of a map's entry; `ANY` where nothing is said."""
    found = declared(node, key)
    if found is not None:
        return found
    more = node.get("additionalProperties")
    return resolve(more) if isinstance(more, dict) else ANY


def items(node: Json) -> Json:
    found = node.get("items")
    return resolve(found) if isinstance(found, dict) else ANY


def list_keys(node: Json) -> tuple[str, ...] | None:
    """The keys of an associative list; `()` for a set, `None` for an atomic list."""
    kind = node.get("x-kubernetes-list-type")
    if kind == "map":
        return tuple(node.get("x-kubernetes-list-map-keys", ()))
    if kind == "set":
        return ()
    if kind is None and "merge" in node.get("x-kubernetes-patch-strategy", "").split(","):
        key = node.get("x-kubernetes-patch-merge-key")
        return (key,) if key else ()
    return None


def atomic_map(node: Json) -> bool:
    return node.get("x-kubernetes-map-type") == "atomic"
