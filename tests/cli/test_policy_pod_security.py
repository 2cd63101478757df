"""``haechi policy pod-security``: one answer a file, by its pods alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Done, Haechi

GOOD = """\
apiVersion: v1
kind: Pod
metadata: {name: good}
spec:
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: app
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
"""
PRIVILEGED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad, namespace: shop}
spec:
  template:
    spec:
      containers:
        - name: app
          securityContext:
            privileged: true
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"


@pytest.fixture
def haechi(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Haechi:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(f"{GOOD}---\n{PRIVILEGED}")
    (tmp_path / "service.yaml").write_text(SERVICE)
    (tmp_path / "values.yaml").write_text("a: 1\n")
    (tmp_path / "broken.yaml").write_text("kind: [\n")
    (tmp_path / "half.yaml").write_text(f"{GOOD}---\nkind: [\n")
    return Haechi(capsys, tmp_path)


def _lines(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def _ndjson(haechi: Haechi, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = haechi("policy", "pod-security", "--format", "ndjson", *arguments)
    return done.code, _lines(done)


def test_answers_one_line_a_file(haechi: Haechi) -> None:
    code, lines = _ndjson(
        haechi, "--level", "baseline", "--version", "v1.30", "good.yaml", "bad.yaml"
    )
    assert code == 1
    assert lines == [
        {
            "file": "good.yaml",
            "level": "baseline",
            "version": "v1.30",
            "allowed": True,
            "reasons": [],
        },
        {
            "file": "bad.yaml",
            "level": "baseline",
            "version": "v1.30",
            "allowed": False,
            "reasons": [
                'Deployment shop/bad: privileged: privileged (container "app" must not set '
                "securityContext.privileged=true)"
            ],
        },
    ]


def test_level_and_version_decide(haechi: Haechi) -> None:
    assert _ndjson(haechi, "--level", "privileged", "bad.yaml")[0] == 0
    _, [old] = _ndjson(haechi, "--version", "v1.7", "bad.yaml")
    _, [new] = _ndjson(haechi, "bad.yaml")
    assert [reason.split(": ")[1] for reason in old["reasons"]] == ["privileged", "runAsNonRoot"]
    assert [reason.split(": ")[1] for reason in new["reasons"]] == [
        "privileged",
        "allowPrivilegeEscalation",
        "capabilities_restricted",
        "runAsNonRoot",
        "seccompProfile_restricted",
    ]


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("broken.yaml", "broken.yaml:"),
        ("gone.yaml", "there is no"),
        ("values.yaml", "no Kubernetes"),
    ],
)
def test_what_cannot_be_read_is_neither_allowed_nor_forbidden(
    haechi: Haechi, file: str, error: str
) -> None:
    code, [line] = _ndjson(haechi, file)
    assert code == 3
    assert line["allowed"] is None
    assert error in line["error"]


def test_a_forbidden_pod_outweighs_what_cannot_be_read(haechi: Haechi) -> None:
    code, lines = _ndjson(haechi, "half.yaml", "bad.yaml")
    assert (code, [line["allowed"] for line in lines]) == (1, [None, False])


def test_reads_folders_and_leaves_out_other_files(haechi: Haechi) -> None:
    code, lines = _ndjson(haechi, ".")
    assert code == 1
    assert {line["file"]: line["allowed"] for line in lines} == {
        "bad.yaml": False,
        "broken.yaml": None,
        "good.yaml": True,
        "half.yaml": None,
        "service.yaml": True,
    }


def test_tells_people_where(haechi: Haechi) -> None:
    done = haechi("policy", "pod-security", "--level", "baseline", "bad.yaml", "service.yaml")
    assert done.out.splitlines() == [
        "bad.yaml: violates PodSecurity baseline:latest",
        '  bad.yaml:21: Deployment shop/bad: privileged: privileged (container "app" must not set '
        "securityContext.privileged=true)",
        "service.yaml: makes no pods",
    ]


def test_reads_a_stream(haechi: Haechi, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(PRIVILEGED.encode()))
    monkeypatch.setattr("sys.stdin", stream)
    code, [line] = _ndjson(haechi, "--level", "baseline", "-")
    assert (code, line["file"], line["allowed"]) == (1, "-", False)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--level", "strict", "no level"), ("--version", "1.30", "no version")],
)
def test_wrong_words_are_wrong_use(haechi: Haechi, option: str, value: str, said: str) -> None:
    done = haechi("policy", "pod-security", option, value, "good.yaml")
    assert done.code == 2
    assert said in done.err
