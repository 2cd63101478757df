"""AWS: rights that programs run with, secrets beside them, machines and what they start from."""

from __future__ import annotations

import base64

import pytest

from tests.checks.terraform.aws_states import state, states

ROLE = 'resource "aws_iam_role" "all" { assume_role_policy = "{}" }\n'
FUNCTION = 'resource "aws_lambda_function" "f" { role = aws_iam_role.all.arn }\n'
ADMIN = 'jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })'
RIGHTS = {
    "own-policy": f'resource "aws_iam_role_policy" "p" {{\n  role = aws_iam_role.all.id\n'
    f"  policy = {ADMIN}\n}}\n",
    "attached": f'resource "aws_iam_policy" "p" {{ policy = {ADMIN} }}\n'
    'resource "aws_iam_role_policy_attachment" "p" {\n  role = aws_iam_role.all.name\n'
    "  policy_arn = aws_iam_policy.p.arn\n}\n",
    "of-amazon": 'resource "aws_iam_policy_attachment" "p" {\n  roles = [aws_iam_role.all.name]\n'
    '  policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess"\n}\n',
}


@pytest.mark.parametrize("how", RIGHTS)
def test_function_with_all_rights_by_every_way_to_get_them(how: str) -> None:
    text = ROLE + FUNCTION + RIGHTS[how]
    assert state("tf-aws-runs-as-administrator", text) == "fail"


def test_rights_that_nobody_knows_are_not_evaluated() -> None:
    text = (
        'variable "p" {}\n'
        + ROLE
        + FUNCTION
        + 'resource "aws_iam_role_policy" "p" {\n  role = aws_iam_role.all.id\n'
        + "  policy = var.p\n}\n"
    )
    assert state("tf-aws-runs-as-administrator", text) == "not_evaluated"
    assert state("tf-aws-runs-as-administrator", text + RIGHTS["of-amazon"]) == "fail"


def test_rights_of_a_machine_through_profile_and_template() -> None:
    profile = 'resource "aws_iam_instance_profile" "p" { role = aws_iam_role.all.name }\n'
    template = """
resource "aws_launch_template" "t" {
  iam_instance_profile { arn = aws_iam_instance_profile.p.arn }
}
"""
    text = ROLE + RIGHTS["of-amazon"] + profile + template
    assert state("tf-aws-runs-as-administrator", text) == "fail"


def test_role_of_a_module_for_a_function_outside() -> None:
    files = {
        "main.tf": 'module "r" { source = "./r" }\n'
        'resource "aws_lambda_function" "f" { role = module.r.arn }\n',
        "r/main.tf": ROLE
        + RIGHTS["own-policy"]
        + 'output "arn" { value = aws_iam_role.all.arn }\n',
    }
    found = states("tf-aws-runs-as-administrator", files)
    assert found == {"aws_lambda_function.f": ["fail"]}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("export DB_PASSWORD=hunter2x9", "fail"),
        ("DB_PASSWORD=$(cat /run/secret)", "pass"),
        ("mysql://shop:hunter2x9@db.internal/shop", "fail"),
        ("token_ttl=3600", "pass"),
        ("echo AKIA" + "QWERTYUIOPASDFGH", "fail"),
        ("PASSWORD=changeme-placeholder", "pass"),
    ],
    ids=["password", "fetched", "url", "about", "key", "placeholder"],
)
@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "base64"])
def test_user_data(script: str, expected: str, encoded: bool) -> None:
    written = script.replace("${", "$${")
    if encoded:
        written = base64.b64encode(script.encode()).decode()
    text = f'resource "aws_instance" "m" {{ user_data = "{written}" }}\n'
    assert state("tf-aws-ec2-user-data-secret", text) == expected


def test_user_data_with_an_unknown_piece_and_a_known_secret() -> None:
    text = 'variable "x" {}\nresource "aws_instance" "m" { user_data = "%s" }\n'
    rule = "tf-aws-ec2-user-data-secret"
    assert state(rule, text % "${var.x} API_TOKEN=0a1b2c3d4e") == "fail"
    assert state(rule, text % "DB_PASSWORD=${var.x}") == "pass"
    assert state(rule, text % "${var.x}") == "not_evaluated"


def test_container_definitions_with_unknown_pieces() -> None:
    text = """
variable "image" {}
variable "more" {}
resource "aws_ecs_task_definition" "t" {
  container_definitions = jsonencode([{
    name        = "a"
    image       = var.image
    privileged  = %s
    environment = [{ name = "DB_PASSWORD", value = %s }]
  }])
}
"""
    assert state("tf-aws-container-privileged", text % ("true", '"x"')) == "fail"
    assert state("tf-aws-container-privileged", text % ("false", '"x"')) == "pass"
    assert state("tf-aws-container-privileged", text % ("var.more", '"x"')) == "not_evaluated"
    assert state("tf-aws-container-env-secret", text % ("false", '"hunter2x9"')) == "fail"
    assert state("tf-aws-container-env-secret", text % ("false", "var.more")) == "pass"


