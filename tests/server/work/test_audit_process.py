"""The process that judges: it may die, hang or be given nonsense; the audit goes on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import ConfigError, KubeError
from haechi.server.work.audits.process import AuditProcess, Stopped
from haechi.server.work.audits.wire import AuditedObject, Done, Setup, Text
from haechi.world.kube.cluster import Kept, kept_of
from tests.server.work.test_auditing import CONSTRAINT, TEMPLATE, Folder, pod

DEADLINE_S = 0.3
LOOPING = TEMPLATE.replace(
    "not input.review",
    "count([1 | numbers.range(1, 3000)[_]; numbers.range(1, 3000)[_]]) > 0\n"
    "          not input.review",
)


def setup(text: str, *, deadline_s: float = 5.0) -> Setup:
    return Setup(
        texts=[Text("all.yaml", text.encode())],
        packs=[],
        cluster="east",
        deadline_s=deadline_s,
        memory_bytes=1 << 30,
    )


@pytest.fixture
def stopped() -> threading.Event:
    return threading.Event()


@pytest.fixture
def process(stopped: threading.Event) -> Iterator[AuditProcess]:
    made = AuditProcess(setup(TEMPLATE + CONSTRAINT), stopped)
    yield made
    made.close()


def kept(*names: str) -> list[Kept]:
    return [one for name in names if (one := kept_of(pod(name))) is not None]


def judged(process: AuditProcess, *names: str) -> tuple[list[AuditedObject], Done]:
    *parts, done = process.judge(kept(*names), anew=True)
    assert isinstance(done, Done)
    return [one for part in parts if isinstance(part, list) for one in part], done


def test_rounds_follow_each_other(process: AuditProcess) -> None:
    found, done = judged(process, "a", "b")
    assert [one.key for one in found] == ["k8s:east/core/Pod/shop/a", "k8s:east/core/Pod/shop/b"]
    assert (done.judged, done.objects, done.passes) == (2, 2, [])
    *_, more = process.judge(kept("c"), anew=False, gone=[found[0].key])
    assert isinstance(more, Done)
    assert (more.judged, more.objects) == (1, 2)


def test_a_process_that_died_is_told(process: AuditProcess) -> None:
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(KubeError, match="ended"):
        judged(process, "a")


def test_a_server_that_stops_does_not_wait(process: AuditProcess, stopped: threading.Event) -> None:
    stopped.set()
    with pytest.raises(Stopped):
        judged(process, "a")


def test_a_pack_that_does_not_exist_is_told(stopped: threading.Event) -> None:
    wrong = Setup(
        texts=[], packs=["no-such-pack"], cluster="", deadline_s=1.0, memory_bytes=1 << 30
    )
    with pytest.raises(ConfigError) as refused:
        AuditProcess(wrong, stopped)
    assert "no-such-pack" in refused.value.explain()


def test_a_policy_that_loops_is_an_error_and_then_stopped(stopped: threading.Event) -> None:
    process = AuditProcess(setup(LOOPING + CONSTRAINT, deadline_s=DEADLINE_S), stopped)
    try:
        found, done = judged(process, "a", "b", "c")
    finally:
        process.close()
    assert [[one.verdict.state.value for one in each.verdicts] for each in found] == [["error"]] * 3
    assert done.passes == []
    assert set(done.off) <= {"gatekeeper/NeedsLabel/owner"}


def test_the_audit_goes_on_after_its_process_died(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    try:
        folder.put(pod("a"))
        folder.tick()
        assert folder.audit._process is not None
        os.kill(folder.audit._process.pid, signal.SIGKILL)
        folder.put(pod("a"), pod("b"))
        with pytest.raises(KubeError):
            folder.tick()
        folder.audit._failed("as the thread does")
        assert folder.coverage().state == "failed"
        assert len(folder.violations()) == 1, "what is known stands"
        folder.tick()
        assert {one.name for one in folder.violations()} == {"a", "b"}
        assert folder.coverage().state == "idle"
    finally:
        folder.close()
