"""Tables of stored SBOMs, what advisories made of them, and proposals.

An SBOM's content (``bill_body``) stands once however often it is pushed, as most pushes change
nothing about packages. ``bill_packages`` says which packages a content holds: after an import of
advisories only those with a package whose answer may differ are unpacked.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint

from haechi.store.state.metadata import Whole, metadata, number, row_number, text

package = Table(
    "package",
    metadata,
    row_number(),
    text("ecosystem"),
    text("name"),
    text("version"),
    UniqueConstraint("ecosystem", "name", "version"),
)

bill_body = Table(
    "bill_body",
    metadata,
    row_number(),
    text("digest", unique=True),
    number("files"),
    number("packages"),
    text("ecosystems"),  # JSON: how many packages of each
    text("formats"),
    Column("body", LargeBinary, nullable=False),
)

bill_packages = Table(
    "bill_packages",
    metadata,
    Column(
        "body",
        Whole,
        ForeignKey("bill_body.n", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("packages", LargeBinary, nullable=False),  # numbers, four bytes each, in order
)

bill = Table(
    "bill",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("source"),
    text("ref"),
    text("kind"),  # push, upload
    text("name"),
    number("is_current"),
    text("commit_id"),
    text("scan"),
    number("received"),
    text("actor"),
    number("body"),
    text("facts"),  # JSON: the bill without its files
    text("judged_by"),  # identity of the database of advisories
    number("judged"),  # its generation; 0 never
    Index("ix_bill_target", "cluster", "source", "ref", "kind", "name", "n"),
    Index("ix_bill_body", "body", "is_current"),
    Index("ix_bill_judged", "is_current", "judged", "n"),
)

proposal = Table(
    "proposal",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("source"),
    text("ref"),
    text("path"),
    text("ecosystem"),
    text("package"),
    text("versions"),  # JSON
    text("target"),
    text("upgrades"),  # JSON
    number("direct"),  # 0 no, 1 yes, 2 not told
    text("via"),  # JSON
    number("development"),
    number("severity"),
    text("fixes"),  # JSON
    text("state"),
    number("opened"),
    number("changed"),
    text("reason"),
    text("actor"),
    UniqueConstraint("cluster", "source", "ref", "path", "ecosystem", "package"),
    Index("ix_proposal_worst", "state", "severity", "n"),
)

advisory_import = Table(
    "advisory_import",
    metadata,
    row_number(),
    text("id", unique=True),
    text("place"),
    text("covers"),  # JSON
    text("file"),  # where it waits, below the store's folder; "" once it is done
    text("state"),
    text("actor"),
    number("asked"),
    number("finished"),
    number("generation"),
    number("records"),
    number("changed"),
    text("error"),
    Index("ix_advisory_import_state", "state", "n"),
)

advisory_source = Table(
    "advisory_source",
    metadata,
    text("place", primary_key=True),
    text("state"),
    number("since"),
    number("last"),
    text("error"),
)

advisory_run = Table(
    "advisory_run",
    metadata,
    row_number(),
    text("identity"),
    number("generation"),
    number("started"),
    number("finished"),  # 0 while it goes on
    number("sboms"),
    number("affected"),
    number("opened"),
    number("fixed"),
    number("ms"),
)

TABLES = (
    *(package, bill_body, bill_packages, bill, proposal),
    *(advisory_import, advisory_source, advisory_run),
)
