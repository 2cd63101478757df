"""Other tools' check ids → our rules, through the ``refs`` that each rule carries.

Trivy alone writes one check in half a dozen ways (``AVD-KSV-0017``, ``KSV-0017``, ``KSV017``),
so ids are brought to one form on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from haechi.rules.schema import Rule

CHECKOV = "ckv"
HADOLINT = "dl"
KUBE_LINTER = "kube-linter"
TFSEC = "tfsec"
TRIVY = "avd"
ZIZMOR = "zizmor"
_TRIVY_ID = re.compile(r"(?:AVD-)?([A-Z]+)-?0*([0-9]+)\Z")


class Index:
    """Rules by (scheme, check id)."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules: dict[tuple[str, str], list[str]] = {}
        self._all: dict[str, list[str]] = {}
        for rule in rules:
            for scheme, ids in rule.refs.items():
                for check in dict.fromkeys(normal_id(scheme, check) for check in ids):
                    self._rules.setdefault((scheme, check), []).append(rule.id)
                if ids:
                    self._all.setdefault(scheme, []).append(rule.id)

    def rules(self, scheme: str, check: str) -> tuple[str, ...]:
        """Our rules that refer to the check; none when it is not ours."""
        return tuple(self._rules.get((scheme, normal_id(scheme, check)), ()))

    def all_rules(self, scheme: str) -> tuple[str, ...]:
        """Our rules that refer to any check of the scheme."""
        return tuple(self._all.get(scheme, ()))


def build_index(rules: Iterable[Rule]) -> Index:
    """The index of a catalogue."""
    return Index(rules)


def normal_id(scheme: str, check: str) -> str:
    """One form per check: names of kube-linter, tfsec and zizmor in small letters, codes in
    capitals."""
    text = check.strip()[:100]
    if scheme in (KUBE_LINTER, TFSEC, ZIZMOR):
        return text.lower()
    text = text.upper()
    match = _TRIVY_ID.match(text) if scheme == TRIVY else None
    return f"{match[1]}-{match[2]}" if match else text
