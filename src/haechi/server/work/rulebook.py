"""The rules as a server knows them: the catalogue's, those whose words a push brought, and those
of which there is a finding and nothing else, each with what it found here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from haechi.errors import NotFound
from haechi.model.push import PushedRule
from haechi.model.severity import Severity
from haechi.rules.schema import Rule
from haechi.server.shapes import RuleDetail, RuleRow
from haechi.server.work.desk import Desk, domain_of
from haechi.server.work.lookup import RuleCount, rule_counts, titles


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Findings by rule. ``said`` is what the findings themselves say of rules that the catalogue
    does not have."""

    by_rule: Mapping[str, RuleCount]
    said: Mapping[str, str]

    def of(self, rule: str) -> RuleCount:
        """Of one rule."""
        return self.by_rule.get(rule, RuleCount())


def counts_of(desk: Desk) -> Counts:
    """Counted within the caller's reach."""
    state = desk.store.state
    by_rule = rule_counts(state, within=desk.within)
    unknown = by_rule.keys() - desk.catalogue.by_id.keys()
    return Counts(by_rule=by_rule, said=titles(state, unknown, within=desk.within))


def rule_rows(desk: Desk, counts: Counts, pushed: Mapping[str, PushedRule]) -> list[RuleRow]:
    """All rules: those that found something first, worst first, then by id."""
    rows = [_known(rule, counts) for rule in desk.catalogue.rules]
    rows += [
        _unknown(id_, counts, pushed.get(id_))
        for id_ in sorted({*pushed, *counts.said} - desk.catalogue.by_id.keys())
        # A rule that only other people's findings name is not told of.
        if id_ in counts.said or desk.sees_all
    ]
    return sorted(rows, key=_order)


def matching(rows: Sequence[RuleRow], desk: Desk, text: str, domain: str) -> list[RuleRow]:
    """Rows of a domain that hold every word of the text in id, title, tags or references."""
    words = text.casefold().split()
    return [
        row
        for row in rows
        if (not domain or row.domain == domain)
        and (not words or _holds(_text(row, desk.catalogue.by_id.get(row.id)), words))
    ]


def rule_detail(
    desk: Desk, id_: str, counts: Counts, pushed: Mapping[str, PushedRule]
) -> RuleDetail:
    """One rule with its words. Raises NotFound."""
    rule = desk.catalogue.by_id.get(id_)
    if rule is not None:
        return _detail(rule, counts)
    if id_ not in counts.said and not (id_ in pushed and desk.sees_all):
        raise NotFound(f"there is no rule {id_[:80]!r}", do="list the rules")
    words = pushed.get(id_)
    return RuleDetail(
        rule=_unknown(id_, counts, words),
        why=words.why if words else "",
        why_ko="",
        fix=words.fix if words else "",
        fix_ko="",
        snippet="",
        refs={},
        cwe=[],
        bad=[],
        good=[],
    )


def _known(rule: Rule, counts: Counts) -> RuleRow:
    return RuleRow(
        id=rule.id,
        title=rule.title,
        title_ko=rule.ko.title if rule.ko else rule.title,
        severity=rule.severity,
        domain=domain_of(rule),
        tags=list(rule.tags),
        open=counts.of(rule.id).open,
        waived=counts.of(rule.id).waived,
        known=True,
    )


def _unknown(id_: str, counts: Counts, words: PushedRule | None) -> RuleRow:
    title = (words.title if words else counts.said.get(id_, "")) or id_
    severity = counts.of(id_).worst
    if words is not None and words.severity in list(Severity):
        severity = Severity(words.severity)
    return RuleRow(
        id=id_,
        title=title,
        title_ko=title,
        severity=severity,
        domain="",
        tags=[],
        open=counts.of(id_).open,
        waived=counts.of(id_).waived,
        known=False,
    )


def _detail(rule: Rule, counts: Counts) -> RuleDetail:
    korean = rule.ko
    return RuleDetail(
        rule=_known(rule, counts),
        why=rule.why,
        why_ko=korean.why if korean else rule.why,
        fix=rule.fix,
        fix_ko=korean.fix if korean else rule.fix,
        snippet=rule.snippet,
        refs={name: list(ids) for name, ids in rule.refs.items()},
        cwe=list(rule.cwe),
        bad=list(rule.bad),
        good=list(rule.good),
    )


def _order(row: RuleRow) -> tuple[bool, int, int, str]:
    return (row.open == 0, row.severity.rank, -row.open, row.id)


def _text(row: RuleRow, rule: Rule | None) -> str:
    refs = (id_ for ids in rule.refs.values() for id_ in ids) if rule else ()
    cwe = rule.cwe if rule else ()
    return " ".join((row.id, row.title, row.title_ko, *row.tags, *refs, *cwe)).casefold()


def _holds(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)
