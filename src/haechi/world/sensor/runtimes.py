"""What container runtimes keep on disk about a container: name, image, pod, mounts.

Docker's ``config.v2.json`` and ``hostconfig.json``, the OCI ``config.json`` that containerd and
CRI-O write with their annotations, and the list of containers/storage for Podman. Files are read
with a bound on size and taken apart with declared shapes: what does not fit is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from haechi.engines.image_ref import parse_image

_LARGEST, _LARGEST_LIST = 1 << 20, 16 << 20
_MOST_MOUNTS = 64
_CRI, _CRIO, _KUBE = "io.kubernetes.cri.", "io.kubernetes.cri-o.", "io.kubernetes."
_CAP_SYS_ADMIN = "CAP_SYS_ADMIN"


class Mount(msgspec.Struct, frozen=True):
    """A place of the host that the container sees."""

    source: str = ""
    destination: str = ""
    options: list[str] = []


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a container; empty and None for what is not."""

    runtime: str = ""
    name: str = ""
    image: str = ""
    image_id: str = ""
    pod: str = ""
    pod_uid: str = ""
    namespace: str = ""
    privileged: bool | None = None
    mounts: tuple[Mount, ...] = ()

    def fields(self) -> dict[str, Any]:
        """By Falco's names."""
        fields: dict[str, Any] = dict(_image_fields(self.image))
        told = {
            "container.name": self.name,
            "container.image.id": self.image_id,
            "k8s.pod.name": self.pod,
            "k8s.ns.name": self.namespace,
        }
        fields.update((key, value) for key, value in told.items() if value)
        if self.privileged is not None:
            fields["container.privileged"] = self.privileged
        if self.mounts:
            fields["container.mounts"] = [_mount_text(one) for one in self.mounts]
            fields["container.mount.dest"] = {
                one.destination: _mount_text(one) for one in self.mounts
            }
        return fields


def _image_fields(image: str) -> Iterator[tuple[str, str]]:
    if not image:
        return
    yield "container.image", image
    if image.startswith("sha256:"):
        return
    read = parse_image(image)
    name, _, digest = image.partition("@")
    yield "container.image.repository", name.removesuffix(f":{read.tag}") if read.tag else name
    if read.tag:
        yield "container.image.tag", read.tag
    if digest:
        yield "container.image.digest", digest


def _mount_text(one: Mount) -> str:
    """``source:dest:mode:rw:propagation``, as Falco writes a mount."""
    propagation = [o for o in one.options if o.lstrip("r") in ("private", "shared", "slave")]
    writable = "false" if "ro" in one.options else "true"
    return f"{one.source}:{one.destination}::{writable}:{(propagation or [''])[0]}"


class _DockerMount(msgspec.Struct):
    Source: str = ""
    Destination: str = ""
    RW: bool = True
    Propagation: str = ""


class _DockerConfig(msgspec.Struct):
    Image: str = ""
    Labels: dict[str, str] | None = None


class _Docker(msgspec.Struct):
    Name: str = ""
    Image: str = ""
    Config: _DockerConfig = msgspec.field(default_factory=_DockerConfig)
    MountPoints: dict[str, _DockerMount] | None = None


class _DockerHost(msgspec.Struct):
    Privileged: bool = False


class _Capabilities(msgspec.Struct):
    bounding: list[str] = []


class _Process(msgspec.Struct):
    capabilities: _Capabilities | None = None


class _Linux(msgspec.Struct):
    maskedPaths: list[str] | None = None
    readonlyPaths: list[str] | None = None


class _OciMount(msgspec.Struct):
    destination: str = ""
    source: str = ""
    type: str = ""
    options: list[str] | None = None


class _Oci(msgspec.Struct):
    annotations: dict[str, str] | None = None
    process: _Process = msgspec.field(default_factory=_Process)
    linux: _Linux = msgspec.field(default_factory=_Linux)
    mounts: list[_OciMount] | None = None


class _Stored(msgspec.Struct):
    id: str = ""
    image: str = ""
    metadata: str = ""


class _StoredNames(msgspec.Struct, rename="kebab"):
    image_name: str = ""
    name: str = ""


