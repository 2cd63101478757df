"""Who a request comes from: static tokens, client certificates, ServiceAccounts' signed tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.apiserver import certificates, status
from tests.fakes.apiserver.clock import stamp
from tests.fakes.apiserver.request import ANONYMOUS, User
from tests.fakes.apiserver.world import World

Json = dict[str, Any]
ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = ISSUER
_LONGEST = 2**32
_SHORTEST = 600


def _b64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Tokens:
    def __init__(self, world: World, *, anonymous: bool) -> None:
        self._world, self._anonymous = world, anonymous
        self._key: rsa.RSAPrivateKey | None = None
        self._static: dict[str, User] = {}
        self._expired: set[str] = set()

    @property
    def key(self) -> rsa.RSAPrivateKey:
        if self._key is None:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    @property
    def key_id(self) -> str:
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()

    def rotate(self) -> None:
        """A new signing key: tokens of the old one are refused."""
        self._key = None

    # -- static tokens

    def issue(self, user: User) -> str:
        token = secrets.token_hex(16)
        self._static[token] = user
        return token

    def revoke(self, token: str) -> None:
        self._static.pop(token, None)
        self._expired.add(token)

    # -- ServiceAccounts' tokens

    def request(self, namespace: str, name: str, review: Json) -> Json:
        """TokenRequest: a token for the account, bound to a pod where one is named."""
        account = self._world.find("", "serviceaccounts", namespace, name)
        if account is None:
            raise status.not_found("", "serviceaccounts", name)
        spec = review.get("spec") or {}
        span = int(spec.get("expirationSeconds") or 3600)
        if not _SHORTEST <= span <= _LONGEST:
            text = "may not specify a duration less than 10 minutes"
            cause = status.invalid_value("spec.expirationSeconds", span, text)
            raise status.invalid("authentication.k8s.io", "TokenRequest", "", [cause])
        now = self._world.clock.now()
        claims = self._claims(account, spec, now, span)
        token = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.key_id})
        answer = {"token": token, "expirationTimestamp": stamp(now + span)}
        filled = {"audiences": claims["aud"], "expirationSeconds": span}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": stamp(now)},
            "spec": spec | filled,
            "status": answer,
        }

    def _claims(self, account: Json, spec: Json, now: float, span: int) -> Json:
        meta = account["metadata"]
        own: Json = {
            "namespace": meta["namespace"],
            "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
        }
        bound = spec.get("boundObjectRef")
        if bound:
            own[str(bound.get("kind", "")).lower()] = self._bound(meta["namespace"], bound)
        return {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
            "aud": list(spec.get("audiences") or [AUDIENCE]),
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + span,
            "jti": self._world.uid(),
            "kubernetes.io": own,
        }

    def _bound(self, namespace: str, bound: Json) -> Json:
        plural = {"Pod": "pods", "Secret": "secrets"}.get(bound.get("kind", ""))
        name = bound.get("name", "")
        found = self._world.find("", plural or "", namespace, name)
        if plural is None or found is None:
            raise status.not_found("", plural or str(bound.get("kind")), name)
        uid = found["metadata"]["uid"]
        if bound.get("uid") and bound["uid"] != uid:
            text = (
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID "
                f"in record. The object might have been deleted and then recreated"
            )
            raise status.conflict("", plural, name, text)
        return {"name": name, "uid": uid}

    def jwks(self) -> Json:
        numbers = self.key.public_key().public_numbers()
        key = {"use": "sig", "kty": "RSA", "kid": self.key_id, "alg": "RS256"}
        return {"keys": [key | {"n": _b64(numbers.n), "e": _b64(numbers.e)}]}

    def configuration(self, base: str) -> Json:
        return {
            "issuer": ISSUER,
            "jwks_uri": f"{base}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    # -- judging

    def user_of(self, token: str, audiences: list[str]) -> tuple[User, list[str]]:
        """The user a token stands for and the audiences it is good for; ValueError if for none."""
        if token in self._expired:
            raise ValueError("token is expired")
        if token in self._static:
            return self._static[token], audiences
        try:
            claims = jwt.decode(
                token,
                self.key.public_key(),
                algorithms=["RS256"],
                issuer=ISSUER,
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as failed:
            raise ValueError("invalid bearer token") from failed
        now = self._world.clock.now()
        if now >= claims["exp"]:
            raise ValueError("service account token has expired")
        if now < claims["nbf"]:
            raise ValueError("service account token is not valid yet")
        good = [each for each in audiences if each in claims["aud"]]
        if not good:
            raise ValueError(
                f"token audiences {claims['aud']} is invalid for the target audiences {audiences}"
            )
        return self._account(claims), good

    def _account(self, claims: Json) -> User:
        own = claims["kubernetes.io"]
        space, account = own["namespace"], own["serviceaccount"]
        held = self._world.find("", "serviceaccounts", space, account["name"])
        if held is None or held["metadata"]["uid"] != account["uid"]:
            raise ValueError("service account token has been invalidated")
        extra: Json = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
        if "pod" in own:
            pod = self._world.find("", "pods", space, own["pod"]["name"])
            if pod is None or pod["metadata"]["uid"] != own["pod"]["uid"]:
                raise ValueError("pod of the service account token is gone")
            extra["authentication.kubernetes.io/pod-name"] = [own["pod"]["name"]]
            extra["authentication.kubernetes.io/pod-uid"] = [own["pod"]["uid"]]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{space}")
        return User(
            name=claims["sub"],
            groups=(*groups, "system:authenticated"),
            uid=account["uid"],
            extra=extra,
        )

    def authenticate(self, header: str, certificate: bytes | None) -> User:
        if certificate:
            name, groups = certificates.subject_of(certificate)
            return User(name=name, groups=(*groups, "system:authenticated"))
        if header.lower().startswith("bearer "):
            try:
                return self.user_of(header[7:].strip(), [AUDIENCE])[0]
            except ValueError:
                raise status.unauthorized() from None
        if header or not self._anonymous:
            raise status.unauthorized()
        return ANONYMOUS
