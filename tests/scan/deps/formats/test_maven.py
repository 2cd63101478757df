"""Maven: what a pom says with its parents and BOMs in the tree, and what stays open."""

from __future__ import annotations

import pytest

from haechi.errors import InputError, LimitExceeded
from haechi.model.package import Source
from tests.scan.deps.formats.written import (
    Written,
    development,
    kinds,
    lines,
    named,
    survives,
    told,
    versions,
)


def _pom(body: str, name: str = "app", parent: str = "") -> str:
    return (
        f"<project xmlns='http://maven.apache.org/POM/4.0.0'>\n{parent}"
        f"<groupId>org.shop</groupId><artifactId>{name}</artifactId><version>1.0</version>\n"
        f"{body}\n</project>"
    )


def _dependency(coordinates: str, more: str = "") -> str:
    group, artifact, *version = coordinates.split(":")
    told = f"<version>{version[0]}</version>" if version else ""
    return (
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>{told}{more}"
        "</dependency>\n"
    )


def _all(*parts: str) -> str:
    return f"<dependencies>\n{''.join(parts)}</dependencies>"


def _managed(*parts: str) -> str:
    return f"<dependencyManagement>{_all(*parts)}</dependencyManagement>"


_PARENT = (
    "<parent><groupId>org.shop</groupId><artifactId>root</artifactId><version>1.0</version>"
    "{}</parent>\n"
)


def test_versions_scopes_and_places() -> None:
    file = told(
        "pom.xml",
        _pom(
            "<properties><a.v>1.${b}</a.v><b>5</b></properties>"
            + _all(
                _dependency("g:plain:1.2.3"),
                _dependency("g:property:${a.v}"),
                _dependency("g:own:${project.version}"),
                _dependency("g:test:1", "<scope>test</scope>"),
                _dependency("g:provided:1", "<scope>provided</scope>"),
                _dependency("g:runtime:1", "<scope>runtime</scope><optional>true</optional>"),
                _dependency("g:system:1", "<scope>system</scope>"),
                _dependency("g:hard:[2.0]"),
                _dependency("g:plain:1.2.3", "<classifier>sources</classifier>"),
            )
        ),
    )
    assert file.name == "org.shop:app"
    assert not file.pins
    assert versions(file) == {
        "g:plain": "1.2.3",
        "g:property": "1.5",
        "g:own": "1.0",
        "g:test": "1",
        "g:provided": "1",
        "g:runtime": "1",
        "g:system": "1",
        "g:hard": "2.0",
    }
    assert development(file) == {"g:test", "g:provided"}
    assert named(file, "g:runtime").optional
    assert named(file, "g:system").source is Source.PATH
    assert named(file, "g:property").constraint == "${a.v}"
    assert lines(file)["g:plain"] == 4
    assert kinds(file) == ["maven-transitive"]


@pytest.mark.parametrize(
    ("version", "constraint"),
    [
        pytest.param("[1.0,2.0)", "[1.0,2.0)", id="range"),
        pytest.param("LATEST", "LATEST", id="floating"),
        pytest.param("${nowhere}", "${nowhere}", id="unknown property"),
        pytest.param("${env.VERSION}", "${env.VERSION}", id="environment"),
        pytest.param("${loop}", "${loop}", id="cycle"),
        pytest.param("${wide}", "${wide}", id="growth"),
        pytest.param("", "", id="none"),
    ],
)
def test_what_stays_open_is_counted_and_not_guessed(version: str, constraint: str) -> None:
    wide = "".join(f"<w{n}>{f'${{w{n + 1}}}' * 10}</w{n}>" for n in range(12))
    properties = (
        f"<properties><loop>${{loop}}</loop><wide>${{w0}}</wide>{wide}<w12>x</w12></properties>"
    )
    coordinates = f"g:a:{version}" if version else "g:a"
    file = told("pom.xml", _pom(properties + _all(_dependency(coordinates))))
    (package,) = file.packages
    assert (package.version, package.constraint) == ("", constraint)
    assert kinds(file) == ["maven-unresolved", "maven-transitive"]
    assert "versions of 1 dependencies" in file.gaps[0].reason


def test_parents_and_boms_of_the_tree() -> None:
    tree = Written(
        {
            "pom.xml": _pom(
                "<modules><module>app</module><module>bom</module><module>lib</module></modules>"
                "<properties><log>2.0</log><over>parent</over></properties>"
                + _managed(
                    _dependency("g:log:${log}", "<scope>test</scope>"),
                    _dependency("${project.groupId}:lib:1.0"),
                    _dependency("org.shop:bom:1.0", "<type>pom</type><scope>import</scope>"),
                    _dependency("g:both:from-parent"),
                )
                + _all(_dependency("g:inherited:9")),
                "root",
            ),
            "bom/pom.xml": _pom(
                "<properties><in.bom>7</in.bom></properties>"
                + _managed(_dependency("g:bom:${in.bom}"), _dependency("g:both:from-bom")),
                "bom",
            ),
            "lib/pom.xml": _pom("", "lib"),
            "app/pom.xml": _pom(
                "<properties><over>child</over></properties>"
                + _all(
                    _dependency("g:log"),
                    _dependency("g:bom"),
                    _dependency("g:both"),
                    _dependency("g:over:${over}"),
                    _dependency("org.shop:lib"),
                ),
                parent=_PARENT.format(""),
            ),
        }
    )
    file = tree.told("app/pom.xml")
    assert versions(file) == {
        "g:log": "2.0",
        "g:bom": "7",
        "g:both": "from-parent",
        "g:over": "child",
        "org.shop:lib": "1.0",
    }
    assert development(file) == {"g:log"}, "the scope is inherited with the version"
    assert named(file, "org.shop:lib").source is Source.WORKSPACE
    assert "g:inherited" not in versions(file), "told where it is written"
    assert kinds(file) == ["maven-transitive"]
    assert "what 4 dependencies" in file.gaps[0].reason


