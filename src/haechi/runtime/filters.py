"""A condition in the Falco language as a filter of events: for lists, searches and live streams.

Stored events are of several sources whose fields differ, so the condition is compiled for each
source whose fields it uses; an event is judged as its origin's source, a detection as that of the
event it was made of.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from haechi.engines.falco.ruleset import Problem, Rule, RuleText
from haechi.errors import HaechiError, UsageError
from haechi.store.events.encoding import OWN

if TYPE_CHECKING:
    from haechi.engines.falco.engine import Engine
    from haechi.model.event import Event

LONGEST = 4_000
_KEPT = 64
_NAME = "filter"
_CONDITION = '"condition":"'
_FOR = {"syscall": "sensor", "k8s_audit": "kubernetes-audit", "flow": "hubble"}
"""An event source for each of the language's."""


class Filter:
    """Immutable and thread-safe."""

    def __init__(self, text: str, engine: Engine, sources: frozenset[str]) -> None:
        self.text, self._engine, self.sources = text, engine, sources

    def holds(self, event: Event) -> bool:
        """True when the condition holds; a fault while judging is no match."""
        from haechi.engines.falco.engine import SOURCES

        source = event.source
        if source == OWN:
            source = str(event.fields.get("haechi.source", ""))
        if source == "falco":
            language = str(event.fields.get("falco.source") or "syscall")
            source = _FOR.get(language, source)
        if SOURCES.get(source) not in self.sources:
            return False
        if source != event.source:
            event = msgspec.structs.replace(event, source=source)
        try:
            return bool(self._engine.judge(event))
        except (HaechiError, ArithmeticError, LookupError, TypeError, ValueError):
            return False


@lru_cache(_KEPT)
def made(text: str) -> Filter:
    """The filter of a condition. UsageError says what is wrong with it and where."""
    from haechi.engines.falco.basics import given
    from haechi.engines.falco.engine import SOURCES, Engine
    from haechi.engines.falco.load import load
    from haechi.engines.falco.parse import parse_condition

    if len(text) > LONGEST:
        raise UsageError(
            f"the filter is longer than {LONGEST} characters", where="query.filter", do="shorten it"
        )
    try:
        parse_condition(text)
    except HaechiError as error:
        place = getattr(error, "place", None)
        raise _wrong(error.what, None if place is None else place.index) from error
    rules: list[Rule] = []
    faults: list[tuple[int, Problem]] = []
    for source in sorted(set(SOURCES.values())):
        file = RuleText(name=_NAME, text=_rule(text, source))
        basics = given([file]).file
        loaded = load([*([basics] if basics else []), file])
        bad = [one for one in loaded.problems if one.error]
        if bad:
            faults.append((_index(bad[0], file.text), bad[0]))
        rules += loaded.rules if not bad else ()
    if not rules:
        # of the source whose fields it uses most likely: where it was read furthest
        index, problem = max(faults, key=lambda fault: fault[0])
        raise _wrong(problem.message, index)
    try:
        engine = Engine(rules)
    except HaechiError as error:
        raise _wrong(error.what) from error
    return Filter(text, engine, frozenset(rule.source for rule in rules))


def _index(problem: Problem, rule: str) -> int:
    """The character of the condition that a problem stands at. Where the text had to be escaped,
    the loader counts from the quotation mark before it."""
    begin = rule.index(_CONDITION) + len(_CONDITION) - ("\\" in rule)
    return max(0, problem.at.column - 1 - begin)


def _rule(text: str, source: str) -> str:
    """A rule file of one rule; JSON is YAML."""
    rule = {"rule": _NAME, "desc": _NAME, "condition": text, "output": _NAME}
    rule |= {"priority": "DEBUG", "source": source}
    return msgspec.json.encode([rule]).decode()


def _wrong(what: str, index: int | None = None) -> UsageError:
    """``where`` ends with the character's number, from 1, as far as it is known."""
    return UsageError(
        f"the filter is no condition: {what}",
        where="query.filter" + ("" if index is None else f":{index + 1}"),
        do="for example: proc.name = bash and fd.name startswith /etc",
    )
