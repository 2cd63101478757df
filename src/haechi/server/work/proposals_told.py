"""What a finding about a package tells of its vulnerability, where no advisory is at hand.

Findings come from outside: whatever of them is not as a scan writes it counts for nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.model.advisory import Advisory, Risk, Vulnerability
from haechi.model.finding import UPGRADE
from haechi.model.severity import Severity

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
