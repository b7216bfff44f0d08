"""Couriers and what they report, what is paused, and the pace that was found good"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "courier",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("journal", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_courier")),
    )
    op.create_table(
        "history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("letter_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["letter_id"], ["letter.id"], name=op.f("fk_history_letter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    op.create_index("ix_history_letter_id", "history", ["letter_id"])
    op.create_table(
        "pause",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_pause")),
    )
    op.create_table(
        "pace",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_pace")),
    )
    op.drop_column("letter", "lease_until")
    sending = sa.text("state = 'sending'")
    op.create_index("ix_letter_lease", "letter", ["lease"], sqlite_where=sending, postgresql_where=sending)
    settled = sa.text("state NOT IN ('ready', 'deferred', 'sending')")
    op.drop_index("ix_letter_queue", "letter")
    op.create_index("ix_letter_state", "letter", ["state", "id"], sqlite_where=settled, postgresql_where=settled)
    # Whoever was left in doubt before the flag was set at once.
    op.execute(sa.text("UPDATE letter SET in_doubt = :yes WHERE state = 'uncertain'").bindparams(yes=True))


def downgrade() -> None:
    op.drop_index("ix_letter_lease", "letter")
    op.drop_index("ix_letter_state", "letter")
    op.create_index("ix_letter_queue", "letter", ["state", "next_try_at"])
    op.add_column("letter", sa.Column("lease_until", sa.DateTime(timezone=True)))
    for table in ("pace", "pause", "history", "courier"):
        op.drop_table(table)
