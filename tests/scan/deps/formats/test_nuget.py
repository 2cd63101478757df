"""NuGet: lock and assets files, project files with central versions, Paket."""

from __future__ import annotations

import base64
import json

import pytest

from haechi.errors import InputError
from haechi.model.package import Source
from haechi.scan.deps.paths import Paths
from tests.scan.deps.formats.written import (
    Written,
    development,
    direct,
    kinds,
    lines,
    named,
    needs,
    survives,
    told,
    versions,
)

_HASH = base64.b64encode(bytes(64)).decode()
_LOCK = json.dumps(
    {
        "version": 2,
        "dependencies": {
            "net6.0": {
                "Newtonsoft.Json": {
                    "type": "Direct",
                    "requested": "[13.0.1, )",
                    "resolved": "13.0.1",
                    "contentHash": _HASH,
                    "dependencies": {"System.Text": "4.0.0"},
                },
                "System.Text": {"type": "Transitive", "resolved": "4.0.0", "contentHash": "?"},
                "Central": {"type": "CentralTransitive", "resolved": "2.0.0"},
                "shop.core": {"type": "Project", "dependencies": {"newtonsoft.json": "[1, )"}},
            },
            "net8.0": {
                "Newtonsoft.Json": {"type": "Direct", "resolved": "13.0.1"},
                "System.Text": {"type": "Transitive", "resolved": "4.3.0"},
            },
        },
    },
    indent=2,
)


def test_lock_file_of_several_frameworks() -> None:
    file = told("packages.lock.json", _LOCK)
    assert [(one.name, one.version) for one in file.packages] == [
        ("newtonsoft.json", "13.0.1"),
        ("system.text", "4.0.0"),
        ("central", "2.0.0"),
        ("shop.core", ""),
        ("system.text", "4.3.0"),
    ]
    assert needs(file) == {"newtonsoft.json": ["system.text"], "shop.core": ["newtonsoft.json"]}
    json_ = named(file, "newtonsoft.json")
    assert json_.spelled == "Newtonsoft.Json"
    assert json_.digests == (f"sha512:{'00' * 64}",)
    assert json_.location.line == 5
    assert direct(file) == {"newtonsoft.json", "central", "shop.core"}
    assert named(file, "shop.core").source is Source.WORKSPACE


def test_packages_come_in_by_the_projects_that_are_referred_to() -> None:
    lock = {
        "Web": {"type": "Direct", "resolved": "1.0.0"},
        "core": {"type": "Project", "dependencies": {"Data": "[1, )", "Json": "[13, )"}},
        "data": {"type": "Project", "dependencies": {"Sql": "[5, )"}},
        "Json": {"type": "CentralTransitive", "resolved": "13.0.1"},
        "Sql": {"type": "Transitive", "resolved": "5.1.0"},
    }
    file = told("packages.lock.json", json.dumps({"dependencies": {"net8.0": lock}}))
    paths = Paths(file)
    chains = {one.name: paths.to(at) for at, one in enumerate(file.packages)}
    assert {
        name: [file.packages[at].name for at in chain.steps]
        for name, chain in chains.items()
        if chain is not None
    } == {
        "web": ["web"],
        "core": ["core"],
        "data": ["core", "data"],
        "json": ["json"],
        "sql": ["core", "data", "sql"],
    }


_ASSETS = json.dumps(
    {
        "version": 3,
        "targets": {
            "net8.0": {
                "A/1.0.0": {"type": "package", "dependencies": {"B": "1.0.0"}},
                "B/1.0.0": {"type": "package"},
                "Analyzer/3.0.0": {"type": "package"},
                "Lib/1.0.0": {"type": "project"},
            }
        },
        "libraries": {
            "A/1.0.0": {"sha512": _HASH, "type": "package"},
            "Lib/1.0.0": {"type": "project", "path": "../Lib/Lib.csproj"},
        },
        "project": {
            "version": "1.2.0",
            "restore": {"projectName": "Web", "projectPath": "C:\\src\\Web\\Web.csproj"},
            "frameworks": {
                "net8.0": {"dependencies": {"a": {}, "Analyzer": {"suppressParent": "All"}}}
            },
        },
    }
)


