"""What a run and the server know of one finding, put together: who tells it anew takes nothing
away that the other alone can know.

Only a run sees the repository: the manifest's line, whether the package is imported, what people
wrote beside it. Only who imported them knows CISA's catalogue and EPSS: mostly the server does and
laptops do not, so "exploited" holds when either says so. Everything else (ratings, ranges, fixes,
words) is told by whoever has the newer advisories. Findings are in the report's shape, and those
of a run are hostile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haechi.model.bill import Bill
from haechi.model.config import Development
from haechi.model.severity import Severity
from haechi.scan.deps.reach import Answer, Reach

EXPLOITED, _DEVELOPMENT = "exploited", "development"
_SINCE, _EPSS = "exploited_since", "epss"
_JUDGED = frozenset({"versions", "symbols", _SINCE, _EPSS})
"""Evidence that a judge gives only where it holds: what it leaves out is over."""
_TAGS = frozenset({"malicious", EXPLOITED, _DEVELOPMENT, "optional", "no-fix"})
_LONGEST = 400

Document = dict[str, Any]


def told_anew(made: Document, before: Mapping[str, Any], bill: Bill, *, risk: bool) -> Document:
    """The server's words for a finding that was told ``before``, with what a run saw in the
    repository, and with its word about the risk where that counts."""
    was, now = _evidence(before), _evidence(made)
    kept = {key: value for key, value in was.items() if key in now or key not in _JUDGED}
    more = [one for one in _texts(before.get("tags")) if one not in _TAGS]
    told = {
        **made,
        "evidence": {**kept, **now},
        "tags": list(dict.fromkeys((*_texts(made.get("tags")), *more))),
    }
    if risk:
        told = with_risk(told, before, bill, newer=False)
    sentence = _sentence(was)
    if sentence and sentence not in told["message"]:
        told["message"] = "; ".join(filter(None, (told["message"], sentence)))
    return told


def with_risk(finding: Document, other: Mapping[str, Any], bill: Bill, *, newer: bool) -> Document:
    """The finding with what the other one says of its risk: the same object when that is nothing
    new. The word of a ``newer`` one counts where both say something."""
    said, evidence = _evidence(other), _evidence(finding)
    epss, since = said.get(_EPSS), said.get(_SINCE)
    told = finding
    if isinstance(epss, float) and _is_news(epss, evidence.get(_EPSS), newer=newer):
        told = {**told, "evidence": {**evidence, _EPSS: epss}}
    if EXPLOITED not in _texts(other.get("tags")):
        return told
    if EXPLOITED not in _texts(told.get("tags")):
        told = {**told, "tags": [*_texts(told.get("tags")), EXPLOITED]}
        told["severity"] = _at_least(told, bill)
    if isinstance(since, str) and _is_news(since, evidence.get(_SINCE), newer=newer):
        told = {**told, "evidence": {**_evidence(told), _SINCE: since}}
        told["message"] = _with_day(told, since, evidence.get(_SINCE))
    return told


def _is_news(said: object, known: object, *, newer: bool) -> bool:
    return known is None or (newer and said != known)


def _with_day(finding: Mapping[str, Any], since: str, was: Any) -> str:
    """As a scan would say it: what is known of the package stands last."""
    message = str(finding.get("message", ""))
    sentence, old = (f"known to be exploited since {day}" for day in (since, was))
    if isinstance(was, str) and old in message:
        return message.replace(old, sentence)
    reach = _sentence(_evidence(finding))
    if not reach or not message.endswith(reach):
        return "; ".join(filter(None, (message, sentence)))
    head = message.removesuffix(reach).rstrip("; ")
    return "; ".join(filter(None, (head, sentence, reach)))


def _at_least(finding: Mapping[str, Any], bill: Bill) -> str:
    """What is exploited is at least high, where haechi.yaml does not say otherwise."""
    severity = str(finding.get("severity", ""))
    ids = (str(finding.get("rule", "")), *_texts(finding.get("aliases")))
    if any(id_ in bill.severity for id_ in ids):
        return severity
    lowered = bill.development is Development.LOWER
    milder = lowered and _DEVELOPMENT in _texts(finding.get("tags"))
    least = Severity.MEDIUM if milder else Severity.HIGH
    known = {one.value: one for one in Severity}.get(severity, Severity.INFO)
    return known.value if known.at_least(least) else least.value


def _sentence(evidence: Mapping[str, Any]) -> str:
    """What a run found out about how the package is used, in its words."""
    try:
        reach = Reach(_text(evidence.get("reach")))
    except ValueError:
        return ""
    at, through, symbol, why = (
        _text(evidence.get(f"reach_{name}")) for name in ("at", "through", "symbol", "why")
    )
    return Answer(reach, at=at, through=through, symbol=symbol, why=why).sentence


def _evidence(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    found = finding.get("evidence")
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        return []
    return [one for one in value if isinstance(one, str)]
