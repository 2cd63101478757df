"""The background audit of a live cluster: the fake API server, watched."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from haechi.model.access import EVERYWHERE
from haechi.server.settings import Admission, ClusterSettings, ClustersSection
from haechi.server.work.auditing import ClusterAudit, audit_of
from haechi.server.world import World
from haechi.store.state.admission_records import AuditCoverage, Violation
from tests.fakes.apiserver import ApiServer
from tests.server.serving import local_settings, real_world
from tests.server.work.test_auditing import CONSTRAINT, TEMPLATE
from tests.world.kube.fake import namespace, pod
from tests.world.kube.test_mirror import BINDING, READER, eventually

ALL = (EVERYWHERE,)
GADGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}
GADGET = {
    "apiVersion": "example.com/v1",
    "kind": "Gadget",
    "metadata": {"name": "g", "namespace": "default"},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.server.work.audits.objects.LOOK_S", 0.0)
    monkeypatch.setattr("haechi.server.work.auditing.LEAST_S", 0.0)
    monkeypatch.setattr("haechi.server.work.auditing.SHARE", 0.0)


@contextmanager
def audited(
    tmp_path: Path, server: ApiServer, policies: str, *, user: str = "admin"
) -> Iterator[tuple[World, ClusterAudit]]:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "all.yaml").write_text(policies)
    path = server.kubeconfig(tmp_path / "kubeconfig", user)
    east = ClusterSettings(name="east", kubeconfig=str(path))
    settings = local_settings(
        clusters=ClustersSection(followed=[east]),
        admission=Admission(policies=[str(folder)], packs=[]),
    )
    with real_world(tmp_path / "store", settings) as world:
        world.clusters.open(world)
        audit = audit_of(world, east)
        try:
            eventually(lambda: world.clusters.cluster("east") is not None)
            yield world, audit
        finally:
            audit.close()
            world.clusters.close()


def violations(world: World) -> list[Violation]:
    return list(world.store.state.policy_states.each(within=ALL))


def coverage(world: World) -> AuditCoverage:
    return world.store.state.policy_states.coverage(within=ALL)[0]


def names(world: World, audit: ClusterAudit) -> set[str]:
    audit.tick()
    return {one.name for one in violations(world)}


def test_what_is_changed_in_the_cluster_is_judged(tmp_path: Path) -> None:
    with (
        ApiServer(objects=[pod("a"), pod("b", owner="x")]) as server,
        audited(tmp_path, server, TEMPLATE + CONSTRAINT) as (world, audit),
    ):
        assert names(world, audit) == {"a"}
        server.put(pod("c"))
        eventually(lambda: names(world, audit) == {"a", "c"})
        server.remove("pods", "a")
        eventually(lambda: names(world, audit) == {"c"})
        told = coverage(world)
        assert (told.state, told.gaps, told.lag_s) == ("idle", [], 0.0)
        server.stop()

        def lag() -> float:
            audit._told_at = float("-inf")
            audit.tick()
            return coverage(world).lag_s or 0.0

        eventually(lambda: lag() > 0)
        assert names(world, audit) == {"c"}, "what was known stands"


def test_a_kind_that_may_not_be_listed_is_not_evaluated(tmp_path: Path) -> None:
    with (
        ApiServer(rbac=True, objects=[READER, BINDING, pod("a")]) as server,
        audited(tmp_path, server, TEMPLATE + CONSTRAINT, user="ana") as (world, audit),
    ):
        audit.tick()
        found = {(one.kind, one.name, one.state) for one in violations(world)}
        kinds = {one.type: one.state for one in coverage(world).kinds}
        assert (kinds["core/Pod"], kinds["apps/Deployment"]) == ("judged", "not_evaluated")
        assert kinds["batch/CronJob"] == "not_evaluated", "what makes pods is looked at, too"
        assert found == {("Pod", "a", "fail"), ("Deployment", "*", "not_evaluated")}


def test_kinds_of_ones_own_are_followed_when_policies_name_them(tmp_path: Path) -> None:
    own = CONSTRAINT.replace(
        'apiGroups: [""], kinds: [Pod]', "apiGroups: [example.com], kinds: [Gadget]"
    )
    with (
        ApiServer(objects=[GADGETS]) as server,
        audited(tmp_path, server, TEMPLATE + own) as (world, audit),
    ):
        server.put(GADGET)
        eventually(lambda: names(world, audit) == {"g"})
        kinds = {one.type: (one.state, one.objects) for one in coverage(world).kinds}
        assert kinds["example.com/Gadget"] == ("judged", 1)


def test_a_namespace_that_changes_changes_verdicts_of_what_lies_in_it(tmp_path: Path) -> None:
    selecting = CONSTRAINT.replace(
        "  match: {", "  match: {namespaceSelector: {matchLabels: {env: prod}}, "
    )
    with (
        ApiServer(objects=[namespace("shop"), pod("a", "shop")]) as server,
        audited(tmp_path, server, TEMPLATE + selecting) as (world, audit),
    ):
        assert names(world, audit) == set()
        body: dict[str, Any] = namespace("shop")
        body["metadata"]["labels"] = {"env": "prod"}
        server.put(body)
        eventually(lambda: names(world, audit) == {"a"})


def test_pods_are_judged_as_the_labels_of_their_namespace_ask(tmp_path: Path) -> None:
    bare: dict[str, Any] = pod("bare", "shop")
    bare["spec"]["hostNetwork"] = True
    with (
        ApiServer(objects=[namespace("shop"), bare]) as server,
        audited(tmp_path, server, TEMPLATE) as (world, audit),
    ):
        assert names(world, audit) == set()
        body: dict[str, Any] = namespace("shop")
        body["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "baseline"}
        server.put(body)
        eventually(lambda: names(world, audit) == {"bare"})
        assert {(one.policy, one.rule) for one in violations(world)} == {
            ("pod-security/labels", "hostNamespaces")
        }
        whole, judged = audit._whole_at, coverage(world).objects
        server.put(pod("fine", "shop"))

        def objects() -> int:
            audit._told_at = float("-inf")
            audit.tick()
            return coverage(world).objects

        eventually(lambda: objects() == judged + 1)
        assert audit._whole_at == whole, "a pod changes no verdict of another"
        server.put(namespace("shop"))
        eventually(lambda: names(world, audit) == set())


BY_PARAMS = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: by-params}
spec:
  paramKind: {apiVersion: VERSION, kind: KIND}
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations: [{expression: "false"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: bound}
spec:
  policyName: by-params
  paramRef: {name: none, parameterNotFoundAction: Allow}
  validationActions: [Deny]
"""


