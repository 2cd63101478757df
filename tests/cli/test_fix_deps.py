"""``haechi fix deps`` from the outside: what it shows, proves, runs and writes."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haechi.cli.fix import command
from haechi.errors import UsageError
from tests.cli.fixable import advisory, npm_registry, project, wheel

REQUIREMENTS = "# why\nrequests[socks]==2.30.0  # pinned\nflask==2.0\n"
BAD_REQUESTS = advisory("CVE-2023-1", "PyPI", "requests", "2.31.0")
BAD_MINIMIST = advisory("CVE-2021-1", "npm", "minimist", "1.2.6")


def run(*words: str) -> Result:
    return CliRunner().invoke(command, ["deps", *words], catch_exceptions=True)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = project(tmp_path / "shop", {"requirements.txt": REQUIREMENTS}, BAD_REQUESTS)
    monkeypatch.chdir(root)
    return root


def test_shows_the_lowest_upgrade_and_writes_nothing(shop: Path) -> None:
    result = run()
    assert result.exit_code == 1
    assert "+requests[socks]==2.31.0  # pinned" in result.stdout
    assert "requests 2.30.0 → 2.31.0" in result.stderr
    assert "CVE-2023-1" in result.stderr
    assert (shop / "requirements.txt").read_text() == REQUIREMENTS


def test_the_diff_is_one_that_git_applies(shop: Path) -> None:
    subprocess.run(["git", "apply", "-"], input=run().stdout.encode(), check=True, cwd=shop)
    again = run()
    assert (again.exit_code, again.stdout) == (3, "")
    assert "nothing to fix" in again.stderr


def test_writes_on_consent_and_scans_again(shop: Path) -> None:
    result = run("--yes")
    assert result.exit_code == 0, result.output
    assert "scanned again: 1 fewer" in result.stderr
    written = REQUIREMENTS.replace("2.30.0", "2.31.0")
    assert (shop / "requirements.txt").read_text() == written


def test_below_the_threshold_nothing_is_shown(shop: Path) -> None:
    record = {**BAD_REQUESTS, "severity": []}
    (shop / "advisories/CVE-2023-1.json").write_text(json.dumps(record))
    result = run()
    assert (result.exit_code, result.stdout) == (3, "")
    assert "not evaluated: requirements.txt: no advisories of PyPI were imported" in result.stderr
    assert "2.31.0" in run("--severity", "medium").stdout


def test_one_package_can_be_named(shop: Path) -> None:
    record = advisory("CVE-2023-2", "PyPI", "flask", "2.2.5")
    (shop / "advisories/CVE-2023-2.json").write_text(json.dumps(record))
    assert "requests" not in run("flask").stdout.replace(" requests[socks]==2.30.0", "")
    assert "+flask" not in run("CVE-2023-1").stdout
    assert "nothing found that is called django" in run("django").stderr


def test_a_waived_vulnerability_moves_nothing(shop: Path) -> None:
    until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    (shop / "haechi.waivers.yaml").write_text(
        "waivers:\n- rule: CVE-2023-1\n  path: requirements.txt\n  reason: not reached here\n"
        f"  expires: {until}\n  owner: team\n"
    )
    result = run()
    assert (result.exit_code, result.stdout) == (3, "")  # own advisories cover no ecosystem
    assert "nothing to fix" in result.stderr


def test_what_cannot_be_edited_costs_its_neighbours_nothing(shop: Path) -> None:
    (shop / "requirements.txt").write_text("requests==2.30.0\n-r more.txt\n")
    (shop / "more.txt").write_text("requests==2.30.0 --hash=sha256:aa\n")
    result = run()
    assert "+requests==2.31.0\n" in result.stdout
    assert "its line has hashes, which a tool has to renew" in result.stderr
    assert result.exit_code == 1
    result = run("--yes")
    assert "requests==2.31.0" in (shop / "requirements.txt").read_text()
    assert (result.exit_code, "not fixed: 1 package" in result.stderr) == (1, True)


POM = """\
<project><modelVersion>4.0.0</modelVersion>
  <groupId>g</groupId><artifactId>a</artifactId><version>1</version>
  <properties><shared>1.0</shared></properties>
  <dependencies>
    <dependency><groupId>o</groupId><artifactId>one</artifactId><version>${shared}</version>
    </dependency>
    <dependency><groupId>o</groupId><artifactId>two</artifactId><version>%s</version></dependency>
    <dependency><groupId>o</groupId><artifactId>three</artifactId><version>2.0</version>
    </dependency>
  </dependencies>
