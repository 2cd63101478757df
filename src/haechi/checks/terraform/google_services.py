"""What Google Cloud's services show to everybody, run with, and have written into them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.placeholders import is_stand_in
from haechi.checks.terraform.google_grants import ANYBODY, Grant, grants, written
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

_WRITES = (
    re.compile(
        r"roles/(?:owner|editor|storage\.(?:admin|objectAdmin|objectCreator|objectUser"
        r"|legacyBucketWriter|legacyBucketOwner|legacyObjectOwner|folderAdmin)"
        r"|artifactregistry\.(?:writer|admin|repoAdmin|createOnPushWriter\w*))\Z"
    ),
)
_INSIDE = ("internal", "internal-and-cloud-load-balancing")
_INSIDE_V2 = (
    "INGRESS_TRAFFIC_INTERNAL_ONLY",
    "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
    "ALLOW_INTERNAL_ONLY",
    "ALLOW_INTERNAL_AND_GCLB",
)
_ACLS = {
    "publicread": "everybody may read",
    "publicreadwrite": "everybody may read and write",
    "authenticatedread": "everybody with any Google account may read",
}
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
_SECRET_NAME = re.compile(
    r"(?:\A|[_.-])(?:passwd|password|passphrase|pwd|secret|secret_?key|private_?key|api_?key"
    r"|access_?key|auth_?token|token|client_?secret|credentials?)\Z",
    re.IGNORECASE,
)
_SECRET_IN_SCRIPT = re.compile(
    r"(?:\b|_)(?:password|passwd|secret|secret_key|api_?key|access_key|auth_?token|token)"
    r"[\"']?\s{0,4}[=:]\s{0,4}[\"']?([^\s\"'$<>(){}\[\]`;|&,]{8,120})",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]{2,12} )?PRIVATE KEY-----")
_LITERALS = {
    "google_sql_user": ("password",),
    "google_sql_database_instance": ("root_password",),
    "google_alloydb_user": ("password",),
    "google_alloydb_cluster": ("initial_user.0.password",),
    "google_secret_manager_secret_version": ("secret_data",),
    "google_secret_manager_regional_secret_version": ("secret_data",),
    "google_compute_vpn_tunnel": ("shared_secret",),
    "google_compute_backend_service": ("iap.0.oauth2_client_secret",),
    "google_compute_region_backend_service": ("iap.0.oauth2_client_secret",),
    "google_compute_disk": ("disk_encryption_key.0.raw_key",),
    "google_compute_region_disk": ("disk_encryption_key.0.raw_key",),
    "google_compute_snapshot": ("snapshot_encryption_key.0.raw_key",),
    "google_compute_image": ("image_encryption_key.0.raw_key",),
    "google_compute_instance": (
        "boot_disk.0.disk_encryption_key_raw",
        "attached_disk.0.disk_encryption_key_raw",
    ),
    "google_identity_platform_default_supported_idp_config": ("client_secret",),
    "google_identity_platform_oauth_idp_config": ("client_secret",),
    "google_container_cluster": ("master_auth.0.password",),
}
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
    "google_composer_environment": (
        "config.0.private_environment_config.0.enable_private_endpoint",
        True,
    ),
}
_OLD = re.compile(
    r"(?:nodejs(?:6|8|10|12|14|16|18)|python3(?:7|8|9)|go1(?:11|12|13|14|15|16|18|19|20|21)"
    r"|java(?:8|11)|ruby(?:2\d|30|31)|php(?:5\d|7\d|81)|dotnet(?:3|6))\Z"
)


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
    for bucket in target(review, "bucket", type_="google_storage_bucket"):
        if text(bucket.data.get("public_access_prevention")) == "enforced":
            return True
    return False


def bucket_acl(review: Review) -> Iterator[Hit]:
    """An ACL for everybody on a bucket or object that heeds ACLs."""
    found = list(_acl_grants(review.resource))
    if not found:
        return
    for bucket in target(review, "bucket", type_="google_storage_bucket"):
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
    """A bucket that keeps logs, out of which they may be deleted."""
    bucket = review.resource
    sinks = [
        sink
        for kind in ("project", "folder", "organization", "billing_account")
        for sink in _sinks_of(review, f"google_logging_{kind}_sink")
    ]
    if not sinks:
        return
    if not truth(value(bucket, "retention_policy.0.is_locked"), False):
        yield fails(f"the logs of {sinks[0].name} may be deleted from it", "retention_policy")


def _sinks_of(review: Review, kind: str) -> list[Resource]:
    """Those that write into the bucket, by reference or by its name."""
    name = review.resource.data.get("name")
    found = linked(review, kind, "destination")
    if not is_unknown(name) and text(name):
        at = f"storage.googleapis.com/{text(name)}"
        found += [
            sink
            for sink in resources(review, kind)
            if not is_unknown(sink.data.get("destination"))
            and text(sink.data.get("destination")) == at
        ]
    return found


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


def service_public(review: Review) -> Iterator[Hit]:
    """Everybody may call a service or function that the internet reaches."""
    for grant in grants(review):
        who = grant.anybody()
        if who and not _is_inside(review):
            yield Hit(f"{ANYBODY[who]} may call it ({who})", grant.member_path)


def _is_inside(review: Review) -> bool:
    kind = review.resource.kind.rpartition("_iam_")[0]
    for name in ("service", "name", "cloud_function"):
        for called in target(review, name, type_=kind):
            data = called.data
            ingress = data.get("ingress") or data.get("ingress_settings")
            ingress = ingress or value(called, "service_config.0.ingress_settings")
            notes = value(called, "metadata.0.annotations") or {}
            said = notes.get("run.googleapis.com/ingress") if isinstance(notes, Mapping) else None
            if text(ingress) in _INSIDE_V2 or text(said) in _INSIDE:
                return True
    return False


def environment_secret(review: Review) -> Iterator[Hit]:
    """A secret as the value of an environment variable."""
    resource = review.resource
    for at in ("environment_variables", "build_environment_variables"):
        yield from _secrets_of_map(resource.data.get(at), (at,))
    for block in blocks(resource, "service_config"):
        at = "environment_variables"
        yield from _secrets_of_map(block.get(at), block.at(at))
    for template in blocks(resource, "template"):
        holders = [template, *blocks(template, "spec"), *blocks(template, "template")]
        for holder in holders:
            for container in blocks(holder, "containers"):
                yield from _secrets_of_blocks(container)


def _secrets_of_map(listed: Any, path: tuple[str | int, ...]) -> Iterator[Hit]:
    if is_unknown(listed) or not isinstance(listed, Mapping):
        return
    for name, content in listed.items():
        if _is_secret(name, content):
            yield Hit(f"the value of {name} is written into the configuration", (*path, name))


def _secrets_of_blocks(container: Block) -> Iterator[Hit]:
    for env in blocks(container, "env"):
        name = env.get("name")
        if not is_unknown(name) and name and _is_secret(str(text(name)), env.get("value")):
            yield Hit(f"the value of {text(name)} is written into the configuration", env.path)


def _is_secret(name: str, content: Any) -> bool:
    if content is None or is_unknown(content) or not _SECRET_NAME.search(name):
        return False
    word = text(content) or ""
    reference = word.startswith(("projects/", "sm://", "gs://", "http://", "https://", "/"))
    return len(word) >= 6 and not reference and not is_stand_in(word)


def script_secret(review: Review) -> Iterator[Hit]:
    """A secret in what a machine runs when it starts, which everybody on it can read."""
    resource = review.resource
    listed = resource.data.get("metadata")
    scripts: dict[tuple[str | int, ...], Any] = {
        ("metadata_startup_script",): resource.data.get("metadata_startup_script")
    }
    if not is_unknown(listed) and isinstance(listed, Mapping):
        scripts |= {("metadata", name): content for name, content in listed.items()}
    for path, script in scripts.items():
        told = written(script) if script is not None else None
        if told and _holds_secret(str(path[-1]), told):
            yield Hit("a secret is written into what the machine is told", path)
            return


def _holds_secret(name: str, script: str) -> bool:
    if _PRIVATE_KEY.search(script):
        return True
    if "\n" not in script and _is_secret(name, script):
        return True
    return any(
        not is_stand_in(word) and "…" not in word for word in _SECRET_IN_SCRIPT.findall(script)
    )


def literal_secret(review: Review) -> Iterator[Hit]:
    """A password or key as a literal."""
    resource = review.resource
    for at in _LITERALS.get(resource.kind, ()):
        found = value(resource, at)
        if found is None or is_unknown(found):
            continue
        word = text(found)
        if word and not is_stand_in(word):
            yield fails(
                f"{at.rpartition('.')[2]} is written into the configuration",
                *(int(s) if s.isdigit() else s for s in at.split(".")),
            )


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
        if name and _OLD.match(name):
            yield fails(f"{name} gets no fixes any more", at.split(".")[0])
            return


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
