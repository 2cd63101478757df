"""Amazon ECS, EKS, ECR and AWS Batch: containers that are the machine, tasks, repositories.

Containers stand as JSON in one attribute, so their findings point there.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.checks.terraform.aws_secrets import containers
from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    is_set,
    is_unknown,
    known,
    open_to_world,
    resources,
    target,
    text,
    texts,
    truth,
    value,
)
from haechi.model.review import Review

_POWERS = frozenset(
    {
        "ALL",
        "SYS_ADMIN",
        "SYS_MODULE",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "DAC_READ_SEARCH",
        "BPF",
        "NET_ADMIN",
    }
)
_HOST = ("/", "/etc", "/root", "/var/run/docker.sock", "/run/docker.sock", "/var/run", "/run")
_HOST_BELOW = ("/var/lib/docker", "/var/run/containerd", "/run/containerd", "/proc", "/sys")
_LOGS = "enabled_cluster_log_types"


def privileged(review: Review) -> Iterator[Hit]:
    """A container with all rights of the machine."""
    for container, path in containers(review):
        if truth(container.get("privileged"), False):
            yield Hit(f"{_named(container)} has all rights of the machine", path)


def _named(container: dict[str, Any]) -> str:
    name = container.get("name")
    word = "" if name is None or is_unknown(name) else text(name) or ""
    return f"container {word}" if word else "a container"


def capabilities(review: Review) -> Iterator[Hit]:
    """A container with rights of the kernel that lead to the machine."""
    for container, path in containers(review):
        linux = container.get("linuxParameters")
        if linux is None:
            continue
        added = (known(linux).get("capabilities") or {}).get("add")
        found = sorted(_POWERS & {one.upper().removeprefix("CAP_") for one in texts(added)})
        if found:
            yield Hit(f"{_named(container)} has {', '.join(found)}", path)


def host_paths(review: Review) -> Iterator[Hit]:
    """Folders of the machine inside of a task."""
    for volume in blocks(review.resource, "volume", possible=True):
        place = (text(volume.get("host_path")) or "").rstrip("/") or text(volume.get("host_path"))
        if place and (place in _HOST or place.startswith(_HOST_BELOW)):
            yield Hit(f"{place} of the machine is inside of the task", volume.at("host_path"))


def plain_files(review: Review) -> Iterator[Hit]:
    """Files that travel in clear between a task and EFS."""
    for volume in blocks(review.resource, "volume", possible=True):
        for block in blocks(volume, "efs_volume_configuration"):
            if (text(block.get("transit_encryption")) or "DISABLED") != "ENABLED":
                yield Hit("files travel in clear", block.at("transit_encryption"))


def one_role(review: Review) -> Iterator[Hit]:
    """One role for what ECS does and for what the program does."""
    data = review.resource.data
    task, execution = data.get("task_role_arn"), data.get("execution_role_arn")
    if task is None or execution is None:
        return
    if is_unknown(task) or is_unknown(execution):
        mine = {one.address for one in getattr(task, "refs", ())} if is_unknown(task) else set()
        other = getattr(execution, "refs", ()) if is_unknown(execution) else ()
        same = bool(mine & {one.address for one in other})
        if not same and not (mine or other):
            known(task), known(execution)
    else:
        same = text(task) == text(execution) and bool(text(task))
    if same:
        yield fails("the program may do what only ECS has to", "task_role_arn")


def open_endpoint(review: Review) -> Iterator[Hit]:
    """The API server of EKS for the whole internet: the default."""
    for block in blocks(review.resource, "vpc_config"):
        if not truth(block.get("endpoint_public_access"), True):
            return
        cidrs = block.get("public_access_cidrs")
        if cidrs is None or cidrs == []:
            yield Hit("the whole internet reaches its API", block.at("public_access_cidrs"))
            return
        found = open_to_world(cidrs)
        if found:
            yield Hit(f"{found} reaches its API", block.at("public_access_cidrs"))


def no_audit(review: Review) -> Iterator[Hit]:
    """Nobody writes down what is asked of the API server."""
    if "audit" not in texts(review.resource.data.get(_LOGS)):
        yield fails("nobody writes down who asks what of its API", _LOGS)


def plain_secrets(review: Review) -> Iterator[Hit]:
    """Secrets in etcd without a key of KMS, in versions that do not do so by themselves."""
    version = text(review.resource.data.get("version"))
    if version is None or _minor(version) >= 28:
        return
    for block in blocks(review.resource, "encryption_config"):
        if "secrets" in texts(block.get("resources")):
            return
    yield fails("Secrets are kept without a key of KMS", "encryption_config")


def _minor(version: str) -> int:
    step = version.partition(".")[2].partition(".")[0]
    return int(step) if step.isdigit() else 99


def node_ssh(review: Review) -> Iterator[Hit]:
    """SSH to the nodes for the whole internet: what EKS makes of a key without a group."""
    for block in blocks(review.resource, "remote_access"):
        if is_set(block.get("ec2_ssh_key")) and not is_set(block.get("source_security_group_ids")):
            yield Hit("SSH to its nodes is open to the internet", block.at("ec2_ssh_key"))


def public_nodes(review: Review) -> Iterator[Hit]:
    """Nodes with public addresses."""
    for subnet in target(review, "subnet_ids", type_="aws_subnet"):
        if truth(subnet.data.get("map_public_ip_on_launch"), False):
            yield fails(f"its nodes get public addresses in {subnet.name}", "subnet_ids")
            return


def cluster_admin(review: Review) -> Iterator[Hit]:
    """The right over all of a cluster for a whole account or for a user's keys."""
    data = review.resource.data
    policy = text(data.get("policy_arn")) or ""
    if not policy.endswith("/AmazonEKSClusterAdminPolicy"):
        return
    if text(value(review.resource, "access_scope.0.type")) != "cluster":
        return
    principal = data.get("principal_arn")
    if target(review, "principal_arn", type_="aws_iam_user"):
        yield fails("a user with lasting keys may do everything in the cluster", "principal_arn")
    elif principal is not None and not is_unknown(principal):
        word = text(principal) or ""
        if word.endswith(":root") or ":user/" in word:
            yield fails(f"{word} may do everything in the cluster", "principal_arn")


def no_scan(review: Review) -> Iterator[Hit]:
    """Images that nobody looks through, neither on push nor by the registry's own setting."""
    if truth(value(review.resource, "image_scanning_configuration.0.scan_on_push"), False):
        return
    for registry in resources(review, "aws_ecr_registry_scanning_configuration"):
        for _ in blocks(registry, "rule"):
            return
    yield fails(
        "images are not looked through for known holes",
        "image_scanning_configuration",
    )
