"""AWS: what is open, through resources that refer to each other, modules and what is not known."""

from __future__ import annotations

import pytest

from tests.checks.terraform.aws_states import state, states

BUCKET = 'resource "aws_s3_bucket" "b" { bucket = "shop" }\n'
PUBLIC_ACL = """
resource "aws_s3_bucket_acl" "b" {
  bucket = aws_s3_bucket.b.id
  acl    = "public-read"
}
"""
BLOCK = """
resource "aws_s3_bucket_public_access_block" "b" {
  bucket             = aws_s3_bucket.b.id
  ignore_public_acls = %s
}
"""
SSH = """
resource "aws_security_group" "in" { name = "in" }
resource "aws_vpc_security_group_ingress_rule" "ssh" {
  security_group_id = aws_security_group.in.id
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = %s
}
resource "aws_instance" "shop" {
  associate_public_ip_address = true
  vpc_security_group_ids      = [aws_security_group.in.id]
}
"""
UNKNOWN = 'variable "x" {}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BUCKET + PUBLIC_ACL, "fail"),
        (BUCKET + PUBLIC_ACL + BLOCK % "true", "pass"),
        (BUCKET + PUBLIC_ACL + BLOCK % "false", "fail"),
        (UNKNOWN + BUCKET + PUBLIC_ACL + BLOCK % "var.x", "not_evaluated"),
        (UNKNOWN + BUCKET + PUBLIC_ACL.replace('"public-read"', "var.x"), "not_evaluated"),
    ],
    ids=["public", "blocked", "block-off", "block-not-known", "acl-not-known"],
)
def test_acl_of_a_bucket_with_its_block(text: str, expected: str) -> None:
    found = states("tf-aws-s3-public-acl", text)
    assert found["aws_s3_bucket_acl.b"] == [expected]


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [('"0.0.0.0/0"', "fail"), ('"10.0.0.0/8"', "pass"), ("var.x", "not_evaluated")],
    ids=["world", "private", "not-known"],
)
def test_machine_behind_a_group_of_separate_rules(cidr: str, expected: str) -> None:
    found = states("tf-aws-ec2-reachable", UNKNOWN + SSH % cidr)
    assert found["aws_instance.shop"] == [expected]


def test_open_port_in_a_dynamic_block_that_may_be_there() -> None:
    text = """
variable "ports" {}
resource "aws_security_group" "in" {
  dynamic "ingress" {
    for_each = var.ports
    content {
      protocol    = "tcp"
      from_port   = 22
      to_port     = 22
      cidr_blocks = ["0.0.0.0/0"]
    }
  }
}
"""
    assert state("tf-aws-sg-admin-open", text) == "fail"
    closed = text.replace("0.0.0.0/0", "10.0.0.0/8")
    assert state("tf-aws-sg-admin-open", closed) == "not_evaluated"


def test_group_that_a_module_opens_for_its_caller() -> None:
    files = {
        "main.tf": 'module "net" {\n  source = "./net"\n  cidr = "0.0.0.0/0"\n}\n',
        "net/main.tf": 'variable "cidr" {}\n' + SSH % "var.cidr",
    }
    found = states("tf-aws-ec2-reachable", files)
    assert found == {"module.net.aws_instance.shop": ["fail"]}


def test_database_behind_an_open_group_by_every_style() -> None:
    inline = """
resource "aws_security_group" "db" {
  ingress {
    protocol    = "tcp"
    from_port   = 5432
    to_port     = 5432
    cidr_blocks = ["0.0.0.0/0"]
  }
}
resource "aws_db_instance" "shop" {
  publicly_accessible    = true
  vpc_security_group_ids = [aws_security_group.db.id]
}
"""
    assert state("tf-aws-rds-reachable", inline) == "fail"
    assert state("tf-aws-rds-reachable", inline.replace("0.0.0.0/0", "10.0.0.0/8")) == "pass"
    assert state("tf-aws-rds-reachable", inline.replace("true", "false")) == "pass"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('StringEquals = { "aws:PrincipalOrgID" = "o-1" }', "pass"),
        ('StringEquals = { "aws:VpceAccount" = "111122223333" }', "pass"),
        ('ArnEquals = { "aws:PrincipalArn" = "arn:aws:iam::*" }', "fail"),
        ('StringLike = { "aws:PrincipalOrgID" = "*" }', "fail"),
        ('StringNotEquals = { "aws:PrincipalOrgID" = "o-1" }', "fail"),
        ('"ForAllValues:StringEquals" = { "aws:PrincipalOrgID" = "o-1" }', "fail"),
    ],
    ids=["org", "vpce-account", "any-account", "wild", "negated", "for-all-values"],
)
def test_conditions_that_keep_strangers_out(condition: str, expected: str) -> None:
    text = f"""
resource "aws_ecr_repository_policy" "r" {{
  repository = "shop"
  policy = jsonencode({{
    Statement = [{{
      Effect    = "Allow"
      Principal = "*"
      Action    = "ecr:BatchGetImage"
      Condition = {{ {condition} }}
    }}]
  }})
}}
"""
    assert state("tf-aws-ecr-public", text) == expected


