"""Results that nobody will ever read: SARIF that stays on the runner, reports that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from haechi.checks.workflows.expressions import is_dynamic
from haechi.checks.workflows.plain import mapping, scalars, shown, text
from haechi.checks.workflows.scanners import Check, checks_of, has_option, invoked
from haechi.checks.workflows.view import Job, Step, Workflow, view_of
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review
from haechi.rules.ci_tables import uploads

_MOST_FILES = 200
_STDOUT = ("-", "/dev/stdout", "/dev/stderr", "/dev/null", "console")


def sarif_not_uploaded(review: Review) -> Iterator[Hit]:
    """A SARIF file that no step takes to where it is read."""
    for step, check, file, path in _orphans(review):
        if _is_sarif(check, step, file):
            text_ = f"{step.label} writes the results of {check.name} to {shown(file)}"
            yield Hit(f"{text_}, and nothing uploads them", path)


def report_not_kept(review: Review) -> Iterator[Hit]:
    """Another report that is gone with the runner."""
    for step, check, file, path in _orphans(review):
        if check.scans and not _is_sarif(check, step, file):
            text_ = f"{step.label} writes the report of {check.name} to {shown(file)}"
            yield Hit(f"{text_}, and nothing keeps it", path)


def _orphans(review: Review) -> Iterator[tuple[Step, Check, str, AttrPath]]:
    """Files of results that nothing takes along. Who calls an action may do it, so they pass."""
    workflow = view_of(review)
    if workflow.composite:
        return
    written = [
        (job, step, *found) for job, step in workflow.steps for found in _files(workflow, step)
    ]
    if len(written) > _MOST_FILES:
        raise NotEvaluated(f"it writes more than {_MOST_FILES} files of results")
    for job, step, check, file, path in written:
        if not (_taken(job, step, file) or _named(workflow, step, file)):
            yield step, check, file, path


def _files(workflow: Workflow, step: Step) -> Iterator[tuple[Check, str, AttrPath]]:
    """Files that checks write: by an input of an action, or by an option or redirection."""
    for check in checks_of(workflow, step):
        if check.action is not None:
            file = step.inputs.get(check.action.output, "") if check.action.output else ""
            if _is_file(file):
                yield check, file.strip(), (*step.path, "with", check.action.output)
            arguments = step.inputs.get(check.action.args, "").split()
            for file in _by_option(
                arguments, ("--sarif-file-output", "-out", "--json-file-output")
            ):
                yield check, file, (*step.path, "with", check.action.args)
        else:
            for file in files_of(check):
                yield check, file, (*step.path, "run")


def files_of(check: Check) -> list[str]:
    """Files that a command writes its results to."""
    if check.command is None or check.program is None or check.index < 0:
        return []
    _, args = invoked(check.command)
    files = list(_by_option(args, check.program.output))
    files += [t for k, t in check.command.redirects if k in (">", ">|") and _is_file(t)]
    return list(dict.fromkeys(files))


def _by_option(args: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    for index, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name in options:
            file = value if equals else "".join(args[index + 1 : index + 2])
            if _is_file(file) and not file.startswith("-"):
                yield file


def _is_file(value: str) -> bool:
    value = value.strip()
    known = value and not is_dynamic(value) and "$" not in value and "," not in value
    return bool(known) and value not in _STDOUT and not value.startswith("&") and "." in value


def _is_sarif(check: Check, step: Step, file: str) -> bool:
    if ".sarif" in file.lower():
        return True
    if check.action is not None and check.action.format:
        return step.inputs.get(check.action.format, "").strip().lower() == "sarif"
    return check.command is not None and any(
        has_option(check.command.args, option) for option in ("--format sarif", "-f sarif")
    )


def _taken(job: Job, step: Step, file: str) -> bool:
    """True when a later step of the job uploads what lies in the folder of the file."""
    folder = file.rpartition("/")[0].removeprefix("./")
    for later in job.steps[step.index + 1 :]:
        if later.uses is None:
            continue
        if uploads(later.uses.key) and not later.inputs.get("sarif_file"):
            return True
        path = later.inputs.get("path", "") or later.inputs.get("sarif_file", "")
        for line in path.split("\n"):
            line = line.strip().removeprefix("./").rstrip("/")
            if line in (".", "", "*", "**", "**/*") and path:
                return True
            if is_dynamic(line) or (line and folder and (folder + "/").startswith(line + "/")):
                return True
            if "*" in line and _glob_takes(line, file):
                return True
    return False


def _glob_takes(glob: str, file: str) -> bool:
    """Roughly: the file has what stands before the first and after the last star."""
    name = file.removeprefix("./")
    head, _, _ = glob.partition("*")
    tail = glob.rpartition("*")[2]
    return name.startswith(head) and name.endswith(tail)


def _named(workflow: Workflow, step: Step, file: str) -> bool:
    """True when the file's name stands anywhere else in the workflow, or again in the script."""
    name = file.rstrip("/").rpartition("/")[2]
    stem = name.partition(".")[0]
    if step.run.count(name) > 1:
        return True
    for _, other in workflow.steps:
        if other.path == step.path:
            continue
        for _, found in scalars(dict(other.data)):
            if name in found or (len(stem) > 3 and f"{stem}." in found):
                return True
    outputs = [text(v) for j in workflow.jobs for v in mapping(j.data.get("outputs")).values()]
    return any(name in value for value in outputs)
