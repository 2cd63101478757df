"""Terraform and lists of packages that are made to harm, each with a neighbour that is not.

A case writes its files below ``bad/``; ``size`` of one is what suits a test, larger ones are for
``./dev bench hostile``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.deps_files import make

PUBLIC = 'resource "aws_db_instance" "a" {\n  publicly_accessible = true\n}\n'
FOUND = {"tf-aws-rds-public", "HOUSE-1"}
"""What is found in the neighbour: the database, and the package by an advisory of the tree."""
_ADVISORY = {
    "id": "HOUSE-1",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "Ours",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "neighbour"}, "versions": ["1.0"]}],
}
_CONFIG = """\
deps: {advisories: [own]BILLS}
coverage:
  accept: [{kind: no-advisories, reason: the trial has no database}]
"""
Write = Callable[[Path, int], None]


class Case(NamedTuple):
    """``kinds``: a gap of one of them has to be told of a path below ``bad``. Empty: the input is
    read in full."""

    write: Write
    kinds: frozenset[str]


def lay_out(root: Path, case: Case, size: int = 1) -> None:
    """Write a case and its neighbour."""
    for folder in ("bad", "good", "own"):
        (root / folder).mkdir(parents=True)
    (root / "good/main.tf").write_text(PUBLIC)
    (root / "good/requirements.txt").write_text("neighbour==1.0\n")
    (root / "own/HOUSE-1.json").write_text(json.dumps(_ADVISORY))
    case.write(root / "bad", size)
    bills = ", sboms: [bad/bom.cdx.json]" if (root / "bad/bom.cdx.json").exists() else ""
    (root / "haechi.yaml").write_text(_CONFIG.replace("BILLS", bills))


def _text(name: str, make: Callable[[int], str | bytes]) -> Write:
    def write(folder: Path, size: int) -> None:
        made = make(size)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made if isinstance(made, bytes) else made.encode())

    return write


def _files(*writes: Write) -> Write:
    def write(folder: Path, size: int) -> None:
        for one in writes:
            one(folder, size)

    return write


def _linked(folder: Path, _: int) -> None:
    (folder / "main.tf").write_text('module "a" {\n  source = "./linked"\n}\n')
    (folder / "linked").symlink_to("/etc")
    (folder / "round").symlink_to("..")


def _locals(rows: Callable[[int], str], count: int) -> str:
    body = "\n".join(f"  {rows(number)}" for number in range(count))
    return f"locals {{\n{body}\n}}\n"


_USES = 'resource "aws_s3_bucket" "a" {\n  bucket = local.last\n}\n'
_BILLION = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {one} "{f"&{other};" * 10}">'
        for one, other in zip("bcdefghij", "abcdefghi", strict=True)
    )
    + "]>\n"
)


def _call(source: str) -> str:
    return f'module "m" {{\n  source = "{source}"\n}}\n'


def _bill(kind: str, size: int) -> bytes:
    if kind == "deep":
        one: dict[str, object] = {"type": "library", "name": "a", "version": "1"}
        head = '{"bomFormat":"CycloneDX","specVersion":"1.6","components":'
        nested = f'[{json.dumps(one)[:-1]},"components":' * (5_000 * size)
        return (head + nested + "[]" + "}]" * (5_000 * size) + "}").encode()
    rows = ",".join(
        f'{{"type":"library","name":"p{n}","version":"1","purl":"pkg:pypi/p{n}@1"}}'
        for n in range(600_000)
    )
    return f'{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{rows}]}}'.encode()


def _plan(resources: int) -> str:
    one = '{{"address":"aws_s3_bucket.b{n}","mode":"managed","type":"aws_s3_bucket","name":"b{n}",'
    one += '"values":{{"bucket":"b{n}","tags":{{"a":"{pad}"}}}}}}'
    rows = ",".join(one.format(n=n, pad="x" * 400) for n in range(resources))
    head = '{"format_version":"1.2","terraform_version":"1.9.0","planned_values":'
    return head + '{"root_module":{"resources":[' + rows + "]}},"  # closed by what follows


_LIMIT = frozenset({"terraform-limit"})
_SYNTAX = frozenset({"terraform-syntax", "terraform-fault", "terraform-limit"})
TERRAFORM: dict[str, Case] = {
    "unclosed-interpolation": Case(
        _text("main.tf", lambda size: 'a = "' + "${" * (50_000 * size)), _SYNTAX
    ),
    "unclosed-interpolation-in-each-line": Case(
        _text("main.tf", lambda size: 'a = "${\n' * (20_000 * size)), _SYNTAX
    ),
    "unclosed-heredocs": Case(
        _text("main.tf", lambda size: "a = <<X\n" * (20_000 * size)), _SYNTAX
    ),
    "line-of-10-mb": Case(
        _text("main.tf", lambda size: 'a = "' + "x" * (10_000_000 * size) + '"\n'),
        _SYNTAX | {"too-large"},
    ),
    "deep-lists": Case(
        _text("main.tf", lambda size: "locals {\n a = " + "[" * (100_000 * size)), _SYNTAX
    ),
    "deep-blocks": Case(
        _text("main.tf", lambda size: "a {\n" * (20_000 * size) + "}\n" * (20_000 * size)),
        _SYNTAX,
    ),
    "deep-operators": Case(
        _text("main.tf", lambda size: _locals(lambda _: f"last = {'-' * 90_000}1", 1) + _USES),
        _SYNTAX,
    ),
    "circle-of-locals": Case(
        _text(
            "main.tf",
            lambda size: (
                _locals(lambda n: f"v{n} = local.v{(n + 1) % 5_000}", 5_000 * size)
                + _USES.replace("last", "v0")
            ),
        ),
        _SYNTAX,
    ),
    "exponential-locals": Case(
        _text(
            "main.tf",
            lambda size: (
                _locals(
                    lambda n: (
                        f'v{n} = "${{local.v{n - 1}}}${{local.v{n - 1}}}"'
                        if n
                        else 'v0 = "aaaaaaaa"'
                    ),
                    64,
                )
                + _USES.replace("last", "v63")
            ),
        ),
        _LIMIT,
    ),
    "exponential-lists": Case(
        _text(
            "main.tf",
            lambda size: (
                _locals(
                    lambda n: (
                        f"v{n} = concat(local.v{n - 1}, local.v{n - 1})"
                        if n
                        else "v0 = [1, 2, 3, 4]"
                    ),
                    64,
                )
                + _USES.replace("last", "v63")
            ),
        ),
        _LIMIT,
    ),
    "loops-in-loops": Case(
        _text(
            "main.tf",
            lambda size: (
                "locals {\n  n = range(1000)\n"
                "  last = [for a in local.n : [for b in local.n : [for c in local.n : a]]]\n}\n"
                + _USES
            ),
        ),
        _LIMIT,
    ),
    "a-million-instances": Case(
        _text(
            "main.tf",
            lambda size: (
                'resource "aws_s3_bucket" "a" {\n'
                "  for_each = toset([for n in range(1000000) : tostring(n)])\n"
                "  bucket = each.key\n}\n"
                'resource "aws_s3_bucket" "b" {\n  count = 100000000\n}\n'
            ),
        ),
        _LIMIT,
    ),
    "module-that-calls-itself": Case(_text("main.tf", lambda size: _call("./")), _SYNTAX),
    "modules-that-call-each-other": Case(
        _files(
            _text("main.tf", lambda size: _call("./b") + _call("./b").replace('"m"', '"n"')),
            _text("b/main.tf", lambda size: _call("../c") + _call("../c").replace('"m"', '"n"')),
            _text("c/main.tf", lambda size: _call("../b") + _call("../b").replace('"m"', '"n"')),
        ),
        _SYNTAX,
    ),
    "modules-that-double": Case(
        _files(
            *(
                _text(
                    f"m{n}/main.tf",
                    lambda size, n=n: "".join(  # type: ignore[misc]
                        f'module "{name}" {{\n  source = "../m{n + 1}"\n}}\n' for name in "abcd"
                    ),
                )
                for n in range(20)
            ),
            _text("m20/main.tf", lambda size: _USES.replace("local.last", '"x"')),
        ),
        _LIMIT,
    ),
    "modules-outside": Case(
        _text("main.tf", lambda size: _call("../../../../../../etc")),
        frozenset({"terraform-module"}),
    ),
    "linked-modules": Case(_linked, frozenset({"terraform-module", "link"})),
    "template-of-itself": Case(
        _files(
            _text("a.tpl", lambda size: '${templatefile("a.tpl", {})}' * 3),
            _text(
                "main.tf",
                lambda size: _USES.replace(
                    "local.last", 'templatefile("${path.module}/a.tpl", {})'
                ),
            ),
        ),
        _SYNTAX,
    ),
    "many-variables": Case(
        _files(
            _text(
                "main.tf", lambda size: 'variable "v1" {}\n' + _USES.replace("local.last", "var.v1")
            ),
            _text(
                "terraform.tfvars",
                lambda size: "".join(f"v{n} = {n}\n" for n in range(400_000 * size)),
            ),
        ),
        _SYNTAX | {"too-large"},
    ),
    "deep-json": Case(
        _text("main.tf.json", lambda size: '{"locals":{"a":' + '{"a":' * (100_000 * size)),
        _SYNTAX | {"syntax", "limit"},
    ),
    "deep-plan": Case(
        _text(
            "plan.json",
            lambda size: (
                '{"format_version":"1.2","terraform_version":"1.9.0","planned_values":'
                '{"root_module":' + '{"child_modules":[' * (50_000 * size)
            ),
        ),
        frozenset({"terraform-plan", "terraform-limit", "limit", "syntax", "terraform-syntax"}),
    ),
    "large-plan": Case(
        _text("plan.json", lambda size: _plan(150_000)[:-1] + "}" + " " * (size * 100)),
        frozenset({"terraform-plan", "terraform-limit", "limit", "too-large"}),
    ),
}
_DEPS = frozenset({"too-large", "lockfile"})
DEPENDENCIES: dict[str, Case] = {
    "lock-of-a-million": Case(_text("Pipfile.lock", lambda size: _pipfile(600_000 * size)), _DEPS),
    "deep-package-lock": Case(
        _text(
            "package-lock.json",
            lambda size: (
                '{"lockfileVersion":1,"dependencies":' + '{"a":{"version":"1",'
                '"dependencies":' * (50_000 * size)
            ),
        ),
        _DEPS,
    ),
    "deep-uv-lock": Case(
        _text("uv.lock", lambda size: "version = 1\na = " + "[" * (100_000 * size)), _DEPS
    ),
    "deep-yaml-lock": Case(
        _text(
            "pnpm-lock.yaml", lambda size: "lockfileVersion: '9.0'\na: " + "[" * (100_000 * size)
        ),
        _DEPS,
    ),
    "circle-of-includes": Case(
        _files(
            _text("requirements.txt", lambda size: "-r requirements-b.txt\n" * 50 + "a==1\n"),
            _text("requirements-b.txt", lambda size: "-r requirements.txt\n" * 50 + "b==1\n"),
        ),
        frozenset(),
    ),
    "includes-outside": Case(
        _text("requirements.txt", lambda size: "-r ../../../../../../etc/passwd\na==1\n"),
        _DEPS,
    ),
    "xml-bomb-pom": Case(
        _text(
            "pom.xml",
            lambda size: f"{_BILLION}<project><artifactId>&j;</artifactId></project>",
        ),
        _DEPS,
    ),
    "xml-bomb-nuget": Case(
        _text("app.csproj", lambda size: f"{_BILLION}<Project>&j;</Project>"), _DEPS
    ),
    "deep-xml": Case(_text("pom.xml", lambda size: "<project>" * (100_000 * size)), _DEPS),
    "deep-bill": Case(_text("bom.cdx.json", lambda size: _bill("deep", size)), _DEPS),
    "bill-of-600000": Case(_text("bom.cdx.json", lambda size: _bill("long", size)), _DEPS),
    "circle-of-packages": Case(
        _text("yarn.lock", lambda size: make("yarn.lock", 20_000 * size)), frozenset()
    ),
}
CASES = TERRAFORM | DEPENDENCIES


def _pipfile(count: int) -> str:
    rows = ",".join(f'"p{n}":{{"version":"==1.{n}"}}' for n in range(count))
    return f'{{"_meta":{{"pipfile-spec":6}},"default":{{{rows}}}}}'
