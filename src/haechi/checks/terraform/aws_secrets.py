"""Secrets in clear in configuration for AWS: what machines start with, variables of functions,
containers and builds, and arguments that hold a password or a key.

What stands here stands in the state and in git's history, too, and most of it is shown by the
console to everybody who may describe the resource. Messages name the place, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.placeholders import is_stand_in
from haechi.checks.pods.credentials import (
    can_be_secret,
    has_url_password,
    known_token,
    means_secret,
)
from haechi.checks.terraform.scripts import written
from haechi.checks.terraform.view import Hit, blocks, fails, is_unknown, known, text, value
from haechi.checks.terraform.view_policies import structure
from haechi.model.location import AttrPath
from haechi.model.review import Review

_ASSIGNED = re.compile(
    r"""(?:\A|[\s;"'(|&])(?:export\s+|set\s+|\$env:|--?)?
    (?P<name>[A-Za-z][\w-]{2,60})(?:\s?=\s?|:\s+|\s+(?=\S*\d))
    ["']?(?P<value>[^\s"';|&)]{6,200})""",
    re.VERBOSE,
)
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "aws_dms_endpoint": ("password", "mongodb_settings.0.auth_source_password"),
    "aws_mq_broker": ("user.0.password", "user.1.password"),
    "aws_datasync_location_object_storage": ("secret_key",),
    "aws_datasync_location_smb": ("password",),
    "aws_datasync_location_fsx_windows_file_system": ("password",),
    "aws_directory_service_directory": ("password",),
    "aws_lightsail_database": ("master_password",),
    "aws_memorydb_user": ("authentication_mode.0.passwords.0",),
    "aws_elasticache_user": ("passwords.0", "authentication_mode.0.passwords.0"),
    "aws_elasticache_replication_group": ("auth_token",),
    "aws_redshiftserverless_namespace": ("admin_user_password",),
    "aws_opensearch_domain": (
        "advanced_security_options.0.master_user_options.0.master_user_password",
    ),
    "aws_elasticsearch_domain": (
        "advanced_security_options.0.master_user_options.0.master_user_password",
    ),
    "aws_iam_server_certificate": ("private_key",),
    "aws_acm_certificate": ("private_key",),
    "aws_codebuild_source_credential": ("token",),
    "aws_amplify_app": ("access_token", "oauth_token"),
    "aws_timestreaminfluxdb_db_instance": ("password",),
    "aws_cognito_identity_provider": ("provider_details.client_secret",),
    "aws_glue_connection": ("connection_properties.PASSWORD",),
    "aws_vpn_connection": ("tunnel1_preshared_key", "tunnel2_preshared_key"),
    "aws_cloudwatch_event_connection": (
        "auth_parameters.0.api_key.0.value",
        "auth_parameters.0.basic.0.password",
        "auth_parameters.0.oauth.0.client_parameters.0.client_secret",
    ),
    "aws_fsx_windows_file_system": ("self_managed_active_directory.0.password",),
}


def literal(review: Review) -> Iterator[Hit]:
    """A password or key as a literal, or as the default of a variable."""
    for path in _ARGUMENTS[review.resource.kind]:
        found = value(review.resource, path)
        if found is None or is_unknown(found):
            continue
        word = text(found)
        if word and not is_stand_in(word):
            name = next(s for s in reversed(path.split(".")) if not s.isdigit())
            yield fails(f"{name} is written into the configuration", *_steps(path))


def _steps(path: str) -> AttrPath:
    return tuple(int(step) if step.isdigit() else step for step in path.split("."))


def user_data(review: Review) -> Iterator[Hit]:
    """A secret in what a machine starts with: every process on it may ask for that."""
    for name in ("user_data", "user_data_base64"):
        found = review.resource.data.get(name)
        for script in written(found):
            what = secret_in(script)
            if what:
                yield fails(f"{what} stands in it", name)
                return
        if is_unknown(found) and not found.parts:
            known(found)


def secret_in(script: str) -> str:
    """What kind of secret stands in a script; empty when none."""
    kind = known_token(script)
    if kind:
        return f"a literal {kind}"
    if has_url_password(script):
        return "a URL with a password"
    for match in _ASSIGNED.finditer(script):
        word = means_secret(match["name"])
        if word and can_be_secret(word, match["value"]):
            return f"a value for {match['name']}"
    return ""


def secret_of(name: str, found: str) -> str:
    """Why a variable's value is a secret; empty when it is none."""
    kind = known_token(found)
    if kind:
        return f"a literal {kind}"
    if has_url_password(found):
        return "a URL with a password"
    word = means_secret(name)
    return "a literal secret" if word and can_be_secret(word, found) else ""


def variables(review: Review) -> Iterator[Hit]:
    """Secrets among the variables of a function or a service: a map of names to values."""
    for attribute in (
        "environment.0.variables",
        "environment_variables",
        "default_arguments",
        "source_configuration.0.image_repository.0.image_configuration.0"
        ".runtime_environment_variables",
        "source_configuration.0.code_repository.0.code_configuration.0"
        ".code_configuration_values.0.runtime_environment_variables",
        "primary_container.0.environment",
        "stage_variables",
        "variables",
    ):
        found = value(review.resource, attribute)
        if isinstance(found, dict):
            yield from _in_map(found, _steps(attribute))


def _in_map(found: dict[str, Any], path: AttrPath) -> Iterator[Hit]:
    for name, one in found.items():
        if is_unknown(one):
            continue
        why = secret_of(name, text(one) or "")
        if why:
            yield Hit(f"variable {name} holds {why}", (*path, name))


def build_variables(review: Review) -> Iterator[Hit]:
    """Secrets among the variables of builds: not those that name a parameter or a secret."""
    for environment in blocks(review.resource, "environment"):
        for variable in blocks(environment, "environment_variable", possible=True):
            if (text(variable.get("type")) or "PLAINTEXT") != "PLAINTEXT":
                continue
            if is_unknown(variable.get("value")) or is_unknown(variable.get("name")):
                continue
            name = text(variable.get("name")) or ""
            why = secret_of(name, text(variable.get("value")) or "")
            if why:
                yield Hit(f"variable {name} holds {why}", variable.at("value"))


def settings(review: Review) -> Iterator[Hit]:
    """Secrets among the environment properties of Elastic Beanstalk."""
    for setting in blocks(review.resource, "setting", possible=True):
        if text(setting.get("namespace")) != "aws:elasticbeanstalk:application:environment":
            continue
        if is_unknown(setting.get("value")) or is_unknown(setting.get("name")):
            continue
        name = text(setting.get("name")) or ""
        why = secret_of(name, text(setting.get("value")) or "")
        if why:
            yield Hit(f"property {name} holds {why}", setting.at("value"))


def pipeline_token(review: Review) -> Iterator[Hit]:
    """A token for GitHub as a literal in a pipeline's stage."""
    for stage in blocks(review.resource, "stage", possible=True):
        for action in blocks(stage, "action", possible=True):
            found = action.get("configuration")
            if found is None or is_unknown(found):
                continue
            word = found.get("OAuthToken")
            if word is None or is_unknown(word):
                continue
            if not is_stand_in(text(word) or ""):
                yield Hit(
                    "OAuthToken is written into the configuration",
                    action.at("configuration", "OAuthToken"),
                )


def container_variables(review: Review) -> Iterator[Hit]:
    """Secrets among the variables of a task's or a job's containers."""
    for container, path in containers(review):
        listed = container.get("environment")
        for variable in listed if isinstance(listed, list) else []:
            if is_unknown(variable) or not isinstance(variable, dict):
                continue
            name, found = variable.get("name"), variable.get("value")
            if is_unknown(name) or is_unknown(found):
                continue
            why = secret_of(text(name) or "", text(found) or "")
            if why:
                yield Hit(f"variable {text(name)} holds {why}", path)


def containers(review: Review) -> Iterator[tuple[dict[str, Any], AttrPath]]:
    """The containers of a task (a list) or of a job (one): JSON text or what encodes it."""
    for name in ("container_definitions", "container_properties"):
        found = review.resource.data.get(name)
        if found is None:
            continue
        inside = structure(found)
        for item in inside if isinstance(inside, list) else [inside]:
            if isinstance(item, dict):
                yield item, (name,)
