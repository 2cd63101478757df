"""Where a resource comes from: the shortest way over edges from its repository to it.

Searched backwards and breadth first, level by level, so that a level is one query. Bounded in
length and breadth: a hostile push could draw any graph.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from haechi.store.state.schema import edge

_LONGEST = 12
_BROADEST = 400


def lineage(connection: Connection, key: str, cluster: str, source: str) -> list[str]:
    """Keys from the repository to the resource; only the resource where no way is found."""
    following: dict[str, str] = {key: ""}
    level = [key]
    for _ in range(_LONGEST):
        if source in following or not level:
            break
        level = _before(connection, level, cluster, source, following)
    if source not in following:
        return [key]
    way = [source]
    while following[way[-1]]:
        way.append(following[way[-1]])
    return way


def _before(
    connection: Connection, level: list[str], cluster: str, source: str, following: dict[str, str]
) -> list[str]:
    """The next level: what leads to this one and was not reached before."""
    e = edge.c
    ask = (
        select(e.src, e.dst)
        .where(e.dst.in_(level), e.cluster == cluster, e.source == source, e.is_default == 1)
        .order_by(e.src, e.dst)
        .limit(_BROADEST * 10)
    )
    reached: list[str] = []
    for src, dst in connection.execute(ask):
        if src not in following:
            following[src] = dst
            reached.append(src)
    return reached[:_BROADEST] if source not in reached else [source]
