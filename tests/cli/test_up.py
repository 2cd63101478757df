"""``haechi up`` as a person starts it: a process, its words, its signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from haechi.cli.up import command
from haechi.client.http import Client
from haechi.errors import ConfigError, UsageError
from tests.trees import write

pytest.importorskip("granian", reason="the server's extra is not installed")

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers:
    - {name: web, image: "example.org/web:1", securityContext: {privileged: true}}
"""


@contextmanager
def started(
    *words: str, log: Path = Path(os.devnull)
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process and what it says until its page is there."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "haechi", "up", *words],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(["src", *sys.path])},
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "page" in line:
                break
        yield process, said
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _rest(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.read()


def _url(said: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", said)
    assert found is not None, said
    return found[0]


def test_once_scans_keeps_says_and_stops(tmp_path: Path) -> None:
    write(tmp_path / "repo", {"pod.yaml": POD})
    store = tmp_path / "store"
    words = (str(tmp_path / "repo"), "--store", str(store), "--once")
    with started(*words) as (process, said):
        told = said + _rest(process)
        assert process.wait(60) == 1  # the gate's word
    assert "privileged" in told
    assert len(re.findall(r"haechi_api_\w+", told)) == 1
    assert (store.stat().st_mode & 0o777, (store / "state.db").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    with started(*words) as (process, said):
        assert "haechi_api_" not in said + _rest(process), "the token is printed once"


def test_what_a_scan_found_is_on_the_server_and_ctrl_c_stops(tmp_path: Path) -> None:
    write(tmp_path / "repo", {"pod.yaml": POD})
    words = (str(tmp_path / "repo"), "--store", str(tmp_path / "store"), "--listen", "0")
    with started(*words) as (process, said):
        rest = ""
        assert process.stdout is not None
        for line in process.stdout:
            rest += line
            if "The page shows it all" in line:
                break
        token = re.search(r"haechi_api_\w+", rest)
        assert token is not None
        assert "/signin#code=" in rest
        with Client(_url(said), token[0]) as client:
            titles = {finding["rule"] for finding in client.each("findings")}
            assert "k8s-privileged" in titles
            assert client.now()["items"]
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) in (0, 1)


def test_requests_are_logged_without_secrets(tmp_path: Path) -> None:
    words = (str(tmp_path), "--store", str(tmp_path / "store"), "--listen", "0", "--no-scan")
    log = tmp_path / "log"
    with started(*words, log=log) as (process, said):
        assert process.stdout is not None
        token = next(filter(None, (re.search(r"haechi_api_\w+", it) for it in process.stdout)))[0]
        with Client(_url(said), token) as client:
            client.now()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (asked,) = [line for line in lines if line.get("route") == "/api/v1/now"]
    assert (asked["method"], asked["status"]) == ("GET", 200)
    assert any("this machine only" in line["message"] for line in lines)
    assert token not in log.read_text()


def test_the_store_has_one_owner(tmp_path: Path) -> None:
    words = (str(tmp_path), "--store", str(tmp_path / "store"), "--listen", "0", "--no-scan")
    with started(*words):
        done = subprocess.run(
            [sys.executable, "-m", "haechi", "up", *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(["src", *sys.path])},
        )
    assert done.returncode == 2
    assert str(tmp_path / "store") in done.stderr


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--once", "--no-scan"], UsageError),
        (["--listen", "localhost"], UsageError),
        (["--listen", "127.0.0.1:99999"], ConfigError),
        (["no-such-folder"], UsageError),
    ],
)
def test_wrong_use_is_told(words: list[str], error: type[Exception], tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--store", str(tmp_path / "s"), *words])
    assert isinstance(done.exception, error)
    assert not (tmp_path / "s").exists()


def test_a_store_that_comes_with_the_repository_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {".haechi/state.db": "", "pod.yaml": POD})
    for words in (["init", "-q"], ["add", "-f", ".haechi"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    done = CliRunner().invoke(command, [str(tmp_path), "--once"])
    assert isinstance(done.exception, UsageError)
    assert "whoever committed it" in done.exception.explain()
