"""The one way to name a thing. Parts are percent-encoded, so a key splits without ambiguity.

``k8s:{cluster|-}/{group|core}/{Kind}/{namespace|-}/{name}``, ``file:<repo>/<path>``. Other
kinds of key (``image:``, ``tf:`` …) are added here by the rooms that need them.
"""

from __future__ import annotations

from urllib.parse import quote

_SAFE = "-._~"


def _part(text: str) -> str:
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


def without_cluster(key: str) -> str:
    """The key as fingerprints use it: the same object in two clusters is one finding."""
    if not key.startswith("k8s:"):
        return key
    _, _, rest = key.partition("/")
    return f"k8s:-/{rest}"
