"""The webhook on one core, over TLS, with 11 KB reviews of a pod with four containers.

The webhook's processes (front, evaluator) share one processor, the client has another. Figures:
reviews a second with all connections busy, times at 300 a second sent at fixed moments, memory of
an evaluator. Policies: the restricted level with ten CEL policies; 28 constraints of Gatekeeper's
library (HAECHI_GATEKEEPER_LIBRARY, a checkout), beside OPA as a shared library, which judges the
same constraints in the same run, in one engine on the same processor, without HTTP or TLS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.apiserver import ApiServer

from bench.admission_work import pack_and_cel, review

Json = dict[str, Any]
LIBRARY = Path(os.environ.get("HAECHI_GATEKEEPER_LIBRARY", "/tmp/pub/gatekeeper-library"))
CONSTRAINTS = 28
_UNJUDGEABLE = "host-probes-lifecycle"
"""OPA cannot evaluate it on a pod with two probes (eval_conflict_error)."""
RATE, CONNECTIONS, ROUNDS = 300, 16, 4


class Served:
    """A webhook at work."""

    def __init__(self, process: subprocess.Popen[str], port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder

    def load(self, path: str, mode: str, much: float, seconds: float) -> Json:
        """What the client measured."""
        body = self.folder / "body.json"
        body.write_text(json.dumps(review(), separators=(",", ":")))
        arguments = [str(self.port), str(self.folder / "keys/ca.crt"), str(body)]
        command = ["taskset", "-c", "1", sys.executable, "-m", "bench.admission_work"]
        out = subprocess.run(
            [*command, *arguments, path, mode, str(much), str(seconds)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        found: Json = json.loads(out)
        return found

    def children(self) -> list[int]:
        """Evaluators and their nursery."""
        found = [self.process.pid]
        for pid in found:
            for path in Path("/proc").glob(f"{pid}/task/*/children"):
                found += [int(one) for one in path.read_text().split()]
        return found[1:]

    def cpu(self) -> float:
        """Processor seconds of all its processes so far."""
        total = 0
        for pid in (self.process.pid, *self.children()):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def memory(self) -> tuple[float, float]:
        """MiB of the largest evaluator: resident, and its share of what is shared."""
        worst = (0.0, 0.0)
        for pid in self.children():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            sizes = {line.split(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
            worst = max(worst, (int(sizes["Rss"]) / 1024, int(sizes["Pss"]) / 1024))
        return worst


CONFIGURATION: Json = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "haechi-webhook"},
    "webhooks": [
        {
            "name": "fail.admit.haechi.dev",
            "clientConfig": {"service": {"namespace": "haechi", "name": "haechi-webhook"}},
            "rules": [],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
    ],
}


@contextmanager
def webhook(policies: Sequence[Json | str]) -> Iterator[Served]:
    """A webhook of one evaluator on the first processor."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "policies").mkdir()
        for number, one in enumerate(policies):
            text = one if isinstance(one, str) else json.dumps(one)
            (folder / "policies" / f"{number:03}.yaml").write_text(text)
        command = ["taskset", "-c", "0", sys.executable, "-m", "haechi", "webhook", "serve"]
        command += ["--policies", str(folder / "policies"), "--certificates", str(folder / "keys")]
        command += ["--listen", "127.0.0.1:0", "--workers", "1"]
        # A cluster tells it of Namespaces, which policies ask for; it has nothing to do meanwhile.
        cluster = ApiServer(controllers=False, objects=[CONFIGURATION])
        with cluster, (folder / "log").open("w") as log:
            cluster.kubeconfig(folder / "kubeconfig")
            command += ["--kubeconfig", str(folder / "kubeconfig")]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline().split()[-1])
                served = Served(process, port, folder)
                _wait(served)
                yield served
            finally:
                process.terminate()
                process.wait(30)
                assert process.stdout is not None
                process.stdout.close()


def _wait(served: Served) -> None:
    import httpx

    end = time.monotonic() + 120
    with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501 - our own port
        while True:
            found = client.get(f"https://127.0.0.1:{served.port}/readyz")
            if found.status_code == 200:
                return
            if time.monotonic() > end:
                raise SystemExit(f"not ready: {found.text}\n{(served.folder / 'log').read_text()}")
            time.sleep(0.1)


