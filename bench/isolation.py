"""Isolation over random clusters: is ``contained`` ever claimed while a packet passes?

``./dev bench isolation [CASES] [FIRST-SEED]`` makes clusters with adversarial policies of all
kinds, plans, carries the plans out on the objects, and asks the naive judge about every packet.
Every leak prints its seed; a run with one ends with code 1. Then one pod of a large cluster is
planned for, and the time printed.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.respond.clusters import Object, case_of, made, resource_of
from tests.respond.judging import run

from haechi.checks.reach import Enforcement, network_of
from haechi.respond.isolate import isolate

CASES = 100_000
EVERY = 20
"""Of so many cases one is searched for an escape by all choices of labels."""
PODS, POLICIES = 10_000, 2_000


def main(argv: Sequence[str]) -> None:
    """Judge the cases, then time a large cluster."""
    cases = int(argv[0]) if argv else CASES
    first = int(argv[1]) if len(argv) > 1 else 1_000_000
    wrong = judge(first, cases)
    large()
    if wrong:
        sys.exit(1)


def judge(first: int, cases: int) -> int:
    """Print the counts of the cases; the number of wrong claims and broken undos."""
    counts: Counter[str] = Counter()
    start = time.process_time()
    for seed in range(first, first + cases):
        case = case_of(seed)
        searched = seed % EVERY == 0
        outcome = run(case, look_for_escape=searched)
        counts["contained" if outcome.contained else "not contained"] += 1
        for word, bad in (
            ("wrong", outcome.leak is not None),
            ("undo broken", not outcome.undone),
            ("verify disagrees", not outcome.verified),
        ):
            counts[word] += bad
            if bad:
                print(f"seed {seed}: {word} {outcome.leak or ''}")
        if searched and case.pods is not None and outcome.escapable:
            counts["escapable"] += 1
            counts["escaped"] += outcome.contained
        if (seed - first + 1) % 10_000 == 0:
            print(f"{seed - first + 1:>9,} {dict(counts)}", flush=True)
    _print(first, cases, counts, time.process_time() - start)
    return counts["wrong"] + counts["undo broken"] + counts["verify disagrees"]


def _print(first: int, cases: int, counts: Counter[str], seconds: float) -> None:
    print(f"clusters            {cases:>9,}  (seeds {first} to {first + cases - 1})")
    for word in ("contained", "not contained", "wrong", "undo broken", "verify disagrees"):
        print(f"{word:<19} {counts[word]:>9,}")
    share = counts["escaped"] / max(1, counts["escapable"])
    print(
        f"of {counts['escapable']:,} searched cases in which a mark and taking labels would do, "
        f"contained: {share:.1%}"
    )
    print(
        f"CPU                 {seconds:>9.1f} s ({seconds / cases * 1000:.2f} ms a case, judge too)"
    )


def large() -> None:
    """One pod of a large cluster: the time to read it, and to plan."""
    objects = [resource_of(one) for one in _objects()]
    start = time.process_time()
    network_of(objects)
    read = time.process_time() - start
    start = time.process_time()
    plan = isolate(
        objects,
        "k8s:c1/core/Pod/ns-0/pod-0",
        enforcement=Enforcement(plugin="calico", network_policy=True),
        action_id="bench",
    )
    took = time.process_time() - start
    print(
        f"{PODS:,} pods, {POLICIES:,} policies: read {read:.2f} s, planned in {took:.2f} s CPU "
        f"(reading included), contained: {plan.contained}"
    )


def _objects() -> list[Object]:
    dice = random.Random(7)  # noqa: S311
    spaces = [made("v1", "Namespace", f"ns-{n}", labels={"team": f"t{n % 9}"}) for n in range(100)]
    policies = [_policy(number, dice) for number in range(POLICIES)]
    return [*spaces, *(_pod(number) for number in range(PODS)), *policies]


def _pod(number: int) -> Object:
    return made(
        "v1",
        "Pod",
        f"pod-{number}",
        f"ns-{number % 100}",
        labels={"app": f"a{number % 40}", "tier": f"t{number % 3}"},
        spec={"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
        status={"phase": "Running", "podIP": f"10.{number >> 8 & 255}.{number & 255}.7"},
    )


def _policy(number: int, dice: random.Random) -> Object:
    rule = {"from": [{"podSelector": {"matchLabels": {"app": f"a{dice.randrange(40)}"}}}]}
    selector = {"matchLabels": {"app": f"a{dice.randrange(40)}", "tier": f"t{number % 3}"}}
    return made(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        f"policy-{number}",
        f"ns-{number % 100}",
        spec={"podSelector": selector, "ingress": [{**rule, "ports": [{"port": 80}]}]},
    )
