"""Azure's apps: what they may be deployed by and which runtime they stand on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.terraform.view import Block, Hit, blocks, fails, is_unknown, text
from haechi.model.review import Review
from haechi.rules.tables import ended_release

_OLD_KINDS = (
    "azurerm_app_service",
    "azurerm_app_service_slot",
    "azurerm_function_app",
    "azurerm_function_app_slot",
    "azurerm_logic_app_standard",
)
"""Resources of the third major version and before take plain FTP unless told otherwise."""
_LANGUAGES = {
    "php_version": "PHP",
    "python_version": "Python",
    "node_version": "Node.js",
    "ruby_version": "Ruby",
    "dotnet_version": ".NET",
    "dotnet_framework_version": ".NET",
    "powershell_core_version": "PowerShell",
}
"""Where versions are written, and what the table of ends calls the language. Java is kept up by
Microsoft itself: all but version 7, which ended on 2022-07-29."""
_JAVA_7 = re.compile(r"(?:1\.)?7(?!\d)")
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
    java = block.get("java_version")
    if not is_unknown(java) and _JAVA_7.match(text(java) or ""):
        yield Hit("Java 7 has had no fixes since 2022-07-29", block.at("java_version"))
    for name, language in _LANGUAGES.items():
        found = block.get(name)
        if found is None or is_unknown(found):
            continue
        word = text(found) or ""
        version = _VERSION.match(word)
        if version is None:
            continue
        framework = name == "dotnet_framework_version" or word in ("v4.0", "v4.8")
        if framework and int(version[1]) in _FRAMEWORK:
            continue
        end = ended_release(language, _number(language, version))
        if end is not None:
            yield Hit(f"{language} {word} has had no fixes since {end.date}", block.at(name))


def _number(language: str, version: re.Match[str]) -> str:
    """As the table writes it: Node.js by the first number, the others by two."""
    if language == "Node.js":
        return version[1]
    minor = version[2] or ("0" if language == ".NET" else "")
    return f"{version[1]}.{minor}" if minor else version[1]
