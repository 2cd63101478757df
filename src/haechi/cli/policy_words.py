"""How ``haechi policy`` tells what it found: text for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from haechi.admit.checking import Judged, would_deny
from haechi.admit.decide import warns
from haechi.model.admission import PolicyFault, PolicyInfo, PolicyVerdict
from haechi.model.coverage import Gap
from haechi.model.location import format_path, value_at
from haechi.model.resource import Resource
from haechi.model.review import State
from haechi.report.ink import Ink
from haechi.report.text import one_line

if TYPE_CHECKING:
    from haechi.admit.policies import PolicySet

_SHOWN = 12
_UNJUDGED = (State.ERROR, State.NOT_EVALUATED)
_SECRET_KINDS = frozenset({"Secret", "ConfigMap"})
_VALUE = 200


def place_of(judged: Judged, verdict: PolicyVerdict | None = None) -> str:
    """``file:line`` of an object, or of what a verdict is about."""
    return str(judged.resource.locate(verdict.path if verdict else ()))


def outcome_of(judged: Judged) -> str:
    """One word for an object: refused, unjudged, warned, let in."""
    if judged.refused:
        return "refused"
    if judged.unjudged:
        return "unjudged"
    return "warned" if judged.warned else "let in"


def told_objects(found: Sequence[Judged], policies: PolicySet, ink: Ink) -> list[str]:
    """Objects that are not simply let in, by file, each with its reasons."""
    infos = {policy.info.id: policy.info for policy in policies.policies}
    fixes: set[str] = set()
    lines: list[str] = []
    file = None
    for judged in found:
        outcome = outcome_of(judged)
        if outcome == "let in":
            continue
        if judged.resource.file != file:
            file = judged.resource.file
            lines += ["", ink.paint(one_line(file) or "-", "bold")]
        style = {"refused": "high", "unjudged": "magenta", "warned": "medium"}[outcome]
        line = judged.resource.locate(()).line
        lines.append(f"  {line:>4}  {one_line(judged.resource.label)}  {ink.paint(outcome, style)}")
        lines += _reasons(judged, infos, fixes, ink)
    return lines


def _reasons(
    judged: Judged, infos: dict[str, PolicyInfo], fixes: set[str], ink: Ink
) -> Iterable[str]:
    verdicts = [*judged.refused, *judged.unjudged, *judged.warned]
    for verdict in verdicts[:_SHOWN]:
        word, style = _word(verdict)
        where = judged.resource.locate(verdict.path)
        at = f"  :{where.line}" if verdict.path else ""
        head = f"        {ink.paint(word, style)}  {_name(verdict)}{ink.paint(at, 'dim')}"
        yield head
        for text in ink.block(one_line(verdict.message), " " * 14, " " * 14, most=4):
            yield text
        info = infos.get(verdict.policy)
        if info and info.fix and info.id not in fixes:
            fixes.add(info.id)
            for text in ink.block(f"fix: {one_line(info.fix)}", " " * 14, " " * 19, most=3):
                yield ink.paint(text, "dim")
    if len(verdicts) > _SHOWN:
        yield f"        and {len(verdicts) - _SHOWN} more (--format json shows all)"


def _name(verdict: PolicyVerdict) -> str:
    rule = f" {verdict.rule}" if verdict.rule and verdict.rule != verdict.policy else ""
    return f"{verdict.policy}{rule}"


def _word(verdict: PolicyVerdict) -> tuple[str, str]:
    if verdict.state in _UNJUDGED:
        return ("ERROR", "magenta")
    if would_deny(verdict):
        return ("DENY ", "high")
    return ("WARN ", "medium") if warns(verdict) else ("AUDIT", "low")


def told_faults(faults: Sequence[PolicyFault], ink: Ink) -> list[str]:
    """What among the policies does not do what it looks like."""
    if not faults:
        return []
    lines = ["", ink.paint("Policies that do not do what they look like", "bold")]
    for fault in faults:
        place = f"{fault.file}:{fault.line}" if fault.file else fault.object
        head = ink.paint(f"  {one_line(place)}", "bold")
        lines.append(f"{head}  {ink.paint(fault.kind, 'high' if fault.fatal else 'medium')}")
        for label, text in (("", fault.what), ("why: ", fault.why), ("do: ", fault.do)):
            if text:
                lines += ink.block(f"{label}{one_line(text)}", " " * 6, " " * 10, most=4)
    return lines


def told_gaps(gaps: Sequence[Gap], ink: Ink) -> list[str]:
    """What was not looked at."""
    if not gaps:
        return []
    lines = ["", ink.paint("Not looked at", "bold")]
    for gap in gaps[:_SHOWN]:
        lines += ink.block(f"{one_line(gap.path)}  {one_line(gap.reason)}", "  ", " " * 6, most=3)
    if len(gaps) > _SHOWN:
        lines.append(f"  and {len(gaps) - _SHOWN} more")
    return lines


def counted(found: Sequence[Judged], policies: int) -> str:
    """The last line."""
    counts = {"refused": 0, "unjudged": 0, "warned": 0, "let in": 0}
    for judged in found:
        counts[outcome_of(judged)] += 1
    names = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    objects = "object" if len(found) == 1 else "objects"
    word = "policy" if policies == 1 else "policies"
    return f"{len(found)} {objects}, {policies} {word}: {names or 'nothing to judge'}"


def verdict_json(verdict: PolicyVerdict, resource: Resource) -> dict[str, Any]:
    """One verdict with the place it is about."""
    where = resource.locate(verdict.path)
    made: dict[str, Any] = {
        "policy": verdict.policy,
        "rule": verdict.rule,
        "state": verdict.state.value,
        "effects": [effect.value for effect in verdict.effects],
        "message": verdict.message,
        "path": format_path(verdict.path),
        "file": where.path,
        "line": where.line,
    }
    if verdict.line:
        made["policy_line"] = verdict.line
    if verdict.file:
        made["policy_file"] = verdict.file
    if verdict.generated:
        made["generated"] = True
    if verdict.waiver:
        made["waiver"] = verdict.waiver
    if verdict.evidence:
        made["evidence"] = dict(verdict.evidence)
    return made


def judged_json(judged: Judged, *, every: bool = False) -> dict[str, Any]:
    """One object with its verdicts; passes only when asked for."""
    return {
        "file": judged.resource.file,
        "line": judged.resource.locate(()).line,
        "object": judged.resource.label,
        "key": judged.resource.key,
        "outcome": outcome_of(judged),
        # what a policy that fails closed could not judge is refused at the door
        "allowed": not judged.refused and not any(v.denies for v in judged.unjudged),
        "verdicts": [
            verdict_json(verdict, judged.resource)
            for verdict in judged.decision.verdicts
            if every or verdict.state is not State.PASS
        ],
    }


def fault_json(fault: PolicyFault) -> dict[str, Any]:
    """One fault."""
    return {
        "kind": fault.kind,
        "what": fault.what,
        "why": fault.why,
        "do": fault.do,
        "file": fault.file,
        "line": fault.line,
        "policy": fault.policy,
        "object": fault.object,
        "fatal": fault.fatal,
    }


def value_shown(resource: Resource, verdict: PolicyVerdict) -> str:
    """The value a verdict is about, short; of objects that hold secrets never."""
    if not verdict.path:
        return ""
    if resource.kind in _SECRET_KINDS:
        return "(not shown)"
    value = value_at(resource.data, verdict.path)
    if value is None:
        return "(not there)"
    from haechi.report.masking import may_hold

    text = one_line(str(value))
    if may_hold([f"{verdict.path[-1]}: {text}"], 0):
        return "(not shown: it may hold a secret)"
    return text if len(text) <= _VALUE else text[:_VALUE] + "…"
