"""Judge by what zizmor found: its results are taken, its severities are not.

zizmor sees each audit as one matter. Whether a reviewer would block on it depends on more: whose
text reaches the script, how a permission is given, what starts the workflow. So a rule names an
audit and which of its results it stands for, and several rules may share an audit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from haechi.checks.origins import origin_of
from haechi.engines.zizmor import AuditResult
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath, child_at, value_at
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review
from haechi.rules.schema import Results, Rule

SHARED = "zizmor"
"""Where a review holds the audits of its scope."""
_SHOWN = 3
_REGULAR = ["regular"]
_NAME = re.compile(r"[\w.*\[\]()' -]{1,80}\Z")
_CONTEXTS = re.compile(
    r"(?:github|inputs|env|vars|steps|needs|matrix|jobs|runner|strategy|secrets)\.|fromJSON\("
)


class Audits(Protocol):
    """What zizmor found in the files of a scope."""

    def of(self, resource: Resource) -> Sequence[AuditResult]:
        """The results about a file. Raises NotEvaluated when zizmor did not judge it."""


def audit_judge(rule: Rule) -> Callable[[Review], Iterator[Hit]]:
    """The judge of a rule that stands for results of zizmor."""
    audits = frozenset(rule.audits)
    takes = _filter(rule.results)

    def judge(review: Review) -> Iterator[Hit]:
        held: Audits | None = review.shared.get(SHARED)
        if held is None:
            raise NotEvaluated("zizmor did not run")
        data = review.resource.data
        found: dict[AttrPath, list[AuditResult]] = {}
        for result in held.of(review.resource):
            if result.audit in audits and takes(result, data):
                found.setdefault(place_of(result, review.resource), []).append(result)
        for path, results in found.items():
            if not (rule.results.outermost and _is_within(path, found)):
                yield _hit(rule, path, results, data)

    return judge


def place_of(result: AuditResult, resource: Resource) -> AttrPath:
    """The path of a result. Of some zizmor tells the line alone: then it is the value on that
    line which holds the text."""
    if result.path or not result.text or "\n" in result.text:
        return result.path
    for path, value in _scalars(resource.data, (), 0):
        if result.text in value and resource.locate(path).line == result.line:
            return path
    return ()


def _scalars(value: Any, at: AttrPath, depth: int) -> Iterator[tuple[AttrPath, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, Mapping) and depth < 20:
        for key, inner in value.items():
            yield from _scalars(inner, (*at, key), depth + 1)
    elif isinstance(value, list) and depth < 20:
        for index, inner in enumerate(value):
            yield from _scalars(inner, (*at, index), depth + 1)


def _filter(wanted: Results) -> Callable[[AuditResult, Any], bool]:
    says = re.compile(wanted.says)
    unwanted = re.compile(wanted.unless) if wanted.unless else None
    events = frozenset(wanted.triggers)
    personas = wanted.persona or _REGULAR

    def takes(result: AuditResult, data: Any) -> bool:
        return (
            (not wanted.severity or result.severity in wanted.severity)
            and (not wanted.confidence or result.confidence in wanted.confidence)
            and result.persona in personas
            and says.search(result.says) is not None
            and (unwanted is None or unwanted.match(result.expression) is None)
            and (not wanted.origin or origin_of(result.expression) in wanted.origin)
            and (not events or not events.isdisjoint(triggers(data)))
        )

    return takes


def triggers(data: Any) -> frozenset[str]:
    """The events that start a workflow."""
    on = child_at(data, "on")
    names = [on] if isinstance(on, str) else on if isinstance(on, list | dict) else []
    return frozenset(name for name in names if isinstance(name, str))


def _is_within(path: AttrPath, others: Mapping[AttrPath, object]) -> bool:
    return any(path[:length] in others for length in range(len(path)))


def _hit(rule: Rule, path: AttrPath, results: Sequence[AuditResult], data: Any) -> Hit:
    said = rule.message or results[0].says
    names = list(dict.fromkeys(r.expression for r in results if _is_name(r.expression)))
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        said += ": " + ", ".join(names[:_SHOWN]) + more
    where = where_in(data, path)
    first = results[0]
    evidence = {"audit": first.audit, "confidence": first.confidence, "line": first.line}
    return Hit(f"{where}: {said}" if where else said, path, evidence)


def _is_name(text: str) -> bool:
    """True for an expression that reads values by their names; others may quote anything."""
    return bool(_CONTEXTS.match(text) and _NAME.match(text))


def where_in(data: Any, path: AttrPath) -> str:
    """``job test, step 'Build'``: how people call the surroundings of a place."""
    parts = []
    if len(path) > 1 and path[0] == "jobs":
        parts.append(f"job {str(path[1])[:100]}")
    if "steps" in path[:3]:
        at = path.index("steps") + 2
        if len(path) >= at and isinstance(path[at - 1], int):
            parts.append(_step(value_at(data, path[:at]), int(path[at - 1])))
    return ", ".join(parts)


def _step(step: Any, index: int) -> str:
    for key in ("name", "id", "uses"):
        value = child_at(step, key)
        if isinstance(value, str) and value.strip():
            return f"step '{' '.join(value.split())[:100]}'"
    return f"step {index + 1}"
