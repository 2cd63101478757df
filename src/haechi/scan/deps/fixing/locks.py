"""Lock files renewed by their own tools in a copy; what they wrote comes back as edits.

One lock file's failure costs only that lock file: its manifest stays edited, and what is still to
be run is told. A tool that would run code of the project is not started.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from haechi.scan.deps.fixing.commands import Command
from haechi.scan.deps.fixing.own_code import own_code
from haechi.scan.deps.formats.decoding import MAX_BYTES
from haechi.world.package_tools import Failed, Run, tool_path, workshop

Say = Callable[[str], None]
_NO_BUILD = b"--only-binary :all:\n"


class Renewed(msgspec.Struct, frozen=True, kw_only=True):
    """New contents by path, and why a lock file was not renewed, by the lock file's path."""

    contents: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    failed: Mapping[str, str] = msgspec.field(default_factory=dict)


def renew(
    tree: Path,
    edits: Mapping[str, bytes],
    commands: Mapping[str, Sequence[Command]],
    *,
    whole_environment: bool = False,
    say: Say | None = None,
) -> Renewed:
    """Run the commands of each lock file in a copy with the edits."""
    runnable, failed = _runnable(tree, commands)
    if not runnable:
        return Renewed(failed=failed)
    contents: dict[str, bytes] = {}
    try:
        with workshop(tree, whole_environment=whole_environment) as shop:
            shop.put(edits)
            for lock, steps in runnable.items():
                writes = list(dict.fromkeys(path for step in steps for path in step.writes))
                before = shop.take(writes, limit=MAX_BYTES)
                try:
                    for step in steps:
                        if say is not None:
                            say(f"running {step}")
                        if step.forgets:
                            held = shop.take([lock], limit=MAX_BYTES)
                            shop.put({path: forgotten(data, step) for path, data in held.items()})
                        shop.run(Run(argv=(*step.argv, *step.careful), folder=step.folder))
                    now = shop.take(writes, limit=MAX_BYTES)
                except Failed as error:
                    failed[lock] = error.what
                    shop.put(before)
                    continue
                for path in before.keys() & now.keys():
                    contents[path] = _as_asked(before[path], now[path])
    except Failed as error:
        failed.update(dict.fromkeys(runnable, error.what))
        return Renewed(failed=failed)
    return Renewed(contents=contents, failed=failed)


def _runnable(
    tree: Path, commands: Mapping[str, Sequence[Command]]
) -> tuple[dict[str, Sequence[Command]], dict[str, str]]:
    runnable: dict[str, Sequence[Command]] = {}
    failed: dict[str, str] = {}
    for lock, steps in commands.items():
        missing = [step.tool for step in steps if tool_path(step.tool, tree) is None]
        if any(not step.runs for step in steps):
            failed[lock] = f"{steps[0].tool} runs the project's own build: start it yourself"
        elif reason := next(filter(None, (own_code(step, tree) for step in steps)), ""):
            failed[lock] = f"{reason}: start it yourself"
        elif missing:
            failed[lock] = f"{missing[0]} is not installed here"
        else:
            runnable[lock] = steps
    return runnable, failed


def _as_asked(before: bytes, now: bytes) -> bytes:
    """pip-compile writes down that nothing is to be built, which was this run's condition only."""
    return now if _NO_BUILD in before else now.replace(_NO_BUILD, b"", 1)


def forgotten(data: bytes, step: Command) -> bytes:
    """A lock file of Yarn 1 without the entries of some versions: blocks that begin with the name
    and say the version."""
    kept = []
    for block in data.decode("utf-8", "surrogateescape").split("\n\n"):
        head = block.lstrip("\n").partition("\n")[0]
        gone = any(
            re.match(rf'"?{re.escape(name)}@', head)
            and re.search(rf'^  version "{re.escape(version)}"$', block, re.MULTILINE)
            for name, version in step.forgets
        )
        if not gone:
            kept.append(block)
    return "\n\n".join(kept).encode("utf-8", "surrogateescape")
