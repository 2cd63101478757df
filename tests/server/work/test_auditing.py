"""The background audit of a folder as a cluster: what stands, what changes, who is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import KubeError
from haechi.model.access import EVERYWHERE
from haechi.server.settings import Admission, ClusterSettings, ClustersSection
from haechi.server.work.auditing import ClusterAudit, audit_of
from haechi.store.events.shapes import EventFilter
from haechi.store.records import Life
from haechi.store.state.admission_records import AuditCoverage, StateCounts, Violation
from haechi.store.store import Store
from haechi.world.kube.dump import read_dump
from tests.server.api.rig import START, Clock, Rig
from tests.server.serving import local_settings

ALL = (EVERYWHERE,)
TEMPLATE = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needslabel}
spec:
  crd:
    spec:
      names: {kind: NeedsLabel}
      validation:
        openAPIV3Schema: {type: object, properties: {label: {type: string}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package needslabel
        violation[{"msg": msg}] {
          not input.review.object.metadata.labels[input.parameters.label]
          msg := sprintf("%v has no %v", [input.review.name, input.parameters.label])
        }
"""
CONSTRAINT = """
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NeedsLabel
metadata: {name: owner, annotations: {}}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}, {apiGroups: [apps], kinds: [Deployment]}]}
  parameters: {label: owner}
"""
ID = "gatekeeper/NeedsLabel/owner"
RULE = f"policy:{ID}"


def pod(name: str, *, namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"containers": [{"name": "c", "image": "a:1"}]},
    }


def owned(name: str, kind: str, by: str, **more: Any) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": by, "controller": True}
    return pod(name, ownerReferences=[owner], **more)


