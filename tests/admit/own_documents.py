"""haechi's own documents for tests: from text to resources, as files hold them."""

from __future__ import annotations

import json
from typing import Any

from haechi.engines.documents import Document, parse_documents
from haechi.engines.objects import resources_of
from haechi.model.resource import Resource


def documents(text: str, file: str = "policies.yaml") -> list[Resource]:
    """The objects of a text."""
    found: list[Resource] = []
    for document in parse_documents(text.encode()):
        assert isinstance(document, Document), document
        found.extend(resources_of(document, file))
    return found


def own(kind: str, *, name: str = "one", api: str = "haechi.dev/v1alpha1", **spec: Any) -> str:
    """A document of one of haechi's kinds."""
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return f"---\n{json.dumps(body, indent=1)}\n"
