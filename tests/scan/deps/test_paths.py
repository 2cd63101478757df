"""Chains: one shortest way from the project to a package, in any graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from haechi.scan.deps.paths import Chain, Paths, project_name
from tests.scan.deps.advised import file_of, package

EDGES = st.lists(st.lists(st.integers(-2, 12), max_size=4), min_size=1, max_size=10)


def test_direct_package_is_its_own_chain() -> None:
    paths = Paths(file_of(package("a"), requires=(0,), name="shop"))
    assert paths.to(0) == Chain((0,))
    assert paths.named(Chain((0,))) == ("shop", "a")


def test_others_count_who_else_needs_it() -> None:
    one, two = package("one", needs=(2,)), package("two", needs=(2,))
    paths = Paths(file_of(one, two, package("leaf"), requires=(0, 1, 2)))
    assert paths.to(2) == Chain((2,), others=2)


def test_flags_stand_in_where_the_file_names_no_requirements() -> None:
    direct = package("a", direct=True, needs=(1,))
    assert Paths(file_of(direct, package("b", direct=False))).to(1) == Chain((0, 1))


def test_what_nothing_leads_to_has_no_chain() -> None:
    assert Paths(file_of(package("a"), package("b"), requires=(0,))).to(1) is None


def test_project_is_called_by_its_name_then_its_folder_then_the_file() -> None:
    assert project_name(file_of(name="shop", path="services/cart/uv.lock")) == "shop"
    assert project_name(file_of(path="services/cart/uv.lock")) == "cart"
    assert project_name(file_of(path="uv.lock")) == "uv.lock"


@given(EDGES, st.lists(st.integers(-2, 12), max_size=3))
def test_chain_is_a_shortest_walk_whatever_the_graph(
    edges: list[list[int]], roots: list[int]
) -> None:
    packages = [package(f"p{index}", needs=tuple(needs)) for index, needs in enumerate(edges)]
    file = file_of(*packages, requires=tuple(roots))
    paths = Paths(file)
    far = distances(edges, roots)
    for index in range(len(edges)):
        chain = paths.to(index)
        assert (chain is None) == (index not in far)
        if chain is not None:
            assert chain.steps[0] in roots
            assert chain.steps[-1] == index
            assert len(chain.steps) == far[index]
            assert all(b in edges[a] for a, b in zip(chain.steps, chain.steps[1:], strict=False))


def distances(edges: list[list[int]], roots: list[int]) -> dict[int, int]:
    """Steps to each package by relaxing every edge until nothing changes."""
    count = len(edges)
    far = {root: 1 for root in roots if 0 <= root < count}
    for _ in range(count):
        for index, needs in enumerate(edges):
            for need in needs:
                if index in far and 0 <= need < count:
                    far[need] = min(far.get(need, count + 1), far[index] + 1)
    return far