def test_assets_file_covers_its_project() -> None:
    file = told("Web/obj/project.assets.json", _ASSETS)
    assert versions(file) == {"a": "1.0.0", "b": "1.0.0", "analyzer": "3.0.0", "lib": "1.0.0"}
    assert direct(file) == {"a", "analyzer", "lib"}
    assert development(file) == {"analyzer"}
    assert needs(file) == {"a": ["b"]}
    assert named(file, "lib").source is Source.WORKSPACE
    assert (file.name, file.version) == ("Web", "1.2.0")
    assert file.covers == ("Web/Web.csproj",)


def test_deps_of_a_program() -> None:
    text = json.dumps(
        {
            "targets": {
                ".NETCoreApp,Version=v8.0": {
                    "Web/1.0.0": {"dependencies": {"A": "1.0.0"}},
                    "A/1.0.0": {"runtime": {}, "dependencies": {"B": "2.0.0"}},
                    "B/2.0.0": {},
                }
            },
            "libraries": {
                "Web/1.0.0": {"type": "project", "sha512": ""},
                "A/1.0.0": {"type": "package", "sha512": f"sha512-{_HASH}"},
                "B/2.0.0": {"type": "package"},
                "C/3.0.0": {"type": "package"},
            },
        }
    )
    file = told("out/Web.deps.json", text)
    assert versions(file) == {"web": "1.0.0", "a": "1.0.0", "b": "2.0.0", "c": "3.0.0"}
    assert direct(file) == {"a"}
    assert named(file, "a").digests == (f"sha512:{'00' * 64}",)
    assert named(file, "web").source is Source.WORKSPACE
    assert (file.name, file.version) == ("Web", "1.0.0")


_PROJECT = """\
    <Project Sdk="Microsoft.NET.Sdk">
      <PropertyGroup><MyVersion>1.5.0</MyVersion><Two>1</Two></PropertyGroup>
      <PropertyGroup Condition="'$(X)' == ''"><Two>2</Two></PropertyGroup>
      <ItemGroup>
        <PackageReference Include="Plain" Version="1.0.0" />
        <PackageReference Include="Child"><Version>2.0</Version></PackageReference>
        <PackageReference Include="Central" />
        <PackageReference Include="Overridden" VersionOverride="9.0.0" />
        <PackageReference Include="Property" Version="$(MyVersion)" />
        <PackageReference Include="Shared" Version="$(SharedVersion)" />
        <PackageReference Include="Unclear" Version="$(Two)" />
        <PackageReference Include="Computed" Version="$([System.String]::new('1'))" />
        <PackageReference Include="Floating" Version="3.*" />
        <PackageReference Include="Range" Version="[1.0,2.0)" />
        <PackageReference Include="Exact" Version="[4.0.0]" />
        <PackageReference Include="Analyzer" Version="5.0.0" PrivateAssets="all" />
        <PackageReference Update="OnlyUpdate" PrivateAssets="all" />
        <PackageReference Remove="Removed" />
        <ProjectReference Include="../Lib/Lib.csproj" />
      </ItemGroup>
    </Project>
    """


def test_project_file_with_what_stands_around_it() -> None:
    tree = Written(
        {
            "src/Web/Web.csproj": _PROJECT,
            "Directory.Packages.props": '<Project><ItemGroup><PackageVersion Include="central" '
            'Version="7.0.0"/><PackageVersion Include="Overridden" Version="8.0.0"/>'
            '<GlobalPackageReference Include="Everywhere" Version="1.1.0"/></ItemGroup></Project>',
            "Directory.Build.props": "<Project>"
            '<Import Project="$(MSBuildThisFileDirectory)eng\\v.props"/></Project>',
            "eng/v.props": "<Project><PropertyGroup><SharedVersion>6.0.0</SharedVersion>"
            "</PropertyGroup></Project>",
        }
    )
    file = tree.told("src/Web/Web.csproj")
    assert versions(file) == {
        "plain": "1.0.0",
        "child": "2.0",
        "central": "7.0.0",
        "overridden": "9.0.0",
        "property": "1.5.0",
        "shared": "6.0.0",
        "unclear": "",
        "computed": "",
        "floating": "",
        "range": "",
        "exact": "4.0.0",
        "analyzer": "5.0.0",
    }
    assert development(file) == {"analyzer"}
    assert named(file, "floating").constraint == "3.*"
    assert lines(file)["plain"] == 5
    assert not file.pins
    assert kinds(file) == ["nuget-transitive"]
    central = tree.told("Directory.Packages.props")
    assert versions(central) == {"everywhere": "1.1.0"}
    assert tree.all("Directory.Build.props") == []


