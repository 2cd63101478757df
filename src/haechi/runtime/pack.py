"""The rules that haechi brings along, as the runtime wants them.

They are made of the catalogue (``rules/detections``), where each of them stands with its words
and its examples; nothing about a rule is said here.
"""

from __future__ import annotations

from functools import cache

from haechi.engines.falco.ruleset import RuleSet
from haechi.rules.detections import load_detections


@cache
def builtin() -> RuleSet:
    """Our pack: rules with their catalogue ids, in a stable order. Loaded once in a process."""
    return load_detections()
