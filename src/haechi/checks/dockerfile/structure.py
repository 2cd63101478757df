"""Instructions that fail, do nothing, or do something else than they seem to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from haechi.checks.dockerfile.view import Step, is_posix, view_of
from haechi.engines.dockerfile.shell import Command
from haechi.engines.dockerfile.syntax import Instruction
from haechi.model.review import Hit, Review

_LOST = frozenset({"cd", "export", "alias", "ulimit", "umask", "source", ".", "set", "unset"})
_QUIET_PRODUCERS = frozenset({"echo", "printf", "yes", "true", ":"})
_SERVICE = re.compile(
    r"service\s+\S+\s+(?:re)?start\b|/etc/init\.d/\S+\s+(?:re)?start\b|rc-service"
    r"|systemctl\s+(?:re)?start\b"
)
_MAX_VOLUMES = 50
_WINDOWS_PATH = re.compile(r"\A['\"]?[A-Za-z]:[\\/]")


def before_from(review: Review) -> Iterator[Hit]:
    """Only ARG may stand before the first FROM."""
    dockerfile = view_of(review).dockerfile
    for item in dockerfile.preamble if dockerfile.stages else ():
        if item.name != "ARG":
            yield _at(item, f"{item.name[:20]} comes before the first FROM")


def _at(item: Instruction, message: str) -> Hit:
    return Hit(message, ("instructions", item.index))


def forbidden_trigger(review: Review) -> Iterator[Hit]:
    """ONBUILD cannot carry ONBUILD, FROM or MAINTAINER."""
    for item in view_of(review).dockerfile.instructions:
        if item.trigger is not None and item.trigger.name in ("ONBUILD", "FROM", "MAINTAINER"):
            yield _at(item, f"ONBUILD carries {item.trigger.name}, which BuildKit refuses")


def maintainer(review: Review) -> Iterator[Hit]:
    """MAINTAINER is deprecated."""
    for item in view_of(review).dockerfile.instructions:
        if item.name == "MAINTAINER":
            yield _at(item, "MAINTAINER is deprecated")


def legacy_pairs(review: Review) -> Iterator[Hit]:
    """ENV and LABEL with a blank instead of an equals sign."""
    for item in view_of(review).dockerfile.instructions:
        if item.legacy_pairs and item.pairs:
            yield _at(item, f"{item.name} {item.pairs[0].name[:60]} uses the old form without =")


def relative_workdir(review: Review) -> Iterator[Hit]:
    """A relative WORKDIR depends on what the base image set."""
    for stage in view_of(review).stages:
        absolute = False
        for step in (*(s for p in stage.lineage[:-1] for s in p.steps), *stage.steps):
            if step.name != "WORKDIR":
                continue
            text = step.expanded(step.what.value) or "/"
            if text.startswith("/") or _WINDOWS_PATH.match(text):
                absolute = True
            elif not absolute and step.stage == stage.stage.index:
                yield step.hit(f"WORKDIR {text[:60]} is relative to an unknown folder")


def cd_in_run(review: Review) -> Iterator[Hit]:
    """RUN changes the folder first."""
    for step in view_of(review).steps("RUN"):
        first = next(iter(step.scripts), None)
        if first and first.name == "cd" and len(step.scripts) > 1 and not step.what.heredocs:
            yield step.hit(f"RUN changes to {' '.join(first.args)[:60]} instead of WORKDIR")


def no_effect(review: Review) -> Iterator[Hit]:
    """All that RUN does ends with its shell."""
    for step in view_of(review).steps("RUN"):
        commands = step.scripts
        if commands and not step.what.exec_form and all(_is_lost(item) for item in commands):
            shown = commands[0].name or commands[0].assignments[0][0] + "="
            yield step.hit(f"RUN {shown} has no effect on later steps")


def _is_lost(item: Command) -> bool:
    if item.redirects or item.inner:
        return False
    return item.name in _LOST if item.argv else bool(item.assignments)


def service_started(review: Review) -> Iterator[Hit]:
    """A service that RUN starts is gone when RUN ends."""
    for step in view_of(review).steps("RUN"):
        last = step.scripts[-1] if step.scripts else None
        if last is None:
            continue
        line = " ".join((last.name, *last.args))
        if _SERVICE.match(line):
            yield step.hit(f"RUN starts a service ({line[:60]}) that ends with the step")


def no_pipefail(review: Review) -> Iterator[Hit]:
    """A failure on the left of a pipe goes unnoticed."""
    for step in view_of(review).steps("RUN"):
        if "pipefail" in step.text or "pipefail" in " ".join(step.shell):
            continue
        if step.what.exec_form or not is_posix(step.shell):
            continue
        commands = step.scripts
        for left, right in itertools.pairwise(commands):
            if right.piped and left.name and left.name not in _QUIET_PRODUCERS:
                yield step.hit(f"a failure of {left.name[:40]} in the pipe goes unnoticed")
                break


def shell_replaced(review: Review) -> Iterator[Hit]:
    """/bin/sh is replaced by a link instead of by SHELL."""
    for step in view_of(review).steps("RUN"):
        for item in step.commands:
            if item.name == "ln" and item.args[-1:] == ("/bin/sh",):
                yield step.hit("RUN replaces /bin/sh by a link")


def copy_needs_folder(review: Review) -> Iterator[Hit]:
    """Several sources need a target that ends in a slash."""
    for step in view_of(review).steps("COPY", "ADD"):
        args = step.what.args
        target = args[-1].strip("'\"") if args else ""
        folder = target.endswith(("/", "\\", "/.")) or target in (".", "..")
        if len(args) > 2 and not folder and "$" not in target:
            message = f"{step.name} of {len(args) - 1} sources needs {target[:60]} to end in /"
            yield step.hit(message)


def self_reference(review: Review) -> Iterator[Hit]:
    """ENV uses a variable that the same line sets: it sees the value from before."""
    for step in view_of(review).steps("ENV"):
        earlier: set[str] = set()
        for pair in step.what.pairs:
            used = set(re.findall(r"(?<!\\)\$\{?([A-Za-z_]\w*)", pair.value or ""))
            fresh = sorted(name for name in used & earlier if name not in step.env)
            if fresh and not (pair.value or "").startswith("'"):
                yield step.hit(f"ENV {pair.name} uses {fresh[0]}, which the same line first sets")
                break
            earlier.add(pair.name)


def volume_changed(review: Review) -> Iterator[Hit]:
    """The classic builder throws away what is written below a VOLUME after it is declared."""
    for stage in view_of(review).stages:
        volumes: list[str] = []
        for step in stage.history:
            if step.name == "VOLUME" and not step.onbuild:
                volumes += [word.rstrip("/") for word in step.what.args if word.startswith("/")]
                del volumes[_MAX_VOLUMES:]
            elif volumes and step.stage == stage.stage.index:
                touched = _touched(step, volumes)
                if touched:
                    yield step.hit(f"{step.name} changes {touched} after it became a volume")


def _touched(step: Step, volumes: list[str]) -> str:
    if step.name in ("COPY", "ADD"):
        words = step.what.args[-1:]
    else:
        words = tuple(word for item in step.commands if item.name != "rm" for word in item.args)
    for word in words:
        for volume in volumes:
            if volume and (word == volume or word.startswith(volume + "/")):
                return volume
    return ""


def removed_too_late(review: Review) -> Iterator[Hit]:
    """RUN rm of what an earlier COPY or ADD brought: the earlier layer keeps it."""
    for stage in view_of(review).kept:
        brought: set[str] = set()
        for step in stage.history:
            if step.name in ("COPY", "ADD"):
                brought.update(_places(step))
            elif step.name == "RUN" and step.stage == stage.stage.index:
                for item in step.commands:
                    gone = [word for word in item.args if word.rstrip("/") in brought]
                    if item.name in ("rm", "shred", "unlink") and gone:
                        yield step.hit(f"rm of {gone[0][:80]} does not take it out of its layer")
                        break


def _places(step: Step) -> list[str]:
    """Where COPY or ADD puts its sources, as absolute paths or relative to the folder."""
    target = step.what.args[-1] if step.what.args else ""
    if not target.endswith("/") and target not in (".", ".."):
        return [target]
    names = [word.rstrip("/").rpartition("/")[2] for word in step.what.args[:-1]]
    folder = "" if target in (".", "./") else target
    return [folder + name for name in names if name and "*" not in name and name != "."]
