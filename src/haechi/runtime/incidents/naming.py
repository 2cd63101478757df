"""What incidents are called."""

from __future__ import annotations

from haechi.runtime.incidents.reading import NONE, Detection


def title_of(detection: Detection) -> str:
    """One line for people."""
    return f"{detection.rule}: {short(detection.resource)}"[:300]


def short(resource: str) -> str:
    """A resource as people say it: ``Deployment shop/web``, ``node worker-1``."""
    kind, _, rest = resource.partition(":")
    if kind == "k8s":
        parts = rest.split("/")
        if len(parts) == 5:
            return (
                f"{parts[2]} {parts[3]}/{parts[4]}"
                if parts[3] != NONE
                else f"{parts[2]} {parts[4]}"
            )
    words = {"host": "node", "container": "container", "user": "user", "many": "many in"}
    if kind in words:
        name = rest.partition("/")[2]
        return f"{words[kind]} {name[:12] if kind == 'container' else name}"
    return resource
