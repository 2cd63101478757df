"""What the handlers are given besides the call: the store, the rules, settings, the hub."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from haechi.server.auth.memory import AuthMemory

if TYPE_CHECKING:
    from haechi.rules.catalogue import Catalogue
    from haechi.server.live import Hub
    from haechi.server.settings import Settings
    from haechi.store.store import Store


@dataclass(frozen=True, kw_only=True)
class World:
    """One per server. ``clock`` gives aware datetimes in UTC. ``auth`` is what signing in keeps
    in memory."""

    store: Store
    catalogue: Catalogue
    settings: Settings
    hub: Hub
    clock: Callable[[], dt.datetime]
    started: dt.datetime
    auth: AuthMemory = field(default_factory=AuthMemory)
