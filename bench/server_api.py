"""How long the handlers of the API take over 50,000 findings: p50 and p95 of each, in this
process, without HTTP (./dev bench store measures the server as a client meets it).

    python -m bench.server_api --findings 50000 --events 200000 --rounds 40
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from haechi.model.access import Grant, Principal, Role
from haechi.model.event import Event
from haechi.model.push import SCHEMA, Origin, Push, PushedResource, PushScope
from haechi.model.scan import SCHEMA as REPORT
from haechi.rules.catalogue import load_catalogue
from haechi.server.api import all_operations
from haechi.server.endpoint import Answer, Call
from haechi.server.live import Hub
from haechi.server.settings import Settings
from haechi.server.shapes import FindingPatch
from haechi.server.world import World
from haechi.store.store import Store

ADMIN = Principal(id="user:bench", name="bench", grants=(Grant(role=Role.ADMIN),))
SEVERITIES = ("critical", "high", "high", "medium", "medium", "medium", "low", "low", "info")
WORDS = ("container", "runs", "privileged", "token", "image", "without", "digest", "host", "secret")
OWNERS = ("@shop/platform", "@shop/checkout", "@shop/web", None)
PER_SCAN = 2_500


class Desk:
    """Calls the handlers as the server does."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.operations = {one.id: one for one in all_operations()}

    def call(self, operation: str, body: Any = None, **query: Any) -> Any:
        one = self.operations[operation]
        given = one.handler(
            Call(
                principal=ADMIN,
                within=ADMIN.within(),
                params=query.pop("params", {}),
                query=one.query(**query) if one.query else None,
                body=body,
                world=self.world,
                now=self.world.clock(),
                url="http://127.0.0.1:8420",
                address="127.0.0.1",
            )
        )
        return given.value if isinstance(given, Answer) else given


