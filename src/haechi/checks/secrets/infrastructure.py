"""Offline proofs for credentials of clouds, forges and clusters.

Each vendor hides something in what it issues: an account number, a length, a claim, a version
byte. They are told apart here, away from the general structures in ``validators``. The contract
is the same: never raise, and say False only for what is surely no credential.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

_ACCOUNTS = 10**12
_BASE36 = 36
_PUBLISHED = frozenset(
    {
        # The account keys of the storage emulator and of the Cosmos DB emulator, which Microsoft
        # prints in its documentation; by digest, so that they do not stand here.
        "0011cc25eb4320717494d2703e8cba85743e71b500283c21c8b88147992f9059",
        "aa6547439583c3a275d4542a0df6c1ad6a863971be9f2a2220f027cc02aef615",
    }
)


def aws_key_id(value: bytes) -> bool:
    """The base-32 characters behind the kind hold a possible account: below 10^12.

    That is so from Q on. Older ids (I, J) and those of the regions in China (O, P) hold none.
    """
    if value[4:5] < b"Q" and value[4:5].isalpha():
        return True
    try:
        data = base64.b32decode(value[4:20])
    except (binascii.Error, ValueError):
        return False
    return (int.from_bytes(data[:6], "big") >> 7) & ((1 << 40) - 1) < _ACCOUNTS


def mixed_case(value: bytes) -> bool:
    """Small and capital letters both: no digest in hexadecimal, no constant, no plain word."""
    return value.lower() != value != value.upper()


def ses_smtp(value: bytes) -> bool:
    """Version byte 4 and a SHA-256 (Amazon SES: deriving the SMTP password from a secret key)."""
    data = _base64(value)
    return len(data) == 33 and data[0] == 4


def azure_key(value: bytes) -> bool:
    """64 bytes, and not a key that the emulators share."""
    return len(_base64(value)) == 64 and hashlib.sha256(value).hexdigest() not in _PUBLISHED


def azure_signature(value: bytes) -> bool:
    """The signature of a SAS is an HMAC-SHA256: 32 bytes, in base64 that may be URL-encoded."""
    return len(_base64(unquote_to_bytes(value))) == 32


def gitlab_routable(value: bytes) -> bool:
    """The length of the payload stands behind it, in two base-36 digits.

    GitLab: ``lib/authn/token_field/generator/routable_token.rb``. Seven digits of a CRC-32 follow,
    over all before them: an instance's own prefix included, which no expression knows. So the
    length decides, not the checksum.
    """
    head, _, tail = value.rpartition(b".")
    payload = head.partition(b".")[0].partition(b"-")[2]
    if payload[:1] == b"t" and payload[2:3] == b"_":
        payload = payload[3:]  # the kind of a runner
    try:
        return int(tail[:2], _BASE36) == len(payload)
    except ValueError:
        return False


def kubernetes_account(value: bytes) -> bool:
    """A JWT whose claims name a service account, bound or of the old kind."""
    claims = _claims(value)
    subject = claims.get("sub")
    return (
        "kubernetes.io" in claims
        or claims.get("iss") == "kubernetes/serviceaccount"
        or (isinstance(subject, str) and subject.startswith("system:serviceaccount:"))
    )


def supabase_service(value: bytes) -> bool:
    """A JWT with the role that row-level security does not bind."""
    return _claims(value).get("role") == "service_role"


def argocd_session(value: bytes) -> bool:
    """A JWT that Argo CD issued itself."""
    return _claims(value).get("iss") == "argocd"


def cloudflare_tunnel(value: bytes) -> bool:
    """Account, tunnel and secret in a JSON object."""
    return _object(_base64(value)).keys() >= {"a", "t", "s"}


def _claims(value: bytes) -> dict[str, object]:
    parts = value.split(b".")
    return _object(_base64(parts[1])) if len(parts) == 3 else {}


def _object(data: bytes) -> dict[str, object]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _base64(value: bytes) -> bytes:
    """Decoded, in either alphabet; empty when it is none."""
    body = value.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


CHECKS: dict[str, Callable[[bytes], bool]] = {
    "argocd": argocd_session,
    "aws_key_id": aws_key_id,
    "azure_key": azure_key,
    "azure_signature": azure_signature,
    "cloudflare_tunnel": cloudflare_tunnel,
    "gitlab_routable": gitlab_routable,
    "kubernetes": kubernetes_account,
    "mixed_case": mixed_case,
    "ses_smtp": ses_smtp,
    "supabase_service": supabase_service,
}
"""By the name that a rule's ``pattern.check`` gives."""
