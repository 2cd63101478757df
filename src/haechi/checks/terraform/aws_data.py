"""Where AWS keeps data: what everybody may use by a resource policy, and secrets in clear."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from haechi.checks.placeholders import is_stand_in
from haechi.checks.terraform.aws_network import DATA, GROUP, openings
from haechi.checks.terraform.view import (
    Hit,
    documents,
    fails,
    is_set,
    is_unknown,
    linked,
    require_no_doubt,
    resources,
    target,
    text,
    truth,
    value,
)
from haechi.model.review import Review
from haechi.model.unknown import Unknown

_PASSWORDS = ("password", "master_password")
_TO_BE_REPLACED = re.compile(
    r"|(?:CHANGE|REPLACE|FILL|SET|UPDATE)[_ -](?:ME|THIS|IN|IT|AFTER)(?:[_ -][A-Z]+){0,8}"
    r"|Replace after [a-z]+|PLACEHOLDER|TODO|https?://example\.(?:com|org)/?"
)


def public_policy(review: Review) -> Iterator[Hit]:
    """A resource policy that lets everybody in, without a condition on who or from where."""
    for statement in documents(review.resource, "policy"):
        if statement.is_public:
            named = ", ".join(str(one) for one in statement.actions[:3] if not is_unknown(one))
            yield Hit(f"whoever has any AWS account may {named or 'use it'}", statement.path)
            return


def public_search(review: Review) -> Iterator[Hit]:
    """A search domain outside of any VPC that everybody may use."""
    if is_set(value(review.resource, "vpc_options.0.subnet_ids")):
        return
    if truth(value(review.resource, "advanced_security_options.0.enabled"), False):
        return  # it asks for a user and password of its own
    for statement in documents(review.resource, "access_policies"):
        if statement.is_public:
            yield Hit("whoever finds its address may use it", statement.path)
            return


def reachable_database(review: Review) -> Iterator[Hit]:
    """A database with a public address behind a group that lets the internet in."""
    if not truth(review.resource.data.get("publicly_accessible"), False):
        return
    for group in target(review, "vpc_security_group_ids", type_=GROUP):
        rules = [group]
        for kind in ("aws_security_group_rule", "aws_vpc_security_group_ingress_rule"):
            rules += linked(review, kind, "security_group_id", about=group)
        for rule in rules:
            for opening in openings(rule):
                if opening.every or opening.named(DATA):
                    who = f"{opening.cidr} reaches it through {rule.name}"
                    yield fails(who, "publicly_accessible", evidence={"group": group.name})
                    return


def no_audit_log(review: Review) -> Iterator[Hit]:
    """A warehouse of which nobody writes down who signs in."""
    if truth(value(review.resource, "logging.0.enable"), False):
        return
    kind, name = "aws_redshift_logging", "cluster_identifier"
    if not linked(review, kind, name):
        require_no_doubt(review, kind, name)
        yield fails("nobody writes down who signs in and what is asked of it", "logging")


_SECRET = re.compile(
    r"(?:^|[^a-z])(?:passw(?:or)?d|secret|token|(?:private|api|access|secret)[_-]?key"
    r"|credentials?)\Z"
)


def plain_parameter(review: Review) -> Iterator[Hit]:
    """A secret, by the parameter's name or the block's label, that is kept as a String."""
    resource = review.resource
    if text(resource.data.get("type")) == "SecureString":
        return
    named = resource.data.get("name")
    known = named.parts if isinstance(named, Unknown) else (named,)
    words = [part.rstrip("-_/.") for part in known if type(part) is str]
    words.append(resource.name.rpartition(".")[2].partition("[")[0])
    if any(_SECRET.search(word.lower()) for word in words):
        yield fails("a secret by its name, kept in clear", "type")


def literal_password(review: Review) -> Iterator[Hit]:
    """A database's password as a literal, or as a default of a variable."""
    for name in _PASSWORDS:
        found = review.resource.data.get(name)
        if found is None or is_unknown(found):
            continue
        word = text(found)
        if word and not is_stand_in(word):
            yield fails(f"{name} is written into the configuration", name)


def literal_secret(review: Review) -> Iterator[Hit]:
    """The value of a secret beside the secret."""
    resource = review.resource
    name = "secret_string" if resource.kind == "aws_secretsmanager_secret_version" else "value"
    found = resource.data.get(name)
    if found is None or is_unknown(found):
        return
    if resource.kind == "aws_ssm_parameter" and text(resource.data.get("type")) != "SecureString":
        return  # what it says is not meant to be secret, or ssm-plain-secret tells of it
    word = text(found)
    if word and not is_stand_in(word) and not _is_to_be_replaced(word):
        yield fails("the secret's value is written into the configuration", name)


def _is_to_be_replaced(word: str) -> bool:
    """``CHANGE_ME_IN_THE_CONSOLE``, alone or as all that an object of JSON says."""
    try:
        found = json.loads(word) if word.lstrip().startswith("{") else word
    except (ValueError, RecursionError):
        return False
    words = list(found.values()) if isinstance(found, dict) else [found]
    return all(
        isinstance(one, str) and (is_stand_in(one) or _TO_BE_REPLACED.fullmatch(one))
        for one in words
    )


def volume_unencrypted(review: Review) -> Iterator[Hit]:
    """A volume without encryption where the region does not encrypt by default."""
    resource = review.resource
    if truth(resource.data.get("encrypted"), False) or is_set(resource.data.get("snapshot_id")):
        return
    for default in resources(review, "aws_ebs_encryption_by_default"):
        if truth(default.data.get("enabled"), True):
            return
    yield fails("the storage is not encrypted", "encrypted")