</project>
"""


def test_an_upgrade_that_brings_another_vulnerability_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two packages share a property; the version that clears one is vulnerable in the other."""
    other = advisory("CVE-2024-2", "Maven", "o:two", "1.3")
    other["affected"][0]["ranges"][0]["events"] = [{"introduced": "1.1"}]
    root = project(
        tmp_path / "java",
        {"pom.xml": POM % "${shared}"},
        advisory("CVE-2024-1", "Maven", "o:one", "1.1"),
        advisory("CVE-2024-3", "Maven", "o:three", "2.1"),
        other,
    )
    monkeypatch.chdir(root)
    result = run()
    assert "looking again shows CVE-2024-2 in o:two" in result.stderr
    assert "<shared>1.1" not in result.stdout
    assert "+    <dependency><groupId>o</groupId><artifactId>three</artifactId><version>2.1" in (
        result.stdout
    )
    (root / "pom.xml").write_text(POM % "1.0")
    alone = run()
    assert "+  <properties><shared>1.1</shared></properties>" in alone.stdout


def test_more_than_one_path_is_wrong_use(shop: Path) -> None:
    assert isinstance(run(".", "advisories").exception, UsageError)


def test_a_folder_called_deps_is_still_a_path(shop: Path) -> None:
    project(shop / "deps", {"requirements.txt": REQUIREMENTS})
    result = CliRunner().invoke(command, ["./deps"])
    assert "upgrade" not in result.stderr


NPM = {
    "package.json": '{\n  "name": "web",\n  "dependencies": { "minimist": "1.2.5" }\n}\n',
    "package-lock.json": json.dumps(
        {
            "name": "web",
            "lockfileVersion": 3,
            "requires": True,
            "packages": {
                "": {"name": "web", "dependencies": {"minimist": "1.2.5"}},
                "node_modules/minimist": {"version": "1.2.5"},
            },
        },
        indent=2,
    ),
}


def test_without_the_lock_file_it_is_unproven_and_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project(tmp_path / "web", NPM, BAD_MINIMIST))
    result = run()
    assert '+  "dependencies": { "minimist": "1.2.6" }' in result.stdout
    assert "package-lock.json" not in result.stdout
    assert "unproven" in result.stderr
    assert "npm install --package-lock-only --ignore-scripts" in result.stderr


def test_a_tool_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path / "web", NPM, BAD_MINIMIST))
    (tmp_path / "bin").mkdir()
    git = shutil.which("git")
    assert git
    (tmp_path / "bin/git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    result = run("--lock")
    assert "npm is not installed here" in result.stderr
    assert "npm install" in result.stderr


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed here")
@pytest.mark.parametrize("direct", [True, False], ids=["direct", "brought-in"])
def test_npm_renews_the_lock_file_without_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direct: bool
) -> None:
    packages: dict[str, dict[str, dict[str, str]]] = {
        "minimist": {"1.2.5": {}, "1.2.6": {}},
        "mkdirp": {"0.5.5": {"minimist": "^1.2.5"}},
    }
    top = {"minimist": "1.2.5"} if direct else {"mkdirp": "0.5.5"}
    with npm_registry(packages) as address:
        files = {
            ".npmrc": f"registry={address}/\n",
            "package.json": json.dumps({"name": "web", "dependencies": top, "scripts": HOOKS}),
            "package-lock.json": _lock(address, top, direct),
        }
        root = project(tmp_path / "web", files, BAD_MINIMIST)
        monkeypatch.chdir(root)
        monkeypatch.setenv("NPM_TOKEN", "must-not-be-passed-on")
        result = run("--lock", "--yes")
    assert result.exit_code == 0, result.output
    assert "running npm" in result.stderr
    lock = json.loads((root / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/minimist"]["version"] == "1.2.6"
    assert not (root / "node_modules").exists()
    assert not (root / "ran").exists()
    assert "scanned again: 1 fewer" in result.stderr


HOOKS = dict.fromkeys(("preinstall", "install", "postinstall", "prepare"), "touch ran")


def _lock(address: str, top: dict[str, str], direct: bool) -> str:
    packages: dict[str, dict[str, object]] = {
        "": {"name": "web", "dependencies": top},
        "node_modules/minimist": {
            "version": "1.2.5",
            "resolved": f"{address}/minimist/-/minimist-1.2.5.tgz",
        },
    }
    if not direct:
        packages["node_modules/mkdirp"] = {
            "version": "0.5.5",
            "resolved": f"{address}/mkdirp/-/mkdirp-0.5.5.tgz",
            "dependencies": {"minimist": "^1.2.5"},
        }
    value = {"name": "web", "lockfileVersion": 3, "requires": True, "packages": packages}
    return json.dumps(value, indent=2)


def test_offline_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path / "web", NPM, BAD_MINIMIST))
    result = run("--lock", "--offline")
    assert "running" not in result.stderr
    assert "npm install" in result.stderr


