"""Makes ``rules/data/tables/kubernetes_fields.msgpack.z``: the fields of Kubernetes' own kinds.

From the OpenAPI definitions that the development dependency ``kubernetes-validate`` carries: the
newest release, and what older ones had besides (a cluster may be one of them, and nobody shall be
told of a field that his cluster has). Names and types only. Run it when that dependency is new:
``python -m bench.kubernetes_fields``.
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from haechi.rules.kubernetes_fields import PATH, FieldTable

Json = dict[str, Any]
_NAMES = {"string": "t", "integer": "i", "number": "n", "boolean": "b"}
_FORMATS = {"date-time": "x", "byte": "x"}
_SCALARS = ("IntOrString", "Quantity", "MicroTime", "Time")
_NO_OBJECTS = {"DeleteOptions", "WatchEvent", "Status", "APIGroup", "APIVersions", "APIResource"}


def definitions(folder: Path) -> dict[str, Json]:
    """The definitions of one release."""
    text = (folder / "_definitions.json").read_bytes()
    found: dict[str, Json] = msgspec.json.decode(text)["$defs"]
    return found


def releases() -> list[Path]:
    """Folders of releases, the oldest first."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise SystemExit("kubernetes-validate is not installed; run ./dev setup")
    folders = (Path(spec.origin).parent / "kubernetes-json-schema").glob("v1.*.0-local")
    return sorted(folders, key=lambda path: int(path.name.split(".")[1]))


def type_of(schema: Json) -> str:
    """A type in the table's short form: see ``haechi.rules.kubernetes_fields``."""
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference:
        return "x" if reference.rpartition(".")[2] in _SCALARS else f"@{reference}"
    kinds = schema.get("type") or ["any"]
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "array":
        return f"[{type_of(schema['items'])}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return "{" + type_of(values) if isinstance(values, dict) else "*"
    return _FORMATS.get(schema.get("format", ""), _NAMES.get(kind, "*"))


def merged(found: dict[str, dict[str, str]], release: dict[str, Json]) -> None:
    """Add the types of a release."""
    for name, body in release.items():
        fields = {key: type_of(value) for key, value in body.get("properties", {}).items()}
        known = found.setdefault(name, {})
        for field, type_ in fields.items():
            known[field] = type_ if known.get(field, type_) == type_ else "*"


def kinds_of(release: dict[str, Json]) -> Iterator[tuple[str, str, str, str]]:
    """Group, version, kind and type of all that can be created."""
    for name, body in release.items():
        for each in body.get("x-kubernetes-group-version-kind", ()):
            kind = each["kind"]
            is_object = {"metadata", "kind"} <= body.get("properties", {}).keys()
            if is_object and kind not in _NO_OBJECTS and not kind.endswith("List"):
                yield each["group"], each["version"], kind, name


def numbered(
    kinds: set[tuple[str, str, str, str]], fields: dict[str, dict[str, str]], release: str
) -> FieldTable:
    """Only what the kinds lead to, with numbers in the place of long names."""
    order: list[str] = sorted({kind[3] for kind in kinds})
    seen = set(order)
    for name in order:  # grows while it is read
        for type_ in sorted(fields[name].values()):
            below = type_.lstrip("[{")[1:]
            if "@" in type_ and below not in seen and fields.get(below):
                seen.add(below)
                order.append(below)
    numbers = {name: number for number, name in enumerate(order)}

    def short(type_: str) -> str:
        before, at, name = type_.partition("@")
        if not at:
            return type_
        return f"{before}@{numbers[name]}" if name in numbers else f"{before}*"

    return FieldTable(
        release=release,
        kinds=sorted((g, v, k, numbers[name]) for g, v, k, name in kinds),
        names=[name.rpartition(".")[2] for name in order],
        fields=[{key: short(value) for key, value in fields[name].items()} for name in order],
    )


def made() -> FieldTable:
    """The table."""
    fields: dict[str, dict[str, str]] = {}
    kinds: set[tuple[str, str, str, str]] = set()
    folders = releases()
    for folder in folders:
        release = definitions(folder)
        merged(fields, release)
        kinds.update(kinds_of(release))
    return numbered(kinds, fields, folders[-1].name.removeprefix("v").removesuffix(".0-local"))


def main() -> None:
    """Write it."""
    packed = zlib.compress(msgspec.msgpack.encode(made()), 9)
    PATH.write_bytes(packed)
    print(f"{PATH}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
