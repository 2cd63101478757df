"""The table of behaviour: one learnt profile a workload."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table

from haechi.store.state.metadata import metadata, number, text

profile = Table(
    "profile",
    metadata,
    text("cluster", primary_key=True),
    text("id", primary_key=True),
    text("namespace"),
    text("resource"),
    text("image"),
    text("command"),
    text("state"),  # learning, active, frozen
    number("since"),
    number("changed"),
    number("events"),
    Column("body", LargeBinary, nullable=False),
    Index("ix_profile_resource", "resource"),
)

TABLES = (profile,)
