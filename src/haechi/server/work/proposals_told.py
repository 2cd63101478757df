"""What a finding about a package tells of its vulnerability, where no advisory is at hand.

Findings come from outside: whatever of them is not as a scan writes it counts for nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from haechi.model.advisory import Advisory, Risk, Vulnerability
from haechi.model.finding import DEPENDENCIES, UPGRADE
from haechi.model.severity import Severity
from haechi.store.dependency_records import Proposal
from haechi.store.state.plain import from_json

_MOST = 100


def told_by(finding: Mapping[str, Any]) -> Vulnerability:
    """The vulnerability of a finding with its ids, its fixed versions and how bad it is."""
    said = finding["evidence"]
    rule = str(finding["rule"])
    ids = dict.fromkeys((rule, *texts(finding.get("aliases")), *texts(said.get("ids"))))
    upgrade = upgrade_in(finding)
    fixed = texts(said.get("fixed"))[:_MOST] or ([upgrade] if upgrade else [])
    since = _day(said.get("exploited_since"))
    return Vulnerability(
        id=rule,
        ids=tuple(ids),
        advisory=Advisory(
            id=rule,
            severity=_rated(said.get("rated") if "rated" in said else finding.get("severity")),
            malicious="malicious" in texts(finding.get("tags")),
        ),
        fixed=tuple(fixed),
        risk=Risk(cve=rule, exploited_since=since) if since else None,
    )


class Kept(Protocol):
    """A stored finding that an import of advisories leaves as it is."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def rule(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def ids(self) -> frozenset[str]: ...

    @property
    def evidence(self) -> str: ...


def still_told(kept: Iterable[Kept], proposals: Iterable[Proposal]) -> Iterator[dict[str, Any]]:
    """Findings in the report's shape, in the words of the proposals in which they stand: what is
    told anew of a package does not replace what is known against it besides."""
    words = {fix.fingerprint: (fix, one.development) for one in proposals for fix in one.fixes}
    for each in kept:
        evidence = from_json(each.evidence) if each.evidence else None
        if not isinstance(evidence, dict):
            continue
        fix, development = words.get(each.fingerprint, (None, False))
        rated = evidence.get("rated") or Severity.MEDIUM.value
        yield {
            "rule": each.rule,
            "aliases": sorted(each.ids - {each.rule}),
            "severity": fix.severity.value if fix else rated,
            "title": fix.title if fix else each.rule,
            "fingerprint": each.fingerprint,
            "domain": DEPENDENCIES,
            "fix": f"{UPGRADE}{fix.fixed}" if fix and fix.fixed else None,
            "tags": ["development"] if development else [],
            "location": {"path": each.path},
            "evidence": evidence,
        }


def upgrade_in(finding: Mapping[str, Any]) -> str:
    """The version that a finding says is the way out; "" for none."""
    fix = finding.get("fix")
    return fix.removeprefix(UPGRADE) if isinstance(fix, str) and fix.startswith(UPGRADE) else ""


def texts(value: Any) -> list[str]:
    """The texts of a list."""
    return (
        [one for one in value if isinstance(one, str)] if isinstance(value, (list, tuple)) else []
    )


def _rated(value: Any) -> Severity | None:
    try:
        return msgspec.convert(value, Severity)
    except msgspec.ValidationError:
        return None


def _day(value: Any) -> dt.date | None:
    try:
        return msgspec.convert(value, dt.date, strict=False)
    except msgspec.ValidationError:
        return None
