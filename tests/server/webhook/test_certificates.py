"""Certificates step by step, on a clock of the test; bundles of several replicas."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from haechi.errors import ConfigError, KubeConflict
from haechi.server.webhook.certificates.authority import (
    fingerprint,
    is_issued_by,
    new_authority,
    new_leaf,
    pem,
    private_pem,
    service_names,
)
from haechi.server.webhook.certificates.bundle import MOST, Trust, certificates_of, merged
from haechi.server.webhook.certificates.given import Watched, checked
from haechi.server.webhook.certificates.keeper import Keeper, Lives
from haechi.world.kube.names import Ref

Json = dict[str, Any]
NAMES = service_names("haechi-webhook", "haechi")
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
DAY, MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)
LIVES = Lives(authority=30 * DAY, leaf=10 * DAY, overlap=2 * MINUTE)


def prints(*certificates: x509.Certificate) -> list[str]:
    return [fingerprint(one) for one in certificates]


def test_the_leaf_is_renewed_and_the_authority_stays(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "keys", NAMES, lives=LIVES)
    first = keeper.step(NOW)
    assert keeper.step(NOW + 6 * DAY) == first
    second = keeper.step(NOW + 7 * DAY)
    assert second.leaf != first.leaf
    assert second.authorities == first.authorities
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "tls.key").stat().st_mode & 0o777 == 0o600


def test_a_new_authority_is_trusted_before_it_serves_and_the_old_one_until_after(
    tmp_path: Path,
) -> None:
    keeper = Keeper(tmp_path, NAMES, lives=LIVES)
    start = keeper.step(NOW)
    (old,) = start.authorities
    trusted = frozenset(prints(old))
    at = NOW + 21 * DAY
    offered = keeper.step(at, trusted)
    assert len(offered.authorities) == 2
    served = keeper.step(at + 9 * MINUTE, trusted)  # not confirmed: nothing changes
    assert served.authorities == offered.authorities
    leaf = x509.load_pem_x509_certificate(served.certificate.read_bytes())
    assert is_issued_by(leaf, old)
    new = next(one for one in offered.authorities if one != old)
    trusted = frozenset(prints(*offered.authorities))
    taken = keeper.step(at + 10 * MINUTE, trusted)
    leaf = x509.load_pem_x509_certificate(taken.certificate.read_bytes())
    assert is_issued_by(leaf, new)
    assert set(prints(*taken.authorities)) == trusted  # old connections and caches still hold it
    assert taken.retired == ()
    after = keeper.step(at + 13 * MINUTE, trusted)
    assert (after.authorities, after.retired) == ((new,), (fingerprint(old),))
    assert keeper.step(at + 14 * MINUTE, trusted).retired == ()


def test_confirmed_at_once_is_still_too_early(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, NAMES, lives=LIVES)
    keeper.step(NOW)
    offered = keeper.step(NOW + 21 * DAY)
    trusted = frozenset(prints(*offered.authorities))
    assert keeper.step(NOW + 21 * DAY + MINUTE, trusted).authorities == offered.authorities


@pytest.mark.parametrize("missing", ["tls.key", "tls.crt", "ca.key", "ca.crt"])
def test_a_folder_that_lost_a_file_is_made_whole(tmp_path: Path, missing: str) -> None:
    Keeper(tmp_path, NAMES, lives=LIVES).step(NOW)
    (tmp_path / missing).unlink()
    held = Keeper(tmp_path, NAMES, lives=LIVES).step(NOW)
    leaf = x509.load_pem_x509_certificate(held.certificate.read_bytes())
    assert any(is_issued_by(leaf, one) for one in held.authorities)


def test_an_authority_signs_for_its_service_only(tmp_path: Path) -> None:
    other = service_names("other", "haechi")
    Keeper(tmp_path, other, lives=LIVES).step(NOW)
    first = (tmp_path / "ca.crt").read_bytes()
    Keeper(tmp_path, NAMES, lives=LIVES).step(NOW)
    assert (tmp_path / "ca.crt").read_bytes() != first


def pair(
    folder: Path, *, names: Sequence[str] = NAMES, life: dt.timedelta = DAY
) -> tuple[Path, Path]:
    authority, key = new_authority(NAMES, NOW, 30 * DAY)
    leaf, leaf_key = new_leaf(authority, key, names, NOW, life)
    (folder / "c").write_bytes(pem([leaf, authority]))
    (folder / "k").write_bytes(private_pem(leaf_key))
    return folder / "c", folder / "k"


@pytest.mark.parametrize(
    ("names", "at", "fault"),
    [
        (NAMES, NOW, ""),
        (["*.haechi.svc"], NOW, ""),
        (["other.haechi.svc"], NOW, "does not name haechi-webhook.haechi.svc"),
        (NAMES, NOW + 2 * DAY, "expired"),
        (NAMES, NOW - DAY, "not valid yet"),
    ],
    ids=["fits", "wildcard", "other-name", "expired", "future"],
)
def test_a_users_certificate_is_checked(
    tmp_path: Path, names: Sequence[str], at: dt.datetime, fault: str
) -> None:
    files = pair(tmp_path, names=names)
    if not fault:
        assert checked(*files, NAMES, at).ends == NOW + DAY
        return
    with pytest.raises(ConfigError, match=fault):
        checked(*files, NAMES, at)


def test_a_key_of_another_certificate_is_not_served(tmp_path: Path) -> None:
    files = pair(tmp_path)
    watched = Watched(*files, NAMES)
    first = watched.look(NOW)
    (tmp_path / "other").mkdir()
    _, other = pair(tmp_path / "other")
    files[1].write_bytes(other.read_bytes())
    assert watched.look(NOW) == first
    assert "cannot be used" in watched.fault
    pair(tmp_path)
    assert watched.look(NOW).leaf != first.leaf
    assert watched.fault == ""


def authorities(count: int, life: dt.timedelta = DAY) -> list[x509.Certificate]:
    return [new_authority(NAMES, NOW, life)[0] for _ in range(count)]


def test_a_bundle_keeps_what_others_need_and_drops_what_is_over() -> None:
    other, own, retired = authorities(3)
    (dead,) = authorities(1, -dt.timedelta(minutes=5))
    found = merged([other, dead, retired], [own], [fingerprint(retired)], NOW)
    assert found == [other, own]
    assert merged(found, [own], [], NOW) == found


def test_a_full_bundle_loses_those_that_are_longest_there() -> None:
    there = authorities(MOST)
    (own,) = authorities(1)
    found = merged(there, [own], [], NOW)
    assert len(found) == MOST
    assert found == [*there[1:], own]
    assert merged(there, [there[0]], [], NOW) == there


class Cluster:
    """A cluster with one configuration, and somebody who writes at the same time."""

    def __init__(self, *, conflicts: int = 0, annotations: dict[str, str] | None = None) -> None:
        self.conflicts = conflicts
        self.body: Json = {
            "metadata": {"resourceVersion": "1", "annotations": annotations or {}},
            "webhooks": [{"name": str(n), "clientConfig": {}} for n in range(2)],
        }
        self.patches = 0

    def get(self, ref: Ref) -> Json | None:
        return self.body if ref.kind == "ValidatingWebhookConfiguration" else None

    def patch(self, ref: Ref, operations: Sequence[Json]) -> Json:
        self.patches += 1
        if self.conflicts:
            self.conflicts -= 1
            raise KubeConflict("somebody was faster")
        assert operations[0]["path"] == "/metadata/resourceVersion"
        for one in operations[1:]:
            index = int(one["path"].split("/")[2])
            self.body["webhooks"][index]["clientConfig"]["caBundle"] = one["value"]
        return self.body


@pytest.mark.parametrize("conflicts", [0, 2])
def test_trust_is_written_once_and_confirmed(conflicts: int) -> None:
    (own,) = authorities(1)
    cluster = Cluster(conflicts=conflicts)
    trust = Trust(cluster, "haechi-webhook")
    trust.step([own], [], NOW)
    trust.step([own], [], NOW)
    assert cluster.patches == 1 + conflicts
    assert trust.confirmed == frozenset(prints(own))
    assert trust.bundle == pem([own])


def test_what_cert_manager_fills_in_is_left_alone() -> None:
    (own,) = authorities(1)
    cluster = Cluster(annotations={"cert-manager.io/inject-ca-from": "haechi/webhook"})
    Trust(cluster, "haechi-webhook").step([own], [], NOW)
    assert cluster.patches == 0


def test_only_what_every_entry_trusts_is_confirmed() -> None:
    one, two = authorities(2)
    cluster = Cluster()
    for hook, several in zip(cluster.body["webhooks"], ([one, two], [two]), strict=True):
        hook["clientConfig"]["caBundle"] = base64.b64encode(pem(several)).decode()
    trust = Trust(cluster, "haechi-webhook")
    trust.step([], [], NOW)
    assert trust.confirmed == frozenset(prints(two))


@pytest.mark.parametrize("text", ["", "!", "QUJD", base64.b64encode(b"\xff" * 9).decode()])
def test_a_bundle_that_cannot_be_read_is_empty(text: str) -> None:
    assert certificates_of(text) == []
