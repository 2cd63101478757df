"""A real store and the handlers of the API over it, called as the server calls them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haechi.cli.pipeline import Outcome
from haechi.model.access import EVERYWHERE, Grant, Principal, Reach, Role
from haechi.model.push import Origin, Push, PushScope
from haechi.report.push import push_document, push_scope
from haechi.rules.catalogue import load_catalogue
from haechi.server.api import all_operations
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.live import Hub
from haechi.server.routing import permitted
from haechi.server.world import World
from haechi.store.records import FindingFilter, Life, StoredFinding
from haechi.store.store import Store
from tests.server.serving import local_settings

START = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
URL = "http://127.0.0.1:8420"
ORIGIN = Origin(repository="https://github.com/acme/shop", ref="main", commit="abc")
SOURCE = "repo:https://github.com/acme/shop"
ADMIN = Principal(id="user:ana", name="ana", grants=(Grant(role=Role.ADMIN),))


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: dt.datetime = START

    def __call__(self) -> dt.datetime:
        return self.at

    def pass_(self, span: dt.timedelta) -> None:
        """Later."""
        self.at += span


@dataclass
class Rig:
    """The server's world without its sockets."""

    world: World
    clock: Clock
    operations: dict[str, Operation] = field(
        default_factory=lambda: {one.id: one for one in all_operations()}
    )

    def call(
        self,
        operation: str,
        body: Any = None,
        *,
        who: Principal = ADMIN,
        params: dict[str, str] | None = None,
        **query: Any,
    ) -> Any:
        """The answer's value. Raises what the handler raises, and Forbidden."""
        one = self.operations[operation]
        given = one.handler(
            Call(
                principal=who,
                within=permitted(one, who),
                params=params or {},
                query=one.query(**query) if one.query else None,
                body=body,
                world=self.world,
                now=self.clock(),
                url=URL,
                address="127.0.0.1",
            )
        )
        return given.value if isinstance(given, Answer) else given

    def push(self, push: Push, **more: Any) -> dict[str, int]:
        """What a push changed."""
        changes: dict[str, int] = self.call("scans.push", push, **more).scan.changes
        return changes

    def findings(self, *states: Life, **asked: Any) -> list[StoredFinding]:
        """Findings in these states (all of them), by rule."""
        ask = FindingFilter(state=list(states) or list(Life), **asked)
        every = self.world.store.state.findings.each(
            ask, within=(EVERYWHERE,), today=self.clock().date()
        )
        return sorted(every, key=lambda one: (one.rule, one.path))


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """A rig on a store in ``folder``, which is closed at the end."""
    clock = Clock()
    store = Store.open(folder, clock=clock)
    try:
        world = World(
            store=store,
            catalogue=load_catalogue(),
            settings=local_settings(),
            hub=Hub(),
            clock=clock,
            started=clock(),
        )
        yield Rig(world, clock)
    finally:
        store.close()


def pushed(outcome: Outcome, scope: PushScope | None = None, **origin: Any) -> Push:
    """The push of a real run of the main job."""
    project = outcome.project
    scope = scope or push_scope(only=outcome.material.scan.only, within=project.within)
    where = Origin(**{**{k: getattr(ORIGIN, k) for k in ORIGIN.__struct_fields__}, **origin})
    return push_document(outcome.material, outcome.looked, where, scope)


def principal(*grants: tuple[Role, str], **more: Any) -> Principal:
    """Somebody with roles in namespaces (``*``: everywhere)."""
    held = tuple(Grant(role=role, reach=Reach(namespace=namespace)) for role, namespace in grants)
    return Principal(id="token:some", name="some", grants=held, **more)
