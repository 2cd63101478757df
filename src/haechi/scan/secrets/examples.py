"""Run the examples of a detector: drawn from its form, by the real detector.

Used by the test over all built-in rules and by ``haechi rules check`` over a user's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haechi.checks.secrets.detect import Detector
from haechi.checks.secrets.forms import Forge
from haechi.errors import RuleError
from haechi.rules.schema import Rule

DRAWS = 3


def detector_faults(rule: Rule, find: Callable[[Rule], Detector]) -> Iterator[str]:
    """A sentence for each example that does not hold. ``find`` makes a detector of one rule.

    No sentence quotes an example: its value looks like a real one.
    """
    try:
        detector = find(rule)
        faults = [
            fault
            for number in range(DRAWS)
            for fault in _drawn(rule, detector, Forge(f"{rule.id}/{number}"))
        ]
        yield from dict.fromkeys(faults)
    except RuleError as error:
        yield f"{rule.id}: {error.what}"


def _drawn(rule: Rule, detector: Detector, forge: Forge) -> Iterator[str]:
    assert rule.pattern is not None  # noqa: S101 - the caller has a pattern rule
    for number, text in enumerate(rule.bad, 1):
        secret = forge.make(rule.pattern.form)
        found = detector.find(forge.make(text, secret).encode())
        mine = [c for c in found if c.rule.id == rule.id]
        where = f"{rule.id}: bad example {number}"
        if not mine:
            yield f"{where}: nothing was found"
        elif "<<secret>>" in text and secret.encode() not in [c.secret for c in mine]:
            yield f"{where}: the value that was found is not the one of the form"
    for number, text in enumerate(rule.good, 1):
        found = detector.find(forge.make(text, forge.make(rule.pattern.form)).encode())
        if any(c.rule.id == rule.id for c in found):
            yield f"{rule.id}: good example {number}: a credential was found"