@pytest.mark.parametrize(
    "parent",
    [
        pytest.param("<relativePath/>", id="not in the tree by its own word"),
        pytest.param("<relativePath>../elsewhere</relativePath>", id="elsewhere"),
        pytest.param("<relativePath>../../../etc</relativePath>", id="out of the tree"),
    ],
)
def test_parent_out_of_reach_is_named(parent: str) -> None:
    tree = Written({"app/pom.xml": _pom(_all(_dependency("g:a")), parent=_PARENT.format(parent))})
    file = tree.told("app/pom.xml")
    assert versions(file) == {"g:a": ""}
    assert "org.shop:root:1.0 is not in the tree" in file.gaps[0].reason


def test_parent_of_another_version_is_another_parent() -> None:
    root = _pom(_managed(_dependency("g:a:1")), "root").replace("1.0", "2.0")
    tree = Written(
        {"pom.xml": root, "app/pom.xml": _pom(_all(_dependency("g:a")), parent=_PARENT.format(""))}
    )
    assert versions(tree.told("app/pom.xml")) == {"g:a": ""}


def test_bom_from_a_repository_leaves_versions_open() -> None:
    bom = _dependency("org.far:bom:3", "<type>pom</type><scope>import</scope>")
    file = told("pom.xml", _pom(_managed(bom) + _all(_dependency("g:a"), _dependency("g:b:1"))))
    assert versions(file) == {"g:a": "", "g:b": "1"}
    assert "1: org.far:bom:3 is not in the tree" in file.gaps[0].reason


def test_profiles_are_optional_unless_on_by_default() -> None:
    file = told(
        "pom.xml",
        _pom(
            "<profiles><profile><id>on</id><activation><activeByDefault>true</activeByDefault>"
            "</activation><properties><v>1</v></properties>"
            + _all(_dependency("g:on:${v}"))
            + "</profile><profile><id>off</id>"
            + _all(_dependency("g:off:2"))
            + "</profile></profiles><build><plugins><plugin>"
            + _all(_dependency("g:plugin:3"))
            + "</plugin></plugins></build>"
        ),
    )
    assert versions(file) == {"g:on": "1", "g:off": "2"}
    assert [one.optional for one in file.packages] == [False, True]


def test_circles_end() -> None:
    bom = _dependency("org.shop:{}:1.0", "<type>pom</type><scope>import</scope>")
    modules = "<modules><module>a</module><module>b</module><module>.</module></modules>"
    tree = Written(
        {
            "pom.xml": _pom(modules, "root", _PARENT.format("<relativePath>.</relativePath>")),
            "a/pom.xml": _pom(_managed(bom.format("b")) + _all(_dependency("g:x")), "a"),
            "b/pom.xml": _pom(_managed(bom.format("a"), _dependency("g:x:1")), "b"),
        }
    )
    assert versions(tree.told("a/pom.xml")) == {"g:x": "1"}
    assert tree.told("pom.xml").packages == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("<!DOCTYPE project><project/>", "DOCTYPE", id="document type"),
        pytest.param("<project>", "no element found", id="cut off"),
        pytest.param("<settings/>", "begins with <project>", id="another file"),
    ],
)
def test_refuses_with_the_place(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        told("x/pom.xml", text)
    assert words in caught.value.what
    assert caught.value.where == "x/pom.xml"


def test_depth_is_limited() -> None:
    with pytest.raises(LimitExceeded):
        told("pom.xml", "<project>" * 10_000)


def test_damaged_files_never_crash() -> None:
    text = _pom(
        "<properties><v>1</v></properties>"
        + _managed(_dependency("g:b:${v}"))
        + _all(_dependency("g:a:${v}"), _dependency("g:b")),
        parent=_PARENT.format(""),
    )
    assert (
        survives("app/pom.xml", text, {"pom.xml": _pom(_managed(_dependency("g:a:1")), "root")}) > 1
    )


def test_boms_that_import_each_other_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.scan.deps.formats.maven_model._IMPORTS", 20)
    entry = "<dependency><groupId>g</groupId><artifactId>{}</artifactId>{}</dependency>"
    imports = "".join(
        entry.format(f"m{n}", "<version>1</version><type>pom</type><scope>import</scope>")
        for n in range(9)
    )
    modules = "".join(f"<module>m{n}</module>" for n in range(9))
    head = "<project><groupId>g</groupId><artifactId>{}</artifactId><version>1</version>"
    files = {"pom.xml": f"{head.format('top')}<modules>{modules}</modules></project>"}
    for n in range(9):
        files[f"m{n}/pom.xml"] = (
            f"{head.format(f'm{n}')}<dependencyManagement><dependencies>{imports}</dependencies>"
            f"</dependencyManagement><dependencies>{entry.format('x', '')}</dependencies></project>"
        )
    file = Written(files).told("m0/pom.xml")
    assert "more BOMs than are read" in file.gaps[0].reason