def deployment(name: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"owner": "x"}}, "spec": pod("x")["spec"]}
    metadata = {"name": name, "namespace": "shop"}
    spec = {"template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


class Folder:
    """A cluster as a folder, its policies as another, and its audit over a real store."""

    def __init__(self, path: Path, policies: str = TEMPLATE + CONSTRAINT) -> None:
        self.path = path
        self.clock = Clock()
        self.dump = path / "dump"
        self.policies = path / "policies"
        for folder in (self.dump, self.policies):
            folder.mkdir(exist_ok=True)
        (self.policies / "all.yaml").write_text(policies)
        self.settings = ClusterSettings(name="east", dump=str(self.dump))
        self.store = Store.open(path / "store", clock=self.clock)
        self.rig = self._rig()
        self.audit = self._audit()

    def _rig(self) -> Rig:
        from haechi.server.run import made_world

        settings = local_settings(
            clusters=ClustersSection(followed=[self.settings]),
            admission=Admission(policies=[str(self.policies)], packs=[], deadline_s=2.0),
        )
        return Rig(
            dataclasses.replace(made_world(self.store, settings), clock=self.clock), self.clock
        )

    def _audit(self) -> ClusterAudit:
        audit = audit_of(self.rig.world, self.settings)

        def read() -> Any:
            found = read_dump(self.dump, "east")
            return found.kept(), found.gaps

        audit._objects._read = read  # type: ignore[attr-defined]
        return audit

    def again(self) -> None:
        """Another server on the same store."""
        self.audit.close()
        self.audit = self._audit()

    def close(self) -> None:
        self.audit.close()
        self.store.close()

    def put(self, *objects: dict[str, Any]) -> None:
        """The whole cluster."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        (self.dump / "all.json").write_text(json.dumps(items))

    def tick(self) -> None:
        self.audit.tick()

    def violations(self, **ask: Any) -> list[Violation]:
        return list(self.store.state.policy_states.each(within=ALL, **ask))

    def counts(self) -> StateCounts:
        found = self.store.state.policy_states.counts(within=ALL)
        places = [
            one for (_, policy), some in found.items() if policy == ID for one in some.values()
        ]
        names = StateCounts.__struct_fields__
        return StateCounts(**{n: sum(getattr(one, n) for one in places) for n in names})

    def coverage(self) -> AuditCoverage:
        return self.store.state.policy_states.coverage(within=ALL)[0]

    def events(self) -> list[Any]:
        page = self.store.events.page(EventFilter(), within=ALL)
        return [one.event for one in page.items][::-1]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.close()


def test_what_is_there_is_judged(folder: Folder) -> None:
    folder.put(pod("good", labels={"owner": "x"}), pod("bad"), pod("worse", namespace="pay"))
    folder.tick()
    assert folder.counts() == StateCounts(passed=1, failed=2)
    found = {(one.namespace, one.name, one.state, one.outcome) for one in folder.violations()}
    assert found == {("shop", "bad", "fail", "denied"), ("pay", "worse", "fail", "denied")}
    coverage = folder.coverage()
    assert (coverage.state, coverage.policies, coverage.objects) == ("idle", 1, 3)
    kinds = {one.type: (one.state, one.objects) for one in coverage.kinds}
    assert kinds == {"core/Pod": ("judged", 3), "apps/Deployment": ("absent", 0)}
    policies = folder.store.state.policies.all(within=ALL)
    assert [(one.info.id, one.origins[0].source) for one in policies] == [(ID, "audit")]


def test_a_change_is_a_new_state_an_event_and_a_finding(folder: Folder) -> None:
    folder.put(pod("a"))
    folder.tick()
    folder.clock.pass_(dt.timedelta(hours=1))
    folder.put(pod("a", labels={"owner": "x"}), pod("b"))
    folder.tick()
    assert [(one.name, one.since) for one in folder.violations()] == [("b", folder.clock())]
    assert folder.counts() == StateCounts(passed=1, failed=1)
    told = [(e.resource[-1], e.fields["policy.outcome"], e.rule) for e in folder.events()]
    assert sorted(told) == [("a", "", ""), ("a", "denied", ""), ("b", "denied", "")]
    found = {one.resource[-1]: one for one in folder.rig.findings()}
    assert {name: one.state for name, one in found.items()} == {"a": Life.FIXED, "b": Life.OPEN}
    assert (found["b"].rule, found["b"].domain, found["b"].severity) == (RULE, "policy", "high")
    assert found["b"].due == START.date() + dt.timedelta(days=30)


def test_nothing_new_is_nothing_told(folder: Folder) -> None:
    folder.put(pod("a"), pod("b", labels={"owner": "x"}))
    folder.tick()
    before = folder.store.state.generation
    folder.tick()
    assert folder.store.state.generation == before
    folder.again()
    folder.tick()
    assert len(folder.events()) == 1
    assert [one.since for one in folder.violations()] == [START]


def test_what_is_gone_is_over(folder: Folder) -> None:
    folder.put(pod("a"), pod("b", labels={"owner": "x"}))
    folder.tick()
    folder.put()
    folder.tick()
    assert folder.violations() == []
    assert folder.counts() == StateCounts()


def test_a_waiver_of_the_store_counts(folder: Folder) -> None:
    folder.put(pod("a"), pod("b"))
    folder.tick()
    made = folder.rig.call("waivers.create", _waiver(folder, resource="Pod shop/a"))
    folder.audit._waivers_changed.set()
    folder.tick()
    assert folder.counts() == StateCounts(failed=1, waived=1)
    states = {one.name: (one.state, one.outcome, one.waiver) for one in folder.violations()}
    assert states["a"] == ("fail", "waived", made.id)
    assert states["b"][1] == "denied"
    found = {one.resource[-1]: one.state for one in folder.rig.findings()}
    assert found == {"a": Life.WAIVED, "b": Life.OPEN}


def test_a_waiver_ends_with_its_day(folder: Folder) -> None:
    folder.put(pod("a"))
    folder.rig.call("waivers.create", _waiver(folder, resource="Pod shop/a"))
    folder.tick()
    assert folder.counts() == StateCounts(waived=1)
    folder.clock.pass_(dt.timedelta(days=10))
    folder.tick()
    assert folder.counts() == StateCounts(failed=1)


def _waiver(folder: Folder, **more: Any) -> Any:
    from haechi.server.shapes import WaiverRequest

    expires = folder.clock().date() + dt.timedelta(days=9)
    return WaiverRequest(
        rule=RULE, reason="nobody can reach it", owner="ann", expires=expires, **more
    )


def test_an_owner_that_fails_the_same_is_told_alone(folder: Folder) -> None:
    bare = deployment("cart")
    folder.put(
        bare,
        owned("cart-1", "Deployment", "cart"),
        owned("lone", "ReplicaSet", "gone"),
    )
    folder.tick()
    assert len({one.name for one in folder.violations()}) == 3
    assert {one.label for one in folder.rig.findings()} == {
        "Deployment shop/cart",
        "Pod shop/lone",
    }


ROLLOUT = """
---
apiVersion: haechi.dev/v1alpha1
kind: PolicyRollout
metadata: {name: owners}
spec:
  policies: ["gatekeeper/NeedsLabel/*"]
  stages: [{stage: new, from: 2026-01-01}]
"""


def test_new_pods_of_an_old_workload_are_told_as_at_the_door(tmp_path: Path) -> None:
    folder = Folder(tmp_path, TEMPLATE + CONSTRAINT + ROLLOUT)
    try:
        old = {"creationTimestamp": "2025-06-01T00:00:00Z", "uid": "u1"}
        new = {"creationTimestamp": "2026-06-01T00:00:00Z"}
        workload = {**deployment("cart"), "kind": "StatefulSet"}
        workload["metadata"] |= {**old, "labels": {"owner": "x"}}
        one = owned("cart-0", "StatefulSet", "cart", **new)
        one["metadata"]["ownerReferences"][0]["uid"] = "u1"
        folder.put(workload, one, pod("alone", **new))
        folder.tick()
        found = {one.name: one.outcome for one in folder.violations()}
        assert found == {"cart-0": "warned", "alone": "denied"}
        whole = folder.audit._whole_at
        workload["metadata"]["labels"] = {"owner": "y"}
        folder.put(workload, one, pod("alone", **new))
        folder.tick()
        assert folder.audit._whole_at == whole, "owners that change are told, no more"
    finally:
        folder.close()


def test_violations_of_a_marked_policy_are_incidents_but_not_those_that_were_there(
    tmp_path: Path,
) -> None:
    marked = CONSTRAINT.replace("annotations: {}", 'annotations: {haechi.dev/incident: "true"}')
    folder = Folder(tmp_path, TEMPLATE + marked)
    try:
        folder.put(pod("old"))
        folder.tick()
        folder.put(pod("old"), pod("new"))
        folder.tick()
        assert [(e.resource[-3:], e.source, e.rule) for e in folder.events()] == [
            ("old", "admission", ""),
            ("new", "admission", ""),
            ("new", "haechi", "NeedsLabel"),
        ]
        folder.rig.world.correlating.drain(folder.rig.world)
        incidents = folder.rig.call("incidents.list").items
        assert [one.resource for one in incidents] == ["k8s:east/core/Pod/shop/new"]
    finally:
        folder.close()


@pytest.mark.parametrize("again", [False, True], ids=["the process", "the server"])
def test_what_ends_in_the_first_round_tells_no_incidents_of_what_was_there(
    tmp_path: Path, again: bool
) -> None:
    marked = CONSTRAINT.replace("annotations: {}", 'annotations: {haechi.dev/incident: "true"}')
    folder = Folder(tmp_path, TEMPLATE + marked)
    try:
        folder.put(pod("old"))
        judged, audit = folder.audit._judged, folder.audit

        def killed(*given: Any, **more: Any) -> None:
            assert audit._process is not None
            os.kill(audit._process.pid, signal.SIGKILL)
            judged(*given, **more)

        audit._judged = killed  # type: ignore[method-assign]
        with pytest.raises(KubeError):
            folder.tick()
        audit._failed("killed")
        audit._judged = judged  # type: ignore[method-assign]
        if again:
            folder.again()
        folder.tick()
        assert [one.source for one in folder.events()] == ["admission"]
        [policy] = folder.store.state.policies.all(within=ALL)
        assert policy.origins[0].generation == folder.coverage().generation != ""
    finally:
        folder.close()


@pytest.mark.parametrize("name", ["a" * 253, "a" * 3_000, "n\0b", "x/y", "\u202eé"], ids=range(5))
def test_objects_of_any_name_come_change_and_go(folder: Folder, name: str) -> None:
    one = pod(name, labels={"ключ": "знач"})
    folder.put(one, pod("b"))
    folder.tick()
    assert folder.counts() == StateCounts(failed=2)
    one["metadata"]["labels"] = {"x": "y"}
    folder.put(one, pod("b"))
    folder.tick()
    folder.put(pod("b"))
    folder.tick()
    assert [found.name for found in folder.violations()] == ["b"]


def test_kinds_that_are_never_read_are_not_evaluated(tmp_path: Path) -> None:
    secrets = CONSTRAINT.replace("kinds: [Pod]", "kinds: [Pod, Secret]")
    folder = Folder(tmp_path, TEMPLATE + secrets)
    try:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {}}
        folder.put(pod("a", labels={"owner": "x"}), secret)
        folder.tick()
        assert [(one.kind, one.name, one.state) for one in folder.violations()] == [
            ("Secret", "*", "not_evaluated")
        ]
        assert folder.counts() == StateCounts(passed=1, not_evaluated=1)
        kinds = {one.type: one.state for one in folder.coverage().kinds}
        assert kinds["core/Secret"] == "not_evaluated"
    finally:
        folder.close()


def test_a_policy_that_fails_is_an_error_and_fixes_nothing(folder: Folder) -> None:
    folder.put(pod("a"))
    folder.tick()
    endless = TEMPLATE.replace(
        "not input.review",
        "count([1 | numbers.range(1, 20000)[_]; numbers.range(1, 20000)[_]; "
        "numbers.range(1, 20000)[_]]) > 0\n          not input.review",
    )
    (folder.policies / "all.yaml").write_text(endless + CONSTRAINT)
    folder.tick()
    assert [one.state for one in folder.violations()] == ["error"]
    assert folder.counts() == StateCounts(error=1)
    assert [one.state for one in folder.rig.findings()] == [Life.OPEN]


def test_policies_of_the_cluster_count_and_dead_ones_are_faults(tmp_path: Path) -> None:
    import yaml

    folder = Folder(tmp_path, "")
    try:
        documents = [one for one in yaml.safe_load_all(TEMPLATE + CONSTRAINT) if one]
        folder.put(*documents, pod("a"))
        folder.tick()
        assert folder.counts() == StateCounts(failed=1)
        documents[1]["kind"] = "NeedsLabels"
        folder.put(*documents, pod("a"))
        folder.tick()
        assert folder.violations() == []
        faults = folder.store.state.policies.faults(within=ALL)
        assert any("NeedsLabels" in one.fault.what for one in faults)
    finally:
        folder.close()


def test_a_folder_of_policies_that_cannot_be_read_changes_nothing(folder: Folder) -> None:
    folder.put(pod("a"))
    folder.tick()
    folder.policies.rename(folder.path / "elsewhere")
    folder.tick()
    assert len(folder.violations()) == 1
    assert str(folder.policies) in folder.coverage().why


def test_words_of_verdicts_hold_no_secrets_of_the_object(tmp_path: Path) -> None:
    quoting = TEMPLATE.replace(
        'sprintf("%v has no %v", [input.review.name, input.parameters.label])',
        "input.review.object.spec.containers[0].env[0].value",
    )
    folder = Folder(tmp_path, quoting + CONSTRAINT)
    try:
        body = pod("a")
        env = [{"name": "DB_PASSWORD", "value": "hunter2-long"}]
        body["spec"]["containers"][0]["env"] = env
        folder.put(body)
        folder.tick()
        assert [one.message for one in folder.violations()] == ["***"]
    finally:
        folder.close()
