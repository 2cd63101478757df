"""Terraform that is written to take memory or time: every way is bounded, and told."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform import values
from haechi.scan.iac.terraform.read import Terraform, Texts, read_terraform
from haechi.scan.iac.terraform.run import Run
from tests.scan.iac.terraform.declared import data, kinds, names, read

LEVELS = 40
STEPS = 80_000
LIMIT, FAULT = "terraform-limit", "terraform-fault"


@pytest.fixture(autouse=True)
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource may have 200,000 values, which takes a while to fill."""
    monkeypatch.setattr(values, "_MAX_ITEMS", 2_000)


def doubled(leaf: str = '"x"') -> str:
    """Lists that hold the one before twice: 2 to the power of 40 texts in 40 lists."""
    steps = "".join(f"  a{n} = [local.a{n - 1}, local.a{n - 1}]\n" for n in range(1, LEVELS + 1))
    return f'locals {{\n  a0 = [{leaf}]\n{steps}}}\nvariable "u" {{}}\n'


def scanned(main: str, **others: str) -> Terraform:
    """What is read by a run that may take few steps."""
    files = {"main.tf": main} | {
        name.replace("__", "/").replace("_dot_", "."): text for name, text in others.items()
    }
    folders = sorted({path.rpartition("/")[0] for path in files})
    texts = Texts({path: textwrap.dedent(text).encode() for path, text in files.items()})
    return read_terraform(texts, folders, run=Run(steps=4 * STEPS))


@pytest.mark.parametrize(
    "expression",
    [
        "length(toset([local.a40, 1]))",
        "try(sort(local.a40), 1)",
        "length(jsonencode(local.a40))",
        "length(yamlencode(local.a40))",
        'format("%v", local.a40)',
        "local.a40 == concat(local.a40, [])",
        "length(flatten(local.a40))",
        "length(setproduct(toset(local.a40), toset(local.a39)))",
        "length(distinct(local.a40))",
        "contains(local.a40, local.a39)",
        "setintersection(local.a40, local.a40)",
        "length(var.u ? local.a40 : concat(local.a40, []))",
        'try(join(",", local.a40), 1)',
    ],
)
def test_a_list_that_doubles_ends_at_a_limit(expression: str) -> None:
    found = scanned(f'{doubled()}resource "aws_x" "a" {{\n  v = {expression}\n}}')
    assert LIMIT in kinds(found)
    assert isinstance(data(found, "aws_x.a")["v"], Unknown)


@pytest.mark.parametrize("leaf", ["var.u", "aws_y.b.arn"])
@pytest.mark.parametrize("function", ["sort", "jsonencode", "sum"])
def test_so_does_one_of_values_that_are_not_known(leaf: str, function: str) -> None:
    main = f'{doubled(leaf)}resource "aws_y" "b" {{}}\n'
    found = scanned(f'{main}resource "aws_x" "a" {{\n  v = length({function}(local.a40))\n}}')
    assert LIMIT in kinds(found)


@pytest.mark.parametrize(
    "variable", ["sensitive = true", f"type = {'list(' * 42}any{')' * 42}"], ids=["secret", "type"]
)
def test_what_a_variable_makes_of_it_is_bounded(variable: str) -> None:
    called = f'variable "v" {{\n  {variable}\n}}\nresource "aws_x" "a" {{\n  v = var.v\n}}'
    main = f'{doubled()}module "m" {{\n  source = "./m"\n  v = local.a40\n}}'
    assert LIMIT in kinds(scanned(main, m__main_dot_tf=called))


def test_a_policy_document_of_it_is_bounded() -> None:
    found = scanned(
        doubled() + 'data "aws_iam_policy_document" "d" {\n  statement {\n'
        "    actions = local.a40\n  }\n}\n"
        'resource "aws_x" "a" {\n  v = data.aws_iam_policy_document.d.json\n}'
    )
    assert kinds(found).count(LIMIT) == 2, found.gaps
    assert isinstance(data(found, "aws_x.a")["v"], Unknown)


