"""What a build fetches and whether anything proves that it is the right thing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.view import Step, view_of
from haechi.engines.dockerfile.shell import SHELLS, Command, walk
from haechi.model.review import Hit, Review

_FETCHERS = frozenset({"curl", "wget", "aria2c", "fetch", "http"})
_INTERPRETERS = SHELLS | {"python", "python3", "perl", "ruby", "node", "php", "pwsh"}
_LOCAL = re.compile(r"://(?:localhost|127\.|0\.0\.0\.0|\[::1\]|host\.docker\.internal)")
_PLAIN_HTTP = re.compile(r"(?<![a-z0-9])http://[^\s\"'$)]")
_CHECKS = re.compile(
    r"sha(?:1|224|256|384|512)sum|shasum|md5sum|b2sum|--verify|gpgv|cosign|minisign"
    r"|openssl dgst|slsa-verifier|gpg --batch|integrity|signify"
)
_ARTIFACT = re.compile(
    r"\.(?:tar(?:\.\w+)?|tgz|txz|tbz2?|zip|gz|xz|bz2|zst|deb|rpm|apk|jar|war|whl|bin|run|sh|py"
    r"|exe|AppImage)(?:[?#]\S*)?\Z|/releases/(?:latest/)?download/"
)
_ARCHIVE = re.compile(r"\.(?:tar|tar\.\w+|tgz|txz|tbz2?|tlz|tar\*|gz|bz2|xz|zst)\Z|\.tar\b")
_REMOTE = re.compile(r"\A(?:https?|ftp)://|\Agit@|\Agit://|\Assh://", re.IGNORECASE)
# Short options of curl that take a value: in -oFile the rest is no further option.
_CURL_VALUES = "AbcCdDeEFhHKmoPQrtTuUwxXyYz"


def urls(command: Command) -> list[str]:
    """The addresses on a command line."""
    return [arg for arg in command.args if "://" in arg]


def pipe_to_shell(review: Review) -> Iterator[Hit]:
    """A download goes straight into an interpreter."""
    for step in view_of(review).steps("RUN"):
        name = _runs_download(step.scripts)
        if name:
            yield step.hit(f"RUN executes what {name} downloads without looking at it")


def _runs_download(commands: tuple[Command, ...]) -> str:
    source = ""
    for command in commands:
        source = source if command.piped else ""
        reads_input = command.name in _INTERPRETERS and not _has_script(command)
        if source and reads_input:
            return source
        if command.name in _FETCHERS and not _all_local(command):
            source = command.name
        nested = _runs_download(command.inner)
        if nested:
            return nested
        substituted = any("$(" in word or "`" in word or "<(" in word for word in command.words)
        if substituted and (command.name in SHELLS or command.name in ("eval", "source", ".")):
            for inner in walk(command.inner):
                if inner.name in _FETCHERS:
                    return inner.name
    return ""


def _has_script(command: Command) -> bool:
    """True when an interpreter has a program of its own and only reads data from the pipe."""
    if command.name in SHELLS:
        return command.has("-c") or any(
            not arg.startswith(("-", "+")) and arg != "/dev/stdin" for arg in command.args[:1]
        )
    return any(arg in ("-c", "-e", "-m", "-n", "-p", "-r") or not arg.startswith("-")
               for arg in command.args)  # fmt: skip


def _all_local(command: Command) -> bool:
    found = urls(command)
    return bool(found) and all(_LOCAL.search(url) for url in found)


def unverified_tls(review: Review) -> Iterator[Hit]:
    """curl -k, wget --no-check-certificate: anybody on the way can answer."""
    for step in view_of(review).steps("RUN"):
        for command in step.commands:
            option = _insecure_option(command)
            if option and not _all_local(command):
                yield step.hit(f"{command.name} {option} accepts any certificate")
                break


def _insecure_option(command: Command) -> str:
    if command.name == "wget" and "--no-check-certificate" in command.args:
        return "--no-check-certificate"
    if command.name == "aria2c" and "--check-certificate=false" in command.args:
        return "--check-certificate=false"
    if command.name != "curl":
        return ""
    for arg in command.args:
        if arg in ("--insecure", "--proxy-insecure"):
            return arg
        if arg.startswith("-") and not arg.startswith("--"):
            for letter in arg[1:]:
                if letter == "k":
                    return "-k"
                if letter in _CURL_VALUES:
                    break
    return ""


def plain_http(review: Review) -> Iterator[Hit]:
    """A download over http without a checksum in the same step."""
    for step in view_of(review).steps("RUN", "ADD"):
        if step.name == "ADD":
            remote = [arg for arg in step.what.args if arg.lower().startswith("http://")]
            if remote and step.what.flag("checksum") is None:
                yield step.hit("ADD downloads over plain http without a checksum")
            continue
        if _CHECKS.search(step.text):
            continue
        for command in step.commands:
            if command.name in _FETCHERS and _plain(command):
                yield step.hit(f"{command.name} downloads over plain http without a checksum")
                break


def _plain(command: Command) -> bool:
    return any(_PLAIN_HTTP.match(url) and not _LOCAL.search(url) for url in urls(command))


def add_remote(review: Review) -> Iterator[Hit]:
    """ADD of an address without --checksum."""
    for step in view_of(review).steps("ADD"):
        remote = [arg for arg in step.what.args[:-1] if re.match(r"(?i)https?://", arg)]
        plain_files = [arg for arg in remote if not re.search(r"\.git(?:[#?/]|\Z)", arg)]
        if plain_files and step.what.flag("checksum") is None:
            yield step.hit("ADD downloads a file without --checksum")


def add_local(review: Review) -> Iterator[Hit]:
    """ADD of plain local files."""
    for step in view_of(review).steps("ADD"):
        sources = [arg for arg in step.what.args[:-1] if not arg.startswith("<<")]
        special = any(
            _REMOTE.search(source) or _ARCHIVE.search(source) or "$" in source or ".git" in source
            for source in sources
        )
        if sources and not special:
            yield step.hit(f"ADD copies {sources[0][:80]}, which COPY does without side effects")


def unverified_artifact(review: Review) -> Iterator[Hit]:
    """An archive or program is downloaded and nothing in its stage checks it."""
    for stage in view_of(review).stages:
        runs = list(stage.of("RUN"))
        if any(_CHECKS.search(step.text) for step in runs):
            continue
        for step in runs:
            found = "" if _runs_download(step.scripts) else next(_artifacts(step), "")
            if found:
                yield step.hit(f"RUN uses {found} without a checksum or signature check")


def _artifacts(step: Step) -> Iterator[str]:
    for command in step.commands:
        if command.name in _FETCHERS:
            for url in urls(command):
                if _ARTIFACT.search(url) and not _LOCAL.search(url):
                    yield url.partition("?")[0].rpartition("/")[2][:60] or url[:60]


def ssh_host_keys(review: Review) -> Iterator[Hit]:
    """SSH connects to whoever answers."""
    pattern = re.compile(r"StrictHostKeyChecking[=\s\\t'\"]+(?:no|off)\b", re.IGNORECASE)
    for step in view_of(review).steps("RUN", "ENV"):
        texts = [step.text, *(" ".join(command.args) for command in step.commands)]
        if any(pattern.search(text) for text in texts):
            yield step.hit(f"{step.name} switches the check of SSH host keys off")
