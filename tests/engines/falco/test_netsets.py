"""Addresses and networks as texts: what is one, and that hostile texts are not remembered."""

from __future__ import annotations

import pytest

from haechi.engines.falco import derive_fd, netsets
from haechi.runtime.decode import bounds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", (32, 0x0A000001)),
        ("::ffff:10.0.0.1", (32, 0x0A000001)),
        ("::1", (128, 1)),
        ("010.0.0.1", None),
        ("a.example", None),
        ("", None),
        ("1" * 65, None),
    ],
)
def test_an_address(text: str, expected: netsets.Address | None) -> None:
    assert netsets.address(text) == expected


@pytest.mark.parametrize("text", ["x" * 100_000, f"{'1' * 100_000}:1->2.2.2.2:2"])
def test_long_texts_are_not_remembered(text: str) -> None:
    kept = (netsets._parsed, derive_fd._parsed_ends)
    before = [one.cache_info().currsize for one in kept]
    assert netsets.address(text) is None
    assert derive_fd.ends(text) is None
    assert [one.cache_info().currsize for one in kept] == before


def test_long_names_of_fields_are_remembered_by_what_is_kept_of_them() -> None:
    bounds.fitted({"n" * 100_000: 1})
    before = bounds._plain_name.cache_info()
    bounds.fitted({"n" * 200_000: 1})
    after = bounds._plain_name.cache_info()
    assert (after.currsize, after.hits) == (before.currsize, before.hits + 1)
