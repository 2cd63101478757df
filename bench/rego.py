"""Rego: microseconds a constraint of Gatekeeper's library on one pod, beside OPA.

``./dev bench rego FOLDER [NAME]``: FOLDER is gatekeeper-library's ``library``; with NAME only the
templates whose folder holds it, with their most costly functions. CPU time, the lowest of five
rounds. OPA is the oracle of the tests, its time includes handing over the input as JSON.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from tests.oracles.opa import Opa, OpaError, require_opa

from haechi.engines.rego.parser import parse
from haechi.engines.rego.program import compile_modules
from haechi.engines.rego.tree import Module, Version
from haechi.engines.rego.values import RegoFailure
from haechi.engines.rego.writer import write

ROUNDS = 5
TIMES = 60


def main(argv: list[str]) -> None:
    word = argv[1] if len(argv) > 1 else ""
    review = {"kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE"}
    review |= {"name": "web", "namespace": "shop", "object": pod()}
    print(f"input: {len(json.dumps(review))} bytes")
    opa = require_opa()
    ours: list[float] = []
    theirs: list[float] = []
    for name, modules, parameters in constraints(Path(argv[0])):
        if word not in name:
            continue
        asked = {"review": review, "parameters": parameters}
        took, found = measured(modules, asked, profile=bool(word))
        peer = measured_opa(opa, modules, asked)
        ours.append(took)
        theirs.append(peer)
        print(f"{name:<48} {took:>7.0f} us  OPA {peer:>7.0f} us  {found}")
    print(
        f"{len(ours)} constraints: {sum(ours) / 1000:.2f} ms, {sum(ours) / len(ours):.0f} us each;"
    )
    print(f"OPA {sum(theirs) / 1000:.2f} ms, {sum(theirs) / sum(ours):.1f} times as long")


def constraints(folder: Path) -> Iterator[tuple[str, list[Module], Any]]:
    """The first constraint of every suite that is about pods."""
    for path in sorted(folder.rglob("suite.yaml")):
        test = read(path)["tests"][0]
        spec = read(path.parent / test["constraint"]).get("spec") or {}
        kinds = {k for kind in (spec.get("match") or {}).get("kinds") or [] for k in kind["kinds"]}
        if kinds & {"Pod", "*"}:
            target = read(path.parent / test["template"])["spec"]["targets"][0]
            yield (
                str(path.parent.relative_to(folder)),
                sources(target),
                spec.get("parameters") or {},
            )


def sources(target: dict[str, Any]) -> list[Module]:
    given, version = target, Version.V0
    for code in target.get("code") or []:
        if code["engine"] == "Rego":
            given = code["source"]
            version = Version.V1 if given.get("version") == "v1" else Version.V0
    texts = [given["rego"], *(given.get("libs") or [])]
    return [parse(text, file=f"{n}.rego", version=version) for n, text in enumerate(texts)]


def measured(modules: list[Module], asked: Any, *, profile: bool) -> tuple[float, str]:
    program = compile_modules(modules)
    path = (*modules[0].package, "violation")

    def ask() -> str:
        try:
            return str(len(program.evaluate(path, input=asked, data={"inventory": {}})))
        except RegoFailure as failure:
            return failure.code

    if profile:
        with cProfile.Profile() as profiler:
            for _ in range(TIMES):
                ask()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(15)
    return lowest(ask), ask()


def measured_opa(opa: Opa, modules: list[Module], asked: Any) -> float:
    texts = [write(module) for module in modules]
    query = f"data.{'.'.join(modules[0].package)}.violation"

    def ask() -> None:
        with suppress(OpaError):
            opa.evaluate(texts, query, asked, {"inventory": {}})

    return lowest(ask)


def lowest(ask: Callable[[], Any]) -> float:
    """Microseconds of CPU of one call."""
    ask()
    found: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(TIMES):
            ask()
        found.append((time.process_time() - start) / TIMES)
    return min(found) * 1e6


def read(path: Path) -> Any:
    """The first document with content."""
    documents = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return next(document for document in documents if document)


def pod() -> dict[str, Any]:
    """Four containers and one for the start: with its review some 11 KB as JSON."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    containers = [
        {
            "name": f"app-{number}",
            "image": f"registry.example.com/shop/app-{number}:1.2.3",
            "command": ["/bin/app", "--serve", "--port", "8080", "--log-level", "info"],
            "env": [{"name": f"SETTING_{n}", "value": f"value of it {n}"} for n in range(32)],
            "ports": [{"containerPort": 8080 + number, "protocol": "TCP"}],
            "resources": {
                "limits": {"cpu": "500m", "memory": "512Mi"},
                "requests": {"cpu": "250m", "memory": "256Mi"},
            },
            "securityContext": security,
            "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}},
            "volumeMounts": [{"name": name, "mountPath": f"/{name}"} for name in ("data", "tmp")],
        }
        for number in range(4)
    ]
    start = {"name": "start", "image": "registry.example.com/shop/start:1.2.3"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "containers": containers,
            "initContainers": [{**start, "securityContext": security}],
            "volumes": [{"name": name, "emptyDir": {}} for name in ("data", "tmp")],
            "serviceAccountName": "web",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
        },
    }


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