def test_values_that_are_judged_in_part_are_told() -> None:
    found = scanned(f'{doubled()}resource "aws_x" "a" {{\n  v = local.a40\n  w = 1\n}}')
    (gap,) = found.gaps
    assert (gap.kind, gap.path) == (LIMIT, "main.tf:45")
    assert "too many" in gap.reason


def test_causes_do_not_grow_with_every_operator() -> None:
    turns = "".join(
        f"  p{n} = local.p{n - 1} && local.q{n - 1}\n  q{n} = local.q{n - 1} && local.p{n - 1}\n"
        for n in range(1, 25)
    )
    found = read(
        f"locals {{\n  p0 = var.a && var.b\n  q0 = var.b && var.a\n{turns}}}\n"
        'variable "a" {}\nvariable "b" {}\nresource "aws_x" "a" {\n  v = local.p24\n}'
    )
    cause = data(found, "aws_x.a")["v"].cause
    assert cause.count("var.a at") == cause.count("var.b at") == 1


def test_references_do_not_grow_with_every_step() -> None:
    steps = "".join(f"  p{n} = local.p{n - 1}.y\n" for n in range(1, 200))
    others = "".join(
        f'resource "aws_y" "r{n}" {{\n  v = {f"aws_y.r{n - 1}.v" if n else "var.u"}\n}}\n'
        for n in range(60)
    )
    found = read(
        f'locals {{\n  p0 = aws_y.u.x\n{steps}}}\nresource "aws_y" "u" {{}}\nvariable "u" {{}}\n'
        f'{others}resource "aws_x" "a" {{\n  v = local.p199\n}}'
    )
    (one,) = data(found, "aws_x.a")["v"].refs
    assert len(one.path) <= 40
    assert len(data(found, "aws_y.r59")["v"].refs) <= 51


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('indent(1000000000000, "abc")', "abc"),
        ('indent(pow(10, 60), "abc")', "abc"),
        ('indent(pow(10, 60), "a\\nbc")', LIMIT),
        (f'"${{yamldecode("0x{"f" * 5000}")}}"', FAULT),
        (f'"${{jsondecode("{"9" * 3000}")}}"', FAULT),
        ('jsondecode("1e999")', FAULT),
        ('format("%1000000000d", 1)', FAULT),
        ('format("%.1000000000f", 1)', FAULT),
        ("pow(10, 1000000000)", LIMIT),
        ("range(1000000)", FAULT),
        ('cidrsubnets("10.0.0.0/8", pow(10, 300))', FAULT),
        ('cidrsubnet("10.0.0.0/8", 24, pow(2, 200))', FAULT),
    ],
)
def test_a_number_cannot_ask_for_memory(expression: str, expected: Any) -> None:
    found = scanned(f'resource "aws_x" "a" {{\n  v = {expression}\n}}')
    if expected in (LIMIT, FAULT):
        assert kinds(found) == [expected]
    else:
        assert data(found, "aws_x.a")["v"] == expected


@pytest.mark.parametrize(
    "expression", ['regexall("a.*b|a", local.s16)', 'replace(local.s16, "/a.*b|a/", "x")']
)
def test_a_pattern_that_reads_all_of_the_text_for_each_match_is_bounded(expression: str) -> None:
    steps = "".join(f'  s{n} = "${{local.s{n - 1}}}${{local.s{n - 1}}}"\n' for n in range(1, 17))
    found = scanned(
        f'locals {{\n  s0 = "aaaaaaaaaaaaaaaa"\n{steps}}}\n'
        f'resource "aws_x" "a" {{\n  v = length({expression})\n}}'
    )
    assert kinds(found) == [LIMIT]


