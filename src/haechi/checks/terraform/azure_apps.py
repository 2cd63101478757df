"""Azure's apps: what they may be deployed by and which runtime they stand on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.terraform.view import Block, Hit, blocks, fails, is_unknown, text
from haechi.model.review import Review

_OLD_KINDS = (
    "azurerm_app_service",
    "azurerm_app_service_slot",
    "azurerm_function_app",
    "azurerm_function_app_slot",
    "azurerm_logic_app_standard",
)
"""Resources of the third major version and before take plain FTP unless told otherwise."""
_OLDEST = {
    "php_version": (8, 2),
    "python_version": (3, 10),
    "node_version": (20, 0),
    "ruby_version": (3, 2),
    "dotnet_version": (8, 0),
    "dotnet_framework_version": (8, 0),
    "java_version": (8, 0),
    "powershell_core_version": (7, 4),
}
"""The oldest version of each that was kept up in 2026."""
_FRAMEWORK = frozenset({2, 3, 4})
"""Major versions of the .NET Framework, which come with Windows and are kept up."""
_VERSION = re.compile(r"v?~?(\d+)(?:\.(\d+))?")


def plain_ftp(review: Review) -> Iterator[Hit]:
    """FTP without TLS, by which the code is deployed."""
    resource = review.resource
    seen = False
    for block in blocks(resource, "site_config"):
        seen = True
        state = text(block.get("ftps_state"))
        if state == "AllAllowed" or (state is None and resource.kind in _OLD_KINDS):
            yield Hit("the password that deploys its code goes in clear", block.at("ftps_state"))
    if not seen and resource.kind in _OLD_KINDS:
        yield fails("the password that deploys its code goes in clear", "site_config")


def old_runtime(review: Review) -> Iterator[Hit]:
    """A version of a language that gets no fixes any more."""
    for site in blocks(review.resource, "site_config"):
        yield from _old(site)
        for stack in blocks(site, "application_stack"):
            yield from _old(stack)


def _old(block: Block) -> Iterator[Hit]:
    for name, oldest in _OLDEST.items():
        found = block.get(name)
        if found is None or is_unknown(found):
            continue
        word = text(found) or ""
        version = _VERSION.match(word)
        if version is None:
            continue
        major, minor = int(version[1]), int(version[2] or 99)
        framework = name == "dotnet_framework_version" or word in ("v4.0", "v4.8")
        if framework and major in _FRAMEWORK:
            continue
        if (major, minor) < oldest and not (name == "java_version" and word.startswith("1.8")):
            language = (
                name.removesuffix("_version").removesuffix("_core").removesuffix("_framework")
            )
            yield Hit(f"{language} {word} gets no fixes any more", block.at(name))
