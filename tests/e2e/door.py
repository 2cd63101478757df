"""A server that follows the sample cluster (read from its folder) and judges it by the sample
policies, and heard from a webhook: what it tells was judged by the same policies, by the engine
that a webhook uses, and is sent the way a webhook sends it."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from haechi.admit.decide import decide
from haechi.admit.load import load_policies
from haechi.admit.policies import PolicySet
from haechi.admit.recording import Tallies, by_policy, outcome, record_of
from haechi.admit.reviews import review_of_request
from haechi.admit.view import ObjectsView
from haechi.model.decision_record import (
    SCHEMA,
    DecisionBatch,
    DecisionRecord,
    Outcome,
    Tally,
    WebhookState,
)
from haechi.model.resource import Resource
from haechi.server.auth import ensure_admin
from haechi.server.settings import Admission, ClusterSettings, ClustersSection
from haechi.world.manifests import read_manifests
from tests.e2e.attacked import until
from tests.e2e.site import Site
from tests.server.serving import local_settings, real_world, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
CLUSTER = "prod"
SECRET = "hunter2-in-the-clear"
HOSTILE = "<img src=x onerror=alert(1)> \u202e</script>"


@dataclass
class Door(Site):
    """``policies`` are those at the door, ``view`` what is in the cluster."""

    policies: PolicySet = field(kw_only=True)
    view: ObjectsView = field(kw_only=True)
    objects: tuple[Resource, ...] = field(kw_only=True)
    number: int = field(default=0, kw_only=True)

    def tell(self, requests: list[dict[str, Any]], *, ready: bool = True) -> list[DecisionRecord]:
        """Judge the requests, the newest last, and tell the server as a webhook does."""
        now, tallies, records = time.time_ns(), Tallies(), []
        for at, request in enumerate(requests):
            review = review_of_request(request, self.view)
            began = time.perf_counter_ns()
            verdicts = self.policies.review(review, self.view)
            decision = decide(verdicts, review, generation=self.policies.generation)
            took = (time.perf_counter_ns() - began) // 1000
            at_ns = now - (len(requests) - at) * 40 * 10**9
            tallies.add(
                by_policy(decision),
                outcome(decision),
                str(request.get("namespace", "")),
                at_ns=at_ns,
                duration_us=took,
            )
            records.append(record_of(decision, review, at_ns=at_ns, duration_us=took))
        self.number += 1
        counts, latencies = tallies.take()
        self._send(
            DecisionBatch(
                schema=SCHEMA,
                cluster=CLUSTER,
                replica="webhook-7d9f",
                run="run-1",
                number=self.number,
                state=self._state(ready),
                records=tuple(records),
                tallies=(*counts, *self._day(now)),
                latencies=latencies,
            )
        )
        return records

    def _day(self, now: int) -> Iterator[Tally]:
        """What was let in without a word during the last day, counted only."""
        minute = now // 60_000_000_000
        for back in range(0, 1_380, 10):
            count = 20 + (back * 7) % 23
            yield Tally(
                minute=minute - back, namespace="shop", outcome=Outcome.ALLOWED, count=count
            )

    def _state(self, ready: bool) -> WebhookState:
        return WebhookState(
            ready=ready,
            why="" if ready else "the API server does not trust the served chain",
            version="1.0.0",
            generation=self.policies.generation,
            source="examples/policies",
            started_ns=time.time_ns() - 3_600 * 10**9,
            policies=tuple(policy.info for policy in self.policies.policies),
            faults=self.policies.faults,
        )

    def _send(self, batch: DecisionBatch) -> None:
        answer = self.ask("POST", "/admission/decisions", msgspec.json.encode(batch))
        assert not answer["refused"], answer

    def requests(self) -> list[dict[str, Any]]:
        """The workloads of the shop as they are, and worse."""
        made: list[dict[str, Any]] = []
        for one in self.objects:
            if one.kind in ("Deployment", "StatefulSet", "DaemonSet", "Pod"):
                made.append(request(one.data, "CREATE", f"u-{len(made)}"))
        (cart,) = (one for one in self.objects if one.kind == "Deployment" and one.name == "cart")
        made += [
            request(spoilt(cart.data, at), "UPDATE", f"s-{at}", user="ana@shop.example")
            for at in range(12)
        ]
        (pod, *_) = (one for one in self.objects if one.kind == "Pod" and one.namespace == "shop")
        made += [
            request(taking(pod.data, at), "CREATE", f"p-{at}", user=HOSTILE) for at in range(8)
        ]
        return made


def request(
    body: Any, operation: str, uid: str, user: str = "system:serviceaccount:ci:deployer"
) -> Any:
    """``AdmissionReview.request`` about an object."""
    group, _, version = body["apiVersion"].rpartition("/")
    meta = body["metadata"]
    return {
        "uid": uid,
        "kind": {"group": group, "version": version, "kind": body["kind"]},
        "resource": {"group": group, "version": version, "resource": f"{body['kind'].lower()}s"},
        "name": meta["name"],
        "namespace": meta.get("namespace", ""),
        "operation": operation,
        "userInfo": {"username": user, "groups": ["system:authenticated"]},
        "object": body,
        "oldObject": body if operation == "UPDATE" else None,
        "dryRun": uid.endswith("-3"),
    }


def spoilt(body: Any, number: int) -> Any:
    """A workload from elsewhere, by a tag that moves, with a password in its environment."""
    made = copy.deepcopy(body)
    made["metadata"]["name"] = f"cart-{number}"
    made["metadata"].pop("creationTimestamp", None)
    (container, *_) = made["spec"]["template"]["spec"]["containers"]
    container["image"] = f"docker.io/somebody/cart:{('latest', 'v1')[number % 2]}"
    container["env"] = [{"name": "DB_PASSWORD", "value": SECRET}]
    return made


def taking(body: Any, number: int) -> Any:
    """A pod that takes the node."""
    made = copy.deepcopy(body)
    made["metadata"]["name"] = f"debug-{number}"
    made["metadata"].pop("ownerReferences", None)
    made["metadata"].pop("creationTimestamp", None)
    made["spec"]["hostNetwork"] = True
    made["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    return made


@contextmanager
def door_site(folder: Path) -> Iterator[Door]:
    """A server with decisions and an audit that is through."""
    settings = local_settings(
        clusters=ClustersSection(
            followed=[ClusterSettings(name=CLUSTER, dump=str(EXAMPLES / "cluster"))]
        ),
        admission=Admission(policies=[str(EXAMPLES / "policies")]),
    )
    documents = read_manifests([EXAMPLES / "policies"]).resources
    objects = read_manifests([EXAMPLES / "cluster"]).resources
    with real_world(folder / "store", settings) as world, serving(world, jobs=None) as running:
        token = ensure_admin(world.store.state)
        assert token
        site = Door(
            running=running,
            shop=folder,
            token=token,
            viewer="",
            policies=load_policies(documents),
            view=ObjectsView.of((*objects, *documents)),
            objects=objects,
        )
        site.tell(site.requests())
        until(lambda: audited(site), "the audit")
        yield site


def audited(site: Door) -> bool:
    """The audit has judged everything once."""
    items = site.ask("GET", "/admission/coverage")["items"]
    return bool(items) and items[0]["state"] == "idle" and items[0]["objects"] > 0