class Runtimes:
    """The runtimes' folders below ``root`` (``/`` or where a container has the host's mounted)."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def details(self, full_id: str, kind: str) -> Details | None:
        """What the files say; None when there are none (yet)."""
        if len(full_id) != 64:
            return None
        if kind in ("docker", "") and (found := self._docker(full_id)) is not None:
            return found
        if kind in ("containerd", "docker", "") and (found := self._containerd(full_id)):
            return found
        if kind in ("cri-o", "podman", ""):
            return self._storage(full_id, kind)
        return None

    def _docker(self, full_id: str) -> Details | None:
        folder = self._root / "var/lib/docker/containers" / full_id
        read = _decoded(folder / "config.v2.json", _Docker)
        if read is None:
            return None
        host = _decoded(folder / "hostconfig.json", _DockerHost)
        labels = read.Config.Labels or {}
        mounts = list((read.MountPoints or {}).items())[:_MOST_MOUNTS]
        return Details(
            runtime="docker",
            name=read.Name.lstrip("/"),
            image=read.Config.Image,
            image_id=read.Image.removeprefix("sha256:")[:12],
            pod=labels.get(_KUBE + "pod.name", ""),
            pod_uid=labels.get(_KUBE + "pod.uid", ""),
            namespace=labels.get(_KUBE + "pod.namespace", ""),
            privileged=None if host is None else host.Privileged,
            mounts=tuple(_of_docker(destination, one) for destination, one in mounts),
        )

    def _containerd(self, full_id: str) -> Details | None:
        tasks = self._root / "run/containerd/io.containerd.runtime.v2.task"
        for namespace in ("k8s.io", "moby", "default", *_folders(tasks)):
            read = _decoded(tasks / namespace / full_id / "config.json", _Oci)
            if read is not None:
                return _of_cri(read, "docker" if namespace == "moby" else "containerd")
        return None

    def _storage(self, full_id: str, kind: str) -> Details | None:
        for base in ("run/containers/storage", "var/lib/containers/storage"):
            folder = self._root / base / "overlay-containers"
            read = _decoded(folder / full_id / "userdata/config.json", _Oci)
            if read is not None:
                names = self._stored(full_id)
                return _of_crio(read, names, kind or "cri-o")
        return None

    def _stored(self, full_id: str) -> _StoredNames:
        path = self._root / "var/lib/containers/storage/overlay-containers/containers.json"
        rows = _decoded(path, list[_Stored], _LARGEST_LIST) or []
        for row in rows:
            if row.id == full_id:
                try:
                    return msgspec.json.decode(row.metadata, type=_StoredNames)
                except msgspec.MsgspecError:
                    break
        return _StoredNames()


def _of_docker(destination: str, one: _DockerMount) -> Mount:
    options = ["rw" if one.RW else "ro"] + ([one.Propagation] if one.Propagation else [])
    return Mount(one.Source, one.Destination or destination, options)


def _of_cri(read: _Oci, runtime: str) -> Details:
    notes = read.annotations or {}
    sandbox = notes.get(_CRI + "container-type") == "sandbox"
    return Details(
        runtime=runtime,
        name="POD" if sandbox else notes.get(_CRI + "container-name", ""),
        image=notes.get(_CRI + "image-name", ""),
        pod=notes.get(_CRI + "sandbox-name", ""),
        pod_uid=notes.get(_CRI + "sandbox-uid", ""),
        namespace=notes.get(_CRI + "sandbox-namespace", ""),
        privileged=_privileged(read),
        mounts=tuple(_mounts(read)),
    )


def _of_crio(read: _Oci, names: _StoredNames, runtime: str) -> Details:
    notes = read.annotations or {}
    image = notes.get(_CRIO + "ImageName", "") or names.image_name
    return Details(
        runtime=runtime,
        name=notes.get(_KUBE + "container.name", "") or names.name,
        image=image,
        pod=notes.get(_KUBE + "pod.name", ""),
        pod_uid=notes.get(_KUBE + "pod.uid", ""),
        namespace=notes.get(_KUBE + "pod.namespace", ""),
        privileged=_privileged(read),
        mounts=tuple(_mounts(read)),
    )


def _privileged(read: _Oci) -> bool:
    """No file of the OCI says it; runtimes then leave nothing masked and give every capability."""
    held = read.process.capabilities
    bounding = held.bounding if held else []
    return _CAP_SYS_ADMIN in bounding and not read.linux.maskedPaths


def _mounts(read: _Oci) -> Iterator[Mount]:
    """Places of the host: what the runtime makes itself (proc, tmpfs …) is none."""
    for one in (read.mounts or [])[:_MOST_MOUNTS]:
        if one.type == "bind" or "bind" in (one.options or []) or "rbind" in (one.options or []):
            yield Mount(one.source, one.destination, one.options or [])


def _folders(path: Path) -> list[str]:
    try:
        return sorted(one.name for one in path.iterdir())[:16]
    except OSError:
        return []


def _decoded(path: Path, shape: Any, largest: int = _LARGEST) -> Any:
    try:
        with path.open("rb") as stream:
            raw = stream.read(largest + 1)
        return msgspec.json.decode(raw, type=shape) if len(raw) <= largest else None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
