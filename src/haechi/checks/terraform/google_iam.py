"""Google Cloud IAM: roles that are too large for where they are granted, outsiders, keys, and whom
workload identity federation lets in.

https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.terraform.google_grants import (
    ANYBODY,
    Grant,
    beginning,
    default_account,
    ending,
    first,
    grants,
    written,
)
from haechi.checks.terraform.view import Hit, blocks, fails, is_unknown, known, text, texts
from haechi.model.review import Review
from haechi.model.unknown import Unknown

_BASIC = ("roles/owner", "roles/editor")
_VIEWER = ("roles/viewer",)
_IMPERSONATION = {
    "roles/iam.serviceAccountUser": "attach every service account to machines of its own",
    "roles/iam.serviceAccountTokenCreator": "take tokens of every service account",
    "roles/iam.serviceAccountKeyAdmin": "make keys of every service account",
    "roles/iam.serviceAccountAdmin": "let itself use every service account",
    "roles/iam.workloadIdentityUser": "act as every service account",
    "roles/iam.serviceAccountOpenIdTokenCreator": "take identity tokens of every service account",
    "roles/dataproc.editor": "run jobs with every service account of a cluster",
    "roles/dataproc.admin": "run jobs with every service account of a cluster",
    "roles/dataflow.developer": "run jobs with the service accounts of workers",
    "roles/deploymentmanager.editor": "make anything as Google's own editor account",
    "roles/cloudbuild.builds.editor": "run builds with the account of Cloud Build",
    "roles/composer.admin": "run code with the service accounts of environments",
    "roles/dataflow.admin": "run jobs with the service accounts of workers",
    "roles/iam.securityAdmin": "grant itself any role",
}
_GRANTING = {
    "roles/resourcemanager.projectIamAdmin": "grant any role in the project",
    "roles/resourcemanager.folderIamAdmin": "grant any role in the folder",
    "roles/resourcemanager.folderAdmin": "grant any role in the folder",
    "roles/resourcemanager.organizationAdmin": "grant any role in the organisation",
    "roles/iam.roleAdmin": "put any permission into roles that are granted",
    "roles/iam.organizationRoleAdmin": "put any permission into roles that are granted",
    "roles/orgpolicy.policyAdmin": "switch off the guard rails of the organisation",
    "roles/iam.workloadIdentityPoolAdmin": "let in identities from elsewhere",
}
_ADMINISTERS = re.compile(r"roles/(?:[\w.]+\.)?(?:\w*Admin|admin)\Z")
_TOLD = frozenset(_BASIC) | frozenset(_IMPERSONATION) | frozenset(_GRANTING)
_PERSONAL = ("@gmail.com", "@googlemail.com")
_SHARED_ISSUERS = (
    "token.actions.githubusercontent.com",
    "gitlab.com",
    "app.terraform.io",
    "api.bitbucket.org",
    "agent.buildkite.com",
    "oidc.circleci.com",
    "accounts.google.com",
    "vstoken.dev.azure.com",
    "oidc.vercel.com",
)
_CLAIMS = re.compile(
    r"(?:assertion|attribute|google)\s*(?:\.|\[\s*['\"])\s*"
    r"(sub(?:ject)?|repository(?:_owner)?(?:_id)?|job_workflow_ref|namespace(?:_id|_path)?"
    r"|project(?:_id|_path)?|organi[sz]ation(?:_id|_name|_slug)?|terraform_\w+|workspaceUuid"
    r"|workspace\w*|repositoryUuid|owner\w*|actor\w*|environment|ref|workflow_ref|aud|email|hd"
    r"|\w*(?:repo|owner|org|project|namespace|group)\w*)",
    re.IGNORECASE,
)
_LITERAL = re.compile(r"['\"]([^'\"]*)['\"]")
_PREFIX = re.compile(
    r"\.(?:sub|subject|repository|repository_owner)\.(?:startsWith|contains)\(\s*['\"]([^'\"]*)['\"]"
)
_REF_ONLY = frozenset({"ref", "aud", "environment", "actor"})
_ESCALATES = (
    (re.compile(r"(?:.*\.)?setIamPolicy\Z"), "grant itself any role there"),
    (re.compile(r"iam\.serviceAccounts\.actAs\Z"), "attach any service account"),
    (
        re.compile(
            r"iam\.serviceAccounts\.(?:getAccessToken|getOpenIdToken|signJwt|signBlob|implicitDelegation)\Z"
        ),
        "act as any service account",
    ),
    (re.compile(r"iam\.serviceAccountKeys\.create\Z"), "make keys of any service account"),
    (re.compile(r"iam\.roles\.update\Z"), "put any permission into its own role"),
    (re.compile(r"deploymentmanager\.deployments\.(?:create|update)\Z"), "deploy as an editor"),
    (re.compile(r"storage\.hmacKeys\.create\Z"), "make keys for other accounts"),
    (re.compile(r"orgpolicy\.policy\.set\Z"), "switch off guard rails"),
)
_AUDITED = ("ADMIN_READ", "DATA_READ", "DATA_WRITE")


def basic_role(review: Review) -> Iterator[Hit]:
    """Owner or editor of a whole project, folder or organisation."""
    yield from _roles(review, dict.fromkeys(_BASIC, "change nearly everything in it"))


def viewer_role(review: Review) -> Iterator[Hit]:
    """Viewer of everything."""
    yield from _roles(review, dict.fromkeys(_VIEWER, "read the settings of all in it"))


def impersonation(review: Review) -> Iterator[Hit]:
    """Roles by which the holder becomes any service account."""
    yield from _roles(review, _IMPERSONATION)


def granting_role(review: Review) -> Iterator[Hit]:
    """Roles that make themselves larger."""
    yield from _roles(review, _GRANTING)


def _roles(review: Review, told: dict[str, str]) -> Iterator[Hit]:
    for grant in grants(review):
        role = grant.is_role(*told)
        if role:
            yield Hit(f"{_who(grant)} may {told[role]} ({role})", grant.role_path)


def _who(grant: Grant) -> str:
    members = grant.members
    if is_unknown(members):
        return written(members) or "who has it"
    listed = members if isinstance(members, list) else [members]
    named = [name for one in listed if one is not None and (name := written(one))]
    if not named:
        return "who has it"
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def administering_account(review: Review) -> Iterator[Hit]:
    """A service account that administers a service of the whole project."""
    for grant in grants(review):
        role = text(grant.role)
        if not role or role in _TOLD or not _ADMINISTERS.match(role):
            continue
        account = next((m for m in grant.each() if _is_service_account(m)), None)
        if account is not None:
            yield Hit(f"{written(account)} has {role}", grant.role_path)


def _is_service_account(member: Any) -> bool:
    if isinstance(member, Unknown) and not member.parts:
        return any(".google_service_account." in f".{one.address}" for one in member.refs)
    return beginning(member).startswith("serviceAccount:")


def default_account_member(review: Review) -> Iterator[Hit]:
    """A role for the account that every machine and function has by default."""
    for grant in grants(review):
        service = first(grant.each(), _default_of)
        if service:
            role = written(grant.role) or "a role"
            yield Hit(f"{service}'s default service account has {role}", grant.member_path)


def _default_of(member: Any) -> str | None:
    service = default_account(member)
    if service is None and is_unknown(member) and not member.given and not member.parts:
        known(member)
    return service


def personal_account(review: Review) -> Iterator[Hit]:
    """A private account, which the company can neither lock nor ask for a second factor."""
    for grant in grants(review):
        for member in grant.each():
            if not is_unknown(member) and ending(member).endswith(_PERSONAL):
                yield Hit(f"{text(member)} is a private account", grant.member_path)
                break


def single_user(review: Review) -> Iterator[Hit]:
    """Rights that are given to a person by name."""
    for grant in grants(review):
        for member in grant.each():
            if beginning(member).startswith("user:"):
                yield Hit(f"{written(member)} holds it in person", grant.member_path)
                break


def public(review: Review) -> Iterator[Hit]:
    """Everybody is a member."""
    for grant in grants(review):
        who = grant.anybody()
        if who:
            role = written(grant.role) or "a role that is not known"
            yield Hit(f"{ANYBODY[who]} has {role} ({who})", grant.member_path)


def wide_pool(review: Review) -> Iterator[Hit]:
    """Every identity of a workload identity pool."""
    for grant in grants(review):
        for member in grant.each():
            if beginning(member).startswith("principalSet:") and ending(member).endswith("/*"):
                if not is_unknown(member) and "workloadIdentityPools" not in str(member):
                    continue
                yield Hit("whoever the pool lets in has it", grant.member_path)
                break


def federation_without_condition(review: Review) -> Iterator[Hit]:
    """A pool that trusts an issuer whose tokens anybody can get."""
    resource = review.resource
    issuer = _shared_issuer(review)
    if issuer and resource.data.get("attribute_condition") is None:
        yield fails(f"whoever gets a token of {issuer} is let in", "attribute_condition")


def _shared_issuer(review: Review) -> str | None:
    for block in blocks(review.resource, "oidc"):
        uri = block.get("issuer_uri")
        told = written(uri) if is_unknown(uri) else text(uri)
        for issuer in _SHARED_ISSUERS:
            if told and issuer in told:
                return issuer
        if is_unknown(uri):
            known(uri)
    return None


def federation_wide(review: Review) -> Iterator[Hit]:
    """A condition that lets strangers in, too."""
    issuer = _shared_issuer(review)
    condition = review.resource.data.get("attribute_condition")
    if not issuer or condition is None:
        return
    told = written(condition) if is_unknown(condition) else text(condition)
    if is_unknown(condition) and not condition.parts:
        known(condition)
    fault = _wide(told or "")
    if fault:
        yield fails(fault, "attribute_condition")


def _wide(condition: str) -> str | None:
    if condition.strip().lower() in ("", "true", "1 == 1"):
        return "the condition is always true"
    claims = {claim.lower() for claim in _CLAIMS.findall(condition)}
    if not claims - _REF_ONLY:
        return "the condition does not say whose repositories or projects"
    prefix = _PREFIX.search(condition)
    if prefix and "/" not in prefix[1].removeprefix("repo:"):
        return f"{prefix[1]!r} is the beginning of strangers' names, too"
    literals = _LITERAL.findall(condition)
    if literals and all(_is_open(literal) for literal in literals):
        return f"{literals[0]!r} is everybody's"
    return None


def _is_open(literal: str) -> bool:
    rest = re.sub(r"\A(?:repo|project_path|organization)?:?", "", literal)
    return rest.strip("^$") in ("", "*", ".*", ".+", "*/*", "*:*")


def custom_role(review: Review) -> Iterator[Hit]:
    """A role of one's own that makes itself larger."""
    for permission in texts(review.resource.data.get("permissions")):
        for pattern, what in _ESCALATES:
            if pattern.match(permission):
                yield fails(f"who has it may {what} ({permission})", "permissions")
                return


def audit_exemption(review: Review) -> Iterator[Hit]:
    """Members whose reads nobody writes down."""
    for block in blocks(review.resource, "audit_log_config"):
        members = block.get("exempted_members")
        if members:  # a list that is not known may be empty
            told = _first_text(members)
            yield Hit(f"what {told or 'some'} do is not recorded", block.at("exempted_members"))
            return


def _first_text(members: Any) -> str | None:
    listed = members if isinstance(members, list) else [members]
    return written(listed[0]) if listed else None


def audit_incomplete(review: Review) -> Iterator[Hit]:
    """An audit configuration for all services that leaves a kind of access out."""
    if text(review.resource.data.get("service")) != "allServices":
        return
    kinds = {text(b.get("log_type")) for b in blocks(review.resource, "audit_log_config")}
    missing = [kind for kind in _AUDITED if kind not in kinds]
    if missing:
        yield fails(f"{', '.join(missing)} is not recorded", "audit_log_config")
