"""The tables of the runtime: rules that were saved here, feeds and what they could not take.

A saved file is never changed: each save is a new version, and so is its removal.
"""

from __future__ import annotations

from sqlalchemy import Index, Table, UniqueConstraint

from haechi.store.state.metadata import metadata, number, row_number, text

rule_file = Table(
    "rule_file",
    metadata,
    row_number(),
    text("name"),
    number("version"),
    text("text"),
    number("at"),
    text("actor"),
    text("note"),
    number("removed"),
    UniqueConstraint("name", "version"),
)

rule_switch = Table(
    "rule_switch",
    metadata,
    text("source", primary_key=True),
    text("name", primary_key=True),
    number("enabled"),
    number("at"),
    text("actor"),
)

feed = Table(
    "feed",
    metadata,
    text("cluster", primary_key=True),
    text("id", primary_key=True),
    text("kind"),
    text("way"),  # http, file, stdin
    text("place"),
    number("accepted"),
    number("duplicates"),
    number("refused"),
    number("skipped"),
    number("last_seen"),
    number("last_event"),
    number("lag"),  # microseconds, of the newest event when it came
    text("checkpoint"),  # JSON; where a follower goes on
    text("error"),
    number("lost", server_default="0"),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    row_number(),
    text("cluster"),
    text("feed"),
    number("at"),
    text("why"),
    text("sample"),
    Index("ix_dead_letter_feed", "cluster", "feed", "n"),
)

TABLES = (rule_file, rule_switch, feed, dead_letter)
