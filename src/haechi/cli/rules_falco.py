"""``haechi rules check`` over Falco rule files: what Falco would say, and what it would not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.asking import echo_json
from haechi.cli.plain import plain
from haechi.errors import UsageError
from haechi.model.counting import counted
from haechi.model.severity import Severity

if TYPE_CHECKING:
    from haechi.engines.falco.lint_fault import Fault
    from haechi.engines.falco.ruleset import Problem, RuleText
    from haechi.engines.falco.study import Study

MAX_FILE = 16 * 1024 * 1024
MAX_FILES = 1_000


def is_falco(path: Path) -> bool:
    """A file is; a directory is when one of its YAML files looks like rules of Falco."""
    from haechi.scan.falco import may_be_rules

    if path.is_dir():
        return any(may_be_rules(_bytes(file)) for file in _within(path))
    return True


def rule_texts(paths: Sequence[Path]) -> list[RuleText]:
    """The texts of files, and of a directory's files in the order of their names.

    Raises UsageError for what cannot be read.
    """
    from haechi.engines.documents import decode
    from haechi.engines.falco.ruleset import RuleText
    from haechi.errors import InputError

    texts = []
    for path in paths:
        for file in _within(path) if path.is_dir() else [path]:
            try:
                texts.append(RuleText(name=str(file), text=decode(_bytes(file))))
            except InputError as error:
                raise UsageError(f"cannot read {file}", why=error.what, do=error.do) from error
    return texts


def _within(directory: Path) -> list[Path]:
    try:
        files = [p for p in sorted(directory.iterdir()) if p.suffix in (".yaml", ".yml")]
        return [path for path in files if path.is_file()][:MAX_FILES]
    except OSError as error:
        raise UsageError(f"cannot read {directory}", why=error.strerror or "") from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}", why=error.strerror or "") from error
    if len(data) > MAX_FILE:
        raise UsageError(f"{path} has more than {MAX_FILE:,} bytes", do="split the file")
    return data


def check_files(paths: Sequence[Path], format_: str, severity: str | None) -> int:
    """Print what is wrong with rule files; the exit code."""
    from haechi.engines.falco.study import study

    studied = study(rule_texts(paths))
    least = Severity(severity) if severity else Severity.INFO
    faults = [fault for fault in studied.faults if Severity(fault.severity).at_least(least)]
    if format_ == "json":
        echo_json(_json(studied, faults))
    else:
        for line in _lines(studied.problems, faults):
            click.echo(plain(line))
        click.echo(_summary(studied), err=True)
    if studied.broken:
        return 2
    return int(any(Severity(f.severity).at_least(Severity.HIGH) for f in studied.faults))


def _lines(problems: Sequence[Problem], faults: Sequence[Fault]) -> Iterator[str]:
    yield from (str(problem) for problem in problems)
    for fault in faults:
        about = f"rule {fault.rule!r}: " if fault.rule else ""
        yield f"{fault.at}: {fault.severity} {fault.code}: {about}{fault.message}"
        if fault.why:
            yield f"    why: {fault.why}"
        if fault.do:
            yield f"    do:  {fault.do}"


def _summary(studied: Study) -> str:
    errors = sum(problem.error for problem in studied.problems)
    warnings = len(studied.problems) - errors
    return (
        f"{counted(len(studied.rules.rules), 'rule')} loaded, {counted(errors, 'error')} and "
        f"{counted(warnings, 'warning')} as of Falco, {counted(len(studied.faults), 'fault')}"
    )


def _json(studied: Study, faults: Sequence[Fault]) -> dict[str, Any]:
    return {
        "rules": len(studied.rules.rules),
        "problems": [
            {
                "error": problem.error,
                "code": problem.code,
                "item": problem.item,
                "message": problem.message,
                "file": problem.at.file,
                "line": problem.at.line,
                "column": problem.at.column,
            }
            for problem in studied.problems
        ],
        "faults": [
            {
                "code": fault.code,
                "severity": fault.severity,
                "rule": fault.rule,
                "message": fault.message,
                "why": fault.why,
                "do": fault.do,
                "file": fault.at.file,
                "line": fault.at.line,
                "column": fault.at.column,
            }
            for fault in faults
        ],
    }
