"""Clusters that the server follows, and how each does."""

from __future__ import annotations

from haechi.model.access import NONE, Role, covered
from haechi.server.endpoint import Call, Operation
from haechi.server.shapes_clusters import ClusterKind, ClusterList, ClusterShown
from haechi.server.work.clusters import ClusterState


def listed(call: Call) -> ClusterList:
    """Those within reach. Who is bound to namespaces learns that a cluster is there and whether
    it is followed; counts and gaps tell of other namespaces, too."""
    seen = [
        one
        for one in call.world.clusters.states()
        if any(reach.cluster in ("*", one.name) for reach in call.within)
    ]
    return ClusterList(
        items=[_shown(one, whole=covered(call.within, one.name, NONE)) for one in seen]
    )


def _shown(one: ClusterState, *, whole: bool) -> ClusterShown:
    if not whole:
        return ClusterShown(name=one.name, source=one.source, state=one.state)
    return ClusterShown(
        name=one.name,
        source=one.source,
        state=one.state,
        why=one.why,
        version=one.version,
        objects=one.objects,
        gaps=list(one.gaps),
        kinds=[
            ClusterKind(type=kind.type, objects=kind.objects, state=kind.state, why=kind.why)
            for kind in one.kinds
        ],
        heard=one.heard,
        changed=one.changed,
        since=one.since,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="clusters.list",
        method="GET",
        path="/clusters",
        role=Role.VIEWER,
        summary="Clusters that the server follows, and how each does",
        handler=listed,
        answer=ClusterList,
    ),
)
