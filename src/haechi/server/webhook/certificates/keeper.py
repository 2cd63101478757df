"""The webhook's own authority and certificate in a folder, and their renewal in steps.

``ca`` signs what is served. Near its end ``next`` is made beside it and offered for trust; once the
API servers trust it (``confirmed``) and some time has passed it takes over, what was ``ca`` is
``old`` and stays in the bundle until nothing signed by it is served. Every step is a file that is
whole or not there, so a stop between two of them is picked up by the next start.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from haechi.errors import ConfigError
from haechi.server.webhook.certificates.authority import (
    CLOCKS_APART,
    Key,
    fingerprint,
    is_issued_by,
    names_of,
    new_authority,
    new_leaf,
    pem,
    private_pem,
)
from haechi.store import durable


class Lives(msgspec.Struct, frozen=True, kw_only=True):
    """How long things live. With a third of its life left, a thing is renewed. ``overlap`` is the
    time for API servers to learn of a new authority, and for connections by an old one to end."""

    authority: dt.timedelta = dt.timedelta(days=30)
    leaf: dt.timedelta = dt.timedelta(days=10)
    overlap: dt.timedelta = dt.timedelta(minutes=2)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What there is now. ``authorities``: to be trusted; ``leaf``: fingerprint of the served
    certificate, by which one sees that it changed; ``retired``: no longer to be trusted."""

    certificate: Path
    key: Path
    leaf: str
    ends: dt.datetime
    authorities: tuple[x509.Certificate, ...]
    retired: tuple[str, ...] = ()


class Keeper:
    """Keeps the folder's certificates alive: call ``step`` now and then."""

    def __init__(self, folder: Path, names: Sequence[str], *, lives: Lives | None = None) -> None:
        self._folder, self._names = folder, tuple(names)
        self._lives = lives or Lives()

    def step(self, now: dt.datetime, confirmed: frozenset[str] | None = None) -> Held:
        """Do what is due. ``confirmed``: fingerprints of the authorities that API servers are
        told to trust; None: there is nobody to ask, time alone decides. Raises ConfigError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, key = self._authority("ca", now) or self._made("ca", now)
        following = self._authority("next", now)
        if following is None and self._is_old(authority, now, self._lives.authority):
            following = self._made("next", now)
        if following is not None and self._may_take_over(following[0], now, confirmed):
            authority, key = self._promoted(authority, following)
            following = None
        leaf = self._leaf(authority, key, now)
        retired = self._retired(leaf, now)
        old = self._certificate("old")
        several = (authority, following[0] if following else None, old)
        return Held(
            certificate=self._folder / "tls.crt",
            key=self._folder / "tls.key",
            leaf=fingerprint(leaf),
            ends=leaf.not_valid_after_utc,
            authorities=tuple(one for one in several if one is not None),
            retired=retired,
        )

    def _may_take_over(
        self, following: x509.Certificate, now: dt.datetime, confirmed: frozenset[str] | None
    ) -> bool:
        age = now - (following.not_valid_before_utc + CLOCKS_APART)
        return age >= self._lives.overlap and (
            confirmed is None or fingerprint(following) in confirmed
        )

    def _promoted(
        self, authority: x509.Certificate, following: tuple[x509.Certificate, Key]
    ) -> tuple[x509.Certificate, Key]:
        certificate, key = following
        self._write("old.crt", pem([authority]))
        self._write("ca.key", private_pem(key))
        self._write("ca.crt", pem([certificate]))
        for name in ("next.crt", "next.key"):
            (self._folder / name).unlink(missing_ok=True)
        return certificate, key

    def _leaf(self, authority: x509.Certificate, key: Key, now: dt.datetime) -> x509.Certificate:
        found = self._certificate("tls")
        if (
            found is None
            or not is_issued_by(found, authority)
            or names_of(found) != self._names
            or not self._has_key("tls", found)
            or self._is_old(found, now, self._lives.leaf)
        ):
            found, leaf_key = new_leaf(authority, key, self._names, now, self._lives.leaf)
            # The key first: whoever reads between the two sees that they do not fit.
            self._write("tls.key", private_pem(leaf_key))
            self._write("tls.crt", pem([found, authority]))
        return found

    def _retired(self, leaf: x509.Certificate, now: dt.datetime) -> tuple[str, ...]:
        """The old authority's fingerprint, once what it signed is no longer served for long
        enough; it is forgotten then."""
        old = self._certificate("old")
        if old is None or is_issued_by(leaf, old):
            return ()
        if now - (leaf.not_valid_before_utc + CLOCKS_APART) < self._lives.overlap:
            return ()
        (self._folder / "old.crt").unlink(missing_ok=True)
        return (fingerprint(old),)

    def _authority(self, name: str, now: dt.datetime) -> tuple[x509.Certificate, Key] | None:
        found = self._certificate(name)
        if found is None or not self._has_key(name, found) or found.not_valid_after_utc <= now:
            return None
        # Made for another service, it could not sign for this one's names.
        allowed = found.extensions.get_extension_for_class(x509.NameConstraints).value
        permitted = {one.value for one in allowed.permitted_subtrees or ()}
        return (found, self._key(name)) if permitted >= set(self._names) else None

    def _made(self, name: str, now: dt.datetime) -> tuple[x509.Certificate, Key]:
        certificate, key = new_authority(self._names, now, self._lives.authority)
        self._write(f"{name}.key", private_pem(key))
        self._write(f"{name}.crt", pem([certificate]))
        return certificate, key

    def _is_old(self, found: x509.Certificate, now: dt.datetime, life: dt.timedelta) -> bool:
        return found.not_valid_after_utc - now < life / 3

    def _certificate(self, name: str) -> x509.Certificate | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return x509.load_pem_x509_certificate((self._folder / f"{name}.crt").read_bytes())
        return None

    def _has_key(self, name: str, certificate: x509.Certificate) -> bool:
        try:
            return self._key(name).public_key() == certificate.public_key()
        except (OSError, ValueError, TypeError):
            return False

    def _key(self, name: str) -> Key:
        path = self._folder / f"{name}.key"
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(
                "the key there is not one that haechi made",
                do="give files of your own by --cert and --key, or name an empty folder",
                where=str(path),
            )
        return key

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        new = path.with_name(f".{name}.new")
        new.unlink(missing_ok=True)
        durable.write(new, data)
        new.replace(path)
