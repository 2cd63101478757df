"""The webhook with policies as people write them, in all formats, some of them hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from haechi.server.webhook.generation import NURSERY
from haechi.server.webhook.jobs import Limits
from tests.server.webhook.conftest import Start, request

Json = dict[str, Any]
FAIL, IGNORE = "/admit/fail", "/admit/ignore"
EXAMPLES = Path(__file__).parents[3] / "examples" / "policies"
VAP = "admissionregistration.k8s.io/v1"


def cel(name: str, *expressions: str, failure: str = "Fail", resources: str = "pods") -> list[Json]:
    """A ValidatingAdmissionPolicy and its binding."""
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["*"],
        "resources": [resources],
    }
    policy = {
        "failurePolicy": failure,
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": one, "message": f"{name} says no"} for one in expressions],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    return [
        {"apiVersion": VAP, "kind": kind, "metadata": {"name": name}, "spec": spec}
        for kind, spec in (
            ("ValidatingAdmissionPolicy", policy),
            ("ValidatingAdmissionPolicyBinding", binding),
        )
    ]


def written(folder: Path, *documents: Json) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "all.json").write_text("\n---\n".join(json.dumps(one) for one in documents))
    return folder


def rego(name: str, kind: str, body: str, action: str = "deny") -> list[Json]:
    """A ConstraintTemplate and a constraint."""
    template = {
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": kind.lower()},
        "spec": {
            "crd": {"spec": {"names": {"kind": kind}}},
            "targets": [
                {
                    "target": "admission.k8s.gatekeeper.sh",
                    "rego": f"package {kind.lower()}\n\n{body}",
                }
            ],
        },
    }
    constraint = {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "enforcementAction": action,
            "match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]},
        },
    }
    return [template, constraint]


BOMB = "".join(f"x{n} := array.concat(x{n - 1}, x{n - 1})\n  " for n in range(1, 40))
"""Forty doublings of a list."""


def test_the_examples_policies_decide(webhook: Start) -> None:
    from haechi.server.webhook.sources.files import Files

    running = webhook(source=Files([EXAMPLES]), nursery=NURSERY, memory_bytes=512 << 20)
    body = request("a")["request"]["object"]
    bad = body | {"spec": {"hostNetwork": True, **body["spec"]}}
    peer = running.peer()
    refused = peer.review(FAIL, request("a", object=bad))
    assert (refused["allowed"], refused["status"]["code"]) == (False, 403)
    assert "hostNetwork" in refused["status"]["message"]
    assert peer.review(FAIL, request("a"))["allowed"] is True
    assert running.ready()[1]["faults"] == 1  # the one that is planted


def test_a_cel_loop_and_a_regex_that_take_for_ever_are_stopped(
    webhook: Start, tmp_path: Path
) -> None:
    big = "object.spec.containers[0].args"
    loop = f"{big}.all(a, {big}.all(b, {big}.all(c, {big} == {big} || a + b == c)))"
    documents = [
        *cel("loop", loop),
        *cel("name", "!object.metadata.name.startsWith('bad')"),
    ]
    written(tmp_path / "policies", *documents)
    running = webhook(
        nursery=NURSERY,
        memory_bytes=512 << 20,
        limits=Limits(workers=1, spares=1, policy_s=0.5, review_s=2.0),
    )
    peer = running.peer()
    pod = request("a")
    pod["request"]["object"]["spec"]["containers"][0]["args"] = ["x" * 50] * 20_000
    refused = peer.review(FAIL, pod)
    assert (refused["allowed"], refused["status"]["code"]) == (False, 500)
    assert "vap/loop" in refused["status"]["message"]
    assert "vap/name" not in refused["status"]["message"]
    assert running.total("evaluators_ended", cause="policy past its time") == 1
    assert peer.review(FAIL, request("bad"))["status"]["code"] == 422
    assert running.total("unjudged") == 0


def test_rego_that_doubles_a_list_is_an_error_of_its_own(webhook: Start, tmp_path: Path) -> None:
    start = 'violation[{"msg": msg}] {\n  x0 := ["a", "b"]\n  '
    bomb = f'{start}{BOMB}msg := sprintf("%v", [count(x39)])\n}}'
    plain = 'violation[{"msg": "no"}] {\n  startswith(input.review.object.metadata.name, "bad")\n}'
    documents = [*rego("bomb", "Bomb", bomb), *rego("plain", "Plain", plain)]
    written(tmp_path / "policies", *documents)
    running = webhook(
        nursery=NURSERY,
        memory_bytes=256 << 20,
        limits=Limits(workers=1, spares=1, policy_s=1.0, review_s=3.0),
    )
    peer = running.peer()
    let = peer.review(IGNORE, request("a"))
    assert let["allowed"] is True
    assert "gatekeeper/Bomb/bomb" in let["warnings"][0]
    refused = peer.review(IGNORE, request("bad"))
    assert (refused["allowed"], refused["status"]["code"]) == (False, 403)
    assert "gatekeeper/Plain/plain" in refused["status"]["message"]


def test_exec_into_a_pod_is_judged_as_such(webhook: Start, tmp_path: Path) -> None:
    documents = cel("exec", "request.userInfo.username == 'ann'", resources="pods/exec")
    written(tmp_path / "policies", *documents)
    running = webhook(nursery=NURSERY, memory_bytes=512 << 20)
    options = {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"], "container": "c"}
    kind = {"group": "", "version": "v1", "kind": "PodExecOptions"}
    asked = {"operation": "CONNECT", "subResource": "exec", "kind": kind, "object": options}
    peer = running.peer()
    assert peer.review(FAIL, request("p", **asked))["allowed"] is True
    other = request("p", **asked, userInfo={"username": "bob"})
    refused = peer.review(FAIL, other)
    assert refused["status"]["message"].startswith("[vap/exec/exec")
    assert peer.review(FAIL, request("p", userInfo={"username": "bob"}))["allowed"] is True
