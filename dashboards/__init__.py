"""Grafana dashboards and Prometheus rules for the server's metrics (docs/guide/metrics.md)."""
