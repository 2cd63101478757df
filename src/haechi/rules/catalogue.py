"""The built-in catalogue: every rule file, checked, with its CEL expressions compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from haechi.errors import RuleError
from haechi.rules.compiled import DATA, compiled
from haechi.rules.load import load_rules
from haechi.rules.schema import JudgeKind, Rule, Struct

__all__ = ["DATA", "Catalogue", "load_catalogue", "rule_files"]


class _Compiled(Struct, frozen=True, kw_only=True):
    """What the cache file holds. ``cel`` is ``CelEngine.compiled``: sealed compiled forms."""

    rules: list[Rule]
    cel: dict[str, bytes]


class Catalogue:
    """Rules by id, in a stable order (data file, then position).

    ``cel`` is what ``CelEngine`` takes as its store of compiled expressions.
    """

    def __init__(self, rules: Sequence[Rule], cel: Mapping[str, bytes] | None = None) -> None:
        self.rules = tuple(rules)
        self.cel = cel or {}
        self.by_id = {rule.id: rule for rule in rules}


def rule_files() -> list[Path]:
    """The built-in rule files and tables in a stable order, without what is in Falco's format
    and without packs, which only name rules."""
    found = (
        path
        for path in DATA.glob("*/*.yaml")
        if not path.name.endswith(".falco.yaml") and path.parent.name != "packs"
    )
    return sorted(found, key=lambda p: p.as_posix())


def load_catalogue(*, cache: Path | None = None) -> Catalogue:
    """The built-in rules. ``cache`` is the directory of the compiled form.

    Raises RuleError when a built-in rule is wrong, which a test keeps from happening.
    """
    files = [path for path in rule_files() if path.parent.name != "tables"]

    def build() -> _Compiled:
        rules = _compile(files)
        return _Compiled(rules=rules, cel=_compile_expressions(rules))

    found = compiled("rules", files, _Compiled, build, cache=cache)
    return Catalogue(found.rules, found.cel)


def _compile(files: Iterable[Path]) -> list[Rule]:
    rules: list[Rule] = []
    seen: dict[str, str] = {}
    for path in files:
        found, faults = load_rules(path.read_bytes(), path.name)
        if faults:
            raise RuleError(f"built-in rules are broken: {faults[0]}")
        for rule in found:
            if rule.id in seen:
                raise RuleError(f"rule {rule.id} stands in {seen[rule.id]} and {path.name}")
            seen[rule.id] = path.name
        rules.extend(found)
    return rules


def _compile_expressions(rules: Iterable[Rule]) -> dict[str, bytes]:
    from haechi.engines.cel import CelEngine

    engine = CelEngine()
    for rule in rules:
        if rule.judge is JudgeKind.CEL:
            engine.compile_rule(rule)
    return engine.compiled
