"""Package managers of languages: versions, lock files, caches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.view import Step, view_of
from haechi.engines.dockerfile.shell import Command
from haechi.model.review import Hit, Review

_PIP = re.compile(r"pip(?:\d(?:\.\d+)?)?\Z")
_PYTHON = re.compile(r"python(?:\d(?:\.\d+)?)?\Z")
_PIP_VALUES = frozenset({
    "-i", "--index-url", "--extra-index-url", "-t", "--target", "--prefix", "--root", "-f",
    "--find-links", "--trusted-host", "--default-timeout", "--timeout", "--retries", "--proxy",
    "--platform", "--python-version", "--only-binary", "--no-binary", "--progress-bar", "--cert",
    "--log", "--cache-dir", "--root-user-action", "-d", "--dest", "--src", "--use-feature",
    "--implementation", "--abi", "--upgrade-strategy", "--global-option", "--config-settings",
    "-C", "--python", "--group", "--extra", "--resume-retries", "--exists-action",
})  # fmt: skip
_PIP_FILES = frozenset({"-r", "--requirement", "-c", "--constraint", "-e", "--editable"})
_OWN_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv"})
_PINNED = re.compile(r"[=<>~!]=|===|@|\$|/|\A\.|\.(?:whl|zip|tar\.gz|txt)\Z")


def pip_call(command: Command) -> tuple[str, ...] | None:
    """The arguments of a ``pip install``, however pip is started; None for other commands."""
    words = command.argv
    name = command.name
    if _PYTHON.match(name) and command.args[:2] in (("-m", "pip"), ("-m", "pip3")):
        words = words[2:]
    elif name == "uv" and command.args[:1] == ("pip",):
        words = words[1:]
    elif not _PIP.match(name):
        return None
    at = 1
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in _PIP_VALUES else 1
    return (*words[1:at], *words[at + 1 :]) if words[at : at + 1] == ("install",) else None


def _packages(args: tuple[str, ...]) -> list[str]:
    """The packages that pip is told to install by name."""
    packages: list[str] = []
    skip = False
    for arg in args:
        if skip:
            skip = False
        elif arg in _PIP_VALUES or arg in _PIP_FILES:
            skip = True
        elif not arg.startswith("-"):
            packages.append(arg)
    return packages


def pip_unpinned(review: Review) -> Iterator[Hit]:
    """pip takes whatever version is newest."""
    for step in view_of(review).steps("RUN"):
        for command in step.commands:
            args = pip_call(command)
            if args is None or any(arg.partition("=")[0] in ("-c", "--constraint") for arg in args):
                continue
            loose = [name for name in _packages(args) if not _PINNED.search(name)]
            loose = [name for name in loose if name.partition("[")[0].lower() not in _OWN_TOOLS]
            if loose:
                yield step.hit(f"pip install takes {loose[0][:60]} in any version")
                break


def pip_cache_left(review: Review) -> Iterator[Hit]:
    """pip keeps what it downloaded in the layer."""
    for step in view_of(review).kept_steps("RUN"):
        for command in step.commands:
            args = pip_call(command)
            if args is None or (not _packages(args) and not _PIP_FILES.intersection(args)):
                continue
            if not _pip_cache_off(step, command, args):
                yield step.hit("pip install leaves its download cache in the layer")
                break


def _pip_cache_off(step: Step, command: Command, args: tuple[str, ...]) -> bool:
    variables = {"PIP_NO_CACHE_DIR", "UV_NO_CACHE"}
    return (
        "--no-cache-dir" in args
        or "--no-cache" in args
        or any(arg.startswith("--cache-dir") for arg in args)
        or any(name in variables for name, _ in command.assignments)
        or any(step.env.get(name) for name in variables)
        or any(mount.get("type") == "cache" for mount in step.mounts())
        or bool(re.search(r"\.cache|cache purge|PIP_NO_CACHE_DIR", step.text))
    )


_NODE_VALUES = frozenset(
    {"--prefix", "--registry", "--cache", "--loglevel", "-C", "--cwd", "--tag"}
)


def node_call(command: Command) -> tuple[str, tuple[str, ...]] | None:
    """(verb, packages) of an npm, yarn or pnpm installation; None for other commands."""
    if command.name not in ("npm", "yarn", "pnpm"):
        return None
    operands: list[str] = []
    skip = False
    for arg in command.args:
        if skip:
            skip = False
        elif arg in _NODE_VALUES:
            skip = True
        elif not arg.startswith("-"):
            operands.append(arg)
    if operands[:1] == ["global"]:
        operands = operands[1:]
    verb = operands[0] if operands else "install" if command.name == "yarn" else ""
    if verb not in ("install", "i", "add", "ci", "clean-install", "isntall"):
        return None
    return verb, tuple(operands[1:])


def npm_unpinned(review: Review) -> Iterator[Hit]:
    """npm, yarn or pnpm takes whatever version is newest."""
    for step in view_of(review).steps("RUN"):
        for command in step.commands:
            call = node_call(command)
            loose = [name for name in call[1] if _npm_loose(name)] if call else []
            if loose:
                yield step.hit(f"{command.name} installs {loose[0][:60]} in any version")
                break


def _npm_loose(package: str) -> bool:
    if re.search(r"[$:/\\]|\.tgz\Z|\A\.", package.lstrip("@").replace("/", "", 1)):
        return False  # a variable, a path, an address
    _, at, version = package[1:].partition("@")
    return not at or version in ("latest", "next", "*", "")


def node_lock_ignored(review: Review) -> Iterator[Hit]:
    """npm install may change what the lock file says."""
    for step in view_of(review).steps("RUN"):
        for command in step.commands:
            call = node_call(command)
            if call is None or call[1] or command.has("-g", "--global"):
                continue
            verb = call[0]
            if command.name == "npm" and verb in ("install", "i") and _has_lock(review, step):
                yield step.hit("npm install may install other versions than the lock file names")
                break


def _has_lock(review: Review, step: Step) -> bool:
    """True when an earlier COPY of the lineage brings a lock file."""
    for other in view_of(review).stages[step.stage].history:
        if other.instruction.index >= step.instruction.index:
            return False
        if other.name in ("COPY", "ADD") and re.search(
            r"package-lock\.json|package\*\.json|package-\*|npm-shrinkwrap", other.what.value
        ):
            return True
    return False


def gem_unpinned(review: Review) -> Iterator[Hit]:
    """gem takes whatever version is newest."""
    for step in view_of(review).steps("RUN"):
        for command in step.commands:
            if command.name != "gem" or command.operands[:1] not in (("install",), ("i",)):
                continue
            if command.has("-v", "--version") or any(arg.startswith("-v") for arg in command.args):
                continue
            loose = [
                name
                for name in command.operands[1:]
                if not re.search(r":\d|\$|\.gem\Z|/", name) and name not in ("bundler",)
            ]
            if loose:
                yield step.hit(f"gem install takes {loose[0][:60]} in any version")
                break


def go_unpinned(review: Review) -> Iterator[Hit]:
    """go install of @latest, or cargo install without a version."""
    for step in view_of(review).steps("RUN"):
        for command in step.commands:
            if command.name != "go" or command.operands[:1] not in (
                ("install",),
                ("run",),
                ("get",),
            ):
                continue
            loose = [
                name for name in command.operands if name.endswith(("@latest", "@master", "@main"))
            ]
            if loose:
                yield step.hit(f"go {command.operands[0]} follows {loose[0][-60:]}")
                break
