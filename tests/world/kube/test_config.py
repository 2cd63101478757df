"""From kubeconfig or pod to access: what is taken, what is refused and with which advice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haechi.errors import ConfigError
from haechi.world.kube.access import Credential, server_url
from haechi.world.kube.config import environment_proxy, from_kubeconfig, in_cluster
from haechi.world.kube.credentials import AGAIN_S, TokenFile
from haechi.world.kube.plugin import Plugin
from tests.world.kube.test_kubeconfig import A, written

CLUSTER = {"server": "https://east.example:6443"}


def access(tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], **more: Any) -> Any:
    path = written(
        tmp_path,
        "config",
        clusters={"c": cluster},
        users={"u": user},
        contexts={"a": A},
        current="a",
    )
    return from_kubeconfig(path, environ=more.pop("environ", {}), **more)


def test_a_context_becomes_an_access(tmp_path: Path) -> None:
    user = {
        "token": "t",
        "as": "ana",
        "as-groups": ["g", "h"],
        "as-uid": "7",
        "as-user-extra": {"K y": ["v"]},
    }
    found = access(tmp_path, {**CLUSTER, "tls-server-name": "other"}, user, name="east")
    assert (found.name, found.tls_name, found.namespace) == ("east", "other", "default")
    assert found.groups == ("g", "h")
    assert found.headers == {
        "Impersonate-User": "ana",
        "Impersonate-Uid": "7",
        "Impersonate-Extra-k%20y": "v",
    }


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        (
            {"insecure-skip-tls-verify": True},
            {},
            ["would not be verified", "certificate-authority"],
        ),
        (
            {"insecure-skip-tls-verify": True, "certificate-authority-data": "QQ=="},
            {},
            ["contradict"],
        ),
        ({"server": "http://east.example"}, {}, ["without encryption", "https"]),
        ({"server": "ftp://east.example"}, {}, ["no URL"]),
        ({"server": "https://u:p@east.example"}, {}, ["scheme, host, port and path alone"]),
        ({"server": "https://east.example:99999"}, {}, ["no URL"]),
        ({"server": ""}, {}, ["no URL"]),
        ({"proxy-url": "socks5://p:1"}, {}, ["SOCKS", "HTTP proxy"]),
        ({"proxy-url": "p"}, {}, ["proxy's address"]),
        ({"certificate-authority-data": "!"}, {}, ["base64"]),
        ({}, {"username": "a", "password": "b"}, ["1.19", "token"]),
        ({}, {"auth-provider": {"name": "gcp"}}, ["1.26", "gke-gcloud-auth-plugin"]),
        ({}, {"auth-provider": {"name": "azure"}}, ["kubelogin convert-kubeconfig"]),
        ({}, {"auth-provider": {"name": "oidc"}}, ["oidc-login"]),
        ({}, {"auth-provider": "x"}, ["plug-in"]),
        ({}, {"client-certificate-data": "QQ=="}, ["go together"]),
        ({}, {"as-groups": ["g"]}, ["need `as`"]),
        ({}, {"as": "a\r\nX: y"}, ["no header"]),
        ({}, {"token": "a b"}, ["no token has"]),
        ({}, {"exec": {"command": "p", "apiVersion": "v9"}}, ["speaks v9"]),
    ],
)
def test_what_is_unsafe_or_gone_is_refused_with_advice(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as raised:
        access(tmp_path, CLUSTER | cluster, user)
    said = raised.value.explain()
    assert all(word in said for word in words), said
    assert str(tmp_path) in said


def test_insecure_is_loud_where_it_is_allowed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = access(tmp_path, {**CLUSTER, "insecure-skip-tls-verify": True}, {}, insecure=True)
    assert found.insecure
    assert "NOT verified" in caplog.text


def test_plain_http_is_for_this_machine() -> None:
    for host in ("127.0.0.1:8001", "localhost:8001", "[::1]:8001"):
        assert server_url(f"http://{host}", "x").scheme == "http"


def test_a_token_goes_over_a_plugin_as_with_kubectl(tmp_path: Path) -> None:
    plugin = {"command": "p", "apiVersion": "client.authentication.k8s.io/v1beta1"}
    assert not isinstance(
        access(tmp_path, CLUSTER, {"exec": plugin, "token": "t"}).credentials, Plugin
    )
    assert isinstance(access(tmp_path, CLUSTER, {"exec": plugin}).credentials, Plugin)


def test_a_token_file_is_read_again_each_minute_and_after_a_refusal(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    now = [0.0]
    credentials = TokenFile(str(file), Credential(), lambda: now[0])
    first = credentials.now()
    assert first.token == "one"
    assert not credentials.refused(first)
    file.write_text("two")
    assert credentials.now().token == "one"
    now[0] = AGAIN_S
    assert credentials.now().token == "two"
    file.write_text("three")
    assert credentials.refused(credentials.now())
    assert credentials.now().token == "three"
    file.unlink()
    now[0] = 10 * AGAIN_S
    assert credentials.now().token == "three"


def test_an_empty_token_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(ConfigError, match="empty"):
        TokenFile(str(tmp_path / "token"), Credential()).now()


def test_in_a_pod_the_account_counts(tmp_path: Path) -> None:
    for name, text in (("token", "t"), ("ca.crt", "CA"), ("namespace", "haechi\n")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    found = in_cluster(environ=environ, folder=tmp_path, name="here")
    assert (found.server, found.namespace, found.name) == (
        "https://[fd00::1]:443",
        "haechi",
        "here",
    )
    assert found.authority.read() == b"CA"
    assert found.credentials.now().token == "t"


def test_outside_of_a_pod_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not run in a pod"):
        in_cluster(environ={}, folder=tmp_path)
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigError, match="no account's token"):
        in_cluster(environ=environ, folder=tmp_path)


@pytest.mark.parametrize(
    ("environ", "server", "proxy"),
    [
        ({}, "https://a.example", ""),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://a.example", "http://p:3128"),
        ({"https_proxy": "p:3128"}, "https://a.example", "http://p:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, "https://a.example", ""),
        ({"HTTPS_PROXY": "http://p"}, "https://127.0.0.1:6443", ""),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, "https://a.example", ""),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "b, example"}, "https://a.example", ""),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ".example"}, "https://a.example", ""),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": ".example"}, "https://example", "http://p"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3", ""),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, "https://11.1.2.3", "http://p"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "a.example:6443"}, "https://a.example:6443", ""),
        (
            {"HTTPS_PROXY": "http://p", "NO_PROXY": "a.example:1"},
            "https://a.example:6443",
            "http://p",
        ),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "xample"}, "https://a.example", "http://p"),
    ],
)
def test_proxies_of_the_environment(environ: dict[str, str], server: str, proxy: str) -> None:
    assert environment_proxy(server, environ, "x") == proxy
