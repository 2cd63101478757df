"""What the store knows of a workload that bears on how dangerous an event in it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, select

from haechi.model.access import NONE
from haechi.model.keys import without_cluster
from haechi.runtime.threat import HOST_FACTS, NOTHING, WorkloadFacts
from haechi.store.state.plain import from_json
from haechi.store.state.schema import attribute, resource
from haechi.store.state.state import State

_KEYS = ("exposedBy", "mayToken", "mayTokenWeight", "cve.exploited", "cve.critical", *HOST_FACTS)
_KEPT, _KEPT_S = 20_000, 60.0


class StoredFacts:
    """Facts of the store's attributes, remembered for a minute. Thread-safe and bounded."""

    def __init__(self, state: State, now: Callable[[], float] = time.monotonic) -> None:
        self._state, self._now = state, now
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, WorkloadFacts]] = {}

    def __call__(self, cluster: str, resource: str) -> WorkloadFacts:
        """What the store knows of a workload; of one that no scan of the cluster told of, what a
        repository declares of the same name without naming a cluster."""
        key, now = (cluster, resource), self._now()
        found = self._known.get(key)
        if found is not None and found[0] > now:
            return found[1]
        facts = self._asked(cluster, resource)
        with self._lock:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = (now + _KEPT_S, facts)
        return facts

    def _asked(self, cluster: str, resource: str) -> WorkloadFacts:
        counting, telling = _questions()
        for place, key in dict.fromkeys(((cluster, resource), (NONE, without_cluster(resource)))):
            which = {"place": place, "name": key}
            with self._state.read() as connection:
                counted = {tuple(row) for row in connection.execute(counting, which)}
                if not counted:
                    continue
                rows = connection.execute(telling, which).all()
            told = {
                row.key: from_json(row.value) for row in rows if (row.source, row.ref) in counted
            }
            return _facts(told)
        return NOTHING


@cache
def _questions() -> tuple[Select[Any], Select[Any]]:
    """Which branches that count have the thing, and what they tell of it. Made once: a flood
    over thousands of workloads asks them for each."""
    a, r = attribute.c, resource.c
    place: BindParameter[str] = bindparam("place")
    name: BindParameter[str] = bindparam("name")
    counting = select(r.source, r.ref).where(
        r.key == name, r.cluster == place, r.is_default == 1, r.gone == 0
    )
    telling = select(a.source, a.ref, a.key, a.value).where(
        a.resource == name, a.cluster == place, a.key.in_(_KEYS)
    )
    return counting, telling


def _facts(told: Mapping[str, Any]) -> WorkloadFacts:
    exposed, may = told.get("exposedBy"), told.get("mayToken")
    return WorkloadFacts(
        known=True,
        exposed_by=exposed[:300] if isinstance(exposed, str) else "",
        may=may[:300] if isinstance(may, str) else "",
        may_weight=_number(told.get("mayTokenWeight")),
        exploited=int(_number(told.get("cve.exploited"))),
        critical=int(_number(told.get("cve.critical"))),
        host=tuple(name for name in HOST_FACTS if told.get(name)),
    )


def _number(value: Any) -> float:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if right and 0 <= value <= 1e6 else 0.0
