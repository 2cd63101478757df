"""A store with rows of several clusters and namespaces, each marked with where it belongs, and
the whole API asked about it as anybody.

What is in a place carries its mark in every text that may hold one, so an answer that holds a
foreign mark has leaked; and a store that holds some places only tells what answers would be like
if the others did not exist.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx
import msgspec

from haechi.model.access import Grant, Principal, Reach, Role
from haechi.model.scan import SCHEMA as REPORT
from haechi.server.api import all_operations
from haechi.server.app import build_app
from haechi.server.world import World
from tests.server.api.rig import START, rig
from tests.server.serving import by_word

URL = "http://127.0.0.1:8420"
RULE = "k8s-privileged"


class Place(NamedTuple):
    """A namespace of a cluster; ``-`` is what has none."""

    cluster: str
    namespace: str

    @property
    def mark(self) -> str:
        """Stands in every text of what is there, and nowhere else."""
        return f"zq{self.cluster}{self.namespace.replace('-', 'none')}zq"

    def fingerprint(self, number: int) -> str:
        """Of its finding with this number."""
        return hashlib.blake2b(f"{self.mark}{number}".encode(), digest_size=16).hexdigest()

    @property
    def key(self) -> str:
        """A workload there."""
        return f"k8s:{self.cluster}/apps/Deployment/{self.namespace}/{self.mark}"


CLUSTERS = ("east", "west")
EVERYWHERE = tuple(
    Place(cluster, namespace) for cluster in CLUSTERS for namespace in ("shop", "pay", "-")
)
HOME = Place("east", "shop")


def holder(name: str, *reaches: tuple[str, str], role: Role = Role.APPROVER) -> Principal:
    """Somebody with one role in some rectangles."""
    return Principal(
        id=f"token:{name}",
        name=name,
        grants=tuple(
            Grant(role=role, reach=Reach(cluster=cluster, namespace=namespace))
            for cluster, namespace in reaches
        ),
    )


ADMIN = holder("admin", ("*", "*"), role=Role.ADMIN)


class Asker:
    """Asks the real application; the principal is the word after Bearer."""

    def __init__(self, world: World, principals: Iterable[Principal]) -> None:
        self.world = world
        known = {one.name: one for one in (*principals, ADMIN)}
        self.app = build_app(world, operations=all_operations(), authenticate=by_word(known))
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()
        self.app.close()

    def ask(
        self, method: str, path: str, *, who: str, body: Any = None, accept: str = ""
    ) -> httpx.Response:
        """One answer."""
        headers = {"authorization": f"Bearer {who}"}
        content: bytes | None = None
        if accept:
            headers["accept"] = accept
        if body is not None:
            raw = isinstance(body, bytes)
            headers["content-type"] = "application/x-ndjson" if raw else "application/json"
            content = body if raw else msgspec.json.encode(body)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=cast("Any", self.app))
            async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
                return await client.request(
                    method, f"/api/v1{path}", headers=headers, content=content
                )

        return self._runner.run(send())


@contextmanager
def filled(
    folder: Path, places: Iterable[Place], principals: Iterable[Principal]
) -> Iterator[Asker]:
    """A store with what is in these places."""
    listed = list(places)
    with rig(folder) as made:
        asker = Asker(made.world, principals)
        try:
            _fill(asker, listed)
            yield asker
        finally:
            asker.close()


def _fill(asker: Asker, places: list[Place]) -> None:
    for cluster in CLUSTERS:  # that somebody looked is no secret of a place
        there = [place for place in places if place.cluster == cluster]
        _told(asker.ask("POST", "/scans", who="admin", body=push(cluster, there)))
    events = b"\n".join(msgspec.json.encode(one) for place in places for one in events_of(place))
    _told(asker.ask("POST", "/events", who="admin", body=events))
    _told(asker.ask("PUT", "/runtime/files/saved.yaml", who="admin", body={"text": RUNTIME_RULE}))
    for cluster in CLUSTERS:
        there = [place for place in places if place.cluster == cluster]
        _told(
            asker.ask("POST", "/admission/decisions", who="admin", body=decisions(cluster, there))
        )
        _audited(asker.world, cluster, there)
    for place in places:
        _told(asker.ask("POST", "/events", who="admin", body=msgspec.json.encode(started(place))))
        path = f"/feeds/falco?cluster={place.cluster}"
        _told(asker.ask("POST", path, who="admin", body=msgspec.json.encode(alert(place))))
        refused = asker.ask("POST", path, who="admin", body=f'{{"bad": "{place.mark}"}}'.encode())
        assert refused.json()["refused"], refused.text
    asker.app.world.correlating.drain(asker.app.world)
    for place in places:
        _told(asker.ask("POST", "/waivers", who="admin", body=waiver_of(place)))
        asked = {"kind": "evidence_snapshot", "resource": place.key, "note": place.mark}
        _told(asker.ask("POST", "/responses", who="admin", body=asked))
    wide = {**waiver_of(HOME), "reason": "accepted everywhere", "owner": "team", "reach": {}}
    wide |= {"fingerprints": [], "path": "*/file2.yaml"}
    _told(asker.ask("POST", "/waivers", who="admin", body=wide))


def _told(answer: httpx.Response) -> None:
    assert answer.status_code in (200, 201), answer.text
    assert not answer.json().get("refused"), answer.text


def decisions(cluster: str, places: list[Place], number: int = 1) -> dict[str, Any]:
    """What a webhook of the cluster tells: one refusal in each place."""
    at = int(START.timestamp()) - 120
    return {
        "schema": "haechi.decisions/1",
        "cluster": cluster,
        "replica": f"zq{cluster}srczq",
        "run": "r",
        "number": number,
        "state": {
            "ready": True,
            "policies": [{"id": "shared", "family": "vap", "name": "s", "title": "Shared"}],
            "faults": [],
        },
        "records": [
            {
                "uid": f"{place.mark}-{number}",
                "at_ns": at * 10**9,
                "operation": "CREATE",
                "kind": "Pod",
                "namespace": place.namespace.replace("-", ""),
                "name": place.mark,
                "user": f"user-{place.mark}",
                "allowed": False,
                "outcome": "denied",
                "message": f"Refused {place.mark}",
                "verdicts": [{"policy": "shared", "state": "fail", "message": place.mark}],
                "review_missing": "off",
            }
            for place in places
        ],
        "tallies": [
            {
                "minute": at // 60,
                "policy": policy,
                "namespace": place.namespace.replace("-", ""),
                "outcome": "denied",
                "count": EVERYWHERE.index(place) + 1,
            }
            for place in places
            for policy in ("", "shared")
        ],
        "latencies": [{"minute": at // 60, "buckets": [0] * 18 + [1], "sum_us": 5}],
    }


def _audited(world: World, cluster: str, places: list[Place]) -> None:
    """What the background audit says of each place."""
    from haechi.store.state.admission_records import AuditCoverage
    from haechi.store.state.policy_states import Said

    said = [
        Said(
            namespace=place.namespace,
            object=place.key,
            kind="Deployment",
            name=place.mark,
            policy="shared",
            rule="r",
            state="fail",
            outcome="denied",
            message=place.mark,
        )
        for place in places
    ]
    counts = {("shared", place.namespace, "fail"): EVERYWHERE.index(place) + 1 for place in places}
    states = world.store.state.policy_states
    states.keep(cluster, said, objects=None, counts=counts)
    states.tell(AuditCoverage(cluster=cluster, state="idle", gaps=[f"zq{cluster}srczq"]))


def push(cluster: str, places: list[Place]) -> dict[str, Any]:
    """What a scan of the cluster's repository found in these places."""
    return {
        "schema": "haechi.push/1",
        "origin": {
            "repository": f"https://git.example/zq{cluster}srczq",
            "ref": "main",
            "commit": "c0ffee",
            "cluster": cluster,
        },
        "scope": {"domains": ["iac", "secrets"]},
        "report": {
            "schema": REPORT,
            "tool": {"version": "1"},
            "scope": {"started": START.isoformat(), "duration_s": 1.5},
            "summary": {"answer": "open", "risks": _risks(places)},
            "coverage": {
                "looked": {place.mark: 1 for place in places},
                "gaps": [
                    {"kind": "file", "path": f"{place.mark}/x.yaml", "reason": place.mark}
                    for place in places
                ],
            },
            "findings": [one for place in places for one in findings_of(place)],
        },
        "resources": [one for place in places for one in _resources(place)],
        "edges": _edges(places),
        "rules": [],
    }


