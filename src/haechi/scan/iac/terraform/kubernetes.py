"""Blocks of the Kubernetes provider → objects, judged by the rules for manifests.

``kubernetes_manifest`` holds an object as it is, ``kubectl_manifest`` its YAML, the typed resources
their own spelling of it (``kubernetes_shapes``). A place in the object leads back to the
attribute of the block. What is not known stays so, and judges that look at it say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.keys import k8s_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform.kubernetes_shapes import (
    AFFINITY_LISTS,
    LISTS,
    MAPS,
    NUMBERS,
    camel,
    kind_of,
)
from haechi.scan.iac.terraform.run import FAULT

if TYPE_CHECKING:
    from haechi.scan.iac.collected import Collected

_MANIFESTS = {
    "kubernetes_manifest": "manifest",
    "kubectl_manifest": "yaml_body",
}
_MAX_DEPTH = 40
Trace = dict[Any, tuple[AttrPath, Any]]
"""Where each field of an object comes from: steps in the block, and the trace below."""


def take_kubernetes(out: Collected) -> None:
    """Make the objects that blocks declare, and say what no object can be made of."""
    helm: list[Resource] = []
    for block in out.terraform:
        if block.kind.startswith("helm_release"):
            helm.append(block)
            continue
        if not block.kind.startswith(("kubernetes_", "kubectl_")):
            continue
        for resource in _objects(block, out.gaps):
            out.objects.append(resource)
            out.built[id(resource)] = block
            out.origins[id(resource)] = out.origins.get(id(block), block.key)
    if helm:
        first = str(helm[0].locate(()))
        more = f" and {len(helm) - 1} more" if len(helm) > 1 else ""
        reason = f"what the charts of {helm[0].name}{more} install is not judged"
        do = "render the charts with these values (`helm template`) and scan the result"
        out.gaps.append(Gap(kind="helm-release", path=first, reason=reason, do=do))
    if out.objects:
        out.counts["kubernetes objects in terraform"] = len(out.objects)


def _objects(block: Resource, gaps: list[Gap]) -> Iterator[Resource]:
    attribute = _MANIFESTS.get(block.kind)
    if attribute == "manifest":
        yield from _manifest(block, block.data.get("manifest"), gaps)
    elif attribute == "yaml_body":
        yield from _yaml(block, block.data.get("yaml_body"), gaps)
    else:
        found = kind_of(block.kind)
        if found is not None:
            yield _typed(block, *found)


def _manifest(block: Resource, manifest: Any, gaps: list[Gap]) -> Iterator[Resource]:
    if isinstance(manifest, Unknown):
        content = manifest.content
        if isinstance(content, Unknown) or not isinstance(content, dict):
            gaps.append(_unknown_gap(block, "manifest", manifest))
            return
        manifest = content
    yield from _object(block, manifest, lambda path: ("manifest", *path), gaps)


def _object(
    block: Resource, manifest: Any, steps: Callable[[AttrPath], AttrPath], gaps: list[Gap]
) -> Iterator[Resource]:
    fields = manifest if isinstance(manifest, dict) else {}
    api_version, kind = fields.get("apiVersion"), fields.get("kind")
    unknown = next((one for one in (api_version, kind) if isinstance(one, Unknown)), None)
    if unknown is not None:
        gaps.append(_unknown_gap(block, steps(())[0], unknown))
    elif isinstance(api_version, str) and isinstance(kind, str) and api_version and kind:
        group, _, version = api_version.rpartition("/")
        yield _resource(block, group, version, kind, fields, steps)
    else:
        gaps.append(_no_object(block, steps(())[0], "it has no apiVersion or no kind"))


def _yaml(block: Resource, body: Any, gaps: list[Gap]) -> Iterator[Resource]:
    from haechi.engines.documents import Fault, parse_documents

    if isinstance(body, Unknown):
        gaps.append(_unknown_gap(block, "yaml_body", body))
        return
    if not isinstance(body, str):
        gaps.append(_no_object(block, "yaml_body", "it is no text"))
        return
    try:
        for document in parse_documents(body.encode("utf-8", "surrogatepass")):
            if isinstance(document, Fault):
                gaps.append(_no_object(block, "yaml_body", document.message))
            elif document.data is not None:
                yield from _object(block, document.data, lambda path: ("yaml_body",), gaps)
    except InputError as error:
        gaps.append(_no_object(block, "yaml_body", error.what))


def _unknown_gap(block: Resource, attribute: str | int, value: Unknown) -> Gap:
    reason = f"the object of {block.name} is not known{f' ({value.cause})' if value.cause else ''}"
    do = "scan a plan (`terraform show -json`)"
    place = str(block.locate((attribute,)))
    return Gap(kind="terraform-unknown", path=place, reason=reason, do=do)


def _no_object(block: Resource, attribute: str | int, why: str) -> Gap:
    reason = f"the {attribute} of {block.name} is no object of Kubernetes: {why}"
    place = str(block.locate((attribute,)))
    return Gap(kind=FAULT, path=place, reason=reason, do="correct it")


def _typed(block: Resource, group: str, version: str, kind: str) -> Resource:
    data: dict[str, Any] = {
        "apiVersion": f"{group}/{version}" if group else version,
        "kind": kind,
    }
    trace: Trace = {}
    skipped = ("timeouts", "wait_for_rollout", "wait_for_completion", "wait_for_load_balancer")
    source = {key: item for key, item in block.data.items() if key not in skipped}
    made, inner = _fields(source, kind, "", 0)
    data.update(made)
    trace.update(inner)
    if kind == "Secret" and "data" in data:
        # The provider takes plain text and encodes it itself.
        data["stringData"] = data.pop("data")
        trace["stringData"] = trace.pop("data", (("data",), None))
    return _resource(block, group, version, kind, data, lambda path: _traced(trace, path))


def _fields(source: Mapping[str, Any], kind: str, around: str, depth: int) -> tuple[Any, Trace]:
    """The fields of an object and where they come from."""
    out: dict[str, Any] = {}
    trace: Trace = {}
    for name, value in source.items():
        field, item, steps, inner = _field(name, value, kind, around, depth)
        out[field] = item
        trace[field] = (steps, inner)
    return out, trace


def _field(
    name: str, value: Any, kind: str, around: str, depth: int
) -> tuple[str, Any, AttrPath, Any]:
    if name in MAPS or (name == "selector" and around == "spec" and kind in _PLAIN_SELECTORS):
        return camel(name), value, (name,), None
    if isinstance(value, Unknown) or depth > _MAX_DEPTH:
        return _plural(name, kind, around) or camel(name), value, (name,), None
    if isinstance(value, list) and _is_blocks(value):
        plural = _plural(name, kind, around)
        if plural:
            items, traces = _items(value, kind, name, depth)
            return plural, items, (name,), traces
        made, inner = _fields(value[0], kind, name, depth + 1)
        return _renamed(camel(name), kind), made, (name, 0), inner
    if isinstance(value, dict):
        made, inner = _fields(value, kind, name, depth + 1)
        return camel(name), made, (name,), inner
    field = camel(name)
    return field, _number(field, value), (name,), None


_PLAIN_SELECTORS = frozenset({"Service", "ReplicationController"})


def _is_blocks(value: list[Any]) -> bool:
    return bool(value) and any(not isinstance(v, Unknown) and isinstance(v, dict) for v in value)


def _plural(name: str, kind: str, around: str) -> str:
    """The list that a block is an item of; empty for single objects."""
    if name == "port" and around not in ("container", "init_container", "spec", "subset"):
        return ""
    if name == "secret":
        return "secrets" if not around and kind.endswith("ServiceAccount") else ""
    if name == "ingress" and kind != "NetworkPolicy":
        return ""
    if name in AFFINITY_LISTS:
        single = around == "node_affinity" and name.startswith("required")
        return "" if single else camel(name)
    if name == "preference":
        return ""
    return LISTS.get(name, "")


def _renamed(field: str, kind: str) -> str:
    return "updateStrategy" if field == "strategy" and kind == "DaemonSet" else field


def _items(value: list[Any], kind: str, name: str, depth: int) -> tuple[list[Any], Trace]:
    items: list[Any] = []
    traces: Trace = {}
    for index, item in enumerate(value):
        if isinstance(item, Unknown) or not isinstance(item, dict):
            items.append(item)
            traces[index] = ((index,), None)
            continue
        made, inner = _fields(item, kind, name, depth + 1)
        items.append(made)
        traces[index] = ((index,), inner)
    return items, traces


def _number(field: str, value: Any) -> Any:
    if field in NUMBERS:
        if isinstance(value, list):
            return [_number(field, item) for item in value]
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18:
            return int(value)
    return value


def _traced(trace: Any, path: AttrPath) -> AttrPath:
    """The path in the block of a path in the object."""
    out: list[str | int] = []
    for at, step in enumerate(path):
        found = trace.get(step) if isinstance(trace, dict) else None
        if found is None:
            if trace is None:
                out += path[at:]
            break
        out += found[0]
        trace = found[1]
    return tuple(out)


def _resource(
    block: Resource,
    group: str,
    version: str,
    kind: str,
    data: dict[str, Any],
    steps: Callable[[AttrPath], AttrPath],
) -> Resource:
    raw = data.get("metadata")
    metadata = raw if not isinstance(raw, Unknown) and isinstance(raw, dict) else {}
    namespace = _name(metadata.get("namespace"), "")
    name = _name(metadata.get("name"), "") or _name(metadata.get("generate_name"), block.name)

    def locate(path: AttrPath) -> Location:
        return block.locate(steps(path))

    return Resource(
        key=k8s_key(group=group, kind=kind, namespace=namespace or None, name=name),
        kind=kind,
        group=group,
        version=version,
        namespace=namespace or None,
        name=name,
        data=data,
        locate=locate,
        file=block.file,
    )


def _name(value: Any, otherwise: str) -> str:
    """A name; two that are unknown for one cause are taken for the same."""
    if isinstance(value, Unknown):
        return f"({value.cause or 'unknown'})"
    return str(value) if isinstance(value, (str, int)) and value != "" else otherwise
