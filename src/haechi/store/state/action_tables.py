"""The tables of response: actions, their steps, and the switches that stop all automation."""

from __future__ import annotations

from sqlalchemy import Index, Table, UniqueConstraint

from haechi.store.state.metadata import metadata, number, row_number, text

action = Table(
    "action",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("namespace"),
    text("resource"),
    text("incident"),
    text("kind"),
    text("stage"),
    text("state"),
    text("idempotency_key", unique=True),
    text("plan"),  # JSON of model.response.Plan
    text("checks"),  # JSON: what each check said
    text("outcome"),  # contained, not_contained, done, or empty
    text("why"),  # of the state, for people
    text("actor"),
    number("created"),
    number("changed"),
    number("approved"),
    number("applied"),
    number("expires"),  # 0: does not
    number("ended"),
    Index("ix_action_incident", "incident"),
    Index("ix_action_state", "state", "expires"),
)

action_step = Table(
    "action_step",
    metadata,
    row_number(),
    number("action"),
    number("place"),
    text("id", unique=True),  # the idempotency key that the world is given, too
    text("kind"),
    text("target"),
    text("body"),
    text("inverse"),  # JSON; written before the step is applied
    text("state"),
    number("attempts"),
    number("changed"),
    text("error"),
    UniqueConstraint("action", "place"),
)

halt = Table(
    "halt",
    metadata,
    text("scope", primary_key=True),  # "*" or a cluster
    number("stopped"),
    number("at"),
    text("actor"),
    text("why"),
)

TABLES = (action, action_step, halt)
