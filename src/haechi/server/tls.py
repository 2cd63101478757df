"""Certificates for the server's own connections: files that are given, or self-made ones.

The self-made ones are a small authority of this store alone and a certificate that it signed:
who trusts the authority (its fingerprint is printed) is safe over the renewals of the other.
The authority may sign for nothing but servers, and its key never leaves the store's folder.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from haechi.errors import ConfigError
from haechi.store import durable

CA_DAYS, LEAF_DAYS, RENEW_DAYS = 3650, 90, 30
_CLOCKS_APART = dt.timedelta(hours=1)


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Files of a certificate chain and its key. ``ca`` is the self-made authority's certificate,
    ``fingerprint`` the SHA-256 of what a client has to trust, ``ends`` when the certificate
    does."""

    certificate: Path
    key: Path
    ends: dt.datetime
    fingerprint: str
    ca: Path | None = None


def given(certificate: Path, key: Path) -> Pair:
    """Files of one's own. Raises ConfigError when they cannot be used."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_password)
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(
            "the certificate and its key cannot be used",
            why=str(error),
            do="give PEM files that belong together, the key without a password",
            where="tls",
        ) from error
    return Pair(
        certificate=certificate,
        key=key,
        ends=found.not_valid_after_utc,
        fingerprint=fingerprint(found),
    )


def _no_password() -> str:
    raise ConfigError(
        "the private key asks for a password",
        do="give a key without one, in a file that only the server's user can read",
        where="tls.key",
    )


def self_made(keys: Path, names: Iterable[str], now: dt.datetime) -> Pair:
    """The store's own authority and a certificate by it for these names and addresses; made or
    renewed where they are missing, near their end, or for other names."""
    wanted = sorted({name.lower() for name in names if name})
    ca, ca_key = _authority(keys, now)
    path, key_path = keys / "tls.pem", keys / "tls.key"
    if not _fits(path, key_path, ca, wanted, now):
        leaf, leaf_key = _leaf(ca, ca_key, wanted, now)
        # The key first: a certificate without its key would be taken for a whole pair.
        _write(key_path, _private(leaf_key))
        _write(path, _pem(leaf) + _pem(ca))
    leaf = x509.load_pem_x509_certificate(path.read_bytes())
    return Pair(
        certificate=path,
        key=key_path,
        ends=leaf.not_valid_after_utc,
        fingerprint=fingerprint(ca),
        ca=keys / "tls-ca.pem",
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, as ``AB:CD:…``."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _authority(keys: Path, now: dt.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    path, key_path = keys / "tls-ca.pem", keys / "tls-ca.key"
    with contextlib.suppress(FileNotFoundError):
        found = x509.load_pem_x509_certificate(path.read_bytes())
        key = _load(key_path)
        lives = found.not_valid_after_utc - now > dt.timedelta(days=LEAF_DAYS + RENEW_DAYS)
        if lives and found.public_key() == key.public_key():
            return found, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "haechi's own authority")])
    made = (
        _builder(name, name, key.public_key(), now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, _private(key))
    _write(path, _pem(made))
    return made, key


def _leaf(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    names: list[str],
    now: dt.datetime,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "haechi")])
    made = (
        _builder(subject, ca.subject, key.public_key(), now, LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    return made, key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_APART)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise ConfigError(f"{name!r} is no host name", where="tls.names") from error


def _fits(
    path: Path, key_path: Path, ca: x509.Certificate, names: list[str], now: dt.datetime
) -> bool:
    """True when the certificate that is there can go on."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        key = _load(key_path)
        found.verify_directly_issued_by(ca)
        has = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
        return False
    return (
        found.public_key() == key.public_key()
        and found.not_valid_after_utc - now > dt.timedelta(days=RENEW_DAYS)
        and sorted(str(one.value) for one in has) == names
    )


def _load(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError("the key there is not one that haechi made", where=str(path))
    return key


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and for the owner only."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    durable.write(new, data)
    new.replace(path)
