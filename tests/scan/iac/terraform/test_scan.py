"""A scan of Terraform: findings and gaps by cause, suppressions, plans, Kubernetes objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.engines.cel import CelEngine
from haechi.engines.values import LIMITS
from haechi.gate.matching import match
from haechi.model.config import Config, TerraformSection, VariableFiles
from haechi.model.severity import Severity
from haechi.rules.catalogue import load_catalogue
from haechi.rules.schema import AppliesTo, JudgeKind, Rule
from haechi.scan.iac import collect, intake, terraform_files
from haechi.scan.iac.look import look_at_configuration
from haechi.scan.setup import Part, Setup
from haechi.world.files import Tree

ACL = Rule(
    id="tf-test-acl",
    title="the ACL is public",
    severity=Severity.HIGH,
    why="",
    fix="",
    judge=JudgeKind.CEL,
    applies_to=AppliesTo(kinds=["aws_x"]),
    expression="resource.?acl.orValue('private') != 'public'",
    message_expression="'the ACL is ' + resource.acl",
    path="acl",
    refs={"ckv": ["CKV_AWS_20"], "avd": ["AVD-AWS-0092"], "tfsec": ["aws-s3-no-public-acl"]},
    bad=[],
    good=[],
)
OTHER = Rule(
    id="tf-test-name",
    title="no name",
    severity=Severity.LOW,
    why="",
    fix="",
    judge=JudgeKind.CEL,
    applies_to=AppliesTo(kinds=["aws_x"]),
    expression="has(resource.name) && resource.name != ''",
    bad=[],
    good=[],
)
MODULE = 'variable "acl" {}\nresource "aws_x" "y" {\n  name = "n"\n  acl  = var.acl\n}\n'


def scan(
    root: Path,
    files: Mapping[str, str | bytes],
    *,
    rules: tuple[Rule, ...] = (ACL, OTHER),
    config: Config | None = None,
) -> Part:
    """Judge some files by the rules above."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    setup = Setup(config=config or Config(), rules=rules, expressions=CelEngine)
    return look_at_configuration(Tree(root=root), setup).part


def test_a_fault_in_a_module_called_twice_is_one_finding_that_names_the_calls(
    tmp_path: Path,
) -> None:
    call = 'module "{0}" {{\n  source = "./m"\n  acl    = "public"\n}}\n'
    part = scan(tmp_path, {"main.tf": call.format("a") + call.format("b"), "m/main.tf": MODULE})
    [finding] = part.findings
    assert str(finding.location) == "m/main.tf:4"
    assert finding.message == "the ACL is public (brought by module.a, module.b)"
    assert finding.label == "module.a.aws_x.y"


def test_instances_are_one_finding_and_the_fingerprint_does_not_know_their_number(
    tmp_path: Path,
) -> None:
    text = 'resource "aws_x" "y" {{\n  {0}\n  name = "n"\n  acl  = "public"\n}}\n'
    several = scan(tmp_path / "a", {"main.tf": text.format("count = 3")})
    single = scan(tmp_path / "b", {"main.tf": text.format("")})
    assert [one.fingerprint for one in several.findings] == [
        one.fingerprint for one in single.findings
    ]


