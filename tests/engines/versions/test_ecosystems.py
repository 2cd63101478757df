"""Ecosystems by OSV's names; real data."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import packaging.version
import pytest

from haechi.engines.versions import scheme_of
from haechi.errors import VersionError
from tests.engines.versions import tools

NAMES = {
    "pep440": ("PyPI",),
    "npm": ("npm",),
    "Go": ("Go",),
    "crates.io": ("crates.io",),
    "maven": ("Maven", "Maven:https://repo.example.com/maven2"),
    "rubygems": ("RubyGems",),
    "nuget": ("NuGet",),
    "composer": ("Packagist", "Packagist:https://packages.example.com"),
    "semver": ("SwiftURL", "Bitnami"),
    "Hex": ("Hex",),
    "Pub": ("Pub",),
    "debian": ("Debian:12", "Debian", "Ubuntu:22.04:LTS", "Ubuntu:Pro:18.04:LTS"),
    "rpm": (
        "Red Hat:rhel_eus:8.4",
        "Rocky Linux:9",
        "AlmaLinux:8",
        "SUSE:Linux Enterprise Server 15 SP5",
        "openSUSE:Leap 15.5",
        "Mageia:9",
        "Azure Linux:3",
    ),
    "alpine": ("Alpine:v3.20", "Alpine", "Chainguard", "Wolfi"),
}


@pytest.mark.parametrize(
    ("scheme", "ecosystem"), [(name, it) for name, all_ in NAMES.items() for it in all_]
)
def test_knows_ecosystems_as_osv_names_them(scheme: str, ecosystem: str) -> None:
    assert scheme_of(ecosystem).name == scheme
    assert scheme_of(ecosystem) is scheme_of(ecosystem)


@pytest.mark.parametrize("ecosystem", ["GIT", "", "pypi", "Linux", "Debianish"])
def test_refuses_ecosystems_without_an_order(ecosystem: str) -> None:
    with pytest.raises(VersionError, match="nothing is known"):
        scheme_of(ecosystem)


NO_ENDS: dict[str, set[str]] = {
    # two ends of PyPI's advisories that PEP 440 does not take either
    "PyPI": {"0.2.0-n653", "2019-09-12"},
    "Go": set(),
}
OSV = Path("/work/shared/data/osv")


@pytest.mark.parametrize("ecosystem", ["PyPI", "Go"])
def test_reads_every_version_of_real_advisories(ecosystem: str) -> None:
    """Ends of ranges are versions but for NO_ENDS. Lists name what was uploaded before PEP 440,
    too; what is refused there, packaging refuses as well."""
    archive = OSV / ecosystem / "all.zip"
    if not archive.is_file():
        pytest.skip("the real advisories are not on this machine")
    listed, ends = _versions(archive)
    assert len(ends) > 1000
    key = scheme_of(ecosystem).key
    assert {it for it in ends if not _has_key(ecosystem, it)} == NO_ENDS[ecosystem]
    refused = [it for it in listed if not _has_key(ecosystem, it)]
    assert not any(_python(it) for it in refused)
    known = sorted((packaging.version.Version(it), key(it)) for it in listed if _python(it))
    assert [pair[1] for pair in known] == sorted(pair[1] for pair in known)


def _has_key(ecosystem: str, version: str) -> bool:
    try:
        return bool(scheme_of(ecosystem).key(version))
    except VersionError:
        return False


def _python(version: str) -> bool:
    try:
        return bool(packaging.version.Version(version))
    except packaging.version.InvalidVersion:
        return False


def _versions(archive: Path) -> tuple[set[str], set[str]]:
    listed: set[str] = set()
    ends: set[str] = set()
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            for affected in json.loads(packed.read(name)).get("affected", ()):
                listed.update(affected.get("versions", ()))
                for range_ in affected.get("ranges", ()):
                    if range_["type"] != "GIT":
                        ends.update(it for event in range_["events"] for it in event.values())
    return listed, ends


def test_orders_what_is_installed_here_as_dpkg_does() -> None:
    asked = tools.command("Debian")
    if asked is None or not shutil.which("dpkg-query"):
        pytest.skip("this machine has no dpkg")
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}\n"], capture_output=True, text=True, check=True
    )
    versions = sorted(set(done.stdout.split()), key=scheme_of("Debian").key)[::4]
    assert len(versions) > 10
    neighbours = list(itertools.pairwise(versions))
    assert set(tools.order(asked, neighbours)) <= {-1, 0}
