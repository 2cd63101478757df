"""The two dashboards: the guide's, under its own names, and one of the server's own figures."""

from __future__ import annotations

from dashboards.builder import Dashboard, Panel, Row, Step, Target

_ANY = (Step(None, "green"), Step(1, "red"))
_SOME = (Step(None, "green"), Step(1, "orange"))

GUIDE = Dashboard(
    uid="haechi-guide",
    title="Security Metrics Dashboard",
    about="The three panels that readers of the guide look for, in today's panel types.",
    panels=(
        Panel(
            title="Security Events Over Time",
            kind="timeseries",
            width=24,
            about="Events in five minutes, by severity and kind.",
            targets=(
                Target("increase(security_events_total[5m])", "{{severity}} - {{event_type}}"),
            ),
        ),
        Panel(
            title="Vulnerability Scan Results",
            kind="stat",
            width=12,
            about="Open findings of the branches that count.",
            steps=_ANY,
            targets=(
                Target("vulnerability_scan_critical_total", "Critical"),
                Target("vulnerability_scan_high_total", "High"),
            ),
        ),
        Panel(
            title="Compliance Score",
            kind="gauge",
            width=12,
            unit="percent",
            least=0,
            most=100,
            about="Below 80 an alert fires. Empty until a framework was evaluated: no score is "
            "not a score of zero.",
            steps=(Step(None, "red"), Step(80, "orange"), Step(95, "green")),
            targets=(Target("compliance_score_percentage", "Compliance Score"),),
        ),
    ),
)

HAECHI = Dashboard(
    uid="haechi-overview",
    title="haechi",
    about="What is open, what is not looked at, what happens, and how the server is.",
    panels=(
        Row("What needs a person"),
        *(
            Panel(
                title=f"Open, {severity}",
                kind="stat",
                width=5,
                height=5,
                steps=steps,
                targets=(Target(f'haechi:findings_open:sum{{severity="{severity}"}}', severity),),
            )
            for severity, steps in (("critical", _ANY), ("high", _ANY), ("medium", _SOME))
        ),
        Panel(
            title="Overdue",
            kind="stat",
            width=5,
            height=5,
            about="Open past the date that their severity allows.",
            steps=_ANY,
            targets=(Target("sum(haechi_findings_overdue)", "overdue"),),
        ),
        Panel(
            title="Waivers",
            kind="stat",
            width=4,
            height=5,
            targets=(Target('sum(haechi_waivers{state="active"})', "active"),),
        ),
        Panel(
            title="Open findings by severity",
            kind="timeseries",
            width=12,
            stacked=True,
            targets=(Target("haechi:findings_open:sum", "{{severity}}"),),
        ),
        Panel(
            title="Not looked at, by source",
            kind="timeseries",
            width=12,
            about="Things in the asked scope that could not be evaluated. An empty result is "
            "not a clean one.",
            targets=(Target("haechi_source_gaps", "{{source}}"),),
        ),
        Panel(
            title="Since the last look",
            kind="bargauge",
            width=24,
            height=6,
            unit="s",
            steps=(Step(None, "green"), Step(86_400, "orange"), Step(604_800, "red")),
            targets=(
                Target(
                    "time() - haechi_source_last_seen_timestamp_seconds",
                    "{{kind}} {{source}}",
                    instant=True,
                ),
            ),
        ),
        Row("What happens"),
        Panel(
            title="Events by priority",
            kind="timeseries",
            width=16,
            unit="cps",
            stacked=True,
            targets=(Target("haechi:events:rate5m", "{{priority}}"),),
        ),
        Panel(
            title="Events refused",
            kind="timeseries",
            unit="cps",
            targets=(
                Target("rate(haechi_events_refused_total[5m])", "refused"),
                Target("rate(haechi_events_duplicate_total[5m])", "came twice"),
            ),
        ),
        Row("How the server is"),
        Panel(
            title="Parts",
            kind="stat",
            width=8,
            about="1 is well, 0.5 is degraded, 0 has failed.",
            steps=(Step(None, "red"), Step(0.5, "orange"), Step(1, "green")),
            targets=(Target("haechi_part_up", "{{part}}"),),
        ),
        Panel(
            title="Answers by status",
            kind="timeseries",
            unit="reqps",
            stacked=True,
            targets=(
                Target("sum by (status) (rate(haechi_http_requests_total[5m]))", "{{status}}"),
            ),
        ),
        Panel(
            title="Slowest operations, 95th percentile",
            kind="timeseries",
            unit="s",
            targets=(Target("topk(5, haechi:http_request_duration_seconds:p95)", "{{operation}}"),),
        ),
        Panel(
            title="Disk",
            kind="timeseries",
            unit="bytes",
            stacked=True,
            targets=(Target("haechi_store_bytes", "{{part}}"),),
        ),
        Panel(
            title="Audit records not signed yet",
            kind="timeseries",
            targets=(Target("haechi_audit_unsigned_records", "unsigned"),),
        ),
        Panel(
            title="Memory",
            kind="timeseries",
            unit="bytes",
            targets=(Target('process_resident_memory_bytes{job="haechi"}', "resident"),),
        ),
    ),
)

BOARDS = {"security-metrics": GUIDE, "haechi": HAECHI}
