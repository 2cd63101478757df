"""What a cluster's objects were at any moment: a row for each change of the kinds that matter."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table

from haechi.store.state.metadata import metadata, number, row_number, text

kube_object = Table(
    "kube_object",
    metadata,
    row_number(),
    text("cluster"),
    text("key"),
    text("kind"),
    text("namespace"),
    text("uid"),
    text("version"),
    number("at"),
    number("until"),  # when it was changed or gone; far in the future while it stands
    Column("body", LargeBinary, nullable=False),  # JSON, compressed; never values of Secrets
    Index("ix_kube_object_at", "cluster", "kind", "until"),
    Index("ix_kube_object_key", "cluster", "key", "until"),
)

TABLES = (kube_object,)
