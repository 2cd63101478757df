"""Which steps and commands look for faults, and whether they can fail when they find some.

What counts as a scanner and what makes it fail are facts of rules/data/tables/scanners.yaml.
Where a configuration file or a run-time value decides, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from haechi.checks.workflows.scripts import Script
from haechi.checks.workflows.uses import Uses
from haechi.checks.workflows.view import Job, Step, Workflow
from haechi.engines.dockerfile.shell import Command, walk
from haechi.rules.ci_tables import Program, ScanAction, fits, programs, scan_action

TESTS = "tests"
_PREFIXES = {"npx": 1, "bunx": 1, "uvx": 1, "pipx": 2, "poetry": 2, "uv": 2, "pdm": 2, "hatch": 2}
"""Programs that run another one, and how many words stand before its name."""
_PYTHON = ("python", "python3", "py")
_MODULES = {"pip_audit": "pip-audit", "unittest": "pytest"}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A scanner or a test in a step: by an action, or by the command at ``index``."""

    name: str
    finds: str
    action: ScanAction | None = None
    program: Program | None = None
    command: Command | None = None
    index: int = -1

    @property
    def scans(self) -> bool:
        """True for a scanner, false for tests."""
        return self.finds != TESTS


def checks_of(workflow: Workflow, step: Step) -> list[Check]:
    """The scanners and tests that a step runs."""
    found: list[Check] | None = workflow.memo.get(("checks", step.path))
    if found is None:
        found = [Check(name=a.name, finds=a.finds, action=a) for a in _by_action(step.uses, step)]
        found += checks_in(workflow.script(step))
        workflow.memo["checks", step.path] = found
    return found


def job_checks(workflow: Workflow, job: Job) -> list[Check]:
    """Those of all steps of a job, and of the reusable workflow that it calls."""
    found = [check for step in job.steps for check in checks_of(workflow, step)]
    entry = scan_action(job.uses.key) if job.uses else None
    if entry is not None:
        found.append(Check(name=entry.name, finds=entry.finds, action=entry))
    return found


def checks_in(script: Script) -> Iterator[Check]:
    """The scanners and tests among the commands of a script (nested ones have index -1)."""
    for index, command in enumerate(script.commands):
        outer = _check(command, index)
        if outer is not None:
            yield outer
            continue
        for inner in walk(command.inner):
            nested = _check(inner, -1)
            if nested is not None:
                yield nested


def _by_action(uses: Uses | None, step: Step) -> Iterator[ScanAction]:
    entry = scan_action(uses.key) if uses and uses.remote else None
    if entry is None:
        return
    for name, values in entry.only.items():
        words = {word.strip() for word in step.inputs.get(name, "").split(",")}
        if not words.intersection(values):
            return
    for name, values in entry.lists.items():
        if step.inputs.get(name, "").strip().lower() in values:
            return
    yield entry


def _check(command: Command, index: int) -> Check | None:
    name, args = invoked(command)
    for entry in programs().get(name, ()):
        if _is_scan(entry, args):
            return Check(
                name=entry.name, finds=entry.finds, program=entry, command=command, index=index
            )
    return None


def invoked(command: Command) -> tuple[str, Sequence[str]]:
    """The program that runs in the end, behind ``npx``, ``poetry run``, ``python -m``."""
    name, args = command.name, list(command.args)
    if name in _PYTHON and args[:1] == ["-m"] and len(args) > 1:
        module = args[1]
        return _MODULES.get(module, module), args[2:]
    skip = _PREFIXES.get(name, 0)
    if skip and (skip == 1 or args[:1] in (["run"], ["x"])):
        rest = [arg for arg in args[skip - 1 :] if not arg.startswith("-")]
        if rest:
            program = rest[0].partition("@")[0] if not rest[0].startswith("@") else rest[0]
            at = args.index(rest[0])
            return program.rpartition("/")[2], args[at + 1 :]
    return name, args


def _is_scan(entry: Program, args: Sequence[str]) -> bool:
    if "--help" in args or "--version" in args or "-h" in args:
        return False
    if any(has_option(args, option) for option in entry.lists):
        return False
    if entry.option:
        return any(has_option(args, option) for option in entry.option)
    if not entry.sub:
        return True
    words = [arg for arg in args if not arg.startswith("-")]
    for at, word in enumerate(words[:4]):
        if fits(word, entry.sub):
            following = words[at + 1 : at + 2]
            if entry.excluded and following and following[0] in entry.excluded:
                return False
            return not entry.then or bool(following and fits(following[0], entry.then))
    return False


def has_option(args: Sequence[str], option: str) -> bool:
    """True when an option stands among arguments; ``--format sarif`` asks for its value, too."""
    name, _, value = option.partition(" ")
    for index, arg in enumerate(args):
        if not value:
            if arg == name or arg.startswith(name + "="):
                return True
        elif arg == f"{name}={value}" or (
            arg == name and list(args[index + 1 : index + 2]) == [value]
        ):
            return True
    return False


def passes_always(check: Check, step: Step, variables: Mapping[str, object]) -> str:
    """Why a scanner passes whatever it finds; empty when it can fail or nobody can tell."""
    if check.action is not None:
        return _action_passes(check.action, step, variables)
    if check.program is not None and check.command is not None:
        return program_passes(check.program, check.command, variables)
    return ""


def _action_passes(entry: ScanAction, step: Step, variables: Mapping[str, object]) -> str:
    inputs = step.inputs
    if any(name in inputs or name in variables for name in entry.elsewhere):
        return ""
    for name, values in entry.soft.items():
        if inputs.get(name, "").strip().lower() in values:
            return f"{name}: {inputs[name].strip()}"
    for option in entry.soft_args:
        if option in inputs.get(entry.args, "").split():
            return f"{entry.args}: {option}"
    if entry.needs:
        value = inputs.get(entry.needs, "").strip().lower()
        if value in entry.passing:
            return f"{entry.needs}: {value}" if value else f"no {entry.needs}"
    return ""


def program_passes(entry: Program, command: Command, variables: Mapping[str, object]) -> str:
    """The same for a program on a command line."""
    _, args = invoked(command)
    own = {name for name, _ in command.assignments}
    if any(has_option(args, name) or name in variables or name in own for name in entry.elsewhere):
        return ""
    if (entry.needs or entry.soft) and _options_hidden(args):
        return ""
    for option in entry.soft:
        if has_option(args, option):
            return option
    if entry.needs:
        given = [option for option in entry.needs if has_option(args, option)]
        if not given:
            return f"no {entry.needs[0]}"
        if any(has_option(args, f"{option} 0") for option in given):
            return f"{given[0]} 0"
    return ""


def _options_hidden(args: Sequence[str]) -> bool:
    """True when an argument is a variable that may hold options (``$TRIVY_ARGS``, ``"$@"``)."""
    for arg in args:
        bare = arg.strip("\"'")
        if bare in ("$@", "$*", "${@}"):
            return True
        if bare.startswith("$") and any(
            word in bare.upper() for word in ("ARG", "OPT", "FLAG", "PARAM", "EXTRA")
        ):
            return True
    return False
