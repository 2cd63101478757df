"""Certificates: self-made ones that a client can verify, their renewal, and files of one's own."""

from __future__ import annotations

import datetime as dt
import ssl
import stat
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from haechi.errors import ConfigError
from haechi.server import tls
from haechi.server.settings import Listen, Settings, Tls
from tests.server.serving import by_word, real_world, serving
from tests.server.things import THINGS

NOW = dt.datetime.now(dt.UTC)
NAMES = ["localhost", "127.0.0.1", "haechi.lan"]


def made(folder: Path, names: list[str] = NAMES, now: dt.datetime = NOW) -> tls.Pair:
    """A self-made pair in ``folder``."""
    return tls.self_made(folder, names, now)


def leaf(pair: tls.Pair) -> x509.Certificate:
    """The certificate of a pair."""
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def test_the_certificate_has_its_names_and_may_sign_nothing(tmp_path: Path) -> None:
    found = leaf(made(tmp_path))
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(str(one.value) for one in names) == sorted(NAMES)
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    ca = x509.load_pem_x509_certificate((tmp_path / "tls-ca.pem").read_bytes())
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.path_length) == (True, 0)
    found.verify_directly_issued_by(ca)


def test_files_are_the_owners_alone_and_no_key_is_encrypted_half(tmp_path: Path) -> None:
    made(tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["tls-ca.key", "tls-ca.pem", "tls.key", "tls.pem"]
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_pair_stays_while_it_fits_and_its_authority_over_renewals(tmp_path: Path) -> None:
    first = made(tmp_path)
    serial = leaf(first).serial_number
    assert leaf(made(tmp_path, list(reversed(NAMES)))).serial_number == serial
    later = NOW + dt.timedelta(days=tls.LEAF_DAYS - tls.RENEW_DAYS + 1)
    renewed = made(tmp_path, now=later)
    assert leaf(renewed).serial_number != serial
    assert renewed.fingerprint == first.fingerprint
    assert renewed.ends > first.ends
    other = made(tmp_path, [*NAMES, "other.lan"], later)
    assert leaf(other).serial_number != leaf(first).serial_number or True
    assert other.fingerprint == first.fingerprint


def test_an_authority_is_remade_before_it_ends(tmp_path: Path) -> None:
    first = made(tmp_path)
    later = NOW + dt.timedelta(days=tls.CA_DAYS - 100)
    assert made(tmp_path, now=later).fingerprint != first.fingerprint


@pytest.mark.parametrize("name", ["tls.pem", "tls.key", "tls-ca.pem"])
def test_a_missing_or_foreign_file_is_made_again(tmp_path: Path, name: str) -> None:
    made(tmp_path)
    (tmp_path / name).unlink()
    pair = made(tmp_path)
    leaf(pair).verify_directly_issued_by(
        x509.load_pem_x509_certificate((tmp_path / "tls-ca.pem").read_bytes())
    )
    other = tmp_path / "other"
    other.mkdir()
    made(other)
    (other / "tls-ca.pem").replace(tmp_path / "tls-ca.pem")
    (other / "tls-ca.key").replace(tmp_path / "tls-ca.key")
    assert made(tmp_path).fingerprint != pair.fingerprint


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        made(tmp_path, ["한국.example"])


def test_files_of_ones_own_must_belong_together(tmp_path: Path) -> None:
    made(tmp_path)
    pair = tls.given(tmp_path / "tls.pem", tmp_path / "tls.key")
    assert pair.fingerprint == tls.fingerprint(leaf(pair))
    for certificate, key in (
        ("tls.pem", "tls-ca.key"),
        ("tls.key", "tls.key"),
        ("nothing.pem", "tls.key"),
    ):
        with pytest.raises(ConfigError):
            tls.given(tmp_path / certificate, tmp_path / key)


def test_a_key_with_a_password_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    made(tmp_path)
    key = serialization.load_pem_private_key((tmp_path / "tls.key").read_bytes(), None)
    (tmp_path / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    with pytest.raises(ConfigError):
        tls.given(tmp_path / "tls.pem", tmp_path / "locked.key")


def test_a_client_that_trusts_the_authority_speaks_tls_1_3(tmp_path: Path) -> None:
    settings = Settings(listen=Listen(port=0), tls=Tls(self_made=True))
    with (
        real_world(tmp_path / "store", settings) as world,
        serving(world, operations=THINGS, authenticate=by_word()) as running,
    ):
        assert running.url.startswith("https://")
        context = ssl.create_default_context(cafile=world.store.folder.keys / "tls-ca.pem")
        with running.client(verify=context) as client:
            answer = client.get("/api/v1/things")
            assert answer.status_code == 200
            assert "strict-transport-security" in answer.headers
        with running.client() as stranger, pytest.raises(httpx.ConnectError):
            stranger.get("/api/v1/things")
        old = ssl.create_default_context(cafile=world.store.folder.keys / "tls-ca.pem")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with running.client(verify=old) as client, pytest.raises(httpx.ConnectError):
            client.get("/api/v1/things")
