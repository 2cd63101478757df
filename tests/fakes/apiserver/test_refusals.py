"""What the real server refuses is refused, with its status, reason and words."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.apiserver.manifests import (
    CONFIGS,
    DEPLOYMENTS,
    PODS,
    POLICIES,
    config,
    pod,
    policy,
    workload,
)

Json = dict[str, Any]
MERGE = {"content-type": "application/merge-patch+json"}
JSON_PATCH = {"content-type": "application/json-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}


def _labelled(**labels: str) -> Json:
    return pod("p", labels)


def _deployment(**spec: Any) -> Json:
    return workload("Deployment", "web", **spec)


def _block(cidr: str, *without: str) -> Json:
    block = {"cidr": cidr, "except": list(without)}
    return policy("n", {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]})


CREATE: dict[str, tuple[str, Json, int, str, str]] = {
    "name with capitals": (PODS, pod("Web"), 422, "Invalid", 'Pod "Web" is invalid: metadata.name'),
    "no name": (
        CONFIGS,
        {"metadata": {}},
        422,
        "Invalid",
        "metadata.name: Required value: name or generateName is required",
    ),
    "label value with a blank": (
        PODS,
        _labelled(a="x y"),
        422,
        "Invalid",
        'metadata.labels: Invalid value: "x y": a valid label must be an empty string or consist',
    ),
    "label value too long": (
        PODS,
        _labelled(a="x" * 64),
        422,
        "Invalid",
        "must be no more than 63 characters",
    ),
    "label key with a blank": (PODS, _labelled(**{"a b": "x"}), 422, "Invalid", "name part must"),
    "pod without containers": (
        PODS,
        pod("p", containers=[]),
        422,
        "Invalid",
        'Pod "p" is invalid: spec.containers: Required value',
    ),
    "two containers of a name": (
        PODS,
        pod("p", containers=[{"name": "c", "image": "i"}] * 2),
        422,
        "Invalid",
        'spec.containers[1].name: Duplicate value: "c"',
    ),
    "wrong type": (
        PODS,
        pod("p", hostNetwork="yes"),
        400,
        "BadRequest",
        'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go',
    ),
    "another kind": (PODS, config("c"), 400, "BadRequest", "cannot be handled as a Pod"),
    "another version": (
        DEPLOYMENTS,
        _deployment() | {"apiVersion": "apps/v1beta1"},
        400,
        "BadRequest",
        "the API version in the data (apps/v1beta1) does not match the expected API version",
    ),
    "another namespace": (
        PODS,
        pod("p") | {"metadata": {"name": "p", "namespace": "kube-system"}},
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    "namespace that is not there": (
        "/api/v1/namespaces/nowhere/pods",
        pod("p"),
        404,
        "NotFound",
        'namespaces "nowhere" not found',
    ),
    "version on creation": (
        CONFIGS,
        {"metadata": {"name": "c", "resourceVersion": "5"}},
        500,
        "",
        "resourceVersion should not be set on objects to be created",
    ),
    "selector that misses its template": (
        DEPLOYMENTS,
        _deployment(selector={"matchLabels": {"app": "other"}}),
        422,
        "Invalid",
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match',
    ),
    "not a CIDR": (
        POLICIES,
        _block("10.0.0.0"),
        422,
        "Invalid",
        'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR',
    ),
    "except outside of its CIDR": (
        POLICIES,
        _block("10.0.0.0/8", "11.0.0.0/16"),
        422,
        "Invalid",
        'except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
    ),
    "peer of nothing": (
        POLICIES,
        policy("n", {"podSelector": {}, "egress": [{"to": [{}]}]}),
        422,
        "Invalid",
        "spec.egress[0].to[0]: Required value: must specify a peer",
    ),
    "unknown protocol": (
        POLICIES,
        policy("n", {"podSelector": {}, "ingress": [{"ports": [{"protocol": "ICMP"}]}]}),
        422,
        "Invalid",
        'ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    ),
}


@pytest.mark.parametrize("case", CREATE, ids=list(CREATE))
def test_refuses_to_create(http: httpx.Client, case: str) -> None:
    path, body, code, reason, words = CREATE[case]
    answer = http.post(path, json=body)
    said = answer.json()
    assert (answer.status_code, said["code"], said.get("reason", "")) == (code, code, reason)
    assert said["kind"] == "Status"
    assert said["status"] == "Failure"
    assert words in said["message"]


@pytest.mark.parametrize(
    ("mode", "code"), [("Strict", 400), ("Warn", 201), ("Ignore", 201), ("", 201)], ids=str
)
def test_unknown_fields_are_refused_warned_of_or_dropped(
    http: httpx.Client, mode: str, code: int
) -> None:
    body = pod("p", priviledged=True)
    answer = http.post(PODS, json=body, params={"fieldValidation": mode} if mode else {})
    assert answer.status_code == code
    if mode == "Strict":
        assert 'strict decoding error: unknown field "spec.priviledged"' in answer.json()["message"]
        return
    assert "priviledged" not in answer.json()["spec"]
    warned = answer.headers.get("warning", "")
    assert warned == ("" if mode == "Ignore" else '299 - "unknown field \\"spec.priviledged\\""')


def test_a_field_that_stands_twice_is_refused_when_strict(http: httpx.Client) -> None:
    text = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1","a":"2"}}'
    head = {"content-type": "application/json"}
    answer = http.post(CONFIGS, content=text, headers=head, params={"fieldValidation": "Strict"})
    assert answer.status_code == 400
    assert 'duplicate field "data.a"' in answer.json()["message"]


PATCHES: dict[str, tuple[str, dict[str, str], Any, int, str]] = {
    "a test that fails": (
        "pods/p",
        JSON_PATCH,
        [{"op": "test", "path": "/metadata/labels/app", "value": "other"}],
        422,
        "the server rejected our request due to an error in our request",
    ),
    "removing what is not there": (
        "pods/p",
        JSON_PATCH,
        [{"op": "remove", "path": "/metadata/labels/none"}],
        422,
        "the server rejected our request due to an error in our request",
    ),
    "a pod's node selector": (
        "pods/p",
        MERGE,
        {"spec": {"nodeSelector": {"a": "b"}}},
        422,
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
    ),
    "an older version": (
        "pods/p",
        MERGE,
        {"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}},
        409,
        'Operation cannot be fulfilled on pods "p": the object has been modified; please apply',
    ),
    "another object of the name": (
        "pods/p",
        MERGE,
        {"metadata": {"uid": "other"}},
        409,
        "Precondition failed: UID in precondition: other, UID in object meta: ",
    ),
    "what is not there": ("pods/none", MERGE, {}, 404, 'pods "none" not found'),
    "no patch at all": ("pods/p", MERGE, [], 400, "error decoding patch"),
    "an unknown form": ("pods/p", {"content-type": "text/plain"}, {}, 415, "unknown format"),
}


@pytest.mark.parametrize("case", PATCHES, ids=list(PATCHES))
def test_refuses_to_patch(server: ApiServer, http: httpx.Client, case: str) -> None:
    server.put(pod("p"))
    before = server.get("pods", "p")
    path, headers, change, code, words = PATCHES[case]
    answer = http.patch(f"/api/v1/namespaces/default/{path}", json=change, headers=headers)
    assert answer.status_code == code
    assert words in answer.json()["message"]
    assert server.get("pods", "p") == before


def test_what_is_immutable_stays(server: ApiServer, http: httpx.Client) -> None:
    server.put(workload("Deployment", "web"))
    change = {"spec": {"selector": {"matchLabels": {"tier": "x"}}}}
    answer = http.patch(f"{DEPLOYMENTS}/web", json=change, headers=MERGE)
    assert answer.status_code == 422
    assert any(cause["field"] == "spec.selector" for cause in answer.json()["details"]["causes"])
    assert "field is immutable" in answer.json()["message"]


def test_an_update_of_an_older_version_conflicts(server: ApiServer, http: httpx.Client) -> None:
    server.put(config("c", a="1"))
    old = http.get(f"{CONFIGS}/c").json()
    first = http.put(f"{CONFIGS}/c", json=old | {"data": {"a": "2"}})
    second = http.put(f"{CONFIGS}/c", json=old | {"data": {"a": "3"}})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["reason"] == "Conflict"
    assert second.json()["details"] == {"name": "c", "kind": "configmaps"}


def test_custom_kinds_take_no_strategic_patch(server: ApiServer, http: httpx.Client) -> None:
    kind = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy"}
    server.put(kind | {"metadata": {"name": "c"}, "spec": {}})
    path = "/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies/c"
    answer = http.patch(path, json={"spec": {}}, headers=STRATEGIC)
    assert answer.status_code == 415
    assert answer.json()["reason"] == "UnsupportedMediaType"


def test_no_change_is_no_new_version(server: ApiServer, http: httpx.Client) -> None:
    server.put(config("c", a="1"))
    before = server.world.store.version
    same = http.patch(f"{CONFIGS}/c", json={"data": {"a": "1"}}, headers=MERGE)
    assert same.status_code == 200
    assert server.world.store.version == before


def test_a_dry_run_changes_nothing_and_judges_everything(
    server: ApiServer, http: httpx.Client
) -> None:
    server.put(config("c", a="1"))
    before = server.world.store.version
    dry = {"dryRun": "All"}
    made = http.post(CONFIGS, json=config("d"), params=dry)
    changed = http.patch(f"{CONFIGS}/c", json={"data": {"a": "2"}}, headers=MERGE, params=dry)
    bad = http.post(CONFIGS, json=config("D"), params=dry)
    gone = http.delete(f"{CONFIGS}/c", params=dry)
    unknown = http.delete(f"{CONFIGS}/c", params={"dryRun": "Some"})
    codes = [each.status_code for each in (made, changed, bad, gone, unknown)]
    assert codes == [201, 200, 422, 200, 400]
    assert changed.json()["data"] == {"a": "2"}
    assert "resourceVersion" not in made.json()["metadata"]
    assert server.world.store.version == before


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/namespaces/default/podz", 404),
        ("/apis/none/v1/things", 404),
        ("/api/v1/pods/p", 404),
        ("/api/v1/namespaces/default/pods/p/nothing", 404),
        ("/api/v1/nodes?labelSelector=a%20b%20c", 400),
        ("/api/v1/pods?fieldSelector=spec.none%3Dx", 400),
        ("/api/v1/pods?continue=garbage", 400),
        ("/api/v1/pods?resourceVersion=x", 400),
        ("/api/v1/pods?resourceVersion=99999999", 504),
    ],
    ids=str,
)
def test_refuses_to_read(http: httpx.Client, path: str, code: int) -> None:
    answer = http.get(path)
    assert answer.status_code == code
    assert answer.json()["kind"] == "Status"


def test_empty_structures_are_kept_and_empty_maps_and_lists_are_not(http: httpx.Client) -> None:
    volumes = [{"name": "v", "emptyDir": {}}]
    body = pod("p", {}, volumes=volumes, nodeSelector={}, hostAliases=[], affinity=None)
    made = http.post(PODS, json=body).json()
    assert made["spec"]["volumes"] == volumes
    assert not {"nodeSelector", "hostAliases", "affinity"} & set(made["spec"])
    assert "labels" not in made["metadata"]
    rule = policy("n", {"podSelector": {}, "ingress": [{}], "egress": []})
    kept = http.post(POLICIES, json=rule).json()["spec"]
    assert kept == {"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}
