"""What manifests and lock files tell of ranges."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from haechi.model.package import PackageFile
from haechi.scan.deps.fixing.manifests import manifests_of
from haechi.scan.deps.fixing.ranges import asks_of
from haechi.scan.deps.fixing.ways import PROJECT
from haechi.scan.deps.formats import reader_of


class Folder:
    """Files by path."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def read(self, path: str) -> bytes | None:
        text = self.files.get(path)
        return None if text is None else text.encode()

    def names(self, folder: str) -> frozenset[str]:
        prefix = f"{folder}/" if folder else ""
        return frozenset(
            path[len(prefix) :].partition("/")[0] for path in self.files if path.startswith(prefix)
        )


NPM = {
    "name": "web",
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "web", "dependencies": {"top": "~1.0.0"}},
        "node_modules/top": {"version": "1.0.0", "dependencies": {"low": "^2.0.0"}},
        "node_modules/low": {"version": "2.0.0"},
    },
}
FILES: dict[str, dict[str, str]] = {
    "package-lock.json": {
        "package-lock.json": json.dumps(NPM),
        "package.json": '{"name": "web", "dependencies": {"top": "~1.0.0"}}',
    },
    "yarn.lock": {
        "yarn.lock": '# yarn lockfile v1\n\n"top@~1.0.0":\n  version "1.0.0"\n  dependencies:\n'
        '    low "^2.0.0"\n\nlow@^2.0.0:\n  version "2.0.0"\n',
        "package.json": '{"name": "web", "dependencies": {"top": "~1.0.0"}}',
    },
    "berry": {
        "yarn.lock": '__metadata:\n  version: 8\n\n"top@npm:~1.0.0":\n  version: 1.0.0\n'
        '  resolution: "top@npm:1.0.0"\n  dependencies:\n    low: "npm:^2.0.0"\n'
        '  languageName: node\n  linkType: hard\n\n"low@npm:^2.0.0":\n  version: 2.0.0\n'
        '  resolution: "low@npm:2.0.0"\n  languageName: node\n  linkType: hard\n\n'
        '"web@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "web@workspace:."\n'
        '  dependencies:\n    top: "npm:~1.0.0"\n  languageName: unknown\n  linkType: soft\n',
        "package.json": '{"name": "web", "dependencies": {"top": "~1.0.0"}}',
    },
    "poetry.lock": {
        "poetry.lock": '[[package]]\nname = "top"\nversion = "1.0.0"\n[package.dependencies]\n'
        'low = "^2.0.0"\n\n[[package]]\nname = "low"\nversion = "2.0.0"\n\n'
        '[metadata]\nlock-version = "2.0"\ncontent-hash = "x"\n',
        "pyproject.toml": '[tool.poetry]\nname = "web"\n[tool.poetry.dependencies]\n'
        'top = "~1.0.0"\n',
    },
    "Gemfile.lock": {
        "Gemfile.lock": "GEM\n  remote: https://rubygems.org/\n  specs:\n    low (2.0.0)\n"
        "    top (1.0.0)\n      low (^2.0.0)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n"
        "  top (~1.0.0)\n",
        "Gemfile": 'gem "top", "~1.0.0"\n',
    },
    "composer.lock": {
        "composer.lock": json.dumps(
            {
                "packages": [
                    {"name": "a/top", "version": "v1.0.0", "require": {"a/low": "^2.0.0"}},
                    {"name": "a/low", "version": "2.0.0"},
                ]
            }
        ),
        "composer.json": '{"require": {"a/top": "~1.0.0"}}',
    },
}


def read(files: Mapping[str, str]) -> PackageFile:
    path = next(iter(files))
    reader = reader_of(path)
    assert reader is not None
    (file,) = reader(files[path].encode(), path, Folder(files))
    return file


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_ranges_of_the_project_and_of_packages(files: dict[str, str]) -> None:
    file = read(files)
    at = {one.name.rpartition("/")[2]: number for number, one in enumerate(file.packages)}
    asks = asks_of(file, Folder(files))
    assert asks(PROJECT, at["top"]) == ["~1.0.0"]
    assert asks(at["top"], at["low"]) == ["^2.0.0"]
    assert asks(PROJECT, at["low"]) is None
    assert asks(at["low"], at["top"]) is None


def test_a_lock_file_without_ranges_tells_none() -> None:
    files = {
        "Cargo.lock": 'version = 3\n[[package]]\nname = "web"\nversion = "1.0.0"\n'
        'dependencies = ["top"]\n[[package]]\nname = "top"\nversion = "1.0.0"\n'
        'source = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "0"\n',
        "Cargo.toml": '[package]\nname = "web"\nversion = "1.0.0"\n[dependencies]\ntop = "1"\n',
    }
    file = read(files)
    at = {one.name: number for number, one in enumerate(file.packages)}
    asks = asks_of(file, Folder(files))
    assert asks(PROJECT, at["top"]) == ["1"]
    assert asks(0, at["top"]) is None or "web" not in at


@pytest.mark.parametrize(
    ("path", "format", "files", "expected"),
    [
        ("a/go.mod", "go.mod", ["a/go.sum"], ("a/go.mod",)),
        ("requirements.txt", "requirements.txt", ["requirements.in"],
         ("requirements.txt", "requirements.in")),
        ("x/uv.lock", "uv.lock", ["x/pyproject.toml", "pyproject.toml"], ("x/pyproject.toml",)),
        ("p/packages.lock.json", "packages.lock.json",
         ["p/A.csproj", "Directory.Packages.props"],
         ("p/A.csproj", "Directory.Packages.props")),
        ("app/build.gradle", "build.gradle", ["gradle/libs.versions.toml"],
         ("app/build.gradle", "gradle/libs.versions.toml")),
    ],
    ids=["go", "compiled", "uv", "nuget", "gradle"],
)  # fmt: skip
def test_manifests_behind_a_file(
    path: str, format: str, files: list[str], expected: tuple[str, ...]
) -> None:
    ecosystem = {"packages.lock.json": "NuGet", "build.gradle": "Maven"}.get(format, "PyPI")
    file = PackageFile(path=path, format=format, ecosystem=ecosystem, pins="gradle" not in format)
    around = Folder(dict.fromkeys((path, *files), ""))
    assert manifests_of(file, around) == expected
