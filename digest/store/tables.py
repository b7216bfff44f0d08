"""The tables. `digest/migrations` makes them; a test holds the two together.

Times are UTC and stored as such; what is only ever read back whole (authors, links, reasons, a profile) is JSON.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, UniqueConstraint


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite keeps no zone, so one that is not aware is refused before it is lost."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(sa.types.TypeDecorator[str]):
    """Text. NUL and halves of surrogate pairs, which PostgreSQL or both databases refuse, become U+FFFD: a strange
    byte in a server's reply must not lose the record of the letters that were sent with it."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):  # which most of it is
            return value
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# As SQL, because a partial index is only used by a statement that repeats its condition to the letter.
WAITING = sa.text("state IN ('ready', 'deferred')")
REMEMBERED = sa.text("NOT void")
SENDING = sa.text("state = 'sending'")
SETTLED = sa.text("state NOT IN ('ready', 'deferred', 'sending')")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

paper = Table(
    "paper",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", Words, nullable=False),
    Column("abstract", Words, nullable=False),
    Column("authors", sa.JSON, nullable=False),
    Column("links", sa.JSON, nullable=False),
    Column("raw_title", Words, nullable=False),
    Column("raw_abstract", Words, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("categories", sa.JSON, nullable=False, server_default=sa.text("'[]'")),
    # It proved to be that other paper. Only the letters that were sent to a reader of both still name it.
    Column("same_as", Integer, index=True),
)

paper_key = Table(
    "paper_key",
    metadata,
    Column("key", Words, primary_key=True),
    Column("paper_id", ForeignKey("paper.id"), nullable=False, index=True),
)

listing = Table(
    "listing",
    metadata,
    Column("paper_id", ForeignKey("paper.id"), primary_key=True),
    Column("source", Words, primary_key=True),  # its name in config.toml, or "page:3f9a…": a saved page of one day
    Column("day", sa.Date, primary_key=True),
    Column("position", Integer, nullable=False),  # 1 is the top
    Column("size", Integer, nullable=False),  # papers listed there that day
    Column("votes", Integer),  # the last count; NULL is unknown, not zero
    Index("ix_listing_day", "day", "source"),
)

# Votes over time: a row for each count that differed from the one before.
vote = Table(
    "vote",
    metadata,
    Column("paper_id", ForeignKey("paper.id"), primary_key=True),
    Column("source", Words, primary_key=True),
    Column("day", sa.Date, primary_key=True),  # of the listing
    Column("at", Instant, primary_key=True),  # when it was counted
    Column("votes", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# What sources said, folded, so that what was taken once is known without being read again.
record = Table(
    "record",
    metadata,
    Column("fold", sa.LargeBinary, primary_key=True),
    Column("paper_id", ForeignKey("paper.id"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

# Papers whose abstracts are alike share a band with high probability; digest/sources/sketch.py tells.
# Their places in the table are random, so that each row of a large one costs a page: the newest wait in a small one
# of their own until there are enough to go over together. No foreign keys, as each would be looked up for each row.
sketch, new_sketch = (
    Table(
        name,
        metadata,
        Column("band", sa.BigInteger, primary_key=True, autoincrement=False),
        Column("paper_id", Integer, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    for name in ("sketch", "new_sketch")
)

# What is known of a source's day.
collected = Table(
    "collected",
    metadata,
    Column("source", Words, primary_key=True),
    Column("day", sa.Date, primary_key=True),
    Column("state", Words, nullable=False),  # "filled", "empty": the source said so; "failed"
    Column("items", Integer, nullable=False),  # of the last success
    Column("tried_at", Instant, nullable=False),
    Column("filled_at", Instant),  # the last success
    Column("detail", Words, nullable=False),  # what failed, in plain words
)

source_health = Table(
    "source_health",
    metadata,
    Column("source", Words, primary_key=True),
    Column("succeeded_at", Instant),
    Column("failed_at", Instant),
    Column("failure", Words, nullable=False),  # the last one, in plain words
    Column("failures", Integer, nullable=False),  # in a row
    Column("next_try_at", Instant),  # not to be asked before
)

# What makes the next request of an address a conditional one.
validator = Table(
    "validator",
    metadata,
    Column("url", Words, primary_key=True),
    Column("etag", Words, nullable=False),
    Column("last_modified", Words, nullable=False),
    Column("at", Instant, nullable=False),
)

subscriber = Table(
    "subscriber",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("handle", Words, nullable=False, unique=True),
    Column("address", Words, nullable=False),
    Column("address_key", Words, nullable=False, unique=True),  # case-folded: one inbox, one subscriber
    Column("name", Words, nullable=False),
    Column("time_zone", Words, nullable=False),
    Column("cadence", Words, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("state", Words, nullable=False),
    Column("state_reason", Words, nullable=False),
    Column("next_due_at", Instant, nullable=False),
    Column("profile", sa.JSON, nullable=False),
    Column("language", Words, nullable=False, server_default=""),
    Column("secret", Words, nullable=False, server_default=""),  # signed into the links of the letters
    Column("changed_at", Instant),  # when they last asked for something else: a profile, a like; NULL: not yet
    Index("ix_subscriber_due", "state", "next_due_at"),
)

edition = Table(
    "edition",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("day", sa.Date, nullable=False),
    Column("window_days", Integer, nullable=False),
    Column("candidates", Integer, nullable=False),
    Column("digest", Words, nullable=False),  # of the pool: the same pool is the same edition
    Column("opened_at", Instant, nullable=False),
    Column(
        "gaps", sa.JSON, nullable=False, server_default=sa.text("'[]'")
    ),  # sources' days that it had to do without
    UniqueConstraint("day", "digest"),
)

letter = Table(
    "letter",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("edition_id", ForeignKey("edition.id"), nullable=False, index=True),
    Column("slot", sa.Date, nullable=False),
    Column("state", Words, nullable=False),
    Column("address", Words, nullable=False),  # where it goes, or went
    Column("subject", Words, nullable=False),
    Column("message_id", Words, nullable=False, unique=True),
    Column("note", Words, nullable=False),  # why it is empty, or the last reply
    Column("candidates", Integer, nullable=False),
    Column("days", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("next_try_at", Instant),
    Column("sent_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("file", Words, nullable=False),  # where a Maildir keeps it
    # It was once uncertain, so its papers may have reached the reader, whatever becomes of it now.
    Column("in_doubt", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("lease", Words),  # the token of the courier that holds it
    UniqueConstraint("subscriber_id", "slot"),
    # An index of all states would tempt the planners to look through all that wait, for a claim, and through what
    # PostgreSQL has not yet swept up, for a record.
    Index("ix_letter_state", "state", "id", sqlite_where=SETTLED, postgresql_where=SETTLED),
    # Few letters wait, whatever the years have left behind.
    Index("ix_letter_waiting_due", "next_try_at", "id", sqlite_where=WAITING, postgresql_where=WAITING),
    Index("ix_letter_waiting_expiry", "expires_at", sqlite_where=WAITING, postgresql_where=WAITING),
    Index("ix_letter_waiting_of", "subscriber_id", "slot", sqlite_where=WAITING, postgresql_where=WAITING),
    Index("ix_letter_lease", "lease", sqlite_where=SENDING, postgresql_where=SENDING),
)

# What happened to a letter, but for what its own row says: when it was written, and that it was sent at the first
# try.
history = Table(
    "history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("letter_id", ForeignKey("letter.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("state", Words, nullable=False),  # that it came to
    Column("kind", Words, nullable=False),  # the policy's name for the reply; "" where nobody replied
    Column("note", Words, nullable=False),  # the reply as it was given, or our word
    Column("next_try_at", Instant),
)

courier = Table(
    "courier",
    metadata,
    Column("token", Words, primary_key=True),  # the lease that its letters carry
    Column("place", Words, nullable=False),  # the transport: only the same place can say what became of a parcel
    Column("started_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("boot", Words, nullable=False),  # of the machine, since it was switched on
    Column("journal", Words, nullable=False),  # the file; "" where it keeps none
    Column("wanted", Words, nullable=False, server_default=""),  # "cancel" from an operator
)

pause = Table(
    "pause",
    metadata,
    Column("scope", Words, primary_key=True),  # "*", or "provider:google.com"
    Column("reason", Words, nullable=False),
    Column("by", Words, nullable=False),  # "operator", "breaker", "restore"
    Column("at", Instant, nullable=False),
    Column("until", Instant),  # NULL: until somebody resumes
)

pace = Table(
    "pace",
    metadata,
    Column("scope", Words, primary_key=True),
    Column("state", sa.JSON, nullable=False),
)

pick = Table(
    "pick",
    metadata,
    Column("letter_id", ForeignKey("letter.id"), primary_key=True),
    Column("place", Integer, primary_key=True),  # 1 is the first in the letter
    Column("subscriber_id", ForeignKey("subscriber.id"), nullable=False),
    Column("paper_id", ForeignKey("paper.id"), nullable=False, index=True),
    Column("score", sa.Float, nullable=False),
    Column("relevance", sa.Float, nullable=False),
    Column("trending", sa.Float, nullable=False),
    Column("listed", sa.Date),
    Column("votes", Integer),  # NULL is unknown, not zero
    Column("reasons", sa.JSON, nullable=False),
    # A void pick never reached its reader: its letter failed, expired or was suppressed.
    Column("void", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("also", sa.Boolean, nullable=False, server_default=sa.false()),  # popular outside the profile
    # The promise itself: no subscriber is sent a paper twice, whoever runs at the same time.
    Index(
        "uq_pick_memory",
        "subscriber_id",
        "paper_id",
        unique=True,
        sqlite_where=REMEMBERED,
        postgresql_where=REMEMBERED,
    ),
)

feedback = Table(
    "feedback",
    metadata,
    Column("subscriber_id", ForeignKey("subscriber.id"), primary_key=True),
    Column("paper_id", ForeignKey("paper.id"), primary_key=True, index=True),
    Column("kind", Words, nullable=False),  # liked, disliked, saved
    Column("at", Instant, nullable=False),
    Column("source", Words, nullable=False),  # "cli", "import:refs.bib": where the reader said so
)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", Words, nullable=False),  # "running", "done", or what stopped it
    Column("counts", sa.JSON, nullable=False),
)

suppression = Table(
    "suppression",
    metadata,
    Column("address_hash", Words, primary_key=True),  # SHA-256 of the case-folded address
    Column("address", Words),  # NULL: forgotten with its subscriber, or never known
    Column("reason", Words, nullable=False),
    Column("detail", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("source", Words, nullable=False),  # "bounce", "smtp", "cli", "import:old.csv"
    Column("was", Words, nullable=False),  # "<state>:<reason>" of its subscriber before; "" where it had none
)

# No foreign keys: what came back must be known when letter and subscriber are deleted.
bounce = Table(
    "bounce",
    metadata,
    Column("address_hash", Words, primary_key=True),
    Column("day", sa.Date, primary_key=True),
    Column("kind", Words, primary_key=True),  # so each kind counts at most once a day
    Column("at", Instant, nullable=False),
    Column("letter_id", Integer),
    Column("detail", Words, nullable=False),
    Column("mail", Words, nullable=False),  # the hash of the mail that said so; "": a reply while sending
    Column("forgiven", sa.Boolean, nullable=False),  # its address was taken off the suppression list since
)
