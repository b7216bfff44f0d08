"""Whether the accounts add up: what must hold of stored letters whatever happened, and what may be mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.model import UNDELIVERED, LetterState
from digest.store import transitions
from digest.store.sql import batched
from digest.store.tables import courier, letter, pick

EXAMPLES = 5  # letters that are named of a fault

_WAITING = letter.c.state.in_([LetterState.READY.value, LetterState.DEFERRED.value])
_SENDING = letter.c.state == LetterState.SENDING.value
_NEVER_CAME = sa.and_(letter.c.state.in_([one.value for one in UNDELIVERED]), sa.not_(letter.c.in_doubt))
_PICKS = sa.exists().where(pick.c.letter_id == letter.c.id)


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold: no letter for which `broken` does."""

    says: str
    broken: sa.ColumnElement[bool]
    mend: str = ""  # what mending does; "" where nobody can know what is right
    letters: Mapping[str, Any] | None = None  # set so in the letter,
    picks: Mapping[str, Any] | None = None  # or in its picks


RULES: tuple[Rule, ...] = (
    Rule("every letter is in a state that there is", letter.c.state.not_in([one.value for one in LetterState])),
    Rule(
        "a letter under way is a courier's that is at work",
        sa.and_(_SENDING, sa.func.coalesce(letter.c.lease, "").not_in(sa.select(courier.c.token))),
        # Nobody can say any more whether it left.
        "held as uncertain",
        {
            "state": LetterState.UNCERTAIN.value,
            "in_doubt": True,
            "lease": None,
            "next_try_at": None,
            "note": "no courier answers for it; it may or may not have left",
        },
    ),
    Rule(
        "only a letter under way has a courier",
        sa.and_(sa.not_(_SENDING), letter.c.lease.is_not(None)),
        "the courier's mark is taken off",
        {"lease": None},
    ),
    Rule(
        "a letter that waits has a next try",
        sa.and_(_WAITING, letter.c.next_try_at.is_(None)),
        "tried with the next run",
        {"next_try_at": letter.c.created_at},
    ),
    Rule(
        "a letter that was sent says when",
        sa.and_(letter.c.state == LetterState.SENT.value, letter.c.sent_at.is_(None)),
    ),
    Rule("an empty letter holds no paper", sa.and_(letter.c.state == LetterState.EMPTY.value, _PICKS)),
    Rule(
        "a letter that is to be sent, or was, holds papers",
        sa.and_(sa.or_(_WAITING, _SENDING, letter.c.state == LetterState.SENT.value), sa.not_(_PICKS)),
    ),
    Rule(
        "what may have reached its reader is remembered",
        sa.and_(
            sa.not_(_NEVER_CAME),
            letter.c.state != LetterState.EMPTY.value,
            sa.exists().where(pick.c.letter_id == letter.c.id, pick.c.void),
        ),
    ),
    Rule(
        "what never reached its reader may be picked again",
        sa.and_(_NEVER_CAME, sa.exists().where(pick.c.letter_id == letter.c.id, sa.not_(pick.c.void))),
        "its papers may be picked again",
        picks={"void": True},
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    rule: Rule
    number: int  # of letters that break it
    examples: tuple[int, ...]  # ids of some
    mended: int = 0


def check(connection: sa.Connection, *, mend_at: datetime | None = None) -> list[Finding]:
    """Every rule, in order, with what breaks it; with `mend_at`, the time, what can be mended without a guess is,
    and the letters' histories say so."""
    findings = []
    for rule in RULES:
        ids = list(connection.execute(sa.select(letter.c.id).where(rule.broken).order_by(letter.c.id)).scalars())
        mended = len(ids) if mend_at and rule.mend else 0
        for some in batched(ids if mended else (), 500):
            if rule.letters:
                connection.execute(
                    sa.update(letter).where(letter.c.id.in_(some), rule.broken).values(**rule.letters)
                )
            if rule.picks:
                connection.execute(sa.update(pick).where(pick.c.letter_id.in_(some)).values(**rule.picks))
        if mend_at and mended:
            transitions.tell_repaired(connection, ids, mend_at, f"{rule.mend}, as it must hold that {rule.says}")
        findings.append(Finding(rule, len(ids), tuple(ids[:EXAMPLES]), mended))
    return findings


def total(connection: sa.Connection) -> int:
    """How many letters there are."""
    return connection.execute(sa.select(sa.func.count()).select_from(letter)).scalar_one()
