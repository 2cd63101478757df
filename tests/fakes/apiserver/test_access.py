"""Who asks and what they may: tokens, certificates, ServiceAccounts, reviews, RBAC."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.fakes.apiserver import ApiServer, certificates
from tests.fakes.apiserver.conftest import NO_TLS
from tests.fakes.apiserver.manifests import CONFIGS, PODS, config, pod

Json = dict[str, Any]
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def guarded() -> Iterator[ApiServer]:
    with ApiServer(rbac=True, anonymous=False) as running:
        running.put(account("bot"))
        yield running
    assert running.bugs == []


def account(name: str, space: str = "default") -> Json:
    meta = {"name": name, "namespace": space}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}


def client(server: ApiServer, token: str) -> httpx.Client:
    head = {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=server.url, headers=head, verify=NO_TLS)


def grant(server: ApiServer, subject: Json, *rules: Json, space: str = "default") -> None:
    meta = {"name": "r", "namespace": space}
    server.put({"apiVersion": RBAC, "kind": "Role", "metadata": meta, "rules": list(rules)})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    server.put(
        {
            "apiVersion": RBAC,
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": role,
            "subjects": [subject],
        }
    )


BOT = {"kind": "ServiceAccount", "name": "bot", "namespace": "default"}
ANN = {"kind": "User", "name": "ann"}
READ_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


def test_without_a_token_nothing_is_told(guarded: ApiServer) -> None:
    for head in ({}, {"authorization": "Bearer none"}, {"authorization": "Basic x"}):
        answer = httpx.get(f"{guarded.url}{CONFIGS}", headers=head, verify=NO_TLS)
        assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")


def test_roles_decide(guarded: ApiServer) -> None:
    grant(guarded, ANN, READ_PODS)
    with client(guarded, guarded.user("ann")) as http:
        assert http.get(PODS).status_code == 200
        assert http.get(CONFIGS).status_code == 403
        assert http.get("/api/v1/pods").status_code == 403
        refused = http.post(PODS, json=pod("p"))
        assert refused.json()["message"] == (
            'pods is forbidden: User "ann" cannot create resource "pods" in API group "" '
            'in the namespace "default"'
        )
        assert refused.json()["details"] == {"kind": "pods"}
        assert http.get("/version").status_code == 200
        assert http.get("/apis").status_code == 200


@pytest.mark.parametrize(
    ("rule", "verb", "path", "allowed"),
    [
        (READ_PODS | {"resourceNames": ["a"]}, "get", "pods/a", True),
        (READ_PODS | {"resourceNames": ["a"]}, "get", "pods/b", False),
        (READ_PODS, "get", "pods/a/log", False),
        (READ_PODS | {"resources": ["pods/log"]}, "get", "pods/a/log", True),
        (READ_PODS | {"resources": ["*"]}, "get", "pods/a/log", True),
        (READ_PODS | {"resources": ["*/log"]}, "get", "pods/a/log", True),
        (READ_PODS | {"verbs": ["*"]}, "delete", "pods/a", True),
        (READ_PODS | {"apiGroups": ["apps"]}, "get", "pods/a", False),
        (READ_PODS | {"apiGroups": ["*"]}, "get", "pods/a", True),
    ],
    ids=str,
)
def test_rules(guarded: ApiServer, rule: Json, verb: str, path: str, allowed: bool) -> None:
    guarded.put(pod("a"))
    guarded.put(pod("b"))
    grant(guarded, ANN, rule)
    with client(guarded, guarded.user("ann")) as http:
        answer = http.request(verb.upper(), f"/api/v1/namespaces/default/{path}")
    assert (answer.status_code == 200) is allowed


def test_access_reviews_answer_as_the_server_would(guarded: ApiServer) -> None:
    grant(guarded, ANN, READ_PODS)
    with client(guarded, guarded.user("ann")) as http:
        for verb, allowed in (("get", True), ("delete", False)):
            wish = {"verb": verb, "resource": "pods", "namespace": "default"}
            answer = http.post(ACCESS, json={"spec": {"resourceAttributes": wish}})
            assert answer.json()["status"]["allowed"] is allowed
    named = {"user": "ann", "resourceAttributes": {"verb": "get", "resource": "pods"}}
    with client(guarded, guarded.user("admin")) as http:
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        assert http.post(path, json={"spec": named}).json()["status"] == {"allowed": False}
        assert http.post(path, json={"spec": {}}).status_code == 422


def test_an_accounts_token_is_its_own_until_it_expires(guarded: ApiServer) -> None:
    grant(guarded, BOT, READ_PODS)
    with client(guarded, guarded.user("admin")) as admin:
        path = "/api/v1/namespaces/default/serviceaccounts/bot/token"
        made = admin.post(path, json={"spec": {"expirationSeconds": 600}})
        short = admin.post(path, json={"spec": {"expirationSeconds": 60}})
    assert (made.status_code, short.status_code) == (201, 422)
    token = made.json()["status"]["token"]
    with client(guarded, token) as http:
        assert http.get(PODS).status_code == 200
        guarded.advance(601)
        assert http.get(PODS).status_code == 401


def test_tokens_are_verified_by_the_published_keys(guarded: ApiServer) -> None:
    token = guarded.account_token("default", "bot", audiences=["vault"])
    keys = httpx.get(f"{guarded.url}/openid/v1/jwks", headers=_admin(guarded), verify=NO_TLS)
    found = jwt.PyJWKSet.from_dict(keys.json())[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, found.key, algorithms=["RS256"], audience="vault")
    assert claims["sub"] == "system:serviceaccount:default:bot"
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "bot"


def _admin(server: ApiServer) -> dict[str, str]:
    return {"authorization": f"Bearer {server.user('admin')}"}


def test_token_reviews(guarded: ApiServer) -> None:
    made = guarded.put(pod("p"))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    token = guarded.account_token("default", "bot", boundObjectRef=reference, audiences=["v"])
    with client(guarded, guarded.user("admin")) as http:

        def review(text: str, *audiences: str) -> Json:
            spec = {"token": text} | ({"audiences": list(audiences)} if audiences else {})
            found: Json = http.post(REVIEWS, json={"spec": spec}).json()["status"]
            return found

        good = review(token, "v", "w")
        assert good["authenticated"] is True
        assert good["audiences"] == ["v"]
        assert good["user"]["username"] == "system:serviceaccount:default:bot"
        assert "system:serviceaccounts:default" in good["user"]["groups"]
        assert good["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
        assert review(token)["authenticated"] is False
        assert review(token + "x", "v")["error"] == "invalid bearer token"
        guarded.remove("pods", "p")
        assert review(token, "v")["authenticated"] is False
        guarded.tokens.rotate()
        assert review(guarded.account_token("default", "bot"))["authenticated"] is True
        guarded.remove("serviceaccounts", "bot")
        assert review(token, "v")["authenticated"] is False


def test_client_certificates_over_tls(tmp_path: Path) -> None:
    with ApiServer(tls=True, rbac=True, anonymous=False, controllers=False) as server:
        grant(server, {"kind": "Group", "name": "readers"}, READ_PODS)
        pair = certificates.authority().client("cara", ("readers",))
        chain, key = tmp_path / "crt", tmp_path / "key"
        chain.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        context = ssl.create_default_context(cadata=server.ca.decode())
        with httpx.Client(base_url=server.url, verify=context) as http:
            assert http.get(PODS).status_code == 401
        context.load_cert_chain(chain, key)
        with httpx.Client(base_url=server.url, verify=context) as http:
            assert http.get(PODS).status_code == 200
            assert http.get(CONFIGS).status_code == 403
            who = http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
        assert who.json()["status"]["userInfo"] == {
            "username": "cara",
            "groups": ["readers", "system:authenticated"],
        }
        assert server.log.all(resource="pods")[-1].user == "cara"
        assert not server.bugs


def test_a_revoked_token_is_refused(guarded: ApiServer) -> None:
    token = guarded.user("admin")
    with client(guarded, token) as http:
        assert http.post(CONFIGS, json=config("c")).status_code == 201
        guarded.tokens.revoke(token)
        assert http.get(CONFIGS).status_code == 401


def test_impersonation_needs_leave(guarded: ApiServer) -> None:
    grant(guarded, ANN, READ_PODS)
    with client(guarded, guarded.user("admin")) as http:
        head = {"impersonate-user": "ann"}
        assert http.get(PODS, headers=head).status_code == 200
        assert http.get(CONFIGS, headers=head).status_code == 403
    with client(guarded, guarded.user("ann")) as http:
        assert http.get(PODS, headers={"impersonate-user": "admin"}).status_code == 403
