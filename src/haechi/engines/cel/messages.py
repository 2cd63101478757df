"""Types that the API server gives ``request``, ``namespaceObject`` and its own values.

They are told to the type check as protobuf messages: opaque types have none, the two variables the
fields that ``BuildRequestType`` and ``BuildNamespaceType`` declare (apiserver,
pkg/admission/plugin/cel). Nothing of such a type ever exists when an expression runs.
"""

from __future__ import annotations

from typing import Any, Final

from haechi.engines.cel.libraries.overload import TYPES

REQUEST, NAMESPACE = "kubernetes.AdmissionRequest", "kubernetes.Namespace"
_TEXTS, _MAP, _ANY = "list<string>", "map<string, string>", "dyn"
_PARTS: Final = "kubernetes.GroupVersionKind", "kubernetes.GroupVersionResource"

_FIELDS: Final[dict[str, dict[str, str]]] = {
    _PARTS[0]: dict.fromkeys(("group", "version", "kind"), "string"),
    _PARTS[1]: dict.fromkeys(("group", "version", "resource"), "string"),
    "kubernetes.UserInfo": {
        "username": "string",
        "uid": "string",
        "groups": _TEXTS,
        "extra": "map<string, list>",
    },
    REQUEST: {
        "kind": _PARTS[0],
        "resource": _PARTS[1],
        "subResource": "string",
        "requestKind": _PARTS[0],
        "requestResource": _PARTS[1],
        "requestSubResource": "string",
        "name": "string",
        "namespace": "string",
        "operation": "string",
        "userInfo": "kubernetes.UserInfo",
        "dryRun": "bool",
        "options": _ANY,
    },
    "kubernetes.NamespaceSpec": {"finalizers": _TEXTS},
    "kubernetes.NamespaceCondition": {
        "status": "string",
        "type": "string",
        "lastTransitionTime": "google.protobuf.Timestamp",
        "message": "string",
        "reason": "string",
    },
    "kubernetes.NamespaceStatus": {
        "conditions": "list<kubernetes.NamespaceCondition>",
        "phase": "string",
    },
    "kubernetes.NamespaceMetadata": {
        **dict.fromkeys(("name", "generateName", "namespace", "UID", "resourceVersion"), "string"),
        "labels": _MAP,
        "annotations": _MAP,
        "creationTimestamp": "google.protobuf.Timestamp",
        "deletionTimestamp": "google.protobuf.Timestamp",
        "deletionGracePeriodSeconds": "int",
        "generation": "int",
        "finalizers": _TEXTS,
    },
    NAMESPACE: {
        "metadata": "kubernetes.NamespaceMetadata",
        "spec": "kubernetes.NamespaceSpec",
        "status": "kubernetes.NamespaceStatus",
    },
}


def descriptor_pool() -> Any:
    """All types, in the form in which the wheel takes them."""
    from google.protobuf import descriptor_pb2, struct_pb2, timestamp_pb2
    from google.protobuf import descriptor_pool as pools

    pool = pools.DescriptorPool()
    for known in (struct_pb2, timestamp_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    packages: dict[str, list[Any]] = {}
    for type_ in (*TYPES, *_FIELDS):
        package, _, name = type_.rpartition(".")
        message = descriptor_pb2.DescriptorProto(name=name)
        for number, (field, of) in enumerate(_FIELDS.get(type_, {}).items(), start=1):
            _add(message, type_, field, number, of)
        packages.setdefault(package, []).append(message)
    for package, messages in packages.items():
        file = descriptor_pb2.FileDescriptorProto(
            name=f"{package}.proto",
            package=package,
            syntax="proto3",
            message_type=messages,
            dependency=["google/protobuf/struct.proto", "google/protobuf/timestamp.proto"],
        )
        pool.Add(file)
    return pool


def _add(message: Any, type_: str, field: str, number: int, of: str) -> None:
    """One field. A map is, as everywhere in protobuf, a list of entries of a type of its own."""
    added = message.field.add(name=field, number=number, label=1)
    if of.startswith("list<"):
        added.label, of = 3, of[5:-1]
    elif of.startswith("map<"):
        entry = message.nested_type.add(name=f"{field[0].upper()}{field[1:]}Entry")
        entry.options.map_entry = True
        _type(entry.field.add(name="key", number=1, label=1), "string")
        _type(entry.field.add(name="value", number=2, label=1), of[4:-1].partition(", ")[2])
        added.label, of = 3, f"{type_}.{entry.name}"
    _type(added, of)


_SCALARS: Final = {"int": 3, "bool": 8, "string": 9}
_WELL_KNOWN: Final = {"dyn": "google.protobuf.Value", "list": "google.protobuf.ListValue"}


def _type(field: Any, of: str) -> None:
    if of in _SCALARS:
        field.type = _SCALARS[of]
        return
    field.type = 11
    field.type_name = f".{_WELL_KNOWN.get(of, of)}"
