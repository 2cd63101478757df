"""Go's standard library: what counts of the least release that a module may be built with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from haechi.model.package import PackageFile
from haechi.scan.deps.go_standard import sentences, ways_to
from haechi.world.advisories.reading import Advisories
from tests.scan.deps.advised import database, findings, look
from tests.world.advisories.records import Json, affected, record

MOD = "module m\n\ngo 1.25.0\n"


def _record(id_: str, path: str, *symbols: str) -> Json:
    about = affected("stdlib", ("introduced", "0"), ("fixed", "1.25.9"), ecosystem="Go")
    about["ranges"][0]["type"] = "SEMVER"
    if path:
        about["ecosystem_specific"] = {"imports": [{"path": path, "symbols": list(symbols)}]}
    return record(id_, summary=f"fault in {path}", affected=[about])


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Advisories]:
    records = [
        _record("GO-2026-1", "net/http", "Get"),
        _record("GO-2026-2", "crypto/x509", "Certificate.Verify"),
        _record("GO-2026-3", "html/template", "Template.Execute"),
    ]
    with database(tmp_path_factory.mktemp("db"), records, "Go") as opened:
        yield opened


def _go(*paths: str, body: str = "") -> str:
    imports = "".join(f'import "{path}"\n' for path in paths)
    return f"package main\n{imports}func main() {{ {body} }}\n"


TEMPLATE = _go("html/template", body='template.New("")')


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"a.go": _go("fmt")}, {}, id="nothing of it imported"),
        pytest.param({}, {}, id="no code"),
        pytest.param(
            {"a.go": _go("html/template", body='template.JS("")')}, {}, id="another part of it"
        ),
        pytest.param(
            {"a.go": _go("html/template", body="var t *template.Template")},
            {"GO-2026-3": "imported"},
            id="its type named",
        ),
        pytest.param(
            {"a.go": _go("html/template", body='template.New("")')},
            {"GO-2026-3": "imported"},
            id="itself imported",
        ),
        pytest.param(
            {"a.go": _go("net/http", body='http.Get("")')},
            {"GO-2026-1": "called", "GO-2026-2": "imported"},
            id="called, and what it leads to",
        ),
        pytest.param(
            {"a_test.go": _go("html/template", body='template.New("")')}, {}, id="tests alone"
        ),
        pytest.param({"other/go.mod": MOD, "other/a.go": TEMPLATE}, {}, id="another module"),
        pytest.param(
            {
                "a.go": _go("x.example/y"),
                "vendor/modules.txt": "# x.example/y v1.0.0\n## explicit\nx.example/y\n",
                "vendor/x.example/y/y.go": _go("html/template"),
            },
            {"GO-2026-3": "imported"},
            id="by vendored code",
        ),
    ],
)
def test_what_the_code_leads_to_counts(
    tmp_path: Path, held: Advisories, files: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    found = look(tmp_path, {"go.mod": MOD, **files}, held)
    here = [one for one in findings(found) if one.location.path == "go.mod"]
    assert {one.rule: one.evidence["reach"] for one in here} == expected
    assert set(found.rules) >= set(expected)
    left_out = [one for one in found.part.warnings if "are left out" in one]
    assert bool(left_out) == (len(expected) < 2), found.part.warnings


def test_finding_says_that_it_is_the_least_and_names_the_release(
    tmp_path: Path, held: Advisories
) -> None:
    found = look(tmp_path, {"go.mod": MOD, "a.go": TEMPLATE}, held)
    (finding,) = findings(found)
    assert "the least release that go.mod allows to build with" in finding.message
    assert (finding.upgrade, finding.location.line) == ("1.25.9", 3)


@pytest.mark.parametrize("mod", ["module m\ngo 1.25\n", "module m\ngo 1.18\n"])
def test_a_line_without_a_release_is_not_judged_and_that_is_said(
    tmp_path: Path, held: Advisories, mod: str
) -> None:
    found = look(tmp_path, {"go.mod": mod, "a.go": _go("net/http")}, held)
    assert findings(found) == []
    assert any("not judged where no release" in one for one in found.part.warnings)
    assert found.part.gaps == ()


def test_a_record_without_a_package_counts(tmp_path: Path) -> None:
    with database(tmp_path / "db", [_record("GO-2026-4", "")], "Go") as held:
        found = look(tmp_path / "tree", {"go.mod": MOD, "a.go": _go("fmt")}, held)
    assert [one.rule for one in findings(found)] == ["GO-2026-4"]


def test_a_function_far_down_a_long_list_counts(tmp_path: Path) -> None:
    names = [f"F{number:03}" for number in range(200)]
    with database(tmp_path / "db", [_record("GO-2026-5", "net/http", *names)], "Go") as held:
        files = {"go.mod": MOD, "a.go": _go("net/http", body="http.F190()")}
        found = look(tmp_path / "tree", files, held)
    assert [one.evidence["reach"] for one in findings(found)] == ["called"]


def test_where_not_all_code_was_read_nothing_is_left_out(
    tmp_path: Path, held: Advisories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.scan.deps.reach_sources.MAX_FILE", 10)
    found = look(tmp_path, {"go.mod": MOD, "a.go": _go("fmt")}, held)
    assert [one.evidence["reach"] for one in findings(found)] == ["unknown"] * 3
    assert not any("are left out" in one for one in found.part.warnings)


def test_workspace_counts_the_code_of_its_modules(tmp_path: Path, held: Advisories) -> None:
    files = {
        "go.work": "go 1.25.0\nuse ./a\n",
        "a/go.mod": "module a\ngo 1.25\n",
        "a/a.go": TEMPLATE,
    }
    found = look(tmp_path, files, held)
    assert [(one.rule, one.location.path) for one in findings(found)] == [("GO-2026-3", "go.work")]


def test_sentences_name_a_few_modules() -> None:
    files = [PackageFile(path=f"{n}/go.mod", format="go.mod", ecosystem="Go") for n in range(5)]
    (said,) = sentences(files, 0)
    assert said.endswith("0/go.mod, 1/go.mod, 2/go.mod and 2 more")


def test_internal_packages_have_ways_by_which_programs_reach_them() -> None:
    assert "net/http" in ways_to("net/http/internal")
    assert ways_to("html/template") == ()
