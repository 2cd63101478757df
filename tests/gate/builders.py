"""Findings, waivers and scans with everything that a test does not care about filled in."""

from __future__ import annotations

import datetime as dt
from typing import Any

from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import Finding, fingerprint
from haechi.model.location import Location
from haechi.model.scan import Scan
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver, WaiverOrigin

TODAY = dt.date(2026, 11, 21)
KEY = "k8s:-/apps/Deployment/shop/cart"


def finding(
    name: str = "1",
    *,
    rule: str = "k8s-privileged",
    severity: Severity = Severity.HIGH,
    path: str = "deploy/cart.yaml",
    line: int = 10,
    end_line: int | None = None,
    **more: Any,
) -> Finding:
    """A finding; equal ``name`` and ``rule`` give equal fingerprints."""
    return Finding(
        rule=rule,
        severity=severity,
        title="a title",
        message="a message",
        location=Location(path=path, line=line, end_line=end_line or line),
        **{
            "resource": KEY,
            "label": "Deployment shop/cart",
            "fingerprint": fingerprint(rule, path, name, 0),
            **more,
        },
    )


def scan(*findings: Finding, waivers: tuple[Waiver, ...] = (), gaps: tuple[Gap, ...] = ()) -> Scan:
    """A scan in which the rules of the findings ran."""
    return Scan(
        root=".",
        only=("iac",),
        started=dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
        duration=0.1,
        findings=findings,
        coverage=Coverage(
            looked={"files": 3},
            gaps=gaps,
            evaluated=frozenset({"k8s-privileged", *(each.rule for each in findings)}),
        ),
        waivers=waivers,
    )


def waiver(rule: str = "k8s-privileged", *, line: int = 3, **more: Any) -> Waiver:
    """A waiver of a waiver file, in force today."""
    return Waiver(
        rule=rule,
        **{
            "origin": WaiverOrigin.FILE,
            "location": Location(path="haechi.waivers.yaml", line=line),
            "reason": "because",
            "owner": "@kim",
            "expires": dt.date(2027, 1, 1),
            **more,
        },
    )


def beside(
    rule: str = "k8s-privileged",
    *,
    path: str | None = "deploy/cart.yaml",
    line: int = 9,
    origin: WaiverOrigin = WaiverOrigin.INLINE,
    **more: Any,
) -> Waiver:
    """A waiver beside the code."""
    where = Location(path=path or ".trivyignore", line=line)
    return Waiver(rule=rule, origin=origin, location=where, path=path, **more)


def gap(kind: str = "helm-chart", path: str = "charts/x/Chart.yaml") -> Gap:
    return Gap(kind=kind, path=path, reason="helm is not installed")
