"""Signatures against the vectors that AWS publishes, and Naver Cloud's by its description."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac

import pytest

from haechi.world.verify.signing import (
    Unsendable,
    aws_headers,
    aws_signing_key,
    ncloud_headers,
)

ID = "AKID" + "EXAMPLE"
# The secret of AWS's own documentation and test suite.
SUITE_SECRET = "".join(("wJalrXUtnFEMI/", "K7MDENG+", "bPxRfiCY", "EXAMPLEKEY"))
SUITE_TIME = dt.datetime(2015, 8, 30, 12, 36, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("target", "signature"),
    [
        ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "/?Param1=value1&Param2=value2",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ],
    ids=["get-vanilla", "get-vanilla-query-order-key-case"],
)
def test_signature_version_4_gives_the_suites_signature(target: str, signature: str) -> None:
    headers = aws_headers(
        "GET",
        "example.amazonaws.com",
        target,
        {"id": ID, "secret": SUITE_SECRET},
        SUITE_TIME,
        service="service",
    )
    assert headers == {
        "x-amz-date": "20150830T123600Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ID}/20150830/us-east-1/service/"
        f"aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}",
    }


@pytest.mark.parametrize(
    ("date", "key"),
    [
        ("20120215", "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"),
        ("20150830", "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"),
    ],
)
def test_the_signing_key_is_the_documented_one(date: str, key: str) -> None:
    assert aws_signing_key(SUITE_SECRET, date, "us-east-1", "iam").hex() == key


def test_a_session_token_is_sent_and_signed() -> None:
    values = {"id": "ASIA" + "EXAMPLE", "secret": SUITE_SECRET, "session": "tok"}
    headers = aws_headers("GET", "sts.amazonaws.com", "/", values, SUITE_TIME)
    assert headers["x-amz-security-token"] == "tok"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in headers["Authorization"]
    other = aws_headers("GET", "sts.amazonaws.com", "/", values | {"session": "x"}, SUITE_TIME)
    assert other["Authorization"] != headers["Authorization"]


def test_a_temporary_key_without_its_session_is_not_sent() -> None:
    values = {"id": "ASIA" + "EXAMPLE", "secret": SUITE_SECRET}
    with pytest.raises(Unsendable, match="session token"):
        aws_headers("GET", "sts.amazonaws.com", "/", values, SUITE_TIME)


def test_naver_clouds_signature_covers_method_target_time_and_key() -> None:
    values = {"id": "ncp_iam_" + "K1", "secret": "S1"}
    headers = ncloud_headers("GET", "ncloud.apigw.ntruss.com", "/v2/a?b=c", values, SUITE_TIME)
    stamp = "1440938160000"
    signed = f"GET /v2/a?b=c\n{stamp}\n{values['id']}".encode()
    expected = base64.b64encode(hmac.new(b"S1", signed, hashlib.sha256).digest()).decode()
    assert headers == {
        "x-ncp-apigw-timestamp": stamp,
        "x-ncp-iam-access-key": values["id"],
        "x-ncp-apigw-signature-v2": expected,
    }
