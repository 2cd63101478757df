"""Decoding of bodies: JSON or YAML to an object of a kind, by its schema.

Unknown and repeated fields are told (fieldValidation Strict: refused, Warn: a header), wrong
types refused, and what Go's structs do not keep (null, empty lists and maps) is left out.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.fakes.apiserver import schema
from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.status import ApiError, bad_request

Json = dict[str, Any]
DEEPEST = 200


class _Pairs(dict[str, Any]):
    repeated: tuple[str, ...] = ()


def _pairs(found: list[tuple[str, Any]]) -> _Pairs:
    out = _Pairs(found)
    if len(out) != len(found):
        seen: set[str] = set()
        out.repeated = tuple(key for key, _ in found if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return out


def parse(body: bytes, media: str) -> Any:
    """The body's document; 400 on what cannot be read."""
    try:
        if "yaml" in media:
            text = body.decode()
            if not text.lstrip().startswith("{"):
                return json.loads(json.dumps(yaml.load(text, yaml.CSafeLoader), default=str))
        return json.loads(body, object_pairs_hook=_pairs)
    except (ValueError, yaml.YAMLError, RecursionError, TypeError) as failed:
        text = "couldn't get version/kind; json parse error"
        raise bad_request(f"{text}: {failed}") from failed


class Decoded:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self.body: Json = {}


def repeated(value: Any, path: str = "") -> list[str]:
    """Keys that stand twice, as `duplicate field "spec.x"`."""
    found = []
    if isinstance(value, dict):
        found += [f'duplicate field "{path}{key}"' for key in getattr(value, "repeated", ())]
        for key, below in value.items():
            found += repeated(below, f"{path}{key}.")
    elif isinstance(value, list):
        for n, below in enumerate(value):
            found += repeated(below, f"{path.rstrip('.')}[{n}].")
    return found


def decode(document: Any, served: Served) -> Decoded:
    """A document as an object of this kind; 400 or 422 on wrong types."""
    out = Decoded()
    if not isinstance(document, dict):
        raise bad_request("couldn't get version/kind; json parse error: not an object")
    out.problems = repeated(document)
    walk = _Walk(served, out.problems)
    cleaned = walk.map(document, schema.root(served), "", 0)
    if walk.mistyped and served.custom:
        raise _invalid_types(served, document, walk.mistyped)
    out.body = cleaned
    return out


def shaped(document: Any, api_version: str, kind: str) -> Json:
    """A body of a kind that is no resource of its own (Eviction, Scale, DeleteOptions …)."""
    group, _, version = api_version.rpartition("/")
    served = Served(
        group=group, version=version, kind=kind, plural="", namespaced=True, stored=version
    )
    return decode(document if document is not None else {}, served).body


def _invalid_types(served: Served, document: Json, causes: list[Json]) -> ApiError:
    name = (document.get("metadata") or {}).get("name", "")
    texts = [f"{cause['field']}: {cause['message']}" for cause in causes]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    kind = f"{served.kind}.{served.group}" if served.group else served.kind
    details = {"name": name, "group": served.group, "kind": served.kind, "causes": causes}
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {text}', details=details)


class _Walk:
    def __init__(self, served: Served, problems: list[str]) -> None:
        self._served, self._problems = served, problems
        self.mistyped: list[Json] = []

    def map(self, value: Json, node: Json, path: str, depth: int) -> Json:
        if depth > DEEPEST:
            raise bad_request("json: exceeded max depth")
        out: Json = {}
        known = not schema.is_open(node)
        for key, below in value.items():
            if known and schema.declared(node, key) is None and not _extra(node):
                self._problems.append(f'unknown field "{path}{key}"')
                continue
            kept = self._any(below, schema.child(node, key), f"{path}{key}", depth + 1)
            if kept is not None or (below is None and self._served.custom):
                out[key] = kept
        return out

    def _any(self, value: Any, node: Json, path: str, depth: int) -> Any:
        wanted = node.get("type")
        if value is None:
            return None
        if "oneOf" in node or wanted is None or node.get("x-kubernetes-int-or-string"):
            if isinstance(value, dict) and "properties" in node:
                return self.map(value, node, f"{path}.", depth)
            return value
        if not _fits(value, wanted):
            return self._mistype(value, wanted, path)
        if isinstance(value, dict):
            inner = self.map(value, node, f"{path}.", depth)
            plain_map = bool(node.get("additionalProperties")) and not self._served.custom
            return None if plain_map and not inner else inner
        if isinstance(value, list):
            below = schema.items(node)
            out = [
                self._any(item, below, f"{path}[{n}]", depth + 1) for n, item in enumerate(value)
            ]
            return None if not out and not self._served.custom else out
        return value

    def _mistype(self, value: Any, wanted: str, path: str) -> Any:
        got = _go_name(value)
        if not self._served.custom:
            kind, version = self._served.kind, self._served.version
            raise bad_request(
                f'{kind} in version "{version}" cannot be handled as a {kind}: '
                f"json: cannot unmarshal {got} into Go struct field .{path} of type {wanted}"
            )
        text = f'Invalid value: "{got}": {path} in body must be of type {wanted}: "{got}"'
        self.mistyped.append({"reason": "FieldValueTypeInvalid", "message": text, "field": path})
        return value


def _extra(node: Json) -> bool:
    return bool(node.get("additionalProperties")) or "x-kubernetes-embedded-resource" in node


def _fits(value: Any, wanted: str) -> bool:
    match wanted:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _go_name(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    for kind, name in ((dict, "object"), (list, "array"), (str, "string")):
        if isinstance(value, kind):
            return name
    return "number"