UV = Path(sys.executable).parent / "uv"


@pytest.mark.skipif(not UV.exists(), reason="uv is not in the tests' environment")
def test_uv_renews_what_another_package_brings_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "app"
    for version in ("1.0", "1.1", "2.0"):
        wheel(root / "wheels", "lower", version)
    wheel(root / "wheels", "upper", "1.0", "lower>=1.0")
    manifest = (
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["upper==1.0"]\n'
        '[[tool.uv.index]]\nname = "here"\nurl = "wheels"\nformat = "flat"\ndefault = true\n'
    )
    project(root, {"pyproject.toml": manifest}, advisory("CVE-1-1", "PyPI", "lower", "1.1"))
    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", f"{UV.parent}{os.pathsep}{os.environ['PATH']}")
    old = ["uv", "lock", "--quiet", "--no-build", "--upgrade-package", "lower==1.0"]
    subprocess.run(old, check=True, cwd=root, capture_output=True)
    assert 'version = "1.0"' in (root / "uv.lock").read_text().partition('name = "lower"')[2]
    result = run("--lock", "--yes")
    assert result.exit_code == 0, result.output
    text = (root / "uv.lock").read_text().partition('name = "lower"')[2]
    assert text.splitlines()[1] == 'version = "1.1"'
    assert (root / "pyproject.toml").read_text() == manifest


def test_what_stands_in_an_included_file_is_changed_there(shop: Path) -> None:
    (shop / "requirements.txt").write_text("-r base/common.in\n")
    (shop / "base").mkdir()
    (shop / "base/common.in").write_text("requests==2.30.0\n")
    result = run()
    assert "+++ b/base/common.in" in result.stdout
    assert "+requests==2.31.0\n" in result.stdout


def test_a_lock_file_that_stays_behind_is_told_and_its_manifest_stays_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tmp_path / "web", NPM, BAD_MINIMIST)
    monkeypatch.chdir(root)
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin/npm"
    npm.write_text("#!/bin/sh\necho half > package-lock.json\necho no registry >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    result = run("--lock", "--yes", "--severity", "info")
    assert result.exit_code == 3, result.output
    assert "package-lock.json was not renewed: npm: no registry" in result.stderr
    assert "behind their manifests until the commands above are run: package-lock.json" in (
        result.stderr
    )
    assert '"minimist": "1.2.6"' in (root / "package.json").read_text()
    assert (root / "package-lock.json").read_text() == NPM["package-lock.json"]


def test_a_version_that_a_constraint_gives_is_changed_there(shop: Path) -> None:
    (shop / "requirements.txt").write_text("-c pins/all.txt\nrequests\n")
    (shop / "pins").mkdir()
    (shop / "pins/all.txt").write_bytes(b"# pins\r\nrequests==2.30.0  # why\r\n")
    assert run("--yes").exit_code == 0
    assert (shop / "pins/all.txt").read_bytes() == b"# pins\r\nrequests==2.31.0  # why\r\n"
    assert (shop / "requirements.txt").read_text() == "-c pins/all.txt\nrequests\n"


@pytest.mark.parametrize("text", ["-c ../out.txt\nrequests\n", "-c /etc/passwd\nrequests\n"])
def test_constraints_outside_of_the_project_are_left_alone(shop: Path, text: str) -> None:
    (shop.parent / "out.txt").write_text("requests==2.30.0\n")
    (shop / "requirements.txt").write_text(text)
    run("--yes")
    assert (shop.parent / "out.txt").read_text() == "requests==2.30.0\n"
    assert (shop / "requirements.txt").read_text() == text