def test_policy_by_a_document_with_an_unknown_principal() -> None:
    text = """
variable "who" {}
data "aws_iam_policy_document" "p" {
  statement {
    actions = ["events:PutEvents"]
    principals {
      type        = "AWS"
      identifiers = [var.who]
    }
  }
}
resource "aws_cloudwatch_event_bus_policy" "b" {
  policy = data.aws_iam_policy_document.p.json
}
"""
    assert state("tf-aws-event-bus-public", text) == "not_evaluated"
    assert state("tf-aws-event-bus-public", text.replace("var.who", '"*"')) == "fail"


def test_listener_inside_of_the_network_may_speak_in_clear() -> None:
    text = """
variable "inner" {}
resource "aws_lb" "a" { internal = %s }
resource "aws_lb_listener" "a" {
  load_balancer_arn = aws_lb.a.arn
  port              = 80
  protocol          = "HTTP"
  default_action { type = "forward" }
}
"""
    rule = "tf-aws-lb-plain-http"
    assert state(rule, text % "true") == "pass"
    assert state(rule, text % "false") == "fail"
    assert state(rule, text % "var.inner") == "not_evaluated"


def test_fixed_answer_is_fine_until_a_rule_forwards() -> None:
    text = """
resource "aws_lb_listener" "a" {
  protocol = "HTTP"
  default_action { type = "fixed-response" }
}
"""
    rule = """
resource "aws_lb_listener_rule" "a" {
  listener_arn = aws_lb_listener.a.arn
  action { type = "forward" }
}
"""
    assert state("tf-aws-lb-plain-http", text) == "pass"
    assert state("tf-aws-lb-plain-http", text + rule) == "fail"


def test_web_acl_that_is_associated_through_a_module_output() -> None:
    files = {
        "main.tf": """
module "lb" { source = "./lb" }
resource "aws_wafv2_web_acl_association" "a" {
  resource_arn = module.lb.arn
  web_acl_arn  = "arn:aws:wafv2:x"
}
""",
        "lb/main.tf": 'resource "aws_lb" "a" {}\noutput "arn" { value = aws_lb.a.arn }\n',
    }
    assert state("tf-aws-no-web-firewall", files) == "pass"
    alone = {**files, "main.tf": 'module "lb" { source = "./lb" }\n'}
    assert state("tf-aws-no-web-firewall", alone) == "fail"


def test_bucket_of_a_trail_by_its_policy() -> None:
    text = """
resource "aws_s3_bucket" "t" { bucket = "trail" }
resource "aws_s3_bucket_policy" "t" {
  bucket = aws_s3_bucket.t.id
  policy = jsonencode({
    Statement = [{ Effect = "Allow", Principal = "*", Action = "s3:GetObject", Resource = "*" }]
  })
}
resource "aws_cloudtrail" "all" { s3_bucket_name = aws_s3_bucket.t.id }
"""
    assert state("tf-aws-trail-public", text) == "fail"
    blocked = BLOCK.replace("aws_s3_bucket.b", "aws_s3_bucket.t").replace(
        "ignore_public_acls = %s", "restrict_public_buckets = true"
    )
    assert state("tf-aws-trail-public", text + blocked) == "pass"


def test_routes_to_a_peer_in_both_families() -> None:
    text = 'resource "aws_route" "r" {\n  %s = "%s"\n  vpc_peering_connection_id = "pcx-1"\n}\n'
    rule = "tf-aws-route-all-to-peer"
    assert state(rule, text % ("destination_ipv6_cidr_block", "::/0")) == "fail"
    assert state(rule, text % ("destination_cidr_block", "0.0.0.0/0")) == "fail"
    assert state(rule, text % ("destination_cidr_block", "10.1.0.0/16")) == "pass"
