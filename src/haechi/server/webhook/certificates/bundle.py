"""What API servers are told to trust: ``caBundle`` in the webhook configurations.

Several replicas write there, each its own certificates; nobody takes away what another needs.
Changes are patches under the resource version that was read, so writers never overwrite each
other. A configuration that somebody else fills in (cert-manager's annotation) is left alone.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from cryptography import x509

from haechi.checks.pods.view import mapping
from haechi.errors import KubeConflict, KubeError
from haechi.server.webhook.certificates.authority import fingerprint, pem
from haechi.world.kube.names import Ref

log = logging.getLogger("haechi.webhook")
GROUP = "admissionregistration.k8s.io"
KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
MOST = 24
"""Certificates in a bundle; past it the longest there go. A living replica puts its own back."""
_TRIES = 5
_INJECTED = ("cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret")


class Client(Protocol):
    """The part of the Kubernetes client that is used here."""

    def get(self, ref: Ref) -> dict[str, Any] | None: ...
    def patch(self, ref: Ref, operations: Sequence[dict[str, Any]]) -> dict[str, Any]: ...


def certificates_of(bundle: str) -> list[x509.Certificate]:
    """The certificates of a ``caBundle``; none when it cannot be read."""
    try:
        data = base64.b64decode(bundle, validate=True)
        return x509.load_pem_x509_certificates(data) if data.strip() else []
    except (ValueError, binascii.Error):
        return []


def merged(
    there: Iterable[x509.Certificate],
    own: Sequence[x509.Certificate],
    retired: Iterable[str],
    now: dt.datetime,
) -> list[x509.Certificate]:
    """What is to stand there: what lives, without our retired ones, with all of ours."""
    gone = set(retired)
    kept: dict[str, x509.Certificate] = {}
    for one in there:
        print_ = fingerprint(one)
        if print_ not in gone and one.not_valid_after_utc > now:
            kept[print_] = one
    ours = {fingerprint(one): one for one in own}
    missing = {name: one for name, one in ours.items() if name not in kept}
    room = max(0, MOST - len(missing))
    drop = max(0, len(kept) - room)
    for name in [name for name in kept if name not in ours][:drop]:
        del kept[name]
    return [*kept.values(), *missing.values()]


class Trust:
    """Keeps our certificates in the configurations of a name."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name
        self.bundle: bytes | None = None
        """PEM that every configuration holds; None while there is no configuration."""
        self.confirmed: frozenset[str] = frozenset()
        self.fault = ""

    def step(
        self, own: Sequence[x509.Certificate], retired: Sequence[str], now: dt.datetime
    ) -> None:
        """Look, and write where something is missing. With no ``own`` (a user's certificate) it
        only looks. Raises KubeError."""
        found = [
            bundle for kind in KINDS for bundle in self._configuration(kind, own, retired, now)
        ]
        if not found:
            self.bundle, self.confirmed = None, frozenset()
            self.fault = f"there is no webhook configuration {self._name}"
            return
        common = set(map(fingerprint, found[0]))
        for bundle in found[1:]:
            common &= set(map(fingerprint, bundle))
        self.confirmed = frozenset(common)
        self.bundle = pem(one for one in found[0] if fingerprint(one) in common)
        self.fault = ""

    def _configuration(
        self,
        kind: str,
        own: Sequence[x509.Certificate],
        retired: Sequence[str],
        now: dt.datetime,
    ) -> list[list[x509.Certificate]]:
        ref = Ref(group=GROUP, version="v1", kind=kind, name=self._name)
        for _ in range(_TRIES):
            body = self._client.get(ref)
            hooks = body.get("webhooks") if body is not None else None
            if body is None or not isinstance(hooks, list):
                return []
            there = [certificates_of(_bundle_of(hook)) for hook in hooks]
            if not own or self._is_foreign(body):
                return there
            wanted = [merged(one, own, retired, now) for one in there]
            operations = [
                operation
                for index, (hook, new) in enumerate(zip(hooks, wanted, strict=True))
                for operation in _operations(index, hook, new)
            ]
            if not operations:
                return wanted
            version = mapping(body.get("metadata")).get("resourceVersion")
            test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
            try:
                self._client.patch(ref, [test, *operations])
            except KubeConflict:
                continue  # another replica was faster: look again
            log.info("%s %s: caBundle has %d certificates", kind, self._name, len(wanted[0]))
            return wanted
        raise KubeError(f"{kind} {self._name} changes all the time: its caBundle was not written")

    def _is_foreign(self, body: dict[str, Any]) -> bool:
        annotations = mapping(mapping(body.get("metadata")).get("annotations"))
        return any(name in annotations for name in _INJECTED)


def _bundle_of(hook: Any) -> str:
    value = mapping(mapping(hook).get("clientConfig")).get("caBundle")
    return value if isinstance(value, str) else ""


def _operations(index: int, hook: Any, wanted: list[x509.Certificate]) -> list[dict[str, Any]]:
    text = base64.b64encode(pem(wanted)).decode()
    if _bundle_of(hook) == text:
        return []
    return [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": text},
    ]
