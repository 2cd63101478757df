"""Policies and news that arrive half, wrong or at the worst moment: what was refused stays so."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import ConfigError
from haechi.model.admission import Family, PolicyFault, PolicyInfo
from haechi.server.webhook.frames import Changes, Known, Loaded, Setup, Text
from haechi.server.webhook.generation import Generation, require_whole
from haechi.server.webhook.knowledge import Knowledge
from haechi.server.webhook.nursery import load
from haechi.server.webhook.sources.files import Files
from tests.server.webhook.conftest import Start, request, trial, write

FAIL = "/admit/fail"


def test_a_change_counts_once_it_was_seen_twice(tmp_path: Path) -> None:
    folder = write(tmp_path / "policies", trial("a", "waits"))
    source = Files([folder], settle=True)
    assert source.poll() is not None
    (folder / "a.json").write_text("half")
    assert source.poll() is None
    (folder / "a.json").write_text("and the other half")
    assert source.poll() is None
    found = source.poll()
    assert found is not None
    assert [text.data for text in found.texts] == [b"and the other half"]
    assert source.poll() is None


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
