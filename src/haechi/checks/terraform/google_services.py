"""Google Cloud's services: who may call them, what they run on, guard rails that are lifted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from haechi.checks.terraform.google_grants import ANYBODY, declared, grants, written
from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    number,
    text,
    truth,
    value,
)
from haechi.model.review import Review
from haechi.rules.tables import ended_release

_QUARTER = 90 * 86_400
_INSIDE = ("internal", "internal-and-cloud-load-balancing")
_INSIDE_V2 = (
    "INGRESS_TRAFFIC_INTERNAL_ONLY",
    "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
    "ALLOW_INTERNAL_ONLY",
    "ALLOW_INTERNAL_AND_GCLB",
)
_RAILS = (
    "iam.disableServiceAccountKeyCreation",
    "iam.disableServiceAccountKeyUpload",
    "iam.managed.disableServiceAccountKeyCreation",
    "iam.managed.disableServiceAccountKeyUpload",
    "iam.automaticIamGrantsForDefaultServiceAccounts",
    "iam.managed.preventPrivilegedBasicRolesForDefaultServiceAccounts",
    "iam.allowedPolicyMemberDomains",
    "iam.managed.allowedPolicyMembers",
    "storage.publicAccessPrevention",
    "storage.uniformBucketLevelAccess",
    "compute.requireOsLogin",
    "compute.requireShieldedVm",
    "compute.skipDefaultNetworkCreation",
    "compute.vmExternalIpAccess",
    "compute.disableSerialPortAccess",
    "sql.restrictPublicIp",
    "sql.restrictAuthorizedNetworks",
)
_PRIVATE = {
    "google_dataproc_cluster": ("cluster_config.0.gce_cluster_config.0.internal_ip_only", True),
    "google_notebooks_instance": ("no_public_ip", True),
    "google_workbench_instance": ("gce_setup.0.disable_public_ip", True),
    "google_notebooks_runtime": (
        "virtual_machine.0.virtual_machine_config.0.internal_ip_only",
        True,
    ),
    "google_data_fusion_instance": ("private_instance", True),
    "google_cloudbuild_worker_pool": ("worker_config.0.no_external_ip", True),
    "google_dataflow_job": ("ip_configuration", "WORKER_IP_PRIVATE"),
    "google_dataflow_flex_template_job": ("ip_configuration", "WORKER_IP_PRIVATE"),
}
_RUNTIME = re.compile(r"(nodejs|python|go|ruby|php|dotnet)(\d)(\d*)\Z")
_LANGUAGES = {
    "nodejs": "Node.js",
    "python": "Python",
    "go": "Go",
    "ruby": "Ruby",
    "php": "PHP",
    "dotnet": ".NET",
}
"""Google keeps a runtime up as long as the language's own makers do."""
_JAVA = {"java8": "2024-01-31", "java11": "2024-10-31"}
"""https://docs.cloud.google.com/functions/docs/runtime-support"""


def service_public(review: Review) -> Iterator[Hit]:
    """Everybody may call a service or function that the internet reaches."""
    for grant in grants(review):
        who = grant.anybody()
        if who and not _is_inside(review):
            yield Hit(f"{ANYBODY[who]} may call it ({who})", grant.member_path)


def _is_inside(review: Review) -> bool:
    kind = review.resource.kind.rpartition("_iam_")[0]
    for name in ("service", "name", "cloud_function"):
        for called in declared(review, name, kind):
            data = called.data
            ingress = data.get("ingress") or data.get("ingress_settings")
            ingress = ingress or value(called, "service_config.0.ingress_settings")
            notes = value(called, "metadata.0.annotations") or {}
            said = notes.get("run.googleapis.com/ingress") if isinstance(notes, Mapping) else None
            if text(ingress) in _INSIDE_V2 or text(said) in _INSIDE:
                return True
    return False


def public_address(review: Review) -> Iterator[Hit]:
    """A machine of a service gets a public address."""
    resource = review.resource
    at, wanted = _PRIVATE[resource.kind]
    found = value(resource, at)
    fine = truth(found, False) if wanted is True else text(found) == wanted
    if not fine:
        yield fails("its machines are given public addresses", *at.split(".")[:1])


def old_runtime(review: Review) -> Iterator[Hit]:
    """A runtime whose holes nobody mends."""
    resource = review.resource
    for at in ("runtime", "build_config.0.runtime"):
        name = text(value(resource, at))
        since = _ended(name) if name else ""
        if since:
            yield fails(f"{name} has had no fixes since {since}", at.split(".")[0])
            return


def _ended(name: str) -> str:
    """The day after which a runtime such as ``python39`` got no fixes; empty when it gets them."""
    found = _RUNTIME.match(name)
    if found is None:
        return _JAVA.get(name, "")
    language, first, rest = found.groups()
    version = first + rest if language == "nodejs" else f"{first}.{rest or 0}"
    if language == "dotnet" and rest == "0":
        version = "10.0"
    end = ended_release(_LANGUAGES[language], version)
    return str(end.date) if end else ""


def guard_rail_off(review: Review) -> Iterator[Hit]:
    """A constraint of the organisation policy that is lifted."""
    resource = review.resource
    named = resource.data.get("constraint") or resource.data.get("name")
    name = (written(named) or "").rpartition("/")[2]
    if name not in _RAILS:
        return
    off = [
        (block.at("enforced"), truth(block.get("enforced"), False) is False)
        for block in blocks(resource, "boolean_policy")
    ]
    for policy in blocks(resource, "list_policy"):
        off += [
            (block.at("all"), truth(block.get("all"), False)) for block in blocks(policy, "allow")
        ]
    for spec in blocks(resource, "spec"):
        for rule in blocks(spec, "rules"):
            if rule.get("condition") is not None:
                continue  # an exception for what carries a tag
            off.append((rule.at("enforce"), text(rule.get("enforce")) in ("FALSE", "false")))
            off.append((rule.at("allow_all"), text(rule.get("allow_all")) in ("TRUE", "true")))
    for path, is_off in off:
        if is_off:
            yield Hit(f"{name} is not enforced", path)
            return


def open_pull_requests(review: Review) -> Iterator[Hit]:
    """A build that anybody starts by a pull request."""
    for name in ("github", "repository_event_config"):
        for block in blocks(review.resource, name):
            for request in blocks(block, "pull_request"):
                if (text(request.get("comment_control")) or "COMMENTS_DISABLED") == (
                    "COMMENTS_DISABLED"
                ):
                    yield Hit("every pull request is built at once", request.path)
                    return


def slow_rotation(review: Review) -> Iterator[Hit]:
    """A key that is not changed within 90 days."""
    data = review.resource.data
    if (text(data.get("purpose")) or "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
        return  # other keys cannot be changed by themselves
    period = text(data.get("rotation_period"))
    if period is None:
        yield fails("it is never changed by itself", "rotation_period")
        return
    seconds = number(period.removesuffix("s"))
    if seconds is None or not period.endswith("s") or seconds > _QUARTER:
        yield fails(f"it is changed every {period}", "rotation_period")
