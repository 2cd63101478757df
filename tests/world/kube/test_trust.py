"""TLS material: what is no certificate is told, what is replaced is found, no key on the disk."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from msgspec.structs import replace

from haechi.errors import ConfigError
from haechi.world.kube import trust
from haechi.world.kube.access import Access, Credential, Pem, read_file
from haechi.world.kube.credentials import Fixed
from haechi.world.kube.trust import Material, context_of
from tests.fakes.apiserver.certificates import Authority

ACCESS = Access(name="east", server="https://a", credentials=Fixed(Credential()))


def test_a_certificate_is_shown_from_memory() -> None:
    authority = Authority()
    pair = authority.client("ana", ())
    material = Material(authority=authority.certificate, certificate=pair.certificate, key=pair.key)
    context = context_of(ACCESS, material)
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1
    assert "KEY" not in repr(material)


@pytest.mark.parametrize(
    ("authority", "certificate", "key", "words"),
    [
        (b"nonsense", b"", b"", "authority is no PEM"),
        (b"\xff", b"", b"", "authority is no PEM"),
        (b"", b"nonsense", b"nonsense", "do not fit"),
    ],
    ids=["text", "bytes", "client"],
)
def test_what_is_no_certificate_is_told(
    authority: bytes, certificate: bytes, key: bytes, words: str
) -> None:
    material = Material(authority=authority, certificate=certificate, key=key)
    with pytest.raises(ConfigError, match=words):
        context_of(ACCESS, material)


def test_a_key_of_another_certificate_is_told() -> None:
    authority = Authority()
    one, other = authority.client("a", ()), authority.client("b", ())
    with pytest.raises(ConfigError, match="do not fit"):
        context_of(ACCESS, Material(certificate=one.certificate, key=other.key))


def test_replaced_files_are_found_and_vanished_ones_forgiven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(b"one")
    access = replace(ACCESS, authority=Pem(file=str(file)))
    first = Material.of(access, Credential(), None)
    file.write_bytes(b"two")
    assert Material.of(access, Credential(), first) is first
    monkeypatch.setattr(trust, "AGAIN_S", 0.0)
    second = Material.of(access, Credential(), first)
    assert second != first and second.authority == b"two"
    file.unlink()
    assert Material.of(access, Credential(), second) is second
    with pytest.raises(ConfigError, match="cannot be read"):
        Material.of(access, Credential(), None)


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read_file(str(file))