@pytest.mark.parametrize(
    ("version", "kind", "states"),
    [
        pytest.param("v1", "ConfigMap", {"not_evaluated"}, id="never-read"),
        pytest.param(
            "rbac.authorization.k8s.io/v1", "ClusterRole", {"not_evaluated"}, id="refused"
        ),
        pytest.param("v1", "Pod", set(), id="read-and-not-there"),
    ],
)
def test_params_that_nobody_could_read_are_not_known(
    tmp_path: Path, version: str, kind: str, states: set[str]
) -> None:
    policies = BY_PARAMS.replace("VERSION", version).replace("KIND", kind)
    with (
        ApiServer(rbac=True, objects=[READER, BINDING, pod("a")]) as server,
        audited(tmp_path, server, policies, user="ana") as (world, audit),
    ):
        audit.tick()
        assert {one.state for one in violations(world) if one.kind == "Pod"} == states


def test_a_server_that_stops_ends_the_process_that_judges(tmp_path: Path) -> None:
    from tests.server.serving import serving

    with (
        ApiServer(objects=[pod("a")]) as server,
        audited(tmp_path, server, TEMPLATE + CONSTRAINT) as (world, audit),
    ):
        audit.close()
        world.clusters.close()
        with serving(dataclasses.replace(world), jobs=None) as running:
            eventually(lambda: len(violations(running.world)) == 1)