def test_packages_config_lists_all() -> None:
    file = told(
        "packages.config",
        """\
        <?xml version="1.0" encoding="utf-8"?>
        <packages>
          <package id="jQuery" version="1.8.2" targetFramework="net45" />
          <package id="Compilers" version="2.8.0" developmentDependency="true" />
          <package version="1" />
        </packages>
        """,
    )
    assert versions(file) == {"jquery": "1.8.2", "compilers": "2.8.0"}
    assert development(file) == {"compilers"}
    assert lines(file) == {"jquery": 3, "compilers": 4}
    assert file.packages[0].direct is None


_PAKET = """\
    RESTRICTION: >= net45
    NUGET
      remote: https://user:key@feed.example/v3/index.json
        FSharp.Core (5.0.1)
        FAKE (4.0) - restriction: || (== net6.0) (>= net45)
          FSharp.Core (>= 4.0)
    GITHUB
      remote: fsharp/FAKE
        modules/Octokit.fsx (a25c2f256a99242c1106b5a3478aae6bb68c7a93)
          Octokit (>= 0)
    GROUP Test
    NUGET
      remote: https://api.nuget.org/v3/index.json
        xunit (2.4.1)
    """


def test_paket_lock_file() -> None:
    file = told("paket.lock", _PAKET)
    assert versions(file)["fsharp.core"] == "5.0.1"
    assert needs(file) == {"fake": ["fsharp.core"]}
    assert named(file, "fake").url == "https://feed.example/v3/index.json"
    assert named(file, "fsharp/FAKE").source is Source.GIT
    assert development(file) == {"xunit"}
    assert lines(file)["fake"] == 5


@pytest.mark.parametrize("path", ["packages.config", "a.csproj", "Directory.Packages.props"])
def test_document_types_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="DOCTYPE"):
        told(path, '<!DOCTYPE p [<!ENTITY a "b">]><p>&a;</p>')
    with pytest.raises(InputError, match="begins with <p>"):
        told(path, "<p/>")


@pytest.mark.parametrize(
    "text",
    [
        '{"dependencies": []}',
        '{"dependencies": {"": {"": {}, "a": 1}}}',
        '{"libraries": {"/1": {}}}',
    ],
    ids=["list", "empty names", "no name"],
)
@pytest.mark.parametrize("path", ["packages.lock.json", "project.assets.json", "a.deps.json"])
def test_odd_shapes_do_no_harm(path: str, text: str) -> None:
    try:
        file = told(path, text)
    except InputError as error:
        assert error.where == path
    else:
        assert all(one.name for one in file.packages)


def test_damaged_files_never_crash() -> None:
    survives("packages.lock.json", _LOCK)
    survives("obj/project.assets.json", _ASSETS)
    survives("a.csproj", _PROJECT)
    assert survives("paket.lock", _PAKET) > 50


@pytest.mark.parametrize("path", ["app.csproj", "Directory.Build.props"])
def test_a_reference_whose_name_is_not_known_is_told(path: str) -> None:
    text = '<Project><ItemGroup><PackageReference Include="$(Which)" Version="1.0" />'
    (file,) = Written({path: f"{text}</ItemGroup></Project>"}).all(path)
    assert [gap.reason for gap in file.gaps] == [
        "1 reference named by what is not set here: $(Which)"
    ]


def test_lines_of_paket_that_are_none_are_counted() -> None:
    file = told(
        "paket.lock", "NUGET\n  remote: https://x.example\n  specs:\n    A (1.0)\n    B 2.0\n"
    )
    assert [gap.reason for gap in file.gaps] == ["lines that are not as the tool writes them: 1"]
