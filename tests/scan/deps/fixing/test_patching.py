"""Manifests patched: the range is raised in its own style and every other byte stays."""

# ruff: noqa: E501 - manifests stand here as they are written

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.versions import scheme_of
from haechi.scan.deps.fixing.patching import patched
from haechi.scan.deps.fixing.restyle import raised
from haechi.scan.deps.fixing.slots import Sought
from haechi.scan.fix.changes import Refused

CASES = {
    "requirements-pin": (
        "requirements.txt",
        "PyPI",
        "requests",
        "2.30.0",
        "2.32.4",
        "# why\nflask==1.0\nRequests[socks]==2.30.0 ; python_version > '3.8'  # pinned\n",
        "# why\nflask==1.0\nRequests[socks]==2.32.4 ; python_version > '3.8'  # pinned\n",
    ),
    "requirements-crlf": (
        "requirements.txt",
        "PyPI",
        "pyyaml",
        "5.3",
        "5.4",
        "a==1\r\nPyYAML == 5.3\r\n",
        "a==1\r\nPyYAML == 5.4\r\n",
    ),
    "requirements-range": (
        "requirements.in",
        "PyPI",
        "django",
        "2.2",
        "3.2.4",
        "Django>=2.2,<3\n",
        "Django>=3.2.4,<4\n",
    ),
    "requirements-compatible": (
        "requirements.txt",
        "PyPI",
        "django",
        "2.2.1",
        "2.2.9",
        "django~=2.2.1\n",
        "django~=2.2.9\n",
    ),
    "requirements-compatible-short": (
        "requirements.txt",
        "PyPI",
        "django",
        "2.2.1",
        "2.3.9",
        "django~=2.2\n",
        "django~=2.3,>=2.3.9\n",
    ),
    "constraints": (
        "constraints.txt",
        "PyPI",
        "zope-interface",
        "5.0",
        "5.1",
        "zope.interface==5.0\n",
        "zope.interface==5.1\n",
    ),
    "pyproject-pep621": (
        "pyproject.toml",
        "PyPI",
        "requests",
        "2.30.0",
        "2.32.4",
        '[project]\nname = "x"\ndependencies = [\n  # http\n  "requests[socks]>=2.0,<3; extra == \'a\'",\n'
        '  \'other==1\',\n]\n[build-system]\nrequires = ["requests==1"]\n',
        '[project]\nname = "x"\ndependencies = [\n  # http\n  "requests[socks]>=2.32.4,<3; extra == \'a\'",\n'
        '  \'other==1\',\n]\n[build-system]\nrequires = ["requests==1"]\n',
    ),
    "pyproject-groups": (
        "pyproject.toml",
        "PyPI",
        "jinja2",
        "3.1.0",
        "3.1.6",
        '[dependency-groups]\ndev = ["Jinja2==3.1.0", {include-group = "t"}]\nt = ["Jinja2"]\n',
        '[dependency-groups]\ndev = ["Jinja2==3.1.6", {include-group = "t"}]\nt = ["Jinja2"]\n',
    ),
    "pyproject-poetry": (
        "pyproject.toml",
        "PyPI",
        "urllib3",
        "1.26.1",
        "1.26.19",
        '[tool.poetry.dependencies]\npython = "^3.9"\nurllib3 = "^1.26.1" # keep\n'
        '[tool.poetry.group.dev.dependencies]\nurllib3 = {version = "~1.26.1", extras = ["x"]}\n',
        '[tool.poetry.dependencies]\npython = "^3.9"\nurllib3 = "^1.26.19" # keep\n'
        '[tool.poetry.group.dev.dependencies]\nurllib3 = {version = "~1.26.19", extras = ["x"]}\n',
    ),
    "pipfile": (
        "Pipfile",
        "PyPI",
        "flask",
        "1.0",
        "2.3.2",
        '[[source]]\nname = "pypi"\nurl = "https://x"\n[packages]\nFlask = "==1.0"\nx = "*"\n',
        '[[source]]\nname = "pypi"\nurl = "https://x"\n[packages]\nFlask = "==2.3.2"\nx = "*"\n',
    ),
    "package-json-caret": (
        "package.json",
        "npm",
        "lodash",
        "4.17.20",
        "4.17.21",
        '{\n\t"dependencies": {"lodash": "^4.17.20", "a": "^4.17.20"}\n}',
        '{\n\t"dependencies": {"lodash": "^4.17.21", "a": "^4.17.20"}\n}',
    ),
    "package-json-major": (
        "package.json",
        "npm",
        "@s/p",
        "1.0.0",
        "2.0.1",
        '{"devDependencies": {"@s/p": "~1.0.0"}, "peerDependencies": {"@s/p": "1"}}',
        '{"devDependencies": {"@s/p": "~2.0.1"}, "peerDependencies": {"@s/p": "1"}}',
    ),
    "package-json-alias": (
        "package.json",
        "npm",
        "lodash",
        "4.17.20",
        "4.17.21",
        '{"dependencies": {"l": "npm:lodash@4.17.20"}}',
        '{"dependencies": {"l": "npm:lodash@4.17.21"}}',
    ),
    "go-block": (
        "go.mod",
        "Go",
        "golang.org/x/text",
        "v0.3.5",
        "0.3.8",
        "module m\n\ngo 1.25\n\nrequire (\n\tgolang.org/x/text v0.3.5 // indirect\n\tb.io/c v1.0.0\n)\n",
        "module m\n\ngo 1.25\n\nrequire (\n\tgolang.org/x/text v0.3.8 // indirect\n\tb.io/c v1.0.0\n)\n",
    ),
    "go-replaced": (
        "go.mod",
        "Go",
        "b.io/fork",
        "v1.0.0",
        "v1.0.1",
        "module m\n\nrequire a.io/b v1.0.0\n\nreplace a.io/b => b.io/fork v1.0.0\n",
        "module m\n\nrequire a.io/b v1.0.0\n\nreplace a.io/b => b.io/fork v1.0.1\n",
    ),
    "go-toolchain": (
        "go.mod",
        "Go",
        "stdlib",
        "1.22.1",
        "1.22.7",
        "module m\n\ngo 1.21\n\ntoolchain go1.22.1\n",
        "module m\n\ngo 1.21\n\ntoolchain go1.22.7\n",
    ),
    "cargo": (
        "Cargo.toml",
        "crates.io",
        "tokio",
        "1.8.0",
        "1.8.4",
        '[package]\nname = "x"\nversion = "1.8.0"\n[dependencies]\ntokio = { version = "1.8", features = ["full"] }\n'
        '[target."cfg(unix)".dev-dependencies.t]\npackage = "tokio"\nversion = "=1.8.0"\n',
        '[package]\nname = "x"\nversion = "1.8.0"\n[dependencies]\ntokio = { version = "1.8.4", features = ["full"] }\n'
        '[target."cfg(unix)".dev-dependencies.t]\npackage = "tokio"\nversion = "=1.8.4"\n',
    ),
    "pom-literal": (
        "pom.xml",
        "Maven",
        "org.a:b",
        "1.0",
        "1.1",
        "<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId><artifactId>a</artifactId><version>1.0</version>"
        "<!-- <version>1.0</version> --><dependencies><dependency><groupId>org.a</groupId>\n"
        "<artifactId>b</artifactId><version> 1.0 </version></dependency></dependencies></project>",
        "<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId><artifactId>a</artifactId><version>1.0</version>"
        "<!-- <version>1.0</version> --><dependencies><dependency><groupId>org.a</groupId>\n"
        "<artifactId>b</artifactId><version> 1.1 </version></dependency></dependencies></project>",
    ),
    "pom-property": (
        "pom.xml",
        "Maven",
        "org.a:b",
        "1.0",
        "1.1",
        "<project><groupId>g</groupId><artifactId>a</artifactId><version>1.0</version><properties><b.v>1.0</b.v></properties>"
        "<dependencies><dependency><groupId>org.a</groupId><artifactId>b</artifactId><version>${b.v}</version></dependency>"
        "</dependencies></project>",
        "<project><groupId>g</groupId><artifactId>a</artifactId><version>1.0</version><properties><b.v>1.1</b.v></properties>"
        "<dependencies><dependency><groupId>org.a</groupId><artifactId>b</artifactId><version>${b.v}</version></dependency>"
        "</dependencies></project>",
    ),
    "gradle": (
        "build.gradle",
        "Maven",
        "org.a:b",
        "1.0",
        "1.1",
        "ext.v = '1.0'\ndependencies {\n  // 'org.a:b:1.0'\n  implementation 'org.a:b:1.0'\n  testCompile \"org.a:b:$v\"\n}\n",
        "ext.v = '1.1'\ndependencies {\n  // 'org.a:b:1.0'\n  implementation 'org.a:b:1.1'\n  testCompile \"org.a:b:$v\"\n}\n",
    ),
    "catalogue": (
        "gradle/libs.versions.toml",
        "Maven",
        "org.a:b",
        "1.0",
        "1.1",
        '[versions]\nb = "1.0"\n[libraries]\nb = { module = "org.a:b", version.ref = "b" }\n',
        '[versions]\nb = "1.1"\n[libraries]\nb = { module = "org.a:b", version.ref = "b" }\n',
    ),
    "gemfile": (
        "Gemfile",
        "RubyGems",
        "rails",
        "5.2.1",
        "5.2.4",
        'source "https://rubygems.org"\ngem "rails", "~> 5.2.1", require: false # x\ngem \'rack\'\n',
        'source "https://rubygems.org"\ngem "rails", "~> 5.2.4", require: false # x\ngem \'rack\'\n',
    ),
    "gemfile-short": (
        "Gemfile",
        "RubyGems",
        "rails",
        "5.2.1",
        "5.2.4",
        "gem 'rails', '~> 5.2'\n",
        "gem 'rails', '~> 5.2', '>= 5.2.4'\n",
    ),
    "gemfile-several": (
        "Gemfile",
        "RubyGems",
        "rails",
        "5.2.1",
        "5.2.4",
        "gem 'rails', '~> 5.2', '>= 5.2.1'\n",
        "gem 'rails', '~> 5.2', '>= 5.2.4'\n",
    ),
    "composer": (
        "composer.json",
        "Packagist",
        "a/b",
        "1.0.0",
        "1.2.3",
        '{"require": {"php": ">=7", "A/B": "^1.0"}}\n',
        '{"require": {"php": ">=7", "A/B": "^1.2.3"}}\n',
    ),
    "csproj": (
        "x/App.csproj",
        "NuGet",
        "newtonsoft.json",
        "12.0.1",
        "13.0.1",
        '\ufeff<Project>\r\n<ItemGroup><PackageReference Include="Newtonsoft.Json" Version="12.0.1" />\r\n</ItemGroup></Project>',
        '\ufeff<Project>\r\n<ItemGroup><PackageReference Include="Newtonsoft.Json" Version="13.0.1" />\r\n</ItemGroup></Project>',
    ),
    "central": (
        "Directory.Packages.props",
        "NuGet",
        "Newtonsoft.Json",
        "12.0.1",
        "13.0.1",
        '<Project><ItemGroup><PackageVersion Include="Newtonsoft.Json"><Version>12.0.1</Version></PackageVersion></ItemGroup></Project>',
        '<Project><ItemGroup><PackageVersion Include="Newtonsoft.Json"><Version>13.0.1</Version></PackageVersion></ItemGroup></Project>',
    ),
    "packages-config": (
        "packages.config",
        "NuGet",
        "Newtonsoft.Json",
        "12.0.1",
        "13.0.1",
        '<packages><package id="Newtonsoft.Json" version="12.0.1" targetFramework="net48" /></packages>',
        '<packages><package id="Newtonsoft.Json" version="13.0.1" targetFramework="net48" /></packages>',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_raises_the_range_and_keeps_the_rest(case: tuple[str, ...]) -> None:
    path, ecosystem, name, version, to, before, after = case
    sought = Sought(ecosystem=ecosystem, name=name, version=version)
    made = patched(path, before, sought, to)
    assert made.text == after
    assert made.changes
    again = patched(path, made.text, Sought(ecosystem=ecosystem, name=name, version=to), to)
    assert again.text == made.text, "a second time there is nothing to do"


@pytest.mark.parametrize(
    ("path", "ecosystem", "text", "reason"),
    [
        ("requirements.txt", "PyPI", "x==1.0 --hash=sha256:aa\n", "has hashes"),
        ("requirements.txt", "PyPI", "x==1.0 \\\n    --hash=sha256:aa\n", "has hashes"),
        ("requirements.txt", "PyPI", "y==1.0\n", "does not name"),
        ("package.json", "npm", '{"dependencies": {"x": "git+https://g/x"}}', "comes from"),
        ("package.json", "npm", '{"dependencies": {"x": "^1.0.0 || ^2.0.0"}}', "alternatives"),
        ("package.json", "npm", '{"dependencies": {"x": "workspace:^1.0.0"}}', "asked for as"),
        ("build.gradle", "Maven", 'a "g:x:$v"\n', "computed"),
        ("Makefile", "npm", "x", "not a manifest"),
        ("pyproject.toml", "PyPI", "[project\nx", "not understood"),
        ("pom.xml", "Maven", "<project><a></project>", "not understood"),
    ],
    ids=[
        "hash", "hash-continued", "absent", "git", "alternatives", "workspace", "variable", "no-manifest", "broken-toml", "broken-xml",
    ],
)  # fmt: skip
def test_refuses_what_it_cannot_do_rightly(
    path: str, ecosystem: str, text: str, reason: str
) -> None:
    name = "g:x" if ecosystem == "Maven" else "x"
    with pytest.raises(Refused, match=reason):
        patched(path, text, Sought(ecosystem=ecosystem, name=name, version="1.0.0"), "1.0.5")


@pytest.mark.parametrize(
    ("ecosystem", "constraint", "to", "expected"),
    [
        ("npm", "^1.2.3", "1.2.9", "^1.2.9"),
        ("npm", "~1.2", "1.2.9", "~1.2.9"),
        ("npm", "1.x", "2.3.4", "2.x"),
        ("npm", ">=1.0.0 <2.0.0", "1.5.0", ">=1.5.0 <2.0.0"),
        ("npm", ">=1.0.0 <2.0.0", "2.5.1", ">=2.5.1 <3.0.0"),
        ("npm", "<2", "1.5.0", "<2 >=1.5.0"),
        ("npm", "v1.0.0", "1.0.1", "v1.0.1"),
        ("PyPI", "==1.2.*", "1.3.4", "==1.3.*"),
        ("PyPI", ">1,!=1.5,<1.8", "1.9.2", ">=1.9.2,!=1.5,<1.10"),
        ("PyPI", "<=1.5", "1.9.2", "<=1.9.2,>=1.9.2"),
        ("PyPI", "===1.0", "1.1", "===1.1"),
        ("Packagist", "~1.2", "1.3.4", "~1.3 >=1.3.4"),
        ("Packagist", "1.2.*", "1.3.4", "1.3.*"),
        ("crates.io", "=1.2.3", "1.2.4", "=1.2.4"),
        ("crates.io", ">=1.2, <1.5", "1.6.1", ">=1.6.1, <1.7"),
        ("Maven", "[1.0,2.0)", "1.5", "[1.5,2.0)"),
        ("NuGet", "[1.0.0]", "1.5.0", "[1.5.0]"),
        ("RubyGems", "~> 1.2.3", "1.4.5", "~> 1.4.5"),
    ],
)
def test_styles_stay(ecosystem: str, constraint: str, to: str, expected: str) -> None:
    assert raised(ecosystem, constraint, to) == expected


@pytest.mark.parametrize(
    ("ecosystem", "constraint", "to"),
    [
        ("Maven", "[1.0,2.0)", "2.5"),
        ("npm", "1.0.0 - 1.5.0", "1.6.0"),
        ("PyPI", "latest please", "1.0"),
        ("Packagist", "^1.0|^2.0", "2.1.0"),
    ],
)
def test_what_cannot_be_raised_is_refused(ecosystem: str, constraint: str, to: str) -> None:
    with pytest.raises(Refused):
        raised(ecosystem, constraint, to)


_NUMBERS = st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 4))
_RANGES = {
    "npm": ["^{0}", "~{0}", "{0}", ">={0}", ">={0} <{1}", "<{1}"],
    "PyPI": ["=={0}", "~={0}", ">={0}", ">={0},<{1}", ">{0}", "<{1}", "^{0}"],
    "crates.io": ["{0}", "^{0}", "~{0}", "={0}", ">={0}, <{1}"],
    "Packagist": ["^{0}", "~{0}", "{0}", ">={0} <{1}"],
    "RubyGems": ["~> {0}", "= {0}", ">= {0}"],
}
_STYLES = [(name, style) for name, styles in _RANGES.items() for style in styles]


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


