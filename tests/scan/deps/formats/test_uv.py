"""uv.lock: edges, extras, groups, members, several versions of one name."""

from __future__ import annotations

from haechi.model.package import Source
from tests.scan.deps.formats.written import Written, named, needs, told, versions

LOCK = """\
version = 1
revision = 3

[manifest]
members = ["shop", "shop-api"]

[[package]]
name = "Flask"
version = "3.0.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "werkzeug" }]
sdist = { url = "https://h/f.tar.gz", hash = "sha256:aa", size = 1 }
wheels = [{ url = "https://h/f.whl", hash = "sha256:bb" }]

[package.optional-dependencies]
async = [{ name = "asgiref" }]

[[package]]
name = "asgiref"
version = "3.8.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "numpy"
version = "1.26.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "pytest"
version = "8.0.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "werkzeug" }, { name = "pluggy" }]

[[package]]
name = "pluggy"
version = "1.5.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "shop"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "flask", extra = ["async"] },
    { name = "numpy", version = "1.26.0", source = { registry = "https://pypi.org/simple" } },
]

[package.dev-dependencies]
test = [{ name = "pytest" }]

[[package]]
name = "shop-api"
version = "0.2.0"
source = { virtual = "api" }
dependencies = [{ name = "tool" }]

[package.optional-dependencies]
fast = [{ name = "numpy", version = "2.1.0", source = { registry = "https://pypi.org/simple" } }]

[[package]]
name = "tool"
version = "1.0"
source = { git = "https://bob:pass@example.org/tool.git?rev=main#0123" }

[[package]]
name = "werkzeug"
version = "3.0.1"
source = { registry = "https://pypi.org/simple" }
"""


def test_project_names_the_file_and_is_no_package() -> None:
    file = told("uv.lock", LOCK)
    assert (file.name, file.version) == ("shop", "0.1.0")
    assert "shop" not in versions(file)
    assert file.covers == ("api/pyproject.toml",)


def test_edges_of_extras_and_versions() -> None:
    file = told("uv.lock", LOCK)
    assert needs(file) == {
        "flask": ["werkzeug", "asgiref"],
        "pytest": ["werkzeug", "pluggy"],
        "shop-api": ["tool", "numpy"],
    }
    asked = [file.packages[at] for at in file.requires]
    assert [(one.name, one.version) for one in asked] == [
        ("flask", "3.0.0"),
        ("numpy", "1.26.0"),
        ("pytest", "8.0.0"),
        ("shop-api", "0.2.0"),
    ]


def test_shared_by_shipped_and_development_is_shipped() -> None:
    file = told("uv.lock", LOCK)
    tools = {one.name for one in file.packages if one.development}
    assert tools == {"pytest", "pluggy"}
    optional = {(one.name, one.version) for one in file.packages if one.optional}
    assert optional == {("numpy", "2.1.0")}
    assert {one.name for one in file.packages if one.direct} == {
        "flask", "numpy", "pytest", "shop-api", "tool",
    }  # fmt: skip


def test_places_digests_sources() -> None:
    file = told("uv.lock", LOCK)
    flask = named(file, "flask")
    assert (flask.spelled, flask.location.line) == ("Flask", 7)
    assert flask.digests == ("sha256:aa", "sha256:bb")
    tool = named(file, "tool")
    assert tool.source is Source.GIT
    assert tool.url == "https://example.org/tool.git?rev=main#0123"
    assert named(file, "shop-api").source is Source.WORKSPACE


def test_script_lock_has_roots_of_its_manifest() -> None:
    file = told(
        "uv.lock",
        """\
        version = 1
        [manifest]
        requirements = [{ name = "rich", specifier = ">=13" }]
        [[package]]
        name = "rich"
        version = "13.0"
        source = { registry = "https://pypi.org/simple" }
        """,
    )
    assert named(file, "rich").direct is True


def test_nobody_knows_what_is_direct_without_a_project() -> None:
    file = told("uv.lock", 'version = 1\n[[package]]\nname = "a"\nversion = "1"\n')
    assert named(file, "a").direct is None


def test_text_that_looks_like_an_entry_costs_only_the_lines() -> None:
    text = 'version = 1\nnote = """\n[[package]]\n"""\n[[package]]\nname = "a"\nversion = "1"\n'
    assert named(told("uv.lock", text), "a").location.line == 1


def test_member_beside_is_covered() -> None:
    tree = Written({"a/uv.lock": LOCK})
    assert tree.told("a/uv.lock").covers == ("a/api/pyproject.toml",)
