"""Contents of SBOMs: kept once, found by package, tidied away, and never half there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from haechi.errors import StoreBusy
from haechi.model.access import EVERYWHERE, Reach
from haechi.store.dependency_records import PackageUse
from haechi.store.state import bills_contents, bills_held
from haechi.store.state.bills import KEPT, Billed, Bills, keep_bill
from haechi.store.state.bills_contents import Content, Key
from haechi.store.state.state import State

ALL = (EVERYWHERE,)


def content(*keys: Key) -> Content:
    return Content(
        body=repr(keys).encode(),
        files=1,
        packages=len(keys),
        ecosystems={"npm": len(keys)},
        formats=("package-lock.json",),
        keys=keys,
    )


def npm(*names: str) -> Content:
    keys = (name.partition("@") for name in names)
    return content(*(("npm", name, version) for name, _, version in keys))


def keep(state: State, where: str, what: Content, cluster: str = "-") -> str:
    one = Billed(
        cluster=cluster,
        source=f"repo:{where}",
        ref="main",
        content=state.bills.prepare(what),
        facts="{}",
    )
    return state.write(lambda transaction: keep_bill(transaction, one, scan="", by="test"))


def sources(found: Sequence[PackageUse]) -> list[tuple[str, str]]:
    return [(f"{one.name}@{one.version}", one.source.removeprefix("repo:")) for one in found]


@pytest.fixture
def shops(state: State) -> Iterator[Bills]:
    keep(state, "one", npm("left@1", "right@1"))
    keep(state, "two", npm("left@2", "lefty@1"), cluster="east")
    keep(state, "three", npm("right@1", "left@1"))
    yield state.bills


def test_equal_contents_are_one(state: State) -> None:
    for where in ("one", "two", "one"):
        keep(state, where, npm("left@1", "right@1"))
    assert state.bills.counts() == (2, 1, 2)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"name": "left", "version": "2"}, [("left@2", "two")]),
        (
            {"name": "lef"},
            [("left@1", "one"), ("left@1", "three"), ("left@2", "two"), ("lefty@1", "two")],
        ),
        ({"name": "left", "limit": 2, "skip": 1}, [("left@1", "three"), ("left@2", "two")]),
        ({"name": "left", "limit": 1, "skip": 3}, [("lefty@1", "two")]),
        ({"name": "left", "skip": 4}, []),
        ({"name": "nobody"}, []),
        ({"name": "left", "ecosystem": "PyPI"}, []),
        (
            {"name": "left", "within": (Reach(cluster="east"),)},
            [("left@2", "two"), ("lefty@1", "two")],
        ),
    ],
    ids=["version", "prefix", "page", "last", "beyond", "nobody", "ecosystem", "reach"],
)
@pytest.mark.parametrize("window", [1, 50])
def test_uses_of_a_package(
    shops: Bills,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, object],
    found: list[tuple[str, str]],
    window: int,
) -> None:
    monkeypatch.setattr(bills_held, "_WINDOW", window)
    assert sources(shops.uses(**{"within": ALL, **asked})) == found  # type: ignore[arg-type]


def test_all_uses_stand_on_pages_once(shops: Bills, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills_held, "_WINDOW", 2)
    whole = sources(shops.uses(within=ALL))
    assert len(whole) == len(set(whole)) == 6
    for limit in (1, 2, 5):
        paged = [
            one
            for skip in range(0, 6, limit)
            for one in sources(shops.uses(within=ALL, limit=limit, skip=skip))
        ]
        assert paged == whole


def test_sboms_that_hold_a_package_newest_first(shops: Bills) -> None:
    first = shops.page(within=ALL, name="left", limit=2)
    rest = shops.page(within=ALL, name="left", limit=2, cursor=first.next)
    assert [one.source for one in (*first.items, *rest.items)] == [
        "repo:three",
        "repo:two",
        "repo:one",
    ]
    assert shops.page(within=ALL, name="lef").items == []
    assert len(shops.page(within=ALL, name="left", version="2").items) == 1


@pytest.mark.parametrize("many", [0, 4_000])
def test_contents_that_hold_names(state: State, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills_held, "_MANY_NAMES", many)
    monkeypatch.setattr(bills_held, "_FEW", 1)
    for where, what in (("one", "left@1"), ("two", "left@2"), ("three", "right@1")):
        keep(state, where, npm(what, "all@1"))
    bodies = {one.n: one.body for one in state.bills.waiting("", 0)}
    held = [state.bills.holding(names) for names in ({("npm", "left")}, {("npm", "all")})]
    assert [sorted(bodies.values()), sorted(held[1])] == [[1, 2, 3], [1, 2, 3]]
    assert held[0] == {bodies[1], bodies[2]}
    assert state.bills.holding({("PyPI", "left")}) == frozenset()
    keep(state, "two", npm("all@1"))
    assert state.bills.holding({("npm", "left")}) == {bodies[1]}


def test_numbers_that_look_like_others_in_between_are_none() -> None:
    held = bills_contents.packed([1, 2])
    assert bills_contents.packed([0x0200_0000]) in held
    assert not bills_held.holds({0x0200_0000})(held)
    assert bills_held.holds({2})(held)


def test_a_first_push_of_many_packages_comes_in_small_steps(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bills_contents, "ADDED", 10)
    many = npm(*(f"p{number}@1" for number in range(35)))
    prepared = state.bills.prepare(many)
    assert state.bills.counts() == (0, 0, 30)
    again = state.bills.prepare(many)
    first = state.write(lambda transaction: prepared.write(transaction.connection))
    assert state.write(lambda transaction: again.write(transaction.connection)) == first
    assert state.bills.counts() == (0, 1, 35)


def test_what_no_sbom_names_goes_at_the_second_tidying(state: State) -> None:
    keep(state, "one", npm("old@1", "both@1"))
    for number in range(KEPT):
        keep(state, "one", npm(f"new@{number}", "both@1"))
    assert state.bills.tidy() == 0
    assert state.bills.tidy() == 1
    assert state.bills.counts() == (1, KEPT, KEPT + 1)
    assert state.bills.uses(within=ALL, name="old") == []
    assert sources(state.bills.uses(within=ALL, name="both")) == [("both@1", "one")]
    keep(state, "two", npm("old@1"))
    assert sources(state.bills.uses(within=ALL, name="old")) == [("old@1", "two")]


def test_a_push_that_tidying_overtook_is_not_kept_with_packages_that_are_gone(
    state: State,
) -> None:
    keep(state, "one", npm("old@1"))
    for number in range(KEPT):
        keep(state, "one", npm(f"new@{number}"))
    late = state.bills.prepare(npm("old@1", "more@1"))
    state.bills.tidy()
    assert state.bills.tidy() == 1
    with pytest.raises(StoreBusy):
        state.write(lambda transaction: late.write(transaction.connection))
    keep(state, "two", npm("old@1", "more@1"))
    assert sources(state.bills.uses(within=ALL, name="old")) == [("old@1", "two")]
