"""Go: go.mod with what stands beside it, go.work, old projects."""

from __future__ import annotations

import pytest

from haechi.errors import InputError
from haechi.model.package import Source
from tests.scan.deps.formats.written import (
    Written,
    direct,
    kinds,
    lines,
    named,
    survives,
    told,
    versions,
)

_MOD = """\
    module example.com/shop // a comment

    go 1.22.1

    toolchain go1.22.5-custom

    require github.com/one/direct v1.2.3
    require (
    \tgithub.com/Two/Cased v0.0.0-20240101000000-abcdefabcdef // indirect; why not
    \t"github.com/three/quoted" v2.0.0+incompatible
    \tgithub.com/four/replaced v1.0.0
    \tgithub.com/five/local v1.0.0
    \tgithub.com/six/tool/v2 v2.1.0 // indirect
    )
    replace (
    \tgithub.com/four/replaced v1.0.0 => github.com/fork/replaced v1.0.1
    \tgithub.com/five/local => ../five
    \tgithub.com/one/direct v9.9.9 => github.com/never/used v0.0.1
    )
    exclude github.com/one/direct v1.2.4
    retract [v0.1.0, v0.2.0]
    tool github.com/six/tool/v2/cmd/six
    """


def test_reads_every_directive() -> None:
    file = told("app/go.mod", _MOD)
    assert file.name == "example.com/shop"
    assert versions(file) == {
        "github.com/one/direct": "v1.2.3",
        "github.com/Two/Cased": "v0.0.0-20240101000000-abcdefabcdef",
        "github.com/three/quoted": "v2.0.0+incompatible",
        "github.com/fork/replaced": "v1.0.1",
        "github.com/five/local": "",
        "github.com/six/tool/v2": "v2.1.0",
        "stdlib": "1.22.5",
    }
    assert "github.com/Two/Cased" not in direct(file)
    assert "github.com/six/tool/v2" in direct(file), "a tool line asks for it"
    assert {file.packages[at].name for at in file.requires} == direct(file)
    assert named(file, "github.com/five/local").source is Source.PATH
    fork = named(file, "github.com/fork/replaced")
    assert (fork.spelled, fork.location.line) == ("github.com/four/replaced", 16)
    assert named(file, "stdlib").source is Source.STDLIB
    assert lines(file)["github.com/Two/Cased"] == 9
    assert not file.gaps


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("go 1.21.0", "1.21.0", id="release in the go line since 1.21"),
        pytest.param("go 1.25", None, id="language alone since 1.21"),
        pytest.param("go 1.26rc2", "1.26rc2", id="release candidate"),
        pytest.param("go 1.25\ntoolchain go1.25", None, id="toolchain without a release"),
        pytest.param("go 1.24.3\ntoolchain default", "1.24.3", id="default toolchain"),
        pytest.param("go 1.20\ntoolchain go1.21.4", "1.21.4", id="toolchain wins"),
        pytest.param("go 1.20", None, id="language version only"),
        pytest.param("", None, id="no line"),
        pytest.param("go latest", None, id="no version"),
    ],
)
def test_standard_library(text: str, version: str | None) -> None:
    assert versions(told("go.mod", f"module m\n{text}\n")).get("stdlib") == version


def test_digests_come_from_go_sum_of_the_replacement() -> None:
    tree = Written(
        {
            "go.mod": _MOD,
            "go.sum": """\
                github.com/one/direct v1.2.3 h1:one=
                github.com/one/direct v1.2.3/go.mod h1:mod=
                github.com/four/replaced v1.0.0 h1:not=
                github.com/fork/replaced v1.0.1 h1:fork=
                """,
        }
    )
    file = tree.told("go.mod")
    assert named(file, "github.com/one/direct").digests == ("h1:one=",)
    assert named(file, "github.com/fork/replaced").digests == ("h1:fork=",)


_OLD = "module m\ngo 1.16\nrequire a.example/a v1.0.0\n"


