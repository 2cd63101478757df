"""Falco rule files of a tree → resources to judge, one a file.

A rule file is told by its look: a YAML list of rules, macros or lists; or a Helm values file of
Falco's chart, whose ``customRules`` hold such files as texts. Files of one folder are loaded
together in the order of their names, as Falco does with a folder, so that a macro of one serves
the others. The engine is imported when the first such file is met.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from haechi.model.coverage import Gap
from haechi.model.keys import file_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource

if TYPE_CHECKING:
    from haechi.engines.falco.lint_fault import Fault
    from haechi.engines.falco.ruleset import At, Problem

FALCO_RULES = "falco-rules"
"""The kind of resource that a rule file is read as."""
EXAMPLE = "rules.yaml"
MAX_FOLDER = 8 * 1024 * 1024
"""Bytes of one folder's rule files together."""
MAX_ALL = 4 * MAX_FOLDER
MAX_CHECKS = 600_000
"""Of all folders together, their conditions with macros written out: a repository may hold a
thousand folders, each with a small file that is much work."""
# Every manifest is asked, so they begin with what can be found fast, not with the start of a line.
_RULE = re.compile(rb"\n- +['\"]?(?:rule|macro)['\"]? *:")
_LIST = re.compile(rb"\n- +['\"]?list['\"]? *:")
_CONDITION = re.compile(rb"\n +['\"]?condition['\"]? *:")
_ITEMS = re.compile(rb"\n +['\"]?items['\"]? *:")
_CUSTOM = re.compile(rb"\n['\"]?customRules['\"]? *:")


def may_be_rules(data: bytes) -> bool:
    """By a cheap look: the top level lists rules, macros or lists of Falco."""
    lines = b"\n" + data
    if _RULE.search(lines) and _CONDITION.search(lines):
        return True
    return bool(_LIST.search(lines) and _ITEMS.search(lines))


def may_hold_rules(data: bytes) -> bool:
    """A rule file itself, or values of Falco's Helm chart with rules in them."""
    if may_be_rules(data):
        return True
    return b"customRules" in data and b"condition" in data and bool(_CUSTOM.search(b"\n" + data))


def read_rules(texts: Mapping[str, str]) -> tuple[list[Resource], list[Gap]]:
    """The resources of rule files (path → text), and what of them Falco would refuse."""
    resources: list[Resource] = []
    gaps: list[Gap] = []
    folders: dict[str, list[str]] = {}
    for path in sorted(texts):
        folders.setdefault(posixpath.dirname(path), []).append(path)
    left, checks = MAX_ALL, MAX_CHECKS
    for paths in folders.values():
        held = {path: _rules_in(texts[path]) for path in paths}
        known = {path: text for path, text in held.items() if text.strip()}
        size = sum(len(text) for text in known.values())
        if size > MAX_FOLDER:
            reason = f"Falco rules past {MAX_FOLDER >> 20} MiB in one folder are not judged"
            gaps.append(Gap(kind="too-much", path=paths[0], reason=reason, do="split the folder"))
            continue
        if size > left or checks <= 0:
            reason = "the Falco rules of this folder and those after it are more than is judged"
            gaps.append(Gap(kind="too-much", path=paths[0], reason=reason, do="scan it by itself"))
            break
        left -= size
        if known:
            found, refused, spent = _folder(known)
            checks -= spent
            resources += found
            gaps += refused
    return resources, gaps


def _folder(texts: Mapping[str, str]) -> tuple[list[Resource], list[Gap], int]:
    """The resources, what is refused, and how many checks were looked through."""
    from haechi.engines.falco.ruleset import RuleText
    from haechi.engines.falco.study import study

    studied = study([RuleText(name=path, text=text) for path, text in texts.items()])
    refused: dict[str, list[Problem]] = {}
    for problem in studied.problems:
        if problem.error:
            refused.setdefault(problem.at.file, []).append(problem)
    gaps = [_gap(problems) for problems in refused.values()]
    resources = [
        _resource(path, [fault for fault in studied.faults if fault.at.file == path])
        for path in texts
    ]
    return resources, gaps, studied.rules.checks


def _gap(problems: list[Problem]) -> Gap:
    """What Falco would refuse of one file: the first fault, and how many there are."""
    first = problems[0]
    who = f"{first.item}: " if first.item else ""
    more = f" (and {len(problems) - 1:,} more)" if len(problems) > 1 else ""
    return Gap(
        kind="falco",
        path=f"{first.at.file}:{first.at.line}",
        reason=f"{first.code}: {who}{first.message[:500]}{more}",
        do="correct it, or keep the files that define what it uses in the same folder",
    )


def _resource(path: str, faults: list[Fault]) -> Resource:
    places: dict[AttrPath, At] = {(f.rule, f.code, f.key): f.at for f in faults}

    def locate(at: AttrPath) -> Location:
        place = places.get(at)
        line, column = (place.line, place.column) if place is not None else (1, 1)
        return Location(path=path, line=line, column=column, end_line=line, end_column=column + 1)

    return Resource(
        key=file_key(path),
        kind=FALCO_RULES,
        name=path,
        file=path,
        data={"faults": faults},
        locate=locate,
    )


# --- values of Falco's Helm chart ----------------------------------------------------------------


def _rules_in(text: str) -> str:
    """The rules of a file, each on the line on which it stands there."""
    if not _CUSTOM.search(text.encode("utf-8", "replace")):
        return text
    from haechi.engines.documents import Document, parse_documents
    from haechi.errors import InputError

    lines = [""] * (text.count("\n") + 2)
    try:
        for document in parse_documents(text.encode("utf-8", "replace")):
            if isinstance(document, Document) and isinstance(document.data, dict):
                _take_custom(document.data.get("customRules"), document.locate, text, lines)
    except InputError:
        return ""
    return "\n".join(lines)


def _take_custom(
    custom: Any, locate: Callable[[AttrPath], tuple[int, int, int, int]], text: str, out: list[str]
) -> None:
    """Put the texts under ``customRules`` on their lines; such as are not literal blocks are
    passed over, for their lines cannot be told."""
    written = text.splitlines()
    for name, rules in custom.items() if isinstance(custom, dict) else ():
        if not isinstance(rules, str) or not may_be_rules(rules.encode("utf-8", "replace")):
            continue
        start = locate(("customRules", name))[0]
        lines = rules.splitlines()
        there = [line.strip() for line in written[start : start + len(lines)]]
        if there == [line.strip() for line in lines]:
            out[start : start + len(lines)] = lines
