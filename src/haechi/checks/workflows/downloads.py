"""Scripts from the network that run unseen."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.workflows.scripts import Script
from haechi.checks.workflows.view import view_of
from haechi.engines.dockerfile.shell import SHELLS, Command, walk
from haechi.model.review import Hit, Review

_FETCHERS = frozenset({"curl", "wget"})
_SUBSTITUTED = re.compile(r"(?:\$\(|<\(|`)\s*(curl|wget)\b")
_INTERPRETERS = SHELLS | {"python", "python3", "perl", "ruby", "node"}


def piped_to_shell(review: Review) -> Iterator[Hit]:
    """``curl … | bash``: whoever answers decides what runs, with the job's rights."""
    workflow = view_of(review)
    for _, step in workflow.steps:
        found = download_run(workflow.script(step))
        if found:
            yield Hit(
                f"{step.label} runs what {found} downloads without looking at it",
                (*step.path, "run"),
            )


def download_run(script: Script) -> str:
    """The program whose download is run at once; empty when there is none."""
    for commands in (script.commands, *(c.inner for c in walk(script.commands))):
        for index, command in enumerate(commands):
            if command.name in _FETCHERS and _goes_to_shell(commands[index + 1 :]):
                return command.name
    for command in walk(script.commands):
        if command.name in SHELLS or command.name in ("eval", "source", "."):
            for word in command.args:
                found = _SUBSTITUTED.search(word)
                if found:
                    return found[1]
    return ""


def _goes_to_shell(following: tuple[Command, ...]) -> bool:
    for command in following:
        if not command.piped:
            return False
        if command.name in _INTERPRETERS:
            return not command.operands or "-" in command.args or "-s" in command.args
    return False
