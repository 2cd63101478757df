"""All rules over one event.

An engine is made once for a set of rules and never changes; any number of threads may ask it.
Code for a type of event is made when the first such event comes (a lock keeps it from being made
twice); types that no rule names share one function, so that events with invented types cost
nothing. A rule whose code fails is judged by the tree walker for that event, is counted in
``faults``, and takes no other rule along; where no code can be made for a type, its events are
judged so, always.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType

from haechi.engines.falco import tree
from haechi.engines.falco.access import SOURCES
from haechi.engines.falco.generate import Judge, compile_judge, walking
from haechi.engines.falco.generate_nodes import OTHER, Parts, types_named
from haechi.engines.falco.ruleset import Rule
from haechi.errors import ConditionError
from haechi.model.event import Event

__all__ = ["SOURCES", "Engine"]

_log = logging.getLogger(__name__)
_NOTHING: tuple[Rule, ...] = ()


class _OfSource:
    """The rules of one source and the functions made of them so far."""

    def __init__(self, source: str, rules: Sequence[tuple[int, Rule]]) -> None:
        self.parts = Parts(source)
        self.rules = rules
        self.types = frozenset(t for _, rule in rules for t in types_named(rule.condition))
        self.judges: dict[str, Judge] = {}
        self._lock = threading.Lock()
        for _, rule in rules:
            # everything wrong with a condition is said when the engine is made
            self.parts.of(rule.condition, OTHER)

    def judge_of(self, type: str) -> Judge:
        known = type if type in self.types else OTHER
        with self._lock:
            judge = self.judges.get(known)
            if judge is None:
                judge = self.judges[known] = self._compiled(known)
        return judge

    def _compiled(self, type: str) -> Judge:
        try:
            return compile_judge(self.parts, self.rules, type)
        except Exception:  # noqa: BLE001  one rule may not keep the others from judging
            _log.exception("no code can be made for events of one type; their rules are walked")
            return walking(self.rules, self.parts.source)


class Engine:
    """Judges events. Disabled rules are left out; raises ConditionError for what cannot be
    compiled, naming the rule."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rule for rule in rules if rule.enabled)
        self.faults: Counter[str] = Counter()
        by_source: dict[str, list[tuple[int, Rule]]] = {}
        for number, rule in enumerate(self.rules):
            by_source.setdefault(rule.source, []).append((number, rule))
        self._of = {source: _made(source, found) for source, found in by_source.items()}
        self._by_event = {e: self._of[s] for e, s in SOURCES.items() if s in self._of}
        self._ready: dict[str, dict[str, Judge]] = {e: o.judges for e, o in self._by_event.items()}

    def warm(self, types: Iterable[str] | None = None) -> None:
        """Make the functions now: for these types, or for every type that a rule names."""
        for of in self._of.values():
            for type in (*of.types, OTHER) if types is None else types:
                of.judge_of(type)

    @property
    def warmed(self) -> frozenset[str]:
        """The types of events that functions were made for, by now."""
        return frozenset(type for of in self._of.values() for type in tuple(of.judges))

    def judge(self, event: Event) -> tuple[Rule, ...]:
        """Every rule that holds for the event, in load order; mostly none."""
        ready = self._ready.get(event.source)
        if ready is None:
            return _NOTHING
        judge = ready.get(event.type) or self._by_event[event.source].judge_of(event.type)
        try:
            hits = judge(event)
        except Exception as error:  # noqa: BLE001  one event may not stop the others
            return self._apart(event, self._by_event[event.source], error)
        if hits is None:
            return _NOTHING
        rules = self.rules
        if len(hits) == 1:
            return (rules[hits[0]],)
        return tuple([rules[number] for number in sorted(hits)])

    def _apart(self, event: Event, of: _OfSource, error: Exception) -> tuple[Rule, ...]:
        """Every rule by itself, by its tree."""
        self._fault(_culprit(error.__traceback__, self.rules), error)
        found = []
        for _, rule in of.rules:
            try:
                if tree.holds(rule.condition, event, rule.source):
                    found.append(rule)
            except Exception as again:  # noqa: BLE001  nor one rule the others
                self._fault(rule.name, again)
        return tuple(found)

    def _fault(self, name: str, error: Exception) -> None:
        self.faults[name] += 1
        if self.faults[name] == 1:
            _log.warning("rule %r failed on an event: %s", name, type(error).__name__)


def _made(source: str, rules: list[tuple[int, Rule]]) -> _OfSource:
    try:
        return _OfSource(source, rules)
    except ConditionError:
        pass
    except RecursionError:
        _simplest(source, rules)
        raise ConditionError("the conditions are nested too deeply") from None
    _simplest(source, rules)
    return _OfSource(source, rules)


def _simplest(source: str, rules: list[tuple[int, Rule]]) -> None:
    """Find the rule that is wrong and say its name."""
    for _, rule in rules:
        try:
            Parts(source).of(rule.condition, OTHER)
        except ConditionError as error:
            raise ConditionError(f"rule '{rule.name}': {error.what}", error.place) from None
        except RecursionError:
            raise ConditionError(f"rule '{rule.name}' is nested too deeply") from None


def _culprit(trace: TracebackType | None, rules: Sequence[Rule]) -> str:
    """The rule in whose function it happened; "" when the function is shared."""
    name = ""
    while trace is not None:
        function = trace.tb_frame.f_code.co_name
        if function[:1] == "r" and function[1:].isdecimal():
            name = rules[int(function[1:])].name
        trace = trace.tb_next
    return name
