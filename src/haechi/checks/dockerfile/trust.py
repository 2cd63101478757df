"""Switches that turn the verification of certificates or packages off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.languages import pip_call
from haechi.checks.dockerfile.packages import APT
from haechi.checks.dockerfile.view import view_of
from haechi.engines.dockerfile.shell import Command
from haechi.model.review import Hit, Review

_OFF = frozenset({"0", "false", "no", "off"})
_ON = frozenset({"1", "true", "yes", "on"})
_RPM_TOOLS = frozenset(
    {"yum", "dnf", "tdnf", "microdnf", "yum-config-manager", "dnf-config-manager"}
)
_STRICT_SSL_OFF = re.compile(
    r"(?:\bset (?:-g |--global |--location=\S{1,20} )?|--)strict-ssl[= ](?:false|0)"
)
_SSLVERIFY_OFF = re.compile(r"\bsslverify *= *(?:0|false|no)")
_PEER_OFF = re.compile(r"verify-peer[ =\"]{1,4}(?:false|0)")
_LOCAL_HOST = re.compile(r"(?:localhost|127\.0\.0\.1)(?::\d+)?\Z")


def _disables(name: str, value: str) -> bool:
    """True when a variable of that name and value switches verification off."""
    upper, text = name.upper(), value.lower()
    if upper in ("NODE_TLS_REJECT_UNAUTHORIZED", "PYTHONHTTPSVERIFY"):
        return text == "0"
    if upper in ("NPM_CONFIG_STRICT_SSL", "YARN_STRICT_SSL", "YARN_ENABLE_STRICT_SSL"):
        return text in _OFF
    if upper == "GIT_SSL_NO_VERIFY":
        return True  # git only asks whether it is set
    if upper == "PIP_TRUSTED_HOST":
        return bool(text) and not _LOCAL_HOST.match(text)
    return upper in ("COMPOSER_DISABLE_TLS", "CONDA_SSL_NO_VERIFY") and text in _ON


def environment(review: Review) -> Iterator[Hit]:
    """ENV or ARG switches certificate checks off, in the build and for ENV at run time."""
    for step in view_of(review).steps("ENV", "ARG"):
        for pair in step.what.pairs:
            if pair.value is not None and _disables(pair.name, pair.value.strip("'\"")):
                yield step.hit(f"{step.name} {pair.name} switches certificate checks off")


def command(review: Review) -> Iterator[Hit]:
    """A command or its configuration switches certificate checks off."""
    for step in view_of(review).steps("RUN"):
        for item in step.commands:
            fault = _certificate_switch(item)
            if fault:
                yield step.hit(f"{fault} switches certificate checks off")
                break


def _certificate_switch(item: Command) -> str:
    for name, value in _assigned(item):
        if _disables(name, value):
            return name
    joined = " ".join(item.args).lower()
    match item.name:
        case "git" if re.search(r"http(?:\.\S{1,100})?\.sslverify[= ]+['\"]?(?:false|0)", joined):
            return "git http.sslVerify"
        case "npm" | "yarn" | "pnpm" if _STRICT_SSL_OFF.search(joined):
            return f"{item.name} strict-ssl"
        case "conda" | "mamba" if re.search(r"ssl_verify[= ]+(?:false|no|0)", joined):
            return "conda ssl_verify"
        case "composer" if re.search(r"(?:disable-tls true|secure-http false)", joined):
            return "composer"
        case name if _configures(item, _RPM_TOOLS) and _SSLVERIFY_OFF.search(joined):
            return f"{name} sslverify=0"
        case name if _configures(item, APT) and _PEER_OFF.search(joined):
            return f"{name} Verify-Peer=false"
        case _:
            return _pip_trust(item)


def _configures(item: Command, tools: frozenset[str]) -> bool:
    """True for the tools themselves and for what writes a configuration file."""
    writes = bool(item.redirects) and item.name in ("echo", "printf", "cat")
    return item.name in tools or item.name == "sed" or writes


def _pip_trust(item: Command) -> str:
    args = pip_call(item)
    if args is None and item.name.startswith("pip") and "config" in item.args:
        return "pip trusted-host" if any("trusted-host" in arg for arg in item.args) else ""
    for index, arg in enumerate(args or ()):
        if arg.startswith("--trusted-host"):
            following = (args or ())[index + 1 : index + 2]
            host = arg.partition("=")[2] or "".join(following)
            if not _LOCAL_HOST.match(host):
                return "pip --trusted-host"
    return ""


def _assigned(item: Command) -> Iterator[tuple[str, str]]:
    yield from item.assignments
    if item.name == "export":
        for word in item.args:
            name, equals, value = word.partition("=")
            if equals:
                yield name, value


def signatures(review: Review) -> Iterator[Hit]:
    """A package manager is told to take unsigned packages."""
    for step in view_of(review).steps("RUN"):
        for item in step.commands:
            fault = _signature_switch(item)
            if fault:
                yield step.hit(f"{fault} takes packages without a valid signature")
                break


def _signature_switch(item: Command) -> str:
    joined = " ".join(item.args)
    lower = joined.lower()
    name = item.name
    if name in APT:
        for option in ("--allow-unauthenticated", "--force-yes", "--allow-insecure-repositories"):
            if option in item.args:
                return f"{name} {option}"
        if re.search(r"allow-?unauthenticated[= ]+(?:true|1|yes)", lower):
            return f"{name} AllowUnauthenticated"
    elif name == "apk" and "--allow-untrusted" in item.args:
        return "apk --allow-untrusted"
    elif name in ("yum", "dnf", "tdnf", "microdnf", "zypper", "yum-config-manager"):
        for option in ("--nogpgcheck", "--no-gpg-checks", "--nogpg"):
            if option in item.args:
                return f"{name} {option}"
    elif name == "rpm":
        for option in ("--nosignature", "--nodigest", "--nofiledigest", "--noverify"):
            if option in item.args:
                return f"rpm {option}"
    if re.search(r"\[[^\]]{0,200}trusted=yes", lower) and _configures(item, frozenset({"tee"})):
        return "apt source with trusted=yes"
    if re.search(r"(?:\A|[^_])\bgpgcheck *= *0", lower) and _configures(item, _RPM_TOOLS):
        return f"{name} gpgcheck=0"
    return ""
