"""The guide's role is enough to follow a cluster, and no more; its names are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.mirror import MIRRORED, NAMED, rights_to_read
from haechi.world.kube.policies import NetworkPolicyManager
from tests.world.kube.fake import deployment
from tests.world.kube.test_mirror import BINDING, eventually, mirrored

GUIDE = (Path(__file__).parents[3] / "docs" / "guide" / "clusters.md").read_text()


def role() -> dict[str, Any]:
    [text] = [one for one in re.findall(r"```yaml\n(.*?)```", GUIDE, re.S) if "ClusterRole" in one]
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_role_is_enough(tmp_path: Path) -> None:
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cilium-config", "namespace": "kube-system"},
        "data": {"enable-policy": "always"},
    }
    binding = {**BINDING, "roleRef": {**BINDING["roleRef"], "name": "haechi-follow"}}
    # A real server lets a list with metadata.name=… pass by resourceNames; the fake does not.
    allowed = role()
    for rule in allowed["rules"]:
        rule.pop("resourceNames", None)
    objects = [allowed, binding, settings, deployment("cart")]
    with mirrored(
        tmp_path, kinds=MIRRORED, named=NAMED, user="ana", rbac=True, objects=objects
    ) as (mirror, _):
        eventually(lambda: mirror.complete)
        assert len(mirror.objects("core/ConfigMap")) == 1


def test_the_role_is_no_more_than_is_read() -> None:
    wanted = set(rights_to_read())
    for rule in role()["rules"]:
        assert set(rule["verbs"]) <= {"get", "list", "watch"}
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                assert (group, resource) in wanted or rule.get("resourceNames")
    assert "secrets" not in str(role())


def test_the_names_of_the_guide_are_there() -> None:
    for line, kind in (
        ("KubernetesClient", KubernetesClient),
        ("NetworkPolicyManager", NetworkPolicyManager),
    ):
        [row] = [one for one in GUIDE.splitlines() if one.startswith(f"| `{line}`")]
        for name in re.findall(r"`([a-z_]+)`", row.split("|")[2]):
            if name not in ("force", "dry_run", "uid", "discovery"):
                assert callable(getattr(kind, name)), name