def findings_of(place: Place) -> list[dict[str, Any]]:
    """Four in each place: by two rules, one overdue, one that the waiver covers."""
    mark = place.mark
    return [
        {
            "rule": RULE if number % 2 else "acme-rule",
            "severity": ("critical", "high", "medium", "low")[number],
            "fingerprint": place.fingerprint(number),
            "title": f"Title {mark}",
            "message": f"Message {mark}",
            "location": {"path": f"{mark}/file{number}.yaml", "line": number + 1},
            "resource": place.key if place.namespace != "-" else f"file:{mark}/file.yaml",
            "label": f"Deployment {mark}",
            "attribute": f"spec.{mark}",
            "domain": "iac",
            "tags": [mark],
            "cwe": ["CWE-250"],
            "owner": f"team-{mark}",
            "due": str(START.date() + dt.timedelta(days=30 * number - 10)),
            "evidence": {"value": mark},
        }
        for number in range(4)
    ]


def _risks(places: list[Place]) -> list[dict[str, Any]]:
    """One sentence within each place, and one that leads through all of them."""
    alone = [_risk(place.mark, [place], EVERYWHERE.index(place)) for place in places]
    return [*alone, _risk("".join(place.mark for place in places), places, 50)]


def _risk(mark: str, places: list[Place], number: int) -> dict[str, Any]:
    where = {"path": f"{mark}/file0.yaml", "line": 1}
    return {
        "score": 50.0 + number / 10,
        "severity": "critical",
        "sentence": f"Sentence {mark}",
        "change": f"Change {mark}",
        "location": where,
        "steps": [{"text": f"Step {mark}", "location": where}],
        "findings": [place.fingerprint(0) for place in places],
    }


