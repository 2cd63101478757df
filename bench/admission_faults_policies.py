"""What ``bench admission_faults`` judges by and asks: real policies of every family, and requests
whose right answer is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bench.admission_work import NAME, pod

Json = dict[str, Any]
CLOSED, OPEN = "/admit/fail", "/admit/ignore"
_VAP = "admissionregistration.k8s.io/v1"
_REGO = """package wild
violation[{"msg": msg}] {
  input.review.object.metadata.labels.gatekeeper == "bad"
  msg := "the label is bad"
}
violation[{"msg": msg}] {
  input.review.object.metadata.labels.wild == "loop"
  many := numbers.range(1, 3000)
  n := count([1 | a := many[_]; b := many[_]; c := many[_]; a + b == c * 7919])
  msg := sprintf("%d", [n])
}
violation[{"msg": msg}] {
  input.review.object.metadata.labels.wild == "allocate"
  many := numbers.range(1, 90000)
  all := {x: [many, x] | x := sprintf("%d %v", [many[_], many])}
  msg := sprintf("%d", [count(all)])
}
violation[{"msg": msg}] {
  name := input.review.object.metadata.labels.leak
  regex.match(sprintf("^%s{1,40}(a|b|%s)+$", [name, name]), name)
  msg := "leak"
}
"""
_LOOP = "[0,1,2,3,4,5,6,7,8,9]"


def _vap(name: str, expression: str, message: str, **match: Any) -> list[Json]:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["pods"],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], **match},
        "validations": [{"expression": expression, "message": message}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    return [
        {"apiVersion": _VAP, "kind": kind, "metadata": {"name": name}, "spec": one}
        for kind, one in (
            ("ValidatingAdmissionPolicy", spec),
            ("ValidatingAdmissionPolicyBinding", binding),
        )
    ]


def policies(words: str) -> list[str]:
    """The files. ``words`` is what the twins say: an answer with both was judged by a mixture."""
    deep = "true"
    for variable in "abcdefghi":
        deep = f"{_LOOP}.all({variable}, {deep})"
    label = "has(object.metadata.labels) && 'wild' in object.metadata.labels"
    several: list[Json] = [
        {
            "apiVersion": "haechi.dev/v1alpha1",
            "kind": "PolicyPack",
            "metadata": {"name": "restricted"},
            "spec": {"pack": "pss-restricted", "action": "deny", "failurePolicy": "Fail"},
        },
        *_vap("team", "'team' in object.metadata.labels", "no team"),
        *_vap("wild", f"!({label} && object.metadata.labels.wild == 'cel') || {deep}", "wild"),
        *_vap("lock", "false", "locked", namespaceSelector={"matchLabels": {"lock": "yes"}}),
        *_vap("twin-a", "!('twin' in object.metadata.labels)", f"set {words}"),
        *_vap("twin-b", "!('twin' in object.metadata.labels)", f"set {words}"),
        {
            "apiVersion": "templates.gatekeeper.sh/v1",
            "kind": "ConstraintTemplate",
            "metadata": {"name": "wild"},
            "spec": {
                "crd": {"spec": {"names": {"kind": "Wild"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": _REGO}],
            },
        },
        {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": "Wild",
            "metadata": {"name": "wild"},
            "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}},
        },
    ]
    return [json.dumps(one) for one in several]


def objects() -> list[Json]:
    """What the cluster begins with: the registration, and a namespace that is locked."""
    entries = [
        {
            "name": f"{choice.lower()}.admit.haechi.dev",
            "clientConfig": {
                "service": {
                    "namespace": "haechi",
                    "name": "haechi-webhook",
                    "path": f"/admit/{choice.lower()}",
                }
            },
            "rules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["pods"],
                }
            ],
            "failurePolicy": choice,
            "timeoutSeconds": 3,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        for choice in ("Fail", "Ignore")
    ]
    configuration = {
        "apiVersion": _VAP,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "haechi-webhook"},
        "webhooks": entries,
    }
    return [configuration, namespace("default"), namespace("locked", lock="yes")]


def namespace(name: str, **labels: str) -> Json:
    """A Namespace."""
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def body(name: str, change: Callable[[Json, int], None] = lambda pod, number: None) -> Any:
    """What makes the AdmissionReview of one sort of pod."""

    def made(number: int) -> bytes:
        one = pod(name)
        one["spec"]["containers"] = one["spec"]["containers"][:1]
        one["spec"]["containers"][0]["env"] = []
        change(one, number)
        space = one["metadata"]["namespace"]
        kind = {"group": "", "version": "v1", "kind": "Pod"}
        resource = {"group": "", "version": "v1", "resource": "pods"}
        request: Json = {
            "uid": f"{name}-{number}",
            "kind": kind,
            "resource": resource,
            "name": name,
        }
        request |= {"namespace": space, "operation": "CREATE", "object": one, "oldObject": None}
        request |= {"userInfo": {"username": "ann"}, "dryRun": False}
        review: Json = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
        return json.dumps(review | {"request": request}).encode()

    return made


def _labels(**labels: str) -> Callable[[Json, int], None]:
    return lambda one, number: one["metadata"]["labels"].update(labels)


KINDS: dict[str, Callable[[int], bytes]] = {
    "good": body("good"),
    "privileged": body(
        "privileged",
        lambda one, number: one["spec"]["containers"][0].update(
            securityContext={"privileged": True}
        ),
    ),
    "no-team": body("no-team", lambda one, number: one["metadata"]["labels"].pop("team")),
    "gatekeeper": body("gatekeeper", _labels(gatekeeper="bad")),
    "locked": body("locked", lambda one, number: one["metadata"].update(namespace="locked")),
    "mixed": body("mixed", _labels(twin="yes")),
    "leak": body("leak", lambda one, number: one["metadata"]["labels"].update(leak=f"x{number}y")),
    "wild-cel": body("wild-cel", _labels(wild="cel")),
    "wild-loop": body("wild-loop", _labels(wild="loop")),
    "wild-allocate": body("wild-allocate", _labels(wild="allocate")),
}
_REFUSED = {CLOSED: ("privileged", "no-team", "locked", "mixed"), OPEN: ("gatekeeper",)}


def truth(kind: str, path: str) -> bool | None:
    """Whether it is to be allowed; None: either, since a wild policy decides."""
    if kind.startswith("wild"):
        # What loops comes to no verdict: refused where it fails closed. (The others let it pass.)
        return False if (kind, path) == ("wild-cel", CLOSED) else None
    return kind not in _REFUSED[path]


__all__ = ["CLOSED", "KINDS", "NAME", "OPEN", "namespace", "objects", "policies", "truth"]
