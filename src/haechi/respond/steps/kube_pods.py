"""``kube.evict``, ``kube.delete`` and ``kube.scale``: pods go.

Which pod is meant is its uid, not its name: a StatefulSet gives the name to the next one. Pods
that are gone do not come back, so the first two have no inverse; a scale has its replicas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haechi.errors import KubeConflict, KubeNotFound
from haechi.respond.steps.kube_patch import present, target, uid_of
from haechi.respond.steps.performer import MANAGER, Standing, Unfit
from haechi.store.state.action_records import StoredStep

if TYPE_CHECKING:
    from haechi.world.kube.client import KubernetesClient


class KubeRemove:
    """See ``Performer``: evicts (as far as disruption budgets allow), or deletes."""

    def __init__(self, client: KubernetesClient, *, evict: bool) -> None:
        self._client, self._evict = client, evict

    def prepare(self, step: StoredStep) -> Any:
        """Which one it is. There is no inverse, but the uid has to be kept."""
        ref, found = present(self._client, step)
        uid = uid_of(found)
        expected = step.body.get("uid") if isinstance(step.body, dict) else ""
        if expected and uid != expected:
            raise Unfit(f"{ref.label} is another one than planned", do="plan anew")
        self._go(step, uid, dry_run=True)
        return {"uid": uid}

    def apply(self, step: StoredStep) -> str:
        """This one and no other."""
        try:
            self._go(step, str(step.inverse["uid"]), dry_run=False)
        except (KubeNotFound, KubeConflict):
            if self.standing(step) is not Standing.APPLIED:
                raise
        return ""

    def standing(self, step: StoredStep) -> Standing:
        """Gone, going, or replaced by the next of its name."""
        found = self._client.get(target(step))
        if found is None or uid_of(found) != step.inverse["uid"]:
            return Standing.APPLIED
        going = bool(found.get("metadata", {}).get("deletionTimestamp"))
        return Standing.APPLIED if going else Standing.ABSENT

    def undo(self, step: StoredStep) -> str:
        """What ran is gone."""
        return f"{target(step).label} is gone: that cannot be undone"

    def _go(self, step: StoredStep, uid: str, *, dry_run: bool) -> None:
        ref = target(step)
        if self._evict:
            self._client.evict(ref.namespace, ref.name, uid=uid, dry_run=dry_run)
        else:
            self._client.delete(ref, uid=uid, dry_run=dry_run)


class KubeScale:
    """See ``Performer``. The body is ``{"replicas": n}``."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    def prepare(self, step: StoredStep) -> Any:
        """How many there are now."""
        ref, found = present(self._client, step)
        before = self._client.replicas(ref)
        self._client.scale(ref, _wanted(step), expected=before, field_manager=MANAGER, dry_run=True)
        return {"uid": uid_of(found), "replicas": before}

    def apply(self, step: StoredStep) -> str:
        """From what was read to what is wanted."""
        expected = int(step.inverse["replicas"])
        self._client.scale(target(step), _wanted(step), expected=expected, field_manager=MANAGER)
        return ""

    def standing(self, step: StoredStep) -> Standing:
        """By its replicas."""
        now = self._now(step)
        if now is None or now == step.inverse["replicas"]:
            # Where both are the same nothing was changed, and nothing is to be undone.
            return Standing.ABSENT
        return Standing.APPLIED if now == _wanted(step) else Standing.CHANGED

    def undo(self, step: StoredStep) -> str:
        """Back to what was there, unless somebody has scaled it since."""
        ref = target(step)
        now = self._now(step)
        before = int(step.inverse["replicas"])
        if now is None:
            return f"{ref.label} is gone"
        if now == before:
            return ""
        if now != _wanted(step):
            return f"{ref.label} has {now} replicas by now: it is left so"
        self._client.scale(ref, before, expected=now, field_manager=MANAGER)
        return ""

    def _now(self, step: StoredStep) -> int | None:
        """The replicas now; None when it is gone or another one."""
        ref = target(step)
        found = self._client.get(ref)
        if found is None or uid_of(found) != step.inverse["uid"]:
            return None
        return self._client.replicas(ref)


def _wanted(step: StoredStep) -> int:
    return int(step.body["replicas"])
