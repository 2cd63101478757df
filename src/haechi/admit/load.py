"""Documents of any format → the policies in force.

Each family is shown all documents: it takes those of its own and names those that only look like
its own ("this protects nothing"). A family is imported when a document may concern it, so a
folder of one format costs one engine.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from haechi.admit.policies import PolicySet
from haechi.admit.policy import Loaded, Mutator, Policy
from haechi.admit.rollout import Rollouts, read_rollouts
from haechi.model.admission import PolicyFault
from haechi.model.resource import Resource

OWN_GROUP = "haechi.dev"
_FAMILIES = ("pod_security", "images", "packs", "vap", "gatekeeper")
"""Modules of this room with ``load(resources) -> Loaded``; cheap judges first."""
_NEEDED = {
    "images": ("ImagePolicy",),
    "packs": ("PolicyPack",),
    "vap": ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
}
"""Kinds without which a family has nothing to say."""
_GATEKEEPER = ".gatekeeper.sh"
_LABELS = "pod-security/labels"
"""One policy, however many ask for it: a configuration comes first, and says more than a pack."""


def load_policies(
    resources: Sequence[Resource],
    *,
    packs: Iterable[str] = (),
) -> PolicySet:
    """Compile every policy among the documents, and the built-in ``packs`` named.

    A document that is no valid policy becomes a fault of the set; the others are in force.
    Raises UsageError for a pack that does not exist.
    """
    policies: list[Policy] = []
    mutators: list[Mutator] = []
    faults: list[PolicyFault] = []
    known: set[str] = set()
    resources, packs = _once(resources), tuple(packs)
    for loaded in _loaded(resources, packs):
        mutators.extend(loaded.mutators)
        faults.extend(loaded.faults)
        for policy in loaded.policies:
            if policy.info.id in known:
                if policy.info.id != _LABELS:
                    faults.append(_twice(policy))
                continue
            known.add(policy.info.id)
            policies.append(policy)
    rollouts, wrong = read_rollouts(resources)
    faults.extend(wrong)
    return PolicySet(
        policies,
        faults=faults,
        mutators=mutators,
        rollout=Rollouts(rollouts) if rollouts else None,
        source=_digest(resources, packs),
    )


def _once(resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """Without the same document again, as two paths to one file give it."""
    found: dict[str, Resource] = {}
    for resource in resources:
        found.setdefault(_body(resource), resource)
    return tuple(found.values())


def _loaded(resources: Sequence[Resource], packs: tuple[str, ...]) -> Iterable[Loaded]:
    kinds = {resource.kind for resource in resources}
    gatekeeper = any(_is_gatekeeper(resource) for resource in resources)
    for name in _FAMILIES:
        if name == "gatekeeper" and not gatekeeper:
            continue
        if name == "packs" and packs:
            # beside the documents' own packs: the strictest of all counts, not the first
            yield importlib.import_module("haechi.admit.packs").load(resources, packs)
        elif name not in _NEEDED or not kinds.isdisjoint(_NEEDED[name]):
            yield importlib.import_module(f"haechi.admit.{name}").load(resources)


def _is_gatekeeper(resource: Resource) -> bool:
    return resource.group.endswith(_GATEKEEPER)


def _twice(policy: Policy) -> PolicyFault:
    info = policy.info
    return PolicyFault(
        kind="duplicate",
        what=f"{info.id} is there twice: only the first counts, this one protects nothing",
        why="a weaker policy of the same name would hide a stricter one",
        do="delete one of them, or give it another name",
        file=info.file,
        line=info.line,
        policy=info.id,
    )


def _digest(resources: Sequence[Resource], packs: tuple[str, ...]) -> bytes:
    """The same for the same documents, whatever files and order they come in."""
    bodies = sorted(_body(resource) for resource in resources)
    return hashlib.sha256("\0".join((*bodies, *packs)).encode()).digest()


def _body(resource: Resource) -> str:
    """What was written: what the server adds to an object changes no generation."""
    body: dict[str, Any] = {k: v for k, v in resource.data.items() if k != "status"}
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        kept = ("name", "namespace", "labels", "annotations")
        body["metadata"] = {name: metadata[name] for name in kept if name in metadata}
    return json.dumps(body, sort_keys=True, default=str)
