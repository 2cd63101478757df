"""Signatures that providers ask for instead of the secret itself.

AWS: Signature Version 4 for a request without body ("Create a signed AWS API request" in the
IAM User Guide). Naver Cloud: x-ncp-apigw-signature-v2 ("Ncloud API" in the API guide).
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable, Mapping

from haechi.errors import HaechiError

Signer = Callable[[str, str, str, Mapping[str, str], dt.datetime], dict[str, str]]
"""Headers for method, host, target, values of the credential and the time (UTC)."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_TEMPORARY = "ASIA"


class Unsendable(HaechiError):
    """The values do not make a request: one is missing or cannot stand in a header."""


def aws_headers(
    method: str,
    host: str,
    target: str,
    values: Mapping[str, str],
    now: dt.datetime,
    *,
    region: str = "us-east-1",
    service: str = "sts",
) -> dict[str, str]:
    """Headers of Signature Version 4; values ``id``, ``secret`` and perhaps ``session``.

    The target's path and query must already be in canonical form: encoded, and sorted by name.
    Raises Unsendable for a temporary key without its session token.
    """
    if values["id"].startswith(_TEMPORARY) and not values.get("session"):
        raise Unsendable("a temporary key is only accepted with its session token")
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    signed = {"host": host, "x-amz-date": stamp}
    if values.get("session"):
        signed["x-amz-security-token"] = values["session"]
    names = ";".join(sorted(signed))
    path, _, query = target.partition("?")
    lines = [method, path, query, *(f"{name}:{signed[name]}" for name in sorted(signed)), ""]
    canonical = "\n".join([*lines, names, hashlib.sha256(b"").hexdigest()])
    to_sign = "\n".join(
        (_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode("utf-8")).hexdigest())
    )
    key = aws_signing_key(values["secret"], stamp[:8], region, service)
    signature = _mac(key, to_sign).hex()
    credential = f"Credential={values['id']}/{scope}"
    sent = {name: value for name, value in signed.items() if name != "host"}
    return {
        **sent,
        "Authorization": f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}",
    }


def aws_signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key that is derived for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = _mac(key, part)
    return key


def ncloud_headers(
    method: str, host: str, target: str, values: Mapping[str, str], now: dt.datetime
) -> dict[str, str]:
    """Headers of Naver Cloud's API gateway; values ``id`` and ``secret``."""
    stamp = str(int(now.timestamp() * 1000))
    signature = _mac(values["secret"].encode(), f"{method} {target}\n{stamp}\n{values['id']}")
    return {
        "x-ncp-apigw-timestamp": stamp,
        "x-ncp-iam-access-key": values["id"],
        "x-ncp-apigw-signature-v2": base64.b64encode(signature).decode("ascii"),
    }


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode("utf-8"), hashlib.sha256).digest()


SCHEMES: Mapping[str, Signer] = {"aws": aws_headers, "ncloud": ncloud_headers}
"""The schemes that ``sign`` of the table can name."""
