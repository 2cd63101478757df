"""System package managers: what blocks a build, what is left in the image, what is not wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from haechi.checks.dockerfile.view import Step, View, view_of
from haechi.engines.dockerfile.shell import Command
from haechi.model.review import Hit, Review

APT = frozenset({"apt-get", "apt", "aptitude"})
_RPM = frozenset({"yum", "dnf", "microdnf", "tdnf"})
_VERBS = frozenset({
    "install", "update", "upgrade", "dist-upgrade", "full-upgrade", "remove", "purge", "clean",
    "autoremove", "autoclean", "build-dep", "download", "source", "reinstall", "add", "del",
    "groupinstall", "localinstall", "module", "makecache", "refresh", "ref", "in", "dup",
    "distclean", "check-update", "update-minimal", "distro-sync", "list", "search", "info",
})  # fmt: skip
_HARMLESS = frozenset({"set", "rm", "echo", "true", ":", "export", "mkdir", "printf", "touch"})


class Call(msgspec.Struct, frozen=True):
    """One call of a package manager: its verb and the packages it names."""

    manager: str
    verb: str
    packages: tuple[str, ...]
    command: Command


def calls(step: Step, managers: frozenset[str]) -> Iterator[Call]:
    """Calls of the managers in a step."""
    for command in step.commands:
        if command.name in managers:
            operands = command.operands
            for index, word in enumerate(operands):
                if word in _VERBS:
                    yield Call(command.name, word, operands[index + 1 :], command)
                    break


def installed(step: Step) -> Iterator[Call]:
    """Installations by any system package manager."""
    for call in calls(step, APT | _RPM | {"apk", "zypper"}):
        if call.verb in ("install", "add", "in", "reinstall", "localinstall", "groupinstall"):
            yield call


def _once(
    view: View,
    names: frozenset[str],
    verbs: tuple[str, ...],
    *,
    unless: str = "",
    kept: bool = False,
) -> Iterator[tuple[Step, Call]]:
    """The first matching call of each step, except where the step says ``unless``."""
    for step in view.kept_steps("RUN") if kept else view.steps("RUN"):
        for call in calls(step, names):
            if call.verb in verbs and not (unless and unless in step.text):
                yield step, call
                break


def _lineage_text(view: View, step: Step) -> str:
    """What RUN steps of the lineage say up to a step: configuration may be written earlier."""
    texts = []
    for other in view.stages[step.stage].history:
        if other.instruction.index > step.instruction.index:
            break
        if other.name in ("RUN", "COPY"):
            texts.append(other.text)
    return "\n".join(texts)


def apt_without_yes(review: Review) -> Iterator[Hit]:
    """apt-get asks a question nobody answers."""
    view = view_of(review)
    for step in view.steps("RUN"):
        for call in calls(step, APT):
            if call.verb not in ("install", "upgrade", "dist-upgrade", "remove", "purge"):
                continue
            answered = call.command.has("-y", "--yes", "--assume-yes", "--force-yes", "-s")
            quiet = any(re.match(r"-[a-z]*q[a-z]*q|-q=2|--just-print|--simulate", arg)
                        for arg in call.command.args)  # fmt: skip
            if answered or quiet or call.command.piped or "Assume-Yes" in _lineage_text(view, step):
                continue
            yield step.hit(f"{call.manager} {call.verb} waits for a confirmation")
            break


def apt_recommends(review: Review) -> Iterator[Hit]:
    """Recommended packages come along."""
    view = view_of(review)
    for step, call in _once(view, APT, ("install",), unless="no-install-recommends"):
        if "Install-Recommends" not in _lineage_text(view, step):
            shown = " ".join(call.packages[:3])
            yield step.hit(f"{call.manager} install {shown} brings recommended packages along")


def update_alone(review: Review) -> Iterator[Hit]:
    """An index update in a layer of its own goes stale in the cache."""
    for step in view_of(review).steps("RUN"):
        others = [c for c in step.commands if c.name and c.name not in _HARMLESS]
        updates = [c for c in others if _is_index_update(c)]
        if updates and len(updates) == len(others):
            yield step.hit(f"{updates[0].name} updates its index in a RUN that installs nothing")


def _is_index_update(command: Command) -> bool:
    verb = next((word for word in command.operands if word in _VERBS), "")
    if command.name in APT or command.name == "apk":
        return verb == "update"
    return command.name == "zypper" and verb in ("refresh", "ref")


def apt_not_apt_get(review: Review) -> Iterator[Hit]:
    """apt is made for terminals and does not promise a stable interface."""
    for step in view_of(review).steps("RUN"):
        for call in calls(step, frozenset({"apt"})):
            yield step.hit(f"RUN uses apt {call.verb} where apt-get is meant for scripts")
            break


def dist_upgrade(review: Review) -> Iterator[Hit]:
    """The whole distribution is upgraded in a layer."""
    verbs = ("dist-upgrade", "full-upgrade")
    for step, call in _once(view_of(review), APT, verbs):
        yield step.hit(f"{call.manager} {call.verb} replaces the base image's packages")


def apt_lists_left(review: Review) -> Iterator[Hit]:
    """The package lists stay in the layer."""
    for step, call in _once(view_of(review), APT, ("update",), kept=True):
        if step.has_cache_at("/var/lib/apt") or "distclean" in step.text:
            continue
        cleaned = any(
            re.search(r"/var/lib/(?:apt|\{)|/var/lib/?\*", " ".join(command.args))
            for command in step.commands
            if command.name in ("rm", "find")
        )
        if not cleaned and any(installed(step)):
            yield step.hit(f"the lists of {call.manager} update stay in the layer")


def apk_cache_left(review: Review) -> Iterator[Hit]:
    """apk add keeps its index."""
    names = frozenset({"apk"})
    for step, call in _once(view_of(review), names, ("add",), unless="/var/cache/apk", kept=True):
        if not call.command.has("--no-cache") and not step.has_cache_at(
            "/var/cache/apk", "/etc/apk"
        ):
            yield step.hit("apk add without --no-cache leaves the package index in the layer")


def rpm_cache_left(review: Review) -> Iterator[Hit]:
    """yum, dnf, microdnf and zypper keep metadata and packages."""
    verbs = ("install", "in", "update", "upgrade", "groupinstall", "localinstall", "dup")
    names = _RPM | {"zypper"}
    for step, call in _once(view_of(review), names, verbs, unless="/var/cache/", kept=True):
        cleans = any(other.verb == "clean" for other in calls(step, names))
        short_clean = call.manager == "zypper" and "zypper cc" in step.text
        if not cleans and not short_clean and not step.has_cache_at("/var/cache"):
            yield step.hit(f"{call.manager} {call.verb} leaves its cache in the layer")


def rpm_without_yes(review: Review) -> Iterator[Hit]:
    """yum, dnf or zypper asks a question nobody answers."""
    view = view_of(review)
    names = _RPM | {"zypper"}
    verbs = ("install", "in", "update", "upgrade", "remove", "groupinstall", "localinstall")
    for step, call in _once(view, names, verbs, unless="assumeyes"):
        command = call.command
        options = ("-y", "--assume-yes", "--yes", "-n", "--non-interactive", "--no-confirm")
        if not command.has(*options) and not command.piped:
            yield step.hit(f"{call.manager} {call.verb} waits for a confirmation")


_BUILD_TOOLS = frozenset({"build-essential", "gcc", "g++", "build-base", "clang", "gcc-c++"})
_ATTACK_TOOLS = frozenset({
    "nmap", "ncat", "netcat", "netcat-openbsd", "netcat-traditional", "nmap-ncat", "socat",
    "telnet", "tcpdump", "strace", "gdb", "hping3", "sqlmap", "nc",
})  # fmt: skip
_SSH_SERVERS = frozenset({"openssh-server", "dropbear", "telnetd", "vsftpd"})


def _left(view: View, wanted: frozenset[str]) -> Iterator[tuple[Step, str]]:
    """Packages of a set that the final image keeps."""
    for step in view.kept_steps("RUN"):
        removed = {
            package
            for call in calls(step, APT | _RPM | {"apk", "zypper"})
            if call.verb in ("remove", "purge", "autoremove", "del")
            for package in (*call.packages, "*")
        }
        for call in installed(step):
            names = [package.partition("=")[0] for package in call.packages]
            found = [name for name in names if name in wanted]
            if found and not removed:
                yield step, found[0]
                break


def build_tools_left(review: Review) -> Iterator[Hit]:
    """Compilers in the final image."""
    for step, package in _left(view_of(review), _BUILD_TOOLS):
        yield step.hit(f"the final image keeps the compiler package {package}")


def attack_tools_left(review: Review) -> Iterator[Hit]:
    """Network and debugging tools in the final image."""
    for step, package in _left(view_of(review), _ATTACK_TOOLS):
        yield step.hit(f"the final image contains {package}")


def login_server(review: Review) -> Iterator[Hit]:
    """A remote login server in the image."""
    view = view_of(review)
    for step, package in _left(view, _SSH_SERVERS):
        yield step.hit(f"the final image contains the login server {package}")
    for name in ("ENTRYPOINT", "CMD"):
        last = view.final.last(name)
        if last and re.search(r"(?:\A|[\s/\"])(?:sshd|dropbear)\b", last.what.value):
            yield last.hit(f"{name} starts an SSH server")
