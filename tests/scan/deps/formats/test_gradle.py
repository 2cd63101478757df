"""Gradle: lock files, verification metadata, catalogues, constants of build scripts."""

from __future__ import annotations

import pytest

from haechi.errors import InputError
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

_LOCK = """\
    # This is a Gradle generated file for dependency locking.
    com.google.guava:guava:32.1.2-jre=compileClasspath,runtimeClasspath,testCompileClasspath
    junit:junit:4.13.2=integrationTestRuntimeClasspath,testCompileClasspath
    com.puppycrawl.tools:checkstyle:10.1=checkstyle
    org.mapstruct:mapstruct-processor:1.5.5=annotationProcessor
    org.example:debug:1=debugUnitTestRuntimeClasspath
    org.example:shipped:1=debugRuntimeClasspath
    empty=api,implementation
    """
_VERIFICATION = """\
    <verification-metadata xmlns="https://schema.gradle.org/dependency-verification">
      <configuration><verify-metadata>true</verify-metadata></configuration>
      <components>
        <component group="com.google.guava" name="guava" version="32.1.2-jre">
          <artifact name="guava-32.1.2-jre.jar"><sha256 value="aa" origin="x"/></artifact>
          <artifact name="guava-32.1.2-jre.pom"><sha256 value="bb"/></artifact>
        </component>
        <component group="org.parent" name="parent" version="1">
          <artifact name="parent-1.pom"><sha256 value="cc"/></artifact>
        </component>
      </components>
    </verification-metadata>
    """


def test_lock_file_with_scopes_and_digests() -> None:
    tree = Written(
        {"app/gradle.lockfile": _LOCK, "gradle/verification-metadata.xml": _VERIFICATION}
    )
    file = tree.told("app/gradle.lockfile")
    assert versions(file)["com.google.guava:guava"] == "32.1.2-jre"
    assert development(file) == {
        "junit:junit",
        "com.puppycrawl.tools:checkstyle",
        "org.mapstruct:mapstruct-processor",
        "org.example:debug",
    }
    assert lines(file)["junit:junit"] == 3
    assert named(file, "com.google.guava:guava").digests == ("sha256:aa",)
    assert file.packages[0].direct is None


@pytest.mark.parametrize(
    ("path", "tools"),
    [
        ("buildscript-gradle.lockfile", True),
        ("settings-gradle.lockfile", True),
        ("gradle/dependency-locks/runtimeClasspath.lockfile", False),
        ("gradle/dependency-locks/testRuntimeClasspath.lockfile", True),
    ],
)
def test_other_lock_files(path: str, tools: bool) -> None:
    file = told(path, "a:b:1\n" if "locks" in path else "a:b:1=classpath\n")
    assert [(one.name, one.development) for one in file.packages] == [("a:b", tools)]


def test_unreadable_lines_are_told() -> None:
    file = told("gradle.lockfile", "# c\na:b:1=x\nwhat is this\nempty=\n")
    assert (versions(file), kinds(file)) == ({"a:b": "1"}, ["syntax"])


def test_verification_metadata_lists_binaries_where_nothing_is_locked() -> None:
    tree = Written({"gradle/verification-metadata.xml": _VERIFICATION})
    assert versions(tree.told("gradle/verification-metadata.xml")) == {
        "com.google.guava:guava": "32.1.2-jre"
    }
    tree.files["gradle.lockfile"] = b""
    assert tree.all("gradle/verification-metadata.xml") == []
    with pytest.raises(InputError, match="DOCTYPE"):
        told("gradle/verification-metadata.xml", "<!DOCTYPE a><a/>")


_CATALOGUE = """\
    [versions]
    kotlin = "2.0.0"
    rich = { strictly = "1.7", prefer = "1.7.1" }

    [libraries]
    plain = "com.a:plain:1.0"
    module = { module = "com.a:module", version.ref = "kotlin" }
    group = { group = "com.a", name = "group", version = { require = "3" } }
    strict = { module = "com.a:strict", version.ref = "rich" }
    open = { module = "com.a:open" }
    range = "com.a:range:[1,2)"

    [plugins]
    jvm = { id = "org.jetbrains.kotlin.jvm", version.ref = "kotlin" }
    """


