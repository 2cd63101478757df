"""Pushes, waivers and clocks that the tests of the state make."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haechi.model.access import EVERYWHERE, Reach
from haechi.model.push import Origin, Push, PushedEdge, PushedResource, PushedRule, PushScope
from haechi.store.records import ScanRun, StoredFinding, StoredWaiver
from haechi.store.state.state import State

START = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
TODAY = START.date()
ALL = (EVERYWHERE,)
REPOSITORY = "https://git.example/acme/shop"
SOURCE = f"repo:{REPOSITORY}"


class Clock:
    """A clock that goes on only when it is told to; never twice the same."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        self.now += dt.timedelta(milliseconds=1)
        return self.now

    def forward(self, **span: float) -> None:
        self.now += dt.timedelta(**span)


def found(fingerprint: str, **values: Any) -> dict[str, Any]:
    """A finding as ``haechi.scan/1`` writes it."""
    path = values.pop("path", "deploy/web.yaml")
    return {
        "rule": "k8s-privileged",
        "severity": "high",
        "title": "Container is privileged",
        "message": "container web is privileged",
        "location": {"path": path, "line": 7, "column": 1, "end_line": 7, "end_column": 2},
        "resource": "k8s:-/apps/Deployment/shop/web",
        "label": "Deployment shop/web",
        "attribute": "spec",
        "fingerprint": fingerprint,
        "domain": "iac",
        "cwe": ["CWE-250"],
        "tags": ["kubernetes"],
        "owner": None,
        "due": None,
        "state": "open",
        "waiver": None,
        "fix": None,
        "commit": None,
        "secret_id": None,
        "evidence": {},
        **values,
    }


def report(findings: Iterable[Any] = (), **values: Any) -> dict[str, Any]:
    """A report around findings."""
    return {
        "schema": "haechi.scan/1",
        "tool": {"name": "haechi", "version": "0.4.0"},
        "scope": {"root": ".", "only": [], "started": START.isoformat(), "duration_s": 1.5},
        "summary": {"answer": "blocked", "risks": []},
        "findings": list(findings),
        "coverage": {"looked": {"files": 3}, "evaluated_rules": {"count": 9}, "gaps": []},
        "waivers": [],
        **values,
    }


def push(
    findings: Iterable[Any] = (),
    *,
    repository: str = REPOSITORY,
    ref: str = "main",
    default: bool = True,
    cluster: str = "-",
    domains: tuple[str, ...] = ("iac", "secrets"),
    folder: str = "",
    tree: bool = True,
    history: str = "full",
    resources: Sequence[PushedResource] = (),
    edges: Sequence[PushedEdge] = (),
    rules: Sequence[PushedRule] = (),
    **words: Any,
) -> Push:
    """A push of these findings."""
    return Push(
        schema="haechi.push/1",
        origin=Origin(
            repository=repository, ref=ref, commit="c0ffee", default=default, cluster=cluster
        ),
        scope=PushScope(domains=domains, within=folder, tree=tree, history=history),
        report=report(findings, **words),
        resources=tuple(resources),
        edges=tuple(edges),
        rules=tuple(rules),
    )


def covered(_finding: StoredFinding) -> bool:
    """Everything was looked at."""
    return True


def by_rule(finding: StoredFinding, active: Sequence[StoredWaiver]) -> StoredWaiver | None:
    """A matcher that asks for the rule and the path's beginning alone."""
    return next((w for w in active if means(w, finding)), None)


def means(waiver: StoredWaiver, finding: StoredFinding) -> bool:
    """Whether ``by_rule`` would take it."""
    named = not waiver.fingerprints or finding.fingerprint in waiver.fingerprints
    return named and waiver.rule in ("*", finding.rule) and finding.path.startswith(waiver.path)


def receive(state: State, what: Push, *, today: dt.date = TODAY) -> ScanRun:
    """Push as a pipeline would."""
    return state.scans.receive(what, by="token:ci", covered=covered, waived=by_rule, today=today)


def waiver(**values: Any) -> StoredWaiver:
    """A waiver to add."""
    reach = values.pop("reach", Reach())
    return StoredWaiver(
        **{
            "id": "",
            "rule": "*",
            "reason": "accepted until the console can do it",
            "owner": "ana",
            "expires": TODAY + dt.timedelta(days=30),
            "created": START,
            "created_by": "",
            **values,
        },
        reach=reach,
    )


def open_state(folder: Path, clock: Clock | None = None) -> State:
    """The state in a folder."""
    (folder / "backup").mkdir(exist_ok=True)
    return State(folder / "state.db", backups=folder / "backup", clock=clock or Clock())
