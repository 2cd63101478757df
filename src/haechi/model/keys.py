"""The one way to name a thing. Parts are percent-encoded, so a key splits without ambiguity.

``k8s:{cluster|-}/{group|core}/{Kind}/{namespace|-}/{name}``, ``file:<repo>/<path>``,
``repo:<url>``, ``image:<reference>``; a package's key is its package URL (``pkg:``). Other kinds
of key (``tf:`` …) are added here by the rooms that need them.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import msgspec

_SAFE = "-._~"
_URL = _SAFE + "/:@?=&+,"
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+").fullmatch


class ObjectName(msgspec.Struct, frozen=True, kw_only=True):
    """What the key of a Kubernetes object says, decoded. Empty: none, and the core group."""

    cluster: str
    group: str
    kind: str
    namespace: str
    name: str


def _part(text: str) -> str:
    if _PLAIN(text):  # nearly always; a webhook makes hundreds of keys a second
        return text
    return quote(text, safe=_SAFE) if text else "-"


def k8s_key(
    *, group: str, kind: str, namespace: str | None, name: str, cluster: str | None = None
) -> str:
    """Key of a Kubernetes object; the core group is written ``core``, absent parts ``-``."""
    return (
        f"k8s:{_part(cluster or '')}/{_part(group or 'core')}/{_part(kind)}"
        f"/{_part(namespace or '')}/{_part(name)}"
    )


def file_key(path: str, *, repo: str = "") -> str:
    """Key of a file in a repository; slashes of the path stay readable."""
    return f"file:{_part(repo)}/{quote(path, safe='/' + _SAFE)}"


def repository_key(url: str) -> str:
    """Key of a repository by its URL (or ``dir:<name>``) as it is: sources are named by it."""
    return f"repo:{url}"


def image_key(reference: str) -> str:
    """Key of an image by its reference as written: two names of one image are two keys."""
    return f"image:{quote(reference, safe=_URL)}"


def in_repository(key: str, repo: str) -> str:
    """A key as a whole estate uses it: ``file:-/path`` of one repository gets its name."""
    rest = key.removeprefix("file:-/")
    return key if rest == key else f"file:{_part(repo)}/{rest}"


def without_repository(key: str) -> str:
    """A file's key as a scan and a waiver of the repository itself write it."""
    if not key.startswith("file:"):
        return key
    _, _, rest = key.partition("/")
    return f"file:-/{rest}"


def without_version(key: str) -> str:
    """A package's key for whatever version of it, from wherever."""
    if not key.startswith("pkg:"):
        return key
    bare = key.partition("#")[0].partition("?")[0]
    return bare.rpartition("@")[0] or bare


def without_cluster(key: str) -> str:
    """The key as fingerprints use it: the same object in two clusters is one finding."""
    if not key.startswith("k8s:"):
        return key
    _, _, rest = key.partition("/")
    return f"k8s:-/{rest}"


def key_parts(key: str) -> list[str] | None:
    """Cluster, group, kind, namespace and name as they stand in the key of a Kubernetes object;
    None for every other key."""
    if not key.startswith("k8s:"):
        return None
    parts = key[4:].split("/")
    return parts if len(parts) == 5 else None


def object_name(key: str) -> ObjectName | None:
    """The Kubernetes object that a key names; None for every other key."""
    parts = key_parts(key)
    if parts is None:
        return None
    cluster, group, kind, namespace, name = ("" if one == "-" else unquote(one) for one in parts)
    group = "" if group == "core" else group
    return ObjectName(cluster=cluster, group=group, kind=kind, namespace=namespace, name=name)


def namespace_of(key: str) -> str:
    """The namespace in the key of a Kubernetes object; ``-`` for everything else."""
    parts = key_parts(key)
    return (unquote(parts[3]) or "-") if parts else "-"
