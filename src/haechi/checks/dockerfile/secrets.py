"""Secrets that a Dockerfile writes into image, history or repository.

Values are never repeated in messages or evidence. A literal in the Dockerfile is in the
repository whatever the stage; a copied file or a reference matters in what the image keeps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.secret_words import (
    is_literal_secret,
    is_secret_file,
    is_secret_name,
    known_token,
    may_hold_credentials,
    option_secrets,
)
from haechi.checks.dockerfile.view import Step, view_of
from haechi.engines.dockerfile.shell import Command
from haechi.model.review import Hit, Review

_COPIES = frozenset({"cp", "mv", "install", "rsync", "ln"})
_PERSISTING = {"npm": "set", "yarn": "set", "pnpm": "set", "git": "config", "pip": "config"}
_REMOVES = frozenset({"rm", "shred", "unlink"})
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


def in_env(review: Review) -> Iterator[Hit]:
    """ENV gives a secret a value: it stays in the image's configuration."""
    view = view_of(review)
    for stage in view.stages:
        for step in stage.of("ENV"):
            for pair in step.what.pairs:
                value = (pair.value or "").strip("'\"")
                token = known_token(value)
                if token:
                    yield step.hit(f"ENV {pair.name} holds {token}")
                elif is_secret_name(pair.name) and is_literal_secret(value):
                    yield step.hit(f"ENV {pair.name} holds a literal secret")
                elif stage.kept and is_secret_name(pair.name) and _from_argument(step, value):
                    yield step.hit(f"ENV {pair.name} keeps a build argument in the image")


def _from_argument(step: Step, value: str) -> bool:
    """True when a value refers to a variable that a step before declares by name."""
    match = _REFERENCE.match(value)
    return bool(match) and match.group(1) in step.env if match else False


def argument_default(review: Review) -> Iterator[Hit]:
    """ARG with a secret as its default."""
    view = view_of(review)
    steps = [(item, item.pairs) for item in view.dockerfile.instructions if item.name == "ARG"]
    for instruction, pairs in steps:
        for pair in pairs:
            value = (pair.value or "").strip("'\"")
            token = known_token(value)
            path = ("instructions", instruction.index)
            if token:
                yield Hit(f"ARG {pair.name} has {token} as its default", path)
            elif is_secret_name(pair.name) and is_literal_secret(value):
                yield Hit(f"ARG {pair.name} has a literal secret as its default", path)


def build_argument(review: Review) -> Iterator[Hit]:
    """A secret that is passed by --build-arg stands in the history of the kept layers."""
    for step in view_of(review).kept_steps("ARG"):
        for pair in step.what.pairs:
            if is_secret_name(pair.name) and not is_literal_secret((pair.value or "").strip("'\"")):
                yield step.hit(f"ARG {pair.name} leaves its value in the image's history")


def _sources(step: Step) -> tuple[str, ...]:
    """COPY's or ADD's sources as far as they are known."""
    words = tuple(word.strip("'\"") for word in step.what.args[:-1])
    return tuple(word for word in words if not word.startswith("<<"))


def copied_file(review: Review) -> Iterator[Hit]:
    """A file that is a secret by its name; removing it later does not take it out of the layer."""
    for step in view_of(review).kept_steps("COPY", "ADD"):
        for source in _sources(step):
            if is_secret_file(source):
                yield step.hit(f"{step.name} puts {source[:80]} into a layer of the image")
                break


def copied_configuration(review: Review) -> Iterator[Hit]:
    """A file that often holds credentials."""
    for step in view_of(review).kept_steps("COPY", "ADD"):
        for source in _sources(step):
            if may_hold_credentials(source):
                yield step.hit(f"{step.name} takes {source[:80]}, which may hold credentials")
                break


def copied_repository(review: Review) -> Iterator[Hit]:
    """The .git folder carries the whole history and often a token in its configuration."""
    for step in view_of(review).kept_steps("COPY", "ADD"):
        for source in _sources(step):
            if source.rstrip("/").rpartition("/")[2] == ".git":
                yield step.hit(f"{step.name} puts {source[:80]} with its history into the image")
                break


def in_command(review: Review) -> Iterator[Hit]:
    """A literal secret in what RUN, CMD or ENTRYPOINT executes, or in a label."""
    for step in view_of(review).steps("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "LABEL"):
        token = known_token(step.text) or _in_commands(step)
        if token:
            yield step.hit(f"{step.name} contains {token}")


def _in_commands(step: Step) -> str:
    for command in step.commands:
        for name, value in _assignments(command):
            if is_secret_name(name) and is_literal_secret(value):
                return f"a literal value of {name}"
        option = next(iter(option_secrets(command.name, command.args)), "")
        if option:
            return f"a literal secret behind {option}"
    return ""


def _assignments(command: Command) -> Iterator[tuple[str, str]]:
    yield from command.assignments
    if command.name in ("export", "declare", "readonly", "local"):
        for word in command.args:
            name, equals, value = word.partition("=")
            if equals:
                yield name, value


def kept_mount(review: Review) -> Iterator[Hit]:
    """A secret mount whose content a command writes into the layer."""
    for step in view_of(review).kept_steps("RUN"):
        places = [
            mount.get("target") or mount.get("dst") or f"/run/secrets/{mount.get('id', '')}"
            for mount in step.mounts()
            if mount.get("type") == "secret" and "env" not in mount
        ]
        if any(command.name in _REMOVES for command in step.commands):
            continue
        for place in places:
            writer = _writer(step, place)
            if writer:
                yield step.hit(f"{writer} writes the mounted secret {place} into the layer")
                break


def _writer(step: Step, place: str) -> str:
    commands = step.commands
    for index, command in enumerate(commands):
        if not any(place in word for word in command.args):
            continue
        if command.name in _COPIES and any(place in word for word in command.operands[:-1]):
            return command.name
        if _PERSISTING.get(command.name) in command.operands[:3]:
            return f"{command.name} {command.operands[0]}"
        following = commands[index + 1] if index + 1 < len(commands) else None
        redirects = [target for kind, target in command.redirects if kind in (">", ">>", ">|")]
        if any(not target.startswith("/dev/") for target in redirects):
            return f"{command.name} >"
        if following and following.piped and following.name == "tee":
            return "tee"
    return ""
