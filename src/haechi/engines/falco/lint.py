"""Rules that cannot do what they seem to: dead, always true, excluding nothing, evaded.

Every claim of ``never``, ``always`` and ``negation`` is a proof over the resolved condition
(``satisfy``): a rule that is not named here may still be useless, one that is named is. What the
words of a rule merely suggest (a misspelt list, an evasion) is told as that and weighs less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from haechi.engines.falco.basics import NAME as GIVEN
from haechi.engines.falco.lint_evasion import evasions
from haechi.engines.falco.lint_fault import Fault
from haechi.engines.falco.lint_places import Places
from haechi.engines.falco.lint_replaced import replaced
from haechi.engines.falco.lint_sensor import unfilled
from haechi.engines.falco.lint_words import undefined
from haechi.engines.falco.presence import SOCKET_FIELDS
from haechi.engines.falco.ruleset import Rule, RuleSet, RuleText
from haechi.engines.falco.satisfy import (
    OTHER,
    Dead,
    Fold,
    Why,
    folds,
    named_types,
    satisfiable,
)
from haechi.engines.falco.syntax import And, Check, Field, Node, Not, Or, Values, checks_of
from haechi.engines.falco.write import brief

__all__ = ["Fault", "lint"]

_TYPES_SHOWN = 4
MAX_CONJUNCTS = 60
"""Of a contradiction's tests so many are tried in pairs, to name the two."""


def lint(rules: RuleSet, *, files: Sequence[RuleText] = ()) -> tuple[Fault, ...]:
    """Every fault of a set of loaded rules. ``files`` are their texts, for exact places."""
    places = Places(files)
    found: list[Fault] = []
    for rule in rules.rules:
        found.extend(_of_rule(rule, rules))
    silent = {fault.rule for fault in found if fault.code in _SILENT}
    found.extend(fault for fault in _covered(rules.rules) if fault.rule not in silent)
    found.extend(_unused(rules))
    found.extend(replaced(files))
    placed = [places.exact(fault) for fault in found]
    return tuple(sorted(placed, key=lambda f: (f.at.file, f.at.line, f.at.column)))


def _of_rule(rule: Rule, rules: RuleSet) -> Iterator[Fault]:
    said = _saying(rule)
    tests, types = sum(1 for _ in checks_of(rule.condition)), len(named_types(rule.condition))
    if tests * (types + 1) > MAX_WORK:
        yield said(
            "too-large", "info", "the rule was not looked through", *_too_large(tests, types)
        )
        return
    truths = list(_truth(rule, said))
    yield from truths
    yield from undefined(rule, rules, said)
    if not rule.enabled:
        yield said("disabled", "info", "the rule is switched off", "it says enabled: false", "")
    if not any(fault.code in _SILENT for fault in truths):
        yield from evasions(rule, said)
        yield from unfilled(rule, said)


_SILENT = frozenset({"never", "empty", "shadowed"})
"""What never fires need not be evaded."""
MAX_WORK = 200_000
"""Tests times event types of one rule; the largest public rule comes to 1,000."""


def _too_large(tests: int, types: int) -> tuple[str, str]:
    return f"{tests:,} tests at {types:,} event types are more than is tried", "split the rule"


Saying = Callable[..., Fault]


def _saying(rule: Rule) -> Saying:
    def said(
        code: str, severity: str, message: str, why: str, do: str, word: str = "", key: str = ""
    ) -> Fault:
        return Fault(
            code=code,
            severity=severity,
            rule=rule.name,
            at=rule.at,
            message=message,
            why=why,
            do=do,
            word=word,
            key=key or word,
        )

    return said


# --- never, always, negation -------------------------------------------------------------------


def _truth(rule: Rule, said: Saying) -> Iterator[Fault]:
    possible = [f for f in folds(rule.condition, rule.source) if satisfiable(rule.condition, f)]
    if not possible:
        yield _never(rule, said)
        return
    if _is_unbounded(possible, rule):
        why = "no test of evt.type bounds it, so Falco tries it on every event"
        yield said("unbounded", "low", "the rule is tried on every type of event", why, _BOUND)
    if _tests_more(rule, possible) and not any(
        satisfiable(rule.condition, fold, holds=False) for fold in possible
    ):
        at = _types(fold.event_type for fold in possible)
        why = f"every event of {at} satisfies it" if at else "every event satisfies it"
        yield said("always", "high", "the rule alerts on everything", why, _ALWAYS)
    yield from _useless(rule.condition, possible, said)


