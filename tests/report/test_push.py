"""The push of a run: its report as it is, and a scope that claims no more than was looked at."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from haechi.model.push import Origin, Push, PushScope
from haechi.report.json import render
from haechi.report.push import push_document, push_scope
from tests.trees import POD, scan


def test_push_carries_the_report_and_what_was_seen(tmp_path: Path) -> None:
    outcome = scan(tmp_path, {"deploy/pod.yaml": POD}, only=("iac",))
    origin = Origin(repository="https://github.com/acme/shop", ref="main", commit="abc")
    push = push_document(outcome.material, outcome.looked, origin, push_scope(only=("iac",)))
    assert push.report == msgspec.json.decode(render(outcome.material))
    assert {one.key for one in push.resources} >= {
        "repo:https://github.com/acme/shop",
        "file:-/deploy/pod.yaml",
        "k8s:-/core/Pod/shop/ok",
        "image:registry.example/app:1.0",
    }
    named = {finding["rule"] for finding in push.report["findings"]}
    assert named
    assert {rule.id for rule in push.rules} == named
    assert msgspec.json.decode(msgspec.json.encode(push), type=Push) == push


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, PushScope(domains=("iac", "secrets", "deps"), history="full")),
        ({"history": False}, PushScope(domains=("iac", "secrets", "deps"), history="none")),
        ({"only": ("iac",)}, PushScope(domains=("iac",), history="none")),
        ({"part": True}, PushScope(domains=("iac", "secrets", "deps"), history="part")),
        (
            {"within": "a"},
            PushScope(domains=("iac", "secrets", "deps"), within="a", history="part"),
        ),
        (
            {"only": ("secrets",), "staged": True},
            PushScope(domains=("secrets",), tree=False, history="part"),
        ),
    ],
)
def test_scope_is_what_was_asked_for(asked: dict[str, object], wanted: PushScope) -> None:
    assert push_scope(**asked) == wanted  # type: ignore[arg-type]