def report(name: str, served: Served, path: str, calmly: float, seconds: float) -> float:
    """Measure and print; reviews a second of processor time, which other work on the machine
    does not change."""
    served.load(path, "closed", CONNECTIONS, 1.0)
    rounds: list[tuple[float, Json]] = []
    for _ in range(ROUNDS):  # the best: what else runs on the machine only makes it slower
        before = served.cpu()
        found = served.load(path, "closed", CONNECTIONS, seconds / ROUNDS)
        rounds.append((found["count"] / (served.cpu() - before), found))
    rate, full = max(rounds, key=lambda one: one[0])
    calm = served.load(path, "open", calmly, seconds)
    resident, share = served.memory()
    print(f"{name}")
    print(
        f"  busy      {rate:8.0f} reviews/s of processor time, {full['rate']:.0f} of the clock   "
        f"p99 {full['p99']:6.1f} ms"
    )
    print(
        f"  at {calmly:3.0f}/s  p50 {calm['p50']:6.1f} ms   p99 {calm['p99']:6.1f} ms   "
        f"worst {calm['worst']:6.1f} ms"
    )
    print(f"  evaluator {resident:8.0f} MiB resident, {share:.0f} MiB its own share")
    print(
        f"  answers   {full['allowed'] + calm['allowed']} allowed, "
        f"{full['refused'] + calm['refused']} refused, {full['failed'] + calm['failed']} failed"
    )
    return float(rate)


def gatekeeper() -> tuple[list[str], list[Json]]:
    """Texts of templates and constraints of the library about pods, and the constraints."""
    import yaml

    texts: list[str] = []
    constraints: list[Json] = []
    for template in sorted(LIBRARY.glob("library/*/*/template.yaml")):
        if len(constraints) >= CONSTRAINTS:
            break
        if template.parent.name == _UNJUDGEABLE:
            continue
        for sample in sorted(template.parent.glob("samples/*/constraint.yaml")):
            body = yaml.safe_load(sample.read_text())
            spec = body.setdefault("spec", {})
            kinds = (spec.get("match") or {}).get("kinds") or []
            if not any("Pod" in one.get("kinds", ()) for one in kinds):
                continue
            spec["match"] = {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}
            made = yaml.safe_load(template.read_text())
            _without_cel(made)
            texts += [json.dumps(made), json.dumps(body)]
            constraints.append(body | {"template": made})
            break
    return texts, constraints


def _without_cel(template: Json) -> None:
    """Of templates in both languages the Rego: it is Rego that is compared."""
    for target in template["spec"]["targets"]:
        for code in target.pop("code", None) or ():
            if code["engine"] == "Rego":
                target["rego"] = code["source"]["rego"]
                target["libs"] = code["source"].get("libs", [])


def opa(constraints: Sequence[Json], seconds: float) -> tuple[float, int]:
    """Reviews a second by OPA in one engine, and violations of one review."""
    from tests.oracles.opa import require_opa

    from haechi.engines.rego.parser import parse
    from haechi.engines.rego.writer import write

    modules: dict[str, str] = {}
    main = ["package main"]
    data: Json = {"params": {}, "inventory": {}}
    for number, constraint in enumerate(constraints):
        target = constraint["template"]["spec"]["targets"][0]
        for text in target.get("libs") or ():
            lib = write(parse(text))
            modules.setdefault(lib, lib)
        text = write(parse(target["rego"]))
        head, _, rest = text.partition("\n")
        rest = rest.replace("input.parameters", f"data.params.c{number}")
        modules[f"c{number}"] = f"package c{number}\n{rest}" if "package" in head else text
        data["params"][f"c{number}"] = constraint["spec"].get("parameters") or {}
        main.append(f"found contains [{number}, v.msg] if some v in data.c{number}.violation")
    modules["main"] = "\n".join(main)
    asked = {"review": review()["request"]}
    judge = require_opa()
    texts = list(modules.values())
    (violations,) = judge.evaluate(texts, "data.main.found", asked, data)
    count, began = 0, time.process_time()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        judge.evaluate(texts, "data.main.found", asked, data)
        count += 1
    return count / (time.process_time() - began), len(violations)


def main(argv: list[str]) -> None:
    """Run all, or the parts named."""
    parser = argparse.ArgumentParser(prog="bench admission")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", choices=("cel", "gatekeeper"))
    options = parser.parse_args(argv)
    size = len(json.dumps(review(), separators=(",", ":")))
    print(f"review of {size:,} bytes; one core for the webhook, TLS, {CONNECTIONS} connections")
    if options.only != "gatekeeper":
        with webhook(pack_and_cel()) as served:
            report(
                "Pod Security (restricted) + 10 CEL policies",
                served,
                "/admit/fail",
                RATE,
                options.seconds,
            )
    if options.only == "cel":
        return
    texts, constraints = gatekeeper()
    if not constraints:
        print(f"Gatekeeper's library is not in {LIBRARY}: HAECHI_GATEKEEPER_LIBRARY names it")
        return
    with webhook(texts) as served:
        ours = report(
            f"{len(constraints)} Gatekeeper constraints",
            served,
            "/admit/ignore",
            20,
            options.seconds,
        )
    os.sched_setaffinity(0, {0})
    theirs, violations = opa(constraints, options.seconds)
    print(f"OPA, the same constraints, one engine, no HTTP, {violations} violations")
    print(
        f"            {theirs:8.0f} reviews/s of processor time; haechi {ours / theirs:.1f} times"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
