"""AWS IAM: what policies grant, who may take a role, and how people sign in.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.terraform.view import (
    Condition,
    Hit,
    Statement,
    blocks,
    documents,
    fails,
    is_unknown,
    linked,
    number,
    target,
    text,
    texts,
)
from haechi.model.review import Review
from haechi.model.unknown import Unknown

_GITHUB = "token.actions.githubusercontent.com"
_ISSUERS = (_GITHUB, "gitlab.com", "app.terraform.io", "api.bitbucket.org", "agent.buildkite.com")
_ESCALATIONS = (
    (("iam:CreatePolicyVersion",), "rewrite a policy that it has"),
    (("iam:SetDefaultPolicyVersion",), "switch to another version of a policy that it has"),
    (("iam:AttachUserPolicy",), "attach any policy to a user"),
    (("iam:AttachRolePolicy",), "attach any policy to a role"),
    (("iam:AttachGroupPolicy",), "attach any policy to a group"),
    (("iam:PutUserPolicy",), "write a policy for a user"),
    (("iam:PutRolePolicy",), "write a policy for a role"),
    (("iam:PutGroupPolicy",), "write a policy for a group"),
    (("iam:CreateAccessKey",), "make keys of other users"),
    (("iam:CreateLoginProfile",), "set the password of other users"),
    (("iam:UpdateLoginProfile",), "change the password of other users"),
    (("iam:UpdateAssumeRolePolicy",), "let itself take any role"),
    (("iam:AddUserToGroup",), "join any group"),
    (("iam:PassRole", "lambda:CreateFunction"), "run a function with any role"),
    (("iam:PassRole", "ec2:RunInstances"), "start a machine with any role"),
    (("iam:PassRole", "ecs:RunTask"), "run a task with any role"),
    (("iam:PassRole", "cloudformation:CreateStack"), "make a stack with any role"),
    (("iam:PassRole", "glue:CreateJob"), "run a Glue job with any role"),
    (("iam:PassRole", "glue:CreateDevEndpoint"), "sign in to a Glue endpoint with any role"),
    (("iam:PassRole", "sagemaker:CreateNotebookInstance"), "open a notebook with any role"),
    (("iam:PassRole", "codebuild:CreateProject"), "run a build with any role"),
    (("iam:PassRole", "datapipeline:CreatePipeline"), "run a pipeline with any role"),
    (("lambda:UpdateFunctionCode",), "run its own code with the role of any function"),
    (("glue:UpdateDevEndpoint",), "sign in with the role of any Glue endpoint"),
    (("ssm:SendCommand",), "run commands with the role of any machine"),
)
_WIDE = re.compile(r"(?:repo:|project_path:)[^*/:]+/\*")
_EXFILTRATION = (
    "s3:GetObject",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "dynamodb:Scan",
)
_PERMISSION_SET = "aws_ssoadmin_permission_set_inline_policy"
_ADMIN_ARNS = (
    "arn:aws:iam::aws:policy/AdministratorAccess",
    "arn:aws-cn:iam::aws:policy/AdministratorAccess",
    "arn:aws-us-gov:iam::aws:policy/AdministratorAccess",
)


_BOUNDS = (
    ("aws_iam_role", "permissions_boundary"),
    ("aws_iam_user", "permissions_boundary"),
    (
        "aws_ssoadmin_permissions_boundary_attachment",
        "permissions_boundary.customer_managed_policy_reference.name",
    ),
)
_ATTACHES = (
    ("aws_iam_role_policy_attachment", "policy_arn"),
    ("aws_iam_user_policy_attachment", "policy_arn"),
    ("aws_iam_group_policy_attachment", "policy_arn"),
    ("aws_iam_policy_attachment", "policy_arn"),
    ("aws_iam_role", "managed_policy_arns"),
    ("aws_iam_role_policy_attachments_exclusive", "policy_arns"),
    ("aws_iam_user_policy_attachments_exclusive", "policy_arns"),
    ("aws_iam_group_policy_attachments_exclusive", "policy_arns"),
    (
        "aws_ssoadmin_customer_managed_policy_attachment",
        "customer_managed_policy_reference.name",
    ),
)
_BOUNDARY = re.compile(r"bound(?:ary|aries)", re.IGNORECASE)


def only_bounds(review: Review) -> bool:
    """Whether a policy is a permissions boundary: it limits what others grant, and grants nothing.
    One that is attached, too, grants; one that nothing here uses is what its name says."""
    resource = review.resource
    if resource.kind != "aws_iam_policy":
        return False
    if any(linked(review, type_, attribute) for type_, attribute in _ATTACHES):
        return False
    if any(linked(review, type_, attribute) for type_, attribute in _BOUNDS):
        return True
    named = [resource.name.rpartition(".")[2]]
    for one in (resource.data.get(name) for name in ("name", "name_prefix")):
        parts = one.parts if isinstance(one, Unknown) else (one,)
        named += [part for part in parts if type(part) is str]
    return any(_BOUNDARY.search(word) for word in named)


def _granting(review: Review) -> Iterator[Statement]:
    """The statements of every policy that a resource holds."""
    if only_bounds(review):
        return
    resource = review.resource
    yield from documents(resource, "policy")
    if resource.kind == _PERMISSION_SET:
        yield from documents(resource, "inline_policy")
        return
    for block in blocks(resource, "inline_policy"):
        yield from documents(block, "policy")


def admin(review: Review) -> Iterator[Hit]:
    """Everything on everything."""
    for statement in _granting(review):
        if statement.is_admin:
            yield Hit("grants every action on every resource", statement.path)
            return


def whole_service(review: Review) -> Iterator[Hit]:
    """Every action of a service on all of its resources."""
    for statement in _granting(review):
        if not statement.allows or not statement.has_all_resources or statement.is_admin:
            continue
        for action in statement.actions:
            if not is_unknown(action) and str(action).endswith(":*"):
                yield Hit(f"grants {action} on every resource", statement.path)
                return


def escalation(review: Review) -> Iterator[Hit]:
    """Rights that make themselves larger."""
    granted = [
        one
        for one in _granting(review)
        if one.allows and one.has_all_resources and not one.conditions
    ]
    if any(one.is_admin for one in granted):
        return  # there is nothing more to get
    for actions, what in _ESCALATIONS:
        holders = [next((one for one in granted if one.can(action)), None) for action in actions]
        if all(holders) and holders[0] is not None:
            yield Hit(f"who has it may {what} ({', '.join(actions)})", holders[0].path)
            return


def pass_any_role(review: Review) -> Iterator[Hit]:
    """Any role may be handed to any service. Together with what starts something it is
    ``escalation``'s."""
    if any(escalation(review)):
        return
    for statement in _granting(review):
        if not statement.allows or statement.is_admin or statement.has_action("*", "iam:*"):
            continue
        if statement.not_actions or not statement.can("iam:PassRole"):
            continue
        if statement.has_all_resources and not statement.condition("iam:PassedToService"):
            yield Hit("any role of the account may be handed to any service", statement.path)
            return


