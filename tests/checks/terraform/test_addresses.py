"""Addresses of instances: which of them may be one and the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.terraform.addresses import Addresses, bare
from haechi.model.location import Location
from haechi.model.resource import Resource

KEYS = st.sampled_from(["", "[0]", "[1]", '["a.b"]', '["x]"]'])


def resource(address: str) -> Resource:
    return Resource(
        key=f"tf:-/{address}",
        kind="aws_x",
        name=address,
        data={},
        file="main.tf",
        locate=lambda path: Location(path="main.tf", line=1),
    )


def kept(*addresses: str) -> Addresses:
    out = Addresses()
    for address in addresses:
        out.add(address, resource(address))
    return out


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("aws_x.a", ["aws_x.a[0]", "aws_x.a", "aws_x.a[1]"]),
        ("aws_x.a[0]", ["aws_x.a[0]", "aws_x.a"]),
        ("aws_x.a[2]", ["aws_x.a"]),
        ('module.m["k"].aws_x.a[1]', ['module.m["k"].aws_x.a', "module.m.aws_x.a[1]"]),
        ("aws_x.b", []),
    ],
)
def test_keys_that_one_lacks_fit_any(asked: str, expected: list[str]) -> None:
    addresses = kept(
        "aws_x.a[0]",
        "aws_x.a",
        "aws_x.a[1]",
        'module.m["k"].aws_x.a',
        'module.m["l"].aws_x.a',
        "module.m.aws_x.a[1]",
        "module.m.aws_x.a[0]",
    )
    assert [one.name for one in addresses.of(asked)] == expected


@given(st.lists(st.tuples(KEYS, KEYS), max_size=12), st.tuples(KEYS, KEYS))
def test_what_is_found_is_what_a_comparison_of_all_finds(
    others: list[tuple[str, str]], mine: tuple[str, str]
) -> None:
    def fits(other: tuple[str, str]) -> bool:
        return all(a == b or not a or not b for a, b in zip(mine, other, strict=True))

    names = [f"module.m{one}.aws_x.a{two}" for one, two in others]
    asked = f"module.m{mine[0]}.aws_x.a{mine[1]}"
    expected = [name for name, other in zip(names, others, strict=True) if fits(other)]
    assert [one.name for one in kept(*names).of(asked)] == expected
    assert bare(asked) == "module.m.aws_x.a"


def test_one_of_a_thousand_is_not_compared_with_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    addresses = kept(*(f"aws_x.a[{at}]" for at in range(1_000)))
    assert [one.name for one in addresses.of("aws_x.a[7]")] == ["aws_x.a[7]"]
    monkeypatch.setattr(addresses, "_alike", {"aws_x.a": {(7,): ()}})  # its index is made
    assert [one.name for one in addresses.of("aws_x.a[999]")] == ["aws_x.a[999]"]
