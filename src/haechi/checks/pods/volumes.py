"""Volumes other than hostPath: file modes, kinds, propagation, secrets that go stale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.pods.effective import is_number
from haechi.checks.pods.view import PodView, items, mapping, pod_of
from haechi.checks.pods.words import named, quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

_RESTRICTED_KINDS = (
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
)
"""What Pod Security restricted forbids, beside hostPath and gitRepo (which have own rules)."""

# Octal modes typed as decimals: 400 is 0620. No sensible octal mode has one of these values.
_DECIMAL_SLIPS = frozenset({400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 700, 750, 755, 777})
_USUAL_MODES = frozenset({0o444, 0o644})
_LEGACY_TOKEN = re.compile(r"-token-[a-z0-9]{5}\Z")


def _volumes(pod: PodView) -> Iterator[tuple[AttrPath, Mapping[str, Any]]]:
    for index, volume in enumerate(items(pod.spec.get("volumes"))):
        if isinstance(volume, dict):
            yield (*pod.spec_path, "volumes", index), volume


def _modes(volume: Mapping[str, Any]) -> Iterator[tuple[AttrPath, Any, bool]]:
    """(path, mode, whether of a secret) of every file mode in the volume."""
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        source = mapping(volume.get(kind))
        if not source:
            continue
        secret = kind == "secret"
        if kind == "projected":
            secret = any(
                "secret" in mapping(s) or "serviceAccountToken" in mapping(s)
                for s in items(source.get("sources"))
            )
        if "defaultMode" in source:
            yield (kind, "defaultMode"), source["defaultMode"], secret
        for index, item in enumerate(items(source.get("items"))):
            if "mode" in mapping(item):
                yield (kind, "items", index, "mode"), item["mode"], secret


def secret_mode(review: Review) -> Iterator[Hit]:
    """A Secret's files opened to everybody by an explicit mode."""
    for base, volume in _volumes(pod_of(review)):
        for path, mode, secret in _modes(volume):
            if not secret or not is_number(mode) or mode in _DECIMAL_SLIPS or mode in _USUAL_MODES:
                continue
            if 0 < mode <= 0o777 and mode & 0o007:
                yield Hit(
                    f"volume {quoted(volume.get('name'))} opens its secrets to every user of the "
                    f"container (mode 0{mode:o})",
                    (*base, *path),
                )


def decimal_mode(review: Review) -> Iterator[Hit]:
    """A mode written in decimal where octal was meant."""
    for base, volume in _volumes(pod_of(review)):
        for path, mode, _ in _modes(volume):
            if is_number(mode) and mode in _DECIMAL_SLIPS:
                becomes = f"becomes 0{mode:o}" if mode <= 0o777 else "is refused by the API server"
                yield Hit(
                    f"volume {quoted(volume.get('name'))} has file mode {mode} in decimal, which "
                    f"{becomes}",
                    (*base, *path),
                )


def restricted_kind(review: Review) -> Iterator[Hit]:
    """Storage wired into the pod instead of claimed through a PersistentVolumeClaim."""
    for base, volume in _volumes(pod_of(review)):
        for kind in _RESTRICTED_KINDS:
            if volume.get(kind) is not None:
                yield Hit(
                    f"volume {quoted(volume.get('name'))} is of type {kind}, which Pod Security "
                    "restricted forbids",
                    (*base, kind),
                )
                break


def git_repo(review: Review) -> Iterator[Hit]:
    """gitRepo: the kubelet runs git as root on what the author names."""
    for base, volume in _volumes(pod_of(review)):
        if volume.get("gitRepo") is not None:
            yield Hit(
                f"volume {quoted(volume.get('name'))} is a gitRepo, cloned by root on the node",
                (*base, "gitRepo"),
            )


def bidirectional(review: Review) -> Iterator[Hit]:
    """Mounts made in the container appear on the node."""
    for container in pod_of(review).containers:
        for index, mount in enumerate(items(container.data.get("volumeMounts"))):
            if mapping(mount).get("mountPropagation") == "Bidirectional":
                yield Hit(
                    f"{named(container)} propagates its mounts to the node",
                    (*container.path, "volumeMounts", index, "mountPropagation"),
                )


def stale_secret(review: Review) -> Iterator[Hit]:
    """subPath of a Secret: a rotated secret never arrives."""
    pod = pod_of(review)
    secrets = {
        volume["name"]
        for _, volume in _volumes(pod)
        if "secret" in volume and isinstance(volume.get("name"), str)
    }
    if not secrets:
        return
    for container in pod.containers:
        for index, mount in enumerate(items(container.data.get("volumeMounts"))):
            mount = mapping(mount)
            name = mount.get("name")
            if not isinstance(name, str) or name not in secrets:
                continue
            if mount.get("subPath") or mount.get("subPathExpr"):
                yield Hit(
                    f"{named(container)} mounts Secret volume {quoted(name)} by subPath and never "
                    "sees a rotation",
                    (*container.path, "volumeMounts", index, "subPath"),
                )


def legacy_token(review: Review) -> Iterator[Hit]:
    """A mounted token Secret of the old kind, which never expires."""
    for base, volume in _volumes(pod_of(review)):
        name = mapping(volume.get("secret")).get("secretName")
        if isinstance(name, str) and _LEGACY_TOKEN.search(name):
            yield Hit(
                f"volume {quoted(volume.get('name'))} mounts the legacy service account token "
                f"{quoted(name)}",
                (*base, "secret", "secretName"),
            )


def long_token(review: Review) -> Iterator[Hit]:
    """A projected token that outlives a day."""
    for base, volume in _volumes(pod_of(review)):
        for index, source in enumerate(items(mapping(volume.get("projected")).get("sources"))):
            seconds = mapping(mapping(source).get("serviceAccountToken")).get("expirationSeconds")
            if is_number(seconds) and seconds > 86_400:
                yield Hit(
                    f"volume {quoted(volume.get('name'))} projects a token for {seconds} seconds",
                    (
                        *base,
                        *("projected", "sources", index),
                        *("serviceAccountToken", "expirationSeconds"),
                    ),
                )
