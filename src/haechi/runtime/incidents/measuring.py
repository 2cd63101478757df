"""What proposed exceptions would silence, measured over detections with the engine that would
judge: the conditions are those that the loader makes of the rule file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from haechi.engines.falco.engine import Engine
from haechi.engines.falco.exceptions import ExceptionInfo, condition_of, validate
from haechi.engines.falco.load import load
from haechi.engines.falco.load_yaml import LoadError
from haechi.engines.falco.ruleset import At, RuleText
from haechi.model.event import Event
from haechi.runtime.incidents.exceptions import Candidate, exception_name, in_json, origin_of

_AT = At(file="proposals")


class Measure:
    """Counts which proposals silence what. Proposals that do not load are left out, and named."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.broken: dict[str, str] = {}
        self.silenced: Counter[str] = Counter()
        self.of: Counter[str] = Counter()
        """By proposal; by rule."""
        self.any: Counter[str] = Counter()
        """By rule: silenced by at least one of the proposals that ``counts`` names."""
        items, self._rules = [], {one.id: one.rule for one in candidates}
        for one in candidates:
            try:
                items.append(_item(one))
            except LoadError as error:
                self.broken[one.id] = str(error)
        loaded = load([RuleText(name=_AT.file, text="".join(items))]) if items else None
        rules = loaded.rules if loaded is not None else ()
        known = {rule.name for rule in rules}
        for one in candidates:
            if one.id not in known and one.id not in self.broken:
                self.broken[one.id] = "it does not load"
        self._engine = Engine(rules)

    def silencers(self, event: Event) -> list[str]:
        """Ids of the proposals that would have silenced this detection."""
        held = self._engine.judge(origin_of(event))
        return [rule.name for rule in held if self._rules[rule.name] == event.rule]

    def add(self, event: Event, counts: frozenset[str] | None = None) -> None:
        """Count a detection. ``counts`` are the proposals for ``any``; all without."""
        self.of[event.rule] += 1
        by = self.silencers(event)
        self.silenced.update(by)
        if by and (counts is None or not counts.isdisjoint(by)):
            self.any[event.rule] += 1


def _item(one: Candidate) -> str:
    info = ExceptionInfo(
        name=exception_name(one),
        at=_AT,
        fields=[value.field for value in one.values],
        comps=[value.comp for value in one.values],
        values=[[value.value for value in one.values]],
    )
    validate(info, None)
    lines = (
        f"- rule: {one.id}",
        "  desc: a proposal",
        f"  condition: {in_json(condition_of(info))}",
        "  output: held",
        "  priority: NOTICE",
        f"  source: {one.source}",
    )
    return "\n".join(lines) + "\n"
