"""File modes that undo separation between users, and build steps that leave the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.view import view_of
from haechi.engines.dockerfile.shell import Command
from haechi.model.review import Hit, Review

_OCTAL = re.compile(r"[0-7]{3,5}\Z")
_WORLD_WRITE = re.compile(r"(?:\A|,)(?:[ugoa]{0,8}[ao][ugoa]{0,8})?[+=][rxXst]*w")
_SPECIAL = re.compile(r"(?:\A|,)[ugoa]*[+=][rwxX]*s")
_SHARED_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - places, not files we use


def _mode(command: Command) -> tuple[str, tuple[str, ...]]:
    """chmod's mode and what it is applied to."""
    words = [arg for arg in command.args if not re.match(r"--?[A-Za-z]{2,}|-[RcfvhHLP]\Z", arg)]
    return (words[0], tuple(words[1:])) if words else ("", ())


def _world_writable(mode: str) -> bool:
    if _OCTAL.match(mode):
        sticky = len(mode) > 3 and int(mode[-4]) & 1
        return bool(int(mode[-1]) & 2) and not sticky
    return bool(_WORLD_WRITE.search(mode)) and "t" not in mode


def _set_id(mode: str) -> bool:
    if _OCTAL.match(mode):
        return len(mode) > 3 and bool(int(mode[-4]) & 6)
    return bool(_SPECIAL.search(mode))


def world_writable(review: Review) -> Iterator[Hit]:
    """Everybody in the container may change the files."""
    for step in view_of(review).kept_steps("RUN", "COPY", "ADD"):
        flag = step.what.flag("chmod") or ""
        if flag and _world_writable(flag):
            yield step.hit(f"{step.name} --chmod={flag} lets every user write")
        for command in step.commands:
            if command.name != "chmod":
                continue
            mode, targets = _mode(command)
            if _world_writable(mode) and not _only_shared(targets):
                shown = " ".join(targets)[:80]
                yield step.hit(f"chmod {mode} lets every user write {shown}".rstrip())
                break


def _only_shared(targets: tuple[str, ...]) -> bool:
    return bool(targets) and all(target.rstrip("/*") in _SHARED_PLACES for target in targets)


def set_id(review: Review) -> Iterator[Hit]:
    """A file that runs with its owner's rights."""
    for step in view_of(review).kept_steps("RUN", "COPY", "ADD"):
        flag = step.what.flag("chmod") or ""
        if flag and _set_id(flag):
            yield step.hit(f"{step.name} --chmod={flag} sets the set-user or set-group bit")
        for command in step.commands:
            mode, targets = _mode(command) if command.name == "chmod" else ("", ())
            if _set_id(mode) and not _directories(mode):
                shown = " ".join(targets)[:80]
                yield step.hit(f"chmod {mode} sets the set-user or set-group bit of {shown}")
                break


def _directories(mode: str) -> bool:
    """g+s and 2xxx on shared folders only hand the group on; alone they raise nobody's rights."""
    if _OCTAL.match(mode):
        return not int(mode[-4]) & 4
    return "u" not in mode and "a" not in mode and not mode.startswith(("+", "="))


def insecure_run(review: Review) -> Iterator[Hit]:
    """RUN --security=insecure builds with full privileges on the builder."""
    for step in view_of(review).steps("RUN"):
        if step.what.flag("security") == "insecure":
            yield step.hit("RUN --security=insecure runs with all privileges on the build host")


def host_network(review: Review) -> Iterator[Hit]:
    """RUN --network=host reaches what listens on the builder."""
    for step in view_of(review).steps("RUN"):
        if step.what.flag("network") == "host":
            yield step.hit("RUN --network=host shares the build host's network")
