"""Credentials in a content: places, names, encodings, proofs, doubles, and silence."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.secrets import validators
from haechi.errors import RuleError
from haechi.rules.schema import Pattern
from tests.checks.secrets.credentials import ACME, SUMMED, URL, detector, rule, value

KEY = value(ACME)


def test_a_place_is_counted_in_lines_and_characters() -> None:
    (found,) = detector(ACME).find(f"a: 1\n  키: é {KEY} # x\n".encode())
    assert (found.line, found.column, found.end_line, found.end_column) == (2, 8, 2, 8 + len(KEY))
    assert found.secret == KEY.encode()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("TOKEN={}", "TOKEN"),
        ('"apiKey": "{}"', "apiKey"),
        ("api_key := '{}'", "api_key"),
        ("key => '{}'", "key"),
        ("SECRET_KEY = b'{}'", "SECRET_KEY"),
        ('login(token="{}")', "token"),
        ("<li>{}", ""),
        ("a1b2c3d4e5f6a7b8c9d0e1 = {}", ""),
    ],
)
def test_the_name_is_what_the_value_is_assigned_to(text: str, name: str) -> None:
    (found,) = detector(ACME).find(text.format(KEY).encode())
    assert found.name == name


@pytest.mark.parametrize("encoding", ["base64", "hex", "url"])
def test_one_level_of_encoding_is_seen_through(encoding: str) -> None:
    plain = f'token "{KEY}" end'
    text = {
        "base64": base64.b64encode(plain.encode()).decode(),
        "hex": plain.encode().hex(),
        "url": plain.replace('"', "%22").replace(" ", "+"),
    }[encoding]
    (found,) = detector(ACME).find(f"data: {text}\n".encode())
    assert (found.encoding, found.secret, found.line) == (encoding, KEY.encode(), 1)
    assert (found.start, found.end) == (6, 6 + len(text))


def test_two_levels_of_encoding_are_not() -> None:
    twice = base64.b64encode(base64.b64encode(f"token {KEY}".encode()))
    assert detector(ACME).find(b"data: " + twice) == []


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_text_that_editors_on_windows_write_is_read(codec: str) -> None:
    mark = "\ufeff".encode(codec)
    (found,) = detector(ACME).find(mark + f"k={KEY}".encode(codec))
    assert found.secret == KEY.encode()


def test_binary_contents_are_searched_for_forms() -> None:
    (found,) = detector(ACME).find(b"\0\1\2" * 50 + b" " + KEY.encode() + b" ")
    assert found.secret == KEY.encode()


def test_a_wrong_checksum_is_no_credential() -> None:
    good = value(SUMMED)
    bad = good[:-1] + ("0" if good[-1] != "0" else "1")
    assert [c.secret for c in detector(SUMMED).find(f"{good} {bad}".encode())] == [good.encode()]


def test_a_validator_that_fails_has_disproved_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(secret: bytes) -> bool:
        raise ValueError(secret)

    monkeypatch.setitem(validators.VALIDATORS, "github", fails)
    assert len(detector(SUMMED).find(value(SUMMED).encode())) == 1


def test_an_unknown_validator_is_a_fault_of_the_rule() -> None:
    pattern = Pattern(regex="a_[0-9]{8}", keywords=["a_"], form="a_<<digits 8>>", check="nothing")
    with pytest.raises(RuleError, match="no validator 'nothing'"):
        detector(rule("a", pattern))


@pytest.mark.parametrize(
    "text",
    [
        "acme_EXAMPLEexampleEXAMPLE123",
        "acme_" + "x" * 24,
        "acme_" + "ab" * 12,
        "acme_abcdefghijklmnopqrstuvwx",
    ],
)
def test_what_stands_in_for_a_credential_is_none(text: str) -> None:
    assert detector(ACME).find(text.encode()) == []


def test_of_two_on_the_same_bytes_the_surer_one_is_told() -> None:
    text = f"db://root:{KEY}@host"
    assert [c.rule.id for c in detector(URL, ACME).find(text.encode())] == ["secret-acme"]
    text = f"db://root:{value(SUMMED)}@host"
    assert [c.rule.id for c in detector(URL, ACME, SUMMED).find(text.encode())] == ["secret-summed"]


def test_two_in_one_encoded_text_are_two() -> None:
    other = value(SUMMED)
    text = base64.b64encode(f"a: {KEY}\nb: {other}\n".encode())
    found = detector(ACME, SUMMED).find(b"data: " + text)
    assert {c.secret for c in found} == {KEY.encode(), other.encode()}


def test_a_disabled_rule_finds_nothing_and_changes_the_key() -> None:
    off = detector(disabled=frozenset({"secret-acme"}))
    assert off.find(KEY.encode()) == []
    assert "secret-acme" not in off.evaluated
    assert off.key != detector().key


def test_a_candidate_does_not_show_its_value() -> None:
    (found,) = detector(ACME).find(KEY.encode())
    assert KEY not in repr(found)
    assert KEY not in str([found])


@given(st.binary(max_size=3000))
def test_no_content_makes_it_fail(data: bytes) -> None:
    for text in (data, data + KEY.encode() + data):
        for candidate in detector().find(text):
            assert candidate.secret
            assert 0 <= candidate.start < candidate.end
            assert candidate.line >= 1 <= candidate.column
