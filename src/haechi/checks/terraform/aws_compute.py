"""Amazon EC2: the metadata service, public addresses, disks and images of machines.

An instance that names a launch template takes from there what it does not say itself, and an image
of Amazon Linux 2023 (or one with ``imds_support = v2.0``) makes session tokens the default.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.terraform.aws_network import ADMIN, DATA, GROUP, openings
from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    is_set,
    is_unknown,
    linked,
    number,
    resources,
    target,
    text,
    texts,
    truth,
    value,
)
from haechi.errors import NotEvaluated
from haechi.model.resource import Resource
from haechi.model.review import Review

_TEMPLATE = "aws_launch_template"
_TOKENS = "metadata_options.0.http_tokens"
_WHO = frozenset({"owner-alias", "owner-id", "image-id"})


def metadata_v1(review: Review) -> Iterator[Hit]:
    """A machine whose metadata service answers without a session token."""
    resource = review.resource
    tokens = text(value(resource, _TOKENS))
    if tokens == "required":
        return
    if text(value(resource, "metadata_options.0.http_endpoint")) == "disabled":
        return
    if tokens is None:
        if _asks_elsewhere(review) or _image_asks(review):
            return
        for default in resources(review, "aws_ec2_instance_metadata_defaults"):
            if text(default.data.get("http_tokens")) == "required":
                return
    at = ("metadata_options", 0, "http_tokens") if tokens else ("metadata_options",)
    yield fails("its metadata service answers without a session token", *at)


def _asks_elsewhere(review: Review) -> bool:
    """Whether a launch template decides, which is judged itself where it is known."""
    return review.resource.kind == "aws_instance" and any(
        True for _ in blocks(review.resource, "launch_template")
    )


def _image_asks(review: Review) -> bool:
    for attribute in ("ami", "image_id"):
        for image in target(review, attribute):
            if text(image.data.get("imds_support")) == "v2.0" or _is_al2023(image):
                return True
    return False


def _is_al2023(image: Resource) -> bool:
    names = [text(image.data.get("name")) or ""] if not is_unknown(image.data.get("name")) else []
    for block in blocks(image, "filter"):
        if text(block.get("name")) == "name":
            names += texts(block.get("values"))
    return any("al2023-ami" in name for name in names)


def hops(review: Review) -> Iterator[Hit]:
    """Answers of the metadata service that travel into containers."""
    limit = number(value(review.resource, "metadata_options.0.http_put_response_hop_limit"), 1)
    if text(value(review.resource, "metadata_options.0.http_endpoint")) == "disabled":
        return
    if limit is not None and limit > 1:
        yield fails(
            f"the answers may travel {int(limit)} hops, into containers",
            *("metadata_options", 0, "http_put_response_hop_limit"),
        )


def _public(resource: Resource) -> Iterator[tuple[str | int, ...]]:
    if truth(resource.data.get("associate_public_ip_address"), False):
        yield ("associate_public_ip_address",)
    for block in blocks(resource, "network_interfaces", possible=True):
        if truth(block.get("associate_public_ip_address"), False):
            yield block.at("associate_public_ip_address")


def public_address(review: Review) -> Iterator[Hit]:
    """A machine that is given a public address."""
    for path in _public(review.resource):
        yield Hit("every machine of it is given a public address", path)


def reachable(review: Review) -> Iterator[Hit]:
    """A public address, and a group that lets the internet to SSH or to a database."""
    resource = review.resource
    if not any(True for _ in _public(resource)):
        return
    groups = [
        group
        for name in (
            "vpc_security_group_ids",
            "security_groups",
            "network_interfaces.security_groups",
        )
        for group in target(review, name, type_=GROUP)
    ]
    for group in groups:
        rules = [group]
        for kind in ("aws_security_group_rule", "aws_vpc_security_group_ingress_rule"):
            rules += linked(review, kind, "security_group_id", about=group)
        for rule in rules:
            for opening in openings(rule):
                names = opening.named({**ADMIN, **DATA})
                if names:
                    what = "every port" if opening.every else names[0]
                    who = f"{opening.cidr} reaches {what} of it through {rule.name}"
                    yield fails(who, next(_public(resource))[0], evidence={"group": group.name})
                    return


def disks(review: Review) -> Iterator[Hit]:
    """Disks without encryption, where the region does not encrypt by default."""
    resource = review.resource
    for default in resources(review, "aws_ebs_encryption_by_default"):
        if truth(default.data.get("enabled"), True):
            return
    names = ("root_block_device", "ebs_block_device")
    if resource.kind == _TEMPLATE:
        for mapping in blocks(resource, "block_device_mappings", possible=True):
            for disk in blocks(mapping, "ebs", possible=True):
                if not truth(disk.get("encrypted"), False) and not is_set(disk.get("snapshot_id")):
                    yield Hit("the disk is not encrypted", disk.at("encrypted"))
        return
    root = False
    for name in names:
        for disk in blocks(resource, name, possible=True):
            root = root or name == "root_block_device"
            if not truth(disk.get("encrypted"), False) and not is_set(disk.get("snapshot_id")):
                yield Hit("the disk is not encrypted", disk.at("encrypted"))
    if not root and resource.kind != "aws_ami" and not _decided_elsewhere(review):
        yield fails("the root disk is not encrypted", "root_block_device")


def _decided_elsewhere(review: Review) -> bool:
    """Whether a template or an image of one's own, whose snapshots are encrypted, decides."""
    if _asks_elsewhere(review):
        return True
    for attribute in ("ami", "image_id"):
        for image in target(review, attribute):
            if image.kind == "aws_ami_copy" and truth(image.data.get("encrypted"), False):
                return True
    return False


def image_of_anybody(review: Review) -> Iterator[Hit]:
    """An image that is looked up by a name that everybody may give to one."""
    resource = review.resource
    if is_set(resource.data.get("owners")):
        return
    doubt: NotEvaluated | None = None
    try:
        for block in blocks(resource, "filter"):
            if text(block.get("name")) in _WHO:
                return
    except NotEvaluated as error:
        doubt = error
    if doubt is not None:
        raise doubt
    if is_set(resource.data.get("executable_users")):
        return
    yield fails("anybody may publish an image of this name, and the newest is taken", "owners")


def generated_key(review: Review) -> Iterator[Hit]:
    """A key pair whose private half Terraform made, so that the state holds it."""
    for key in target(review, "public_key", type_="tls_private_key"):
        yield fails(f"{key.name} makes it, and the state holds the private half", "public_key")
        return
