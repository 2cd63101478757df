"""Kubernetes' protobuf bodies, as far as kubectl sends them.

kubectl's typed commands (`create namespace`, `drain`, `auth can-i`, `create token` …) send
protobuf and take JSON back. The field numbers below are the API's wire format; other kinds are
refused with 415.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tests.fakes.apiserver.clock import stamp
from tests.fakes.apiserver.status import bad_request, unsupported_media

Json = dict[str, Any]
MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"

# message: field number name type, a `*` for repeated ones. Types: s text, z number (0: unset),
# i number, b bool, bytes (base64 in JSON), map, mapb (of bytes), time, or a message.
_TABLE = """
Unknown: 1 typeMeta TypeMeta, 2 raw bytes, 4 contentType s
TypeMeta: 1 apiVersion s, 2 kind s
ObjectMeta: 1 name s, 2 generateName s, 3 namespace s, 5 uid s, 6 resourceVersion s, 7 generation z, 8 creationTimestamp time, 9 deletionTimestamp time, 10 deletionGracePeriodSeconds i, 11 labels map, 12 annotations map, 13 ownerReferences OwnerReference*, 14 finalizers s*
OwnerReference: 1 kind s, 3 name s, 4 uid s, 5 apiVersion s, 6 controller b, 7 blockOwnerDeletion b
Namespace: 1 metadata ObjectMeta, 2 spec NamespaceSpec
NamespaceSpec: 1 finalizers s*
ServiceAccount: 1 metadata ObjectMeta, 2 secrets ObjectReference*, 3 imagePullSecrets LocalReference*, 4 automountServiceAccountToken b
ObjectReference: 1 kind s, 2 namespace s, 3 name s, 4 uid s, 5 apiVersion s, 6 resourceVersion s, 7 fieldPath s
LocalReference: 1 name s
Secret: 1 metadata ObjectMeta, 2 data mapb, 3 type s, 4 stringData map, 5 immutable b
ConfigMap: 1 metadata ObjectMeta, 2 data map, 3 binaryData mapb, 4 immutable b
Binding: 1 metadata ObjectMeta, 2 target ObjectReference
Eviction: 1 metadata ObjectMeta, 2 deleteOptions DeleteOptions
DeleteOptions: 1 gracePeriodSeconds i, 2 preconditions Preconditions, 3 orphanDependents b, 4 propagationPolicy s, 5 dryRun s*
Preconditions: 1 uid s, 2 resourceVersion s
Role: 1 metadata ObjectMeta, 2 rules PolicyRule*
ClusterRole: 1 metadata ObjectMeta, 2 rules PolicyRule*
PolicyRule: 1 verbs s*, 2 apiGroups s*, 3 resources s*, 4 resourceNames s*, 5 nonResourceURLs s*
RoleBinding: 1 metadata ObjectMeta, 2 subjects Subject*, 3 roleRef RoleRef
ClusterRoleBinding: 1 metadata ObjectMeta, 2 subjects Subject*, 3 roleRef RoleRef
Subject: 1 kind s, 2 apiGroup s, 3 name s, 4 namespace s
RoleRef: 1 apiGroup s, 2 kind s, 3 name s
TokenRequest: 1 metadata ObjectMeta, 2 spec TokenRequestSpec
TokenRequestSpec: 1 audiences s*, 3 boundObjectRef BoundReference, 4 expirationSeconds i
BoundReference: 1 kind s, 2 apiVersion s, 3 name s, 4 uid s
SelfSubjectReview: 1 metadata ObjectMeta
SelfSubjectRulesReview: 1 metadata ObjectMeta, 2 spec RulesSpec
RulesSpec: 1 namespace s
SelfSubjectAccessReview: 1 metadata ObjectMeta, 2 spec AccessSpec
AccessSpec: 1 resourceAttributes ResourceAttributes, 2 nonResourceAttributes UrlAttributes
ResourceAttributes: 1 namespace s, 2 verb s, 3 group s, 4 version s, 5 resource s, 6 subresource s, 7 name s
UrlAttributes: 1 path s, 2 verb s
"""  # noqa: E501 - a table of messages, one a line


def _read(table: str) -> dict[str, dict[int, tuple[str, str]]]:
    found = {}
    for line in table.strip().splitlines():
        message, _, fields = line.partition(": ")
        parts = (each.split() for each in fields.split(", "))
        found[message] = {int(number): (name, kind) for number, name, kind in parts}
    return found


_MESSAGES = _read(_TABLE)
# kinds whose keys must be there even when empty
_ALWAYS = {"Subject": ("kind", "name"), "RoleRef": ("apiGroup", "kind", "name")}


def decode(body: bytes) -> Json:
    """An object's JSON form; 400 on what is no such message, 415 on kinds not known here."""
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message")
    try:
        head = _message(memoryview(body)[len(_MAGIC) :], "Unknown")
        kind = head.get("typeMeta", {}).get("kind", "")
        if kind not in _MESSAGES:
            raise unsupported_media(["application/json", "application/yaml"])
        raw = base64.b64decode(head.get("raw", ""))
        found: Json = head["typeMeta"] | _message(memoryview(raw), kind)
        return found
    except (IndexError, UnicodeDecodeError, KeyError, TypeError) as failed:
        raise bad_request(f"unable to decode protobuf: {failed}") from failed


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise IndexError("varint is too long")


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case 2:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise IndexError("a field is longer than its message")
                yield tag >> 3, data[at : at + size]
                at += size
            case 1 | 5 as width:
                at += 8 if width == 1 else 4
            case _:
                raise IndexError("unknown wire type")


def _message(data: memoryview, name: str) -> Json:
    known, out = _MESSAGES[name], dict[str, Any]()
    for number, value in _fields(data):
        if number not in known:
            continue
        key, kind = known[number]
        if kind in ("map", "mapb"):
            entry = dict(_fields(value))
            text = bytes(entry.get(2, b""))
            shown = text.decode() if kind == "map" else base64.b64encode(text).decode()
            out.setdefault(key, {})[bytes(entry[1]).decode()] = shown
        elif kind.endswith("*"):
            out.setdefault(key, []).append(_value(value, kind[:-1]))
        else:
            one = _value(value, kind)
            if one not in ("", None) and not (kind == "z" and one == 0):
                out[key] = one
    for key in _ALWAYS.get(name, ()):
        out.setdefault(key, "")
    return out


def _value(value: Any, kind: str) -> Any:
    match kind:
        case "s":
            return bytes(value).decode()
        case "i" | "z":
            return value - (1 << 64) if value >> 63 else value
        case "b":
            return bool(value)
        case "bytes":
            return base64.b64encode(value).decode()
        case "time":
            parts = dict(_fields(value))
            return stamp(parts[1]) if 0 < parts.get(1, 0) < 1 << 40 else None
    return _message(value, kind)
