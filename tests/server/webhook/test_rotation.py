"""Certificates that change while requests come, and those that must not be served on."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from haechi.server.webhook.certificates.authority import (
    new_authority,
    new_leaf,
    pem,
    private_pem,
    service_names,
)
from haechi.server.webhook.certificates.keeper import Lives
from haechi.server.webhook.serve import Webhook
from tests.server.webhook.conftest import NAME, Peer, Running, Start, request, threads, trial

FAIL = "/admit/fail"
NAMES = service_names("haechi-webhook", "haechi")
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def user_pair(folder: Path, *, ends: dt.timedelta = DAY, names: tuple[str, ...] = NAMES) -> str:
    """Writes a certificate of the user's; gives what trusts it."""
    authority, key = new_authority(NAMES, NOW - 10 * DAY, 40 * DAY)
    leaf, leaf_key = new_leaf(authority, key, names, NOW - 5 * DAY, 5 * DAY + ends)
    folder.mkdir(exist_ok=True)
    (folder / "key.pem").write_bytes(private_pem(leaf_key))
    (folder / "cert.pem").write_bytes(pem([leaf, authority]))
    return pem([authority]).decode()


def served(port: int) -> bytes:
    """The certificate that is served, unchecked."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def asked_until(
    running: Running, over: threading.Event, overlap: dt.timedelta
) -> Callable[[int], None]:
    """Reviews on one connection after the other, as API servers open them; one connection stays.
    Whoever was held up for longer than authorities overlap trusts what is gone, and reads anew."""

    def ask(number: int) -> None:
        body = json.dumps(request("bad")).encode()
        while not over.is_set():
            began = time.monotonic()
            peer = Peer(running.port, running.cadata)
            try:
                peer.connect()
            except ssl.SSLCertVerificationError:
                peer.close()
                assert time.monotonic() - began > overlap.total_seconds()
                continue
            try:
                for _ in range(50 if number else 10_000):
                    status, answer = peer.post(FAIL, body)
                    assert status == 200
                    assert json.loads(answer)["response"]["status"]["code"] == 403
                    if over.is_set():
                        break
            finally:
                peer.close()

    return ask


def test_rotation_under_load_loses_no_request(webhook: Start) -> None:
    """Authorities live for seconds here: each step of their renewal happens, again and again."""
    lives = Lives(
        authority=dt.timedelta(seconds=5),
        leaf=dt.timedelta(seconds=3),
        overlap=dt.timedelta(seconds=0.5),
    )
    running = webhook(trial("strict", "refuses_bad"), lives=lives, certificates_s=0.1, drain_s=0.3)
    first = (running.folder / "ca.crt").read_bytes()
    over = threading.Event()
    with threads(2, asked_until(running, over, lives.overlap)):
        try:
            running.wait(
                lambda: (
                    running.total("certificate_reloads", result="ok") >= 2
                    and (running.folder / "ca.crt").read_bytes() != first
                ),
                30,
            )
        finally:
            over.set()
    assert running.total("unjudged") == 0
    assert running.total("requests") > 50


def test_an_expired_certificate_is_not_ready(webhook: Start, tmp_path: Path) -> None:
    user_pair(tmp_path / "own")
    running = webhook(
        trial("strict", "refuses_bad"),
        certificates=None,
        certificate=tmp_path / "own" / "cert.pem",
        key=tmp_path / "own" / "key.pem",
    )
    later(running.hook)
    running.wait(lambda: "expired" in str(running.ready()[1]["certificate_fault"]))
    assert running.ready()[0] is False
    assert "expired" in str(running.ready()[1]["why"])


def later(hook: Webhook) -> None:
    """Two days pass for the webhook."""
    clock = hook._clock
    hook._clock = lambda: clock() + 2 * DAY


def test_a_users_certificate_is_reloaded_and_never_written(webhook: Start, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    user_pair(folder)
    running = webhook(
        trial("strict", "refuses_bad"),
        certificates=None,
        certificate=folder / "cert.pem",
        key=folder / "key.pem",
    )
    old = served(running.port)
    (folder / "cert.pem").write_text("half of it")
    running.wait(lambda: running.ready()[1]["certificate_fault"])
    assert served(running.port) == old  # what fitted is served on
    assert running.ready()[0] is True
    trusts = user_pair(folder)
    # While the old server drains it takes connections, too.
    running.wait(lambda: all(served(running.port) != old for _ in range(5)))
    running.wait(lambda: not running.port_is_draining())
    there = {path.name: path.read_bytes() for path in folder.iterdir()}
    peer = Peer(running.port, trusts)
    assert peer.review(FAIL, request("bad"))["allowed"] is False
    peer.close()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == there
    assert sorted(there) == ["cert.pem", "key.pem"]


def test_a_client_authority_lets_only_its_own_in(webhook: Start, tmp_path: Path) -> None:
    pair = client_pair(tmp_path)
    running = webhook(
        trial("strict", "refuses_bad"), wait=False, client_ca=tmp_path / "clients.pem"
    )
    running.wait(lambda: running.hook.pool.loaded)
    stranger = Peer(running.port, running.cadata)
    with pytest.raises(OSError, match=r"required|reset|closed|EOF"):
        stranger.review(FAIL, request("bad"))
    stranger.close()
    known = Peer(running.port, running.cadata, pair=pair)
    assert known.review(FAIL, request("bad"))["allowed"] is False
    known.close()


def client_pair(folder: Path) -> Path:
    """An API server's own certificate, and the authority that made it in ``clients.pem``."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    own = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")]))
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(8)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("api")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "clients.pem").write_bytes(pem([made]))
    (folder / "client.pem").write_bytes(pem([leaf]) + private_pem(own))
    return folder / "client.pem"
