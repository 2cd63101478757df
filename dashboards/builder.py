"""A small builder for Grafana's classic dashboard JSON (schemaVersion 39: Grafana 10 and later).

The published SDK for Python writes for Grafana 10.1 and fails the current schema, so the few
fields that we need are written here, and checked against ``dashboard.schema.json``. Panels flow
from left to right over 24 columns. The data source is a variable, so a dashboard can be imported
by hand (bare), by the API (wrapped) and by provisioning without a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Target(msgspec.Struct, frozen=True):
    """One query and how its lines are called (``{{label}}`` is filled in)."""

    expr: str
    legend: str
    instant: bool = False


class Step(msgspec.Struct, frozen=True):
    """From ``value`` on the colour holds; None is the lowest step."""

    value: float | None
    color: str


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One panel. ``kind``: timeseries, stat, gauge, bargauge, table. ``unit`` is Grafana's
    (short, percent, percentunit, s, bytes, reqps)."""

    title: str
    kind: str
    targets: Sequence[Target]
    about: str = ""
    width: int = 8
    height: int = 8
    unit: str = "short"
    steps: Sequence[Step] = ()
    least: float | None = None
    most: float | None = None
    stacked: bool = False


class Row(msgspec.Struct, frozen=True):
    """A heading across the dashboard."""

    title: str


class Dashboard(msgspec.Struct, frozen=True, kw_only=True):
    """A dashboard. ``uid`` stays the same, so that an import replaces the older one."""

    uid: str
    title: str
    about: str
    panels: Sequence[Panel | Row]
    tags: Sequence[str] = ("haechi", "security")
    since: str = "now-24h"


def bare(dashboard: Dashboard) -> dict[str, Any]:
    """What Grafana's import dialog and provisioning take."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": list(dashboard.tags),
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": dashboard.since, "to": "now"},
        "templating": {"list": [_source_variable()]},
        "annotations": {"list": []},
        "links": [],
        "panels": list(_placed(dashboard.panels)),
    }


def wrapped(dashboard: Dashboard) -> dict[str, Any]:
    """What ``POST /api/dashboards/db`` takes."""
    return {"dashboard": bare(dashboard), "overwrite": True, "message": "haechi"}


def _source_variable() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "refresh": 1,
        "includeAll": False,
        "multi": False,
        "options": [],
        "regex": "",
    }


def _placed(panels: Sequence[Panel | Row]) -> Iterator[dict[str, Any]]:
    x = y = tallest = 0
    for number, panel in enumerate(panels, 1):
        width, height = (COLUMNS, 1) if isinstance(panel, Row) else (panel.width, panel.height)
        if x + width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": width, "h": height}
        x, tallest = x + width, max(tallest, height)
        yield _row(panel, number, place) if isinstance(panel, Row) else _panel(panel, number, place)


def _row(row: Row, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "gridPos": place,
        "collapsed": False,
        "panels": [],
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "gridPos": place,
        "datasource": SOURCE,
        "targets": [_target(target, chr(65 + i)) for i, target in enumerate(panel.targets)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(target: Target, letter: str) -> dict[str, Any]:
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": target.expr,
        "legendFormat": target.legend,
        "instant": target.instant,
        "range": not target.instant,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = panel.steps or (Step(None, "green"),)
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": step.value, "color": step.color} for step in steps],
        },
    }
    if panel.least is not None:
        defaults["min"] = panel.least
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.kind == "stat":
        return {"reduceOptions": reduce, "colorMode": "value", "graphMode": "area"}
    if panel.kind == "table":
        return {"showHeader": True}
    return {"reduceOptions": reduce, "showThresholdLabels": False, "showThresholdMarkers": True}
