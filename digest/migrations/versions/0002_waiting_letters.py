"""Letters that were once in doubt, and indexes on the few that wait"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WAITING = sa.text("state IN ('ready', 'deferred')")
INDEXES = {
    "ix_letter_waiting_due": ["next_try_at", "id"],
    "ix_letter_waiting_expiry": ["expires_at"],
    "ix_letter_waiting_of": ["subscriber_id", "slot"],
}


def upgrade() -> None:
    op.add_column("letter", sa.Column("in_doubt", sa.Boolean(), server_default=sa.false(), nullable=False))
    for name, columns in INDEXES.items():
        op.create_index(name, "letter", columns, sqlite_where=WAITING, postgresql_where=WAITING)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "letter")
    op.drop_column("letter", "in_doubt")