def not_action(review: Review) -> Iterator[Hit]:
    """Allow with NotAction grants what is invented tomorrow."""
    for statement in _granting(review):
        if statement.allows and statement.not_actions and statement.has_all_resources:
            yield Hit("grants everything but what it names", statement.path)
            return


def data_of_all(review: Review) -> Iterator[Hit]:
    """Reading data or secrets of the whole account."""
    for statement in _granting(review):
        if not statement.allows or not statement.has_all_resources or statement.conditions:
            continue
        if statement.is_admin or statement.has_action("*"):
            continue
        named = [a for a in _EXFILTRATION if statement.can(a) and not _is_whole(statement, a)]
        if named:
            yield Hit(f"{', '.join(named)} on every resource of the account", statement.path)
            return


def _is_whole(statement: Statement, action: str) -> bool:
    """``s3:*`` is told by ``whole_service``."""
    return statement.has_action(f"{action.partition(':')[0]}:*")


def role_for_anybody(review: Review) -> Iterator[Hit]:
    """A role that every AWS account may take."""
    for statement in documents(review.resource, "assume_role_policy"):
        if statement.is_public:
            yield Hit("whoever has any AWS account may take it", statement.path)
            return


def federated_without_subject(review: Review) -> Iterator[Hit]:
    """A role for pipelines of a public service that does not say whose pipelines."""
    for statement in documents(review.resource, "assume_role_policy"):
        if not statement.allows:
            continue
        for principal in statement.principals:
            issuer = _issuer(review, principal.kind, principal.id)
            if issuer and not _names_subject(statement, issuer):
                yield Hit(f"every pipeline of {issuer} may take it", statement.path)
                return


