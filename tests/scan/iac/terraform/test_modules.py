"""Modules: inputs, instances, dynamic blocks, variable files, overrides, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haechi.errors import NotEvaluated
from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform.read import read_texts
from tests.scan.iac.terraform.declared import data, kinds, names, one, read


def test_a_called_module_has_the_inputs_of_its_caller_and_no_life_of_its_own() -> None:
    found = read(
        'module "m" {\n source = "./m"\n acl = "public"\n}\n',
        m__main_dot_tf="""
        variable "acl" { default = "private" }
        resource "aws_x" "y" { acl = var.acl }
        """,
    )
    assert names(found) == ["module.m.aws_x.y"]
    assert data(found, "module.m.aws_x.y") == {"acl": "public"}
    assert one(found, "module.m.aws_x.y").key == "tf:-/module.m.aws_x.y"
    assert found.gaps == []


def test_a_module_called_twice_has_resources_for_each_call() -> None:
    found = read(
        'module "a" {\n source = "./m"\n v = 1\n}\nmodule "b" {\n source = "./m"\n v = 2\n}\n',
        m__main_dot_tf='variable "v" {}\nresource "aws_x" "y" { v = var.v }\n',
    )
    assert names(found) == ["module.a.aws_x.y", "module.b.aws_x.y"]
    origins = {found.origins[id(r)] for r in found.resources if r.kind == "aws_x"}
    assert origins == {"m/main.tf#2:1"}


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ("count = 2", ["aws_x.y[0]", "aws_x.y[1]"]),
        ("count = 0", []),
        ("count = var.unknown", ["aws_x.y"]),
        ('for_each = toset(["b", "a"])', ['aws_x.y["a"]', 'aws_x.y["b"]']),
        ("for_each = { k = 1 }", ['aws_x.y["k"]']),
        ("for_each = var.unknown", ["aws_x.y"]),
        ("for_each = {}", []),
    ],
    ids=["count", "none", "unknown-count", "set", "map", "unknown-for_each", "empty"],
)
def test_instances(meta: str, expected: list[str]) -> None:
    found = read(f'variable "unknown" {{}}\nresource "aws_x" "y" {{\n {meta}\n}}\n')
    assert names(found) == expected
    assert found.counts.get("terraform resources with count 0", 0) == (not expected)


def test_each_of_an_unknown_loop_is_unknown_for_its_cause() -> None:
    found = read(
        'variable "u" {}\n'
        'resource "aws_x" "y" {\n for_each = var.u\n name = each.key\n fix = 1\n}\n'
    )
    attributes = data(found, "aws_x.y")
    assert isinstance(attributes["name"], Unknown)
    assert attributes["name"].cause == "var.u at main.tf:1"
    assert attributes["fix"] == 1


def test_nested_blocks_are_lists_and_meta_arguments_are_left_out() -> None:
    found = read(
        """
        resource "aws_x" "y" {
          provider   = aws.other
          depends_on = [aws_x.z]
          enabled    = "true"
          port       = "22"
          gone       = null
          rule { from = 1 }
          rule { from = 2 }
          lifecycle { ignore_changes = [rule] }
          provisioner "local-exec" { command = "id" }
        }
        """
    )
    assert data(found, "aws_x.y") == {
        "enabled": True,
        "port": 22,
        "rule": [{"from": 1}, {"from": 2}],
    }


def test_dynamic_blocks_are_expanded_and_an_unknown_one_is_told() -> None:
    found = read(
        """
        variable "u" {}
        resource "aws_x" "y" {
          dynamic "rule" {
            for_each = { a = 1, b = 2 }
            iterator = it
            content { name = it.key }
          }
          dynamic "other" {
            for_each = var.u
            content {
              port = 22
              name = other.value
            }
          }
        }
        """
    )
    attributes = data(found, "aws_x.y")
    assert attributes["rule"] == [{"name": "a"}, {"name": "b"}]
    other: Any = attributes["other"]
    assert isinstance(other, Unknown)
    assert other.content[0]["port"] == 22
    with pytest.raises(NotEvaluated, match=r"var\.u has no value"):
        bool(other)
    assert one(found, "aws_x.y").locate(("rule", 1, "name")).line == 7


def test_references_carry_the_address_they_come_from() -> None:
    found = read(
        """
        resource "aws_kms_key" "k" {}
        resource "aws_eks_cluster" "c" {
          vpc_config { subnet_ids = ["a"] }
        }
        resource "aws_x" "y" {
          key   = aws_kms_key.k.arn
          ids   = aws_eks_cluster.c.vpc_config[0].subnet_ids
          group = aws_eks_cluster.c.vpc_config[0].cluster_security_group_id
        }
        """
    )
    attributes = data(found, "aws_x.y")
    assert attributes["ids"] == ["a"]
    assert (attributes["key"].given, attributes["key"].refs[0].address) == (True, "aws_kms_key.k")
    assert attributes["group"].refs[0].path == ("vpc_config", 0, "cluster_security_group_id")


def test_variable_files_win_in_the_order_of_terraform() -> None:
    declared = "".join(f'variable "v{n}" {{ default = "default" }}\n' for n in range(5))
    shown = "".join(f" v{n} = var.v{n}\n" for n in range(5))
    files = {
        "main.tf": f'{declared}resource "aws_x" "y" {{\n{shown}}}\n',
        "terraform.tfvars": "".join(f'v{n} = "tfvars"\n' for n in range(1, 5)),
        "terraform.tfvars.json": json.dumps({f"v{n}": "json" for n in range(2, 5)}),
        "a.auto.tfvars": "".join(f'v{n} = "auto"\n' for n in range(3, 5)),
        "named.tfvars": 'v4 = "named"\n',
    }
    encoded = {path: text.encode() for path, text in files.items()}
    found = read_texts(encoded, var_files=["named.tfvars"])
    assert list(data(found, "aws_x.y").values()) == ["default", "tfvars", "json", "auto", "named"]


def test_a_variable_file_that_is_not_there_is_told() -> None:
    found = read_texts({"main.tf": b'resource "aws_x" "y" {}'}, var_files=["gone.tfvars"])
    assert [gap.path for gap in found.gaps] == ["gone.tfvars"]


def test_optional_attributes_of_a_type_have_their_defaults() -> None:
    found = read(
        """
        variable "o" {
          type    = object({ a = optional(bool, true), n = number, s = string })
          default = { n = "3", s = 4 }
        }
        resource "aws_x" "y" { o = var.o }
        """
    )
    assert data(found, "aws_x.y")["o"] == {"a": True, "n": 3, "s": "4"}


def test_override_files_replace_attributes_and_blocks_of_a_type() -> None:
    found = read(
        'resource "aws_x" "y" {\n a = 1\n b = 1\n rule { n = 1 }\n rule { n = 2 }\n}\n',
        main_override_dot_tf='resource "aws_x" "y" {\n b = 2\n rule { n = 3 }\n}\n',
    )
    resource = one(found, "aws_x.y")
    assert resource.data == {"a": 1, "b": 2, "rule": [{"n": 3}]}
    assert str(resource.locate(("b",))) == "main_override.tf:2"
    assert str(resource.locate(("a",))) == "main.tf:2"


def test_opentofu_reads_its_own_file_instead_of_the_one_beside_it() -> None:
    found = read('resource "aws_x" "tf" {}', main_dot_tofu='resource "aws_x" "tofu" {}')
    assert names(found) == ["aws_x.tofu"]


def test_copies_that_init_made_are_used_for_registry_sources() -> None:
    found = read_texts(
        {
            "main.tf": b'module "v" {\n source = "terraform-aws-modules/vpc/aws"\n n = 7\n}\n',
            ".terraform/modules/modules.json": json.dumps(
                {"Modules": [{"Key": "v", "Source": "x", "Dir": ".terraform/modules/v"}]}
            ).encode(),
            ".terraform/modules/v/main.tf": b'variable "n" {}\nresource "aws_x" "y" { n = var.n }',
        }
    )
    assert data(found, "module.v.aws_x.y") == {"n": 7}
    assert found.gaps == []


def test_a_module_that_is_not_here_is_a_gap_and_its_outputs_are_unknown() -> None:
    found = read(
        'module "v" { source = "terraform-aws-modules/vpc/aws" }\n'
        'resource "aws_x" "y" { id = module.v.vpc_id }\n'
    )
    assert kinds(found) == ["terraform-module"]
    assert "terraform-aws-modules/vpc/aws" in found.gaps[0].reason
    assert "terraform init" in found.gaps[0].do
    assert isinstance(data(found, "aws_x.y")["id"], Unknown)


def test_a_module_that_no_call_reaches_is_told() -> None:
    found = read(
        'module "m" {\n source = "./m"\n count = 0\n}\n', m__main_dot_tf='resource "aws_x" "y" {}'
    )
    assert names(found) == []
    assert [(gap.kind, gap.path) for gap in found.gaps] == [("terraform-unreached", "m")]


def test_policy_documents_are_computed_with_what_is_known_of_them() -> None:
    found = read(
        """
        resource "aws_s3_bucket" "b" {}
        data "aws_iam_policy_document" "base" {
          statement {
            sid     = "Read"
            actions = ["s3:Get*"]
            resources = ["*"]
            principals {
              type        = "AWS"
              identifiers = ["*"]
            }
          }
        }
        data "aws_iam_policy_document" "all" {
          source_policy_documents = [data.aws_iam_policy_document.base.json]
          statement {
            actions   = ["s3:*"]
            resources = [aws_s3_bucket.b.arn]
          }
        }
        resource "aws_x" "known" { policy = data.aws_iam_policy_document.base.json }
        resource "aws_x" "partly" { policy = data.aws_iam_policy_document.all.json }
        """
    )
    known = json.loads(data(found, "aws_x.known")["policy"])
    assert known["Statement"][0]["Principal"] == {"AWS": ["*"]}
    content: Any = data(found, "aws_x.partly")["policy"].content
    assert [one["Effect"] for one in content["Statement"]] == ["Allow", "Allow"]
    assert content["Statement"][1]["Resource"][0].refs[0].address == "aws_s3_bucket.b"


def test_json_syntax_means_the_same() -> None:
    text = json.dumps(
        {
            "locals": {"name": "logs"},
            "resource": {
                "aws_x": {
                    "y": {
                        "name": '${local.name}-${upper("a")}',
                        "tags": {"k": "v"},
                        "rule": [{"n": 1}, {"n": 2}],
                        "versioning": {"enabled": True},
                    }
                }
            },
        },
        indent=1,
    )
    found = read(cdk_dot_tf_dot_json=text)
    assert data(found, "aws_x.y") == {
        "name": "logs-A",
        "tags": {"k": "v"},
        "rule": [{"n": 1}, {"n": 2}],
        "versioning": [{"enabled": True}],
    }
    assert one(found, "aws_x.y").locate(("rule", 1, "n")).line > 10


def test_what_is_wrong_is_placed_and_the_rest_goes_on() -> None:
    found = read(
        """
        locals {
          a = local.b
          b = local.a
          c = 1
        }
        resource "aws_x" "y" {
          a = local.a
          c = local.c
          d = nothing.here.id
        }
        resource "aws_x" "y" { again = true }
        """
    )
    assert kinds(found) == ["terraform-syntax", "terraform-fault", "terraform-undeclared"]
    assert data(found, "aws_x.y")["c"] == 1
    assert names(found) == ["aws_x.y", "aws_x.y"]


HOSTILE = {
    "calls itself": {"main.tf": 'module "a" { source = "./" }'},
    "calls in a circle": {
        "a/main.tf": 'module "b" { source = "../b" }',
        "b/main.tf": 'module "a" { source = "../a" }',
    },
    "count": {"main.tf": 'resource "aws_x" "y" { count = 1000000000 }'},
    "calls that double": {
        f"m{n}/main.tf": f'module "a" {{ source = "../m{n + 1}" }}\n'
        f'module "b" {{ source = "../m{n + 1}" }}\noutput "o" {{ value = 1 }}'
        for n in range(31)
    },
    "dynamic in dynamic": {
        "main.tf": 'resource "aws_x" "y" {\n dynamic "a" {\n for_each = range(1000)\n content {\n'
        ' dynamic "b" {\n for_each = range(1000)\n content {}\n }\n }\n }\n}'
    },
    "texts that double": {
        "main.tf": 'locals {\n a0 = "xxxxxxxxxx"\n'
        + "".join(f' a{n + 1} = "${{local.a{n}}}${{local.a{n}}}"\n' for n in range(40))
        + '}\nresource "aws_x" "y" { a = local.a40 }'
    },
    "depth": {"main.tf": 'resource "aws_x" "y" {\n' + "b {\n" * 3000 + "}\n" * 3000 + "}"},
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=[k.replace(" ", "-") for k in HOSTILE])
def test_what_has_no_end_is_bounded_and_told(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("MAX_MODULES", "MAX_BLOCKS"):
        monkeypatch.setattr(f"haechi.scan.iac.terraform.run.{limit}", 500)
    from haechi.scan.iac.terraform.read import Texts, read_terraform
    from haechi.scan.iac.terraform.run import Run

    encoded = {path: text.encode() for path, text in files.items()}
    folders = sorted({path.rpartition("/")[0] for path in files})
    found = read_terraform(Texts(encoded), folders, run=Run(resources=500))
    assert "terraform-limit" in kinds(found)
    assert len(found.resources) < 3_000


def test_a_long_chain_of_locals_is_no_deep_one() -> None:
    chain = "".join(f" l{n} = local.l{n + 1}\n" for n in range(3000))
    found = read(f'locals {{\n{chain} l3000 = 1\n}}\nresource "aws_x" "y" {{ a = local.l0 }}\n')
    assert data(found, "aws_x.y") == {"a": 1}
    assert found.gaps == []


def test_time_ends_a_run() -> None:
    from haechi.scan.iac.terraform.read import Texts, read_terraform
    from haechi.scan.iac.terraform.run import Run

    ticks = iter(range(0, 10_000, 50))
    run = Run(seconds=100, clock=lambda: float(next(ticks)))
    text = "".join(f'resource "aws_x" "y{n}" {{}}\n' for n in range(20))
    found = read_terraform(Texts({"main.tf": text.encode()}), [""], run=run)
    assert kinds(found) == ["terraform-limit"]
    assert 0 < len(found.resources) < 20


def test_a_module_as_a_whole_has_its_outputs() -> None:
    found = read(
        'module "m" { source = "./m" }\nresource "aws_x" "a" { v = merge(module.m, { c = 3 }) }\n',
        m__main_dot_tf='output "a" { value = 1 }\noutput "b" { value = "two" }\n',
    )
    assert data(found, "aws_x.a")["v"] == {"a": 1, "b": "two", "c": 3}


def test_an_override_of_a_provider_changes_the_one_with_its_alias() -> None:
    found = read(
        'provider "aws" {\n region = "a"\n x = 1\n}\nprovider "aws" {\n alias = "e"\n y = 1\n}\n',
        override_dot_tf='provider "aws" {\n region = "b"\n}\n',
    )
    assert data(found, "provider.aws") == {"region": "b", "x": 1}
    assert data(found, "provider.aws.e") == {"alias": "e", "y": 1}
    assert len(found.resources) == 2


@pytest.mark.parametrize(
    ("name", "counted"), [("ids", None), ("id", 1), ("arn", 1), ("addresses", None), ("address", 1)]
)
def test_flatten_does_not_take_an_unknown_list_for_one_element(
    name: str, counted: int | None
) -> None:
    found = read(
        'data "aws_s" "s" {}\nresource "aws_x" "a" {\n'
        f" n = length(flatten([data.aws_s.s.{name}]))\n}}\n"
    )
    got = data(found, "aws_x.a")["n"]
    assert isinstance(got, Unknown) if counted is None else got == counted


@pytest.mark.parametrize(
    ("reference", "given"),
    [
        ("aws_kms_key.k.arn", True),
        ("aws_kms_key.k.key_id", True),
        ("aws_log.l.arn", True),
        ("aws_log.l.kms_key_id", False),
        ("data.aws_db.d.kms_key_id", False),
        ("data.aws_kms_alias.d.target_key_arn", True),
    ],
)
def test_what_people_choose_is_not_certain_to_be_set(reference: str, given: bool) -> None:
    found = read(
        'resource "aws_kms_key" "k" {}\nresource "aws_log" "l" {}\ndata "aws_db" "d" {}\n'
        f'data "aws_kms_alias" "d" {{}}\nresource "aws_x" "a" {{\n kms_key_id = {reference}\n}}\n'
    )
    assert data(found, "aws_x.a")["kms_key_id"].given is given


def test_blocks_that_a_resource_does_not_set_may_be_the_providers() -> None:
    found = read(
        'resource "aws_y" "y" {\n dynamic "none" {\n  for_each = []\n  content {}\n }\n'
        " some {\n  a = 1\n }\n}\n"
        'resource "aws_x" "a" {\n v = aws_y.y.none[0].b\n'
        ' w = lookup(aws_y.y.some[0], "b", 0)\n x = lookup(aws_y.y.some[0], "a", 0)\n'
        " y = concat(aws_y.y.some, [])[0].b\n}\n"
    )
    assert found.gaps == []
    got = data(found, "aws_x.a")
    assert [type(got[name]).__name__ for name in "vwxy"] == [
        "Withheld",
        "Withheld",
        "int",
        "Withheld",
    ]


def test_a_computed_source_is_evaluated_and_its_module_is_no_root() -> None:
    found = read(
        'variable "s" { default = "./a" }\nlocals { n = "b" }\n'
        'module "a" {\n source = var.s\n v = 1\n}\nmodule "b" {\n source = "./${local.n}"\n}\n'
        'variable "u" {}\nmodule "c" {\n source = var.u\n}\n',
        a__main_dot_tf='variable "v" { default = 0 }\nresource "aws_x" "a" { v = var.v }\n',
        b__main_dot_tf='resource "aws_x" "b" {}\n',
    )
    assert names(found) == ["module.a.aws_x.a", "module.b.aws_x.b"]
    assert data(found, "module.a.aws_x.a") == {"v": 1}
    assert [gap.reason for gap in found.gaps if gap.kind == "terraform-module"] == [
        "module 'c': a source that is not known is not here, so what it creates is not judged"
    ]


def test_what_is_marked_as_sensitive_is_kept_for_masking() -> None:
    found = read(
        'variable "a" {\n default = "aaaaaaaa"\n sensitive = true\n}\n'
        'variable "b" {\n default = "bbbbbbbb"\n ephemeral = true\n}\n'
        'variable "c" { default = "cccccccc" }\n'
        'resource "aws_x" "a" { v = [var.a, var.b, var.c, sensitive(["dddddddd"])] }\n'
    )
    assert found.secrets == {"aaaaaaaa", "bbbbbbbb", "dddddddd"}


@pytest.mark.parametrize(
    ("expression", "given"),
    [
        ("var.u ? aws_y.b.arn : aws_y.c.arn", True),
        ('var.u ? "a" : "b"', True),
        ("var.u ? { a = 1 } : { b = 1 }", True),
        ("var.u ? { a = 1 } : {}", False),
        ("var.u ? [1] : []", False),
        ('var.u ? aws_y.b.arn : ""', False),
        ("var.u ? aws_y.b.arn : null", False),
    ],
)
def test_one_of_two_is_set_when_both_are(expression: str, given: bool) -> None:
    found = read(
        'variable "u" {}\nresource "aws_y" "b" {}\nresource "aws_y" "c" {}\n'
        f'resource "aws_x" "a" {{ v = {expression} }}\n'
    )
    assert data(found, "aws_x.a")["v"].given is given
