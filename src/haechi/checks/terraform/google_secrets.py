"""Secrets that are written into Google Cloud's resources: environment variables, what machines are
told when they start, passwords and keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.placeholders import is_stand_in
from haechi.checks.terraform.google_grants import written
from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_unknown,
    text,
    value,
)
from haechi.model.review import Review

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
