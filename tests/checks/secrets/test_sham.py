"""Stand-ins are told from values that only hold something alike."""

from __future__ import annotations

import pytest

from haechi.checks.secrets.forms import Forge
from haechi.checks.secrets.sham import is_sham

DRAWN = Forge("sham")


@pytest.mark.parametrize(
    "text",
    ["x" * 24, "ab" + "0" * 9 + "cd", "A" * 30, "key-" + "A" * 25, "abcdefghijkl", "98765432xy"],
)
def test_runs_and_sequences_stand_in_for_values(text: str) -> None:
    assert is_sham(text.encode())


@pytest.mark.parametrize("zeros", [8, 12, 20])
def test_zero_bytes_in_base64_do_not(zeros: int) -> None:
    assert not is_sham(DRAWN.make(f"<<base62 14>>{'A' * zeros}<<base62 40>>").encode())


@pytest.mark.parametrize("form", ["<<base62 36>>", "<<hex 40>>", "<<base64url 64>>", "<<uuid>>"])
def test_random_values_do_not(form: str) -> None:
    assert not is_sham(DRAWN.make(form).encode())
