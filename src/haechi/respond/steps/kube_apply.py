"""``kube.apply``: a whole object of ours, by server-side apply; undone by its deletion.

The object carries the action that made it (``MARK``). One of the same name without that mark is
somebody else's and never touched. When others have changed what ours says, deleting it would
take their change along: it is left, and the action says that a person is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haechi.errors import KubeConflict, KubeNotFound
from haechi.respond.steps.kube_patch import uid_of
from haechi.respond.steps.performer import MANAGER, MARK, Standing, Unfit
from haechi.store.state.action_records import StoredStep

if TYPE_CHECKING:
    from haechi.world.kube.client import KubernetesClient

_OURS = ("spec", "data", "rules")


class KubeApply:
    """See ``Performer``. The body is the object."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    def prepare(self, step: StoredStep) -> Any:
        """Sure that the name is free, or ours already."""
        from haechi.world.kube.names import ref_of

        ref = ref_of(step.body)
        found = self._client.get(ref)
        if found is not None and mark_of(found) != action_of(step):
            raise Unfit(
                f"{ref.label} exists, and is not ours", why=f"its mark is {mark_of(found)!r}"
            )
        self._client.apply(marked(step), field_manager=MANAGER, dry_run=True)
        return {"delete": ref.label, "mark": action_of(step)}

    def apply(self, step: StoredStep) -> str:
        """Carried out twice it is the same as once."""
        self._client.apply(marked(step), field_manager=MANAGER)
        return ""

    def standing(self, step: StoredStep) -> Standing:
        """By its mark, then by what it says."""
        found = self._found(step)
        if found is None or _going(found):
            return Standing.ABSENT
        return Standing.APPLIED if _same(step.body, found) else Standing.CHANGED

    def undo(self, step: StoredStep) -> str:
        """Delete it, if it still is ours and says what we said."""
        from haechi.world.kube.names import ref_of

        ref = ref_of(step.body)
        found = self._found(step)
        if found is None:
            return "" if self._client.get(ref) is None else f"{ref.label} is somebody else's by now"
        if not _going(found) and not _same(step.body, found):
            raise KubeConflict(
                f"{ref.label} was changed by somebody else since it was made",
                why="to delete it would take their change along",
                do=f"look at it, then delete it: kubectl delete {_words(step.body)}",
                where=ref.label,
            )
        try:
            version = str(found.get("metadata", {}).get("resourceVersion") or "")
            self._client.delete(ref, uid=uid_of(found), resource_version=version)
        except KubeNotFound:
            return ""
        return ""

    def _found(self, step: StoredStep) -> dict[str, Any] | None:
        """Our object, if there is one."""
        from haechi.world.kube.names import ref_of

        found = self._client.get(ref_of(step.body))
        return found if found is not None and mark_of(found) == action_of(step) else None


def action_of(step: StoredStep) -> str:
    """The action that the step belongs to."""
    return step.id.rpartition("-")[0]


def marked(step: StoredStep) -> dict[str, Any]:
    """The object with its mark."""
    body: dict[str, Any] = step.body
    metadata = dict(body.get("metadata") or {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), MARK: action_of(step)}
    return {**body, "metadata": metadata}


def mark_of(found: dict[str, Any]) -> str:
    """Which action made an object; empty: none of ours."""
    metadata = found.get("metadata")
    notes = metadata.get("annotations") if isinstance(metadata, dict) else None
    return str(notes.get(MARK) or "") if isinstance(notes, dict) else ""


def _same(body: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether the object says all that ours says, and no more in what is ours."""
    return all(_holds(body.get(part), found.get(part)) for part in _OURS if part in body)


def _holds(wanted: Any, found: Any) -> bool:
    """Defaults that the server adds to objects are no change; further items of a list are."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            _holds(value, found.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (found is None and not wanted) or (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_holds(one, other) for one, other in zip(wanted, found, strict=True))
        )
    return bool(wanted == found) or (found is None and not wanted)


def _going(found: dict[str, Any]) -> bool:
    return bool(found.get("metadata", {}).get("deletionTimestamp"))


def _words(body: dict[str, Any]) -> str:
    metadata = body.get("metadata", {})
    where = f" -n {metadata['namespace']}" if metadata.get("namespace") else ""
    return f"{str(body.get('kind', '')).lower()} {metadata.get('name')}{where}"