def test_version_catalogue() -> None:
    file = told("gradle/libs.versions.toml", _CATALOGUE)
    plugin = "org.jetbrains.kotlin.jvm:org.jetbrains.kotlin.jvm.gradle.plugin"
    assert versions(file) == {
        "com.a:plain": "1.0",
        "com.a:module": "2.0.0",
        "com.a:group": "3",
        "com.a:strict": "1.7",
        "com.a:open": "",
        "com.a:range": "",
        plugin: "2.0.0",
    }
    assert not file.pins
    assert development(file) == {plugin}
    assert lines(file)["com.a:module"] == 7
    assert kinds(file) == ["gradle-not-evaluated"]
    assert "2 dependencies have no version" in file.gaps[0].reason


_BUILD = """\
    plugins { id 'java' }
    def springVersion = '5.3.1'
    ext.jackson = "2.15.0"
    ext {
        guava = '32.0'
    }
    twice = 'a'
    twice = 'b'
    dependencies {
        implementation "org.spring:spring-core:${springVersion}"
        api("com.jackson:databind:$jackson") { exclude group: 'x' }
        testImplementation group: 'junit', name: 'junit', version: '4.13'
        runtimeOnly 'org.pg:pg:42.6.0@jar'
        compileOnly "com.google:guava:${rootProject.ext.guava}"
        implementation 'com.from:properties:' + fromProperties
        implementation "com.in:properties:${inProperties}"
        implementation platform('org.bom:bom:1.0')
        implementation 'org.managed:noversion'
        implementation "org.twice:x:$twice"
        implementation 'org.floating:x:1.+'
        implementation project(':lib')
        implementation libs.guava
        implementation files('x.jar')
        // implementation 'not:this:1'
        /* implementation 'nor:this:1'
        */ testRuntimeOnly 'after:comment:1'
        implementationDetail = 'no:thing:1'
    }
    """


def test_build_script_tells_constants_and_counts_the_rest() -> None:
    tree = Written({"app/build.gradle": _BUILD, "gradle.properties": "inProperties=7.1\n"})
    file = tree.told("app/build.gradle")
    assert versions(file) == {
        "org.spring:spring-core": "5.3.1",
        "com.jackson:databind": "2.15.0",
        "junit:junit": "4.13",
        "org.pg:pg": "42.6.0",
        "com.google:guava": "32.0",
        "com.in:properties": "7.1",
        "org.bom:bom": "1.0",
        "org.managed:noversion": "",
        "org.twice:x": "",
        "org.floating:x": "",
        "after:comment": "1",
    }
    assert development(file) == {"junit:junit", "after:comment"}
    assert lines(file)["after:comment"] == 26
    assert named(file, "org.twice:x").constraint == "$twice"
    assert "4 dependencies have no version" in file.gaps[0].reason


def test_kotlin_script() -> None:
    file = told(
        "build.gradle.kts",
        """\
        val ktor by extra("2.3.0")
        val slf4j = "2.0.9"
        dependencies {
            implementation("io.ktor:ktor:$ktor")
            add("kapt", "org.slf4j:slf4j-api:$slf4j")
            testImplementation(kotlin("test"))
            "runtimeOnly"("a.b:c:1")
        }
        """,
    )
    assert versions(file) == {
        "io.ktor:ktor": "2.3.0",
        "org.slf4j:slf4j-api": "2.0.9",
        "a.b:c": "1",
    }


def test_a_script_without_dependencies_has_no_gap() -> None:
    assert kinds(told("build.gradle", "plugins { id 'java' }\n")) == []


def test_damaged_files_never_crash() -> None:
    assert survives("gradle.lockfile", _LOCK) > 50
    assert survives("build.gradle", _BUILD) > 50
    survives("gradle/verification-metadata.xml", _VERIFICATION)
    survives("gradle/libs.versions.toml", _CATALOGUE)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a = 'x'" + " " * 60_000 + "z", id="spaces"),
        pytest.param("\n" * 200_000, id="lines"),
        pytest.param("implementation " + '"a' * 30_000, id="quotes"),
        pytest.param("implementation (" + "(" * 100_000, id="brackets"),
        pytest.param("/*" * 50_000, id="comments"),
        pytest.param("\"\"\"'''" * 20_000, id="text blocks"),
    ],
)
def test_expressions_stay_linear(text: str) -> None:
    tree = Written({})
    tree.files = {"build.gradle": text.encode(), "gradle.properties": text.encode()}
    assert tree.told("build.gradle").packages == ()