@pytest.mark.parametrize(
    ("text", "waived"),
    [
        ('resource "aws_x" "y" {\n  #checkov:skip=CKV_AWS_20:a web site\n  name = "n"\n', True),
        ('resource "aws_x" "y" {\n  # checkov:skip=CKV_AWS_21\n  name = "n"\n', False),
        ('#trivy:ignore:AVD-AWS-0092\nresource "aws_x" "y" {\n  name = "n"\n', True),
        ('// trivy:ignore:aws-0092\nresource "aws_x" "y" {\n  name = "n"\n', True),
        ('#trivy:ignore:AVD-AWS-0092\n\nresource "aws_x" "y" {\n  name = "n"\n', False),
        ('resource "aws_x" "y" { #tfsec:ignore:aws-s3-no-public-acl\n  name = "n"\n', True),
        ('resource "aws_x" "y" { #tfsec:ignore:aws-s3-no-public-access-with-acl\n', True),
        ('resource "aws_x" "y" { #tfsec:ignore:AWS001\n  name = "n"\n', True),
        ('resource "aws_x" "y" { #tfsec:ignore:AWS002\n  name = "n"\n', False),
        ('resource "aws_x" "y" { #tfsec:ignore:AWS092\n  name = "n"\n', False),
        ('resource "aws_x" "y" {\n  name = "n" #trivy:ignore:AVD-AWS-0092\n', False),
        ('#trivy:ignore:AVD-AWS-0092[name=n]\nresource "aws_x" "y" {\n  name = "n"\n', True),
        ('#trivy:ignore:AVD-AWS-0092[name=m]\nresource "aws_x" "y" {\n  name = "n"\n', False),
        ('#trivy:ignore:AVD-AWS-0092:ws:dev\nresource "aws_x" "y" {\n  name = "n"\n', False),
        ('#trivy:ignore:AVD-AWS-0092:exp:soon\nresource "aws_x" "y" {\n  name = "n"\n', False),
        ('# haechi:allow tf-test-acl - a site\nresource "aws_x" "y" {\n  name = "n"\n', True),
        ('# haechi:allow-file tf-test-acl\n\nresource "aws_x" "y" {\n  name = "n"\n', True),
        ('#trivy:ignore:*\nresource "aws_x" "y" {\n  name = "n"\n', True),
    ],
    ids=[
        "checkov",
        "checkov-other",
        "trivy-above",
        "trivy-short",
        "blank-line-between",
        "tfsec-on-the-block",
        "tfsec-by-its-own-name",
        "tfsec-by-its-first-code",
        "tfsec-another-code",
        "tfsec-a-code-that-is-no-number-of-trivy",
        "other-attribute",
        "param",
        "param-other",
        "workspace",
        "no-date",
        "ours",
        "ours-file",
        "all",
    ],
)
def test_suppressions(tmp_path: Path, text: str, waived: bool) -> None:
    part = scan(tmp_path, {"main.tf": text + '  acl  = "public"\n}\n'})
    [finding] = [one for one in part.findings if one.rule == ACL.id]
    assert covers(part, finding) is waived


def covers(part: Part, finding: Any) -> bool:
    """Whether the gate's matcher finds a waiver for it."""
    return any(match(waiver, finding) for waiver in part.waivers)


def test_a_date_of_trivy_is_kept(tmp_path: Path) -> None:
    text = (
        '#trivy:ignore:AVD-AWS-0092:exp:2031-05-01\nresource "aws_x" "y" {\n  acl = "public"\n}\n'
    )
    part = scan(tmp_path, {"main.tf": text}, rules=(ACL,))
    assert [str(waiver.expires) for waiver in part.waivers] == ["2031-05-01"]


@pytest.mark.parametrize(("second", "waived"), [("private", True), ("public", False)])
def test_a_skip_on_a_module_call_covers_what_that_call_brings(
    tmp_path: Path, second: str, waived: bool
) -> None:
    main = (
        'module "a" {\n  #checkov:skip=CKV_AWS_20:accepted\n  source = "./m"\n  acl = "public"\n}\n'
        f'module "b" {{\n  source = "./m"\n  acl = "{second}"\n}}\n'
    )
    part = scan(tmp_path, {"main.tf": main, "m/main.tf": MODULE})
    [finding] = part.findings
    assert covers(part, finding) is waived


DOCUMENT = """
data "aws_iam_policy_document" "inner" {
  %s
  statement {
    actions   = ["s3:GetObject"]
    resources = ["*"]
  }
}
data "aws_iam_policy_document" "outer" {
  source_policy_documents = [data.aws_iam_policy_document.inner.json]
}
data "aws_iam_policy_document" "other" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["*"]
  }
}
resource "aws_iam_policy" "reader" {
  name   = "reader"
  policy = %s
}
"""


@pytest.mark.parametrize(
    ("comment", "used", "waived"),
    [
        ("#checkov:skip=CKV_AWS_356:reads all", "inner", True),
        ("#checkov:skip=CKV_AWS_356:reads all", "outer", True),
        ("#checkov:skip=CKV_AWS_356:reads all", "other", False),
        ("#checkov:skip=CKV_AWS_21:no", "inner", False),
    ],
    ids=["of-the-document", "of-one-inside", "of-another-document", "of-another-check"],
)
def test_a_skip_in_a_policy_document_reaches_the_policies_made_of_it(
    tmp_path: Path, comment: str, used: str, waived: bool
) -> None:
    rule = next(r for r in load_catalogue().rules if r.id == "tf-aws-iam-data-of-all")
    main = DOCUMENT % (comment, f"data.aws_iam_policy_document.{used}.json")
    part = scan(tmp_path, {"main.tf": main}, rules=(rule,))
    [finding] = part.findings
    assert covers(part, finding) is waived