def test_old_module_takes_others_from_go_sum_and_tells_what_is_unsure() -> None:
    sums = """\
        a.example/a v1.0.0 h1:a=
        b.example/b v1.9.0 h1:b9=
        b.example/b v1.10.0 h1:b10=
        c.example/c v0.1.0 h1:c=
        d.example/d v0.1.0/go.mod h1:only-the-mod-file=
        """
    file = Written({"go.mod": _OLD, "go.sum": sums}).told("go.mod")
    assert versions(file) == {
        "a.example/a": "v1.0.0",
        "b.example/b": "v1.10.0",
        "c.example/c": "v0.1.0",
    }
    assert direct(file) == {"a.example/a"}
    assert named(file, "c.example/c").location.path == "go.sum"
    assert named(file, "c.example/c").location.line == 4
    assert kinds(file) == ["go-transitive"]
    assert "1 modules" in file.gaps[0].reason


def test_old_module_without_go_sum_says_what_is_missing() -> None:
    assert kinds(told("go.mod", _OLD)) == ["go-transitive"]
    assert kinds(told("go.mod", _OLD.replace("1.16", "1.17"))) == []


_VENDORED = """\
    # a.example/a v1.0.0
    ## explicit; go 1.13
    a.example/a
    # b.example/b v1.0.0 => fork.example/b v1.0.2
    b.example/b/inner
    # c.example/c v0.0.0 => ./c
    ## explicit
    # d.example/d => ./unused
    """


def test_vendored_modules_are_exact() -> None:
    tree = Written({"go.mod": _OLD, "vendor/modules.txt": _VENDORED})
    file = tree.told("go.mod")
    assert versions(file)["b.example/b"] == "v1.0.0", "replaced only where go.mod says so"
    assert not file.gaps
    assert tree.all("vendor/modules.txt") == []


def test_vendored_modules_alone() -> None:
    file = told("vendor/modules.txt", _VENDORED)
    assert versions(file) == {
        "a.example/a": "v1.0.0",
        "fork.example/b": "v1.0.2",
        "c.example/c": "",
    }
    assert direct(file) == {"a.example/a", "c.example/c"}


def test_go_sum_alone_is_a_guess() -> None:
    file = told("go.sum", "a.example/a v1.0.0 h1:x=\na.example/a v1.1.0 h1:y=\nnonsense\n")
    assert versions(file) == {"a.example/a": "v1.1.0"}
    assert file.packages[0].direct is None
    assert kinds(file) == ["go-transitive"]


def test_workspace_names_its_modules_and_replaces() -> None:
    tree = Written(
        {
            "go.work": "go 1.22.1\nuse (\n\t./a\n\t./b\n)\nreplace c.example/c => ./fork\n",
            "a/go.mod": "module m/a\ngo 1.22\nrequire (\n\tm/b v0.0.0\n\tc.example/c v1.0.0\n)\n",
            "b/go.mod": "module m/b\n",
            "out/go.mod": "module m/out\ngo 1.22\nrequire m/b v0.0.0\n",
        }
    )
    file = tree.told("a/go.mod")
    assert named(file, "m/b").source is Source.WORKSPACE
    assert named(file, "c.example/c").source is Source.PATH
    assert named(tree.told("out/go.mod"), "m/b").source is Source.REGISTRY
    work = tree.told("go.work")
    assert versions(work) == {"m/a": "", "m/b": "", "stdlib": "1.22.1"}


def test_a_file_without_a_module_is_none() -> None:
    with pytest.raises(InputError, match="no module line"):
        told("go.mod", "require a v1\n")


def test_empty_and_incomplete_words_are_passed_over() -> None:
    text = 'module m\ngo 1.20\nrequire "" v1\nrequire a\nreplace => b v1\nreplace a =>\nexclude a\n'
    assert told("go.mod", text).packages == ()


def test_excluded_requirement_is_told() -> None:
    file = told("go.mod", "module m\ngo 1.20\nrequire a.b/c v1.0.0\nexclude a.b/c v1.0.0\n")
    assert kinds(file) == ["go-excluded"]


def test_damaged_files_never_crash() -> None:
    assert survives("go.mod", _MOD, {"go.sum": "a b h1:c\n"}) > 50
    assert survives("vendor/modules.txt", _VENDORED) > 50


@pytest.mark.parametrize("asked", [("v1.9.0", "v1.10.0"), ("v1.10.0", "v1.9.0")], ids="-".join)
def test_of_a_module_that_is_required_twice_the_highest_version_is_built(
    asked: tuple[str, str],
) -> None:
    text = "module m\ngo 1.22\n" + "".join(f"require x.example/a {one}\n" for one in asked)
    assert versions(told("go.mod", text)) == {"x.example/a": "v1.10.0"}