_BOUND = "add evt.type, or a macro such as spawned_process, in front"
_ALWAYS = "test something that is there at these events, and that differs"


def _is_unbounded(possible: Sequence[Fold], rule: Rule) -> bool:
    """The rule is tried on every type, and does not say that this is meant."""
    if rule.source != "syscall" or not rule.warn_evttypes:
        return False
    return any(fold.event_type == OTHER for fold in possible)


def _tests_more(rule: Rule, possible: Sequence[Fold]) -> bool:
    """A rule that names types and nothing else means what it says: tell every such event."""
    if any(fold.event_type == OTHER for fold in possible):
        return True
    plain = {"evt.type", "evt.dir"}
    return any(
        not (isinstance(check.left, Field) and check.left.name in plain) and not _is_blank(check)
        for check in checks_of(rule.condition)
    )


def _is_blank(check: Check) -> bool:
    """A list left to be filled."""
    return isinstance(check.right, Values) and not check.right.values


def _never(rule: Rule, said: Saying) -> Fault:
    bare = [f for f in folds(rule.bare, rule.source) if satisfiable(rule.bare, f)]
    if bare:
        names = ", ".join(exclusion.name for exclusion in rule.exceptions)
        why = f"everything that its condition finds is excepted ({names})"
        do = "narrow the exception: its values must leave something"
        return said("shadowed", "high", "the rule's exceptions leave nothing", why, do, key="all")
    causes = _causes(rule)
    if not causes:
        why, word, do = _contradiction(rule)
        return said("never", "high", _NEVER, why, do, word, key="contradiction")
    first = [cause for found in causes.values() for cause in found]
    fields = list(dict.fromkeys(str(cause.check.left) for cause in first))
    at = _types(causes)
    if all(cause.why is Why.EMPTY for cause in first):
        why = f"{brief(first[0].check)} asks for one of a list that is empty"
        do = "fill the list, or disable the rule until it is filled"
        return said("empty", "low", "the rule waits for a list to be filled", why, do, fields[0])
    reasons = "; ".join(list(dict.fromkeys(cause.reason for cause in first))[:3])
    subject = ", ".join(fields[:3])
    why = f"it is for {at}, where {subject} is not what it asks for: {reasons}"
    if all(cause.why is Why.ABSENT for cause in first):
        why = f"it needs {subject}, which is never there at {at}: {reasons}"
    return said("never", "high", _NEVER, why, _instead(fields[0], tuple(causes)), fields[0])


_NEVER = "the rule can never fire"


def _causes(rule: Rule) -> dict[str, list[Dead]]:
    """By event type the dead tests that end the rule there; nothing when tests contradict."""
    causes: dict[str, list[Dead]] = {}
    for event_type in (*named_types(rule.condition), OTHER):
        fold = Fold(rule.source, event_type)
        if fold.value(rule.condition) is not False:
            return {}
        found = fold.causes(rule.condition)
        if found and not any(cause.why is Why.TYPE for cause in found):
            causes[event_type] = found
    return causes


def _instead(field: str, types: Sequence[str]) -> str:
    if field in SOCKET_FIELDS:
        return "move the test to evt.type=connect, where the program's address is known"
    if field.startswith("fd.") and "execve" in types:
        return (
            "watch the open instead (macro open_read, or evt.type in (open, openat, openat2)); "
            "at execve test proc.args or proc.cmdline"
        )
    return "test a field that these events carry, or name the events that carry this one"


def _contradiction(rule: Rule) -> tuple[str, str, str]:
    do = "correct one of the tests that exclude each other"
    pair = _pair(rule)
    if pair is None:
        return "its tests contradict each other in every combination", "", do
    one, other = pair
    return f"{one} and {other} cannot both be", other, do


def _pair(rule: Rule) -> tuple[str, str] | None:
    """Two conjuncts that exclude each other by themselves, to be named."""
    parts = list(_conjuncts(rule.condition))[:MAX_CONJUNCTS]
    ways = folds(rule.condition, rule.source) or [Fold(rule.source, OTHER)]
    for index, one in enumerate(parts):
        for other in parts[index + 1 :]:
            both = And(parts=(one, other))
            if not any(satisfiable(both, fold) for fold in ways):
                return brief(one), brief(other)
    return None


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, And):
        for part in node.parts:
            yield from _conjuncts(part)
    else:
        yield node


