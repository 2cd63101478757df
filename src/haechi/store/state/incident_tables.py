"""The tables of incidents. ``cause`` is what opened it, to find what was closed of the same cause.

``incident_faint`` holds detections that are too faint to open an incident alone, for as long as
they may do so with others; ``incident_cursor`` says up to where detections were folded, and is
written in the same transaction as what they were folded into."""

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
    text("former"),  # id of the closed incident of the same cause
    text("folded"),  # casefolded words that are searched
    text("detail"),  # JSON: score, reasons, rules, tactics, techniques, addresses, pids
    text("memory"),  # JSON: what the correlator finds it by again; lists do without it
    Index("ix_incident_open", "closed_flag", "rank", "n"),
    Index("ix_incident_opened", "closed_flag", "opened", "n"),
    Index("ix_incident_facets", "closed_flag", "state", "level", "cluster", "namespace", "owner"),
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
    Index("ix_incident_detection_rule", "rule", "incident"),
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

incident_faint = Table(
    "incident_faint",
    metadata,
    row_number(),
    text("place"),
    text("signature"),
    number("count"),
    number("first_ns"),
    number("last_ns"),
    text("detail"),  # JSON: all of it, as the correlator wants it back
    Index("ix_incident_faint_place", "place"),
)

incident_cursor = Table(
    "incident_cursor",
    metadata,
    text("name", primary_key=True),
    text("epoch"),  # of the hot.db that the number is of
    number("seq"),
    number("at"),
)

TABLES = (incident, incident_detection, incident_change, incident_faint, incident_cursor)
