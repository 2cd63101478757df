"""Followed conditions: what was not looked at is told, also where nothing was found."""

from __future__ import annotations

import pytest

from haechi.server.work import streams
from haechi.server.work.streams import Streams
from haechi.store.events.encoding import encode_events
from haechi.store.events.shapes import Limits
from tests.runtime.events import AT_NS, execve


@pytest.mark.parametrize(("budget", "partial"), [(-1.0, True), (60.0, False)])
def test_a_batch_that_was_not_seen_whole_is_told_so(
    monkeypatch: pytest.MonkeyPatch, budget: float, partial: bool
) -> None:
    monkeypatch.setattr(streams, "BUDGET_S", budget)
    events = [execve("nginx", number, namespace="shop") for number in range(200)]
    events += [execve("bash", 900, namespace="pay")]
    batch = encode_events(events, Limits(), now_ns=AT_NS)
    followed = Streams()
    topic = followed.open("proc.name = bash")
    told = {one.namespace: one.data for one in followed.notices(batch)}
    assert told["pay"]["count"] == 1
    assert ("partial" in told["pay"]) is partial
    assert ("shop" in told) is partial
    if partial:
        assert told["shop"] == {"count": 0, "events": [], "partial": True}
    followed.close(topic)
    assert followed.notices(batch) == []
