"""Lock files as an attacker or a broken disk writes them: packages or an InputError, bounded."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
from bench.deps_files import FORMATS, make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi.errors import InputError, LimitExceeded
from haechi.scan.deps.formats import reader_of
from haechi.scan.deps.formats.pep508 import requirement
from haechi.scan.deps.formats.urls import clean_url
from tests.scan.deps.formats import (
    test_bun,
    test_npm,
    test_pip_locks,
    test_pnpm,
    test_poetry,
    test_python_manifests,
    test_uv,
    test_yarn,
)
from tests.scan.deps.formats.written import Written, survives

SAMPLES: dict[str, tuple[str, str]] = {
    "uv": ("uv.lock", test_uv.LOCK),
    "poetry-old": ("poetry.lock", test_poetry.OLD),
    "poetry-new": ("poetry.lock", test_poetry.NEW),
    "pipenv": ("Pipfile.lock", test_pip_locks.PIPFILE_LOCK),
    "pipfile": ("Pipfile", test_pip_locks.PIPFILE),
    "pylock": ("pylock.toml", test_pip_locks.PYLOCK),
    "pyproject": ("pyproject.toml", test_python_manifests.PYPROJECT),
    "setup-py": ("setup.py", "A = ['a>=1']\nsetup(install_requires=A + ['b'], name='x')\n"),
    "setup-cfg": ("setup.cfg", "[options]\ninstall_requires =\n  a>=1\n  b\n"),
    "requirements": (
        "requirements.txt",
        "-r b.txt\na==1 \\\n --hash=sha256:aa\n  # via b\nb @ x\n",
    ),
    "npm-3": ("package-lock.json", test_npm._lock(test_npm.V3)),
    "npm-1": ("package-lock.json", test_npm._lock(test_npm.V1)),
    "yarn": ("yarn.lock", test_yarn.CLASSIC),
    "berry": ("yarn.lock", test_yarn.BERRY),
    "pnpm": ("pnpm-lock.yaml", test_pnpm.V9),
    "bun": ("bun.lock", test_bun.LOCK),
    "package-json": ("package.json", '{"name": "x", "dependencies": {"a": "^1", "b": "x/y"}}'),
    "metadata": ("s/a-1.dist-info/METADATA", "Name: a\nVersion: 1\nRequires-Dist: b>=1\n"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_are_read_or_refused(name: str) -> None:
    path, text = SAMPLES[name]
    assert survives(path, text) > 5


FIELDS = (
    "name", "version", "source", "dependencies", "files", "groups", "vcs", "wheels", "sdist",
    "optional-dependencies", "extras", "marker",
)  # fmt: skip


def _shapes() -> Iterator[tuple[str, bytes]]:
    odd = ("1", '"x"', "[]", "{}", "null", "[[1]]", '{"a": 1}', '[{"a": []}]', "true", "1.5")
    for one in odd:
        yield "package-lock.json", f'{{"packages": {one}, "dependencies": {one}}}'.encode()
        yield (
            "package-lock.json",
            f'{{"packages": {{"": {one}, "node_modules/a": {one}}}}}'.encode(),
        )
        yield (
            "package-lock.json",
            f'{{"packages": {{"node_modules/a": {{"version": {one}, "license": {one}, '
            f'"resolved": {one}, "dependencies": {one}, "link": {one}}}}}}}'.encode(),
        )
        yield "Pipfile.lock", f'{{"default": {{"a": {one}}}, "develop": {one}}}'.encode()
        yield "Pipfile.lock", f'{{"default": {{"a": {{"version": {one}, "git": {one}}}}}}}'.encode()
        yield "package.json", f'{{"dependencies": {one}, "workspaces": {one}}}'.encode()
        yield (
            "bun.lock",
            f'{{"lockfileVersion": 1, "workspaces": {{"": {one}}}, "packages": {one}}}'.encode(),
        )
        yield (
            "bun.lock",
            f'{{"lockfileVersion": 1, "workspaces": {{}}, "packages": {{"a": {one}}}}}'.encode(),
        )
    for one in ("1", '"x"', "[]", "{}", "[[1]]", "{a = 1}", "[{a = []}]", "true", "1979-05-27"):
        for path, head, key in (
            ("uv.lock", "version = 1\n", "package"),
            ("poetry.lock", "metadata = {}\n", "package"),
            ("pylock.toml", "lock-version = '1'\n", "packages"),
        ):
            yield path, f"{head}{key} = {one}\n".encode()
            for field in FIELDS:
                own = "" if field == "name" else 'name = "b"\n'
                yield path, f'{head}[[{key}]]\nname="a"\n[[{key}]]\n{own}{field} = {one}\n'.encode()
        yield "pyproject.toml", f"project = {one}\ntool = {one}\n".encode()
        yield (
            "pyproject.toml",
            f"[project]\ndependencies = {one}\n[tool]\npoetry = {one}\n".encode(),
        )
        yield (
            "pyproject.toml",
            f"[tool.poetry]\ngroup = {{a = {one}}}\ndependencies = {one}".encode(),
        )
        yield "Pipfile", f"packages = {one}\nother = {one}\n".encode()


def test_odd_shapes_are_read_or_refused() -> None:
    read = 0
    for path, data in _shapes():
        tree = Written({})
        tree.files[path] = data
        try:
            tree.all(path)
        except InputError:
            continue
        read += 1
    assert read > 300


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("package-lock.json", b'{"packages": ' + b"[" * 100_000),
        ("package-lock.json", b'{"dependencies": ' + b'{"a": {"dependencies": ' * 50_000),
        ("uv.lock", b"version = 1\na = " + b"[" * 100_000),
        ("bun.lock", b'{"a": ' * 100_000),
        ("pnpm-lock.yaml", b"lockfileVersion: 1\na: " + b"{a: " * 100_000),
        ("pnpm-lock.yaml", b"".join(b" " * n + b"a:\n" for n in range(1_500))),
        ("setup.py", b"setup(install_requires=" + b"[" * 50_000),
        ("yarn.lock", b'# yarn lockfile v1\n"\\"' + b'\\"' * 100_000 + b":\n"),
        ("bun.lock", b"/*" * 200_000),
        ("bun.lock", b'"\\' * 200_000),
        ("requirements.txt", b"./a" + b"-1" * 9_000 + b"\n"),
        ("requirements.txt", b"a" + b"[" * 19_000 + b"\n"),
        ("requirements.txt", b"a \\\n" * 50_000),
    ],
    ids=["json-deep", "v1-deep", "toml-deep", "bun-deep", "flow-deep", "block-deep", "call-deep",
         "quotes", "comments", "escapes", "dashes", "brackets", "continued"],
)  # fmt: skip
def test_what_would_run_away_ends(path: str, data: bytes) -> None:
    tree = Written({})
    tree.files[path] = data
    try:
        files = tree.all(path)
    except InputError:
        return
    assert sum(len(file.packages) for file in files) < 10


@pytest.mark.parametrize("format", FORMATS)
def test_more_packages_than_the_limit_are_cut_and_said(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = format.split()[0]
    reader = reader_of(name)
    assert reader is not None
    for module in ("npm_merged", "yarn", "pnpm", "tables", "requirements"):
        loaded = importlib.import_module(f"haechi.scan.deps.formats.{module}")
        monkeypatch.setattr(loaded, "MAX_PACKAGES", 50)
    (file,) = reader(make(format, 80), name, Written({}))
    assert len(file.packages) in (49, 50)
    assert [gap.kind for gap in file.gaps] == ["too-large"]


@pytest.mark.parametrize("path", ["package-lock.json", "uv.lock", "pnpm-lock.yaml", "yarn.lock"])
def test_too_many_bytes_are_refused_unread(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.scan.deps.formats.decoding.bounded.__defaults__", (100,))
    with pytest.raises(LimitExceeded, match="the limit is 100"):
        Written({path: "x" * 101}).all(path)


def test_a_million_objects_are_refused_before_they_are_decoded() -> None:
    data = b'{"packages": {' + b'"a":{},' * 1_000_000 + b'"b":{}}}'
    tree = Written({})
    tree.files["package-lock.json"] = data
    with pytest.raises(LimitExceeded, match="objects"):
        tree.all("package-lock.json")


ADDRESSES = [
    "https://user:s3cret@example.org/a.git",
    "git+https://s3cret@example.org/a.git#x",
    "git+ssh://user:s3cret@example.org/a.git",
    "https://example.org/a.tgz?access_token=s3cret&x=1",
    "https://a@b:s3cret@example.org/a",
    "//user:s3cret@example.org/a",
    "https://example.org/a?X-Amz-Signature=s3cret",
]
PLACES = {
    "requirements.txt": "{url}\nb @ {url}\n-e {url}#egg=c\n-r {url}\n--index-url {url}\n",
    "uv.lock": 'version = 1\n[[package]]\nname = "a"\nsource = {{ git = "{url}" }}\n'
    '[[package]]\nname = "b"\nsource = {{ url = "{url}" }}\n',
    "poetry.lock": '[[package]]\nname = "a"\n[package.source]\ntype = "git"\nurl = "{url}"\n',
    "Pipfile.lock": '{{"default": {{"a": {{"git": "{url}"}}, "b": {{"file": "{url}"}}}}}}',
    "pylock.toml": 'lock-version = "1"\n[[packages]]\nname = "a"\nvcs = {{url = "{url}"}}\n',
    "pyproject.toml": '[project]\ndependencies = ["a @ {url}"]\n[tool.poetry.dependencies]\n'
    'b = {{git = "{url}"}}\n',
    "package-lock.json": '{{"packages": {{"node_modules/a": {{"version": "1", '
    '"resolved": "{url}"}}}}}}',
    "package.json": '{{"dependencies": {{"a": "{url}"}}}}',
    "yarn.lock": '# yarn lockfile v1\n"a@{url}":\n  version "1"\n  resolved "{url}"\n',
    "pnpm-lock.yaml": "lockfileVersion: '9.0'\npackages:\n  'a@{url}':\n    version: 1.0.0\n"
    "    resolution: {{tarball: '{url}'}}\n",
    "bun.lock": '{{"lockfileVersion": 1, "workspaces": {{}}, "packages": {{"a": ["a@{url}"]}}}}',
}


@pytest.mark.parametrize("path", PLACES)
def test_no_credential_is_told(path: str) -> None:
    for url in ADDRESSES:
        files = Written({path: PLACES[path].format(url=url)}).all(path)
        assert any(file.packages for file in files)
        assert "s3cret" not in repr(files)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_requirements_are_parsed_or_refused(text: str) -> None:
    found = requirement(text)
    if found is not None:
        assert found.name == found.name.lower()
        assert "_" not in found.name


@given(
    st.lists(st.sampled_from(["https://", "a", ":", "@", "/", "?", "token=", "x", "&", "//"])),
)
@settings(max_examples=300, deadline=None)
def test_cleaning_an_address_is_stable(parts: list[str]) -> None:
    once = clean_url("".join(parts))
    assert clean_url(once) == once


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for path, _ in SAMPLES.values():
        tree = Written({})
        tree.files[path] = data
        try:
            tree.all(path)
        except InputError:
            continue
