"""Discovery: what kubectl asks for first, in the legacy and the aggregated form."""

from __future__ import annotations

from typing import Any

from tests.fakes.apiserver.catalogue import Catalogue, Served
from tests.fakes.apiserver.request import Request
from tests.fakes.apiserver.schema import KUBERNETES

Json = dict[str, Any]
VERSION: Json = {
    "major": "1",
    "minor": "32",
    "gitVersion": f"v{KUBERNETES}",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2024-12-11T17:59:15Z",
    "goVersion": "go1.23.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_AGGREGATED = ("v2", "v2beta1")
# what a subresource is, where it is not its object's own kind: kind, verbs, group/version
_OTHERS: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "eviction": ("Eviction", ("create",), "policy", "v1"),
    "scale": ("Scale", ("get", "patch", "update"), "autoscaling", "v1"),
    "token": ("TokenRequest", ("create",), "authentication.k8s.io", "v1"),
    "binding": ("Binding", ("create",), "", "v1"),
    "log": ("", ("get",), "", ""),
    "finalize": ("", ("update",), "", ""),
}


def aggregated_version(request: Request) -> str:
    """The aggregated form's version where the client takes it, else nothing."""
    for clause in request.headers.get("accept", "").split(","):
        words = dict(part.strip().split("=", 1) for part in clause.split(";")[1:] if "=" in part)
        if words.get("as") == "APIGroupDiscoveryList" and words.get("v") in _AGGREGATED:
            return words["v"]
    return ""


def media(version: str) -> str:
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def api_versions() -> Json:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
    }


def _group(catalogue: Catalogue, name: str) -> Json:
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version}
        for version in catalogue.versions(name)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def group_list(catalogue: Catalogue) -> Json:
    groups = [_group(catalogue, name) for name in catalogue.groups()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(catalogue: Catalogue, name: str) -> Json | None:
    if name not in catalogue.groups():
        return None
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(catalogue, name)


def resources(catalogue: Catalogue, group: str, version: str) -> Json | None:
    served = [each for each in catalogue.all() if (each.group, each.version) == (group, version)]
    if not served:
        return None
    found = []
    for each in served:
        found.append(_resource(each))
        found += [_below(each, word) for word in each.subresources]
    name = f"{group}/{version}" if group else version
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name}
    return head | {"resources": found}


def _resource(each: Served) -> Json:
    body: Json = {
        "name": each.plural,
        "singularName": each.singular,
        "namespaced": each.namespaced,
        "kind": each.kind,
        "verbs": list(each.verbs),
    }
    if each.short:
        body["shortNames"] = list(each.short)
    if each.categories:
        body["categories"] = list(each.categories)
    return body


def _below(each: Served, word: str) -> Json:
    own = (each.kind, ("get", "patch", "update"), "", "")
    kind, verbs, group, version = _OTHERS.get(word, own)
    body: Json = {
        "name": f"{each.plural}/{word}",
        "singularName": "",
        "namespaced": each.namespaced,
        "kind": kind or each.kind,
        "verbs": list(verbs),
    }
    if version:
        body |= {"group": group, "version": version}
    return body


def aggregated(catalogue: Catalogue, version: str, *, core: bool) -> Json:
    names = [""] if core else catalogue.groups()
    items = []
    for name in names:
        versions = [_version(catalogue, name, each) for each in catalogue.versions(name)]
        meta: Json = {"creationTimestamp": None} | ({"name": name} if name else {})
        items.append({"metadata": meta, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _version(catalogue: Catalogue, group: str, version: str) -> Json:
    served = [each for each in catalogue.all() if (each.group, each.version) == (group, version)]
    found = []
    for each in served:
        body: Json = {
            "resource": each.plural,
            "responseKind": {"group": group, "version": version, "kind": each.kind},
            "scope": "Namespaced" if each.namespaced else "Cluster",
            "singularResource": each.singular,
            "verbs": list(each.verbs),
        }
        if each.short:
            body["shortNames"] = list(each.short)
        if each.categories:
            body["categories"] = list(each.categories)
        if each.subresources:
            body["subresources"] = [_part(each, word) for word in each.subresources]
        found.append(body)
    return {"version": version, "freshness": "Current", "resources": found}


def _part(each: Served, word: str) -> Json:
    own = (each.kind, ("get", "patch", "update"), each.group, each.version)
    kind, verbs, group, version = _OTHERS.get(word, own)
    response = {
        "group": group if version else each.group,
        "version": version or each.version,
        "kind": kind or each.kind,
    }
    return {"subresource": word, "responseKind": response, "verbs": list(verbs)}
