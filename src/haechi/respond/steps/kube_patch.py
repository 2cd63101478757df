"""``kube.patch``: some fields of an object that is not ours.

The step's own tests guard the way there. On the way back the object is read, what is still ours
is put back, and the version that was read guards that nobody comes between. An object that was
made anew under the same name (another uid) holds nothing of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import KubeConflict
from haechi.respond.steps.performer import MANAGER, Standing, Unfit
from haechi.respond.steps.pointers import Field, fields_of, restoring, standing_of
from haechi.store.state.action_records import StoredStep

if TYPE_CHECKING:
    from haechi.world.kube.client import KubernetesClient
    from haechi.world.kube.names import Ref

TRIES = 5


class _Inverse(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    fields: tuple[Field, ...]


class KubePatch:
    """See ``Performer``. The body is a list of operations with tests."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    def prepare(self, step: StoredStep) -> Any:
        """The fields that will change, as they are now."""
        ref, found = present(self._client, step)
        fields = fields_of(found, step.body)
        self._client.patch(ref, step.body, field_manager=MANAGER, dry_run=True)
        return msgspec.to_builtins(_Inverse(uid=uid_of(found), fields=tuple(fields)))

    def apply(self, step: StoredStep) -> str:
        """All of it or nothing, and only on the object that was read: the uid is part of the
        patch's tests."""
        guard = {"op": "test", "path": "/metadata/uid", "value": _inverse(step).uid}
        self._client.patch(target(step), [guard, *step.body], field_manager=MANAGER)
        return ""

    def standing(self, step: StoredStep) -> Standing:
        """By its fields."""
        inverse = _inverse(step)
        found = self._client.get(target(step))
        if found is None or uid_of(found) != inverse.uid or not inverse.fields:
            return Standing.ABSENT
        _, after, other = standing_of(found, inverse.fields)
        if not after:
            return Standing.ABSENT
        return Standing.CHANGED if other or after < _paths(inverse) else Standing.APPLIED

    def undo(self, step: StoredStep) -> str:
        """Field by field."""
        inverse = _inverse(step)
        ref = target(step)
        for _ in range(TRIES):
            found = self._client.get(ref)
            if found is None or uid_of(found) != inverse.uid:
                return f"{ref.label} is gone, and what was changed on it with it"
            operations, left = restoring(found, inverse.fields)
            if not operations:
                return "; ".join(left)
            try:
                self._client.patch(ref, [_version(found), *operations], field_manager=MANAGER)
            except KubeConflict:
                continue  # somebody changed it in between: read it again
            return "; ".join(left)
        raise KubeConflict(
            f"{ref.label} is changed all the time: nothing could be put back",
            do="it is tried again",
            where=ref.label,
        )


def target(step: StoredStep) -> Ref:
    """The object that the step's target names."""
    from haechi.world.kube.names import ref_of_resource

    ref = ref_of_resource(step.target)
    if ref is None:
        raise Unfit(f"{step.target[:80]} names no object of Kubernetes")
    return ref


def present(client: KubernetesClient, step: StoredStep) -> tuple[Ref, dict[str, Any]]:
    """The step's object as it is now. Unfit when it is gone."""
    ref = target(step)
    found = client.get(ref)
    if found is None:
        raise Unfit(f"{ref.label} is gone", do="plan anew")
    return ref, found


def uid_of(found: dict[str, Any]) -> str:
    """An object's own id: another one has the same name after it was made anew."""
    metadata = found.get("metadata")
    return str(metadata.get("uid") or "") if isinstance(metadata, dict) else ""


def _version(found: dict[str, Any]) -> dict[str, Any]:
    version = found.get("metadata", {}).get("resourceVersion")
    return {"op": "test", "path": "/metadata/resourceVersion", "value": version}


def _inverse(step: StoredStep) -> _Inverse:
    return msgspec.convert(step.inverse, _Inverse)


def _paths(inverse: _Inverse) -> int:
    return len({one.path for one in inverse.fields if one.after.value != {}})
