"""Only where a run really looked does "not found any more" mean "fixed"."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from haechi.model.push import UNJUDGED, PushedResource, PushScope
from haechi.server.work.covering import Covering
from tests.server.work.stored import KEY, gap, push, stored

KNOWN = frozenset({"k8s-privileged", "k8s-host-network", "secret-github-pat"})
SECRET = {
    "rule": "secret-github-pat",
    "domain": "secrets",
    "path": "ops/a.env",
    "resource": "file:https%3A%2F%2Fgithub.com%2Facme%2Fshop/ops/a.env",
}
BOTH = ("iac", "secrets")


def covers(
    finding: dict[str, Any] | None = None, *, history_counts: bool = True, **run: Any
) -> bool:
    covering = Covering(push(**run), KNOWN, history_counts=history_counts)
    return covering(stored(**(finding or {})))


def test_whole_run_covers_what_its_rules_judge() -> None:
    assert covers()
    assert covers(SECRET)


@pytest.mark.parametrize(
    ("finding", "scope"),
    [
        ({}, PushScope(domains=("secrets",), history="full")),
        (SECRET, PushScope(domains=("iac",))),
        ({}, PushScope(domains=BOTH, within="services", history="full")),
        ({}, PushScope(domains=BOTH, within="deploy/ca", history="full")),
        ({}, PushScope(domains=BOTH, tree=False, history="full")),
        (SECRET, PushScope(domains=BOTH, tree=False, history="full")),
        (SECRET, PushScope(domains=BOTH, history="part")),
        (SECRET, PushScope(domains=BOTH, history="none")),
        ({**SECRET, "commit": "f00"}, PushScope(domains=BOTH, history="part")),
        ({**SECRET, "commit": "f00"}, PushScope(domains=BOTH, history="none")),
    ],
)
def test_outside_of_the_scope_nothing_is_covered(finding: dict[str, Any], scope: PushScope) -> None:
    assert not covers(finding, scope=scope)


@pytest.mark.parametrize("within", ["", "deploy", "deploy/", "deploy/cart.yaml"])
def test_folder_covers_what_lies_in_it(within: str) -> None:
    assert covers(scope=PushScope(domains=("iac",), within=within))


def test_deleted_file_is_covered_by_its_folder_only() -> None:
    gone = {"path": "deploy/old.yaml", "resource": "k8s:-/core/Pod/shop/old"}
    assert covers(gone, scope=PushScope(domains=("iac",), within="deploy"))
    assert not covers(gone, scope=PushScope(domains=("iac",), within="deploy/cart.yaml"))


def test_secret_counts_as_gone_from_the_tree_where_nobody_looks_at_history() -> None:
    tree = PushScope(domains=BOTH, history="none")
    assert covers(SECRET, scope=tree, history_counts=False)
    assert not covers(SECRET, scope=tree, history_counts=True)


@pytest.mark.parametrize(
    "hole",
    [
        gap("shallow-history", ".git/shallow"),
        gap("git", ".git"),
        gap("corrupt-objects", ".git"),
        gap("missing-objects", ".git"),
        gap("too-many-findings", ".git"),
    ],
)
def test_history_with_holes_is_no_whole_history(hole: dict[str, Any]) -> None:
    assert not covers({**SECRET, "commit": "f00"}, gaps=(hole,))
    assert not covers(SECRET, gaps=(hole,))
    assert covers(gaps=(hole,)), "the tree was looked at all the same"


def test_history_that_was_not_counted_was_not_read() -> None:
    looked = {"files": 9, "files for secrets": 9}
    assert not covers({**SECRET, "commit": "f00"}, looked=looked)


@pytest.mark.parametrize(
    ("hole", "covered"),
    [
        (gap("syntax", "deploy/cart.yaml:3"), False),
        (gap("unreadable", "deploy/cart.yaml"), False),
        (gap("unreadable", "deploy"), False),
        (gap("link", "deploy/"), False),
        (gap("helm-chart", "deploy/Chart.yaml"), False),
        (gap("kustomize", "deploy/kustomization.yaml"), False),
        (gap("too-many-findings", "."), False),
        (gap("too-much", "z/other.yaml"), False),
        (gap("unknown", "z"), False),
        (gap("syntax", "deploy/cart.yaml.bak:3"), True),
        (gap("syntax", "deploy/other.yaml"), True),
        (gap("helm-chart", "charts/x/Chart.yaml"), True),
        (gap("zizmor", "."), True),
        (gap("zizmor", "deploy/cart.yaml"), False),
    ],
)
def test_gap_hides_its_file_or_folder(hole: dict[str, Any], covered: bool) -> None:
    assert covers(gaps=(hole,)) is covered


def test_object_that_no_rendering_shows_is_not_gone() -> None:
    hole = gap("kustomize", "overlays/prod/kustomization.yaml")
    assert covers(gaps=(hole,))
    assert not covers(gaps=(hole,), resources=())


@pytest.mark.parametrize(
    ("hole", "covered"),
    [
        (gap("not-evaluated", "x.yaml:3", "rule k8s-privileged could not judge: no"), False),
        (gap("rule-error", "x.yaml:3", "rule k8s-privileged could not judge: no"), False),
        (gap("not-evaluated", "x.yaml:3", "rule k8s-host-network could not judge: no"), True),
        (gap("rule-error", "policy/own.yaml:2", "unknown key"), True),
    ],
)
def test_rule_that_could_not_judge_everything_covers_nothing(
    hole: dict[str, Any], covered: bool
) -> None:
    assert covers(gaps=(hole,)) is covered


@pytest.mark.parametrize(
    ("rule", "gaps", "covered"),
    [
        ("k8s-host-network", (), False),  # known, and did not run
        ("k8s-retired-rule", (), True),  # no rule of that name any more
        ("own-rule", (gap("rule-timeout", "other-own-rule"),), False),
        ("own-rule", (gap("rule-engine", "rules of users"),), False),
    ],
)
def test_rule_has_to_have_run_or_be_gone(
    rule: str, gaps: tuple[dict[str, Any], ...], covered: bool
) -> None:
    assert covers({"rule": rule}, gaps=gaps) is covered


def test_rule_without_anything_left_to_judge_covers_what_is_gone() -> None:
    assert covers({"rule": "k8s-host-network"}, resources=())


@pytest.mark.parametrize(
    "run",
    [
        {"looked": {}},
        {"looked": {"files": 0}},
        {"looked": {"files": "9"}},
        {"answer": "nothing"},
        {"answer": "invalid"},
    ],
)
def test_run_that_looked_at_nothing_covers_nothing(run: dict[str, Any]) -> None:
    assert not covers(**run)


def test_file_of_the_repository_is_known_by_its_key_in_the_scan() -> None:
    docker = {
        "rule": "k8s-host-network",
        "path": "Dockerfile",
        "resource": "file:https%3A%2F%2Fgithub.com%2Facme%2Fshop/Dockerfile",
    }
    assert not covers(docker, resources=("file:-/Dockerfile",))
    assert covers(docker, resources=(KEY,))


PACKAGE = {
    "rule": "CVE-2024-9",
    "domain": "deps",
    "path": "services/uv.lock",
    "resource": "pkg:pypi/demo@1.5",
}


def advised(
    *ids: str,
    lock_files: int | None = 3,
    unjudged: str = "",
    gaps: tuple[dict[str, Any], ...] = (),
    **more: Any,
) -> bool:
    """Whether a run with advisories of these ecosystems covers a vulnerability of demo."""
    looked = {"files": 9} if lock_files is None else {"lock files": lock_files}
    made = push(scope=PushScope(domains=("deps",)), looked=looked, gaps=gaps)
    made.report["coverage"]["evaluated_rules"]["ids"] = list(ids)
    seen = PushedResource(key=unjudged, kind="package", name="x", attributes={UNJUDGED: True})
    made = msgspec.structs.replace(made, resources=(seen,) if unjudged else ())
    return Covering(made, KNOWN, history_counts=False)(stored(**PACKAGE, **more))


@pytest.mark.parametrize(
    ("run", "covered"),
    [
        ({}, True),
        ({"lock_files": None}, False),
        ({"unjudged": "pkg:pypi/demo"}, False),
        ({"unjudged": "pkg:pypi/other"}, True),
        ({"gaps": (gap("no-advisories", "services/uv.lock"),)}, True),
        ({"gaps": (gap("package-source", "services/uv.lock"),)}, True),
        ({"gaps": (gap("lockfile", "services/uv.lock:3"),)}, False),
        ({"gaps": (gap("undecided-version", "services/uv.lock"),)}, False),
        ({"gaps": (gap("no-lock-file", "services/pyproject.toml"),)}, False),
        ({"gaps": (gap("no-lock-file", "other/pyproject.toml"),)}, True),
    ],
)
def test_vulnerability_is_gone_when_its_package_was_judged(
    run: dict[str, Any], covered: bool
) -> None:
    assert advised("advisories:PyPI", **run) is covered


@pytest.mark.parametrize(
    ("ids", "covered"),
    [((), False), (("advisories:npm",), False), (("CVE-2024-9",), True)],
)
def test_vulnerability_is_not_gone_because_nobody_knew_of_it(
    ids: tuple[str, ...], covered: bool
) -> None:
    assert advised(*ids) is covered


def test_without_any_lock_file_nothing_is_vulnerable() -> None:
    assert advised(lock_files=0)


@pytest.mark.parametrize("broken", [None, [], "x", {"gaps": 5}, {"gaps": [1, {"kind": 5}]}])
def test_hostile_coverage_covers_nothing(broken: object) -> None:
    assert not covers(coverage=broken)