def test_aliases_of_yaml_are_bounded() -> None:
    anchors = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, LEVELS))
    found = scanned(
        f'resource "aws_x" "a" {{\n  v = yamldecode(<<E\na0: &a0 [x, x]\n{anchors}E\n  )\n}}'
    )
    assert kinds(found) == [LIMIT]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("for_each = [{ a = 1 }]", "for_each of aws_x.a holds an object, not texts"),
        ('for_each = "abc"', "for_each of aws_x.a is a string, not a map or a set"),
        ("for_each = null", "for_each of aws_x.a is null, not a map or a set"),
        ("count = -1", "count of aws_x.a is -1"),
        ("count = 1.5", "count of aws_x.a: a whole number is needed, not 1.5"),
        ("count = null", "count of aws_x.a: a number is needed, not null"),
        ("count = true", "count of aws_x.a: a number is needed, not a bool"),
        (
            'dynamic "b" {\n  for_each = "abc"\n  content {}\n}',
            "for_each of the dynamic block 'b' is a string, not a list or a map",
        ),
        ('dynamic "b" {\n}', "the dynamic block 'b' has no for_each or no content"),
    ],
)
def test_what_terraform_refuses_to_repeat_is_told_and_judged(arguments: str, reason: str) -> None:
    found = read(f'resource "aws_x" "a" {{\n  {arguments}\n  v = 1\n}}')
    assert [(gap.kind, gap.reason) for gap in found.gaps] == [(FAULT, reason)]
    assert data(found, "aws_x.a")["v"] == 1


@pytest.mark.parametrize("function", ["md5", "base64encode", "urlencode", "yamldecode", "upper"])
def test_half_a_character_of_json_is_replaced(function: str) -> None:
    text = r'jsondecode("\"\\ud800a\"")'
    found = scanned(f'resource "aws_x" "a" {{\n  v = {function}({text})\n  w = {text}\n}}')
    assert found.gaps == []
    assert data(found, "aws_x.a")["w"] == "\ufffda"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[1]", "an object with the variables is needed"),
        ('{"v": 1e999}', "a number is too large"),
        ('{"v": NaN}', "not JSON"),
        (f'{{"v": {"9" * 5000}}}', "a number is too large"),
        ("[" * 50_000, "not JSON"),
    ],
    ids=["list", "float", "constant", "digits", "depth"],
)
def test_a_variable_file_that_cannot_be_read_is_told(content: str, reason: str) -> None:
    main = 'variable "v" {}\nresource "aws_x" "a" {\n  v = "${var.v}"\n}'
    found = scanned(main, terraform_dot_tfvars_dot_json=content)
    assert [(gap.path, gap.reason) for gap in found.gaps] == [("terraform.tfvars.json", reason)]
    assert kinds(found) == ["terraform-syntax"]


def test_a_long_name_does_not_become_a_longer_address_for_every_instance() -> None:
    long = "n" * 300
    found = read(f'resource "aws_x" "{long}" {{\n  count = 3\n}}\nresource "aws_x" "b" {{}}')
    assert names(found) == ["aws_x.b"]
    assert [gap.path for gap in found.gaps] == ["main.tf:1"]
    assert "its block is not judged" in found.gaps[0].reason


@pytest.mark.parametrize("over", ['toset(["{}"])', '{{ "{}" = 1 }}'])
def test_nor_does_a_long_key(over: str) -> None:
    written = over.format("k" * 501)
    found = read(f'resource "aws_x" "a" {{\n  for_each = {written}\n  v = 1\n}}')
    assert (names(found), data(found, "aws_x.a")) == (["aws_x.a"], {"v": 1})
    assert kinds(found) == [FAULT]
    shorter = read(f'resource "aws_x" "a" {{\n  for_each = {over.format("k" * 500)}\n}}')
    assert kinds(shorter) == []


def test_a_long_key_is_not_in_the_path_of_everything_below_it() -> None:
    type_, value = "map(list(number))", f'{{ {"k" * 5_000} = [1, "x"] }}'
    found = read(
        f'variable "v" {{\n  type = {type_}\n  default = {value}\n}}\n'
        'resource "aws_x" "a" { v = var.v }'
    )
    [gap] = found.gaps
    assert gap.reason.startswith(f"var.v: {'k' * 60}…[1]: a number is needed")