def test_what_waits_for_a_variable_is_told_once(tmp_path: Path) -> None:
    main = 'variable "acl" {}\nvariable "n" {}\n' + "".join(
        f'resource "aws_x" "y{at}" {{\n  acl  = var.acl\n  name = var.n\n}}\n' for at in range(5)
    )
    part = scan(tmp_path, {"main.tf": main})
    assert part.findings == []
    assert [(gap.kind, gap.path, gap.reason) for gap in part.gaps] == [
        ("terraform-unknown", "main.tf:1", "var.acl has no value: 5 verdicts of 1 rule wait"),
        ("terraform-unknown", "main.tf:2", "var.n has no value: 5 verdicts of 1 rule wait"),
    ]
    assert part.looked["verdicts that wait for unknown terraform values"] == 10


def test_a_variable_file_of_the_configuration_answers(tmp_path: Path) -> None:
    main = 'variable "acl" {}\nresource "aws_x" "y" {\n  name = "n"\n  acl = var.acl\n}\n'
    config = Config(
        terraform=TerraformSection(
            var_files=[VariableFiles(root="infra/*", files=["env/prod.tfvars"])]
        )
    )
    files = {"infra/prod/main.tf": main, "env/prod.tfvars": 'acl = "public"\n'}
    part = scan(tmp_path, files, config=config)
    assert [one.message for one in part.findings] == ["the ACL is public"]
    assert part.gaps == ()


def test_what_apply_would_tell_is_one_gap(tmp_path: Path) -> None:
    main = (
        'resource "aws_k" "k" {}\ndata "aws_d" "d" {}\n'
        'resource "aws_x" "a" {\n  name = "n"\n  acl = aws_k.k.acl\n}\n'
        'resource "aws_x" "b" {\n  name = "n"\n  acl = data.aws_d.d.acl\n}\n'
    )
    part = scan(tmp_path, {"main.tf": main})
    [gap] = part.gaps
    assert gap.kind == "terraform-computed"
    assert gap.reason.startswith("2 verdicts of 1 rule wait")


def test_values_that_are_secret_are_not_shown(tmp_path: Path) -> None:
    rule = Rule(
        id="tf-test-show",
        title="t",
        severity=Severity.LOW,
        why="",
        fix="",
        judge=JudgeKind.CEL,
        applies_to=AppliesTo(kinds=["aws_x"]),
        expression="false",
        message_expression="resource.password + ' ' + resource.other",
        bad=[],
        good=[],
    )
    main = (
        'variable "s" {\n  sensitive = true\n  default = "hidden-too"\n}\n'
        'resource "aws_x" "y" {\n  password = "hunter-22"\n  other = var.s\n}\n'
    )
    part = scan(tmp_path, {"main.tf": main}, rules=(rule,))
    assert [one.message for one in part.findings] == ["(secret) (secret)"]


def plan(**change: Any) -> str:
    """A plan of one resource."""
    values: dict[str, Any] = {"acl": "public", "name": None, "tags": None, "rule": []}
    return json.dumps(
        {
            "format_version": "1.2",
            "planned_values": {
                "root_module": {
                    "resources": [
                        {
                            "address": "aws_x.y",
                            "mode": "managed",
                            "type": "aws_x",
                            "name": "y",
                            "values": values,
                            "sensitive_values": {"acl": change.get("sensitive", False)},
                        }
                    ]
                }
            },
            "resource_changes": [
                {"address": "aws_x.y", "change": {"after_unknown": change.get("unknown", {})}}
            ],
            "configuration": {
                "root_module": {
                    "resources": [
                        {
                            "address": "aws_x.y",
                            "expressions": {
                                "name": {"references": ["aws_k.k.name", "aws_k.k"]},
                            },
                        }
                    ]
                }
            },
        },
        indent=1,
    )


