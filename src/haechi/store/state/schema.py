"""Tables of ``state.db``. The cluster is in every key: two clusters never share a row.

What lists and counts need stands in ``finding``; evidence (``finding_text``) and the text that
is searched (``finding_search``) stand beside it, so that walks over all findings read a third of
the pages. The migrations tell the same in steps (a test compares both).
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint
from sqlalchemy import text as literally

from haechi.store.state.metadata import Whole, metadata, number, row_number, text

REVISION = "0012"
"""The newest migration: what ``meta.schema`` says in a store of this code."""

DEAD = literally("instr(tags, '\"dead-control\"') > 0")
"""Findings of protections that cannot work. Few among many: they have an index of their own, for
which a question has to say this in these words."""

meta = Table("meta", metadata, text("key", primary_key=True), text("value"))

finding = Table(
    "finding",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("namespace"),
    text("source"),
    text("ref"),
    number("is_default"),
    text("fingerprint"),
    text("rule"),
    text("domain"),
    number("severity"),
    text("title"),
    text("message"),
    text("path"),
    number("line"),
    text("resource"),
    text("label"),
    text("attribute"),
    text("state"),
    number("live", server_default="1"),  # 0 is fixed; saves every list an IN
    number("reopened"),
    text("owner"),  # in force: a person's word, else the scan's
    text("owner_scan"),
    text("owner_by"),  # who set it by hand; "" is the scan
    text("due"),
    text("due_scan"),
    text("due_by"),
    text("waiver"),
    text("waiver_from"),  # store, report or ""
    text("waived_until"),
    number("first_seen"),
    number("opened"),  # first seen or last reopened
    number("last_seen"),
    number("changed"),
    number("fixed_at"),
    text("commit_id"),
    text("fix"),
    text("cwe"),
    text("tags"),
    text("secret_id"),
    text("scan"),
    number("digest"),  # of what a scan says: tells whether anything is to be written
    text("aliases", server_default="[]"),  # 0012, JSON: other ids of the same vulnerability
    UniqueConstraint("cluster", "source", "ref", "fingerprint"),
    Index("ix_finding_rule", "rule", "severity"),
    Index("ix_finding_waiver", "waiver"),
    Index("ix_finding_fixed_at", "fixed_at"),
    # 0002
    Index("ix_finding_worst", "live", "is_default", "severity", "due", "n"),
    Index("ix_finding_due", "live", "is_default", "due", "severity", "n"),
    Index("ix_finding_changed", "live", "is_default", "changed", "n"),
    Index("ix_finding_on_resource", "resource", "live", "is_default", "cluster", "source"),
    Index(  # what has few values first: grouping by the beginning of an index needs no sorting
        "ix_finding_facets",
        "is_default",
        "live",
        "state",
        "source",
        "cluster",
        "severity",
        "domain",
        "rule",
        "owner",
        "namespace",
        "due",
    ),
    # 0003
    Index(
        "ix_finding_standing",
        *("is_default", "live", "state", "severity", "owner"),
        *("cluster", "namespace", "due"),
    ),
    Index("ix_finding_dead", "rule", "severity", "n", sqlite_where=DEAD),
)

finding_text = Table(
    "finding_text",
    metadata,
    Column(
        "n",
        Whole,
        ForeignKey("finding.n", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    text("evidence"),
)

finding_search = Table(
    "finding_search",
    metadata,
    Column(
        "n",
        Whole,
        ForeignKey("finding.n", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    text("folded"),  # title, message, path, label, rule; case folded
)

finding_change = Table(
    "finding_change",
    metadata,
    row_number(),
    Column("finding", Whole, ForeignKey("finding.n", ondelete="CASCADE"), nullable=False),
    number("at"),
    text("what"),
    text("was"),
    text("became"),
    text("actor"),
    text("note"),
    Index("ix_finding_change_finding", "finding"),
    Index("ix_finding_change_at", "at", "what", "finding"),
)

scan_run = Table(
    "scan_run",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("source"),
    text("ref"),
    number("is_default"),
    text("commit_id"),
    number("started"),
    number("received"),
    number("duration_ms"),
    text("actor"),
    text("pipeline"),
    text("scope"),
    text("coverage"),
    text("counts"),
    text("changes"),
    text("risks"),
    text("answer"),
    text("version"),
    Index("ix_scan_run_target", "cluster", "source", "ref", "n"),
)

resource = Table(
    "resource",
    metadata,
    row_number(),
    text("cluster"),
    text("source"),
    text("ref"),
    text("key"),
    number("is_default"),
    text("kind"),
    text("name"),
    text("namespace"),
    text("file"),
    number("line"),
    text("owner"),
    number("first_seen"),
    number("last_seen"),
    number("gone"),
    UniqueConstraint("cluster", "source", "ref", "key"),
    Index("ix_resource_kind", "is_default", "gone", "kind", "name"),
    Index("ix_resource_key", "key", "cluster"),
)

attribute = Table(
    "attribute",
    metadata,
    row_number(),
    text("cluster"),
    text("source"),
    text("ref"),
    text("resource"),
    text("key"),
    text("value"),
    number("at"),
    UniqueConstraint("cluster", "source", "ref", "resource", "key"),
    Index("ix_attribute_resource", "resource", "cluster"),
)

edge = Table(
    "edge",
    metadata,
    row_number(),
    text("cluster"),
    text("source"),
    text("ref"),
    number("is_default"),
    text("src"),
    text("kind"),
    text("dst"),
    number("seen_at"),
    UniqueConstraint("cluster", "source", "ref", "src", "kind", "dst"),
    Index("ix_edge_src", "cluster", "src"),
    Index("ix_edge_dst", "cluster", "dst"),
)

waiver = Table(
    "waiver",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),  # of its reach, as is namespace; "*" is any
    text("namespace"),
    text("rule"),
    text("reason"),
    text("owner"),
    text("expires"),
    number("created"),
    text("created_by"),
    text("source"),
    text("fingerprints"),
    text("path"),
    text("resource"),
    number("revoked"),
    text("revoked_by"),
    number("ended"),  # when the clock took note of its expiry
    Index("ix_waiver_expires", "ended", "revoked", "expires"),
)

audit = Table(
    "audit",
    metadata,
    row_number(),
    text("token", unique=True),  # stands in the log's entry, too: tells what was appended
    number("after_seq"),  # the log's size when it was written: it can only stand behind that
    Column("seq", Whole, nullable=True),  # its number in the log; NULL while it waits
    number("at"),
    text("actor"),
    text("action"),
    text("object"),
    text("cluster"),
    text("namespace"),
    text("detail"),
    text("private"),  # emptied once the log has it, where it can be redacted
    Index("ix_audit_seq", "seq"),
)

source = Table(
    "source",
    metadata,
    text("cluster", primary_key=True),
    text("id", primary_key=True),
    text("kind"),
    text("name"),
    number("last_seen"),
    number("gaps"),
    text("detail"),
)

rule_text = Table(
    "rule_text",
    metadata,
    text("id", primary_key=True),
    text("title"),
    number("severity"),
    text("why"),
    text("fix"),
    number("at"),
)

TABLES = (
    *(
        meta,
        finding,
        finding_text,
        finding_search,
        finding_change,
        scan_run,
        resource,
        attribute,
        edge,
    ),
    *(waiver, audit, source, rule_text),
)
