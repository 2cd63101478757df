"""Invariant 1, published: one fixture set through all four entry points, zero differing verdicts.

``haechi policy check`` (files), the webhook (requests over TLS), the background audit (a cluster)
and ``haechi policy simulate`` (what-if) are asked about the same objects by the same policies of
every family. What each says of an object, word by word, has to be the same. (Left out is the one
rule that reads another object, a LimitRange: nobody tells this webhook of a cluster.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from haechi.model.access import EVERYWHERE
from haechi.server.webhook.frames import Changes, Known
from haechi.server.webhook.generation import NURSERY
from haechi.server.webhook.sources.files import Files
from haechi.server.webhook.telling import Lines, Telling
from tests.cli.command import Haechi
from tests.cli.conftest import haechi
from tests.server.webhook.conftest import Running, webhooks
from tests.server.work.test_auditing import Folder
from tests.trees import resources, write

NAMESPACES = """\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {environment: prod, pod-security.kubernetes.io/enforce: baseline,
    pod-security.kubernetes.io/warn: restricted}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {environment: dev}}
"""
POLICIES = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8srequiredsecuritycontext}
spec:
  crd:
    spec:
      names: {kind: K8sRequiredSecurityContext}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            runAsNonRoot: {type: boolean}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8srequiredsecuritycontext
        violation[{"msg": msg}] {
          container := input.review.object.spec.containers[_]
          not container.securityContext.runAsNonRoot
          msg := sprintf("container %v must run as a user that is not root", [container.name])
        }
        violation[{"msg": msg, "details": {"wanted": input.parameters.runAsNonRoot}}] {
          not input.review.object.spec.securityContext.runAsNonRoot
          msg := "the pod must run as a user that is not root"
        }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sRequiredSecurityContext
metadata: {name: must-run-as-nonroot}
spec:
  match:
    kinds: [{apiGroups: [""], kinds: [Pod]}]
    namespaces: [shop]
  parameters: {runAsNonRoot: true}
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: oneingress}
spec:
  crd: {spec: {names: {kind: OneIngress}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: K8sNativeValidation
          source:
            validations:
              - expression: "variables.anyObject.spec.rules.all(r, has(r.host))"
                message: every rule names a host
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: OneIngress
metadata: {name: hosts}
spec:
  enforcementAction: warn
  match: {kinds: [{apiGroups: [networking.k8s.io], kinds: [Ingress]}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicas}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE],
         resources: [deployments]}
  variables:
    - {name: replicas, expression: "has(object.spec.replicas) ? object.spec.replicas : 1"}
  validations:
    - expression: "variables.replicas >= 2"
      messageExpression: "object.metadata.name + ' runs ' + string(variables.replicas) + ' time(s)'"
    - expression: "object.metadata.annotations['tier'] != ''"
      message: no tier
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: production}
spec:
  policyName: replicas
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {environment: prod}}}
---
apiVersion: haechi.dev/v1alpha1
kind: ImagePolicy
metadata: {name: ours}
spec: {action: deny, allow: [registry.example], requireDigest: true, denyTags: [latest]}
---
apiVersion: haechi.dev/v1alpha1
kind: PolicyPack
metadata: {name: sensible}
spec: {pack: sensible, except: [k8s-memory-limit]}
---
apiVersion: haechi.dev/v1alpha1
kind: PolicyRollout
metadata: {name: images}
spec:
  policies: ["images/*"]
  stages: [{stage: observe, from: 2020-01-01}, {stage: all, from: 2020-02-01, namespaces: [shop]}]
"""
_DIGEST = "sha256:" + "0" * 63 + "1"
_HARD = (
    "{runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]},"
    " seccompProfile: {type: RuntimeDefault}}"
)
OBJECTS = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: bad, namespace: shop}}
spec:
  hostPID: true
  containers:
    - {{name: a, image: "nginx:latest", securityContext: {{privileged: true}}}}
    - {{name: b, image: "registry.example-evil/b:1", ports: [{{containerPort: 80, hostPort: 80}}]}}
  volumes: [{{name: node, hostPath: {{path: /etc}}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: good, namespace: shop}}
spec:
  securityContext: {{runAsNonRoot: true}}
  containers:
    - name: a
      image: registry.example/a:1@{_DIGEST}
      securityContext: {_HARD}
      resources: {{limits: {{memory: 1Gi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: elsewhere, namespace: lab}}
spec: {{containers: [{{name: a, image: nginx}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: one, namespace: shop}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: one}}}}
  template:
    metadata: {{labels: {{app: one}}}}
    spec: {{hostNetwork: true, containers: [{{name: a, image: "registry.example/a:1"}}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: night, namespace: lab}}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, containers: [
    {{name: a, image: "registry.example/a:latest", securityContext: {{privileged: true}}}}]}}}}}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: open, namespace: shop}}