@settings(max_examples=300, deadline=None)
@given(
    style=st.sampled_from(_STYLES),
    low=_NUMBERS,
    high=_NUMBERS,
    to=_NUMBERS,
    probe=_NUMBERS,
)
def test_never_loosens(
    style: tuple[str, str],
    low: tuple[int, ...],
    high: tuple[int, ...],
    to: tuple[int, ...],
    probe: tuple[int, ...],
) -> None:
    """The new version is inside; nothing below it is; and where the old range let it in, the new
    range lets nothing in that the old one did not."""
    ecosystem, form = style
    if to <= low or high <= low:
        return
    scheme = scheme_of(ecosystem)
    old = form.format(_text(low), _text(high))
    new = raised(ecosystem, old, _text(to))
    assert scheme.satisfies(_text(to), new)
    if scheme.satisfies(_text(probe), new):
        assert probe >= to
        if scheme.satisfies(_text(to), old):
            assert scheme.satisfies(_text(probe), old)


@settings(max_examples=60, deadline=None)
@given(
    before=st.lists(st.sampled_from(["# c", "", "a==1.0", "xx==1.0 # n", "b>=2"]), max_size=6),
    after=st.lists(st.sampled_from(["# c", "", "c==1.0", "x-y==1.0", "d"]), max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
    number=st.integers(1, 30),
)
def test_every_other_byte_stays(before: list[str], after: list[str], end: str, number: int) -> None:
    lines = [*before, "x==1.0", *after]
    made = patched(
        "requirements.txt",
        end.join(lines),
        Sought(ecosystem="PyPI", name="x", version="1.0"),
        f"1.{number}",
    )
    lines[len(before)] = f"x==1.{number}"
    assert made.text == end.join(lines)
