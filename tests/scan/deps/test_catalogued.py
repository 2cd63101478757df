"""The catalogue's rules about dependency files, in a scan: findings, policy, waivers, limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haechi.checks.deps.names import SHORTEST, is_known, looks_like
from haechi.engines.cel import CelEngine
from haechi.model.config import Config, DepsSection, LicencesSection
from haechi.rules.catalogue import load_catalogue
from haechi.scan.deps.catalogued import example_reviews, overridden
from haechi.scan.deps.look import Dependencies, look_at_dependencies
from haechi.scan.deps.settings import is_settings
from haechi.scan.setup import Setup
from haechi.world.files import Tree

RULES = [rule for rule in load_catalogue().rules if rule.id.startswith("deps-")]


def looked(root: Path, files: Mapping[str, str], **licences: list[str]) -> Dependencies:
    """Write the files and look at them with our own rules."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    config = Config(deps=DepsSection(licences=LicencesSection(**licences)))
    setup = Setup(config=config, rules=RULES, expressions=CelEngine)
    return look_at_dependencies(Tree(root=root), setup)


def npm(**packages: Mapping[str, object]) -> str:
    """A lock file of npm."""
    held = {f"node_modules/{name}": {"version": "1.0.0", **said} for name, said in packages.items()}
    return json.dumps({"lockfileVersion": 3, "packages": {"": {}, **held}})


def rules_of(found: Dependencies) -> list[str]:
    """The rules that found something."""
    return sorted(finding.rule for finding in found.part.findings)


def test_the_rules_are_there() -> None:
    assert len(RULES) >= 14


def test_a_setting_is_judged_without_any_lock_file(tmp_path: Path) -> None:
    found = looked(tmp_path, {".npmrc": "strict-ssl=false\n"})
    (finding,) = found.part.findings
    assert (finding.rule, finding.domain, str(finding.location)) == (
        "deps-tls-off",
        "deps",
        ".npmrc:1",
    )
    assert "deps-tls-off" in found.part.evaluated


def test_a_login_in_a_line_is_not_told(tmp_path: Path) -> None:
    text = "--extra-index-url https://bob:hunter2@pypi.acme.io/simple\nacme==1.0\n"
    (finding,) = looked(tmp_path, {"requirements.txt": text}).part.findings
    assert finding.rule == "deps-second-registry"
    assert "hunter2" not in repr(finding)


def test_fingerprints_survive_moves_and_versions(tmp_path: Path) -> None:
    one = looked(tmp_path / "a", {"requirements.txt": "reqeusts==2.0\n"}).part.findings
    two = looked(tmp_path / "b", {"requirements.txt": "# new\nflask==1.0\nreqeusts==3.0\n"})
    assert one[0].fingerprint == two.part.findings[0].fingerprint


def test_a_comment_waives(tmp_path: Path) -> None:
    text = "reqeusts==2.0  # haechi:allow deps-confusable-name ours, since 2020\n"
    found = looked(tmp_path, {"requirements.txt": text})
    (waiver,) = found.part.waivers
    assert waiver.fingerprint == found.part.findings[0].fingerprint


@pytest.mark.parametrize(
    ("licence", "allow", "deny", "rules"),
    [
        ("MIT", ["permissive"], [], []),
        ("AGPL-3.0-only", [], ["network"], ["deps-licence-denied"]),
        ("(MIT OR AGPL-3.0-only)", [], ["network"], []),
        ("MIT AND AGPL-3.0-only", [], ["network"], ["deps-licence-denied"]),
        ("GPL-2.0-only", ["MIT", "Apache-2.0"], [], ["deps-licence-denied"]),
        ("Apache 2.0", ["Apache-2.0"], [], []),
        ("whatever you like", ["MIT"], [], ["deps-licence-unknown"]),
        ("AGPL-3.0-only", [], [], []),
    ],
)
def test_licences(
    tmp_path: Path, licence: str, allow: list[str], deny: list[str], rules: list[str]
) -> None:
    files = {"package-lock.json": npm(ms={"license": licence})}
    assert rules_of(looked(tmp_path, files, allow=allow, deny=deny)) == rules


@pytest.mark.parametrize(("deny", "count"), [(["network"], 1), ([], 0)])
def test_unknown_licences_are_one_gap_where_there_is_a_policy(
    tmp_path: Path, deny: list[str], count: int
) -> None:
    files = {"a/package-lock.json": npm(ms={}, vary={}), "b/package-lock.json": npm(ms={})}
    found = looked(tmp_path, files, deny=deny)
    assert len([gap for gap in found.part.gaps if gap.kind == "licences"]) == count


@pytest.mark.parametrize(
    ("ecosystem", "name", "meant"),
    [
        ("PyPI", "reqeusts", "requests"),
        ("PyPI", "requestss", "requests"),
        ("PyPI", "urlllib3", "urllib3"),
        ("npm", "cross-env.js", ""),
        ("npm", "crossenv", "cross-env"),
        ("npm", "expres", "express"),
        ("npm", "@bable/core", "@babel/core"),
        ("npm", "lоdash", "lodash"),
        ("npm", "@acme/expres", ""),
        ("npm", "mss", ""),
        ("npm", "webpack9", ""),
        ("PyPI", "some-other-thing", ""),
    ],
)
def test_names_that_look_like_others(ecosystem: str, name: str, meant: str) -> None:
    assert looks_like(ecosystem, name) == meant


