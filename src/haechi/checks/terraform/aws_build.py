"""CodeBuild, EMR and other services that run what they are given: who may start it, over what.

https://docs.aws.amazon.com/codebuild/latest/userguide/webhooks.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.checks.terraform.ports import covers
from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_set,
    is_unknown,
    known,
    number,
    open_to_world,
    text,
    texts,
    truth,
)
from haechi.checks.terraform.view_policies import structure
from haechi.model.review import Review

_ADMIN = {22: "SSH", 3389: "RDP", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis"}


def webhook(review: Review) -> Iterator[Hit]:
    """A webhook by which everybody who opens a pull request runs code with the build's rights."""
    resource = review.resource
    if text(resource.data.get("scope_configuration")) is not None:
        return
    for policy in blocks(resource, "pull_request_build_policy"):
        if text(policy.get("requires_comment_approval")) not in (None, "DISABLED"):
            return
    groups = list(blocks(resource, "filter_group"))
    if not groups and not is_set(resource.data.get("branch_filter")):
        yield fails("every event of the repository starts it, pull requests too", "filter_group")
    for group in groups:
        if _is_open(group):
            yield Hit("a pull request of anybody starts it", group.path)
            return


def _is_open(group: Block) -> bool:
    kinds = {(text(one.get("type")) or ""): one for one in blocks(group, "filter")}
    event = kinds.get("EVENT")
    if event is None or "ACTOR_ACCOUNT_ID" in kinds:
        return False
    return "PULL_REQUEST_CREATED" in (text(event.get("pattern")) or "") or (
        "PULL_REQUEST_UPDATED" in (text(event.get("pattern")) or "")
    )


def no_build_log(review: Review) -> Iterator[Hit]:
    """A build that leaves no log at all. The log in CloudWatch is on by default."""
    for logs in blocks(review.resource, "logs_config"):
        off = False
        for one in blocks(logs, "cloudwatch_logs"):
            off = text(one.get("status")) == "DISABLED"
        for one in blocks(logs, "s3_logs"):
            if text(one.get("status")) == "ENABLED":
                return
        if off:
            yield Hit("builds leave no log", logs.path)


def insecure_source(review: Review) -> Iterator[Hit]:
    """Source that is fetched without looking at the certificate."""
    for name in ("source", "secondary_sources"):
        for source in blocks(review.resource, name, possible=True):
            if truth(source.get("insecure_ssl"), False):
                yield Hit("the certificate of its source is not checked", source.at("insecure_ssl"))


def _encryption(review: Review) -> Any:
    found = structure(review.resource.data.get("configuration"))
    said = found.get("EncryptionConfiguration") if isinstance(found, dict) else None
    return known(said) if said is not None else {}


def plain_cluster(review: Review) -> Iterator[Hit]:
    """EMR's nodes talk in clear."""
    if not truth(_encryption(review).get("EnableInTransitEncryption"), False):
        yield fails("its nodes talk in clear", "configuration")


def plain_disks(review: Review) -> Iterator[Hit]:
    """EMR's disks in clear."""
    said = _encryption(review)
    if not truth(said.get("EnableAtRestEncryption"), False):
        yield fails("what it keeps is not encrypted", "configuration")
        return
    rest = said.get("AtRestEncryptionConfiguration")
    if rest is not None and known(rest).get("LocalDiskEncryptionConfiguration") is None:
        yield fails("its disks are not encrypted", "configuration")


def plain_glue(review: Review) -> Iterator[Hit]:
    """Parts of Glue's work that are kept in clear."""
    for outer in blocks(review.resource, "encryption_configuration"):
        for name, mode in (
            ("cloudwatch_encryption", "cloudwatch_encryption_mode"),
            ("job_bookmarks_encryption", "job_bookmarks_encryption_mode"),
            ("s3_encryption", "s3_encryption_mode"),
        ):
            for block in blocks(outer, name):
                if (text(block.get(mode)) or "DISABLED") == "DISABLED":
                    yield Hit(f"{name} is disabled", block.at(mode))
                    return


def plain_catalog(review: Review) -> Iterator[Hit]:
    """Passwords of connections, and the catalog itself, in clear."""
    for outer in blocks(review.resource, "data_catalog_encryption_settings"):
        for block in blocks(outer, "connection_password_encryption"):
            if not truth(block.get("return_connection_password_encrypted"), False):
                yield Hit(
                    "passwords of connections are returned in clear",
                    block.at("return_connection_password_encrypted"),
                )
                return
        for block in blocks(outer, "encryption_at_rest"):
            if (text(block.get("catalog_encryption_mode")) or "DISABLED") == "DISABLED":
                yield Hit("the catalog is not encrypted", block.at("catalog_encryption_mode"))
                return


def plain_transfer(review: Review) -> Iterator[Hit]:
    """FTP: names, passwords and files in clear."""
    if "FTP" in texts(review.resource.data.get("protocols")):
        yield fails("names, passwords and files travel in clear", "protocols")


def old_transfer(review: Review) -> Iterator[Hit]:
    """Ciphers of the past for file transfers: the default is the policy of 2018."""
    policy = text(review.resource.data.get("security_policy_name"))
    if policy is None or policy.endswith(("-2018-11", "-2020-06")):
        said = policy or "the default policy, of 2018,"
        yield fails(f"{said} takes SHA-1 and ciphers of the past", "security_policy_name")


def lightsail_ports(review: Review) -> Iterator[Hit]:
    """Ports of administration and of databases for the whole internet."""
    for block in blocks(review.resource, "port_info", possible=True):
        cidrs = block.get("cidrs")
        given = is_set(cidrs) or is_set(block.get("cidr_list_aliases"))
        if given and (is_unknown(cidrs) or not open_to_world(cidrs)):
            known(cidrs)
            continue
        low, high = number(block.get("from_port"), 0) or 0, number(block.get("to_port"), 65535)
        names = [n for port, n in _ADMIN.items() if covers(int(low), int(high or 0), port)]
        if names:
            yield Hit(f"the internet reaches {', '.join(names[:3])}", block.at("from_port"))


def no_updates(review: Review) -> Iterator[Hit]:
    """Platform updates of Elastic Beanstalk, switched off."""
    for setting in blocks(review.resource, "setting"):
        if text(setting.get("name")) == "ManagedActionsEnabled":
            if not truth(setting.get("value"), False):
                yield Hit("platform updates are switched off", setting.at("value"))
            return
