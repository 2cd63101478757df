"""What the client sends and gets, apart from how: bodies and queries of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haechi.errors import KubeError
from haechi.world.kube.names import Kind, Ref


def as_kind(body: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Items of a list leave out what the list says; partial ones name another kind."""
    return {**body, "apiVersion": kind.api_version, "kind": kind.kind}


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """Without the bookkeeping of fields, which is often the larger part."""
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    return body


def replicas_of(body: Mapping[str, Any], ref: Ref) -> int:
    """Of a Scale. Raises KubeError."""
    spec = body.get("spec")
    found = spec.get("replicas", 0) if isinstance(spec, dict) else 0
    if not isinstance(found, int) or isinstance(found, bool):
        raise KubeError("the API server gives no number of replicas", where=ref.label)
    return found


def has_tests(operations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a patch says what must be so before."""
    return any(one.get("op") == "test" for one in operations)


def dry_query(dry_run: bool) -> list[tuple[str, str]]:
    """The query that asks for a rehearsal."""
    return [("dryRun", "All")] if dry_run else []


def bool_word(value: bool) -> str:
    """As API servers read it."""
    return "true" if value else "false"