def main(arguments: list[str]) -> int:
    """Print a line for each handler."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=40)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as folder:
        store = Store.open(Path(folder) / "store")
        try:
            desk = Desk(_world(store))
            _fill(desk, asked.findings, asked.events)
            for one in _questions(desk):
                _print(desk, one, asked.rounds)
        finally:
            store.close()
    return 0


def _world(store: Store) -> World:
    return World(
        store=store,
        catalogue=load_catalogue(),
        settings=Settings(),
        hub=Hub(),
        clock=lambda: dt.datetime.now(dt.UTC),
        started=dt.datetime.now(dt.UTC),
    )


class Question(NamedTuple):
    """``after_commit``: asked right after a commit, when nothing that is remembered holds."""

    name: str
    operation: str
    query: Mapping[str, Any] = MappingProxyType({})
    after_commit: bool = False


def _questions(desk: Desk) -> Iterator[Question]:
    page = desk.call("findings.list", limit=100)
    some = page.items[0]
    yield Question("now, remembered", "now.show")
    yield Question("now, after a commit", "now.show", after_commit=True)
    yield Question("findings: first 100", "findings.list")
    yield Question("findings: second 100", "findings.list", {"cursor": page.next})
    yield Question("findings: sorted by due", "findings.list", {"sort": "due"})
    yield Question("findings: of a rule", "findings.list", {"rule": [some.rule]})
    yield Question("findings: text search", "findings.list", {"text": "without digest 7"})
    yield Question("findings: facets, remembered", "findings.facets")
    yield Question("findings: facets, after a commit", "findings.facets", after_commit=True)
    yield Question("findings: groups by rule", "findings.groups", {"by": "rule"})
    yield Question("findings: groups by resource", "findings.groups", {"by": "resource"})
    yield Question("findings: one", "findings.show", {"params": {"id": some.id}})
    yield Question("rules: list, after a commit", "rules.list", after_commit=True)
    yield Question("rules: text search", "rules.list", {"text": "privileged"})
    yield Question("resources: first 100", "resources.list")
    yield Question("resources: one", "resources.show", {"key": some.resource})
    yield Question("scans: list", "scans.list")
    yield Question("events: first 100", "events.list")
    yield Question("events: series of a day", "events.series", {"by": "rule"})
    yield Question("audit: first 100", "audit.list")


def _print(desk: Desk, one: Question, rounds: int) -> None:
    took = []
    for number in range(rounds):
        if one.after_commit:
            _commit(desk, number)
        started = time.perf_counter()
        desk.call(one.operation, **one.query)
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    p95 = took[min(len(took) - 1, int(len(took) * 0.95))]
    print(f"{one.name:34} p50 {statistics.median(took):8.1f} ms   p95 {p95:8.1f} ms", flush=True)


def _commit(desk: Desk, number: int) -> None:
    """Somebody tends a finding."""
    page = desk.call("findings.list", limit=1)
    patch = FindingPatch(owner=f"@somebody-{number}")
    desk.call("findings.tend", patch, params={"id": page.items[0].id})


def _fill(desk: Desk, findings: int, events: int) -> None:
    chance = random.Random(4)  # noqa: S311
    started = time.perf_counter()
    for push in pushes(findings):
        desk.call("scans.push", push)
    took = time.perf_counter() - started
    print(f"{findings:,} findings in {-(-findings // PER_SCAN)} pushes: {took:.1f} s", flush=True)
    started = time.perf_counter()
    for batch in _events(chance, events):
        desk.world.store.events.append(batch).result()
    print(f"{events:,} events: {time.perf_counter() - started:.1f} s", flush=True)


def pushes(findings: int) -> Iterator[Push]:
    """Pushes of several repositories with so many findings in all, the same in every run."""
    from haechi.rules.catalogue import load_catalogue

    chance = random.Random(4)  # noqa: S311
    rules = [rule.id for rule in load_catalogue().rules]
    for number in range(0, findings, PER_SCAN):
        yield _push(chance, number // PER_SCAN, min(PER_SCAN, findings - number), rules)


def small_push(number: int, findings: int = 5) -> Push:
    """The next scan of one of fifty small repositories: one finding came, one went."""
    from haechi.rules.catalogue import load_catalogue

    rules = [rule.id for rule in load_catalogue().rules][:20]
    repository, scan = number % 50, number // 50
    names = [f"k8s:-/apps/Deployment/small-{repository % 5}/svc-{repository}"]
    found = [
        _finding(random.Random(number), 10_000 + repository, scan + n, rules, names)  # noqa: S311
        for n in range(findings)
    ]
    return _pushed(random.Random(number), 10_000 + repository, found, rules, names)  # noqa: S311


def _push(chance: random.Random, number: int, count: int, rules: list[str]) -> Push:
    names = [f"k8s:-/apps/Deployment/team-{n % 12}/svc-{number}-{n}" for n in range(count // 10)]
    found = [_finding(chance, number, n, rules, names) for n in range(count)]
    return _pushed(chance, number, found, rules, names)


def _pushed(
    chance: random.Random,
    number: int,
    found: list[dict[str, Any]],
    rules: list[str],
    names: list[str],
) -> Push:
    return Push(
        schema=SCHEMA,
        origin=Origin(repository=f"https://github.com/acme/repo-{number}", ref="main"),
        scope=PushScope(domains=("iac", "secrets"), history="full"),
        report={
            "schema": REPORT,
            "tool": {"name": "haechi", "version": "bench"},
            "scope": {"started": "2026-11-22T00:00:00+00:00", "duration_s": 1.0},
            "summary": {"answer": "blocked", "risks": [_risk(chance, one) for one in found[:20]]},
            "findings": found,
            "coverage": {
                "looked": {"files": 900, "kubernetes objects": 400, "files for secrets": 900},
                "evaluated_rules": {"count": len(rules), "ids": rules},
                "gaps": [],
            },
            "waivers": [],
        },
        resources=tuple(
            PushedResource(
                key=key,
                kind="Deployment",
                name=key.rpartition("/")[2],
                namespace=key.split("/")[3],
                file="deploy/all.yaml",
                attributes={"replicas": 2},
            )
            for key in names
        ),
    )


def _finding(
    chance: random.Random, number: int, n: int, rules: list[str], names: list[str]
) -> dict[str, Any]:
    due = dt.date(2026, 11, 1) + dt.timedelta(days=chance.randrange(300))
    words = " ".join(chance.choices(WORDS, k=6))
    return {
        "rule": rules[min(int(chance.expovariate(1 / 40)), len(rules) - 1)],
        "severity": chance.choice(SEVERITIES),
        "title": f"Title of {words[:30]}",
        "message": f"{words} {chance.randrange(1000)}",
        "fingerprint": f"{number:08x}{n:024x}",
        "location": {"path": f"deploy/part-{n % 40}/file-{n}.yaml", "line": 1 + n % 90},
        "resource": names[n % len(names)],
        "label": names[n % len(names)].rpartition("/")[2],
        "owner": chance.choice(OWNERS),
        "due": due.isoformat(),
        "tags": ["dead-control"] if n % 200 == 0 else [],
    }


def _risk(chance: random.Random, finding: dict[str, Any]) -> dict[str, Any]:
    return {
        "score": chance.uniform(10, 99),
        "severity": finding["severity"],
        "sentence": f"The internet reaches {finding['label']}: {finding['message']}",
        "sentence_ko": f"인터넷에서 {finding['label']}에 닿습니다",
        "change": "Close it",
        "change_ko": "닫으세요",
        "location": finding["location"],
        "steps": [{"text": finding["label"], "location": finding["location"]}],
        "findings": [finding["fingerprint"]],
    }


def _events(chance: random.Random, count: int) -> Iterator[list[Event]]:
    now = time.time_ns()
    for start in range(0, count, 10_000):
        yield [
            Event(
                id=f"e{n}",
                ts_ns=now - chance.randrange(20 * 3600) * 10**9,
                source="falco",
                type="alert",
                namespace=f"team-{n % 12}",
                rule=f"rule {n % 60}",
                priority="warning",
                message=f"a process did {chance.choice(WORDS)}",
                fields={"proc.name": "sh", "k8s.pod.name": f"pod-{n % 500}"},
            )
            for n in range(start, min(start + 10_000, count))
        ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
