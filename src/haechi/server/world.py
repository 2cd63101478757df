"""What the handlers are given besides the call: the store, the rules, settings, the hub."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from haechi.server.auth.memory import AuthMemory
from haechi.server.jobs import Jobs
from haechi.server.metrics import Metrics
from haechi.server.work.advisories import Advising
from haechi.server.work.alerting import Alerting
from haechi.server.work.behaviour import Behaviour
from haechi.server.work.clusters import Clusters
from haechi.server.work.correlating import Correlating
from haechi.server.work.memo import Memo
from haechi.server.work.responding import Responding
from haechi.server.work.sensors import Sensors
from haechi.server.work.streams import Streams
from haechi.server.work.watch import Watch

if TYPE_CHECKING:
    from haechi.rules.catalogue import Catalogue
    from haechi.server.live import Hub
    from haechi.server.settings import Settings
    from haechi.server.tracing import Traces
    from haechi.server.work.auditing import ClusterAudit
    from haechi.store.store import Store


@dataclass(frozen=True, kw_only=True)
class World:
    """One per server. ``clock`` gives aware datetimes in UTC. ``auth`` is what signing in keeps
    in memory; ``jobs`` tells how the work by the clock went,
    ``memo`` keeps answers until what they were made of changes; ``watch`` judges events, and
    ``streams`` knows which live streams ask for some events only; ``sensors`` how the sensors
    do; ``behaviour`` what is normal for each workload; ``correlating`` makes incidents;
    ``respond`` answers them; ``audits`` judge clusters by their policies, by name;
    ``advising`` keeps the advisories."""

    store: Store
    catalogue: Catalogue
    settings: Settings
    hub: Hub
    clock: Callable[[], dt.datetime]
    started: dt.datetime
    auth: AuthMemory = field(default_factory=AuthMemory)
    metrics: Metrics = field(default_factory=Metrics)
    jobs: Jobs = field(default_factory=Jobs)
    memo: Memo = field(default_factory=Memo)
    watch: Watch = field(default_factory=Watch)
    streams: Streams = field(default_factory=Streams)
    sensors: Sensors = field(default_factory=Sensors)
    clusters: Clusters = field(default_factory=Clusters)
    alerting: Alerting = field(default_factory=Alerting)
    behaviour: Behaviour = field(default_factory=Behaviour)
    correlating: Correlating = field(default_factory=Correlating)
    respond: Responding = field(default_factory=Responding)
    audits: dict[str, ClusterAudit] = field(default_factory=dict)
    advising: Advising = field(default_factory=Advising)
    traces: Traces | None = None

    def __post_init__(self) -> None:
        self.behaviour.bind(self)
