"""Saved profiles: written over, forgotten, read back bounded; a damaged one costs itself alone."""

from __future__ import annotations

import msgspec
import pytest
import zstandard
from sqlalchemy import update

from haechi.store.state.engine import Transaction
from haechi.store.state.profile_tables import profile
from haechi.store.state.profiles import LARGEST, SavedProfile
from haechi.store.state.state import State


def saved(
    id: str = "p1", *, cluster: str = "east", body: bytes = b"body", changed: int = 1
) -> SavedProfile:
    return SavedProfile(
        cluster=cluster,
        id=id,
        namespace="shop",
        resource="k8s:-/apps/Deployment/shop/web",
        image="shop/web",
        command="/usr/sbin/nginx",
        state="active",
        since=1,
        changed=changed,
        events=7,
        body=body,
    )  # fmt: skip


def each(state: State, most: int = 100) -> list[SavedProfile]:
    return list(state.profiles.each(most=most))


def test_what_is_saved_comes_back_newest_first(state: State) -> None:
    rows = [saved(f"p{n}", changed=n, body=b"x" * n) for n in range(250)]
    state.profiles.save(rows)
    assert each(state, 300) == rows[::-1]
    assert [one.id for one in each(state, 2)] == ["p249", "p248"]


def test_saving_again_writes_over_and_what_is_gone_goes(state: State) -> None:
    state.profiles.save([saved("p1"), saved("p2"), saved("p2", cluster="west")])
    state.profiles.save([saved("p1", body=b"new")], {"p2": "east"})
    assert {(one.cluster, one.id, one.body) for one in each(state)} == {
        ("east", "p1", b"new"),
        ("west", "p2", b"body"),
    }


def test_nothing_to_write_writes_nothing(state: State) -> None:
    before = state.generation
    state.profiles.save([])
    assert state.generation == before


BOMB = zstandard.ZstdCompressor().compress(b"\0" * (LARGEST + 1))
DAMAGED = {
    "no zstd": b"nothing",
    "empty": b"",
    "cut": zstandard.ZstdCompressor().compress(b"a body that is cut" * 9)[:-4],
    "too large": BOMB,
    "of unknown size": zstandard.ZstdCompressor(write_content_size=False).compress(b"x"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_body_is_read_as_none_and_costs_no_other(state: State, what: str) -> None:
    state.profiles.save([saved("p1"), saved("p2", body=b"whole")])

    def damage(transaction: Transaction) -> None:
        change = update(profile).where(profile.c.id == "p1").values(body=DAMAGED[what])
        transaction.connection.execute(change)

    state.write(damage)
    assert {one.id: one.body for one in each(state)} == {"p1": b"", "p2": b"whole"}


def test_hostile_names_are_kept_as_text(state: State) -> None:
    odd = msgspec.structs.replace(saved(), command="a\0b\ud800" + "x" * 9_000)
    state.profiles.save([odd])
    assert each(state)[0].command.startswith("a\u2400b\ufffdxx")
    assert len(each(state)[0].command) == 2_000
