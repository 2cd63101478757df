"""The background audit over ten thousand pods: what a look at all costs, and what one change does.

A cluster of pods (those of ``bench kube``, one in ten with faults) is judged by the built-in pack,
by a Gatekeeper constraint, or by ``--policies``. The server's own part (finding what is new, the
state, events, findings) and that of the process that judges are told apart.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.kube import a_pod
from haechi.model.access import EVERYWHERE
from haechi.server.run import made_world
from haechi.server.settings import Admission, ClusterSettings, ClustersSection, Listen, Settings
from haechi.server.work.auditing import ClusterAudit, audit_of
from haechi.store.store import Store
from haechi.world.kube.cluster import Frozen, Kept, kept_of

CONSTRAINT = """
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
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NeedsLabel
metadata: {name: owner}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
  parameters: {label: owner}
"""


def pods(number: int) -> list[Kept]:
    """A cluster, as it is kept."""
    made = []
    for place in range(number):
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", **a_pod(place)}
        body["metadata"].pop("ownerReferences")
        if place % 10:
            body["metadata"]["labels"]["owner"] = "team"
        else:
            body["spec"]["hostNetwork"] = True
        one = kept_of(body)
        assert one is not None
        made.append(one)
    return made


class Cluster:
    """What the audit reads."""

    def __init__(self, kept: list[Kept]) -> None:
        self.kept = kept

    def frozen(self, name: str) -> Frozen:
        """As the server has it."""
        import datetime as dt

        return Frozen(name, "dump", dt.datetime.now(dt.UTC), self.kept)


@contextlib.contextmanager
def auditing(cluster: Cluster, policies: Sequence[str], packs: list[str]) -> Iterator[ClusterAudit]:
    """An audit over a store in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            listen=Listen(port=0),
            clusters=ClustersSection(followed=[ClusterSettings(name="bench", dump=folder)]),
            admission=Admission(policies=list(policies), packs=packs),
        )
        store = Store.open(Path(folder) / "store")
        world = made_world(store, settings)
        world.clusters.cluster = cluster.frozen  # type: ignore[method-assign]
        audit = audit_of(world, settings.clusters.followed[0])
        try:
            yield audit
        finally:
            audit.close()
            store.close()


def memory(pid: int | str) -> float:
    """MB that a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def own_cpu() -> float:
    """Of this process alone."""
    times = os.times()
    return times.user + times.system


def measured(name: str, kept: list[Kept], policies: Sequence[str], packs: list[str]) -> None:
    """One line for the whole, one for a change."""
    cluster = Cluster(kept)
    before = memory("self")
    with auditing(cluster, policies, packs) as audit:
        began, cpu = time.monotonic(), own_cpu()
        audit.tick()
        took, cpu = time.monotonic() - began, own_cpu() - cpu
        process, told = audit._process, audit._coverage
        assert process is not None
        counts = audit._world.store.state.policy_states.counts(within=(EVERYWHERE,))
        failed = sum(one.failed for some in counts.values() for one in some.values())
        print(
            f"  {name:12} {told.policies:3} policies  {told.objects:7,} objects"
            f"  {failed:7,} fail  wall {took:5.1f} s  server CPU {cpu:5.2f} s"
            f"  judging CPU {told.cpu_s or 0:5.2f} s"
            f"  server +{memory('self') - before:4.0f} MB  process {memory(process.pid):4.0f} MB"
        )
        changed = kept_of({"apiVersion": "v1", "kind": "Pod", **a_pod(len(kept) + 1)})
        assert changed is not None
        cluster.kept = [*kept, changed]
        began, cpu = time.monotonic(), own_cpu()
        audit.tick()
        took, cpu = time.monotonic() - began, own_cpu() - cpu
        print(
            f"  {'':12} one pod more: wall {1000 * took:5.0f} ms  server CPU {1000 * cpu:4.0f} ms"
        )
        began, cpu = time.monotonic(), own_cpu()
        audit.tick()
        print(f"  {'':12} nothing new: server CPU {1000 * (own_cpu() - cpu):4.0f} ms")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--policies", action="append", default=[], help="a folder of policies")
    options = parser.parse_args(arguments)
    kept = pods(options.pods)
    size = sum(len(one.body) for one in kept)
    print(f"{len(kept):,} pods, {size / 1e6:.0f} MB of JSON")
    if options.policies:
        measured("yours", kept, options.policies, [])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "constraint.yaml").write_text(CONSTRAINT)
        measured("constraint", kept, [folder], [])
    measured("sensible", kept, [], ["sensible"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
