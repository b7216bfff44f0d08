"""The language of a subscriber's letters, what their links are signed with, and the votes of what was picked"""

from secrets import token_hex

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscriber", sa.Column("language", sa.Text(), server_default="", nullable=False))
    op.add_column("subscriber", sa.Column("secret", sa.Text(), server_default="", nullable=False))
    op.add_column("pick", sa.Column("votes", sa.Integer()))
    op.add_column("pick", sa.Column("also", sa.Boolean(), server_default=sa.false(), nullable=False))
    subscriber = sa.table("subscriber", sa.column("id", sa.Integer), sa.column("secret", sa.Text))
    connection = op.get_bind()
    ids = list(connection.execute(sa.select(subscriber.c.id)).scalars())
    statement = (
        sa.update(subscriber).where(subscriber.c.id == sa.bindparam("of")).values(secret=sa.bindparam("new"))
    )
    if ids:
        connection.execute(statement, [{"of": one, "new": token_hex(8)} for one in ids])


def downgrade() -> None:
    op.drop_column("pick", "also")
    op.drop_column("pick", "votes")
    op.drop_column("subscriber", "secret")
    op.drop_column("subscriber", "language")
