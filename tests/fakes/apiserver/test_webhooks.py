"""Admission webhooks over HTTPS: which are asked, what they change, and what if they fail."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.apiserver.certificates import authority
from tests.fakes.apiserver.manifests import CONFIGS, config, eviction, pod, running

Json = dict[str, Any]
Decide = Callable[[Json], Json]


class Hook:
    """A webhook: what it was asked, and how it answers."""

    def __init__(self, decide: Decide) -> None:
        self.decide, self.asked, self.address = decide, list[Json](), ""


@contextmanager
def hook(folder: Path, decide: Decide, host: str = "127.0.0.1") -> Iterator[Hook]:
    made = Hook(decide)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked.append(review["request"])
            response = {"uid": review["request"]["uid"]} | made.decide(review["request"])
            body = json.dumps(
                {"kind": review["kind"], "apiVersion": review["apiVersion"], "response": response}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    pair = authority().server(host)
    (folder / "crt").write_bytes(pair.certificate)
    (folder / "key").write_bytes(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def webhook(address: str, kind: str = "Validating", **more: Any) -> Json:
    bundle = base64.b64encode(authority().certificate).decode()
    rule = {
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["configmaps"],
    }
    client = {"url": f"https://{address}/x", "caBundle": bundle}
    one = {
        "name": "check.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": client,
        "rules": [rule],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": f"{kind.lower()}-hooks"},
        "webhooks": [one | more],
    }


def allow(request: Json) -> Json:
    return {"allowed": True}


def deny(request: Json) -> Json:
    return {"allowed": False, "status": {"code": 403, "message": "not here"}}


def test_a_refusal_reaches_the_client(
    server: ApiServer, http: httpx.Client, tmp_path: Path
) -> None:
    with hook(tmp_path, deny) as asked:
        server.put(webhook(asked.address))
        refused = http.post(CONFIGS, json=config("c"))
        other = http.post("/api/v1/namespaces/default/pods", json=pod("p"))
    assert (refused.status_code, other.status_code) == (403, 201)
    assert refused.json()["message"] == (
        'admission webhook "check.example.com" denied the request: not here'
    )
    request = asked.asked[0]
    assert request["operation"] == "CREATE"
    assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert (request["name"], request["namespace"], request["dryRun"]) == ("c", "default", False)
    assert request["oldObject"] is None
    assert server.get("configmaps", "c") is None


def test_every_operation_shows_both_states(
    server: ApiServer, http: httpx.Client, tmp_path: Path
) -> None:
    with hook(tmp_path, allow) as asked:
        server.put(webhook(asked.address))
        http.post(CONFIGS, json=config("c", a="1"))
        change = {"data": {"a": "2"}}
        head = {"content-type": "application/merge-patch+json"}
        http.patch(f"{CONFIGS}/c", json=change, headers=head, params={"dryRun": "All"})
        http.delete(f"{CONFIGS}/c")
    told = [
        (r["operation"], r["dryRun"], r["object"] is not None, r["oldObject"] is not None)
        for r in asked.asked
    ]
    assert told == [
        ("CREATE", False, True, False),
        ("UPDATE", True, True, True),
        ("DELETE", False, False, True),
    ]


def test_a_mutation_is_stored_and_judged(
    server: ApiServer, http: httpx.Client, tmp_path: Path
) -> None:
    def mutate(request: Json) -> Json:
        patch = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]
        if request["name"] == "bad":
            patch[0]["value"] = {"seen": "not a label!"}
        text = base64.b64encode(json.dumps(patch).encode()).decode()
        return {"allowed": True, "patchType": "JSONPatch", "patch": text, "warnings": ["changed"]}

    with hook(tmp_path, mutate) as asked:
        server.put(webhook(asked.address, "Mutating"))
        made = http.post(CONFIGS, json=config("c"))
        bad = http.post(CONFIGS, json=config("bad"))
    assert made.json()["metadata"]["labels"] == {"seen": "yes"}
    assert made.headers["warning"] == '299 - "changed"'
    assert bad.status_code == 422


@pytest.mark.parametrize(("policy", "code"), [("Fail", 500), ("Ignore", 201)])
def test_a_webhook_that_is_not_there(
    server: ApiServer, http: httpx.Client, policy: str, code: int
) -> None:
    server.put(webhook("127.0.0.1:1", failurePolicy=policy))
    answer = http.post(CONFIGS, json=config("c"))
    assert answer.status_code == code
    if policy == "Fail":
        assert answer.json()["reason"] == "InternalError"
        assert 'failed calling webhook "check.example.com"' in answer.json()["message"]
    assert server.webhooks.calls[0].error


def test_a_certificate_of_another_authority_is_refused(
    server: ApiServer, http: httpx.Client, tmp_path: Path
) -> None:
    from tests.fakes.apiserver.certificates import Authority

    with hook(tmp_path, allow) as asked:
        body = webhook(asked.address)
        other = base64.b64encode(Authority("other").certificate).decode()
        body["webhooks"][0]["clientConfig"]["caBundle"] = other
        server.put(body)
        assert http.post(CONFIGS, json=config("c")).status_code == 500
    assert asked.asked == []


def test_a_service_is_reached_by_its_name(
    server: ApiServer, http: httpx.Client, tmp_path: Path
) -> None:
    with hook(tmp_path, deny, "gate.haechi.svc") as asked:
        body = webhook(asked.address)
        bundle = body["webhooks"][0]["clientConfig"]["caBundle"]
        service = {"namespace": "haechi", "name": "gate", "path": "/validate"}
        body["webhooks"][0]["clientConfig"] = {"service": service, "caBundle": bundle}
        server.put(body)
        assert http.post(CONFIGS, json=config("c")).status_code == 500
        server.route("haechi", "gate", asked.address)
        assert http.post(CONFIGS, json=config("c")).status_code == 403


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({}, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "x"}}}, False),
        ({"objectSelector": {"matchLabels": {"app": "c"}}}, False),
        (
            {
                "namespaceSelector": {
                    "matchExpressions": [
                        {
                            "key": "kubernetes.io/metadata.name",
                            "operator": "In",
                            "values": ["default"],
                        }
                    ]
                }
            },
            True,
        ),
    ],
    ids=["all", "other namespace", "other labels", "this namespace"],
)
def test_selectors_say_who_is_asked(
    server: ApiServer, http: httpx.Client, tmp_path: Path, more: Json, asked: bool
) -> None:
    with hook(tmp_path, allow) as found:
        server.put(webhook(found.address, **more))
        http.post(CONFIGS, json=config("c"))
    assert bool(found.asked) is asked


def test_a_webhook_may_ask_the_server(
    cluster: ApiServer, cluster_http: httpx.Client, tmp_path: Path
) -> None:
    """A webhook that reads and writes through the API while it is asked blocks nobody."""

    def writing(request: Json) -> Json:
        if request["name"] == "c":
            made = httpx.post(f"{cluster.url}{CONFIGS}", json=config("inner"))
            assert made.status_code == 201
        return {"allowed": True}

    with hook(tmp_path, writing) as asked:
        cluster.put(webhook(asked.address))
        assert cluster_http.post(CONFIGS, json=config("c")).status_code == 201
    assert cluster.get("configmaps", "inner") is not None


def test_an_eviction_is_asked_about_as_such(
    server: ApiServer, http: httpx.Client, tmp_path: Path
) -> None:
    server.put(running("p"))
    with hook(tmp_path, allow) as asked:
        body = webhook(asked.address)
        body["webhooks"][0]["rules"][0]["resources"] = ["pods", "pods/eviction"]
        server.put(body)
        path = "/api/v1/namespaces/default/pods/p/eviction"
        assert http.post(path, json=eviction("p")).status_code == 201
    (request,) = asked.asked
    assert (request["operation"], request["subResource"]) == ("CREATE", "eviction")
    assert request["kind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
