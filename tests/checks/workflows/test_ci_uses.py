"""References: what they name and what they are pinned to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.workflows.uses import Kind, Pin, parse_uses, pin_of

HASH = "11bd71901bbe5b1630ceea73d27597364c9af683"


@pytest.mark.parametrize(
    ("written", "kind", "name", "pin"),
    [
        ("actions/checkout@v4", Kind.ACTION, "actions/checkout", Pin.TAG),
        (f"actions/checkout@{HASH}", Kind.ACTION, "actions/checkout", Pin.HASH),
        (f"actions/checkout@{HASH.upper()}", Kind.ACTION, "actions/checkout", Pin.HASH),
        ("actions/checkout", Kind.ACTION, "actions/checkout", Pin.NONE),
        ("github/codeql-action/init@v3", Kind.ACTION, "github/codeql-action/init", Pin.TAG),
        ("dorny/paths-filter/@v3", Kind.ACTION, "dorny/paths-filter", Pin.TAG),
        ("o/r/.github/workflows/x.yml@main", Kind.WORKFLOW, "o/r/.github/workflows/x.yml",
         Pin.BRANCH),
        ("./.github/actions/x", Kind.LOCAL, "", Pin.NONE),
        ("docker://alpine:3", Kind.DOCKER, "", Pin.NONE),
        ("checkout@v4", Kind.INVALID, "", Pin.NONE),
        ("o/${{ matrix.x }}@v1", Kind.INVALID, "", Pin.NONE),
        ("", Kind.INVALID, "", Pin.NONE),
    ],
)  # fmt: skip
def test_reads_uses(written: str, kind: Kind, name: str, pin: Pin) -> None:
    uses = parse_uses(written)
    assert (uses.kind, uses.name, uses.pin) == (kind, name, pin)


@pytest.mark.parametrize(
    ("ref", "pin"),
    [
        ("v4", Pin.TAG),
        ("v4.2.1", Pin.TAG),
        ("4", Pin.TAG),
        ("v2-beta", Pin.TAG),
        ("codeql-bundle-v2.16", Pin.TAG),
        ("2024-01-01", Pin.TAG),
        ("20240131", Pin.TAG),
        ("1.x", Pin.TAG),
        ("refs/tags/stable", Pin.TAG),
        ("main", Pin.BRANCH),
        ("master", Pin.BRANCH),
        ("HEAD", Pin.BRANCH),
        ("release/v1", Pin.BRANCH),
        ("releases/v1", Pin.BRANCH),
        ("refs/heads/v4", Pin.BRANCH),
        ("stable", Pin.BRANCH),
        ("latest", Pin.BRANCH),
        ("nightly", Pin.BRANCH),
        ("feature/x", Pin.BRANCH),
        ("11bd719", Pin.SHORT_HASH),
        (HASH, Pin.HASH),
        (HASH[:39], Pin.SHORT_HASH),
        (HASH + "0" * 24, Pin.HASH),
    ],
)
def test_tells_what_pins(ref: str, pin: Pin) -> None:
    assert pin_of(ref) is pin


@pytest.mark.parametrize(
    ("written", "mutable"),
    [
        ("actions/checkout@v4", True),
        (f"actions/checkout@{HASH}", False),
        ("./local", False),
        ("docker://alpine:3", True),
        (f"docker://alpine@sha256:{'a' * 64}", False),
        ("nonsense", False),
    ],
)
def test_knows_what_can_change(written: str, mutable: bool) -> None:
    assert parse_uses(written).mutable is mutable


@given(st.text(max_size=600))
def test_reads_any_text(text: str) -> None:
    assert parse_uses(text).kind in Kind
    assert pin_of(text) in Pin
