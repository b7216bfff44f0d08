"""Sources, votes over time, and how papers are recognised without reading them again"""

import sqlalchemy as sa
from alembic import op

from digest.store import sketches

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.drop_index("ix_listing_day", "listing")
    op.create_index("ix_listing_day", "listing", ["day", "source"])
    op.create_table(
        "vote",
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["paper_id"], ["paper.id"], name=op.f("fk_vote_paper_id")),
        sa.PrimaryKeyConstraint("paper_id", "source", "day", "at", name=op.f("pk_vote")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "record",
        sa.Column("fold", sa.LargeBinary(), nullable=False),
        sa.Column("paper_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["paper_id"], ["paper.id"], name=op.f("fk_record_paper_id")),
        sa.PrimaryKeyConstraint("fold", name=op.f("pk_record")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_record_paper_id", "record", ["paper_id"])
    for name in ("sketch", "new_sketch"):
        op.create_table(
            name,
            sa.Column("band", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("paper_id", sa.Integer(), autoincrement=False, nullable=False),
            sa.PrimaryKeyConstraint("band", "paper_id", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
    sketches.fill(op.get_bind())
    op.create_table(
        "collected",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("tried_at", INSTANT, nullable=False),
        sa.Column("filled_at", INSTANT, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "day", name=op.f("pk_collected")),
    )
    op.create_table(
        "source_health",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("succeeded_at", INSTANT, nullable=True),
        sa.Column("failed_at", INSTANT, nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_source_health")),
    )
    op.create_table(
        "validator",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_validator")),
    )
    op.add_column("paper", sa.Column("same_as", sa.Integer(), nullable=True))
    op.create_index("ix_paper_same_as", "paper", ["same_as"])
    op.add_column("subscriber", sa.Column("changed_at", INSTANT, nullable=True))
    op.add_column("edition", sa.Column("gaps", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    op.drop_column("edition", "gaps")
    op.drop_column("subscriber", "changed_at")
    op.drop_index("ix_paper_same_as", "paper")
    op.drop_column("paper", "same_as")
    for table in ("validator", "source_health", "collected", "new_sketch", "sketch", "record", "vote"):
        op.drop_table(table)
    op.drop_index("ix_listing_day", "listing")
    op.create_index("ix_listing_day", "listing", ["day"])
