"""requirements.txt as pip reads it."""

from __future__ import annotations

import pytest

from haechi.model.package import Package, Source
from tests.scan.deps.formats.written import Written, needs, told

LINES: list[tuple[str, str, tuple[str, str, str, Source, str]]] = [
    ("pin", "Flask==2.0", ("flask", "2.0", "==2.0", Source.REGISTRY, "")),
    ("spaces", "a_b  ==  1.0 ; python_version<'3'", ("a-b", "1.0", "==1.0", Source.REGISTRY, "")),
    ("arbitrary", "a===1.0-x", ("a", "1.0-x", "===1.0-x", Source.REGISTRY, "")),
    ("range", "a>=1,<2", ("a", "", ">=1,<2", Source.REGISTRY, "")),
    ("parentheses", "a (>=1, <2)", ("a", "", ">=1,<2", Source.REGISTRY, "")),
    ("any", "a.b", ("a-b", "", "", Source.REGISTRY, "")),
    ("wildcard", "a==1.*", ("a", "", "==1.*", Source.REGISTRY, "")),
    ("extras", "a[x,y]==1  # why", ("a", "1", "==1", Source.REGISTRY, "")),
    ("hash", "a==1 --hash=sha256:ab", ("a", "1", "==1", Source.REGISTRY, "")),
    ("config", "a==1 --config-settings x=y", ("a", "1", "==1", Source.REGISTRY, "")),
    (
        "url",
        "a @ https://u:p@example.org/a-1.5-py3-none-any.whl",
        ("a", "1.5", "", Source.URL, "https://example.org/a-1.5-py3-none-any.whl"),
    ),
    (
        "git",
        "a@ git+https://tok@example.org/a.git@v1 ; os_name == 'nt'",
        ("a", "", "", Source.GIT, "git+https://example.org/a.git@v1"),
    ),
    (
        "egg",
        "-e git+ssh://git@example.org/x.git@main#egg=Thing&subdirectory=s",
        ("thing", "", "", Source.GIT,
         "git+ssh://git@example.org/x.git@main#egg=Thing&subdirectory=s"),
    ),
    (
        "bare-url",
        "https://example.org/dl/my_lib-2.1.tar.gz?token=abc",
        ("my-lib", "2.1", "", Source.URL, "https://example.org/dl/my_lib-2.1.tar.gz?token=***"),
    ),
    ("wheel", "./wheels/own_x-3.0-py3-none-any.whl", (
        "own-x", "3.0", "", Source.PATH, "./wheels/own_x-3.0-py3-none-any.whl")),
    ("continued", "a==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb",
     ("a", "1", "==1", Source.REGISTRY, "")),
]  # fmt: skip


def _view(package: Package) -> tuple[str, str, str, Source, str]:
    return (package.name, package.version, package.constraint, package.source, package.url)


@pytest.mark.parametrize(("text", "wanted"), [row[1:] for row in LINES], ids=[r[0] for r in LINES])
def test_one_line(text: str, wanted: tuple[str, str, str, Source, str]) -> None:
    (package,) = told("requirements.txt", "# head\n" + text + "\n").packages
    assert _view(package) == wanted
    assert package.location.line == 2


@pytest.mark.parametrize(
    "text", ["-i https://u:p@h/simple", "--index-url=https://h", "--no-binary :all:", "-e .", "."]
)
def test_what_is_no_package(text: str) -> None:
    file = told("requirements.txt", f"{text}\na==1\n")
    assert [one.name for one in file.packages] == ["a"]
    assert not file.gaps


def test_nonsense_is_a_gap_with_its_line() -> None:
    file = told("requirements.txt", "a==1\n{{ templated }}\nb==2\n")
    assert [one.name for one in file.packages] == ["a", "b"]
    assert [gap.path for gap in file.gaps] == ["requirements.txt:2"]


def test_digests_of_continued_lines() -> None:
    file = told("requirements.txt", "a==1 \\\n  --hash=sha256:aa \\\n  --hash=sha256:bb\nb==2\n")
    assert file.packages[0].digests == ("sha256:aa", "sha256:bb")
    assert file.packages[1].location.line == 4


