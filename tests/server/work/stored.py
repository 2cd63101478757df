"""Stored findings and pushes with everything that a test does not care about filled in."""

from __future__ import annotations

import datetime as dt
from typing import Any

from haechi.model.push import SCHEMA, Origin, Push, PushedResource, PushScope
from haechi.model.severity import Severity
from haechi.store.records import Life, StoredFinding, StoredWaiver

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
REPOSITORY = "https://github.com/acme/shop"
KEY = "k8s:-/apps/Deployment/shop/cart"
PRINT = "0" * 31


def stored(name: str = "1", **more: Any) -> StoredFinding:
    """An open finding in deploy/cart.yaml."""
    values: dict[str, Any] = {
        "id": f"f{name}",
        "source": f"repo:{REPOSITORY}",
        "ref": "main",
        "default": True,
        "cluster": "-",
        "namespace": "shop",
        "fingerprint": f"{PRINT}{name}",
        "rule": "k8s-privileged",
        "domain": "iac",
        "severity": Severity.HIGH,
        "title": "Container runs privileged",
        "message": "a message",
        "path": "deploy/cart.yaml",
        "line": 10,
        "resource": KEY,
        "label": "Deployment shop/cart",
        "attribute": "",
        "state": Life.OPEN,
        "owner": None,
        "due": None,
        "overdue": False,
        "waiver": None,
        "waived_until": None,
        "first_seen": NOW,
        "last_seen": NOW,
        "changed": NOW,
        "fixed_at": None,
        "commit": None,
        "fix": None,
        "cwe": [],
        "tags": [],
    }
    return StoredFinding(**{**values, **more})


def waiver(**more: Any) -> StoredWaiver:
    """A waiver of the store, in force."""
    values: dict[str, Any] = {
        "id": "w-1",
        "rule": "k8s-privileged",
        "reason": "until the new console is there",
        "owner": "@kim",
        "expires": TODAY + dt.timedelta(days=30),
        "created": NOW,
        "created_by": "token:x",
    }
    return StoredWaiver(**{**values, **more})


def report(**more: Any) -> dict[str, Any]:
    """``haechi.scan/1`` of a run that found nothing and looked at everything."""
    return {
        "schema": "haechi.scan/1",
        "tool": {"name": "haechi", "version": "1"},
        "scope": {"root": "/x", "only": [], "started": NOW.isoformat(), "duration_s": 1.0},
        "summary": {"answer": "pass", "risks": []},
        "findings": [],
        "coverage": {
            "looked": {"files": 9, "files for secrets": 9, "git commits": 3},
            "evaluated_rules": {"count": 2, "ids": ["k8s-privileged", "secret-github-pat"]},
            "gaps": [],
        },
        "waivers": [],
        **more,
    }


def gap(kind: str, path: str, reason: str = "") -> dict[str, Any]:
    """A gap as reports have it."""
    return {"kind": kind, "path": path, "reason": reason, "do": "", "accepted": False}


def push(
    *,
    scope: PushScope | None = None,
    resources: tuple[str, ...] = (KEY,),
    gaps: tuple[dict[str, Any], ...] = (),
    looked: dict[str, int] | None = None,
    answer: str = "pass",
    **more: Any,
) -> Push:
    """A push of the default branch that covers everything unless it is said otherwise."""
    told = report()
    told["coverage"]["gaps"] = list(gaps)
    told["summary"]["answer"] = answer
    if looked is not None:
        told["coverage"]["looked"] = looked
    return Push(
        schema=SCHEMA,
        origin=Origin(repository=REPOSITORY, ref="main"),
        scope=scope or PushScope(domains=("iac", "secrets"), history="full"),
        report={**told, **more},
        resources=tuple(PushedResource(key=key, kind="x", name="x") for key in resources),
    )