@pytest.mark.parametrize("ecosystem", ["PyPI", "npm"])
def test_known_names_are_never_flagged(ecosystem: str) -> None:
    from haechi.checks.deps.names import _names

    names = list(_names(ecosystem))
    assert len(names) > 1000
    assert [name for name in names if looks_like(ecosystem, name)] == []
    assert is_known(ecosystem, names[0])


@given(st.text(max_size=60))
@example("d\x80\x80\x80Ð")
@example("d\u0300\u0301\u0302\u0303")
def test_any_name_is_looked_at(name: str) -> None:
    meant = looks_like("npm", name)
    assert not meant or len(meant) >= SHORTEST - 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [(".npmrc", True), ("a/NuGet.Config", True), ("Dockerfile.dev", True), ("src/a.py", False)],
)
def test_which_files_hold_settings(path: str, expected: bool) -> None:
    assert is_settings(path) is expected


def test_go_settings_count_beside_modules_alone(tmp_path: Path) -> None:
    docker = {"Dockerfile": "FROM a\nENV GOSUMDB=off\n"}
    assert rules_of(looked(tmp_path / "a", docker)) == []
    with_go = {**docker, "go.mod": "module acme.io/x\ngo 1.22\nrequire acme.io/y v1.0.0\n"}
    assert rules_of(looked(tmp_path / "b", with_go)) == ["deps-go-sum-off"]


def test_an_example_names_its_files() -> None:
    (review,) = example_reviews("=== .npmrc\nregistry=http://a.io\n")
    assert review.resource.file == ".npmrc"


def messages(found: Dependencies, rule: str) -> list[str]:
    """What a rule said."""
    return [one.message for one in found.part.findings if one.rule == rule]


def test_a_name_counts_as_a_slip_where_somebody_here_typed_it(tmp_path: Path) -> None:
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": {"acme": "1.0.0", "expresss": "1.0.0"}},
            "node_modules/acme": {"version": "1.0.0", "dependencies": {"lod-ash": "1"}},
            "node_modules/lod-ash": {"version": "1.0.0"},
            "node_modules/expresss": {"version": "1.0.0"},
        },
    }
    found = looked(tmp_path, {"package-lock.json": json.dumps(lock)})
    assert messages(found, "deps-confusable-name") == [
        "expresss is not express, which it looks like"
    ]


def test_an_extra_of_the_project_itself_is_not_missing_from_the_lock(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["demo"]\n'
        '[dependency-groups]\ndev = ["shop[develop]", "gone"]\n',
        "uv.lock": 'version = 1\n[[package]]\nname = "shop"\nsource = { editable = "." }\n'
        'dependencies = [{ name = "demo" }]\n[[package]]\nname = "demo"\nversion = "1.0"\n'
        'source = { registry = "https://pypi.org/simple" }\n',
    }
    found = looked(tmp_path, files)
    assert messages(found, "deps-lock-out-of-step") == [
        "pyproject.toml asks for gone, which is not locked"
    ]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        pytest.param({}, True, id="none"),
        pytest.param({"overrides": {"demo": "1.0.0"}}, False, id="npm"),
        pytest.param({"overrides": {"web": {"demo@2": "1.0.0"}}}, False, id="npm, nested"),
        pytest.param({"resolutions": {"**/demo": "1.0.0"}}, False, id="yarn"),
        pytest.param({"pnpm": {"overrides": {"web>demo@2": "1.0.0"}}}, False, id="pnpm"),
        pytest.param({"overrides": {"demonstration": "1.0.0"}}, True, id="another package"),
        pytest.param({"overrides": ["demo"], "pnpm": 3}, True, id="no mapping"),
    ],
)
def test_what_an_override_sets_is_in_step(
    tmp_path: Path, setting: Mapping[str, object], told: bool
) -> None:
    files = {
        "package.json": json.dumps({"dependencies": {"demo": "^2.0.0"}, **setting}),
        "package-lock.json": npm(demo={}),
    }
    assert bool(messages(looked(tmp_path, files), "deps-lock-out-of-step")) is told


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"overrides": {"": 1}}', b"[" * 100_000])
def test_any_manifest_is_asked_for_overrides(data: bytes) -> None:
    assert overridden(data) == frozenset()


def test_addresses_for_each_platform_on_a_line_are_one_finding(tmp_path: Path) -> None:
    text = (
        '[tool.poetry.dependencies]\ntorch = [{ url = "https://x.example/a.whl", markers = '
        '"sys_platform == \'linux\'" }, { url = "https://x.example/b.whl", markers = '
        "\"sys_platform == 'win32'\" }]\n"
    )
    found = looked(tmp_path, {"pyproject.toml": text})
    assert len(messages(found, "deps-mutable-source")) == 1
