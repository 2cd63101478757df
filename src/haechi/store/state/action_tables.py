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
    text("ask"),  # JSON of model.response.Want: what is planned again when the world changed
    text("because"),  # the policy's entry that decided, or who asked by hand
    text("actor"),  # who changed it last
    text("approver"),  # who let it be applied; empty until then
    number("automatic"),  # 1: approved by the policy, not by a person
    number("level"),
    number("ttl"),  # seconds
    number("created"),
    number("changed"),
    number("approved"),
    number("applied"),
    number("verified"),
    number("expires"),  # 0: does not
    number("ended"),
    number("due"),  # when the engine looks at it next; 0: does not
    number("failures"),  # tries in a row that went wrong
    Index("ix_action_incident", "incident"),
    Index("ix_action_state", "state", "due"),
    Index("ix_action_place", "cluster", "namespace", "n"),
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
    text("error"),  # what went wrong, or what was left since others changed it
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