def test_comments_of_pip_compile_are_edges() -> None:
    file = told(
        "requirements.txt",
        """\
        click==8.0
            # via flask
        flask==2.0
            # via
            #   -r requirements.in
            #   flask-admin
        flask-admin==1.6  # via -r requirements.in
        jinja2==3.0  # via flask, flask-admin
        """,
    )
    assert needs(file) == {
        "flask": ["click", "jinja2"],
        "flask-admin": ["flask", "jinja2"],
    }
    assert [file.packages[at].name for at in file.requires] == ["flask", "flask-admin"]


def test_includes_are_files_of_their_own_and_constraints_give_versions() -> None:
    tree = Written(
        {
            "r/requirements.txt": "-r base/common.txt\n-c ../limits/constraints.txt\nflask\n",
            "r/base/common.txt": "--requirement ../requirements.txt\njinja2\nattrs==1\n",
            "limits/constraints.txt": "flask==2.0\njinja2==3.0\nother==9\n",
        }
    )
    first, second = tree.all("r/requirements.txt")
    assert [(one.name, one.version) for one in first.packages] == [("flask", "2.0")]
    assert first.covers == ("limits/constraints.txt",)
    assert second.path == "r/base/common.txt"
    assert [(one.name, one.version) for one in second.packages] == [
        ("jinja2", "3.0"),
        ("attrs", "1"),
    ]
    assert second.packages[1].location.line == 3


def test_a_line_without_a_comment_is_asked_for_by_nobody_else() -> None:
    file = told("requirements.txt", "a==1\n    # via b\nb==1\nc==1\n")
    assert needs(file) == {"b": ["a"]}
    assert [file.packages[at].name for at in file.requires] == ["b", "c"]


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("constraints.txt", True),
        ("pins/constraints-3.12.txt", True),
        ("constraints/base.txt", True),
        ("requirements.txt", False),
        ("locked.txt", False),
    ],
)
def test_only_files_called_constraints_install_nothing(path: str, covered: bool) -> None:
    tree = Written({"requirements-dev.txt": f"-c {path}\npytest\n", path: "pytest==8\nb==1\n"})
    file = tree.told("requirements-dev.txt")
    assert [(one.name, one.version) for one in file.packages] == [("pytest", "8")]
    assert file.covers == ((path,) if covered else ())


def test_what_is_a_constraint_first_may_be_included_afterwards() -> None:
    tree = Written(
        {"requirements.txt": "-c base.txt\n-r base.txt\na\n", "base.txt": "b==1\na==2\n"}
    )
    first, second = tree.all("requirements.txt")
    assert [(one.name, one.version) for one in first.packages] == [("a", "2")]
    assert [(one.name, one.version) for one in second.packages] == [("b", "1"), ("a", "2")]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("missing.txt", "cannot be read"),
        ("../../etc/passwd", "cannot be read"),
        ("https://u:p@h/x.txt", "includes https://h/x.txt"),
    ],
    ids=["missing", "outside", "remote"],
)
def test_includes_that_cannot_be_read_are_gaps(named: str, said: str) -> None:
    file = told("requirements.txt", f"-r {named}\n")
    (gap,) = file.gaps
    assert said in gap.reason
    assert gap.path == "requirements.txt:1"


def test_a_broken_include_costs_only_itself() -> None:
    tree = Written({"requirements.txt": "-r b.txt\na==1\n"})
    tree.files["b.txt"] = b"\xff\xfe\xff"
    (file,) = tree.all("requirements.txt")
    assert [one.name for one in file.packages] == ["a"]
    assert len(file.gaps) == 1


@pytest.mark.parametrize(
    ("path", "development"),
    [
        ("requirements.txt", False),
        ("requirements-dev.txt", True),
        ("dev-requirements.txt", True),
        ("requirements/test.txt", True),
        ("tests/requirements.txt", False),
    ],
)
def test_scope_by_the_name_of_the_file(path: str, development: bool) -> None:
    assert told(path, "a==1\n").packages[0].development is development


def test_lines_that_files_take_from_others_are_bounded_for_a_tree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("haechi.scan.deps.formats.requirements.MAX_INCLUDED", 5)
    files = {f"{name}/requirements.txt": "-r ../base.txt\na==1\n" for name in "xyz"}
    tree = Written({**files, "base.txt": "b==1\nc==1\nd==1\n"})
    counts = [sum(len(file.packages) for file in tree.all(path)) for path in files]
    (last,) = tree.all("z/requirements.txt")
    assert counts == [4, 4, 1]
    assert [(gap.kind, gap.path) for gap in last.gaps] == [("too-large", "z/requirements.txt:1")]