def _resources(place: Place) -> list[dict[str, Any]]:
    mark = place.mark
    common = {"cluster": place.cluster, "namespace": place.namespace, "file": f"{mark}/f.yaml"}
    return [
        {
            "key": place.key,
            "kind": "Deployment",
            "name": mark,
            "owner": f"team-{mark}",
            "attributes": {"fact": mark, "replicas": 2},
            **common,
        },
        {
            "key": place.key.replace("Deployment", "Service"),
            "kind": "Service",
            "name": mark,
            **common,
        },
    ]


def _edges(places: list[Place]) -> list[dict[str, str]]:
    """Within each place, and from every foreign place into the one that is asked about."""
    inner = [
        {"src": place.key.replace("Deployment", "Service"), "kind": "selects", "dst": place.key}
        for place in places
    ]
    across = [
        {"src": place.key, "kind": "uses", "dst": HOME.key} for place in places if place != HOME
    ]
    return inner + across


def events_of(place: Place) -> list[dict[str, Any]]:
    """Three in each place; one of a rule and source that only this place has."""
    mark = place.mark
    second = int(START.timestamp()) - 600
    return [
        {
            "id": f"{mark}-{number}",
            "ts_ns": (second + number) * 10**9,
            "source": "falco" if number else f"sensor-{mark}",
            "type": "syscall",
            "cluster": place.cluster,
            "namespace": place.namespace,
            "node": f"node-{mark}",
            "resource": place.key,
            "rule": f"Rule {mark}" if number else "Shared rule",
            "priority": "critical",
            "message": f"Message {mark}",
            "fields": {"proc.name": mark},
        }
        for number in range(3)
    ]


RUNTIME_RULE = """
- rule: zq fired
  desc: a program of ours was started
  condition: evt.type = execve and proc.name startswith zq
  output: started %proc.name
  priority: WARNING
"""
"""Holds for ``started``."""


def started(place: Place) -> dict[str, Any]:
    """A program was started there."""
    return {
        "id": f"{place.mark}-exec",
        "ts_ns": (int(START.timestamp()) - 300) * 10**9,
        "source": "sensor",
        "type": "execve",
        "cluster": place.cluster,
        "namespace": place.namespace,
        "fields": {
            "proc.name": place.mark,
            "proc.exepath": f"/bin/{place.mark}",
            "proc.pexepath": f"/sbin/{place.mark}",
        },
    }


def alert(place: Place) -> dict[str, Any]:
    """As Falco sends it."""
    namespace = {} if place.namespace == "-" else {"k8s.ns.name": place.namespace}
    return {
        "time": (START - dt.timedelta(minutes=4)).isoformat(),
        "rule": f"Falco {place.mark}",
        "priority": "Warning",
        "source": "syscall",
        "output": f"Output {place.mark}",
        "output_fields": {"proc.name": place.mark, "evt.type": "open", **namespace},
    }


def waiver_of(place: Place) -> dict[str, Any]:
    """Covers one finding of the place."""
    return {
        "reason": f"accepted for {place.mark}",
        "owner": f"team-{place.mark}",
        "expires": str(START.date() + dt.timedelta(days=30)),
        "fingerprints": [place.fingerprint(3)],
        "reach": {"cluster": place.cluster, "namespace": place.namespace},
    }
