"""Amazon S3: who may read and write buckets, by ACL and by policy, joined with what blocks both.

Since April 2023 new buckets block public access and ignore ACLs, and objects are encrypted: so a
bucket that says nothing is private and encrypted, and rules here look for what undoes that.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.terraform.view import (
    Hit,
    Statement,
    blocks,
    documents,
    fails,
    is_set,
    linked,
    require_no_doubt,
    resources,
    target,
    text,
    texts,
    truth,
)
from haechi.model.resource import Resource
from haechi.model.review import Review

BUCKET = "aws_s3_bucket"
BLOCK = "aws_s3_bucket_public_access_block"
ACCOUNT_BLOCK = "aws_s3_account_public_access_block"
_PUBLIC = {
    "public-read": "everybody may read",
    "public-read-write": "everybody may read and write",
    "website": "everybody may read",
    "authenticated-read": "everybody with any AWS account may read",
}
_EVERYBODY = {
    "http://acs.amazonaws.com/groups/global/AllUsers": "everybody",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "everybody with any AWS account",
}
_WRITES = ("s3:PutObject", "s3:DeleteObject", "s3:PutBucketPolicy", "s3:PutObjectAcl")
_SWITCHES = (
    "block_public_acls",
    "block_public_policy",
    "ignore_public_acls",
    "restrict_public_buckets",
)


def public_acl(review: Review) -> Iterator[Hit]:
    """An ACL that lets everybody in, and nothing that makes S3 ignore it."""
    resource = review.resource
    found = list(_public_grants(resource))
    if not found:
        return
    bucket = _bucket(review)
    if not _is_blocked(review, bucket, "ignore_public_acls", "block_public_acls"):
        yield from found


def _public_grants(resource: Resource) -> Iterator[Hit]:
    acl = text(resource.data.get("acl"))
    if acl in _PUBLIC:
        yield fails(f"{_PUBLIC[acl]} what is in it (acl {acl})", "acl")
    for policy in blocks(resource, "access_control_policy"):
        for grant in blocks(policy, "grant"):
            for grantee in blocks(grant, "grantee"):
                who = _EVERYBODY.get(text(grantee.get("uri")) or "")
                if who:
                    what = text(grant.get("permission")) or "a right"
                    yield Hit(f"{who} has {what}", grantee.at("uri"))
    for grant in blocks(resource, "grant"):
        who = _EVERYBODY.get(text(grant.get("uri")) or "")
        if who:
            what = ", ".join(texts(grant.get("permissions")))
            yield Hit(f"{who} has {what}", grant.at("uri"))


def public_policy(review: Review) -> Iterator[Hit]:
    """A bucket policy that lets everybody read, and nothing that stops such policies."""
    yield from _by_policy(review, writes=False)


def public_write_policy(review: Review) -> Iterator[Hit]:
    """A bucket policy that lets everybody write."""
    yield from _by_policy(review, writes=True)


def _by_policy(review: Review, *, writes: bool) -> Iterator[Hit]:
    for statement in documents(review.resource, "policy"):
        if not statement.is_public or _is_write(statement) is not writes:
            continue
        if not _is_blocked(
            review, _bucket(review), "restrict_public_buckets", "block_public_policy"
        ):
            what = "change or delete" if writes else "read"
            name = f" (statement {statement.sid})" if statement.sid else ""
            yield Hit(f"everybody may {what} what is in the bucket{name}", statement.path)
        return


def _is_write(statement: Statement) -> bool:
    return any(statement.can(action) for action in _WRITES)


def _bucket(review: Review) -> Resource | None:
    """The bucket that a resource is about: itself, or what its ``bucket`` names."""
    if review.resource.kind == BUCKET:
        return review.resource
    found = target(review, "bucket", type_=BUCKET)
    return found[0] if found else None


def _is_blocked(review: Review, bucket: Resource | None, *switches: str) -> bool:
    """Whether a public access block of the bucket, or of the account, has one of these on."""
    if any(_has_on(one, switches) for one in resources(review, ACCOUNT_BLOCK)):
        return True
    if bucket is None:
        name = review.resource.data.get("bucket")
        near = [one for one in resources(review, BLOCK) if one.data.get("bucket") == name]
        return any(_has_on(one, switches) for one in near)
    near = linked(review, BLOCK, "bucket", about=bucket)
    if not near:
        require_no_doubt(review, BLOCK, "bucket", about=bucket)
    return any(_has_on(one, switches) for one in near)


def _has_on(block: Resource, switches: tuple[str, ...]) -> bool:
    return any(truth(block.data.get(name), False) for name in switches)


def access_block_off(review: Review) -> Iterator[Hit]:
    """A public access block that leaves something open. What it does not name is off."""
    resource = review.resource
    off = [name for name in _SWITCHES if not truth(resource.data.get(name), False)]
    if off:
        yield fails(f"left off: {', '.join(off)}", off[0])


def no_versioning(review: Review) -> Iterator[Hit]:
    """No versioning: what is overwritten or deleted is gone."""
    bucket = review.resource
    for block in blocks(bucket, "versioning"):
        if truth(block.get("enabled"), False):
            return
    separate = linked(review, "aws_s3_bucket_versioning", "bucket")
    for one in separate:
        for block in blocks(one, "versioning_configuration"):
            if text(block.get("status")) == "Enabled":
                return
    if not separate:
        require_no_doubt(review, "aws_s3_bucket_versioning", "bucket")
    yield fails("what is overwritten or deleted is gone", "versioning")


def no_logging(review: Review) -> Iterator[Hit]:
    """Nobody writes down who reads the bucket."""
    bucket = review.resource
    if any(is_set(block.get("target_bucket")) for block in blocks(bucket, "logging")):
        return
    if linked(review, "aws_s3_bucket_logging", "bucket"):
        return
    if linked(review, "aws_s3_bucket_logging", "target_bucket") or _keeps_logs(review):
        return  # a bucket that keeps logs would log its own logging
    require_no_doubt(review, "aws_s3_bucket_logging", "bucket")
    yield fails("nobody writes down who reads and changes what is in it", "logging")


def _keeps_logs(review: Review) -> bool:
    if text(review.resource.data.get("acl")) == "log-delivery-write":
        return True
    return bool(linked(review, BUCKET, "logging.target_bucket"))


def insecure_transport(review: Review) -> Iterator[Hit]:
    """A policy that grants and does not refuse plain HTTP."""
    granted = False
    for statement in documents(review.resource, "policy"):
        if not statement.allows and statement.condition("aws:SecureTransport"):
            return
        if statement.allows:
            secure = statement.condition("aws:SecureTransport")
            granted = granted or not secure
    if granted:
        yield fails("requests over plain HTTP are taken, too", "policy")


def wide_policy(review: Review) -> Iterator[Hit]:
    """Every action of S3 for somebody who is not everybody."""
    for statement in documents(review.resource, "policy"):
        if statement.allows and not statement.is_anyone and statement.has_action("*", "s3:*"):
            yield Hit("its principals may do all, change this policy included", statement.path)
            return


def public_object(review: Review) -> Iterator[Hit]:
    """A single object with a public ACL."""
    acl = text(review.resource.data.get("acl"))
    if acl in _PUBLIC and not _is_blocked(
        review, _bucket(review), "ignore_public_acls", "block_public_acls"
    ):
        yield fails(f"{_PUBLIC[acl]} it (acl {acl})", "acl")


def cors_any_write(review: Review) -> Iterator[Hit]:
    """Pages of any origin may write through a signed-in browser."""
    for block in blocks(review.resource, "cors_rule"):
        methods = {method.upper() for method in texts(block.get("allowed_methods"))}
        if methods & {"PUT", "POST", "DELETE"} and "*" in texts(block.get("allowed_origins")):
            yield Hit(
                "pages of any origin may send PUT, POST or DELETE", block.at("allowed_origins")
            )
