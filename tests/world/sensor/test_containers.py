"""Containers: ids out of cgroup paths, by inode, by mount namespace; what state folders say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.world.sensor.containers import HOST, Place, place_of
from haechi.world.sensor.runtimes import Runtimes
from tests.world.sensor.fake import ID, Tree

OTHER = "f" * 64
UID = "8b3f9f4e-1c2d-4e5f-8a9b-0c1d2e3f4a5b"
SLICE = f"kubepods-burstable-pod{UID.replace('-', '_')}.slice"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", None),
        ("/system.slice/ssh.service", None),
        ("/user.slice/user-1000.slice/session-3.scope", None),
        (f"/system.slice/docker-{ID}.scope", ("docker", "")),
        (f"/docker/{ID}", ("docker", "")),
        (f"/kubepods.slice/{SLICE}/cri-containerd-{ID}.scope", ("containerd", UID)),
        (f"/kubepods/burstable/pod{UID}/{ID}", ("", UID)),
        (f"/kubepods.slice/{SLICE}/crio-{ID}.scope", ("cri-o", UID)),
        (f"/kubepods.slice/{SLICE}/crio-conmon-{ID}.scope", None),
        (f"/machine.slice/libpod-{ID}.scope/container", ("podman", "")),
        (f"/machine.slice/libpod-conmon-{ID}.scope", None),
        (f"/libpod_parent/libpod-{ID}", ("podman", "")),
        (f"/../../{SLICE}/cri-containerd-{ID}.scope", ("containerd", UID)),
        (f"/system.slice/containerd.service/kubepods-burstable-pod{UID}.slice:cri-containerd:{ID}",
         ("containerd", UID)),
        (f"/docker/{OTHER}/kubelet/kubepods/pod{UID}/{ID}", ("docker", UID)),
        (f"/docker/{OTHER}/kubelet/{SLICE}/cri-containerd-{ID}.scope", ("containerd", UID)),
        (f"/docker/{ID}/init.scope", ("docker", "")),
        (f"/kubepods.slice/kubepods-pod{'a' * 32}.slice/cri-containerd-{ID}.scope",
         ("containerd", "a" * 32)),
        (f"/notes/{ID[:63]}", None),
    ],
)  # fmt: skip
def test_a_path_names_its_container(path: str, expected: tuple[str, str] | None) -> None:
    found = place_of(path)
    if expected is None:
        assert found is None
    else:
        assert found == Place(full_id=ID, type=expected[0], pod_uid=expected[1])
        assert found.id == ID[:12]


def test_an_lxc_container_is_known_by_its_name() -> None:
    found = place_of("/lxc.payload.web/system.slice")
    assert found is not None
    assert (found.id, found.type) == ("web", "lxc")


@given(st.text(alphabet=f"/-_.:0123456789abcdef{'docker'}slicepodxy", max_size=300))
def test_any_path_is_read_without_a_fault(path: str) -> None:
    found = place_of(path)
    assert found is None or found.full_id in path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.process(1, "init", mount_ns=1)
    return made


def _scope(tree: Tree, name: str = f"docker-{ID}.scope") -> int:
    folder = tree.cgroups / "system.slice" / name
    folder.mkdir(parents=True)
    return folder.stat().st_ino


def test_a_process_that_is_gone_is_placed_by_the_inode_of_its_cgroup(tree: Tree) -> None:
    containers, inode = tree.containers(), _scope(tree)
    assert containers.of(inode, 4242).id == ID[:12]


def test_a_cgroup_stays_known_when_its_folder_is_gone(tree: Tree) -> None:
    containers, inode = tree.containers(), _scope(tree)
    containers.of(inode, 4242)
    (tree.cgroups / "system.slice" / f"docker-{ID}.scope").rmdir()
    assert containers.of(inode, 4243).id == ID[:12]


def test_an_unknown_cgroup_is_the_hosts_and_not_walked_for_each_time(tree: Tree) -> None:
    containers = tree.containers()
    assert containers.of(999_999_999, 4242) is HOST
    inode = _scope(tree)
    assert containers.of(999_999_999, 4242) is HOST
    assert containers.of(inode, 4242) is HOST  # too soon for another walk


def test_an_old_hierarchy_places_a_process_in_the_root_of_the_new_one(tree: Tree) -> None:
    """On such hosts every process has the same inode: it must not be remembered by it."""
    tree.process(10, "x", cgroup=f"0::/\n5:memory:/docker/{ID}")
    tree.process(11, "y", cgroup="0::/\n5:memory:/user.slice")
    containers, root = tree.containers(), tree.cgroups.stat().st_ino
    assert containers.of(root, 10).id == ID[:12]
    assert containers.of(root, 11) is HOST


def test_containers_without_details_are_not_waited_for_without_bound(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.world.sensor.containers.MOST", 10)
    containers = tree.containers()
    for number in range(50):
        containers._container(Place(full_id=f"{number:064x}", type="docker"))
    assert list(containers._incomplete) == [f"{number:064x}" for number in range(40, 50)]


def test_nsenter_is_seen_by_the_mount_namespace(tree: Tree) -> None:
    inode = _scope(tree)
    path = f"0::/system.slice/docker-{ID}.scope"
    tree.process(10, "x", cgroup=path, mount_ns=77)
    tree.process(20, "nsenter", cgroup="0::/user.slice", mount_ns=77)
    containers = tree.containers()
    assert containers.of(inode, 10, 77).id == ID[:12]
    assert containers.of(0, 20, 77).id == ID[:12]


def test_a_namespace_number_that_is_used_again_is_not_the_container(tree: Tree) -> None:
    inode = _scope(tree)
    tree.process(10, "x", cgroup=f"0::/system.slice/docker-{ID}.scope", mount_ns=77)
    tree.process(20, "service", cgroup="0::/system.slice/x.service", mount_ns=77)
    containers = tree.containers()
    containers.of(inode, 10, 77)
    tree.end(10)
    assert containers.of(0, 20, 77) is HOST


def _write(root: Path, path: str, value: Any) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))


CRI = "io.kubernetes.cri."


def test_containerd_says_pod_name_and_image(tree: Tree) -> None:
    notes = {
        CRI + "container-type": "container",
        CRI + "container-name": "web",
        CRI + "sandbox-name": "shop-7f",
        CRI + "sandbox-namespace": "shop",
        CRI + "sandbox-uid": UID,
        CRI + "image-name": "registry.example:5000/shop/web:1.2",
    }
    spec = {
        "annotations": notes,
        "process": {"capabilities": {"bounding": ["CAP_SYS_ADMIN"]}},
        "linux": {"maskedPaths": []},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/host", "type": "bind", "source": "/", "options": ["rbind", "ro"]},
        ],
    }
    _write(
        tree.root.parent,
        f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json",
        spec,
    )
    inode = _scope(tree, f"cri-containerd-{ID}.scope")
    found = tree.containers().of(inode, 4242)
    assert (found.namespace, found.pod) == ("shop", "shop-7f")
    expected = {
        "container.id": ID[:12],
        "container.full_id": ID,
        "container.type": "containerd",
        "container.name": "web",
        "container.image": "registry.example:5000/shop/web:1.2",
        "container.image.repository": "registry.example:5000/shop/web",
        "container.image.tag": "1.2",
        "container.privileged": True,
        "k8s.ns.name": "shop",
        "k8s.pod.name": "shop-7f",
        "k8s.pod.uid": UID,
    }
    assert expected.items() <= found.fields.items()
    assert found.fields["container.mount.dest"] == {"/host": "/:/host::false:"}


def test_docker_says_name_image_and_privilege(tmp_path: Path) -> None:
    folder = f"var/lib/docker/containers/{ID}"
    config = {
        "Name": "/web",
        "Image": "sha256:" + OTHER,
        "Config": {"Image": "nginx:1.27", "Labels": None},
        "MountPoints": {"/data": {"Source": "/srv", "Destination": "/data", "RW": True}},
    }
    _write(tmp_path, f"{folder}/config.v2.json", config)
    _write(tmp_path, f"{folder}/hostconfig.json", {"Privileged": False})
    found = Runtimes(tmp_path).details(ID, "docker")
    assert found is not None
    fields = found.fields()
    assert (fields["container.name"], fields["container.image.repository"]) == ("web", "nginx")
    assert fields["container.privileged"] is False
    assert fields["container.image.id"] == OTHER[:12]


def test_crio_and_podman_say_theirs(tmp_path: Path) -> None:
    notes = {
        "io.kubernetes.container.name": "db",
        "io.kubernetes.pod.name": "db-0",
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.cri-o.ImageName": "quay.io/db:9",
    }
    storage = "containers/storage/overlay-containers"
    _write(tmp_path, f"run/{storage}/{ID}/userdata/config.json", {"annotations": notes})
    _write(tmp_path, f"var/lib/{storage}/{OTHER}/userdata/config.json", {"annotations": {}})
    stored = [{"id": OTHER, "metadata": json.dumps({"image-name": "busybox:1", "name": "bold"})}]
    _write(tmp_path, f"var/lib/{storage}/containers.json", stored)
    runtimes = Runtimes(tmp_path)
    crio, podman = runtimes.details(ID, "cri-o"), runtimes.details(OTHER, "podman")
    assert crio is not None
    assert podman is not None
    assert (crio.name, crio.pod, crio.image) == ("db", "db-0", "quay.io/db:9")
    assert (podman.name, podman.image) == ("bold", "busybox:1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"annotations": 3}',
        "[" * 100_000,
        '{"annotations": {"a": "' + "x" * (1 << 20),
    ],
    ids=["empty", "cut", "list", "wrong-type", "deep", "large"],
)
def test_state_that_cannot_be_read_is_not_known(tmp_path: Path, text: str) -> None:
    path = f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json"
    _write(tmp_path, path, text)
    assert Runtimes(tmp_path).details(ID, "containerd") is None


def test_state_written_a_moment_later_is_found(tree: Tree) -> None:
    inode = _scope(tree)
    containers = tree.containers()
    assert "container.name" not in containers.of(inode, 4242).fields
    _write(tree.root.parent, f"var/lib/docker/containers/{ID}/config.v2.json", {"Name": "/web"})
    assert containers.of(inode, 4242).fields["container.name"] == "web"


_TEXT = st.text(max_size=20)
_KEYS = st.sampled_from(
    ["annotations", "mounts", "linux", "maskedPaths", "process", "capabilities", "bounding", "Name",
     "Config", "Image", "Labels", "MountPoints", "Source", CRI + "container-name", "source", "x"]
)  # fmt: skip
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=5)),
    max_leaves=20,
)


@given(value=_JSON, kind=st.sampled_from(["docker", "containerd", "cri-o", "podman", ""]))
@settings(max_examples=60, deadline=None)
def test_any_state_is_read_without_a_fault(
    tmp_path_factory: pytest.TempPathFactory, value: Any, kind: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "state"
    storage = "containers/storage/overlay-containers"
    for path in (
        f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json",
        f"var/lib/docker/containers/{ID}/config.v2.json",
        f"run/{storage}/{ID}/userdata/config.json",
        f"var/lib/{storage}/containers.json",
    ):
        _write(root, path, value if not isinstance(value, str) else json.dumps(value))
    found = Runtimes(root).details(ID, kind)
    assert found is None or None not in found.fields().values()
