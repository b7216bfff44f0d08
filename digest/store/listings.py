"""Listings on their own; `papers.add` writes them."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from digest.store.tables import listing


def forget(connection: sa.Connection, source: str, day: date) -> int:
    """Take away what `source` listed on `day`; how many listings that were. Papers and letters stay."""
    gone = sa.delete(listing).where(listing.c.source == source, listing.c.day == day)
    return connection.execute(gone).rowcount
