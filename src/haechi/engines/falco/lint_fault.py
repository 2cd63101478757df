"""The shape of what lint finds."""

from __future__ import annotations

import msgspec

from haechi.engines.falco.ruleset import At

CODES = {
    "never": "can never fire",
    "empty": "waits for a list to be filled",
    "always": "alerts on everything",
    "negation": "an exclusion that excludes nothing",
    "undefined": "a list that nobody defines",
    "shadowed": "covered by exceptions or by another rule",
    "unbounded": "tried on every type of event",
    "unused-macro": "a macro that no rule uses",
    "unused-list": "a list that no rule uses",
    "disabled": "switched off",
    "evasion": "a way around it",
    "unfilled": "a field that haechi's own sensor does not fill",
    "too-large": "too large to be looked through",
    "given": "a well-known name taken from haechi's own definitions",
}
"""What a fault can be, in a few words."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of one rule (``rule`` is empty for those of macros and lists).

    ``severity`` is a hint in the words of ``model.severity``. ``word`` is what to look for in the
    rule's text; ``key`` tells faults of one code in one rule apart and holds no line numbers.
    """

    code: str
    severity: str
    rule: str
    at: At
    message: str
    why: str = ""
    do: str = ""
    word: str = ""
    key: str = ""

    def __str__(self) -> str:
        who = f"rule {self.rule!r}: " if self.rule else ""
        why = f" ({self.why})" if self.why else ""
        return f"{self.at}: {self.severity} {self.code}: {who}{self.message}{why}"