spec: {{rules: [{{http: {{paths: []}}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: plain, namespace: shop}}
spec: {{selector: {{app: one}}, ports: [{{port: 80}}]}}
"""

Said = Mapping[str, frozenset[str]]
LABELS = [resource.label for resource in resources(OBJECTS)]


def line(policy: str, rule: str, state: str, effects: list[str], message: str) -> str:
    """One verdict as text; what follows from another's name is left out."""
    strength = "error" if state in ("error", "not_evaluated") else (effects or ["audit"])[0]
    named = f" {rule}" if rule and rule != policy else ""
    text = f"could not be judged: {message}" if strength == "error" else message
    return f"{strength} [{policy}{named}] {text}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(
        tmp_path / "tree",
        {
            "policies/all.yaml": POLICIES,
            "policies/namespaces.yaml": NAMESPACES,
            "objects/all.yaml": OBJECTS,
        },
    )


def differing(one: Said, other: Said) -> list[str]:
    """What only one of two entry points says."""
    assert one.keys() == other.keys() == set(LABELS)
    return [
        f"{label}: {'-' if text in one[label] else '+'} {text}"
        for label in one
        for text in sorted(one[label] ^ other[label])
    ]


def checked(haechi: Haechi, tree: Path) -> Said:
    done = haechi(
        *("policy", "check", tree / "objects", "-p", tree / "policies", "--format", "json")
    )
    assert not json.loads(done.out)["faults"], done.out
    return {
        one["object"]: frozenset(
            line(v["policy"], v["rule"], v["state"], v["effects"], v["message"])
            for v in one["verdicts"]
        )
        for one in json.loads(done.out)["objects"]
    }


def simulated(haechi: Haechi, tree: Path) -> Said:
    done = haechi(
        *("policy", "simulate", tree / "objects", "-p", tree / "policies", "--format", "json")
    )
    found = {
        change["label"]: frozenset(change["appeared"]) for change in json.loads(done.out)["changes"]
    }
    return {label: found.get(label, frozenset()) for label in LABELS}


def asked(running: Running, tree: Path, told: Path) -> Said:
    """What the webhook's records say after every object was posted to both groups."""
    spaces = [
        Known("v1", "Namespace", "", r.name, json.dumps(r.data).encode())
        for r in resources(NAMESPACES)
    ]
    running.hook.tell(Changes(spaces, [("*", "*")]))
    running.wait(lambda: running.hook._cluster_known)
    peer = running.peer()
    for resource in resources(OBJECTS):
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        plural = {"Ingress": "ingresses"}.get(resource.kind, f"{resource.kind.lower()}s")
        request = {
            "uid": resource.label,
            "kind": kind,
            "resource": {"group": resource.group, "version": resource.version, "resource": plural},
            "name": resource.name,
            "namespace": resource.namespace,
            "operation": "CREATE",
            "userInfo": {},
            "object": resource.data,
            "oldObject": None,
            "dryRun": False,
        }
        review = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": request,
        }
        for group in ("fail", "ignore"):
            peer.review(f"/admit/{group}", review)
    assert running.hook.telling is not None
    running.hook.telling.close()
    found: dict[str, set[str]] = {label: set() for label in LABELS}
    for text in told.read_text().splitlines():
        record = json.loads(text)
        for v in record.get("verdicts", ()):
            found[record["uid"]].add(
                line(
                    v["policy"],
                    v.get("rule", ""),
                    v["state"],
                    v.get("effects", []),
                    v.get("message", ""),
                )
            )
    return {label: frozenset(some) for label, some in found.items()}


def audited(tmp_path: Path) -> Said:
    folder = Folder(tmp_path, f"{POLICIES}---\n{NAMESPACES}")
    try:
        bodies = [r.data for r in (*resources(NAMESPACES), *resources(OBJECTS))]
        folder.put(*bodies)
        folder.tick()
        found: dict[str, set[str]] = {label: set() for label in LABELS}
        for one in folder.store.state.policy_states.each(within=(EVERYWHERE,)):
            label = f"{one.kind} {one.namespace}/{one.name}"
            if label in found:
                found[label].add(line(one.policy, one.rule, one.state, one.effects, one.message))
        return {label: frozenset(some) for label, some in found.items()}
    finally:
        folder.close()


@pytest.fixture
def hook(tmp_path: Path, tree: Path) -> Iterator[Running]:
    told = tmp_path / "told.ndjson"
    with webhooks(tmp_path) as start:
        running = start(
            source=Files([tree / "policies"]),
            nursery=NURSERY,
            memory_bytes=1 << 30,
            records=True,
        )
        telling = Telling(state=running.hook.state, lines=Lines(told), every_s=60)
        running.hook.telling = telling
        telling.start()
        yield running


def test_every_entry_point_says_the_same(
    haechi: Haechi, tmp_path: Path, tree: Path, hook: Running
) -> None:
    files = checked(haechi, tree)
    assert differing(files, simulated(haechi, tree)) == []
    found = differing(files, asked(hook, tree, tmp_path / "told.ndjson"))
    assert found == [], "\n".join(found)
    found = differing(files, audited(tmp_path))
    assert found == [], "\n".join(found)


def test_the_fixtures_hold_both_answers_of_every_family(haechi: Haechi, tree: Path) -> None:
    said = checked(haechi, tree)
    assert sum(map(len, said.values())) >= 25
    assert said["Service shop/plain"] == frozenset()
    every = " ".join(text for some in said.values() for text in some)
    for family in ("pod-security/", "gatekeeper/", "vap/", "images/", "rules/"):
        assert f"[{family}" in every
    assert {text.split()[0] for some in said.values() for text in some} == {
        "deny",
        "warn",
        "audit",
        "error",
    }


__all__ = ["haechi"]