def test_a_plan_is_judged_instead_of_the_file_beside_it_and_found_there(tmp_path: Path) -> None:
    main = 'variable "acl" {}\nresource "aws_x" "y" {\n  acl = var.acl\n}\n'
    part = scan(tmp_path, {"main.tf": main, "plan.json": plan()}, rules=(ACL,))
    assert [str(one.location) for one in part.findings] == ["main.tf:3"]
    assert part.gaps == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_plan_alone_points_into_itself(tmp_path: Path, encoding: str) -> None:
    part = scan(tmp_path, {"plan.json": plan().encode(encoding)}, rules=(ACL,))
    [finding] = part.findings
    assert finding.location.path == "plan.json"
    assert finding.resource == "tf:-/aws_x.y"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_a_plan_may_be_larger_than_a_manifest(
    tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "plan.json").write_bytes(f"{mark}{plan()}".encode(encoding))
    few(monkeypatch, 100)
    part = scan(tmp_path, {}, rules=(ACL,))
    assert ([one.message for one in part.findings], part.gaps) == (["the ACL is public"], ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "content", [plan(), '{"apiVersion": "v1", "kind": "List"}'], ids=["plan", "manifest"]
)
def test_what_is_too_large_is_told_in_any_encoding(
    tmp_path: Path, content: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch, 10)
    monkeypatch.setattr(terraform_files, "MAX_PLAN", 10)
    part = scan(tmp_path, {"a.json": content.encode(encoding)})
    assert [(gap.kind, gap.path) for gap in part.gaps] == [("too-large", "a.json")]


def test_a_state_may_be_larger_than_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch, 10)
    state = json.dumps({"version": 4, "lineage": "x", "resources": []})
    part = scan(tmp_path, {"terraform.tfstate": state})
    assert part.gaps == ()
    assert part.files == {"terraform.tfstate"}


