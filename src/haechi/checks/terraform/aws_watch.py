"""What AWS writes down and watches: CloudTrail, Config, the firewalls and their logs.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/best-practices-security.html
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from haechi.checks.terraform import aws_s3
from haechi.checks.terraform.view import (
    Hit,
    Statement,
    blocks,
    documents,
    fails,
    is_unknown,
    linked,
    require_no_doubt,
    target,
    text,
    texts,
    truth,
)
from haechi.checks.terraform.view_policies import structure
from haechi.model.review import Review

_POLICIES = ("policy", "access_policy", "policy_document", "resource_policy", "event_bus_policy")
_RULES = ("rule", "rules")


def public_trail(review: Review) -> Iterator[Hit]:
    """The trail's bucket is open to everybody."""
    for bucket in target(review, "s3_bucket_name", type_=aws_s3.BUCKET):
        holders = [bucket]
        for kind in ("aws_s3_bucket_acl", "aws_s3_bucket_policy"):
            holders += linked(review, kind, "bucket", about=bucket)
        for holder in holders:
            about = msgspec.structs.replace(review, resource=holder, memo={})
            for judge in (aws_s3.public_acl, aws_s3.public_policy, aws_s3.public_write_policy):
                for hit in judge(about):
                    yield fails(f"{holder.name}: {hit.message}", "s3_bucket_name")
                    return


def no_recorder(review: Review) -> Iterator[Hit]:
    """A recorder of AWS Config that nothing starts."""
    status = "aws_config_configuration_recorder_status"
    if not linked(review, status, "name"):
        require_no_doubt(review, status, "name")
        yield fails("nothing starts it")


def public_policy(review: Review) -> Iterator[Hit]:
    """A resource policy that lets everybody in, whatever its attribute is called."""
    for name in _POLICIES:
        for statement in documents(review.resource, name):
            if statement.is_public and not _by_mount(statement):
                named = ", ".join(str(one) for one in statement.actions[:3] if not is_unknown(one))
                yield Hit(f"whoever has any AWS account may {named or 'use it'}", statement.path)
                return


def _by_mount(statement: Statement) -> bool:
    """EFS: whoever has reached a mount target, which the network decides."""
    return bool(statement.condition("elasticfilesystem:AccessedViaMountTarget"))


def empty_firewall(review: Review) -> Iterator[Hit]:
    """A web ACL that lets everything through: no rule, or only rules that count."""
    resource = review.resource
    for action in blocks(resource, "default_action"):
        if action.get("block") is not None or text(action.get("type")) == "BLOCK":
            return
    rules = [rule for name in _RULES for rule in blocks(resource, name)]
    if rules:
        if all(_counts(rule.data) for rule in rules):
            yield Hit("all of its rules count only", rules[0].path)
        return
    for kind in ("aws_wafv2_web_acl_rule_group_association", "aws_wafv2_web_acl_rule"):
        if linked(review, kind, "web_acl_arn"):
            return
        require_no_doubt(review, kind, "web_acl_arn")
    yield fails("it has no rules and lets everything through", "rule")


def _counts(rule: object) -> bool:
    data = rule if isinstance(rule, dict) else {}
    for name in ("action", "override_action"):
        found = data.get(name)
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, dict) and one:
                return "count" in one or text(one.get("type")) == "COUNT"
    return False


def silent_firewall(review: Review) -> Iterator[Hit]:
    """A web ACL that nobody can look into."""
    resource = review.resource
    if resource.kind != "aws_wafv2_web_acl":
        if not any(True for _ in blocks(resource, "logging_configuration")):
            yield fails("nobody writes down what it saw", "logging_configuration")
        return
    kind = "aws_wafv2_web_acl_logging_configuration"
    if not linked(review, kind, "resource_arn"):
        require_no_doubt(review, kind, "resource_arn")
        yield fails("nobody writes down what it saw")


def silent_network_firewall(review: Review) -> Iterator[Hit]:
    """A network firewall without a log."""
    kind = "aws_networkfirewall_logging_configuration"
    if not linked(review, kind, "firewall_arn"):
        require_no_doubt(review, kind, "firewall_arn")
        yield fails("nobody writes down what passed and what was dropped")


def passing_firewall(review: Review) -> Iterator[Hit]:
    """A network firewall that passes whatever no stateless rule names, unseen by stateful ones."""
    for policy in blocks(review.resource, "firewall_policy"):
        for name in ("stateless_default_actions", "stateless_fragment_default_actions"):
            if "aws:pass" in texts(policy.get(name)):
                yield Hit("what no rule names passes uninspected", policy.at(name))
                return


def public_bus(review: Review) -> Iterator[Hit]:
    """An event bus to which every account may send."""
    resource = review.resource
    if text(resource.data.get("principal")) == "*" and not any(
        True for _ in blocks(resource, "condition")
    ):
        yield fails("whoever has any AWS account may send events", "principal")


def public_things(review: Review) -> Iterator[Hit]:
    """A policy of AWS IoT that lets a device do everything."""
    for statement in documents(review.resource, "policy"):
        wide = statement.allows and statement.has_all_resources and not statement.conditions
        if wide and statement.has_action("*", "iot:*"):
            yield Hit("a device with it may do everything, as any other", statement.path)
            return


def open_search(review: Review) -> Iterator[Hit]:
    """A collection of OpenSearch Serverless that the internet reaches."""
    if text(review.resource.data.get("type")) != "network":
        return
    found = structure(review.resource.data.get("policy"))
    for entry in found if isinstance(found, list) else [found]:
        if isinstance(entry, dict) and truth(entry.get("AllowFromPublic"), False):
            yield fails("the internet reaches its collections", "policy")
            return
