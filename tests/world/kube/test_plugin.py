"""Credential plug-ins: what they are given, what they give, and how they are bounded."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import ConfigError, KubeForbidden
from haechi.world.kube.config import cluster_info
from haechi.world.kube.kubeconfig import ClusterEntry, ExecPlugin, ExecVariable, Extension
from haechi.world.kube.plugin import EARLY, VERSIONS, Plugin

NOW = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)


def program(folder: Path, text: str) -> str:
    path = folder / "plug"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return str(path)


def declared(command: str, **more: Any) -> ExecPlugin:
    return ExecPlugin(
        **{"command": command, "api_version": VERSIONS[0], "interactive_mode": "Never"} | more
    )


def says(version: str = VERSIONS[0], **status: Any) -> str:
    told = {"kind": "ExecCredential", "apiVersion": version, "status": status}
    return f"print({json.dumps(told)!r})"


def plugin(command: str, **more: Any) -> Plugin:
    options = {
        name: more.pop(name) for name in ("cluster", "environ", "clock", "seconds") if name in more
    }
    options.setdefault("environ", {"PATH": os.environ["PATH"]})
    return Plugin(declared(command, **more), where="kubeconfig", **options)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token_is_asked_for_once_until_it_ends(tmp_path: Path, version: str) -> None:
    count = tmp_path / "count"
    until = (NOW + dt.timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    told = says(version, token="t0ken", expirationTimestamp=until)
    command = program(tmp_path, f"open({str(count)!r}, 'a').write('x')\n{told}")
    now = [NOW]
    asked = plugin(command, api_version=version, clock=lambda: now[0])
    assert [asked.now().token, asked.now().token] == ["t0ken", "t0ken"]
    assert count.read_text() == "x"
    now[0] = NOW + dt.timedelta(hours=1) - EARLY
    asked.now()
    assert count.read_text() == "xx"
    now[0] = NOW
    assert asked.refused(asked.now())
    asked.now()
    assert count.read_text() == "xxx"


def test_what_a_program_is_given(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code = (
        "import json, os, sys\n"
        f"json.dump([sys.argv[1:], dict(os.environ), sys.stdin.read()], open({str(seen)!r}, 'w'))\n"
    )
    entry = ClusterEntry(
        server="https://a",
        tls_server_name="n",
        certificate_authority_data="Q0E=",
        extensions=[Extension(name="client.authentication.k8s.io/exec", extension={"x": 1})],
    )
    asked = plugin(
        program(tmp_path, code + says(token="t")),
        args=["-a", "b c; echo $HOME"],
        env=[ExecVariable(name="PLUG", value="1")],
        environ={"PATH": os.environ["PATH"], "HAECHI_TOKEN": "mine", "HOME": "/h"},
        cluster=cluster_info(entry),
        provide_cluster_info=True,
    )
    asked.now()
    arguments, environment, stdin = json.loads(seen.read_text())
    assert (arguments, stdin) == (["-a", "b c; echo $HOME"], "")
    assert (environment["PLUG"], environment["HOME"]) == ("1", "/h")
    assert "HAECHI_TOKEN" not in environment
    assert json.loads(environment["KUBERNETES_EXEC_INFO"]) == {
        "kind": "ExecCredential",
        "apiVersion": VERSIONS[0],
        "spec": {
            "interactive": False,
            "cluster": {
                "server": "https://a",
                "tls-server-name": "n",
                "certificate-authority-data": "Q0E=",
                "config": {"x": 1},
            },
        },
    }


def test_the_cluster_is_told_only_to_who_asks(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code = f"import os\nopen({str(seen)!r}, 'w').write(os.environ['KUBERNETES_EXEC_INFO'])\n"
    plugin(program(tmp_path, code + says(token="t")), cluster={"server": "https://a"}).now()
    assert json.loads(seen.read_text())["spec"] == {"interactive": False}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('hello s3cret')", "something else than an ExecCredential"),
        ("import sys; print('s3cret'); sys.exit(3)", "failed with code 3"),
        ("print('x' * (2 << 20))", "more than 1 MiB"),
        ("import time; time.sleep(60)", "did not end within 0.5 seconds"),
        (
            "import subprocess; subprocess.Popen(['sleep', '60']); print('s3cret', flush=True)",
            "did not end within 0.5 seconds",
        ),
        (says(VERSIONS[1], token="s3cret"), "in another version"),
        (says(), "neither token nor certificate"),
        (says(clientCertificateData="s3cret"), "without the other"),
        (says(token="s3cret", expirationTimestamp="2026-01-01T00:00:00"), "without its zone"),
        ("print('[' * 100000)", "something else"),
    ],
)
def test_what_goes_wrong_is_told_without_what_it_printed(
    tmp_path: Path, code: str, words: str
) -> None:
    asked = plugin(
        program(tmp_path, code), seconds=0.5 if "60" in code else 20, install_hint="see docs"
    )
    with pytest.raises(KubeForbidden) as raised:
        asked.now()
    said = raised.value.explain()
    assert words in said and "see docs" in said and "s3cret" not in said


def test_a_program_that_failed_is_left_in_peace(tmp_path: Path) -> None:
    count = tmp_path / "count"
    asked = plugin(program(tmp_path, f"open({str(count)!r}, 'a').write('x')"))
    for _ in range(3):
        with pytest.raises(KubeForbidden):
            asked.now()
    assert count.read_text() == "x"


def test_a_bare_name_is_looked_for_in_absolute_entries_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, says(token="t"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KubeForbidden, match="not installed"):
        plugin("plug", environ={"PATH": f".{os.pathsep}"}).now()
    assert plugin("plug", environ={"PATH": str(tmp_path)}).now().token == "t"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"api_version": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1"),
        ({"interactive_mode": "Always"}, "needs a terminal"),
        ({"interactive_mode": ""}, "lacks interactiveMode"),
        ({"interactive_mode": "Maybe"}, "Maybe"),
        ({"command": ""}, "no command"),
    ],
    ids=["version", "always", "absent", "other", "nothing"],
)
def test_what_cannot_work_is_refused_before_it_runs(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Plugin(
            declared("plug", **{k: v for k, v in more.items() if k != "command"})
            if "command" not in more
            else declared(""),
            where="kubeconfig",
        )
    assert words in raised.value.explain()


def test_certificates_are_taken(tmp_path: Path) -> None:
    code = says(clientCertificateData="CERT", clientKeyData="KEY")
    found = plugin(program(tmp_path, code)).now()
    assert (found.certificate.data, found.key.data, found.token) == (b"CERT", b"KEY", "")
