"""A cluster out of a folder: the same resources as a live one, gaps with reasons, no secrets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi.errors import ConfigError
from haechi.world.kube import dump as dump_module
from haechi.world.kube.cluster import kept_of, resource_of, stripped
from haechi.world.kube.dump import read_dump, stamp
from haechi.world.kube.mirror import Mirror
from haechi.world.kube.names import POD, SERVICE
from tests.world.kube.fake import cluster, deployment, pod, policy

KUBECTL = shutil.which("kubectl")


def test_manifests_and_lists_in_yaml_and_json(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n# nothing\n---\n"
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: Pod\n"
        "  metadata: {name: a, namespace: shop, uid: u, resourceVersion: '7'}\n"
    )
    items = [{"metadata": {"name": "b", "namespace": "shop"}}]
    (tmp_path / "deep" / "b.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "PodList", "items": items})
    )
    (tmp_path / "values.yaml").write_text("image: x\n")
    (tmp_path / "notes.txt").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: c}\n")
    found = read_dump(tmp_path, "stage")
    assert [one.key for one in found.objects()] == [
        "k8s:stage/core/Namespace/-/shop",
        "k8s:stage/core/Pod/shop/a",
        "k8s:stage/core/Pod/shop/b",
    ]
    assert (found.source, found.complete, found.name) == ("dump", True, "stage")
    assert [one.name for one in found.objects("core/Pod", namespace="shop")] == ["a", "b"]
    assert (found.kept("core/Pod")[0].uid, found.kept("core/Pod")[0].version) == ("u", "7")


def test_what_cannot_be_read_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.yaml").write_text("a: [\n---\n" + json.dumps(pod("a")))
    (tmp_path / "nameless.yaml").write_text("apiVersion: v1\nkind: Pod\n")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    (tmp_path / "odd.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: .nan\n"
    )
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nameless.yaml")
    (tmp_path / "bomb.yaml").write_text(
        "a: &a [x]\n"
        + "".join(
            f"b{n}: &b{n} [*{'a' if not n else f'b{n - 1}'}, *{'a' if not n else f'b{n - 1}'}]\n"
            for n in range(40)
        )
    )
    found = read_dump(tmp_path, "stage")
    assert not found.complete
    assert {gap.partition(":")[0] for gap in found.gaps} >= {
        "broken.yaml",
        "nameless.yaml",
        "latin.yaml",
        "link.yaml",
        "bomb.yaml",
    }
    assert "a" in [one.name for one in found.objects()]
    monkeypatch.setattr(dump_module, "MOST_FILES", 1)
    assert any("files past 1" in gap for gap in read_dump(tmp_path, "stage").gaps)


def test_a_repository_is_read_without_what_is_no_object_and_a_chart_is_one_gap(
    tmp_path: Path,
) -> None:
    (tmp_path / "chart/templates").mkdir(parents=True)
    (tmp_path / "chart/Chart.yaml").write_text("apiVersion: v2\nname: extras\n")
    (tmp_path / "chart/templates/web.yaml").write_text("kind: {{ .Values.kind }}\n")
    (tmp_path / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    )
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    (tmp_path / "pod.json").write_text(json.dumps(pod("a")))
    found = read_dump(tmp_path, "-")
    assert [one.name for one in found.objects()] == ["a"]
    assert [gap.partition(":")[0] for gap in found.gaps] == ["chart"]


def test_the_newest_file_counts_and_a_change_is_noticed(tmp_path: Path) -> None:
    for name, label, at in (("z.json", "old", 1_000), ("a.json", "new", 2_000)):
        (tmp_path / name).write_text(json.dumps(pod("p", label=label)))
        os.utime(tmp_path / name, (at, at))
    [one] = read_dump(tmp_path, "stage").objects()
    assert one.data["metadata"]["labels"] == {"label": "new"}
    before = stamp(tmp_path)
    (tmp_path / "b.yaml").write_text("")
    assert stamp(tmp_path) != before


def test_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        read_dump(tmp_path / "no", "stage")


SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "Opaque",
    "metadata": {
        "name": "s",
        "namespace": "shop",
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": '{"data": "aHVudGVyMg=="}',
            "kubernetes.io/service-account.name": "robot",
        },
        "managedFields": [{"manager": "x"}],
    },
    "data": {"password": "aHVudGVyMg=="},
    "stringData": {"password": "hunter2"},
}


def test_nothing_of_a_secret_is_kept_but_its_names(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(SECRET))
    [one] = read_dump(tmp_path, "stage").kept()
    assert b"aHVudGVyMg" not in one.body and b"hunter2" not in one.body
    [found] = read_dump(tmp_path, "stage").objects("core/Secret")
    assert found.data["type"] == "Opaque"
    assert found.data["metadata"]["annotations"] == {
        "kubectl.kubernetes.io/last-applied-configuration": "",
        "kubernetes.io/service-account.name": "robot",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "apiVersion",
                    "kind",
                    "metadata",
                    "name",
                    "namespace",
                    "items",
                    "data",
                    "annotations",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_object_is_kept_or_passed_over(body: Any) -> None:
    if not isinstance(body, dict):
        return
    kept = kept_of(json.loads(json.dumps(body)))
    if kept is None:
        assert resource_of(stripped(body), "east") is None
    else:
        found = kept.resource("east")
        assert found is not None and found.name == kept.name
        if kept.type in ("core/Secret", "core/ConfigMap") and kept.name != "cilium-config":
            assert "data" not in found.data


@given(JSON, st.sampled_from([".json", ".yaml"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_any_file_is_read_or_a_gap(tmp_path: Path, body: Any, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_text(json.dumps(body))
    found = read_dump(tmp_path, "stage")
    assert all(one.name for one in found.objects())


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_kubectl_writes_is_the_cluster(tmp_path: Path, form: str) -> None:
    """A dump that kubectl takes and the mirror of the same server hold the same."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "cart", "namespace": "default"},
        "spec": {"selector": {"app": "cart"}, "ports": [{"port": 80}]},
    }
    with cluster(tmp_path, objects=[deployment("cart"), policy("p"), service]) as (client, _):
        done = subprocess.run(
            [str(KUBECTL), "get", "pods,services,networkpolicies,deployments", "-A", "-o", form],
            env={"KUBECONFIG": str(tmp_path / "kubeconfig"), "HOME": str(tmp_path)},
            capture_output=True,
            check=True,
            timeout=60,
        )
        (tmp_path / "dump").mkdir()
        (tmp_path / "dump" / f"all.{form}").write_bytes(done.stdout)
        dump = read_dump(tmp_path / "dump", "east")
        mirror = Mirror(client, kinds=(POD, SERVICE), named=())
        mirror.start()
        assert mirror.wait(15)
        live = {one.key: one.data for one in mirror.objects()}
        mirror.close()
    types = ("core/Pod", "core/Service")
    assert {one.key: one.data for one in dump.objects(*types)} == live
    assert len(dump.objects("core/Pod")) == 2
    assert dump.complete
