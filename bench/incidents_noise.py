"""The noise of one cluster in one day, as it was counted: 33,065 alerts of Falco."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from haechi.model.event import Event

DAY_S = 86_400


class Noise(NamedTuple):
    """A rule of Falco, how often it held in a day, and where: workload, image, programs, parent."""

    rule: str
    priority: str
    tags: tuple[str, ...]
    number: int
    where: tuple[tuple[str, str, tuple[str, ...], str], ...]


NOISE = (
    Noise(
        "Contact K8S API Server From Container",
        "notice",
        ("maturity_stable", "container", "network", "k8s", "mitre_discovery", "T1565"),
        29_465,
        (
            (
                "argocd/argocd-application-controller",
                "quay.io/argoproj/argocd",
                ("argocd",),
                "tini",
            ),
            ("kyverno/kyverno-admission", "ghcr.io/kyverno/kyverno", ("kyverno",), "systemd"),
            ("certs/cert-manager", "quay.io/jetstack/cert-manager-controller", ("controller",), ""),
            ("flux/source-controller", "ghcr.io/fluxcd/source-controller", ("source-control",), ""),
            (
                "mon/kube-state-metrics",
                "registry.k8s.io/kube-state-metrics",
                ("kube-state-metr",),
                "",
            ),
            ("bank/camunda", "camunda/zeebe", ("java",), "tini"),
        ),
    ),
    Noise(
        "Run shell untrusted",
        "notice",
        ("maturity_stable", "host", "container", "shell", "mitre_execution", "T1059.004"),
        3_150,
        (
            ("bank/postgres", "docker.io/bitnami/postgresql", ("sh", "bash"), "postgres"),
            ("bank/keycloak", "quay.io/keycloak/keycloak", ("sh",), "java"),
            ("bank/kafka", "docker.io/bitnami/kafka", ("bash",), "java"),
        ),
    ),
    Noise(
        "Drop and execute new binary in container",
        "critical",
        ("maturity_stable", "container", "process", "mitre_persistence", "TA0003"),
        450,
        (
            ("bank/camunda", "camunda/zeebe", ("zeebe-worker",), "java"),
            ("ci/runner", "ghcr.io/actions/runner", ("node", "go", "kubectl"), "bash"),
        ),
    ),
)


def a_day(start_ns: int, *, share: float = 1.0, seed: int = 7) -> Iterator[Event]:
    """The alerts of a day in order of time; ``share`` of them."""
    randomly = random.Random(seed)  # noqa: S311
    drawn = []
    for noise in NOISE:
        number = round(noise.number * share)
        for place in range(number):
            at = (place + randomly.random()) * DAY_S / number
            drawn.append((at, noise, randomly.choice(noise.where)))
    drawn.sort(key=lambda one: one[0])
    for place, (at, noise, where) in enumerate(drawn):
        yield _alert(place, start_ns + int(at * 1e9), noise, where, randomly)


def _alert(
    number: int,
    at_ns: int,
    noise: Noise,
    where: tuple[str, str, tuple[str, ...], str],
    randomly: random.Random,
) -> Event:
    workload, image, programs, parent = where
    namespace, _, name = workload.partition("/")
    program = randomly.choice(programs)
    fields: dict[str, Any] = {
        "container.id": f"{abs(hash(workload)) % 16**12:012x}",
        "container.image.repository": image,
        "falco.source": "syscall",
        "falco.tags": list(noise.tags),
        "k8s.ns.name": namespace,
        "proc.name": program,
        "proc.pid": randomly.randrange(1_000, 60_000),
        "proc.cmdline": f"{program} --serve",
        "evt.type": "connect" if "Contact" in noise.rule else "execve",
    }
    if parent:
        fields["proc.pname"] = parent
    if "Contact" in noise.rule:
        fields["fd.name"] = (
            f"10.2.0.{randomly.randrange(250)}:{40_000 + number % 20_000}->10.96.0.1:443"
        )
        fields["fd.sip"], fields["fd.sport"] = "10.96.0.1", 443
    return Event(
        id=f"noise-{number}",
        ts_ns=at_ns,
        source="falco",
        type=str(fields["evt.type"]),
        cluster="prod",
        node=f"node-{number % 6}",
        container_id=str(fields["container.id"]),
        resource=f"k8s:prod/apps/Deployment/{namespace}/{name}",
        namespace=namespace,
        rule=noise.rule,
        priority=noise.priority,
        message=f"{noise.rule} ({program})",
        fields=fields,
    )
