"""The states of letters, and every way from one to another.

`TRANSITIONS` is the whole of it. Each is one SQL statement that names the state it starts from, so two who decide
on a letter at the same time cannot both be right; one that ends `sending` also names the lease under which the
letter was claimed, so a courier that was asleep while its letters were taken from it records nothing.

A void pick is forgotten by memory: its paper never reached the reader. Nobody knows that of a letter that was once
in doubt, so its picks never become void.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.model import LetterState as S
from digest.store.sql import batched
from digest.store.tables import history, letter, pick


@dataclass(frozen=True, slots=True)
class Transition:
    """One way from a state to another."""

    sources: tuple[S, ...]
    target: S
    fenced: bool = False  # only under the lease that the letter was claimed with
    forgets: bool = False  # the picks of a letter that was never in doubt become void: its papers may come again


WAITING = (S.READY, S.DEFERRED)

TRANSITIONS: dict[str, Transition] = {
    # a courier takes it, once `next_try_at` has come and its subscriber is active
    "claim": Transition(WAITING, S.SENDING),
    # the relay accepted it, or it is in the Maildir
    "sent": Transition((S.SENDING,), S.SENT, fenced=True),
    # refused for now; `next_try_at` says when it is tried again
    "deferred": Transition((S.SENDING,), S.DEFERRED, fenced=True),
    # refused for good
    "failed": Transition((S.SENDING,), S.FAILED, fenced=True, forgets=True),
    # all of it went out and no answer came, or its courier died at that moment: it may have arrived
    "uncertain": Transition((S.SENDING,), S.UNCERTAIN, fenced=True),
    # it was claimed and has certainly not left: the relay is down, delivery was paused, its courier died before
    "back": Transition((S.SENDING,), S.READY, fenced=True),
    # it could not leave in time, or a newer letter takes its place: a stale digest is worse than none
    "expire": Transition(WAITING, S.EXPIRED, forgets=True),
    # its subscriber was paused, left or bounced meanwhile
    "suppress": Transition(WAITING, S.SUPPRESSED, forgets=True),
    # an operator takes back what waits
    "cancel": Transition(WAITING, S.SUPPRESSED, forgets=True),
    # its only papers proved to be ones that its reader has been sent under other names
    "spend": Transition(WAITING, S.EMPTY),
    # an operator's word on a letter in doubt: send it again under the same Message-ID …
    "resend": Transition((S.UNCERTAIN,), S.READY),
    # … or take it as sent …
    "settle": Transition((S.UNCERTAIN,), S.SENT),
    # … or give it up; its papers may have arrived and do not come again
    "drop": Transition((S.UNCERTAIN,), S.FAILED),
}
# Two more are not transitions of a stored letter: it is written as ready, empty or failed (`letters.write`), and an
# empty one is taken away to be written anew (`letters.reopen`).


# To the letter what the partial indexes say (`tables.WAITING`, `tables.SENDING`), or these stay unused.
WAITS = sa.text("letter.state IN ('ready', 'deferred')")
IS_SENDING = sa.text("letter.state = 'sending'")
# The state as no index has it, for who names the letters. What PostgreSQL knows of a queue is minutes old: it would
# take it for empty, and compare all that is in there with each of a few hundred ids.
NAMED = "letter.state || ''"
_SOURCES: dict[tuple[S, ...], Any] = {WAITING: WAITS, (S.SENDING,): IS_SENDING}
REPAIRED = "repaired"  # the kind of what was no transition


def move(
    connection: sa.Connection, name: str, where: Sequence[sa.ColumnElement[bool]], values: Mapping[str, Any]
) -> list[int]:
    """One transition of all letters for which `where` holds, in one statement; the ids of those it moved."""
    to = TRANSITIONS[name]
    moved = sorted(connection.execute(changed(name, where, values).returning(letter.c.id)).scalars())
    if to.forgets:
        for some in batched(moved, 500):
            sure = sa.select(letter.c.id).where(letter.c.id.in_(some), sa.not_(letter.c.in_doubt))
            connection.execute(sa.update(pick).where(pick.c.letter_id.in_(sure)).values(void=True))
    return moved


def changed(name: str, where: Sequence[sa.ColumnElement[bool]], values: Mapping[str, Any]) -> sa.Update:
    """One transition of the letters that `where` names, or of all."""
    to = TRANSITIONS[name]
    sources = [one.value for one in to.sources]
    named = sa.literal_column(NAMED).in_(sources)
    source = named if where else _SOURCES.get(to.sources, letter.c.state.in_(sources))
    free: dict[str, Any] = {} if to.target is S.SENDING else {"lease": None}
    return sa.update(letter).where(source, *where).values(state=to.target.value, **free, **values)


def tell(
    connection: sa.Connection, ids: Sequence[int], at: datetime, state: S | None, note: str | None, kind: str = ""
) -> None:
    """Add to the letters' histories what has just happened; `state`, `note` None is what the letters say."""
    for some in batched(ids, 500):
        rows = sa.select(
            letter.c.id,
            sa.bindparam("at", at, type_=letter.c.created_at.type),
            letter.c.state if state is None else sa.literal(state.value),
            sa.literal(kind),
            letter.c.note if note is None else sa.literal(note, type_=letter.c.note.type),
            letter.c.next_try_at,
        ).where(letter.c.id.in_(some))
        columns = [history.c[name] for name in ("letter_id", "at", "state", "kind", "note", "next_try_at")]
        connection.execute(sa.insert(history).from_select(columns, rows.order_by(letter.c.id)))


def tell_repaired(connection: sa.Connection, ids: Sequence[int], at: datetime, note: str) -> None:
    """Add to the letters' histories that `digest check --repair` changed them."""
    tell(connection, ids, at, None, note, REPAIRED)
