"""What incidents are called."""

from __future__ import annotations

from haechi.model.keys import key_parts
from haechi.runtime.incidents.reading import NONE, Detection


def title_of(detection: Detection) -> str:
    """One line for people."""
    return f"{detection.rule}: {short(detection.resource)}"[:300]


def short(resource: str) -> str:
    """A resource as people say it: ``Deployment shop/web``, ``node worker-1``."""
    if parts := key_parts(resource):
        _, _, kind, namespace, name = parts
        return f"{kind} {namespace}/{name}" if namespace != NONE else f"{kind} {name}"
    kind, _, rest = resource.partition(":")
    words = {"host": "node", "container": "container", "user": "user", "many": "many in"}
    if kind in words:
        name = rest.partition("/")[2]
        return f"{words[kind]} {name[:12] if kind == 'container' else name}"
    return resource
