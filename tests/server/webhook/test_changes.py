"""Policies and news that arrive half, wrong or at the worst moment: what was refused stays so."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.errors import ConfigError
from haechi.model.admission import Family, PolicyFault, PolicyInfo
from haechi.model.decision_record import DecisionRecord
from haechi.server.webhook.frames import Changes, Known, Loaded, Route, Setup, Text
from haechi.server.webhook.generation import Generation, require_whole
from haechi.server.webhook.knowledge import Knowledge
from haechi.server.webhook.nursery import load
from haechi.server.webhook.sources.files import Files
from haechi.server.webhook.telling import Lines
from tests.server.webhook.conftest import Start, request, trial, write
from tests.server.webhook.test_parts import DENIED, Server, record, telling

FAIL = "/admit/fail"


def test_a_change_counts_once_it_was_seen_twice(tmp_path: Path) -> None:
    folder = write(tmp_path / "policies", trial("a", "waits"))
    source = Files([folder], settle=True)
    assert source.poll() is not None
    os.utime(folder / "a.json", (0, 0))
    assert source.poll() is None
    (folder / "a.json").write_text("half")
    assert source.poll() is None
    (folder / "a.json").write_text("and the other half")
    assert source.poll() is None
    found = source.poll()
    assert found is not None
    assert [text.data for text in found.texts] == [b"and the other half"]
    assert source.poll() is None


def test_what_never_rests_is_taken_in_the_end(tmp_path: Path) -> None:
    folder = write(tmp_path / "policies", trial("a", "waits"))
    source = Files([folder], settle=True)
    assert source.poll() is not None
    found = []
    for number in range(6):
        (folder / "a.json").write_text(str(number))
        found.append(source.poll() is not None)
    assert found == [False] * 5 + [True]


@pytest.mark.parametrize("left", [None, b""], ids=["gone", "emptied"])
def test_policies_that_vanish_are_no_wish_to_have_none(tmp_path: Path, left: bytes | None) -> None:
    folder = write(tmp_path / "policies", trial("a", "waits"))
    source = Files([folder])
    assert source.poll() is not None
    (folder / "a.json").unlink()
    if left is not None:
        (folder / "a.json").write_bytes(left)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"gone|empty"):
            source.poll()
    write(folder, trial("b", "waits"), trial("a", "loops"))
    assert source.poll() is not None


def test_links_in_a_circle_are_passed_by_and_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "policies", trial("a", "waits"))
    (folder / "x.yaml").symlink_to("y.yaml")
    (folder / "y.yaml").symlink_to("x.yaml")
    (folder / "deeper").symlink_to(".")
    found = Files([folder]).poll()
    assert found is not None
    assert [Path(text.name).name for text in found.texts] == ["a.json"]
    os.mkfifo(folder / "pipe.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        Files([folder]).poll()


@pytest.mark.parametrize("data", [b"a: [", b"\xff\xfe\x00", b"a: b: c"], ids=["cut", "bytes", "no"])
def test_what_cannot_be_read_may_be_a_policy(data: bytes) -> None:
    setup = Setup(texts=[Text("broken.yaml", data)], packs=["pss-baseline"])
    with pytest.raises(ConfigError, match="may be a policy"):
        load(setup, Knowledge())


def loaded(*ids: str, fault: str = "", fatal: bool = True) -> Loaded:
    def info(id_: str) -> PolicyInfo:
        return PolicyInfo(id=id_, family=Family.RULES, name=id_, title=id_)

    faults = [PolicyFault(kind="invalid", what=fault, fatal=fatal)] if fault else []
    return Loaded(generation="g", policies=[info(one) for one in ids], faults=faults)


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (loaded("a", "b"), loaded("a"), False),
        (loaded("a", "b"), loaded("a", fault="b is wrong"), True),
        (loaded("a", "b"), loaded("a", fault="b is odd", fatal=False), False),
        (loaded("a"), loaded("a", "c", fault="b is wrong"), False),
        (loaded("a", "b", fault="c is wrong"), loaded("a", fault="c is wrong"), False),
        (loaded("a"), loaded(fault="a is wrong"), True),
    ],
    ids=["taken-away", "broken", "mild", "more", "as-before", "all"],
)
def test_a_set_that_lost_policies_to_faults_does_not_take_over(
    old: Loaded, new: Loaded, refused: bool
) -> None:
    if refused:
        with pytest.raises(ConfigError, match="in force would be lost"):
            require_whole(old, new)
    else:
        require_whole(old, new)


def test_who_is_being_born_misses_no_news() -> None:
    generation = Generation(Setup(texts=[]), number=1)
    news = Changes([Known("v1", "Namespace", "", "a", b"{}")])
    with generation.unborn() as missed:
        generation.tell_all(news)
    generation.tell_all(news)
    assert missed == [news]


def test_a_nursery_that_ended_late_does_not_bring_the_old_policies_back(
    webhook: Start, tmp_path: Path
) -> None:
    running = webhook(trial("mild", "waits"))
    pool = running.hook.pool
    old: Any = pool._current
    write(tmp_path / "policies", trial("strict", "refuses_bad"))
    running.wait(lambda: running.ready()[1]["loads"] == 2)

    async def late() -> bool:
        await pool._replace(old)
        return await pool.load(old.setup, instead=old)

    assert running._loop is not None
    assert asyncio.run_coroutine_threadsafe(late(), running._loop).result(20) is False
    assert running.ready()[1]["loads"] == 2
    assert running.peer().review(FAIL, request("bad"))["allowed"] is False


def test_half_a_body_gives_back_its_room(webhook: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.server.webhook.front.MOST_READING", 100_000)
    running = webhook(trial("strict", "refuses_bad"))
    running.hook.front._body_s = 0.1
    slow = running.peer()
    slow._http.putrequest("POST", FAIL)
    slow._http.putheader("content-length", "100000")
    slow._http.endheaders(b"{")
    answer = slow._http.getresponse()
    assert (answer.status, answer.read()) == (408, b"the body did not come in time\n")
    assert running.total("refused", reason="slow") == 1
    assert running.peer().review(FAIL, request("bad"))["status"]["code"] == 403


def test_a_full_disk_costs_the_file_its_lines_and_the_server_nothing() -> None:
    dropped: list[str] = []
    server = Server()
    made = telling(server, lines=Lines(Path("/dev/full")), dropped=dropped.append)
    made.told(Route.ADMIT_FAIL, DENIED, 0.002)
    assert made._send() is False
    assert dropped == ["file"]
    assert len(server.taken[0].records) == 1


def test_no_half_line_stays_when_the_disk_is_full(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "out")
    one = msgspec.msgpack.decode(record("u"), type=DecisionRecord)
    lines.write([one])
    size = (tmp_path / "out").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * size + 7, before[1]))
    try:
        with pytest.raises(OSError, match="space"):
            lines.write([one] * 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / "out").stat().st_size == 3 * size
    lines.write([one])
    assert len((tmp_path / "out").read_text().splitlines()) == 4
