"""Audit events of Kubernetes: stages, ids, credentials, large objects."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from haechi.runtime.decode import kubernetes_audit
from tests.runtime.decode.feed_samples import AUDIT, NOW, decoded, one, refused_by_store

SECRET = "aHVudGVyMmh1bnRlcjI="


def _audit(**more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(AUDIT), **more}


def _about(resource: str, subresource: str = "", **more: Any) -> dict[str, Any]:
    target = {"resource": resource, "namespace": "shop", "name": "x", "apiVersion": "v1"}
    if subresource:
        target["subresource"] = subresource
    return _audit(objectRef=target, **more)


def test_headlines_are_falcos_fields() -> None:
    event = one("kubernetes-audit", AUDIT)
    assert (event.source, event.type, event.namespace) == ("kubernetes-audit", "create", "shop")
    assert event.resource == "k8s:prod/core/Pod/shop/web-1"
    assert event.ts_ns == 1793556000200002000
    assert event.message == "eve create pods/exec shop/web-1 (101)"
    expected = {
        "ka.verb": "create",
        "ka.user.name": "eve",
        "ka.uri": AUDIT["requestURI"],
        "ka.useragent": "kubectl/v1.34",
        "ka.sourceips": ["203.0.113.9"],
        "ka.target.resource": "pods",
        "ka.target.subresource": "exec",
        "ka.target.name": "web-1",
        "ka.target.namespace": "shop",
        "ka.response.code": "101",
    }
    assert {name: event.fields[name] for name in expected} == expected
    assert event.fields["jevt.obj"] == AUDIT


@pytest.mark.parametrize(
    ("stage", "events", "skipped"),
    [
        ("ResponseComplete", 1, 0),
        ("ResponseStarted", 1, 0),
        ("Panic", 1, 0),
        ("RequestReceived", 0, 1),
    ],
)
def test_a_request_that_was_only_received_is_skipped_and_counted(
    stage: str, events: int, skipped: int
) -> None:
    found = decoded("kubernetes-audit", _audit(stage=stage))
    assert (len(found.events), found.skipped, len(found.refusals)) == (events, skipped, 0)


def test_the_first_stage_is_taken_when_asked_for() -> None:
    found = kubernetes_audit.read(
        _audit(stage="RequestReceived"), cluster="c", stages=kubernetes_audit.ALL_STAGES
    )
    assert len(found.events) == 1


def test_each_stage_and_each_request_is_an_event_of_its_own() -> None:
    records = [
        _audit(),
        _audit(stage="ResponseStarted"),
        _audit(stageTimestamp="2026-11-01T18:00:00.200003Z"),
        _audit(user={"username": "mallory"}),
        _audit(verb="delete"),
        _audit(requestURI="/api/v1/namespaces/shop/pods/web-2/exec?command=id"),
        _audit(sourceIPs=["203.0.113.10"]),
        _audit(auditID="5d3f2a10-0000-4000-8000-000000000002"),
    ]
    ids = {one("kubernetes-audit", record).id for record in records}
    assert len(ids) == len(records)


def test_the_webhook_and_the_log_say_the_same_event() -> None:
    without_kind = {name: AUDIT[name] for name in AUDIT if name not in ("kind", "apiVersion")}
    items = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [without_kind]}
    assert one("kubernetes-audit", items).id == one("kubernetes-audit", AUDIT).id


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"kind": "Pod", "auditID": "x"}, "`kind` is Pod"),
        ({"auditID": "x", "stage": "ResponseComplete"}, "`verb` is missing"),
        ({"verb": "get", "stage": "ResponseComplete"}, "`auditID` is missing"),
        ({"auditID": "x", "verb": "get", "stage": "Done"}, "`stage` is none"),
        ({"kind": "EventList", "items": {}}, "`items` is no array"),
        ({"kind": "EventList", "items": [1]}, "that is no object"),
        (_audit(apiVersion="v1"), "apiVersion is v1"),
    ],
    ids=["kind", "verb", "id", "stage", "items", "item", "version"],
)
def test_what_is_no_audit_event_is_refused(record: dict[str, Any], why: str) -> None:
    (refusal,) = decoded("kubernetes-audit", record).refusals
    assert why in refusal.why


_DATA = {"password": SECRET}
_OBJECT = {"kind": "Secret", "metadata": {"name": "x"}, "data": _DATA, "stringData": _DATA}
_APPLIED = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRET}}


@pytest.mark.parametrize(
    "record",
    [
        _about("secrets", requestObject=_OBJECT, responseObject=_OBJECT),
        _about("secrets", requestObject={"data": _DATA}),
        _about("secrets", requestObject=[{"op": "add", "path": "/data/x", "value": SECRET}]),
        _about("secrets", requestObject={"metadata": _APPLIED}),
        _about("secrets", responseObject={"kind": "SecretList", "items": [{"data": _DATA}]}),
        _about("secrets", responseObject={"kind": "List", "items": [_OBJECT]}),
        _about(
            "secrets",
            responseObject={"kind": "Table", "rows": [{"cells": [SECRET], "object": _OBJECT}]},
        ),
        _about("secrets", requestObject=SECRET),
        _about("lists", requestObject={"kind": "List", "items": [{"a": {"b": [_OBJECT]}}]}),
        _about("pods", requestObject={"kind": "Pod", "metadata": _APPLIED}),
        _about("serviceaccounts", "token", responseObject={"status": {"token": SECRET}}),
        _about("widgets", responseObject={"kind": "TokenRequest", "status": {"token": SECRET}}),
        _about("tokenreviews", requestObject={"spec": {"token": SECRET}}),
        _about("tokenreviews", requestObject={"kind": "TokenReview", "spec": {"token": [SECRET]}}),
        _about("widgets", requestObject={"spec": {"clientSecret": SECRET, "api_key": SECRET}}),
        _about("configmaps", requestObject={"kind": "ConfigMap", "data": {"password": SECRET}}),
    ],
    ids=[
        "secret", "merge-patch", "json-patch", "applied", "secret-list", "list", "table", "raw",
        "nested", "applied-pod", "token-request", "token-request-kind", "token-review",
        "token-array", "custom", "config-map",
    ],
)  # fmt: skip
def test_credentials_are_taken_out_and_names_stay(record: dict[str, Any]) -> None:
    assert SECRET in json.dumps(record)
    event = one("kubernetes-audit", record)
    assert SECRET not in json.dumps(event.fields)
    assert SECRET not in event.message


def test_names_of_a_secrets_values_stay() -> None:
    event = one("kubernetes-audit", _about("secrets", requestObject=_OBJECT))
    assert event.fields["jevt.obj"]["requestObject"]["data"] == {"password": "***"}


def test_what_rules_ask_for_is_not_taken_out() -> None:
    pod = {
        "kind": "Pod",
        "metadata": {"name": "x", "managedFields": [{"manager": "kubectl"}]},
        "spec": {
            "hostNetwork": True,
            "volumes": [{"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
            "containers": [{"image": "a", "securityContext": {"capabilities": {"add": ["ALL"]}}}],
        },
    }
    found = one("kubernetes-audit", _about("pods", requestObject=pod)).fields["jevt.obj"]
    assert found["requestObject"]["spec"] == pod["spec"]
    assert "managedFields" not in found["requestObject"]["metadata"]


def test_a_large_response_goes_before_the_request_does() -> None:
    pod = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostPID": True}}
    items = [{"metadata": {"name": f"p{n}"}, "spec": {"x": "y" * 200}} for n in range(2_000)]
    event = one(
        "kubernetes-audit",
        _about("pods", requestObject=pod, responseObject={"kind": "PodList", "items": items}),
    )
    found = event.fields["jevt.obj"]
    assert found["requestObject"] == pod
    assert found["responseObject"] == {"kind": "PodList", "metadata": {}}
    assert event.fields["haechi.cut"] == ["jevt.obj/responseObject"]
    assert refused_by_store([event]) == []


_LONG = "x" * 10_000
_NOTES = {"metadata": {"annotations": {"a": _LONG}}}


@pytest.mark.parametrize(
    ("spec", "notes", "told"),
    [
        ({"containers": [{"name": "c", "args": [_LONG]}]}, {}, True),
        ({"containers": [{"name": f"c{n}"} for n in range(600)]}, {}, True),
        ({"containers": [{"name": str(n), "args": ["y" * 600]} for n in range(500)]}, {}, True),
        ({"containers": [{"name": "c"}]}, _NOTES, False),
        ({"containers": [{"name": "c"}]}, {}, False),
        (
            {"containers": [{"name": "c", "args": [_LONG]}]},
            {"metadata": {"annotations": {str(n): _LONG for n in range(17)}}},
            True,
        ),
    ],
    ids=["text", "list", "too-much", "notes", "fits", "many-notes"],
)
def test_rules_can_ask_whether_a_request_was_cut(
    spec: dict[str, Any], notes: dict[str, Any], told: bool
) -> None:
    pod = {"kind": "Pod", **notes, "spec": spec}
    event = one("kubernetes-audit", _about("pods", requestObject=pod))
    assert event.fields["jevt.obj"].get("haechi.cut", False) is told
    assert refused_by_store([event]) == []


def test_padding_is_cut_and_what_it_would_hide_stays() -> None:
    spec = {"containers": [{"name": "c", "securityContext": {"privileged": True}}]}
    pod = {
        "kind": "Pod",
        "metadata": {"annotations": {f"a{n}": "x" * 30_000 for n in range(40)}},
        "spec": spec,
    }
    event = one("kubernetes-audit", _about("pods", requestObject=pod))
    assert event.fields["jevt.obj"]["requestObject"]["spec"] == spec
    assert "haechi.cut" in event.fields
    assert refused_by_store([event]) == []


@pytest.mark.parametrize(
    ("target", "response", "key"),
    [
        ({"resource": "nodes", "name": "n"}, None, "k8s:prod/core/Node/-/n"),
        (
            {"resource": "namespaces", "namespace": "a", "name": "a"},
            None,
            "k8s:prod/core/Namespace/-/a",
        ),
        (
            {"resource": "deployments", "apiGroup": "apps", "namespace": "a", "name": "d"},
            None,
            "k8s:prod/apps/Deployment/a/d",
        ),
        (
            {"resource": "pods", "namespace": "a"},
            {"kind": "Pod", "metadata": {"name": "made-up-7x"}},
            "k8s:prod/core/Pod/a/made-up-7x",
        ),
        (
            {"resource": "certificaterequests", "apiGroup": "cert-manager.io", "name": "c"},
            {"kind": "CertificateRequest", "metadata": {"name": "c"}},
            "k8s:prod/cert-manager.io/CertificateRequest/-/c",
        ),
        ({"resource": "pods", "namespace": "a"}, {"kind": "PodList", "metadata": {}}, ""),
        ({}, None, ""),
    ],
    ids=["cluster-scoped", "namespace", "group", "generated-name", "custom", "list", "no-resource"],
)
def test_resources_are_named_by_their_key(
    target: dict[str, Any], response: dict[str, Any] | None, key: str
) -> None:
    event = one("kubernetes-audit", _audit(objectRef=target, responseObject=response))
    assert event.resource == key


def test_a_list_of_many_is_read_whole() -> None:
    items = [_audit(auditID=f"id-{n}") for n in range(300)]
    found = kubernetes_audit.read({"kind": "EventList", "items": items}, cluster="c", now_ns=NOW)
    assert len({event.id for event in found.events}) == 300
