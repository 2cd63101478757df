"""The tables of alerts: what is to be sent (an outbox), and the tickets that stand elsewhere."""

from __future__ import annotations

from sqlalchemy import Index, Table

from haechi.store.state.metadata import metadata, number, row_number, text

alert = Table(
    "alert",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("namespace"),
    text("route"),
    text("receiver"),
    text("topic"),  # the key of its group: an incident, an action, a finding
    text("what"),  # opened, raised, resolved, action, test
    text("level"),
    text("state"),  # waiting, sent, dead
    number("attempts"),
    number("next_at"),
    number("created"),
    number("ended"),
    text("payload"),  # JSON: the message; no secret of a receiver
    text("error"),
    Index("ix_alert_state", "state", "next_at"),
    Index("ix_alert_topic", "topic", "receiver"),
)

ticket = Table(
    "ticket",
    metadata,
    text("receiver", primary_key=True),
    text("topic", primary_key=True),
    text("remote"),  # its id there
    text("url"),
    text("state"),  # open, closed
    number("changed"),
)

TABLES = (alert, ticket)
