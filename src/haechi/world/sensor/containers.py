"""Which container a process is in: from its cgroup, and what the runtime's own files say of it.

The kernel tells the inode of the process's cgroup directory. Its path holds the container's id in
the forms that Docker, containerd, CRI-O and Podman write (for the systemd and the cgroupfs
driver), and the pod's uid. Names and images come from the runtimes' state folders where these can
be read; nothing is asked over a socket, so a runtime that hangs does not hold up the sensor. What
is not known is left out. A container that is gone stays known until the table is full.
"""

from __future__ import annotations

import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from haechi.world.sensor.proc_fs import ProcFs
from haechi.world.sensor.runtimes import Details, Runtimes

MOST = 8192
"""Cgroups remembered."""
_MOST_DIRECTORIES = 50_000
_PAUSE_S = 0.25
"""Between two walks through the cgroups for one that is not known."""
_MISSING_S = 2.0
_DETAILS_S = 5.0
"""How long a container's state files are looked for again after it was first seen."""

_SCOPE = re.compile(
    r"(?P<kind>docker|cri-containerd|containerd|nerdctl|crio|libpod|podman)[-:](?P<id>[0-9a-f]{64})"
)
_MONITOR = re.compile(r"(?:crio|libpod)-conmon-[0-9a-f]{64}")
_BARE = re.compile(r"/(?P<id>[0-9a-f]{64})(?=/|\Z|\.scope)")
_POD = re.compile(
    r"pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[./]|\Z)"
)
_LXC = re.compile(r"/(?:lxc/|lxc\.payload[./])(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]{0,62})(?=/|\Z)")
_TYPES = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "podman": "podman",
}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a cgroup's path says. ``type`` is empty where the path fits several runtimes."""

    full_id: str
    type: str
    pod_uid: str = ""

    @property
    def id(self) -> str:
        """Short as Falco writes it."""
        return self.full_id[:12] if len(self.full_id) == 64 else self.full_id


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A container, and the fields that each event of it carries (``container.*``, ``k8s.*``)."""

    id: str
    full_id: str
    namespace: str = "-"
    pod: str = ""
    fields: dict[str, Any]


HOST = Container(
    id="",
    full_id="",
    fields={"container.id": "host", "container.name": "host", "container.type": "host"},
)


def place_of(path: str) -> Place | None:
    """Read a cgroup's path; None outside of containers. The innermost container counts (a
    cluster within a container); a runtime's monitor process beside a container is the host's."""
    pod = ""
    for found in _POD.finditer(path):
        pod = found["uid"].replace("_", "-")
    monitors = [found.start() for found in _MONITOR.finditer(path)]
    best: tuple[int, str, str] | None = None
    for found in _SCOPE.finditer(path):
        best = (found.start(), found["id"], _TYPES[found["kind"]])
    for found in _BARE.finditer(path):
        if best is None or found.start() > best[0]:
            best = (found.start(), found["id"], "docker" if "/docker/" in path else "")
    if best is None:
        lxc = _LXC.search(path)
        return Place(full_id=lxc["id"], type="lxc") if lxc and not monitors else None
    if monitors and monitors[-1] > best[0]:
        return None
    return Place(full_id=best[1], type=best[2], pod_uid=pod)


def mounted(root: str = "/proc") -> str:
    """Where cgroup version 2 is mounted; empty where it is not."""
    try:
        lines = Path(root, "self", "mounts").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        words = line.split(" ")
        if len(words) >= 3 and words[2] == "cgroup2":
            return words[1].replace("\\040", " ")
    return ""


class Containers:
    """Answers by cgroup inode, and remembers."""

    def __init__(
        self,
        proc: ProcFs,
        *,
        cgroups: str | None = None,
        runtimes: Runtimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proc = proc
        self._cgroups = mounted(proc.root) if cgroups is None else cgroups
        self._runtimes = runtimes or Runtimes()
        self._clock = clock
        self._by_inode: OrderedDict[int, Container] = OrderedDict()
        self._by_id: OrderedDict[str, Container] = OrderedDict()
        self._by_mounts: OrderedDict[int, tuple[Container, int]] = OrderedDict()
        self._incomplete: dict[str, tuple[float, Place]] = {}
        self._missing: dict[int, float] = {}
        self._walked = float("-inf")
        self.host_mount_ns = proc.mount_ns(1)

    def of(self, cgroup: int, pid: int, mount_ns: int = 0) -> Container:
        """The container of a process, HOST for none. ``cgroup`` 0 is unknown."""
        found = self._by_cgroup(cgroup, pid)
        if not mount_ns or mount_ns == self.host_mount_ns or not self.host_mount_ns:
            return found
        if found is HOST:
            return self._visited(mount_ns)
        self._by_mounts[mount_ns] = (found, pid)
        if len(self._by_mounts) > MOST:
            self._by_mounts.popitem(last=False)
        return found

    def _by_cgroup(self, cgroup: int, pid: int) -> Container:
        if cgroup:
            known = self._by_inode.get(cgroup)
            if known is not None:
                return self._again(known) if self._incomplete else known
        paths = self._proc.cgroups(pid)
        found = self._of_process(paths, cgroup)
        if found is None and cgroup:
            return self._of_inode(cgroup) or HOST
        # On hosts with both versions every process may lie in the root of version 2.
        if found is not None and cgroup and (paths[0] != "/" or len(paths) == 1):
            self._by_inode[cgroup] = found
            self._trim(self._by_inode)
        return found or HOST

    def _of_process(self, paths: list[str], cgroup: int) -> Container | None:
        """By /proc, while the process is there: one read instead of a walk. On hosts with both
        versions the container's path may stand in the older hierarchies alone."""
        if not paths:
            return None
        if cgroup and self._cgroups and not self._same(paths[0], cgroup) and paths[0] != "/":
            return None
        for path in paths:
            place = place_of(path)
            if place is not None:
                return self._container(place)
        return HOST

    def _same(self, path: str, cgroup: int) -> bool:
        """False when the process has moved on: its path now is not that of the record."""
        try:
            return os.stat(self._cgroups + path).st_ino == cgroup  # noqa: PTH116 - hot
        except OSError:
            return True

    def _of_inode(self, cgroup: int) -> Container | None:
        """By a walk through the mount; at most four a second, and not again soon for one that
        was not there (its directory is gone with it)."""
        now = self._clock()
        if not self._cgroups or now - self._missing.get(cgroup, float("-inf")) < _MISSING_S:
            return None
        if now - self._walked >= _PAUSE_S:
            self._walked = now
            self._walk()
        found = self._by_inode.get(cgroup)
        if found is None:
            if len(self._missing) >= MOST:
                self._missing.clear()
            self._missing[cgroup] = now
        return found

    def _walk(self) -> None:
        budget = _MOST_DIRECTORIES
        stack = [self._cgroups]
        while stack and budget:
            folder = stack.pop()
            budget -= 1
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            self._meet(entry.inode(), entry.path)
                            stack.append(entry.path)
            except OSError:
                continue

    def _meet(self, inode: int, path: str) -> None:
        if inode in self._by_inode:
            return
        place = place_of(path.removeprefix(self._cgroups))
        self._by_inode[inode] = HOST if place is None else self._container(place)
        self._trim(self._by_inode)

    def _visited(self, mount_ns: int) -> Container:
        """A process of the host's cgroups in the mount namespace of a container (``nsenter``) is
        in that container. The witness must still be there: numbers of namespaces are used again,
        and many services of a machine have their own."""
        known = self._by_mounts.get(mount_ns)
        if known is None:
            return HOST
        container, witness = known
        if self._proc.mount_ns(witness) != mount_ns:
            del self._by_mounts[mount_ns]
            return HOST
        return container

    def _container(self, place: Place) -> Container:
        known = self._by_id.get(place.full_id)
        if known is not None:
            return self._again(known)
        details = self._runtimes.details(place.full_id, place.type)
        made = container_of(place, details)
        if details is None:
            self._incomplete[place.full_id] = (self._clock(), place)
            if len(self._incomplete) > MOST:  # nobody asks again for those that are gone
                del self._incomplete[next(iter(self._incomplete))]
        self._by_id[place.full_id] = made
        self._trim(self._by_id)
        return made

    def _again(self, known: Container) -> Container:
        """Runtimes write their files about when the first process starts: look again soon."""
        waiting = self._incomplete.get(known.full_id)
        if waiting is None:
            return known
        since, place = waiting
        details = self._runtimes.details(place.full_id, place.type)
        if details is None:
            if self._clock() - since > _DETAILS_S:
                del self._incomplete[known.full_id]
            return known
        del self._incomplete[known.full_id]
        made = container_of(place, details)
        self._by_id[place.full_id] = made
        for inode, one in self._by_inode.items():
            if one.full_id == place.full_id:
                self._by_inode[inode] = made
        return made

    @staticmethod
    def _trim(table: OrderedDict[Any, Container]) -> None:
        while len(table) > MOST:
            table.popitem(last=False)


def container_of(place: Place, details: Details | None) -> Container:
    """The container with every field that is known of it."""
    fields: dict[str, Any] = {"container.id": place.id, "container.full_id": place.full_id}
    kind = place.type or (details.runtime if details else "") or "containerd"
    fields["container.type"] = kind
    pod_uid = (details.pod_uid if details else "") or place.pod_uid
    if pod_uid:
        fields["k8s.pod.uid"] = pod_uid
    if details is not None:
        fields.update(details.fields())
    return Container(
        id=place.id,
        full_id=place.full_id,
        namespace=(details.namespace if details else "") or "-",
        pod=details.pod if details else "",
        fields=fields,
    )
