"""Which events matter when there are more than can be sent: those that a rule holds for.

The rules are those that are known here (our own, those of ``--rules`` and the server's own).
Nothing is made until it is needed: a sensor that keeps up never judges for its server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from haechi.errors import ConditionError

if TYPE_CHECKING:
    from haechi.engines.falco.engine import Engine
    from haechi.engines.falco.ruleset import Rule
    from haechi.model.event import Event


class Matters:
    """``matters(event)``: some rule holds for it, or it is the sensor's own word."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._engine: Engine | None = None
        self._unjudged = False

    def use(self, rules: Sequence[Rule]) -> None:
        """Other rules from now on; from any thread."""
        self._rules, self._engine, self._unjudged = rules, None, False

    def __call__(self, event: Event) -> bool:
        if event.type == "sensor.status" or self._unjudged:
            return True
        engine = self._engine or self._made()
        return engine is None or bool(engine.judge(event))

    def _made(self) -> Engine | None:
        from haechi.engines.falco.engine import Engine

        try:
            self._engine = Engine(self._rules)
        except ConditionError:
            self._unjudged = True  # then all are alike
        return self._engine
