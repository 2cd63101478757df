"""The tables of alerts: what is to be sent (an outbox), and what stands elsewhere.

A row of ``alert`` is one piece of news for one receiver. Those that go out in one message share
a ``delivery``, which is written before they are sent: a message that is sent again after a crash
is the same one, and receivers that look at its id take it once.
"""

from __future__ import annotations

from sqlalchemy import Index, Table

from haechi.store.state.metadata import metadata, number, row_number, text

alert = Table(
    "alert",
    metadata,
    row_number(),
    text("id", unique=True),  # made of receiver and piece of news: what is told again counts once
    text("cluster"),
    text("namespace"),
    text("route"),
    text("receiver"),
    text("topic"),  # incident:<id> or action:<id>: what the receiver knows it by
    text("grp"),  # what is told together; a topic stays in its group
    text("delivery"),  # id of the message; empty until one was put together
    text("what"),  # opened, raised, resolved, applied, repeat, test
    text("level"),
    text("state"),  # waiting, sent, dead, skipped
    number("attempts"),
    number("next_at"),
    number("created"),
    number("ended"),
    text("payload"),  # JSON: the piece of news; no secret of a receiver
    text("error"),
    Index("ix_alert_state", "state", "next_at"),
    Index("ix_alert_topic", "topic", "receiver"),
    Index("ix_alert_receiver", "receiver", "state", "n"),
    Index("ix_alert_group", "receiver", "grp", "ended"),
)

ticket = Table(
    "ticket",
    metadata,
    text("receiver", primary_key=True),
    text("topic", primary_key=True),
    text("cluster"),
    text("namespace"),
    text("route"),
    text("grp"),
    text("remote"),  # its id there; for an Alertmanager the severity that it was told
    text("url"),
    text("state"),  # open, closed, theirs (closed there by a person)
    text("level"),
    number("made"),  # how often it was made there
    number("opened"),
    number("changed"),  # when it was told last
    number("checked"),  # when its state there was asked last
    Index("ix_ticket_state", "receiver", "state", "changed"),
)

TABLES = (alert, ticket)
