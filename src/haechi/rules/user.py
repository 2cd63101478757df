"""Rules of users: directories named in haechi.yaml, the same schema, CEL and patterns only.

Code of a scanned repository never runs in this process, so ``judge: python`` is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from haechi.rules.load import RuleFault, load_rules
from haechi.rules.schema import JudgeKind, Rule

MAX_FILE = 1024 * 1024
MAX_FILES = 1_000
_OPEN = frozenset({JudgeKind.CEL, JudgeKind.PATTERN})


def load_user_rules(
    root: Path,
    directories: Sequence[str],
    built_in: Mapping[str, Rule],
    places: dict[str, str] | None = None,
) -> tuple[list[Rule], list[RuleFault]]:
    """Rules of all ``*.yaml`` files under the directories, relative to ``root``.

    ``places`` is filled with rule id → file:line. A broken rule, a name that is taken, or a
    directory that is not there becomes a fault.
    """
    rules: list[Rule] = []
    faults: list[RuleFault] = []
    taken = dict.fromkeys(built_in, "haechi")
    for directory in directories:
        base = root / directory
        if not base.is_dir() or not base.resolve().is_relative_to(root.resolve()):
            message = "haechi.yaml names this directory of rules, but it is not there"
            faults.append(RuleFault(path=directory, line=1, message=message))
            continue
        paths = sorted(base.rglob("*.y*ml"))
        if len(paths) > MAX_FILES:
            message = f"more than {MAX_FILES:,} files; the rules of the others are not judged"
            faults.append(RuleFault(path=directory, line=1, message=message))
        for path in paths[:MAX_FILES]:
            name = path.relative_to(root).as_posix()
            for rule in _read(path, name, faults, places):
                if rule.id in taken:
                    message = f"rule {rule.id}: the id is taken by {taken[rule.id]}"
                    faults.append(RuleFault(path=name, line=1, message=message))
                    continue
                taken[rule.id] = name
                rules.append(rule)
    return rules, faults


def _read(
    path: Path, name: str, faults: list[RuleFault], places: dict[str, str] | None
) -> list[Rule]:
    if path.is_symlink() or not path.is_file() or path.suffix not in (".yaml", ".yml"):
        return []
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        faults.append(RuleFault(path=name, line=1, message=str(error.strerror)))
        return []
    if len(data) > MAX_FILE:
        faults.append(RuleFault(path=name, line=1, message=f"more than {MAX_FILE:,} bytes"))
        return []
    rules, found = load_rules(data, name, places)
    faults.extend(found)
    kept = []
    for rule in rules:
        if rule.judge in _OPEN:
            kept.append(rule)
            continue
        message = f"rule {rule.id}: rules of a repository judge by cel or pattern, not {rule.judge}"
        faults.append(RuleFault(path=name, line=1, message=message))
    return kept
