"""DSSE envelopes: the specification's example, strict reading, every key asked for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines import dsse
from haechi.engines.signing import SignatureError, SigningKey
from haechi.errors import AuditError

KEY = SigningKey.from_seeds(bytes(32), bytes(32))
NEXT = SigningKey.from_seeds(bytes([1]) * 32, bytes([1]) * 32)
KIND = "application/vnd.test+json"
SIGNED = dsse.sign(b'{"a":1}', KIND, [KEY], context="test")
WIRE: dict[str, Any] = json.loads(dsse.encode(SIGNED))


def test_the_encoding_is_that_of_the_specification() -> None:
    """protocol.md of DSSE, "hello world" of type http://example.com/HelloWorld."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_bytes_not_characters() -> None:
    assert dsse.pae("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_an_envelope_goes_through_json() -> None:
    again = dsse.decode(dsse.encode(SIGNED))
    assert again == SIGNED
    assert dsse.verify(again, KIND, [KEY.public], context="test") == b'{"a":1}'


def test_every_key_that_is_asked_for_must_have_signed() -> None:
    both = dsse.sign(b"x", KIND, [KEY, NEXT], context="test")
    assert dsse.verify(both, KIND, [KEY.public, NEXT.public], context="test") == b"x"
    with pytest.raises(SignatureError):
        dsse.verify(SIGNED, KIND, [KEY.public, NEXT.public], context="test")
    with pytest.raises(ValueError, match="at least one key"):
        dsse.verify(SIGNED, KIND, [], context="test")


def test_another_type_is_another_statement() -> None:
    with pytest.raises(AuditError, match="is of type"):
        dsse.verify(SIGNED, "application/other", [KEY.public], context="test")
    renamed = dsse.Envelope(
        payload=SIGNED.payload, payload_type="application/other", signatures=SIGNED.signatures
    )
    with pytest.raises(SignatureError):
        dsse.verify(renamed, "application/other", [KEY.public], context="test")


def test_both_spellings_of_base64_are_read() -> None:
    raw = b"\xff\xfe\xfd"
    wire = {**WIRE, "payload": base64.urlsafe_b64encode(raw).decode()}
    assert wire["payload"] == "__79"
    assert dsse.decode(json.dumps(wire).encode()).payload == raw


@pytest.mark.parametrize(
    "wire",
    [
        {},
        [],
        {**WIRE, "more": 1},
        {**WIRE, "payload": 1},
        {**WIRE, "payload": "a"},
        {**WIRE, "payload": "YR=="},  # bits that mean nothing are set
        {**WIRE, "payload": "YQ"},
        {**WIRE, "payload": "Y Q=="},
        {**WIRE, "payload": "-/79"},
        {**WIRE, "signatures": []},
        {**WIRE, "signatures": WIRE["signatures"] * 9},
        {**WIRE, "signatures": [{"keyid": "a"}]},
    ],
)
def test_anything_else_is_refused(wire: Any) -> None:
    with pytest.raises(AuditError):
        dsse.decode(json.dumps(wire).encode())


def test_the_size_is_bounded() -> None:
    with pytest.raises(AuditError, match="at most 100"):
        dsse.decode(dsse.encode(SIGNED), limit=100)
    with pytest.raises(AuditError):
        dsse.decode(b"[" * 100_000)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_envelope_or_refused(data: bytes) -> None:
    try:
        found = dsse.decode(data)
    except AuditError:
        return
    assert dsse.decode(dsse.encode(found)) == found


@given(st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    raw = bytearray(dsse.encode(SIGNED))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[place]))
    with pytest.raises(AuditError):
        envelope = dsse.decode(bytes(raw))
        dsse.verify(envelope, KIND, [KEY.public], context="test")
