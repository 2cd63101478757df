"""Scores as FIRST's calculators give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.cvss import highest, score_of, severity_of
from haechi.errors import InputError
from haechi.model.severity import Severity

V3 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V2 = "AV:N/AC:L/Au:N/C:C/I:C/A:C"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        (V3, (3, 9.8)),
        (V3 + "/", (3, 9.8)),
        (V3 + "/E:P/RL:O", (3, 9.8)),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", (3, 6.1)),
        (V2, (2, 10.0)),
        (f"({V2})", (2, 10.0)),
        (V4, (4, 6.9)),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", (4, 10.0)),
    ],
    ids=["3.1", "slash", "temporal", "3.0", "2", "2-braces", "4-medium", "4-worst"],
)
def test_scores(vector: str, score: tuple[int, float]) -> None:
    assert score_of(vector) == score


def test_the_newest_version_of_cvss_is_believed_and_of_it_the_highest() -> None:
    low = V3.replace("C:H/I:H/A:H", "C:L/I:N/A:N")
    assert highest([V2, low, V3]) == 9.8
    assert highest([V2, V3, V4]) == 6.9
    assert highest(["nonsense", V2]) == 10.0
    assert highest([]) is None
    assert highest(["nonsense"]) is None


@pytest.mark.parametrize(
    "text", ["", "x", "CVSS:3.1/AV:N", "CVSS:5.0/AV:N", V3 + "/AV:L", "A:" * 400, "CVSS:4.0/AV:Z"]
)
def test_what_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        score_of(text)


@given(st.text(max_size=60) | st.text("CVSS:34.01/AVNLPHUIW", max_size=60))
def test_any_text_gives_a_score_or_is_refused(text: str) -> None:
    try:
        kind, score = score_of(text)
    except InputError:
        return
    assert kind in (2, 3, 4)
    assert 0 <= score <= 10


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        (0.0, Severity.INFO),
        (0.1, Severity.LOW),
        (3.9, Severity.LOW),
        (4.0, Severity.MEDIUM),
        (6.9, Severity.MEDIUM),
        (7.0, Severity.HIGH),
        (9.0, Severity.CRITICAL),
    ],
)
def test_ratings(score: float, severity: Severity) -> None:
    assert severity_of(score) is severity
