"""What a role of AWS may do, gathered from everything that gives it rights; and who runs with it.

A role's rights are written in five places: inline, in ``aws_iam_role_policy``, in policies of the
account that an attachment names, in AWS's own policies, and in ``managed_policy_arns``. A machine
or function that anybody can talk to and that runs as an administrator is the whole account's end.
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.terraform.view import (
    Hit,
    blocks,
    documents,
    fails,
    linked,
    target,
    texts,
)
from haechi.errors import NotEvaluated
from haechi.model.resource import Resource
from haechi.model.review import Review

ROLE = "aws_iam_role"
_POLICY = "aws_iam_policy"
_ADMINISTRATOR = ":iam::aws:policy/AdministratorAccess"
_USES = {
    "aws_lambda_function": "role",
    "aws_codebuild_project": "service_role",
    "aws_ecs_task_definition": "task_role_arn",
    "aws_apprunner_service": "instance_configuration.instance_role_arn",
    "aws_sagemaker_notebook_instance": "role_arn",
    "aws_glue_job": "role_arn",
    "aws_batch_job_definition": "container_properties",
    "aws_eks_node_group": "node_role_arn",
    "aws_sfn_state_machine": "role_arn",
    "aws_cloudformation_stack": "iam_role_arn",
    "aws_emr_cluster": "ec2_attributes.instance_profile",
    "aws_instance": "iam_instance_profile",
    "aws_launch_template": "iam_instance_profile.name",
    "aws_launch_configuration": "iam_instance_profile",
}
_PROFILE = "aws_iam_instance_profile"


def runs_as_administrator(review: Review) -> Iterator[Hit]:
    """A machine, function, task or job whose role may do everything in the account."""
    attribute = _USES[review.resource.kind]
    for role in _roles(review, attribute):
        why = administrator(review, role)
        if why:
            first = attribute.partition(".")[0]
            yield fails(
                f"{role.name} may do everything in the account ({why})",
                first,
                evidence={"role": role.name},
            )
            return


def _roles(review: Review, attribute: str) -> Iterator[Resource]:
    yield from target(review, attribute, type_=ROLE)
    names = [attribute]
    if attribute.endswith(".name"):
        names.append(attribute.removesuffix("name") + "arn")
    for name in names:
        for profile in target(review, name, type_=_PROFILE):
            yield from target(review, "role", about=profile, type_=ROLE)


def administrator(review: Review, role: Resource) -> str:
    """By what a role may do everything; empty when by nothing that is known."""
    doubt: NotEvaluated | None = None
    for look in (_inline, _managed, _attached):
        try:
            found = look(review, role)
        except NotEvaluated as error:
            doubt = doubt or error
            continue
        if found:
            return found
    if doubt is not None:
        raise doubt
    return ""


def _inline(review: Review, role: Resource) -> str:
    for block in blocks(role, "inline_policy"):
        if any(statement.is_admin for statement in documents(block, "policy")):
            return "an inline policy"
    for policy in linked(review, "aws_iam_role_policy", "role", about=role):
        if any(statement.is_admin for statement in documents(policy, "policy")):
            return policy.name
    return ""


def _managed(review: Review, role: Resource) -> str:
    if any(arn.endswith(_ADMINISTRATOR) for arn in texts(role.data.get("managed_policy_arns"))):
        return "AdministratorAccess"
    return ""


def _attached(review: Review, role: Resource) -> str:
    attachments = [
        *linked(review, "aws_iam_role_policy_attachment", "role", about=role),
        *linked(review, "aws_iam_policy_attachment", "roles", about=role),
    ]
    for attachment in attachments:
        for policy in target(review, "policy_arn", about=attachment, type_=_POLICY):
            if any(statement.is_admin for statement in documents(policy, "policy")):
                return policy.name
        arn = attachment.data.get("policy_arn")
        if any(word.endswith(_ADMINISTRATOR) for word in texts(arn)):
            return "AdministratorAccess"
    return ""
