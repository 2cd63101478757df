"""kubeconfig files are read as kubectl reads them; kubectl itself is asked where it is there."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import ConfigError
from haechi.world.kube.config import access_of
from haechi.world.kube.kubeconfig import Kubeconfig, files_of, load

KUBECTL = shutil.which("kubectl")


def written(folder: Path, name: str, **parts: Any) -> Path:
    """A file; clusters, users and contexts by their names."""
    words = {"clusters": "cluster", "users": "user", "contexts": "context"}
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    for part, word in words.items():
        entries = parts.get(part, {})
        body[part] = [{"name": name, word: value} for name, value in entries.items()]
    if "current" in parts:
        body["current-context"] = parts["current"]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body))  # JSON is YAML, and leaves no `y` that is a boolean
    return path


A = {"cluster": "c", "user": "u"}


def test_the_first_file_wins_and_entries_are_whole(tmp_path: Path) -> None:
    one = written(
        tmp_path, "one", clusters={"c": {"server": "https://one"}}, users={"u": {"token": "a"}}
    )
    two = written(
        tmp_path,
        "two",
        clusters={
            "c": {"server": "https://two", "tls-server-name": "x"},
            "d": {"server": "https://d"},
        },
        contexts={"a": A},
        current="a",
    )
    config = load([one, two], required=True)
    assert config.clusters["c"].server == "https://one"
    assert config.clusters["c"].tls_server_name == ""
    assert (sorted(config.clusters), config.current_context) == (["c", "d"], "a")


def test_paths_are_meant_from_their_own_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "deep/config",
        clusters={"c": {"server": "https://one", "certificate-authority": "../ca.crt"}},
        users={
            "u": {"client-certificate": "/abs.crt", "client-key": "u.key", "tokenFile": "t"},
            "v": {
                "exec": {"command": "./bin/plug", "apiVersion": "client.authentication.k8s.io/v1"}
            },
            "w": {"exec": {"command": "plug", "apiVersion": "client.authentication.k8s.io/v1"}},
        },
    )
    config = load([path], required=True)
    folder = tmp_path / "deep"
    assert config.clusters["c"].certificate_authority == str(folder / "../ca.crt")
    user = config.users["u"]
    assert (user.client_certificate, user.client_key) == ("/abs.crt", str(folder / "u.key"))
    assert user.token_file == str(folder / "t")
    commands = [one.exec.command for one in config.users.values() if one.exec]
    assert commands == [str(folder / "bin/plug"), "plug"]


def test_absent_files_of_the_variable_are_passed_over(tmp_path: Path) -> None:
    there = written(tmp_path, "there", contexts={"a": A}, current="a")
    environ = {"KUBECONFIG": os.pathsep.join([str(tmp_path / "no"), "", str(there), str(there)])}
    files = files_of(environ, tmp_path)
    assert files == [tmp_path / "no", there]
    assert load(files, required=False).current_context == "a"
    assert files_of({}, tmp_path) == [tmp_path / ".kube" / "config"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "config"),
        ("- 1", "not a kubeconfig"),
        ("clusters: {a: b}", "not a kubeconfig"),
        ("users: [{name: u, user: {token: 5}}]", "not a kubeconfig"),
        ("users: [{name: u}, {name: u}]", "twice"),
        ("a: 1\na: 2", "written twice"),
        ("a: &a [*a]", "alias"),
        ("x: " + "[" * 300, ""),
        ("a: 1\n---\nb: 1", "second"),
    ],
)
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load([path], required=True)
    assert words in raised.value.explain()
    assert str(path) in raised.value.where


def test_no_file_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no kubeconfig"):
        load([tmp_path / "a"], required=False)
    with pytest.raises(ConfigError, match="no such file"):
        load([tmp_path / "a"], required=True)


@pytest.mark.parametrize(
    ("config", "context", "words"),
    [
        (Kubeconfig(), "", "no context is chosen"),
        (Kubeconfig(current_context="x"), "", "no context 'x'"),
        (Kubeconfig(current_context="x"), "y", "no context 'y'"),
    ],
    ids=["none", "unknown", "asked"],
)
def test_a_context_that_is_not_there_is_told(config: Kubeconfig, context: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config.chosen(context)


@pytest.mark.parametrize("missing", ["clusters", "users"])
def test_a_context_of_nothing_names_what_there_is(tmp_path: Path, missing: str) -> None:
    parts: dict[str, Any] = {
        "clusters": {"c": {"server": "https://one"}, "other": {}},
        "users": {"u": {}, "other": {}},
        "contexts": {"a": A},
        "current": "a",
    }
    parts[missing].pop(missing[0])
    config = load([written(tmp_path, "config", **parts)], required=True)
    with pytest.raises(ConfigError) as raised:
        config.chosen()
    assert "there are: other" in raised.value.do


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load([path], required=True)
        except ConfigError:
            return


def some_files(folder: Path, seed: int) -> list[Path]:
    """One to three files whose entries overlap."""
    chance = random.Random(seed)  # noqa: S311
    (folder / "ca.crt").write_text("-----CA-----")
    (folder / "key").write_text("-----KEY-----")
    found = []
    for number in range(chance.randint(1, 3)):
        folder_ = chance.choice(["", "deep/", "deep/er/"])
        up = "../" * folder_.count("/")
        ways: list[dict[str, Any]] = [
            {"certificate-authority": f"{up}ca.crt"},
            {"certificate-authority-data": base64.b64encode(b"x" * number).decode()},
            {"tls-server-name": "other", "proxy-url": "http://p:1"},
            {"disable-compression": True},
        ]
        clusters: dict[str, Any] = {
            name: {
                "server": f"https://{number}.example:6443",
                **chance.choice(ways),
            }
            for name in chance.sample("abc", chance.randint(0, 3))
        }
        users = {
            name: chance.choice(
                [
                    {"token": f"t{number}"},
                    {"client-certificate": f"{up}ca.crt", "client-key": f"{up}key"},
                    {"as": "somebody", "as-groups": ["g", "h"], "as-user-extra": {"x": ["y"]}},
                    {"tokenFile": f"{up}key"},
                ]
            )
            for name in chance.sample("uvw", chance.randint(0, 3))
        }
        contexts = {
            name: {
                "cluster": chance.choice("abc"),
                "user": chance.choice("uvw"),
                **chance.choice([{}, {"namespace": "n"}]),
            }
            for name in chance.sample("xyz", chance.randint(0, 3))
        }
        more = {"current": chance.choice("xyz")} if chance.random() < 0.7 else {}
        found.append(
            written(
                folder,
                f"{folder_}{number}",
                clusters=clusters,
                users=users,
                contexts=contexts,
                **more,
            )
        )
    return found


def flattened(config: Kubeconfig) -> dict[str, Any]:
    """As ``kubectl config view --flatten --raw`` shows it, the parts that we read."""

    def data(inline: str, file: str) -> str:
        return inline or (base64.b64encode(Path(file).read_bytes()).decode() if file else "")

    return {
        "current-context": config.current_context,
        "contexts": {
            name: {"cluster": one.cluster, "user": one.user, "namespace": one.namespace}
            for name, one in config.contexts.items()
        },
        "clusters": {
            name: {
                "server": one.server,
                "ca": data(one.certificate_authority_data, one.certificate_authority),
                "tls": one.tls_server_name,
                "proxy": one.proxy_url,
            }
            for name, one in config.clusters.items()
        },
        "users": {
            name: {
                "token": one.token,
                "file": Path(one.token_file).name,  # kubectl shows its path as it is written
                "cert": data(one.client_certificate_data, one.client_certificate),
                "key": data(one.client_key_data, one.client_key),
                "as": [one.impersonate, one.impersonate_groups, one.impersonate_extra],
            }
            for name, one in config.users.items()
        },
    }


def of_kubectl(shown: dict[str, Any]) -> dict[str, Any]:
    """The same of kubectl's words."""

    def named(part: str, word: str) -> dict[str, Any]:
        return {one["name"]: one.get(word) or {} for one in shown.get(part) or ()}

    return {
        "current-context": shown.get("current-context", ""),
        "contexts": {
            name: {key: one.get(key, "") for key in ("cluster", "user", "namespace")}
            for name, one in named("contexts", "context").items()
        },
        "clusters": {
            name: {
                "server": one.get("server", ""),
                "ca": one.get("certificate-authority-data", ""),
                "tls": one.get("tls-server-name", ""),
                "proxy": one.get("proxy-url", ""),
            }
            for name, one in named("clusters", "cluster").items()
        },
        "users": {
            name: {
                "token": one.get("token", ""),
                "file": Path(one.get("tokenFile", "")).name,
                "cert": one.get("client-certificate-data", ""),
                "key": one.get("client-key-data", ""),
                "as": [one.get("as", ""), one.get("as-groups", []), one.get("as-user-extra", {})],
            }
            for name, one in named("users", "user").items()
        },
    }


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
@pytest.mark.parametrize("seed", range(12))
def test_several_files_are_what_kubectl_makes_of_them(tmp_path: Path, seed: int) -> None:
    files = some_files(tmp_path, seed)
    done = subprocess.run(
        [str(KUBECTL), "config", "view", "--flatten", "--raw", "-o", "json"],
        env={"KUBECONFIG": os.pathsep.join(map(str, files)), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=60,
    )
    ours = flattened(load(files, required=False))
    theirs = of_kubectl(json.loads(done.stdout))
    assert ours == theirs


def test_an_access_shows_no_secret() -> None:
    from haechi.world.kube.kubeconfig import ClusterEntry, ContextEntry, UserEntry

    key = base64.b64encode(b"private").decode()
    config = Kubeconfig(
        clusters={"c": ClusterEntry(server="https://a")},
        users={"u": UserEntry(token="t0ken", client_certificate_data=key, client_key_data=key)},
        contexts={"x": ContextEntry(cluster="c", user="u")},
        current_context="x",
    )
    access = access_of(config, environ={})
    assert access.credentials.now().token == "t0ken"
    shown = repr(access) + repr(access.credentials.now())
    assert "t0ken" not in shown and "private" not in shown
