"""zizmor run for real: over copies, without the tree's say, and whatever a file does to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from haechi.world import zizmor
from haechi.world.zizmor import Input, audit, zizmor_path

INJECTED = b"""\
on: pull_request_target
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ github.event.issue.title }}
"""
CRASHES = b"""\
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: "x\\
          y"
      - run: !!binary aGk=
        if: ?
"""


def workflow(path: str, data: bytes = INJECTED) -> Input:
    return Input(path=path, kind="workflow", data=data)


def audits(report: zizmor.Report, path: str) -> set[str]:
    return {result.audit for result in report.results[path]}


def test_finds_what_is_there_at_its_place(tmp_path: Path) -> None:
    report = audit([workflow("a.yml")], tmp_path)
    results = {result.audit: result for result in report.results["a.yml"]}
    assert {"template-injection", "dangerous-triggers"} <= set(results)
    found = results["template-injection"]
    assert found.path == ("jobs", "a", "steps", 0, "run")
    assert (found.line, found.expression) == (6, "github.event.issue.title")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a: [",
        b"on: push\njobs: []\n",
        b"on: push\njobs:\n  a: &a {<<: *a}\n",
        b"\xff\xfe\x00",
        b"on: push\n" + b"[" * 5_000,
        CRASHES,
        b"on: push\non: push\njobs: {}\n",
    ],
)
def test_a_file_that_is_refused_spoils_no_other(data: bytes, tmp_path: Path) -> None:
    inputs = [workflow("first.yml"), workflow("bad.yml", data), workflow("last.yml")]
    report = audit(inputs, tmp_path)
    assert "template-injection" in audits(report, "first.yml")
    assert "template-injection" in audits(report, "last.yml")
    assert ("bad.yml" in report.results) != ("bad.yml" in report.refused)


def test_other_encodings_are_read(tmp_path: Path) -> None:
    for data in (b"\xef\xbb\xbf" + INJECTED, INJECTED.decode().encode("utf-16")):
        assert "template-injection" in audits(audit([workflow("a.yml", data)], tmp_path), "a.yml")


def test_actions_are_told_from_workflows(tmp_path: Path) -> None:
    data = b"""\
name: a
description: d
runs:
  using: composite
  steps:
    - {shell: bash, run: "echo ${{ github.event.issue.title }}"}
"""
    report = audit([Input(path="x/action.yml", kind="action", data=data)], tmp_path)
    assert "template-injection" in audits(report, "x/action.yml")


def test_neither_the_tree_nor_the_environment_switches_audits_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = "rules: {template-injection: {disable: true}}\n"
    (tmp_path / "zizmor.yml").write_text(config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZIZMOR_CONFIG", str(tmp_path / "zizmor.yml"))
    monkeypatch.setenv("HOME", str(tmp_path))
    marked = INJECTED.replace(b"title }}\n", b"title }} # zizmor: ignore[template-injection] why\n")
    report = audit([workflow("a.yml", marked)], tmp_path)
    (found,) = [r for r in report.results["a.yml"] if r.audit == "template-injection"]
    assert found.ignored is not None
    assert "why" in found.ignored


def test_no_token_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    fake = tmp_path / "fake"
    fake.write_text(f"#!/bin/sh\nenv > {seen}\necho \"$@\" >> {seen}\necho '[]'\n")
    fake.chmod(0o755)
    monkeypatch.setattr(zizmor, "zizmor_path", lambda tree: str(fake))
    monkeypatch.setenv("GH_TOKEN", "canary-one")
    monkeypatch.setenv("GITHUB_TOKEN", "canary-two")
    report = audit([workflow("secret-name.yml")], tmp_path)
    said = seen.read_text()
    assert "canary" not in said
    assert "secret-name" not in said
    assert "--offline --no-config" in said
    assert set(report.refused) == {"secret-name.yml"}, "no file is done unless zizmor says so"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exec sleep 60", "took longer"),
        ("exit 1", "ended with code 1"),
        ("kill -9 $$", "ended with code"),
        ("echo nonsense; echo ' INFO audit: completed 0/workflow.yml' >&2", "another form"),
    ],
)
def test_a_run_that_fails_is_told_for_each_file(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "fake"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(zizmor, "zizmor_path", lambda tree: str(fake))
    monkeypatch.setattr(zizmor, "_BASE", 0.2)
    report = audit([workflow("a.yml")], tmp_path)
    assert reason in report.refused["a.yml"]


def test_time_in_all_is_bounded(tmp_path: Path) -> None:
    report = audit([workflow("a.yml"), workflow("b.yml")], tmp_path, seconds=0)
    assert set(report.refused) == {"a.yml", "b.yml"}


def test_zizmor_of_the_scanned_tree_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "zizmor"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    found = zizmor_path(tmp_path)
    assert found is not None
    assert not found.startswith(str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(fake.parent))
    assert zizmor_path(tmp_path) is None
    assert audit([workflow("a.yml")], tmp_path).missing == "zizmor is not installed"


def test_nothing_to_audit_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zizmor, "zizmor_path", lambda tree: sys.exit("started"))
    assert audit([], tmp_path) == zizmor.Report()
