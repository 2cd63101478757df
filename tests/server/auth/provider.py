"""An OpenID provider on loopback: a real HTTP peer that checks what a provider has to check
(client, redirect, PKCE, one use of each code), and can be told to misbehave.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

Clock = Callable[[], float]
ALGORITHM = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}


@dataclass(frozen=True)
class SigningKey:
    """A key pair under an id."""

    kid: str
    algorithm: str
    private: Any

    def public(self) -> dict[str, Any]:
        """The public half as a JWK."""
        maker = jwt.get_algorithm_by_name(self.algorithm)
        jwk: dict[str, Any] = json.loads(maker.to_jwk(self.private.public_key()))
        jwk.pop("key_ops", None)
        return {**jwk, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def public_pem(self) -> bytes:
        """As an attacker would take it for the password of an HMAC."""
        pem: bytes = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token."""
        return jwt.encode(
            claims, self.private, algorithm=self.algorithm, headers={"kid": self.kid, **header}
        )


def new_key(kind: str = "ec", kid: str = "", bits: int = 2048) -> SigningKey:
    """A fresh key: ``rsa``, ``ec`` or ``ed``."""
    private: Any
    match kind:
        case "rsa":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        case "ec":
            private = ec.generate_private_key(ec.SECP256R1())
        case _:
            private = ed25519.Ed25519PrivateKey.generate()
    return SigningKey(kid or secrets.token_hex(4), ALGORITHM[kind], private)


def unsigned(claims: dict[str, Any], key: SigningKey) -> str:
    """``alg: none``."""
    return ".".join((_part({"alg": "none", "kid": key.kid}), _part(claims), ""))


def by_password(claims: dict[str, Any], key: SigningKey) -> str:
    """HS256 with the public key as its password."""
    import hmac

    head = f"{_part({'alg': 'HS256', 'kid': key.kid})}.{_part(claims)}"
    mac = hmac.new(key.public_pem(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class Client:
    """Somebody who may ask: haechi."""

    id: str = "haechi"
    secret: str = ""
    redirects: set[str] = field(default_factory=set)


class Provider:
    """``claims`` is who signs in next; ``spoil`` and ``sign`` make bad tokens; ``hits`` counts
    requests by path; ``override`` answers a path otherwise (status, body)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.client = Client()
        self.keys = [new_key()]
        self.claims: dict[str, Any] = {"sub": "1", "name": "Ana", "groups": ["security"]}
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self.sign: Callable[[dict[str, Any], SigningKey], str] = lambda claims, key: key.sign(
            claims
        )
        self.override: dict[str, tuple[int, bytes]] = {}
        self.describe: dict[str, Any] = {}
        self.hits: Counter[str] = Counter()
        self.refused: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, **claims: Any) -> str:
        """A signed token with these claims besides those that each has."""
        now = int(self.clock())
        every = {"iss": self.issuer, "iat": now, "exp": now + 300, **claims}
        return self.sign(self.spoil(every), self.keys[0])

    def authorize(self, query: dict[str, str]) -> tuple[int, str]:
        """Signs the browser's person in at once: 302 with a code, or 400."""
        if (
            query.get("client_id") != self.client.id
            or query.get("redirect_uri") not in self.client.redirects
        ):
            return 400, "no such client or redirect"
        if query.get("response_type") != "code" or "openid" not in query.get("scope", "").split():
            return 400, "no code flow of OpenID"
        if query.get("code_challenge_method") != "S256" or not query.get("state"):
            return 400, "no PKCE or no state"
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        return 302, f"{query['redirect_uri']}?{urlencode(back)}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The token endpoint."""
        asked = self._codes.pop(form.get("code", ""), None)
        fault = self._fault(form, authorization, asked)
        if fault or asked is None:
            self.refused.append(fault)
            return 400, {"error": "invalid_grant", "error_description": fault}
        token = self.token(**{"aud": self.client.id, "nonce": asked["nonce"], **self.claims})
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": token}

    def _fault(self, form: dict[str, str], authorization: str, asked: dict[str, str] | None) -> str:
        if asked is None:
            return "unknown or used code"
        if form.get("grant_type") != "authorization_code":
            return "grant_type"
        if form.get("redirect_uri") != asked["redirect_uri"]:
            return "redirect_uri"
        verifier = form.get("code_verifier", "")
        made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        if made.rstrip(b"=").decode() != asked["code_challenge"] or len(verifier) < 43:
            return "code_verifier"
        if self.client.secret:
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            name, _, secret = pair.partition(":")
            if (unquote(name), unquote(secret)) != (self.client.id, self.client.secret):
                return "client"
        elif form.get("client_id") != self.client.id:
            return "client"
        return ""

    def answer(self, method: str, path: str, body: str, authorization: str) -> tuple[int, bytes]:
        """Any request."""
        parts = urlsplit(path)
        self.hits[parts.path] += 1
        if parts.path in self.override:
            return self.override[parts.path]
        match method, parts.path:
            case "GET", "/.well-known/openid-configuration":
                return 200, json.dumps(self.description()).encode()
            case "GET", "/jwks":
                return 200, json.dumps({"keys": [key.public() for key in self.keys]}).encode()
            case "GET", "/authorize":
                status, text = self.authorize(_flat(parts.query))
                return status, text.encode()
            case "POST", "/token":
                code, value = self.exchange(_flat(body), authorization)
                return code, json.dumps(value).encode()
        return 404, b"{}"

    def description(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
            "authorization_response_iss_parameter_supported": True,
            **self.describe,
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(size).decode()
                status, data = provider.answer(
                    self.command, self.path, body, self.headers.get("authorization", "")
                )
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", data.decode())
                    data = b""
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _serve

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


def _flat(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text).items()}
