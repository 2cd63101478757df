"""Secrets that a script writes to the log, to outputs, or to every later step.

GitHub masks a secret in the log where it appears letter by letter. A part of it, its base64 or
its upper-case form is shown, and so is all that a tool prints of its environment elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from haechi.checks.workflows.expressions import secrets_in
from haechi.checks.workflows.plain import listed
from haechi.checks.workflows.scripts import Script, reads_variable, variables_in
from haechi.checks.workflows.view import Step, view_of
from haechi.engines.dockerfile.shell import Command
from haechi.model.review import Hit, Review

PRINTERS = frozenset({"echo", "printf"})
_PASSING = frozenset({"cat", "tee", "tail", "sort", "nl", "fold", "grep"})
_CHANGING = frozenset(
    {"base64", "base32", "rev", "xxd", "od", "hexdump", "sed", "awk", "tr", "cut", "head", "fold"}
)
_FILES = {
    "GITHUB_OUTPUT": "the step's outputs",
    "GITHUB_STEP_SUMMARY": "the summary of the run",
    "GITHUB_ENV": "the environment of every later step",
}
_MASK = "::add-mask::"


def printed(review: Review) -> Iterator[Hit]:
    """A secret in the log, as it is."""
    for step, script, holders in _scripts(review):
        names = [n for c in to_log(script, changed=False) for n in read_by(c.words, holders)]
        for body in script.shown_documents():
            names += read_by((body,), holders)
        if names:
            yield Hit(f"{step.label} prints {listed(names)} to the log", (*step.path, "run"))


def printed_changed(review: Review) -> Iterator[Hit]:
    """A secret in the log in a form that the mask does not know."""
    for step, script, holders in _scripts(review):
        names = [n for c in to_log(script, changed=True) for n in read_by(c.words, holders)]
        if names:
            yield Hit(
                f"{step.label} prints {listed(names)} in a changed form, which is not masked",
                (*step.path, "run"),
            )


def handed_on(review: Review) -> Iterator[Hit]:
    """A secret in outputs, the summary, or the environment of later steps."""
    for step, script, holders in _scripts(review):
        for file, names in _written(script, holders).items():
            yield Hit(f"{step.label} writes {listed(names)} to {_FILES[file]}", (*step.path, "run"))


def traced(review: Review) -> Iterator[Hit]:
    """``set -x`` in a script that has secrets at hand."""
    for step, script, holders in _scripts(review):
        names = [name for names in holders.values() for name in names]
        names += secrets_in(step.run)
        used = [c for c in script.commands if read_by(c.words, holders)]
        if names and used and traces(script, step.shell):
            yield Hit(
                f"{step.label} traces its commands, among them some with {listed(names)}",
                (*step.path, "run"),
            )


def dumped(review: Review) -> Iterator[Hit]:
    """The whole environment in the log while it holds secrets."""
    for step, script, holders in _scripts(review):
        names = [name for names in holders.values() for name in names]
        if names and (command := environment_dump(script)):
            yield Hit(
                f"{step.label} prints its environment ({command}), which holds {listed(names)}",
                (*step.path, "run"),
            )


def _scripts(review: Review) -> Iterator[tuple[Step, Script, Mapping[str, Sequence[str]]]]:
    """Scripts with the variables that hold secrets: variable → names of the secrets."""
    workflow = view_of(review)
    for job, step in workflow.steps:
        if step.run and step.posix:
            yield step, workflow.script(step), workflow.secrets(job, step)


def read_by(words: Sequence[str], holders: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of the secrets whose value stands in the words."""
    names: list[str] = []
    for word in words:
        if _MASK in word:
            continue
        names += secrets_in(word)
        for variable in variables_in(word):
            names += holders.get(variable, ())
    return names


def to_log(script: Script, *, changed: bool) -> Iterator[Command]:
    """Commands whose words end in the log, as they are or changed on the way."""
    if script.groups_redirected:
        return
    for index, command in enumerate(script.commands):
        if command.name not in PRINTERS or _hidden(command):
            continue
        readers = script.pipeline(index)[1:]
        names = [reader.name for reader in readers]
        if any(_hidden(reader) for reader in readers):
            continue
        if not all(name in _PASSING or name in _CHANGING for name in names):
            continue
        if (
            any(
                name in _CHANGING and not _unpacks(r)
                for name, r in zip(names, readers, strict=True)
            )
            == changed
        ):
            yield command


def _hidden(command: Command) -> bool:
    """True when the output goes to a file."""
    return any(
        kind.startswith((">", "&>"))
        and target not in ("&2", "2", "/dev/stderr", "/dev/stdout")
        and kind != ">&"
        for kind, target in command.redirects
    )


def _unpacks(command: Command) -> bool:
    return command.name == "grep" or command.has("-d", "--decode", "-D")


def _written(script: Script, holders: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for index, command in enumerate(script.commands):
        if command.name not in PRINTERS:
            continue
        names = read_by(command.words, holders)
        if not names:
            continue
        if any("::set-output" in word for word in command.words):
            found.setdefault("GITHUB_OUTPUT", []).extend(names)
        targets = [t for c in script.pipeline(index) for t in _targets(c)]
        for file in _FILES:
            if any(reads_variable(target, file) for target in targets):
                found.setdefault(file, []).extend(names)
    return found


def _targets(command: Command) -> Iterator[str]:
    yield from (target for kind, target in command.redirects if kind.startswith(">"))
    if command.name == "tee":
        yield from command.operands


def traces(script: Script, shell: str) -> bool:
    """True when the shell shows every command before it runs it."""
    if any(part.startswith("-") and "x" in part for part in shell.split()[1:]):
        return True
    for command in script.commands:
        if command.name == "set":
            flags = [arg for arg in command.args if arg.startswith("-") and arg != "--"]
            if any("x" in flag[1:] for flag in flags if not flag.startswith("--")):
                return True
            if "xtrace" in command.args and "-o" in command.args:
                return True
    return False


def environment_dump(script: Script) -> str:
    """The command that prints every variable to the log; empty when none does."""
    if script.groups_redirected:
        return ""
    for index, command in enumerate(script.commands):
        words = command.words
        bare = words in (("env",), ("printenv",), ("set",), ("export",), ("export", "-p"))
        if bare or words[:2] == ("declare", "-p") or words == ("declare", "-x"):
            readers = script.pipeline(index)[1:]
            quiet = any(_hidden(c) for c in (command, *readers))
            if not quiet and all(r.name in ("sort", "cat", "tee") for r in readers):
                return " ".join(words)
    return ""