def few(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Bytes of a file that is read as a manifest."""
    limits = msgspec.structs.replace(LIMITS, size=size)
    for module in (collect, intake, terraform_files):
        monkeypatch.setattr(module, "LIMITS", limits)


def test_what_a_plan_does_not_know_waits_for_what_it_refers_to(tmp_path: Path) -> None:
    part = scan(tmp_path, {"plan.json": plan(unknown={"name": True})}, rules=(OTHER,))
    [gap] = part.gaps
    assert gap.kind == "terraform-computed"
    assert "aws_k.k.name" in gap.reason


def test_sensitive_values_of_a_plan_are_not_shown(tmp_path: Path) -> None:
    part = scan(tmp_path, {"plan.json": plan(sensitive=True)}, rules=(ACL,))
    assert [one.message for one in part.findings] == ["the ACL is (secret)"]


def test_what_a_plan_says_of_a_resource_is_not_told_again_of_its_state(tmp_path: Path) -> None:
    instances = [{"attributes": {"acl": "public"}}]
    resources = [
        {"mode": "managed", "type": "aws_x", "name": n, "instances": instances} for n in "yz"
    ]
    state = {"version": 4, "lineage": "x", "resources": resources}
    files = {"plan.json": plan(), "terraform.tfstate": json.dumps(state)}
    part = scan(tmp_path, files, rules=(ACL,))
    assert sorted(one.resource for one in part.findings) == ["tf:-/aws_x.y", "tf:-/aws_x.z"]


def test_a_state_is_a_finding_and_its_resources_are_judged(tmp_path: Path) -> None:
    state = {
        "version": 4,
        "lineage": "x",
        "outputs": {},
        "resources": [
            {
                "mode": "managed",
                "type": "aws_x",
                "name": "y",
                "instances": [{"index_key": 0, "attributes": {"acl": "public", "name": "n"}}],
            }
        ],
    }
    known = next(rule for rule in load_catalogue().rules if rule.id == "tf-state-committed")
    part = scan(tmp_path, {"terraform.tfstate": json.dumps(state)}, rules=(ACL, known))
    assert sorted(one.rule for one in part.findings) == ["tf-state-committed", "tf-test-acl"]
    assert {one.resource for one in part.findings} == {
        "tf:-/aws_x.y[0]",
        "tf:-/state.terraform.tfstate",
    }


WEB = """
variable "image" {}
resource "kubernetes_deployment_v1" "web" {
  metadata {
    name      = "web"
    namespace = "shop"
  }
  spec {
    selector { match_labels = { app = "web" } }
    template {
      metadata { labels = { app = "web" } }
      spec {
        host_pid = true
        container {
          name  = "web"
          image = var.image
          security_context {
            privileged  = true
            run_as_user = "0"
          }
        }
      }
    }
  }
}
resource "helm_release" "chart" { chart = "x" }
"""


def test_objects_of_the_kubernetes_provider_are_judged_by_the_rules_for_manifests(
    tmp_path: Path,
) -> None:
    wanted = ("k8s-privileged", "k8s-host-pid", "k8s-run-as-root", "k8s-image-moving-tag")
    rules = tuple(rule for rule in load_catalogue().rules if rule.id in wanted)
    part = scan(tmp_path, {"main.tf": WEB}, rules=rules)
    lines = WEB.splitlines()
    found = {one.rule: lines[one.location.line - 1].split()[0] for one in part.findings}
    assert found == {
        "k8s-privileged": "privileged",
        "k8s-host-pid": "host_pid",
        "k8s-run-as-root": "run_as_user",
    }
    assert {one.fix for one in part.findings} == {None}
    told = {gap.kind: gap.reason for gap in part.gaps}
    assert set(told) == {"helm-release", "terraform-unknown"}
    assert told["terraform-unknown"].startswith("var.image has no value: 1 verdict of 1 rule")


def test_every_rule_for_pods_survives_objects_of_which_nothing_is_known(tmp_path: Path) -> None:
    text = (
        'variable "u" {}\nresource "kubernetes_deployment" "web" {\n'
        "  metadata {\n    name = var.u\n    labels = var.u\n  }\n"
        "  spec {\n    template {\n      spec {\n        container {\n"
        "          image = var.u\n          env {\n            name = var.u\n          }\n"
        '          dynamic "port" {\n            for_each = var.u\n            content {}\n'
        "          }\n        }\n        volume {\n          name = var.u\n        }\n"
        "      }\n    }\n  }\n}\n"
        'resource "kubernetes_manifest" "m" { manifest = var.u }\n'
    )
    rules = tuple(rule for rule in load_catalogue().rules if rule.id.startswith("k8s-"))
    part = scan(tmp_path, {"main.tf": text}, rules=rules)
    assert {gap.kind for gap in part.gaps} == {"terraform-unknown"}


def test_objects_of_which_not_all_is_known_are_for_judges_alone(tmp_path: Path) -> None:
    """The graph and the reports walk over everything and know no unknown value."""
    known = WEB.replace("var.image", '"a:1"').replace('"web" {', '"known" {')
    (tmp_path / "main.tf").write_text(WEB + known.replace('variable "image" {}', ""))
    setup = Setup(config=Config(), rules=(), expressions=CelEngine)
    inventory = look_at_configuration(Tree(root=tmp_path), setup).inventory
    assert len(inventory.of_type("apps/Deployment")) == len(inventory.resources) == 1
    assert len(inventory.of_type("kubernetes_deployment_v1")) == 2


def test_rules_of_users_see_the_resource(tmp_path: Path) -> None:
    own = msgspec.structs.replace(ACL, id="team-acl")
    present = msgspec.structs.replace(ACL, id="team-key", expression="has(present.key)")
    (tmp_path / "main.tf").write_text(
        'resource "aws_k" "k" {}\nvariable "acl" {}\n'
        'resource "aws_x" "a" {\n  acl = "public"\n  key = aws_k.k.arn\n}\n'
        'resource "aws_x" "b" {\n  acl = var.acl\n}\n'
    )
    setup = Setup(config=Config(), rules=(), user_rules=(own, present), expressions=CelEngine)
    part = look_at_configuration(Tree(root=tmp_path), setup).part
    assert [(one.rule, one.label) for one in part.findings] == [
        ("team-acl", "aws_x.a"),
        ("team-key", "aws_x.b"),
    ]
    assert [gap.kind for gap in part.gaps] == ["not-evaluated"]


def test_one_file_is_judged_with_the_module_that_it_belongs_to(tmp_path: Path) -> None:
    block = 'resource "aws_x" "{0}" {{\n  name = "n"\n  acl = var.acl\n}}\n'
    (tmp_path / "a.tf").write_text(block.format("a"))
    (tmp_path / "b.tf").write_text(block.format("b"))
    (tmp_path / "variables.tf").write_text('variable "acl" { default = "public" }\n')
    setup = Setup(config=Config(), rules=(ACL, OTHER), expressions=CelEngine)
    part = look_at_configuration(Tree(root=tmp_path, within="a.tf"), setup).part
    assert [one.label for one in part.findings] == ["aws_x.a"]
    assert part.gaps == ()


def test_terragrunt_is_a_gap_and_a_tree_without_terraform_imports_none(tmp_path: Path) -> None:
    part = scan(tmp_path, {"a/terragrunt.hcl": "inputs = {}", "b/terragrunt.hcl": ""})
    [gap] = part.gaps
    assert (gap.kind, gap.path) == ("terragrunt", "a/terragrunt.hcl")
