"""0012: SBOMs, the packages in them, advisories' imports, proposals; other ids of findings."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _number(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=False, **options)


def _text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **options)


def upgrade() -> None:
    """Eight tables and a column."""
    op.add_column("finding", _text("aliases", server_default="[]"))
    op.create_table(
        "package",
        _number("n", autoincrement=False),
        _text("ecosystem"),
        _text("name"),
        _text("version"),
        sa.PrimaryKeyConstraint("n", name="pk_package"),
        sa.UniqueConstraint(
            "ecosystem", "name", "version", name="uq_package_ecosystem_name_version"
        ),
    )
    op.create_table(
        "bill_body",
        _number("n", autoincrement=False),
        _text("digest"),
        _number("files"),
        _number("packages"),
        _text("ecosystems"),
        _text("formats"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_bill_body"),
        sa.UniqueConstraint("digest", name="uq_bill_body_digest"),
    )
    op.create_table(
        "bill_packages",
        _number("body", autoincrement=False),
        sa.Column("packages", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("body", name="pk_bill_packages"),
        sa.ForeignKeyConstraint(
            ["body"], ["bill_body.n"], name="fk_bill_packages_body", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "bill",
        _number("n", autoincrement=False),
        _text("id"),
        _text("cluster"),
        _text("source"),
        _text("ref"),
        _text("kind"),
        _text("name"),
        _number("is_current"),
        _text("commit_id"),
        _text("scan"),
        _number("received"),
        _text("actor"),
        _number("body"),
        _text("facts"),
        _text("judged_by"),
        _number("judged"),
        sa.PrimaryKeyConstraint("n", name="pk_bill"),
        sa.UniqueConstraint("id", name="uq_bill_id"),
    )
    op.create_index("ix_bill_body", "bill", ["body", "is_current"])
    op.create_index("ix_bill_judged", "bill", ["is_current", "judged", "n"])
    op.create_index("ix_bill_target", "bill", ["cluster", "source", "ref", "kind", "name", "n"])
    op.create_table(
        "proposal",
        _number("n", autoincrement=False),
        _text("id"),
        _text("cluster"),
        _text("source"),
        _text("ref"),
        _text("path"),
        _text("ecosystem"),
        _text("package"),
        _text("versions"),
        _text("target"),
        _text("upgrades"),
        _number("direct"),
        _text("via"),
        _number("development"),
        _number("severity"),
        _text("fixes"),
        _text("state"),
        _number("opened"),
        _number("changed"),
        _text("reason"),
        _text("actor"),
        sa.PrimaryKeyConstraint("n", name="pk_proposal"),
        sa.UniqueConstraint(
            "cluster",
            "source",
            "ref",
            "path",
            "ecosystem",
            "package",
            name="uq_proposal_cluster_source_ref_path_ecosystem_package",
        ),
        sa.UniqueConstraint("id", name="uq_proposal_id"),
    )
    op.create_index("ix_proposal_worst", "proposal", ["state", "severity", "n"])
    op.create_table(
        "advisory_import",
        _number("n", autoincrement=False),
        _text("id"),
        _text("place"),
        _text("covers"),
        _text("file"),
        _text("state"),
        _text("actor"),
        _number("asked"),
        _number("finished"),
        _number("generation"),
        _number("records"),
        _number("changed"),
        _text("error"),
        sa.PrimaryKeyConstraint("n", name="pk_advisory_import"),
        sa.UniqueConstraint("id", name="uq_advisory_import_id"),
    )
    op.create_index("ix_advisory_import_state", "advisory_import", ["state", "n"])
    op.create_table(
        "advisory_source",
        _text("place"),
        _text("state"),
        _number("since"),
        _number("last"),
        _text("error"),
        sa.PrimaryKeyConstraint("place", name="pk_advisory_source"),
    )
    op.create_table(
        "advisory_run",
        _number("n", autoincrement=False),
        _text("identity"),
        _number("generation"),
        _number("started"),
        _number("finished"),
        _number("sboms"),
        _number("affected"),
        _number("opened"),
        _number("fixed"),
        _number("ms"),
        sa.PrimaryKeyConstraint("n", name="pk_advisory_run"),
    )