def _useless(node: Node, possible: Sequence[Fold], said: Saying) -> Iterator[Fault]:
    """Negated parts that are always true because what they test is never there."""
    match node:
        case And():
            here = [fold for fold in possible if fold.value(node) is not False]
            for part in node.parts:
                yield from _useless(part, here, said)
        case Or():
            for part in node.parts:
                yield from _useless(part, possible, said)
        case Not() if possible and all(_by_absence(node.part, fold) for fold in possible):
            yield _negation(node, possible, said)
        case _:
            pass


def _by_absence(node: Node, fold: Fold) -> bool:
    """Certainly false, and only because fields are not there."""
    if fold.value(node) is not False:
        return False
    match node:
        case Check():
            dead = fold.dead(node)
            return dead is not None and dead.why is Why.ABSENT
        case And():
            false = [part for part in node.parts if fold.value(part) is False]
            return all(_by_absence(part, fold) for part in false)
        case Or():
            return all(_by_absence(part, fold) for part in node.parts)
        case _:
            return False


def _negation(node: Not, possible: Sequence[Fold], said: Saying) -> Fault:
    causes = [cause for fold in possible for cause in fold.causes(node.part)]
    fields = list(dict.fromkeys(str(cause.check.left) for cause in causes))
    reasons = list(dict.fromkeys(cause.reason for cause in causes))
    at = _types(fold.event_type for fold in possible)
    what = f"{brief(node)} excludes nothing"
    why = (
        f"{', '.join(fields[:3])} is never there at {at} ({'; '.join(reasons[:3])}); a test of a "
        "missing field is false, so its negation is always true"
    )
    return said("negation", "high", what, why, _instead(fields[0], at.split(", ")), fields[0])


def _types(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - _TYPES_SHOWN} more" if len(shown) > _TYPES_SHOWN else ""
    return ", ".join(name or "other events" for name in shown[:_TYPES_SHOWN]) + more


# --- rules among each other --------------------------------------------------------------------


class _Seen(msgspec.Struct):
    rule: Rule
    order: tuple[Node, ...]
    parts: frozenset[Node]


def _covered(rules: Sequence[Rule]) -> Iterator[Fault]:
    """Rules all of whose matches an earlier rule takes: its tests are some of theirs."""
    seen: dict[Node, list[_Seen]] = {}
    enabled = [_seen(rule) for rule in rules if rule.enabled]
    common = Counter(part for each in enabled for part in each.parts)
    for each in enabled:
        wider = _wider(each, seen)
        if wider is not None:
            same = (
                "the same tests as" if wider.parts == each.parts else "all tests of, and more than,"
            )
            message = f"whatever it finds, the rule {wider.rule.name!r} finds first"
            why = (
                f"it makes {same} that rule ({wider.rule.at}); Falco tells only the first rule "
                "that matches an event unless rule_matching is all"
            )
            do = "merge the two, put the narrower one first, or set rule_matching: all"
            yield _saying(each.rule)("shadowed", "low", message, why, do, key=wider.rule.name)
        rarest = min(each.order, key=lambda part: common[part])
        seen.setdefault(rarest, []).append(each)


def _seen(rule: Rule) -> _Seen:
    order = tuple(dict.fromkeys(_conjuncts(rule.condition)))
    return _Seen(rule, order, frozenset(order))


def _wider(each: _Seen, seen: dict[Node, list[_Seen]]) -> _Seen | None:
    """An earlier rule of the same source whose tests are all among these. A rule is kept under
    one of its tests, the rarest, so that few have to be compared."""
    for part in each.order:
        for candidate in seen.get(part, ()):
            if candidate.rule.source == each.rule.source and candidate.parts <= each.parts:
                return candidate
    return None


def _unused(rules: RuleSet) -> Iterator[Fault]:
    unused = [("macro", macro.name, macro.at) for macro in rules.macros if not macro.used]
    unused += [("list", item.name, item.at) for item in rules.lists if not item.used]
    for kind, name, at in unused:
        if at.file != GIVEN:
            yield Fault(
                code=f"unused-{kind}",
                severity="info",
                rule="",
                at=at,
                message=f"no rule uses the {kind} {name!r}",
                why="Falco loads it and warns",
                do="delete it, or use it where it was meant to be",
                key=name,
            )
