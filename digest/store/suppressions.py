"""The suppression list: addresses that must not be written to, whoever asks.

An address is known by the SHA-256 of its case-folded form, so that the list survives the deletion of a subscriber
without keeping the address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Literal, get_args

import sqlalchemy as sa

from digest import clock
from digest.model import Subscriber, SubscriberState
from digest.store import subscribers
from digest.store.sql import batched, insert_ignore
from digest.store.tables import bounce, subscriber, suppression

Reason = Literal["hard", "no-mailbox", "soft", "refused", "complaint", "unsubscribe", "manual"]
REASONS: tuple[Reason, ...] = get_args(Reason)
WISHES = ("complaint", "unsubscribe")  # the reader's own word, which stands above what servers say

_IN_WORDS: Mapping[Reason, str] = {
    "hard": "mail to this address came back",
    "no-mailbox": "there is no such mailbox",
    "soft": "mail to this address came back on many days",
    "refused": "refused more than once",
    "complaint": "reported a letter as spam",
    "unsubscribe": "unsubscribed by mail",
    "manual": "on the suppression list",
}


@dataclass(frozen=True, slots=True)
class Suppression:
    address_hash: str
    address: str  # "": only the hash is known
    reason: Reason
    detail: str
    at: datetime
    source: str  # "bounce", "smtp", "cli", "import:old.csv"

    @property
    def in_words(self) -> str:
        said = _IN_WORDS.get(self.reason, self.reason)
        return f"{said}: {self.detail}" if self.detail else said


def hash_of(address: str) -> str:
    return sha256(address.strip().casefold().encode("utf-8", "surrogatepass")).hexdigest()


def add(connection: sa.Connection, new: Suppression) -> bool:
    """Suppress an address and tell its subscriber, if there is one; False where that changed nothing.

    The first reason stays, unless the reader has asked us to stop since.
    """
    row = {
        "address_hash": new.address_hash,
        "address": new.address or None,
        "reason": new.reason,
        "detail": new.detail,
        "at": new.at,
        "source": new.source,
        "was": "",
    }
    changed = insert_ignore(connection, suppression, [row]) == 1
    if not changed and new.reason in WISHES:
        stronger = (
            sa.update(suppression)
            .where(suppression.c.address_hash == new.address_hash, suppression.c.reason.not_in(WISHES))
            .values({key: value for key, value in row.items() if key not in ("address", "was")})
        )
        changed = bool(connection.execute(stronger.returning(suppression.c.address_hash)).all())
    if changed:
        heed(connection, new)
    return changed


def remove(connection: sa.Connection, address: str, now: datetime) -> tuple[Suppression, Subscriber | None] | None:
    """Take an address off the list, and its subscriber back to what it was; its bounces so far count no more.

    None where the address is not on the list; else what stood there, and the subscriber whose state changed.
    """
    found = held(connection, [address]).get(address.casefold())
    if found is None:
        return None
    this = suppression.c.address_hash == found.address_hash
    was = connection.execute(sa.select(suppression.c.was).where(this)).scalar_one()
    connection.execute(sa.delete(suppression).where(this))
    connection.execute(sa.update(bounce).where(bounce.c.address_hash == found.address_hash).values(forgiven=True))
    reader = _reader(connection, address)
    if reader is None or not was or reader.state not in (SubscriberState.BOUNCED, SubscriberState.UNSUBSCRIBED):
        return found, None
    state, _, reason = was.partition(":")
    back = replace(reader, state=SubscriberState(state), state_reason=reason)
    if back.state is SubscriberState.ACTIVE:
        due = clock.next_due_at(reader.cadence, reader.hour, reader.time_zone, after=now)
        back = replace(back, next_due_at=due)
    subscribers.update(connection, back)
    return found, back


def everyone(connection: sa.Connection) -> list[Suppression]:
    """The list, newest first."""
    rows = connection.execute(sa.select(suppression).order_by(suppression.c.at.desc(), suppression.c.address_hash))
    return [_of(r) for r in rows]


def held(connection: sa.Connection, addresses: Iterable[str]) -> dict[str, Suppression]:
    """Case-folded address → why it is suppressed, for those of these addresses that are."""
    by_hash = {hash_of(one): one.strip().casefold() for one in addresses}
    found: dict[str, Suppression] = {}
    for some in batched(by_hash, 500):
        rows = connection.execute(sa.select(suppression).where(suppression.c.address_hash.in_(some)))
        found.update({by_hash[r.address_hash]: _of(r) for r in rows})
    return found


def heed(connection: sa.Connection, new: Suppression) -> None:
    """Set the state of the subscriber with this address, and remember what it was."""
    if new.address:
        reader = _reader(connection, new.address)
    else:
        keys = connection.execute(sa.select(subscriber.c.address_key)).scalars()
        known = next((key for key in keys if hash_of(key) == new.address_hash), "")
        reader = _reader(connection, known) if known else None
    after = SubscriberState.UNSUBSCRIBED if new.reason in WISHES else SubscriberState.BOUNCED
    if reader is None or reader.state in (SubscriberState.UNSUBSCRIBED, after):
        return
    subscribers.update(connection, replace(reader, state=after, state_reason=new.in_words))
    if reader.state is not SubscriberState.BOUNCED:
        connection.execute(
            sa.update(suppression)
            .where(suppression.c.address_hash == new.address_hash)
            .values(was=f"{reader.state.value}:{reader.state_reason}")
        )


def are_any(connection: sa.Connection) -> bool:
    """Whether any address is suppressed: most lists are empty, and then no letter's address need be looked up."""
    return connection.execute(sa.select(suppression.c.address_hash).limit(1)).first() is not None


def heed_all(connection: sa.Connection, addresses: Collection[str]) -> set[str]:
    """Those of these case-folded addresses that are suppressed; their subscribers are told."""
    found = held(connection, addresses)
    for address, one in found.items():
        heed(connection, replace(one, address=address))
    return set(found)


def forget_address(connection: sa.Connection, address: str) -> None:
    """Keep but the hash: for the deletion of a subscriber."""
    connection.execute(
        sa.update(suppression).where(suppression.c.address_hash == hash_of(address)).values(address=None)
    )


def _reader(connection: sa.Connection, address: str) -> Subscriber | None:
    """By address alone: a handle may look like one."""
    this = sa.select(subscriber.c.id).where(subscriber.c.address_key == address.strip().casefold())
    number = connection.execute(this.with_for_update()).scalar_one_or_none()
    return None if number is None else subscribers.by_ids(connection, [number]).get(number)


def _of(r: sa.Row[tuple[object, ...]]) -> Suppression:
    return Suppression(r.address_hash, r.address or "", r.reason, r.detail, r.at, r.source)
