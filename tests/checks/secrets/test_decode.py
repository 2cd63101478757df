"""Text in base64, hexadecimal and URL encoding is found as such; everything else costs nothing."""

from __future__ import annotations

import base64
import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.secrets.decode import MOST_BYTES, MOST_RUNS, SOURCES, Decoder

ALL = range(len(SOURCES))
PRINTABLE = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=24, max_size=300
)


def texts(data: bytes) -> list[bytes]:
    return [found.text for found in Decoder().decoded(data, ALL)[0]]


@given(PRINTABLE)
def test_printable_text_in_base64_is_found_whole(text: str) -> None:
    encoded = base64.b64encode(text.encode())
    assert text.encode() in texts(b"x: '" + encoded + b"'")


@given(PRINTABLE)
def test_printable_text_in_hexadecimal_is_found_whole(text: str) -> None:
    assert text.encode() in texts(b"x: " + text.encode().hex().encode())


@pytest.mark.parametrize("lines", [1, 40])
def test_hashes_and_random_data_are_not_decoded(lines: int) -> None:
    draw = random.Random(1)  # noqa: S311 - repeatable
    data = "\n".join(
        f"sha256:{hashlib.sha256(draw.randbytes(9)).hexdigest()} "
        f"{base64.b64encode(draw.randbytes(48)).decode()}"
        for _ in range(lines)
    )
    assert texts(data.encode()) == []


@pytest.mark.parametrize(
    "text",
    [
        "com.example.project.internal.configuration.ConfigurationManagerFactoryBean",
        "src/haechi/checks/secrets/decode.py",
        "the_quick_brown_fox_jumps_over_the_lazy_dog_and_goes_home_to_sleep",
    ],
)
def test_names_and_paths_are_not_decoded(text: str) -> None:
    assert texts(text.encode()) == []


def test_url_encoding_is_undone_where_it_stands() -> None:
    (found,) = texts(b"see https://host.example/cb?state=%7B%22user%22%3A%22kim%22%7D now")
    assert b'{"user":"kim"}' in found


def test_a_long_run_is_found_whole() -> None:
    text = b"word by word " * 100_000
    assert Decoder().decoded(base64.b64encode(text), ALL)[1]
    assert texts(base64.b64encode(text)) == [text]


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(b"a b " * (MOST_BYTES // 4)),
        (base64.b64encode(b"some words of a text ") + b"\n") * (MOST_RUNS + 1),
    ],
    ids=["bytes", "runs"],
)
def test_what_is_past_the_bounds_is_told(text: bytes) -> None:
    assert not Decoder().decoded(text, ALL)[1]


@given(st.binary(max_size=2000))
def test_no_content_makes_it_fail(data: bytes) -> None:
    for found in Decoder().decoded(data, ALL)[0]:
        assert 0 <= found.start < found.end <= len(data)
