"""The client against the fake API server: reading, changing, refusals, rights, TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haechi.errors import (
    KubeBusy,
    KubeConflict,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
    KubeUnreachable,
)
from haechi.world.kube import names, objects
from haechi.world.kube.access import Credential, Pem
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.config import from_kubeconfig
from haechi.world.kube.credentials import Fixed, TokenFile
from haechi.world.kube.names import DEPLOYMENT, NETWORK_POLICY, POD, SECRET, Ref, ref_of
from haechi.world.kube.policies import NetworkPolicyManager
from haechi.world.kube.rights import Right, may, missing, review_token
from tests.world.kube.fake import cluster, deployment, namespace, pod, policy
from tests.world.kube.raw import AT_ONCE

CART = Ref(group="apps", version="v1", kind="Deployment", namespace="default", name="cart")


def named(found: Any) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def test_lists_come_in_pages_and_whole(tmp_path: Path) -> None:
    objects_ = [pod(f"p{n:02}", app="a" if n % 2 else "b") for n in range(23)]
    with cluster(tmp_path, objects=objects_, controllers=False) as (client, server):
        assert named(client.list(POD, page=5)) == [f"p{n:02}" for n in range(23)]
        assert sum(one.resource == "pods" for one in server.log.all()) == 5
        assert len(named(client.list(POD, "default", label_selector="app=a"))) == 11
        assert named(client.list(POD, field_selector="metadata.name=p07")) == ["p07"]
        assert named(client.list(POD, "elsewhere")) == []


def test_an_expired_page_goes_on_without_losing_or_repeating(tmp_path: Path) -> None:
    with cluster(tmp_path, objects=[pod(f"p{n}") for n in range(9)], controllers=False) as (
        client,
        server,
    ):
        found = client.list(POD, page=4)
        first = [next(found) for _ in range(4)]
        server.put(pod("p9"))
        server.remove("pods", "p6", "default")
        server.compact()
        assert named([*first, *found]) == [f"p{n}" for n in range(10) if n != 6]


def test_typed_parts_of_many(tmp_path: Path) -> None:
    with cluster(tmp_path, objects=[deployment("cart"), policy("p", app="cart")]) as (client, _):
        pods = list(client.read(POD, objects.Pod))
        assert len(pods) == 2
        owner = pods[0].metadata.controller
        assert owner is not None and (owner.kind, owner.group) == ("ReplicaSet", "apps")
        assert all(one.addresses and one.container_ids for one in pods)
        [found] = client.read(NETWORK_POLICY, objects.NetworkPolicy)
        assert found.spec.pod_selector == objects.Selector(match_labels={"app": "cart"})
        [node, *_] = client.read(names.NODE, objects.Node)
        assert node.addresses


def test_apply_owns_its_fields_and_says_who_owns_the_others(tmp_path: Path) -> None:
    with cluster(tmp_path) as (client, _):
        body = deployment("cart")
        assert client.apply(body, field_manager="one")["spec"]["replicas"] == 2
        body["spec"]["replicas"] = 5
        with pytest.raises(KubeConflict) as raised:
            client.apply(body, field_manager="two")
        assert raised.value.owners == (("one", ".spec.replicas"),)
        assert "one holds .spec.replicas" in raised.value.explain()
        tried = client.apply(body, field_manager="two", force=True, dry_run=True)
        assert tried["spec"]["replicas"] == 5
        assert client.replicas(CART) == 2
        client.apply(body, field_manager="two", force=True)
        assert client.replicas(CART) == 5


def test_a_misspelt_field_is_refused(tmp_path: Path) -> None:
    body = policy("p")
    body["spec"]["ingres"] = []
    with cluster(tmp_path) as (client, _), pytest.raises(KubeInvalid) as raised:
        client.apply(body, field_manager="haechi")
    assert "ingres" in raised.value.explain()


def test_a_patch_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    with cluster(tmp_path, objects=[pod("a", app="x")]) as (client, _):
        ref = Ref(kind="Pod", namespace="default", name="a")
        path = "/metadata/labels/app"
        change = [{"op": "test", "path": path, "value": "x"}, {"op": "remove", "path": path}]
        assert "app" not in client.patch(ref, change, dry_run=True)["metadata"].get("labels", {})
        client.patch(ref, change)
        with pytest.raises(KubeConflict, match="not as the patch expected"):
            client.patch(ref, change)
        with pytest.raises(KubeNotFound):
            client.patch(Ref(kind="Pod", namespace="default", name="b"), change)


def test_only_the_object_that_was_meant_is_deleted(tmp_path: Path) -> None:
    with cluster(tmp_path, objects=[policy("p")]) as (client, server):
        ref = ref_of(policy("p"))
        found = client.get(ref)
        assert found is not None
        with pytest.raises(KubeConflict):
            client.delete(ref, uid="another")
        client.delete(ref, uid=found["metadata"]["uid"], dry_run=True)
        assert server.get("networkpolicies", "p") is not None
        client.delete(ref, uid=found["metadata"]["uid"])
        assert client.get(ref) is None
        with pytest.raises(KubeNotFound):
            client.delete(ref)


def test_an_eviction_minds_budgets(tmp_path: Path) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "cart"}}},
    }
    with cluster(tmp_path, objects=[deployment("cart"), budget]) as (client, server):
        [first, _] = named(client.list(POD))
        with pytest.raises(KubeBusy) as raised:
            client.evict("default", first)
        assert raised.value.budget
        server.remove("poddisruptionbudgets", "b")
        client.evict("default", first, dry_run=True)
        assert first in named(client.list(POD))
        client.evict("default", first)
        with pytest.raises(KubeNotFound):
            client.evict("default", "nobody")


def test_scaling_minds_what_was_expected(tmp_path: Path) -> None:
    with cluster(tmp_path, objects=[deployment("cart", replicas=3)]) as (client, _):
        with pytest.raises(KubeConflict, match="has 3 replicas, not 4"):
            client.scale(CART, 0, expected=4)
        assert client.scale(CART, 0, expected=3, dry_run=True) == 0
        assert client.replicas(CART) == 3
        assert client.scale(CART, 0, expected=3) == 0
        assert named(client.list(POD)) == []


def test_network_policies_by_the_names_of_the_guide(tmp_path: Path) -> None:
    with cluster(tmp_path, objects=[namespace("shop")]) as (client, _):
        made = client.create_network_policy(
            {"metadata": {"name": "a"}, "spec": {"podSelector": {}}}
        )
        assert made["metadata"]["namespace"] == "default"
        policies = NetworkPolicyManager(client, namespace="shop")
        policies.create_network_policy(policy("b", "shop"))
        with pytest.raises(KubeConflict):
            policies.create_network_policy(policy("b", "shop"))
        policies.apply_network_policy(
            {**policy("b", "shop"), "metadata": {"name": "b"}}, force=True
        )
        assert named(policies.list_network_policies()) == ["a", "b"]
        assert named(policies.list_network_policies("shop")) == ["b"]
        assert policies.get_network_policy("b") is not None
        policies.delete_network_policy("b")
        assert policies.get_network_policy("b") is None
        with pytest.raises(KubeInvalid, match="no NetworkPolicy"):
            policies.create_network_policy(deployment("c"))
        with pytest.raises(KubeInvalid, match="no name"):
            policies.create_network_policy({"spec": {}})


def test_values_of_secrets_never_come(tmp_path: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "default"},
        "stringData": {"password": "hunter2"},
    }
    with cluster(tmp_path, objects=[secret]) as (client, _):
        [found] = client.list(SECRET)
        one = client.get(Ref(kind="Secret", namespace="default", name="s"))
        [change, *_] = [next(client.watch(SECRET))]
    for body in (found, one, change.body):
        assert body is not None
        assert (body["kind"], body["metadata"]["name"]) == ("Secret", "s")
        assert not {"data", "stringData"} & set(body)


def test_rights_are_asked_before_anything_is_tried(tmp_path: Path) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "reader"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "reader",
        },
        "subjects": [{"kind": "User", "name": "ana", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    with cluster(tmp_path, user="ana", rbac=True, objects=[role, binding]) as (client, server):
        evict = Right(verb="create", kind=POD, subresource="eviction", namespace="default")
        apply = Right(verb="patch", kind=NETWORK_POLICY, namespace="default", name="x")
        assert may(client, Right(verb="list", kind=POD)).allowed
        lacking = missing(client, [Right(verb="get", kind=POD), evict, apply, evict])
        assert [str(one.right) for one in lacking] == [
            "create pods/eviction in default",
            "patch networkpolicies.networking.k8s.io x in default",
        ]
        with pytest.raises(KubeForbidden):
            client.apply(policy("x"), field_manager="haechi")
        with pytest.raises(KubeForbidden):
            review_token(client, "x")
        assert named(client.list(POD)) == []
        assert all(entry.user == "ana" for entry in server.log.all())


def test_a_token_is_reviewed(tmp_path: Path) -> None:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "robot", "namespace": "default"},
    }
    with cluster(tmp_path, objects=[account]) as (client, server):
        token = server.account_token("default", "robot")
        found = review_token(client, token)
        assert (found.authenticated, found.user) == (True, "system:serviceaccount:default:robot")
        assert not review_token(client, "nonsense").authenticated
        assert not review_token(client, token, audiences=["another"]).authenticated


def test_a_certificate_shows_who_asks(tmp_path: Path) -> None:
    with cluster(tmp_path, tls=True, certificate=True, rbac=True) as (client, server):
        assert client.version().startswith("v1.")
        list(client.list(POD))
        assert {entry.user for entry in server.log.all()} == {"admin"}


def test_an_unknown_authority_is_not_trusted_and_nothing_is_sent(tmp_path: Path) -> None:
    from tests.fakes.apiserver import ApiServer
    from tests.fakes.apiserver.certificates import Authority

    with ApiServer(tls=True) as server:
        path = server.kubeconfig(tmp_path / "config")
        access = from_kubeconfig(path, environ={})
        other = Pem(data=Authority("somebody").certificate)
        from msgspec.structs import replace

        with (
            KubernetesClient(replace(access, authority=other), patience=AT_ONCE) as client,
            pytest.raises(KubeUnreachable, match="not trusted") as raised,
        ):
            client.apply(policy("p"), field_manager="x")
        assert not raised.value.sent
        with (
            KubernetesClient(replace(access, tls_name="elsewhere"), patience=AT_ONCE) as client,
            pytest.raises(KubeUnreachable, match="not trusted"),
        ):
            client.version()
        assert [entry.path for entry in server.log.all()] == []


def test_a_replaced_token_is_found_without_a_restart(tmp_path: Path) -> None:
    from msgspec.structs import replace

    with cluster(tmp_path, anonymous=False) as (client, server):
        file = tmp_path / "token"
        file.write_text(server.user("admin"))
        access = replace(client.access, credentials=TokenFile(str(file), Credential()))
        with KubernetesClient(access, patience=AT_ONCE) as other:
            list(other.list(POD))
            server.tokens._static.clear()
            with pytest.raises(KubeForbidden, match="does not know who asks"):
                list(other.list(POD))
            file.write_text(server.user("admin"))
            list(other.list(POD))
            assert named(other.list(DEPLOYMENT)) == []


def test_a_wrong_token_is_told(tmp_path: Path) -> None:
    from msgspec.structs import replace

    with cluster(tmp_path, anonymous=False) as (client, _):
        access = replace(client.access, credentials=Fixed(Credential(token="nonsense")))
        with KubernetesClient(access) as other, pytest.raises(KubeForbidden) as raised:
            other.get(CART)
    assert "nonsense" not in raised.value.explain()


@pytest.mark.parametrize("plain", [False, True], ids=["aggregated", "group by group"])
def test_kinds_are_discovered(tmp_path: Path, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if plain:
        monkeypatch.setattr("haechi.world.kube.discovery.AGGREGATED", "application/json")
    with cluster(tmp_path) as (client, _):
        found = client.discovery.found()
        kinds = {(one.group, one.kind): one for one in found.kinds}
        for known in names.BUILT_IN:
            there = kinds.get((known.group, known.kind))
            if there is not None:
                assert (there.plural, there.namespaced) == (known.plural, known.namespaced), known
        assert ("", "Pod") in kinds and ("apps", "Deployment") in kinds
        assert found.failed == ()
        with pytest.raises(KubeNotFound, match="no kind 'Nonsense'"):
            client.discovery.kind("x.example", "Nonsense")


def test_a_plugin_gives_the_token_and_another_one_when_it_ends(tmp_path: Path) -> None:
    import json
    import sys

    from tests.fakes.apiserver import ApiServer
    from tests.world.kube.test_kubeconfig import A, written

    with ApiServer(anonymous=False) as server:
        tokens = tmp_path / "tokens"
        program = tmp_path / "plug"
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, pathlib\n"
            f"path = pathlib.Path({str(tokens)!r})\n"
            "first, *rest = path.read_text().split()\n"
            "path.write_text(' '.join(rest or [first]))\n"
            "print(json.dumps({'kind': 'ExecCredential', 'status': {'token': first},\n"
            "    'apiVersion': 'client.authentication.k8s.io/v1'}))\n"
        )
        program.chmod(0o755)
        plug = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./plug",
            "interactiveMode": "IfAvailable",
        }
        path = written(
            tmp_path,
            "config",
            clusters={"c": {"server": server.url}},
            users={"u": {"exec": plug}},
            contexts={"a": A},
            current="a",
        )
        tokens.write_text(f"{server.user('admin')} {server.user('admin')}")
        access = from_kubeconfig(path, environ={})
        with KubernetesClient(access, patience=AT_ONCE) as client:
            list(client.list(POD))
            first = client.access.credentials.now().token
            server.tokens._static.pop(first)
            list(client.list(POD))
            assert client.access.credentials.now().token != first
        assert json.dumps([entry.code for entry in server.log.all()]) == "[200, 401, 200]"


def test_a_proxy_is_asked_for_a_tunnel(tmp_path: Path) -> None:
    import socket
    import threading

    from msgspec.structs import replace

    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(one: socket.socket, other: socket.socket) -> None:
        try:
            while piece := one.recv(65536):
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def proxy() -> None:
        with listener.accept()[0] as inner:
            seen.append(inner.recv(65536))
            target = seen[0].split(b" ")[1].decode().rpartition(":")
            with socket.create_connection((target[0], int(target[2]))) as outer:
                inner.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(outer, inner), daemon=True)
                back.start()
                pump(inner, outer)
                back.join(5)

    thread = threading.Thread(target=proxy, daemon=True)
    thread.start()
    with cluster(tmp_path, tls=True) as (client, _), listener:
        url = f"http://user:p%40ss@127.0.0.1:{listener.getsockname()[1]}"
        with KubernetesClient(replace(client.access, proxy=url), patience=AT_ONCE) as other:
            assert named(other.list(POD)) == []
        thread.join(5)
    assert seen[0].startswith(b"CONNECT 127.0.0.1:")
    assert b"Basic dXNlcjpwQHNz" in seen[0]
    assert b"Bearer" not in seen[0]


@pytest.mark.parametrize(
    ("kind", "applied"), [("reset_after", True), ("timeout_after", True), ("reset", False)]
)
def test_a_write_that_may_have_happened_says_so(tmp_path: Path, kind: Any, applied: bool) -> None:
    with cluster(tmp_path) as (client, server):
        server.faults.add(kind=kind, verb="create", resource="networkpolicies", seconds=0.05)
        with pytest.raises(KubeUnreachable) as raised:
            client.create_network_policy(policy("p"))
        assert raised.value.sent
        assert (server.get("networkpolicies", "p") is not None) is applied
        assert len(server.log.writes()) == 1


def test_an_apply_whose_answer_is_lost_is_applied_once(tmp_path: Path) -> None:
    with cluster(tmp_path) as (client, server):
        server.faults.add(kind="reset_after", verb="patch")
        made = client.apply(policy("p"), field_manager="haechi")
        assert made["metadata"]["generation"] == 1
        assert len(server.list("networkpolicies")) == 1
