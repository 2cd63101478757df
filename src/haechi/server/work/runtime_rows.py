"""Runtime rules as the API tells them: rows with hits within reach, problems, faults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from haechi.runtime.rulebook import SAVED, Book, BookFile, BookRule
from haechi.server.shapes import (
    RuleCheck,
    RuleExample,
    RuleFault,
    RuleFileRow,
    RuleProblem,
    RuntimeRule,
    RuntimeRuleDetail,
)
from haechi.store.events.encoding import OWN
from haechi.store.events.shapes import EventFilter

if TYPE_CHECKING:
    from haechi.engines.falco.lint_fault import Fault
    from haechi.engines.falco.ruleset import Problem
    from haechi.engines.falco.syntax import Node
    from haechi.rules.schema import Rule as CatalogueRule
    from haechi.server.endpoint import Call
    from haechi.store.records import RuleSwitch

HITS_DAYS = 30
_LINES = 5_000


def hits_of(call: Call) -> dict[str, int]:
    """Detections of the last days by rule's name, from the aggregates, within the reach."""
    until = int(call.now.timestamp())
    span = HITS_DAYS * 86_400
    found = call.world.store.events.series(
        since_s=until - span,
        until_s=until + 60,
        step_s=span + 60,
        by="rule",
        within=call.within,
        ask=EventFilter(source=[OWN]),
        lines=_LINES,
    )
    return {name: sum(counts) for name, counts in found.lines.items()}


def resolved(rows: Iterable[RuntimeRule], book: Book) -> Iterator[RuntimeRule]:
    """The rows with their whole conditions."""
    from haechi.engines.falco.write import whole

    rules = {one.key: one.rule for one in book.rules}
    for row in rows:
        condition = whole(rules[row.source, row.name].condition)
        yield msgspec.structs.replace(row, resolved=condition)


def rule_rows(book: Book, hits: Mapping[str, int]) -> list[RuntimeRule]:
    """All rules: what detected something first, then by priority and name."""
    faults: defaultdict[tuple[str, str], list[Fault]] = defaultdict(list)
    for fault in book.faults:
        faults[fault.rule, fault.at.file].append(fault)
    rows = [_row(one, hits, faults[one.rule.name, one.rule.at.file]) for one in book.rules]
    return sorted(rows, key=_order)


def _order(row: RuntimeRule) -> tuple[int, int, str, str]:
    from haechi.model.event import PRIORITIES

    return -row.hits, PRIORITIES.index(row.priority), row.name, row.source


def _row(one: BookRule, hits: Mapping[str, int], faults: Iterable[Fault]) -> RuntimeRule:
    rule = one.rule
    return RuntimeRule(
        name=rule.name,
        id=rule.id,
        source=rule.source,
        priority=rule.priority,
        tags=list(rule.tags),
        enabled=one.enabled,
        origin=one.origin,
        file=rule.at.file,
        line=rule.at.line,
        description=rule.desc,
        condition=rule.text,
        output=rule.output,
        event_types=None if rule.event_types is None else sorted(rule.event_types),
        hits=hits.get(rule.name, 0),
        faults=[fault_row(fault) for fault in faults],
    )


def rule_detail(
    row: RuntimeRule,
    one: BookRule,
    known: CatalogueRule | None,
    switches: Iterable[RuleSwitch],
) -> RuntimeRuleDetail:
    """A rule with all its words."""
    word = next((s for s in switches if (s.source, s.name) == one.key), None)
    return RuntimeRuleDetail(
        rule=row,
        examples=[
            *(RuleExample(holds=True, event=text) for text in (known.bad if known else ())),
            *(RuleExample(holds=False, event=text) for text in (known.good if known else ())),
        ],
        exceptions=[exception.name for exception in one.rule.exceptions],
        why=known.why if known else "",
        why_ko=known.ko.why if known and known.ko else "",
        fix=known.fix if known else "",
        fix_ko=known.ko.fix if known and known.ko else "",
        refs=dict(known.refs) if known else {},
        switched_by=word.by if word else "",
        switched_at=word.at if word else None,
    )


def fault_row(fault: Fault) -> RuleFault:
    """What lint says."""
    return RuleFault(
        code=fault.code,
        severity=fault.severity,
        rule=fault.rule,
        message=fault.message,
        why=fault.why,
        file=fault.at.file,
        line=fault.at.line,
        column=fault.at.column,
    )


def problem_row(problem: Problem) -> RuleProblem:
    """What the loader says."""
    return RuleProblem(
        error=problem.error,
        code=problem.code,
        message=problem.message,
        file=problem.at.file,
        line=problem.at.line,
        column=problem.at.column,
        item=problem.item,
    )


def file_row(book: Book, file: BookFile) -> RuleFileRow:
    """A file as it is in force."""
    return RuleFileRow(
        name=file.name,
        origin=file.origin,
        version=file.version,
        rules=sum(one.rule.at.file == file.name for one in book.rules),
        loaded=file.name not in book.left_out,
        problems=[problem_row(one) for one in book.problems_of(file.name)],
        at=file.at,
        by=file.by,
        note=file.note,
    )


def checked(book: Book, name: str, hits: Mapping[str, int]) -> RuleCheck:
    """What a text would be under a name; ``book`` is the one with it in place."""
    rules = [row for row in rule_rows(book, hits) if row.file == name and row.origin == SAVED]
    problems = book.problems_of(name)
    mine = [one for one in book.rules if one.rule.at.file == name]
    return RuleCheck(
        ok=not any(one.error for one in problems),
        problems=[problem_row(one) for one in problems],
        faults=[fault_row(one) for one in book.faults if one.at.file == name],
        rules=rules,
        fields=sorted(set(_fields(mine))),
    )


def _fields(rules: Iterable[BookRule]) -> Iterator[str]:
    from haechi.engines.falco.output import used_fields

    for one in rules:
        yield from _of_node(one.rule.condition)
        yield from used_fields(one.rule.output)


def _of_node(node: Node) -> Iterator[str]:
    """Names of the fields of a condition, with their arguments."""
    from haechi.engines.falco.syntax import Field

    waiting: list[object] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Field):
            yield str(one)
        elif isinstance(one, tuple):
            waiting += one
        elif isinstance(one, msgspec.Struct):
            waiting += [getattr(one, name) for name in one.__struct_fields__ if name != "place"]
