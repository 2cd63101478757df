"""What the engine stands on: the store, the clusters, this host. Given from outside, so that the
engine runs in a server, in a command and in tests alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.model.resource import Resource
from haechi.respond.steps.notify import Receiver
from haechi.respond.steps.rule_file import Saves

if TYPE_CHECKING:
    from haechi.checks.reach import Enforcement
    from haechi.model.incident import Incident
    from haechi.store.events.events import Events
    from haechi.store.state.action_records import StoredAction
    from haechi.store.state.state import State
    from haechi.world.kube.client import KubernetesClient
    from haechi.world.kube.cluster import Cluster
    from haechi.world.nft import Nft


@dataclass(frozen=True, kw_only=True)
class Site:
    """A cluster at a moment. ``client`` None: it can be read and not changed (``why`` says what
    it is: a dump, the past)."""

    name: str
    reader: Cluster
    client: KubernetesClient | None = None
    why: str = ""

    @cached_property
    def objects(self) -> list[Resource]:
        """All that is known of it, read once."""
        return self.reader.objects()

    @cached_property
    def by_key(self) -> dict[str, Resource]:
        """The same by key."""
        return {one.key: one for one in self.objects}

    @cached_property
    def enforcement(self) -> Enforcement:
        """What of policies is obeyed there."""
        from haechi.checks.reach import recognise

        return recognise(self.objects)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What of it could not be read."""
        if self.reader.complete:
            return ()
        return tuple(self.reader.gaps) or ("the cluster was not read as a whole",)

    def fresh(self, keys: tuple[str, ...]) -> list[Resource]:
        """The objects, with these as the API server has them this moment: what is followed by a
        watch may be a little behind."""
        from haechi.world.kube.cluster import resource_of
        from haechi.world.kube.names import ref_of_resource

        known = dict(self.by_key)
        for key in keys if self.client is not None else ():
            before = known.get(key)
            ref = ref_of_resource(key, before.version if before else "")
            if ref is None or self.client is None:
                continue
            found = self.client.get(ref)
            made = resource_of(found, self.name) if found is not None else None
            if made is None:
                known.pop(key, None)
            else:
                known[key] = made
        return list(known.values())


@dataclass(frozen=True, kw_only=True)
class Ground:
    """``sites`` gives a cluster by its name, None for one that is not known. ``incidents`` gives
    an incident by its id; ``contained`` sets its state after each look at an isolation (the action
    is as it was before; None: it was undone). ``host`` is the node's name when this host itself
    may be changed, ``host_cluster`` the cluster that it counts to: a node of another one may have
    its name."""

    state: State
    events: Events | None
    folder: Path
    clock: Callable[[], dt.datetime]
    sites: Callable[[str], Site | None] = lambda name: None
    incidents: Callable[[str], Incident | None] = lambda id: None
    contained: Callable[[StoredAction, bool | None, str], None] = lambda action, good, words: None
    rules: Saves | None = None
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    nft: Nft | None = None
    host: str = ""
    host_cluster: str = "-"
    evidence_bytes: int = 32 << 20

    @property
    def evidence(self) -> Path:
        """Where evidence is put by."""
        return self.folder / "evidence"

    @property
    def halt_file(self) -> Path:
        """Stops all automation while it lies there."""
        return self.folder / "HALT"

    @property
    def saves(self) -> Saves:
        """Who keeps rule files."""
        return self.rules or self.state.rules


def text_at(data: Any, *path: str) -> str:
    """A text in an object; empty where there is none."""
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data if isinstance(data, str) else ""


def copied(value: Any) -> Any:
    """Plain values of its own."""
    return msgspec.json.decode(msgspec.json.encode(value))
