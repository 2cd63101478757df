"""The tables of incidents. ``cause`` is what the correlator groups by; an open incident's ids of
detections make that a detection told twice counts once."""

from __future__ import annotations

from sqlalchemy import Index, Table, UniqueConstraint

from haechi.store.state.metadata import metadata, number, row_number, text

incident = Table(
    "incident",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("namespace"),
    text("resource"),
    text("node"),
    text("container"),
    text("cause"),
    text("title"),
    text("state"),
    text("owner"),
    number("closed_flag"),  # 1 at the end of its life: narrow, for what asks open ones
    number("level"),
    number("rank"),  # level and score in one number, the worst highest
    number("opened"),
    number("changed"),
    number("closed"),
    number("first_ns"),
    number("last_ns"),
    number("detections"),
    text("detail"),  # JSON: score, reasons, rules, tactics, techniques, addresses, pids, roots
    Index("ix_incident_open", "closed_flag", "rank", "n"),
    Index("ix_incident_cause", "cause", "closed_flag"),
    Index("ix_incident_place", "cluster", "namespace", "closed_flag"),
)

incident_detection = Table(
    "incident_detection",
    metadata,
    row_number(),
    number("incident"),
    text("signature"),  # rule, program, object: what is told again is counted here
    number("count"),
    number("first_ns"),
    number("last_ns"),
    text("event"),  # id of the first, source haechi or of who judged
    text("source"),
    text("rule"),
    text("priority"),
    text("message"),
    text("evidence"),  # JSON: the fields that matter
    UniqueConstraint("incident", "signature"),
)

incident_change = Table(
    "incident_change",
    metadata,
    row_number(),
    number("incident"),
    number("at"),
    text("actor"),
    text("what"),
    text("was"),
    text("became"),
    text("note"),
    Index("ix_incident_change", "incident", "n"),
)

TABLES = (incident, incident_detection, incident_change)
