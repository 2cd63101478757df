"""Whether vulnerable packages are used: what each language's imports lead to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.scan.deps.imports_go import imports_of, package_names
from haechi.scan.deps.imports_javascript import JavaScriptImports
from haechi.scan.deps.imports_python import PythonImports
from haechi.scan.deps.module_names import modules_of
from haechi.scan.deps.reach_sources import Projects, Reader
from haechi.world.advisories.reading import Advisories
from haechi.world.files import Tree
from tests.scan.deps.advised import CRITICAL, database, findings, look, rated
from tests.world.advisories.records import affected, record

GO = "github.com/acme/html"
MOD = f"module acme.io/shop\ngo 1.22\nrequire {GO} v1.0.0\n"
VENDORED = f"# {GO} v1.0.0\n## explicit\n{GO}/other\n"
DEMO = record("PYSEC-2024-9", aliases=["CVE-2024-9"], **rated(CRITICAL))
LOCKED = """version = 1
[[package]]
name = "shop"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "parent" }, { name = "other" }]
[[package]]
name = "parent"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "demo" }]
[[package]]
name = "other"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "demo"
version = "1.5"
source = { registry = "https://pypi.org/simple" }
"""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Advisories]:
    with database(tmp_path_factory.mktemp("db"), [DEMO]) as opened:
        yield opened


@pytest.mark.parametrize(
    ("files", "reach", "at", "through"),
    [
        ({"app.py": "import os\nimport demo\n"}, "imported", "app.py:2", ""),
        ({"app.py": "from demo.core import x\n"}, "imported", "app.py:1", ""),
        ({"app.py": "import a, demo as d\n"}, "imported", "app.py:1", ""),
        ({"app.py": "try: import demo\nexcept ImportError: pass\n"}, "imported", "app.py:1", ""),
        ({"app.py": "m = importlib.import_module('demo.x')\n"}, "imported", "app.py:1", ""),
        ({"app.py": "x = 1\nimport parent\n"}, "imported", "app.py:2", "parent"),
        ({"tests/test_a.py": "import demo\n", "b.py": "import demo\n"}, "imported", "b.py:1", ""),
        ({"app.py": "import other\n"}, "not_found", "", ""),
        ({"app.py": '"""\nimport demo\n"""\n'}, "not_found", "", ""),
        ({"app.py": "# import demo\nfrom . import demo\n"}, "not_found", "", ""),
        ({"app.py": "import demonstration\n"}, "not_found", "", ""),
        ({"app.py": "importlib.import_module(name)\n"}, "unknown", "", ""),
        ({"app.py": "x = 1\n", "Dockerfile": "CMD demo serve\n"}, "unknown", "", ""),
        ({"settings.py": "APPS = ['parent']\n"}, "unknown", "", ""),
        ({"readme.md": "import demo\n"}, "unknown", "", ""),
    ],
)
def test_python(
    tmp_path: Path,
    held: Advisories,
    files: Mapping[str, str],
    reach: str,
    at: str,
    through: str,
) -> None:
    (found,) = findings(look(tmp_path, {"uv.lock": LOCKED, **files}, held))
    said = found.evidence
    assert (said["reach"], said.get("reach_at", ""), said.get("reach_through", "")) == (
        reach,
        at,
        through,
    )
    assert ("no path found" in found.message) is (reach == "not_found")
    assert "unreachable" not in found.message


def test_a_list_without_edges_never_says_that_no_path_was_found(
    tmp_path: Path, held: Advisories
) -> None:
    files = {"requirements.txt": "demo==1.5\nother==1.0\n", "app.py": "import other\n"}
    (found,) = findings(look(tmp_path, files, held))
    assert found.evidence["reach"] == "unknown"
    assert "does not tell what needs it" in found.evidence["reach_why"]


def test_the_import_of_another_project_says_nothing(tmp_path: Path, held: Advisories) -> None:
    files = {
        "a/uv.lock": LOCKED,
        "a/app.py": "import other\n",
        "b/uv.lock": LOCKED,
        "b/app.py": "import demo\n",
    }
    told = {
        one.location.path: one.evidence["reach"] for one in findings(look(tmp_path, files, held))
    }
    assert told == {"a/uv.lock": "not_found", "b/uv.lock": "imported"}


def test_the_import_of_the_project_above_says_nothing(tmp_path: Path, held: Advisories) -> None:
    files = {
        "uv.lock": LOCKED,
        "app.py": "import demo\n",
        "b/uv.lock": LOCKED,
        "b/app.py": "import other\n",
    }
    told = findings(look(tmp_path, files, held))
    assert {one.location.path: one.evidence["reach"] for one in told} == {
        "uv.lock": "imported",
        "b/uv.lock": "not_found",
    }


def test_severity_and_fingerprint_do_not_depend_on_it(tmp_path: Path, held: Advisories) -> None:
    (one,) = findings(look(tmp_path / "a", {"uv.lock": LOCKED, "app.py": "import other\n"}, held))
    (two,) = findings(look(tmp_path / "b", {"uv.lock": LOCKED, "app.py": "import demo\n"}, held))
    assert (one.severity, one.fingerprint) == (two.severity, two.fingerprint)


@pytest.mark.parametrize(
    ("files", "reach", "symbol"),
    [
        ({"a.go": 'package a\nimport "%s/dom"\nfunc f() { dom.Parse(x) }\n'}, "called",
         "dom.Parse"),
        ({"a.go": 'package a\nimport d "%s/dom"\nfunc f() { d.Parse(x) }\n'}, "called",
         "dom.Parse"),
        ({"a.go": 'package a\nimport (\n\t"os"\n\t"%s/dom"\n)\nfunc f(n *dom.Node) { n.Walk() }\n'},
         "called", "dom.Node.Walk"),
        ({"a.go": 'package a\nimport "%s/dom"\nfunc f(n *dom.Node) { x = r.Walk }\n'},
         "imported", ""),
        ({"a.go": 'package a\nimport "%s/dom"\nfunc f() { dom.Other() }\n'}, "imported", ""),
        ({"a.go": 'package a\nimport "%s/dom"\nfunc f() {\n// dom.Parse(x)\n}\n'}, "imported", ""),
        ({"a.go": 'package a\nimport (\n"os"\n"%s/dom"\n)\nfunc f(n dom.Node) { os.Walk() }\n'},
         "imported", ""),
        ({"a.go": 'package a\nimport "%s/dom"\nfunc f() { dom.Do(); other.Walk() }\n'}, "imported",
         ""),
        ({"a.go": 'package a\nimport "%s/other"\nfunc f() { other.Parse() }\n'}, "unknown", ""),
        ({"a.go": 'package a\nfunc f() {}\n', "go.mod": MOD + "require x.example/y v1.0.0\n"},
         "unknown", ""),
        ({"a.go": 'package a\nimport "%s/other"\n', "vendor/modules.txt": VENDORED,
          f"vendor/{GO}/other/o.go": "package other\n"}, "not_found", ""),
        ({"a.go": 'package a\nimport "%s/other"\n', "vendor/modules.txt": VENDORED,
          f"vendor/{GO}/other/o.go": 'package other\nimport "%s/dom"\n'}, "imported", ""),
        ({"a.go": 'package a\nfunc f() string { return "%s/dom" }\n'}, "not_found", ""),
    ],
)  # fmt: skip
def test_go(tmp_path: Path, files: Mapping[str, str], reach: str, symbol: str) -> None:
    about = affected(GO, ("introduced", "0"), ("fixed", "2.0.0"), ecosystem="Go", kind="SEMVER")
    about["ecosystem_specific"] = {
        "imports": [{"path": f"{GO}/dom", "symbols": ["Parse", "Node.Walk"]}]
    }
    advisory = record("GO-2024-1", about, **rated(CRITICAL))
    sources = {name: text % GO if "%s" in text else text for name, text in files.items()}
    with database(tmp_path / "db", [advisory], "Go") as held:
        (found,) = findings(look(tmp_path / "tree", {"go.mod": MOD, **sources}, held))
    assert (found.evidence["reach"], found.evidence.get("reach_symbol", "")) == (reach, symbol)


def test_a_module_that_go_sum_alone_tells_of_is_looked_up(tmp_path: Path) -> None:
    about = affected(GO, ("introduced", "0"), ("fixed", "2.0.0"), ecosystem="Go", kind="SEMVER")
    files = {
        "go.mod": "module m\ngo 1.15\nrequire x.example/y v1.0.0\n",
        "go.sum": f"x.example/y v1.0.0 h1:y=\n{GO} v1.0.0 h1:x=\n",
        "a.go": f'package a\nimport "{GO}"\n',
    }
    with database(tmp_path / "db", [record("GO-2024-1", about, **rated(CRITICAL))], "Go") as held:
        (found,) = findings(look(tmp_path / "tree", files, held))
    assert (found.location.path, found.evidence["reach_at"]) == ("go.sum", "a.go:2")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import x from 'left-pad'", True),
        ("import 'left-pad/style.css'", True),
        ('const x = require("left-pad")', True),
        ("export * from `left-pad`", True),
        ("const m = await import(/* name */ 'left-pad')", True),
        ("import {\n  a,\n} from 'left-pad'", True),
        ("// import x from 'left-pad'", False),
        ("import x from './left-pad'", False),
        ("import x from 'left-padding'", False),
    ],
)
def test_javascript_imports(tmp_path: Path, text: str, found: bool) -> None:
    (tmp_path / "a.ts").write_text(text)
    imports = JavaScriptImports(Reader(Tree(root=tmp_path)), ["a.ts"])
    assert bool(list(imports.places("left-pad"))) is found


@pytest.mark.parametrize(
    ("package", "module", "sure"),
    [
        ("pyyaml", "yaml", True),
        ("pillow", "PIL", True),
        ("beautifulsoup4", "bs4", True),
        ("requests", "requests", True),
        ("google-cloud-storage", "google.cloud.storage", True),
        ("acme-some-thing", "acme_some_thing", False),
    ],
)
def test_modules_of_packages(package: str, module: str, sure: bool) -> None:
    told = modules_of(package)
    assert (module in told.names, told.sure) == (True, sure)


def test_a_part_of_a_namespace_is_told_from_others(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from google.cloud import (\n    storage,\n)\n")
    imports = PythonImports(Reader(Tree(root=tmp_path)), ["a.py"])
    assert list(imports.places(["google.cloud.storage"]))
    assert not list(imports.places(["google.cloud.bigquery"]))


def test_limits_make_it_unknown(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.py").write_text("import demo\n")
    reader = Reader(Tree(root=tmp_path), files=2)
    PythonImports(reader, ["0.py", "1.py", "2.py"])
    assert reader.cut


@pytest.mark.parametrize(
    ("path", "name"),
    [("gopkg.in/yaml.v3", "yaml"), ("a.io/x/v2", "x"), ("a.io/go-redis", "redis"), ("os", "os")],
)
def test_names_of_go_packages(path: str, name: str) -> None:
    assert name in package_names(path)


@given(st.binary(max_size=400))
def test_any_bytes_are_read(data: bytes) -> None:
    for path, alias, offset in imports_of(b'import "os"\n' + data):
        assert path and isinstance(alias, str)
        assert 0 <= offset <= len(data) + 12


@given(st.text("import frodemo_.,()\n\"'#\\ ;:", max_size=200))
def test_any_python_text_is_read(text: str) -> None:
    class Given:
        def read(self, path: str) -> bytes:
            return text.encode()

        again = read

    imports = PythonImports(Given(), ["a.py"])  # type: ignore[arg-type]
    for place in imports.places(["demo"]):
        assert "demo" in text[place.offset :]


def test_projects_own_what_is_below_them() -> None:
    projects = Projects((), "PyPI")
    assert projects.own("requirements/base.txt")("src/app.py")


def test_lock_of_npm_leads_through_what_is_imported(tmp_path: Path) -> None:
    about = affected(
        "deep", ("introduced", "0"), ("fixed", "2.0.0"), ecosystem="npm", kind="SEMVER"
    )
    advisory = record("GHSA-aaaa-bbbb-cccc", about, **rated(CRITICAL))
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": {"top": "1.0.0"}},
            "node_modules/top": {"version": "1.0.0", "dependencies": {"deep": "1.0.0"}},
            "node_modules/deep": {"version": "1.0.0"},
        },
    }
    files = {"package-lock.json": json.dumps(lock), "src/a.js": "const t = require('top')\n"}
    with database(tmp_path / "db", [advisory], "npm") as held:
        (found,) = findings(look(tmp_path / "tree", files, held))
    assert (found.evidence["reach"], found.evidence["reach_through"]) == ("imported", "top")
    assert "reached through top, which is imported in src/a.js:1" in found.message


@pytest.mark.parametrize("name", ["own-name", "deep"])
def test_an_alias_of_the_project_is_an_import_of_the_package(tmp_path: Path, name: str) -> None:
    about = affected(
        "deep", ("introduced", "0"), ("fixed", "2.0.0"), ecosystem="npm", kind="SEMVER"
    )
    advisory = record("GHSA-aaaa-bbbb-cccc", about, **rated(CRITICAL))
    asks = {"own-name": "npm:deep@1.0.0", "deep": "1.0.0"}
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": asks},
            "node_modules/own-name": {"name": "deep", "version": "1.0.0"},
            "node_modules/deep": {"version": "1.0.0"},
        },
    }
    files = {
        "package.json": json.dumps({"dependencies": asks}),
        "package-lock.json": json.dumps(lock),
        "src/a.js": f"import x from '{name}'\n",
    }
    with database(tmp_path / "db", [advisory], "npm") as held:
        (found,) = findings(look(tmp_path / "tree", files, held))
    assert (found.evidence["reach"], found.evidence["reach_at"]) == ("imported", "src/a.js:1")
