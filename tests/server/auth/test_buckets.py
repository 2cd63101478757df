"""Token buckets against a plain model, their bound, and what counts as one address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.addresses import is_loopback
from haechi.server.auth.buckets import Buckets, network


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.1, 5), st.integers(1, 5))
def test_never_lets_more_through_than_burst_and_rate(
    waits: list[float], rate: float, burst: int
) -> None:
    buckets, now, taken = Buckets(), 0.0, 0
    for wait in waits:
        now += wait
        left = buckets.take("x", per_second=rate, burst=burst, now=now)
        taken += left == 0
        assert taken <= burst + now * rate + 1e-6
        if left:
            again = now + left + 1e-6
            assert Buckets.take(buckets, "x", per_second=rate, burst=burst, now=again) == 0
            now, taken = again, taken + 1


def test_the_table_has_a_bound() -> None:
    buckets = Buckets(rows=10)
    for number in range(1000):
        buckets.take(str(number), per_second=1, burst=1, now=0)
    assert len(buckets) == 10


def test_a_clock_that_is_set_back_gives_nothing_away() -> None:
    buckets = Buckets()
    assert buckets.take("x", per_second=1, burst=1, now=100) == 0
    assert buckets.take("x", per_second=1, burst=1, now=50) > 0


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_what_counts_as_one_address(address: str, counts_as: str) -> None:
    assert network(address) == counts_as


@pytest.mark.parametrize(
    ("address", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("::", False),
        ("::2", False),
        ("192.0.2.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine(address: str, is_it: bool) -> None:
    assert is_loopback(address) is is_it