def wide_subject(review: Review) -> Iterator[Hit]:
    """All repositories of an organisation may take a role, though one of them has to."""
    for statement in documents(review.resource, "assume_role_policy"):
        if not statement.allows:
            continue
        for condition in statement.conditions:
            if not condition.key.lower().endswith(":sub"):
                continue
            for subject in condition.values:
                if not is_unknown(subject) and _WIDE.match(str(subject)):
                    yield Hit(f"{subject} is every repository of the organisation", statement.path)
                    return


def _issuer(review: Review, kind: str, id_: object) -> str:
    if kind != "Federated":
        return ""
    said = ""
    if is_unknown(id_):
        for provider in target(
            review, "assume_role_policy", type_="aws_iam_openid_connect_provider"
        ):
            said += text(provider.data.get("url")) or ""
        said += "".join(part for part in getattr(id_, "parts", ()) if type(part) is str)
    else:
        said = str(id_)
    return next((issuer for issuer in _ISSUERS if issuer in said), "")


def _names_subject(statement: Statement, issuer: str) -> bool:
    for condition in statement.conditions:
        key = condition.key.lower()
        if key.startswith(issuer) and not key.endswith(":aud"):
            return all(_is_narrow(condition, value) for value in condition.values)
    return False


def _is_narrow(condition: Condition, value: object) -> bool:
    """``repo:*`` and ``repo:*/shop:*`` name nobody."""
    if is_unknown(value):
        return True
    if not condition.operator.lower().endswith("like"):
        return True
    subject = str(value).removeprefix("repo:").removeprefix("project_path:")
    return not subject.startswith("*")


def foreign_account(review: Review) -> Iterator[Hit]:
    """Another company's account may take the role, and nothing tells its customers apart."""
    for statement in documents(review.resource, "assume_role_policy"):
        if not statement.allows or statement.conditions:
            continue
        for principal in statement.principals:
            if principal.kind == "AWS" and not is_unknown(principal.id):
                name = str(principal.id)
                if name.endswith(":root") or name.isdigit():
                    yield Hit(f"all of {name} may take it, without an external id", statement.path)
                    return


def administrator_attached(review: Review) -> Iterator[Hit]:
    """AWS's own AdministratorAccess, attached."""
    resource = review.resource
    for name in ("policy_arn", "managed_policy_arns", "policy_arns", "managed_policy_arn"):
        for arn in texts(resource.data.get(name)):
            if arn in _ADMIN_ARNS:
                yield fails("AdministratorAccess is attached", name)
                return


def access_key(review: Review) -> Iterator[Hit]:
    """A key that lives in the state for ever."""
    if (text(review.resource.data.get("status")) or "Active") == "Active":
        said = "" if review.resource.data.get("pgp_key") is not None else ", in clear in the state"
        yield fails(f"a key without an end is made{said}")


def weak_passwords(review: Review) -> Iterator[Hit]:
    """The account's rules for passwords."""
    data = review.resource.data
    length = number(data.get("minimum_password_length"), 6) or 6
    if length < 14:
        yield fails(f"passwords of {int(length)} characters are enough", "minimum_password_length")
    reuse = number(data.get("password_reuse_prevention"), 0) or 0
    if reuse < 1:
        yield fails("an old password may be used again", "password_reuse_prevention")
