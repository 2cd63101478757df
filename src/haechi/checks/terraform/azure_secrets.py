"""Secrets in clear in configuration for Azure: passwords of machines and databases, settings of
apps, variables of containers, scripts that machines start with, connection strings.

What stands here also stands in the state and in git's history, and most of it is shown by the
portal to everybody who may read the resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from haechi.checks.dockerfile.secret_words import is_literal_secret, is_secret_name, known_token
from haechi.checks.terraform.scripts import written
from haechi.checks.terraform.view import (
    Hit,
    blocks,
    fails,
    is_unknown,
    known,
    text,
    truth,
    value,
)
from haechi.model.review import Review

_PASSWORDS = (
    "admin_password",
    "administrator_login_password",
    "administrator_password",
    "sql_administrator_login_password",
    "password",
    "os_profile.0.admin_password",
    "os_profile.0.linux_configuration.0.admin_password",
    "os_profile.0.windows_configuration.0.admin_password",
    "shared_key",
    "client_secret",
    "service_principal.0.client_secret",
    "windows_profile.0.admin_password",
    "gateway.0.password",
)
_CONNECTION = re.compile(
    r"(?:AccountKey|SharedAccessKey|Password|Pwd|ClientSecret|[?&;]sig)\s*=\s*"
    r"(?P<value>[^;\"'\s&]{6,200})",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"""(?:\A|[\s;"'])(?:export\s+|\$env:|set\s+|\$)?
    (?P<name>[A-Za-z][A-Za-z0-9_]{2,60})\s?=\s?["']?(?P<value>[^\s"';|&]{6,200})""",
    re.VERBOSE,
)
_OPTION = re.compile(
    r"--?(?:password|passwd|token|secret|client-secret|api-key|adminPassword)[ =:]+[\"']?"
    r"(?P<value>[^\s\"']{6,200})",
    re.IGNORECASE,
)


def literal_password(review: Review) -> Iterator[Hit]:
    """A password as a literal, or as the default of a variable."""
    for path in _PASSWORDS:
        found = value(review.resource, path)
        if found is None or is_unknown(found):
            continue
        word = text(found)
        if word and is_literal_secret(word):
            steps = tuple(int(step) if step.isdigit() else step for step in path.split("."))
            yield fails(f"{steps[-1]} is written into the configuration", *steps)


def literal_secret(review: Review) -> Iterator[Hit]:
    """The value of a secret beside the secret."""
    found = review.resource.data.get("value")
    if found is None or is_unknown(found):
        return
    word = text(found)
    if word and is_literal_secret(word):
        yield fails("the secret's value is written into the configuration", "value")


def startup_script(review: Review) -> Iterator[Hit]:
    """A secret in what a machine starts with: every process on it may ask for that."""
    for path in ("custom_data", "user_data", "os_profile.0.custom_data"):
        found = value(review.resource, path)
        if found is None:
            continue
        for script in written(found):
            what = secret_in(script)
            if what:
                steps = tuple(int(step) if step.isdigit() else step for step in path.split("."))
                yield fails(f"{what} stands in it", *steps)
                break


def secret_in(script: str) -> str:
    """What kind of secret stands in a script; empty when none."""
    kind = known_token(script)
    if kind:
        return kind
    for match in _ASSIGNED.finditer(script):
        if is_secret_name(match["name"]) and is_literal_secret(match["value"]):
            return f"a value for {match['name']}"
    option = _OPTION.search(script)
    if option and is_literal_secret(option["value"]):
        return "a password on a command line"
    return connection_secret(script)


def connection_secret(word: str) -> str:
    """Whether a connection string holds its key; empty when not."""
    match = _CONNECTION.search(word)
    if match and is_literal_secret(match["value"]):
        return "a connection string with its key"
    return ""


def extension_settings(review: Review) -> Iterator[Hit]:
    """A secret in an extension's open settings, beside which there are protected ones."""
    found = review.resource.data.get("settings")
    if found is None:
        return
    if is_unknown(found):
        settings: Any = found.content
    else:
        try:
            settings = json.loads(text(found) or "{}")
        except ValueError:
            settings = text(found)
    for what in _inside(settings):
        yield fails(f"{what} stands in settings that are not protected", "settings")
        return
    if is_unknown(found):
        known(found)


def _inside(data: Any, name: str = "") -> Iterator[str]:
    if data is None or is_unknown(data):
        return
    if isinstance(data, dict):
        for key, item in data.items():
            yield from _inside(item, key)
    elif isinstance(data, list):
        for item in data:
            yield from _inside(item, name)
    elif isinstance(data, str):
        if is_secret_name(_snake(name)) and is_literal_secret(data):
            yield name
        elif what := secret_in(data):
            yield what


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def app_settings(review: Review) -> Iterator[Hit]:
    """A secret among the settings of an app, where a reference to a vault should stand."""
    resource = review.resource
    settings = resource.data.get("app_settings")
    if settings is not None:
        for name, found in known(settings).items():
            if _is_secret(name, found):
                yield fails(
                    f"the value of {name} is written into the configuration", "app_settings"
                )
                break
    for block in blocks(resource, "connection_string"):
        found = block.get("value")
        if found is None or is_unknown(found):
            continue
        if connection_secret(text(found) or "") or known_token(text(found) or ""):
            yield Hit("the connection string holds its password", block.at("value"))


def _is_secret(name: str, found: Any) -> bool:
    if found is None or is_unknown(found):
        return False
    word = text(found) or ""
    if word.startswith("@Microsoft.KeyVault(") or word.lower() == "managedidentity":
        return False  # a reference, or how to sign in without any secret
    if is_secret_name(_snake(name)) and is_literal_secret(word):
        return True
    return bool(known_token(word) or connection_secret(word))


def container_environment(review: Review) -> Iterator[Hit]:
    """A secret in the open variables of a container."""
    resource = review.resource
    for kind in ("container", "init_container"):
        for block in blocks(resource, kind):
            variables = block.get("environment_variables")
            for name, found in known(variables or {}).items():
                if _is_secret(name, found):
                    yield Hit(
                        f"{name} is shown to everybody who may read the container",
                        (block.at("environment_variables")),
                    )
                    break
    for template in blocks(resource, "template"):
        for kind in ("container", "init_container"):
            for block in blocks(template, kind):
                for variable in blocks(block, "env"):
                    if _is_secret(text(variable.get("name")) or "", variable.get("value")):
                        name = text(variable.get("name"))
                        told = f"{name} is shown to everybody who may read the app"
                        yield Hit(told, variable.at("value"))


def container_secret(review: Review) -> Iterator[Hit]:
    """The value of a container app's secret, or of a registry's password, as a literal."""
    for name, key in (("secret", "value"), ("image_registry_credential", "password")):
        for block in blocks(review.resource, name):
            found = block.get(key)
            if found is not None and not is_unknown(found) and is_literal_secret(text(found) or ""):
                yield Hit(f"the {key} is written into the configuration", block.at(key))


def linked_service(review: Review) -> Iterator[Hit]:
    """A connection of a data factory with its password in clear."""
    for name, found in review.resource.data.items():
        if found is None or is_unknown(found) or not isinstance(found, str):
            continue
        named = is_secret_name(name) or name in ("account_key", "sas_uri", "service_principal_key")
        if (named and is_literal_secret(found)) or (
            name in ("connection_string", "sas_uri") and connection_secret(found)
        ):
            yield fails(f"{name} holds its key in clear", name)


def open_variable(review: Review) -> Iterator[Hit]:
    """A variable of Azure Automation that is not encrypted. It cannot be changed afterwards."""
    resource = review.resource
    if truth(resource.data.get("encrypted"), False):
        return
    name = text(resource.data.get("name")) or ""
    what = "a secret by its name, " if is_secret_name(_snake(name)) else ""
    yield fails(f"{what}kept in clear for everybody who may read the account", "encrypted")


def open_named_value(review: Review) -> Iterator[Hit]:
    """A value of API Management that is a secret by its name and is shown to all readers."""
    resource = review.resource
    if truth(resource.data.get("secret"), False):
        return
    name = text(resource.data.get("display_name")) or text(resource.data.get("name")) or ""
    if is_secret_name(_snake(name.replace("-", "_"))):
        yield fails(f"{name} is shown to everybody who may read the service", "secret")
