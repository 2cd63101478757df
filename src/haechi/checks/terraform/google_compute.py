"""Compute Engine: with whose rights machines run, how people get onto them, how they begin.

Metadata decides much, and its values are texts (``"TRUE"``): a machine's own come before the
project's. https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.terraform.google_grants import default_account
from haechi.checks.terraform.google_network import public_addresses
from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    is_unknown,
    known,
    resources,
    text,
    texts,
    truth,
    value,
)
from haechi.model.resource import Resource
from haechi.model.review import Review

_ALL_SCOPES = ("cloud-platform", "https://www.googleapis.com/auth/cloud-platform")
_PROJECT = "google_compute_project_metadata"
_ITEM = "google_compute_project_metadata_item"


def _metadata(resource: Resource, key: str) -> Any:
    """A value of the metadata; None when it is not named."""
    listed = resource.data.get("metadata")
    if listed is None:
        return None
    found = known(listed)
    return found.get(key) if isinstance(found, Mapping) else None


def _project_says(review: Review, key: str) -> Any:
    """What the project's metadata says, as far as it is declared here."""
    for project in resources(review, _PROJECT):
        found = _metadata(project, key)
        if found is not None:
            return found
    for item in resources(review, _ITEM):
        if text(item.data.get("key")) == key:
            return item.data.get("value")
    return None


def public_ip(review: Review) -> Iterator[Hit]:
    """A machine with a public address."""
    for path in public_addresses(review.resource):
        yield Hit("it is given a public address", path)
        return


def _account(resource: Resource) -> Iterator[tuple[str, tuple[str | int, ...], bool]]:
    """The default account that a machine runs with: its name, where, and with every scope."""
    for block in blocks(resource, "service_account"):
        email = block.get("email")
        unnamed = email is None or (not is_unknown(email) and not text(email))
        service = "Compute Engine" if unnamed else default_account(email)
        if service is None:
            if is_unknown(email) and not email.given and not email.parts:
                known(email)
            continue
        yield service, block.path, any(s in _ALL_SCOPES for s in texts(block.get("scopes")))


def default_service_account(review: Review) -> Iterator[Hit]:
    """The account that every machine has by default, with fewer scopes than all."""
    for service, path, full in _account(review.resource):
        if not full:
            yield Hit(f"it runs as {service}'s default service account", path)


def full_access(review: Review) -> Iterator[Hit]:
    """The default account with every scope: an editor of the project."""
    for service, path, full in _account(review.resource):
        if full:
            yield Hit(
                f"it runs as {service}'s default service account with every scope",
                (*path, "scopes"),
            )


def serial_port(review: Review) -> Iterator[Hit]:
    """The console of a machine is open to whoever has a key, from anywhere."""
    resource = review.resource
    if resource.kind == _ITEM:
        if text(resource.data.get("key")) == "serial-port-enable" and truth(
            resource.data.get("value"), False
        ):
            yield fails("every machine's console is reached from anywhere", "value")
        return
    if truth(_metadata(resource, "serial-port-enable"), False):
        yield fails("its console is reached from anywhere", "metadata", "serial-port-enable")


def os_login_overridden(review: Review) -> Iterator[Hit]:
    """A machine that switches off OS Login."""
    found = _metadata(review.resource, "enable-oslogin")
    if found is not None and not truth(found, True):
        yield fails("keys of SSH count, not IAM", "metadata", "enable-oslogin")


def os_login_off(review: Review) -> Iterator[Hit]:
    """A project whose metadata does not switch on OS Login."""
    resource = review.resource
    if resource.kind == _ITEM:
        if text(resource.data.get("key")) == "enable-oslogin" and not truth(
            resource.data.get("value"), False
        ):
            yield fails("keys of SSH count, not IAM", "value")
        return
    if not truth(_metadata(resource, "enable-oslogin"), False):
        at = ("metadata", "enable-oslogin")
        named = _metadata(resource, "enable-oslogin") is not None
        yield fails("keys of SSH count, not IAM", *(at if named else at[:1]))


def project_keys(review: Review) -> Iterator[Hit]:
    """A machine that takes every key of SSH of the project."""
    resource = review.resource
    if truth(_metadata(resource, "block-project-ssh-keys"), False):
        return
    login = _metadata(resource, "enable-oslogin")
    if login is None:
        login = _project_says(review, "enable-oslogin")
    if not truth(login, False):  # with OS Login keys in metadata count for nothing
        yield fails("every key of SSH of the project opens it", "metadata")


def keys_in_project(review: Review) -> Iterator[Hit]:
    """Keys of SSH for all machines of the project."""
    resource = review.resource
    if resource.kind == _ITEM:
        if text(resource.data.get("key")) in ("ssh-keys", "sshKeys"):
            yield fails("its keys open every machine of the project", "value")
        return
    for key in ("ssh-keys", "sshKeys"):
        if _metadata(resource, key) is not None and not truth(
            _metadata(resource, "enable-oslogin"), False
        ):
            yield fails("its keys open every machine of the project", "metadata", key)


def no_secure_boot(review: Review) -> Iterator[Hit]:
    """A machine that starts what was put under its system."""
    resource = review.resource
    found = value(resource, f"{_shield(resource)}.0.enable_secure_boot")
    if not truth(found, False):
        yield fails("it starts whatever lies in its boot disk", *_shield(resource).split("."))


def vtpm_off(review: Review) -> Iterator[Hit]:
    """Nothing in the machine keeps what it has started."""
    yield from _switched_off(review, "enable_vtpm")


def integrity_off(review: Review) -> Iterator[Hit]:
    """Nobody compares what a machine starts."""
    yield from _switched_off(review, "enable_integrity_monitoring")


def _switched_off(review: Review, name: str) -> Iterator[Hit]:
    resource = review.resource
    found = value(resource, f"{_shield(resource)}.0.{name}")
    if found is not None and not truth(found, True):
        yield fails(f"{name} is off", *_steps(resource), name)


def _shield(resource: Resource) -> str:
    if resource.kind == "google_workbench_instance":
        return "gce_setup.0.shielded_instance_config"
    return "shielded_instance_config"


def _steps(resource: Resource) -> tuple[str | int, ...]:
    steps = (*_shield(resource).split("."), "0")
    return tuple(int(step) if step.isdigit() else step for step in steps)
