"""Where a cluster's policies come from: folders of the settings, and the cluster's own objects.

Both are read anew only when they changed. A folder that cannot be read keeps what was there before:
policies that vanish because a disk hiccups would look like violations that ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from haechi.errors import HaechiError
from haechi.server.webhook.sources.cluster import POLICY_GROUPS, POLICY_KINDS
from haechi.server.webhook.sources.files import Files
from haechi.server.work.audits.wire import Text
from haechi.world.kube.cluster import Kept

__all__ = ["LABELS", "POLICY_GROUPS", "POLICY_KINDS", "PolicyTexts", "is_policy", "labelled"]
LABELS = "pod-security-labels"
"""The pack by which pods are judged as the labels of their namespace ask."""


def labelled(kept: Iterable[Kept]) -> bool:
    """Whether a Namespace among the objects asks something of its pods."""
    from haechi.admit.pod_security.labels import PREFIX, asks

    mark = PREFIX.encode()
    spaces = (one.resource("") for one in kept if one.type == "core/Namespace" and mark in one.body)
    return any(space is not None and asks(space.data) for space in spaces)


def is_policy(type_: str) -> bool:
    """Whether objects of this type (``group/Kind``) are policies, or belong to some."""
    group, _, kind = type_.rpartition("/")
    return group in POLICY_GROUPS or (group, kind) in POLICY_KINDS


class PolicyTexts:
    """Asked again and again. ``fault`` is why a folder could not be read; empty while it can."""

    def __init__(self, folders: Sequence[Path], *, of_cluster: bool) -> None:
        self._files = Files(folders) if folders else None
        self._of_cluster = of_cluster
        self._from_files: list[Text] = []
        self._digest = b""
        self.texts: list[Text] = []
        self.fault = ""

    def changed(self, kept: Sequence[Kept]) -> bool:
        """Look again, given the cluster's own policies; whether ``texts`` are others now."""
        if self._files is not None:
            try:
                found = self._files.poll()
            except HaechiError as error:
                self.fault = error.what if not error.where else f"{error.where}: {error.what}"
            else:
                self.fault = ""
                if found is not None:
                    self._from_files = [Text(one.name, one.data) for one in found.texts]
        texts = list(self._from_files)
        if self._of_cluster:
            own = sorted(kept, key=lambda one: (one.type, one.namespace, one.name))
            texts += [Text(_name(one), one.body) for one in own]
        digest = _digest(self._from_files, kept if self._of_cluster else ())
        if digest == self._digest:
            return False
        self._digest, self.texts = digest, texts
        return True


def _digest(files: Sequence[Text], kept: Sequence[Kept]) -> bytes:
    """Of what is written: a status that a controller updates all the time changes no policy."""
    made = hashlib.sha256()
    for one in files:
        made.update(one.name.encode("utf-8", "replace") + b"\0" + one.data + b"\0")
    for body in sorted(_spec(one) for one in kept):
        made.update(body + b"\0")
    return made.digest()


def _spec(one: Kept) -> bytes:
    import msgspec

    body = msgspec.json.decode(one.body, type=dict[str, object])
    body.pop("status", None)
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        names = ("name", "namespace", "labels", "annotations")
        body["metadata"] = {name: metadata[name] for name in names if name in metadata}
    return msgspec.json.encode(body)


def _name(one: Kept) -> str:
    place = f"{one.namespace}/" if one.namespace else ""
    return f"{one.type}/{place}{one.name}.json"
