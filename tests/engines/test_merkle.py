"""Merkle trees against the RFC's words written naively, and against public roots."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.merkle import (
    EMPTY,
    Frontier,
    Range,
    consistency_holds,
    consistency_ranges,
    inclusion_holds,
    inclusion_ranges,
    leaf_hash,
    root_of,
)

MOST = 70
DATA = [f"record {number}".encode() for number in range(MOST)]
LEAVES = [leaf_hash(data) for data in DATA]

# The leaves that Certificate Transparency's implementations test with, and their roots by size.
CT_LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive(data: list[bytes]) -> bytes:
    """MTH as RFC 6962 §2.1 defines it."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\x01" + naive(data[:k]) + naive(data[k:])).digest()


def naive_path(m: int, data: list[bytes]) -> list[bytes]:
    """PATH as RFC 6962 §2.1.1 defines it."""
    if len(data) == 1:
        return []
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m < k:
        return [*naive_path(m, data[:k]), naive(data[k:])]
    return [*naive_path(m - k, data[k:]), naive(data[:k])]


def naive_proof(m: int, data: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF as RFC 6962 §2.1.2 defines it."""
    if m == len(data):
        return [] if whole else [naive(data)]
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m <= k:
        return [*naive_proof(m, data[:k], whole), naive(data[k:])]
    return [*naive_proof(m - k, data[k:], False), naive(data[:k])]


def hashes(parts: list[Range]) -> list[bytes]:
    return [root_of(LEAVES[low:high]) for low, high in parts]


@pytest.mark.parametrize("size", range(1, len(CT_ROOTS) + 1))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(text)) for text in CT_LEAVES[:size]]
    assert root_of(leaves).hex() == CT_ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root_of([]) == EMPTY == naive([])


def test_a_growing_tree_has_every_root_on_its_way() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(LEAVES, 1):
        frontier.append(leaf)
        assert frontier.root() == naive(DATA[:size])
        assert Frontier(frontier.size, frontier.peaks).root() == frontier.root()


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="each bit"):
        Frontier(3, LEAVES[:1])


def test_every_inclusion_path_is_the_naive_one_and_holds() -> None:
    for size in range(1, MOST + 1):
        root = naive(DATA[:size])
        for index in range(size):
            path = hashes(inclusion_ranges(index, size))
            assert path == naive_path(index, DATA[:size])
            assert inclusion_holds(LEAVES[index], index, size, path, root)


def test_every_consistency_path_is_the_naive_one_and_holds() -> None:
    for size in range(1, MOST + 1):
        root = naive(DATA[:size])
        for old in range(1, size + 1):
            path = hashes(consistency_ranges(old, size))
            assert path == naive_proof(old, DATA[:size])
            assert consistency_holds(old, naive(DATA[:old]), size, root, path)
        assert consistency_holds(0, EMPTY, size, root, [])


@given(size=st.integers(2, MOST), data=st.data())
def test_a_path_proves_nothing_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index))
    path, root = naive_path(index, DATA[:size]), naive(DATA[:size])
    leaf = LEAVES[index]
    cut = data.draw(st.integers(0, len(path) - 1))
    changed = [*path[:cut], bytes(32), *path[cut + 1 :]]
    assert not inclusion_holds(LEAVES[other], index, size, path, root)
    assert not inclusion_holds(leaf, other, size, path, root)
    assert not inclusion_holds(leaf, index, size, changed, root)
    assert not inclusion_holds(leaf, index, size, path[:-1], root)
    assert not inclusion_holds(leaf, index, size, [*path, leaf], root)
    assert not inclusion_holds(leaf, index, size, path, EMPTY)
    assert not inclusion_holds(leaf, size, size, path, root)
    assert not inclusion_holds(leaf, -1, size, path, root)


@given(size=st.integers(2, MOST), data=st.data())
def test_a_changed_history_is_not_consistent(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    path, root = naive_proof(old, DATA[:size]), naive(DATA[:size])
    old_root = naive(DATA[:old])
    forged = naive([b"forged", *DATA[1:old]])
    assert not consistency_holds(old, forged, size, root, path)
    assert not consistency_holds(old, old_root, size, naive([b"x", *DATA[1:size]]), path)
    assert not consistency_holds(old, old_root, size, root, path[:-1])
    assert not consistency_holds(old, old_root, size, root, [*path, EMPTY])
    assert not consistency_holds(size, root, old, old_root, path)
    assert not consistency_holds(size, old_root, size, root, [])
    assert not consistency_holds(0, old_root, size, root, [])


def test_a_node_does_not_pass_for_a_leaf() -> None:
    """What the prefixes are for: the inside of a node, taken as a record, hashes otherwise."""
    inside = LEAVES[0] + LEAVES[1]
    assert leaf_hash(inside) != root_of(LEAVES[:2])
    assert root_of([*LEAVES[:2], LEAVES[2]]) != root_of([*LEAVES[:2], LEAVES[2], LEAVES[2]])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3)])
def test_no_path_outside_of_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_ranges(index, size)


@pytest.mark.parametrize(("old", "size"), [(2, 1), (-1, 3)])
def test_no_history_beyond_the_tree(old: int, size: int) -> None:
    with pytest.raises(ValueError, match="does not begin"):
        consistency_ranges(old, size)
