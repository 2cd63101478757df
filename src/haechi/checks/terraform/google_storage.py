"""Data of Google Cloud that is open to everybody, and what is kept of it and about it: buckets,
repositories of packages, datasets.

A public grant on a bucket counts for nothing where public access prevention is enforced, an ACL
for nothing where uniform access is on.
https://cloud.google.com/storage/docs/public-access-prevention
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.terraform.google_grants import (
    ANYBODY,
    Grant,
    declared,
    grants,
    pieces,
    written,
)
from haechi.checks.terraform.view import (
    Block,
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
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.model.unknown import Unknown

BUCKET = "google_storage_bucket"

_WRITES = (
    re.compile(
        r"roles/(?:owner|editor|storage\.(?:admin|objectAdmin|objectCreator|objectUser"
        r"|legacyBucketWriter|legacyBucketOwner|legacyObjectOwner|folderAdmin)"
        r"|artifactregistry\.(?:writer|admin|repoAdmin|createOnPushWriter\w*))\Z"
    ),
)
_ACLS = {
    "publicread": "everybody may read",
    "publicreadwrite": "everybody may read and write",
    "authenticatedread": "everybody with any Google account may read",
}


def bucket_public(review: Review) -> Iterator[Hit]:
    """Everybody may read a bucket or a folder of it."""
    yield from _public(review, writes=False, blocked=_is_prevented)


def bucket_public_write(review: Review) -> Iterator[Hit]:
    """Everybody may write into a bucket."""
    yield from _public(review, writes=True, blocked=_is_prevented)


def packages_public(review: Review) -> Iterator[Hit]:
    """Everybody may fetch packages and images."""
    yield from _public(review, writes=False)


def packages_public_write(review: Review) -> Iterator[Hit]:
    """Everybody may change packages and images."""
    yield from _public(review, writes=True)


def _public(review: Review, *, writes: bool, blocked: Any = None) -> Iterator[Hit]:
    for grant in grants(review):
        who = grant.anybody()
        if not who or _is_write(grant) is not writes:
            continue
        if blocked is None or not blocked(review):
            role = written(grant.role) or "a role that is not known"
            yield Hit(f"{ANYBODY[who]} has {role} ({who})", grant.member_path)


def _is_write(grant: Grant) -> bool:
    role = None if is_unknown(grant.role) else text(grant.role)
    return bool(role and any(pattern.match(role) for pattern in _WRITES))


def _is_prevented(review: Review) -> bool:
    """Whether the bucket refuses public grants."""
    for bucket in declared(review, "bucket", BUCKET):
        if text(bucket.data.get("public_access_prevention")) == "enforced":
            return True
    return False


def bucket_acl(review: Review) -> Iterator[Hit]:
    """An ACL for everybody on a bucket or object that heeds ACLs."""
    found = list(_acl_grants(review.resource))
    if not found:
        return
    for bucket in declared(review, "bucket", BUCKET):
        if truth(bucket.data.get("uniform_bucket_level_access"), False):
            return
    if not _is_prevented(review):
        yield from found


def _acl_grants(resource: Resource) -> Iterator[Hit]:
    data = resource.data
    acl = (text(data.get("predefined_acl")) or text(data.get("default_acl")) or "").lower()
    if acl in _ACLS:
        at = "predefined_acl" if data.get("predefined_acl") is not None else "default_acl"
        yield fails(f"{_ACLS[acl]} ({text(data.get(at))})", at)
    entity = data.get("entity")
    if entity is not None and not is_unknown(entity) and text(entity) in ANYBODY:
        role = text(data.get("role")) or "READER"
        yield fails(f"{ANYBODY[str(text(entity))]} is {role}", "entity")
    for pair in texts(data.get("role_entity")):
        role, _, who = pair.partition(":")
        if who in ANYBODY:
            yield fails(f"{ANYBODY[who]} is {role}", "role_entity")


def no_access_logs(review: Review) -> Iterator[Hit]:
    """Neither a bucket's own logs nor Cloud Audit Logs of data say who reads it."""
    bucket = review.resource
    if any(is_set(block.get("log_bucket")) for block in blocks(bucket, "logging")):
        return
    if linked(review, "google_storage_bucket", "logging.log_bucket"):
        return  # a bucket that keeps logs would log its own logging
    for kind in ("project", "folder", "organization"):
        for config in resources(review, f"google_{kind}_iam_audit_config"):
            if text(config.data.get("service")) in ("allServices", "storage.googleapis.com"):
                return
    yield fails("nobody writes down who reads and changes what is in it", "logging")


def logs_to_itself(review: Review) -> Iterator[Hit]:
    """A bucket whose logs go into it."""
    bucket = review.resource
    name = bucket.data.get("name")
    for block in blocks(bucket, "logging"):
        kept = block.get("log_bucket")
        if is_unknown(kept):
            if any(reference.address == bucket.name for reference in kept.refs):
                yield Hit("its logs go into itself", block.at("log_bucket"))
        elif name is not None and not is_unknown(name) and text(kept) == text(name):
            yield Hit("its logs go into itself", block.at("log_bucket"))


def unlocked_log_bucket(review: Review) -> Iterator[Hit]:
    """A sink into a bucket out of which logs may be deleted."""
    for bucket in _destinations(review):
        if not truth(value(bucket, "retention_policy.0.is_locked"), False):
            yield fails(f"logs may be deleted from {bucket.name}", "destination")


def _destinations(review: Review) -> list[Resource]:
    """The buckets that a sink writes into, by reference or by name."""
    found = target(review, "destination", type_=BUCKET)
    if found:
        return found
    goal = _without_service(review.resource.data.get("destination"))
    return [
        one
        for one in resources(review, BUCKET)
        if one.data.get("name") is not None and _pieces(one.data.get("name")) == goal
    ]


def _without_service(destination: Any) -> tuple[str, ...]:
    first, *rest = _pieces(destination) or ("",)
    head = first.removeprefix("storage.googleapis.com/")
    return (head, *rest) if head else tuple(rest)


def _pieces(value: Any) -> tuple[str, ...]:
    return pieces(value) if isinstance(value, Unknown) else (text(value) or "",)


def soft_delete_off(review: Review) -> Iterator[Hit]:
    """What is deleted is gone at once."""
    bucket = review.resource
    kept = number(value(bucket, "soft_delete_policy.0.retention_duration_seconds"), 604800)
    if kept == 0 and not truth(value(bucket, "versioning.0.enabled"), False):
        yield fails("what is deleted is gone at once", "soft_delete_policy")


def dataset_public(review: Review) -> Iterator[Hit]:
    """A dataset that everybody may read, by its own list of access."""
    resource = review.resource
    listed: Iterator[Block] | list[Block] = blocks(resource, "access", possible=True)
    if resource.kind == "google_bigquery_dataset_access":
        listed = [Block(resource.data, ())]
    for block in listed:
        for name in ("special_group", "iam_member"):
            member = block.get(name)
            word = None if is_unknown(member) else text(member)
            if word in ANYBODY:
                role = written(block.get("role")) or "access"
                yield Hit(f"{ANYBODY[word]} has {role} ({word})", block.at(name))
