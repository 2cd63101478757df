"""Resources, attributes and edges of a push: what is there now, per (cluster, source, branch).

Compared with what is known and written as a difference, because most of it is the same in every
push. What a whole look no longer has is ``gone`` (a resource) or deleted (an edge, a fact).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from haechi.errors import LimitExceeded
from haechi.model.keys import in_repository
from haechi.model.push import Push, PushedResource
from haechi.store.state.bulk import delete_all, insert_all, next_number, touch_all, update_all
from haechi.store.state.plain import bounded_json, clean
from haechi.store.state.pushed import Pushed
from haechi.store.state.schema import attribute, edge, resource

_KEY = 2_000
_MOST_FACTS = 64
_FACT = 4_096
_SAID = ("kind", "name", "namespace", "file", "line", "owner", "is_default")


class Things(msgspec.Struct, frozen=True):
    """Cleaned: resources by key, facts by (resource, key), edges as (src, kind, dst)."""

    resources: dict[str, dict[str, Any]]
    facts: dict[tuple[str, str], str]
    edges: dict[tuple[str, str, str], None]


def take_things(push: Push, pushed: Pushed) -> Things:
    """What the push says of the world; keys of files get the repository's name."""
    repository = push.origin.repository
    resources: dict[str, dict[str, Any]] = {}
    facts: dict[tuple[str, str], str] = {}
    for index, one in enumerate(push.resources):
        key = _key(one.key, repository, f"resources[{index}].key")
        resources[key] = _row(one, pushed)
        for name, value in list(one.attributes.items())[:_MOST_FACTS]:
            facts[key, clean(name, 100)] = bounded_json(value, _FACT)
    edges: dict[tuple[str, str, str], None] = {}
    for index, link in enumerate(push.edges):
        src = _key(link.src, repository, f"edges[{index}].src")
        dst = _key(link.dst, repository, f"edges[{index}].dst")
        edges[src, clean(link.kind, 40), dst] = None
    return Things(resources, facts, edges)


def store_things(connection: Connection, things: Things, pushed: Pushed, at: int) -> None:
    """Bring the target's resources, facts and edges to what the push says."""
    whole = pushed.tree and not pushed.folder and "iac" in pushed.domains
    target = {"cluster": pushed.cluster, "source": pushed.source, "ref": pushed.ref}
    _resources(connection, things, target, at, pushed, whole)
    _facts(connection, things, target, at)
    _edges(connection, things, target, at, pushed, whole)


def _row(one: PushedResource, pushed: Pushed) -> dict[str, Any]:
    return {
        "kind": clean(one.kind, 100),
        "name": clean(one.name, 1_000),
        "namespace": clean(one.namespace, 253) or "-",
        "file": clean(one.file, 4_096),
        "line": min(max(one.line, 0), 2**31 - 1),
        "owner": clean(one.owner, 300),
        "is_default": int(pushed.default),
    }


def _key(key: str, repository: str, where: str) -> str:
    if not key or len(key) > _KEY:
        raise LimitExceeded(
            f"a key has {len(key):,} characters",
            why=f"a key has between 1 and {_KEY:,}",
            where=where,
        )
    return in_repository(clean(key, _KEY), repository)


def _of(table: Any, target: dict[str, str]) -> Any:
    return (
        (table.c.cluster == target["cluster"])
        & (table.c.source == target["source"])
        & (table.c.ref == target["ref"])
    )


def _resources(
    connection: Connection,
    things: Things,
    target: dict[str, str],
    at: int,
    pushed: Pushed,
    whole: bool,
) -> None:
    columns = [resource.c[name] for name in ("n", "key", "gone", *_SAID)]
    ask = select(*columns).where(_of(resource, target))
    known = {row.key: row for row in connection.execute(ask)}
    new, changed, same = [], [], []
    for key, row in things.resources.items():
        found = known.pop(key, None)
        if found is None:
            new.append({"key": key, **row})
        elif found.gone or any(getattr(found, name) != row[name] for name in _SAID):
            changed.append({"row_n": found.n, "gone": 0, "last_seen": at, **row})
        else:
            same.append(found.n)
    first = next_number(connection, resource)
    seen = {"first_seen": at, "last_seen": at, "gone": 0}
    rows = ({"n": n, **target, **row, **seen} for n, row in enumerate(new, first))
    insert_all(connection, resource, rows)
    update_all(connection, resource, ("gone", "last_seen", *_SAID), changed)
    touch_all(connection, resource, same, last_seen=at)
    if whole:
        # Files are known by their findings, too: only a look for all of them tells one gone.
        kept = () if "secrets" in pushed.domains else ("file",)
        gone = (row.n for row in known.values() if not row.gone and row.kind not in kept)
        touch_all(connection, resource, gone, gone=1)


def _facts(connection: Connection, things: Things, target: dict[str, str], at: int) -> None:
    """Facts of the pushed resources; those of others stay as they were."""
    c = attribute.c
    ask = select(c.n, c.resource, c.key, c.value).where(_of(attribute, target))
    known = {
        (row.resource, row.key): row
        for row in connection.execute(ask)
        if row.resource in things.resources
    }
    new, changed, same = [], [], []
    for (key, name), value in things.facts.items():
        found = known.pop((key, name), None)
        if found is None:
            new.append({"resource": key, "key": name, "value": value, "at": at})
        elif found.value != value:
            changed.append({"row_n": found.n, "value": value, "at": at})
        else:
            same.append(found.n)
    first = next_number(connection, attribute)
    rows = ({"n": n, **target, **row} for n, row in enumerate(new, first))
    insert_all(connection, attribute, rows)
    update_all(connection, attribute, ("value", "at"), changed)
    touch_all(connection, attribute, same, at=at)
    delete_all(connection, attribute, (row.n for row in known.values()))


def _edges(
    connection: Connection,
    things: Things,
    target: dict[str, str],
    at: int,
    pushed: Pushed,
    whole: bool,
) -> None:
    c = edge.c
    ask = select(c.n, c.src, c.kind, c.dst).where(_of(edge, target))
    known = {(row.src, row.kind, row.dst): row.n for row in connection.execute(ask)}
    first = next_number(connection, edge)
    insert_all(connection, edge, _new_edges(things, known, target, at, pushed, first))
    seen = {"seen_at": at, "is_default": int(pushed.default)}
    if whole:
        delete_all(connection, edge, (n for key, n in known.items() if key not in things.edges))
        connection.execute(update(edge).where(_of(edge, target)).values(**seen))
    else:
        again = (n for key, n in known.items() if key in things.edges)
        touch_all(connection, edge, again, **seen)


def _new_edges(
    things: Things,
    known: dict[tuple[str, str, str], int],
    target: dict[str, str],
    at: int,
    pushed: Pushed,
    first: int,
) -> Iterator[dict[str, Any]]:
    new = (key for key in things.edges if key not in known)
    for n, (src, kind, dst) in enumerate(new, first):
        named = {"src": src, "kind": kind, "dst": dst}
        yield {
            "n": n,
            **target,
            **named,
            "seen_at": at,
            "is_default": int(pushed.default),
        }
