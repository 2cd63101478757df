"""A push before it is received: is it one that this server reads, and is it told without echoes.

A pipeline asks the server for its waivers before the gate, so they come back in the report. Here
they live in the store, where they end and are revoked: a report that repeats them would keep
them alive. So what only they waived is open again before the store looks at it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from msgspec.structs import replace

from haechi.errors import UsageError
from haechi.model.config import DUE_DAYS
from haechi.model.push import SCHEMA, Push
from haechi.model.scan import SCHEMA as REPORT
from haechi.model.waiver import WaiverOrigin

_DO = "send what `haechi scan --push` of this version sends"


def check_push(push: Push) -> None:
    """Raises UsageError when the document is none that this server reads."""
    if push.schema != SCHEMA:
        raise UsageError(
            f'the schema is "{push.schema[:60]}", not "{SCHEMA}"', where="schema", do=_DO
        )
    if push.report.get("schema") != REPORT:
        raise UsageError(f'the report is no "{REPORT}"', where="report.schema", do=_DO)
    if not push.origin.repository.strip():
        raise UsageError("it does not say which repository", where="origin.repository", do=_DO)
    for key, kind in (("scope", dict), ("summary", dict), ("coverage", dict), ("findings", list)):
        if not isinstance(push.report.get(key), kind):
            raise UsageError(f"report.{key} is missing", where=f"report.{key}", do=_DO)


def without_echoes(push: Push, today: dt.date) -> Push:
    """The push without waivers of the store in its report."""
    echoes = {_location(one) for one in _rows(push.report, "waivers") if _is_of_store(one)}
    if not echoes:
        return push
    report = dict(push.report)
    report["waivers"] = [one for one in _rows(push.report, "waivers") if not _is_of_store(one)]
    report["findings"] = [
        _open_again(one, today) if _is_echo(one, echoes) else one for one in report["findings"]
    ]
    return replace(push, report=report)


def _open_again(finding: dict[str, Any], today: dt.date) -> dict[str, Any]:
    """A waived finding's due date is its waiver's end; an open one's follows from severity."""
    days = DUE_DAYS.get(str(finding.get("severity")))
    due = (today + dt.timedelta(days=days)).isoformat() if days is not None else None
    return {**finding, "state": "open", "waiver": None, "due": due}


def _is_echo(finding: Any, echoes: set[str]) -> bool:
    return (
        isinstance(finding, dict)
        and finding.get("state") == "waived"
        and str(finding.get("waiver")) in echoes
    )


def _is_of_store(waiver: Any) -> bool:
    return isinstance(waiver, dict) and waiver.get("origin") == WaiverOrigin.STORE.value


def _location(waiver: dict[str, Any]) -> str:
    where = waiver.get("location")
    return f"{where.get('path')}:{where.get('line')}" if isinstance(where, dict) else ""


def _rows(report: dict[str, Any], key: str) -> list[Any]:
    found = report.get(key)
    return found if isinstance(found, list) else []
