"""Our own rules in Falco's language, made of the catalogue: one entry there is one rule here.

A rule's name is its entry's title and its id the entry's; its priority follows from the severity
and its techniques from ``refs.mitre``, so that neither is said twice. What a rule says ends with
who did it, which is the same for every event of a source. Macros and lists stand in
``data/detections/base.falco.yaml``.

The set as loaded is kept in the user's cache beside the catalogue, so no start parses YAML or
conditions again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from haechi.errors import RuleError
from haechi.model.severity import Severity
from haechi.rules.catalogue import DATA, load_catalogue
from haechi.rules.compiled import compiled
from haechi.rules.schema import Falco, JudgeKind
from haechi.rules.schema import Rule as Entry

# The language is loaded when rules are: `haechi scan` reads the catalogue and never judges events.
from haechi.engines.falco.ruleset import At, RuleSet, RuleText  # isort: skip

BASE = DATA / "detections" / "base.falco.yaml"
_LANGUAGE = Path(__file__).parents[1] / "engines" / "falco"
FALCO_SOURCES = ("syscall", "k8s_audit")
"""What Falco itself has events of; flows and applications only haechi reads."""
PRIORITIES = {
    Severity.CRITICAL: "CRITICAL",
    Severity.HIGH: "ERROR",
    Severity.MEDIUM: "WARNING",
    Severity.LOW: "NOTICE",
    Severity.INFO: "INFORMATIONAL",
}
TAILS = {
    "syscall": "process=%proc.cmdline exe=%proc.exepath parent=%proc.pname user=%user.name "
    "container=%container.name image=%container.image.repository "
    "pod=%k8s.pod.name namespace=%k8s.ns.name",
    "k8s_audit": "user=%ka.user.name verb=%ka.verb resource=%ka.target.resource "
    "name=%ka.target.name namespace=%ka.target.namespace code=%ka.response.code",
    "flow": "from=%flow.source.namespace/%flow.source.workload "
    "to=%flow.destination.namespace/%flow.destination.workload verdict=%flow.verdict",
    "application": "event=%app.event user=%app.user from=%app.ip outcome=%app.outcome",
}
"""What every rule of a source says after what it says itself."""


def entries(rules: Iterable[Entry] | None = None) -> list[tuple[Entry, Falco]]:
    """The detections among catalogue rules (by default ours) with their Falco blocks."""
    found = load_catalogue().rules if rules is None else rules
    return [(rule, rule.falco) for rule in found if rule.judge is JudgeKind.FALCO and rule.falco]


def base_text() -> RuleText:
    """Macros and lists that our rules use."""
    return RuleText(name=BASE.name, text=BASE.read_text(encoding="utf-8"))


def falco_file() -> str:
    """Our rules as a file that Falco loads: macros, lists, and the rules of its sources."""
    parts = [base_text().text.rstrip() + "\n"]
    for rule, falco in entries():
        if falco.source in FALCO_SOURCES:
            (first, name), *rest = _item(rule, falco).items()
            lines = [f"- {first}: {_quoted(name)}"]
            lines += [f"  {key}: {_quoted(value)}" for key, value in rest]
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def load_detections(*, cache: Path | None = None) -> RuleSet:
    """The built-in detections. Raises RuleError when one does not load, which a test prevents."""
    # what is kept is made by the language, too: with other code of it, it is made anew
    files = [*sorted(BASE.parent.glob("*.yaml")), *sorted(_LANGUAGE.rglob("*.py"))]
    return compiled("detections", files, RuleSet, lambda: resolve(entries()), cache=cache)


def resolve(found: Sequence[tuple[Entry, Falco]]) -> RuleSet:
    """A set of rules of entries, with our macros. Raises RuleError."""
    from haechi.engines.falco.load import load

    known = {rule.title: rule.id for rule, _ in found}
    text = msgspec.json.encode([_item(rule, falco) for rule, falco in found]).decode()
    loaded = load([base_text(), RuleText(name="detections", text=text)])
    broken = [problem for problem in loaded.problems if problem.error]
    if broken:
        raise RuleError(f"built-in detections are broken: {broken[0]}")
    return replace(
        loaded,
        rules=tuple(
            replace(rule, id=known[rule.name], at=At(file=known[rule.name]))
            for rule in loaded.rules
        ),
        problems=tuple(p for p in loaded.problems if p.at.file != BASE.name),
    )


def _item(rule: Entry, falco: Falco) -> dict[str, Any]:
    item: dict[str, Any] = {
        "rule": rule.title,
        "desc": _flat(rule.why),
        "condition": _flat(falco.condition),
        "output": f"{_flat(falco.output)} | {TAILS[falco.source]}",
        "priority": PRIORITIES[rule.severity],
        "tags": [*falco.tags, *rule.refs.get("mitre", [])],
    }
    if falco.source != "syscall":
        item["source"] = falco.source
    if falco.exceptions:
        item["exceptions"] = [
            {key: value for key, value in msgspec.to_builtins(one).items() if value}
            for one in falco.exceptions
        ]
    return item


def _quoted(value: Any) -> str:
    """JSON, which is YAML, too, and leaves no text to interpretation."""
    return msgspec.json.encode(value).decode()


def _flat(text: str) -> str:
    return " ".join(text.split())
