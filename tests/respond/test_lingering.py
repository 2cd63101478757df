"""What was open before an isolation is named, and keeps it from being called contained."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from haechi.model.event import Event
from haechi.model.response import ActionState
from haechi.store.events.events import Events
from haechi.store.state.action_records import ActionFilter, StoredAction
from tests.respond.cluster import CLUSTER, START, WEB, Rig, incident_of, rig


def connection(made: Rig, kind: str = "connect", **given: Any) -> Event:
    """Something that the attacked pod opened (or took), five minutes before now."""
    pod = made.pods()[0]
    at = made.clock.at - dt.timedelta(minutes=given.pop("minutes", 5))
    fields = {
        "fd.sip": "203.0.113.9",
        "fd.sport": 4444,
        "fd.cip": "198.51.100.4",
        "fd.l4proto": "tcp",
        "evt.res": "SUCCESS",
        "proc.name": "bash",
        "k8s.pod.name": pod["metadata"]["name"],
    }
    return Event(
        id="c1",
        ts_ns=int(at.timestamp()) * 10**9,
        source="sensor",
        type=kind,
        cluster=CLUSTER,
        resource=WEB,
        namespace="shop",
        fields=fields | given,
    )


def isolated(folder: Path, *seen: dict[str, Any]) -> StoredAction:
    """The isolation of a pod that was seen to do this before."""
    holder: list[Events] = []

    def events(made: Rig) -> None:
        holder[0].append([connection(made, **one) for one in seen]).result(30)

    for name in ("events", "rig"):
        (folder / name).mkdir()
    store = Events(folder / "events", clock=lambda: START)
    holder.append(store)
    try:
        with rig(folder / "rig", events=store) as made:
            events(made)
            made.engine.respond_to(made.put(incident_of(made.container(made.pods()[0]))))
            made.engine.tick()
            found = made.state.actions.page(ActionFilter()).items
            return next(one for one in found if one.state is ActionState.APPLIED)
    finally:
        store.close()


def test_a_connection_that_may_live_on_is_not_contained_and_named(tmp_path: Path) -> None:
    one = isolated(tmp_path, {})
    assert one.outcome == "not_contained"
    assert "203.0.113.9 tcp/4444" in one.why
    assert "by bash, before the isolation" in one.why


@pytest.mark.parametrize(
    "seen",
    [
        {"fd.sip": "127.0.0.1"},
        {"fd.sip": "/run/x.sock"},
        {"fd.sip": 5},
        {"evt.res": "ECONNREFUSED"},
        {"minutes": 90},
        {"k8s.pod.name": "web-of-somebody-else"},
        {"kind": "execve"},
    ],
    ids=["loopback", "no address", "no text", "refused", "long ago", "other pod", "no connection"],
)
def test_what_is_no_open_connection_of_the_pod_counts_for_nothing(
    tmp_path: Path, seen: dict[str, Any]
) -> None:
    assert isolated(tmp_path, seen).outcome == "contained"


def test_a_connection_that_was_taken_is_named_by_its_client(tmp_path: Path) -> None:
    one = isolated(tmp_path, {"kind": "accept4", "fd.sport": 8080})
    assert one.outcome == "not_contained"
    assert "ingress from 198.51.100.4 tcp/8080" in one.why