def test_container_definitions_as_text_with_a_hole() -> None:
    text = """
variable "image" {}
resource "aws_ecs_task_definition" "t" {
  container_definitions = <<-EOT
  [{"name": "a", "image": "${var.image}", "privileged": true}]
  EOT
}
"""
    assert state("tf-aws-container-privileged", text) == "fail"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "fail"),
        ("launch_template { id = aws_launch_template.t.id }", "pass"),
        ("metadata_options { http_tokens = var.x }", "not_evaluated"),
        ("ami = data.aws_ssm_parameter.image.value", "pass"),
        ("ami = aws_ami.mine.id", "pass"),
    ],
    ids=["nothing", "template", "not-known", "al2023", "own-image"],
)
def test_metadata_service_of_an_instance(body: str, expected: str) -> None:
    text = f"""
variable "x" {{}}
data "aws_ssm_parameter" "image" {{
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}}
resource "aws_ami" "mine" {{ imds_support = "v2.0" }}
resource "aws_launch_template" "t" {{
  metadata_options {{ http_tokens = "required" }}
}}
resource "aws_instance" "m" {{
  {body}
}}
"""
    found = states("tf-aws-ec2-metadata-v1", text)
    assert found["aws_instance.m"] == [expected]
    assert found["aws_launch_template.t"] == ["pass"]


def test_disks_where_the_region_encrypts() -> None:
    text = 'resource "aws_instance" "m" { ami = "ami-1" }\n'
    default = 'resource "aws_ebs_encryption_by_default" "d" { enabled = %s }\n'
    rule = "tf-aws-ec2-disk-unencrypted"
    assert state(rule, text) == "fail"
    assert state(rule, text + default % "true") == "pass"
    assert state(rule, text + default % "false") == "fail"


def test_open_method_of_an_api_that_a_policy_closes() -> None:
    text = """
resource "aws_api_gateway_rest_api" "a" {}
resource "aws_api_gateway_method" "m" {
  rest_api_id   = aws_api_gateway_rest_api.a.id
  http_method   = "GET"
  authorization = "NONE"
}
"""
    policy = """
resource "aws_api_gateway_rest_api_policy" "a" {
  rest_api_id = aws_api_gateway_rest_api.a.id
  policy = jsonencode({
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = "execute-api:Invoke"
      Condition = { StringEquals = { "aws:SourceVpce" = "vpce-1" } }
    }]
  })
}
"""
    assert state("tf-aws-api-open-method", text) == "fail"
    assert state("tf-aws-api-open-method", text + policy) == "pass"


def test_permission_set_with_all_rights_in_its_text() -> None:
    text = f'resource "aws_ssoadmin_permission_set_inline_policy" "p" {{ inline_policy = {ADMIN} }}'
    assert state("tf-aws-iam-admin-policy", text) == "fail"


def test_one_role_for_two_by_reference_and_by_name() -> None:
    text = (
        'variable "r" {}\n' + ROLE + 'resource "aws_iam_role" "b" { assume_role_policy = "{}" }\n'
    )
    task = """
resource "aws_ecs_task_definition" "t" {
  task_role_arn      = %s
  execution_role_arn = %s
}
"""
    rule, mine = "tf-aws-ecs-one-role", "aws_iam_role.all.arn"
    assert state(rule, text + task % (mine, mine)) == "fail"
    assert state(rule, text + task % (mine, "aws_iam_role.b.arn")) == "pass"
    assert state(rule, text + task % ("var.r", "var.r")) == "not_evaluated"


@pytest.mark.parametrize(
    ("events", "actor", "expected"),
    [
        ("PUSH", "", "pass"),
        ("PULL_REQUEST_CREATED", "", "fail"),
        ("PULL_REQUEST_UPDATED", "^1$", "pass"),
        ("PULL_REQUEST_MERGED", "", "pass"),
    ],
    ids=["push", "opened", "by-somebody-known", "merged"],
)
def test_webhooks_of_builds(events: str, actor: str, expected: str) -> None:
    second = f'filter {{\n  type = "ACTOR_ACCOUNT_ID"\n  pattern = "{actor}"\n}}' if actor else ""
    text = f"""
resource "aws_codebuild_webhook" "w" {{
  project_name = "shop"
  filter_group {{
    filter {{
      type    = "EVENT"
      pattern = "{events}"
    }}
    {second}
  }}
}}
"""
    assert state("tf-aws-codebuild-webhook-anybody", text) == expected
