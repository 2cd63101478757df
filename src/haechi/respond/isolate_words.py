"""What people are told about an isolation: what it cannot promise, and what else it hits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from haechi.checks.reach import Enforcement, Piece, Pod
from haechi.checks.reach.traffic import EVERYONE
from haechi.model.resource import Resource
from haechi.model.response import Flow
from haechi.respond.isolate_target import Target, selector_matches

MAX_FLOWS = 40
ALWAYS = (
    "connections that are open now may live on until they end: plug-ins differ",
    "the pod's own node (its kubelet, and pods on the node's network there) still reaches it",
    "policies are about TCP, UDP and SCTP: plug-ins differ in what they do with other protocols",
)
_CONTROLLERS = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController")
_UNDO = "after the undo it has one too many and removes either"
_REPLACED = {
    "ReplicaSet": f"lets the pod go and starts another one from the same template; {_UNDO}",
    "ReplicationController": f"lets the pod go and starts another one of its template; {_UNDO}",
    "DaemonSet": f"lets the pod go and starts another one on the same node; {_UNDO}",
    "Job": "lets the pod go and starts another one: its work may be done twice",
    "StatefulSet": "lets the pod go and cannot start another one of that name while it is there",
}


def flow(direction: str, piece: Piece, because: Iterable[str] = ()) -> Flow:
    """A piece of traffic as people read it."""
    return Flow(
        direction=direction,
        peer=piece.peer,
        ports=str(piece.ports),
        because=(*because, *piece.because),
    )


def flows(direction: str, pieces: Sequence[Piece], because: Iterable[str] = ()) -> list[Flow]:
    """Pieces as people read them; the three kinds of peer as one where all of each passes."""
    before = tuple(because)
    by_reason: dict[tuple[str, ...], list[Piece]] = {}
    for piece in pieces:
        by_reason.setdefault(piece.because, []).append(piece)
    out: list[Flow] = []
    for reason, same in by_reason.items():
        whole = {msgspec.structs.replace(piece, because=()) for piece in same}
        if whole >= set(EVERYONE):
            out.append(
                Flow(direction=direction, peer="any", ports="any", because=(*before, *reason))
            )
        else:
            out += [flow(direction, piece, before) for piece in same]
    return out


def some(found: Iterable[Flow]) -> tuple[Flow, ...]:
    """The flows once each; past a number of them, how many more there are."""
    unique = list(dict.fromkeys(found))
    if len(unique) <= MAX_FLOWS:
        return tuple(unique)
    more = Flow(
        direction="any",
        peer=f"{len(unique) - MAX_FLOWS} more",
        ports="any",
        because=("shortened",),
    )
    return (*unique[:MAX_FLOWS], more)


def enforcement_words(enforcement: Enforcement, pods: Sequence[Pod]) -> Iterator[str]:
    """Why it is not known, or known not to be so, that policies are obeyed."""
    why = f" ({enforcement.because})" if enforcement.because else ""
    match enforcement.network_policy:
        case None:
            yield f"it is not known whether the network plug-in enforces policies{why}"
        case False:
            name = enforcement.plugin or "the network plug-in"
            yield f"{name} does not enforce policies{why}: they change nothing here"
        case True:
            nodes = sorted({pod.node for pod in pods if enforcement.on_node(pod.node) is None})
            if nodes:
                names = ", ".join(node or "some node" for node in nodes)
                yield f"{enforcement.plugin} is not ready on {names}: nothing may be enforced there"
    yield from enforcement.doubts


def consequences(
    objects: Sequence[Resource], target: Target, taken: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """Words about controllers and Services that the isolation meets, and their keys."""
    words: dict[str, None] = {}
    keys: dict[str, None] = {}
    for one in objects:
        if one.namespace != target.namespace:
            continue
        if one.kind in _CONTROLLERS and one.group in ("apps", "batch", ""):
            found = [pod for pod in target.pods if _drops(one, pod, taken)]
            if found:
                words[f"{one.label} {_REPLACED[one.kind]} ({len(found)} of its pods)"] = None
                keys[one.key] = None
        elif one.type == "core/Service":
            _service(one, target, taken, words, keys)
    for pod in target.pods:
        unread = _unread_controller(objects, pod, taken.get(pod.resource.key, ()))
        if unread:
            words[unread] = None
    return list(words), list(keys)


def _service(
    service: Resource,
    target: Target,
    taken: Mapping[str, Sequence[str]],
    words: dict[str, None],
    keys: dict[str, None],
) -> None:
    meant = [pod for pod in target.pods if selector_matches(service, pod.labels)]
    if not meant:
        return
    keys[service.key] = None
    dropped = [pod for pod in meant if _drops(service, pod, taken)]
    if dropped:
        words[f"{service.label} sends nothing more to {len(dropped)} isolated pod(s)"] = None
    if len(dropped) < len(meant):
        words[
            f"{service.label} still counts {len(meant) - len(dropped)} isolated pod(s) as its own: "
            "that share of its requests fails"
        ] = None


def _drops(owner: Resource, pod: Pod, taken: Mapping[str, Sequence[str]]) -> bool:
    """Whether a selector that selects the pod no longer does without the taken labels."""
    gone = taken.get(pod.resource.key, ())
    if not gone or not selector_matches(owner, pod.labels):
        return False
    left = {key: value for key, value in pod.labels.values.items() if key not in gone}
    if owner.kind != "Service" and (pod.owner is None or pod.owner[1] != owner.name):
        return False
    return not selector_matches(owner, pod.relabelled(left).labels)


def _unread_controller(objects: Sequence[Resource], pod: Pod, gone: Sequence[str]) -> str:
    """A controller that was not read may ask for any label that is taken."""
    if not gone or pod.owner is None or pod.owner[0] not in _REPLACED:
        return ""
    kind, name, _ = pod.owner
    if any((one.kind, one.name, one.namespace) == (kind, name, pod.namespace) for one in objects):
        return ""
    whose = f"{kind} {pod.namespace}/{name}"
    return f"{whose} was not read: if it asks for a taken label, it {_REPLACED[kind]}"
