"""More matches than are judged: what was left out is told, and decoys hide nothing."""

from __future__ import annotations

import base64

import pytest

from haechi.checks.secrets import detect
from haechi.checks.secrets.detect import ENCODED
from tests.checks.secrets.credentials import ACME, SUMMED, detector, value


def decoys(number: int) -> str:
    """Texts of the form without its checksum."""
    return "".join(f"sum_{n:036}\n" for n in range(number))


def test_decoys_do_not_use_up_what_is_found() -> None:
    text = decoys(1_500) + value(SUMMED)
    found = detector(SUMMED).find(text.encode())
    assert [one.line for one in found] == [1_501]
    assert not found.cut


def test_a_rule_that_stops_at_its_matches_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "MOST_MATCHES", 10)
    text = decoys(11) + value(SUMMED)
    found = detector(SUMMED, ACME).find(text.encode())
    assert list(found) == []
    assert found.cut == {"secret-summed"}


def test_a_rule_that_stops_at_its_findings_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "MOST", 3)
    lines = [value(ACME, str(number)) for number in range(5)]
    for count, cut in ((3, set()), (4, {"secret-acme"})):
        found = detector(ACME).find("\n".join(lines[:count]).encode())
        assert len(found) == 3
        assert found.cut == cut


def test_encoded_texts_past_the_bounds_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.checks.secrets.decode.MOST_RUNS", 5)
    line = base64.b64encode(b"nothing but the words of a text").decode()
    for count, cut in ((5, set()), (6, {ENCODED})):
        found = detector(ACME).find(f"{line}\n".encode() * count)
        assert found.cut == cut


def test_a_value_deep_in_a_long_encoded_text_is_found() -> None:
    text = "the words of a long text, " * 200_000 + value(ACME)
    found = detector(ACME).find(b"k: " + base64.b64encode(text.encode()))
    assert [one.secret.decode() for one in found] == [value(ACME)]
