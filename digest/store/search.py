"""Papers as people look for them, and what became of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa

from digest.model import LetterState, Listing
from digest.store.sql import batched
from digest.store.tables import feedback, letter, listing, paper, pick

_STREAMED = 500  # rows read ahead


@dataclass(frozen=True, slots=True)
class Reach:
    """How many subscribers a paper came to, and what they say of it. No names."""

    sent: int = 0
    said: dict[str, int] = field(default_factory=dict)  # "liked", "saved", "disliked" → how many


def find(
    connection: sa.Connection,
    words: Sequence[str],
    limit: int,
    *,
    day: date | None = None,
    source: str | None = None,
) -> list[int]:
    """The ids of at most `limit` papers that have each of these words in title, abstract or authors, those first
    that were listed last. Only papers that a source listed: what stands in a reader's library is nobody else's."""
    asked = sa.select(listing.c.paper_id).join(paper, paper.c.id == listing.c.paper_id)
    asked = asked.where(*(_has(word) for word in words))
    if day is not None:
        asked = asked.where(listing.c.day == day)
    if source is not None:
        saved = listing.c.source.startswith("page:")  # each has a name of its own
        asked = asked.where(saved if source == "page" else listing.c.source == source)
    # Read along the days, and no further than the limit needs.
    asked = asked.order_by(listing.c.day.desc(), listing.c.source.desc(), listing.c.position)
    found: dict[int, None] = {}
    with connection.execution_options(yield_per=_STREAMED).execute(asked) as rows:
        for row in rows:
            found[row.paper_id] = None
            if len(found) == limit:
                break
    return list(found)


def listed(connection: sa.Connection, ids: Iterable[int]) -> dict[int, list[Listing]]:
    """Paper id → its listings, by day and source."""
    found: dict[int, list[Listing]] = {}
    for some in batched(sorted(set(ids)), 500):
        rows = connection.execute(
            sa.select(listing).where(listing.c.paper_id.in_(some)).order_by(listing.c.day, listing.c.source)
        )
        for r in rows:
            found.setdefault(r.paper_id, []).append(Listing(r.source, r.day, r.position, r.size, r.votes))
    return found


def canonical(connection: sa.Connection, paper_id: int) -> int:
    """The paper that this one proved to be, if it did."""
    seen = {paper_id}
    while True:
        other = connection.execute(sa.select(paper.c.same_as).where(paper.c.id == paper_id)).scalar()
        if other is None or other in seen:
            return paper_id
        paper_id = other
        seen.add(other)


def reach(connection: sa.Connection, paper_id: int) -> Reach:
    """Under any id that it had: letters sent before keep the paper's old one."""
    same = sa.select(paper.c.id).where(sa.or_(paper.c.id == paper_id, paper.c.same_as == paper_id))
    sent = connection.execute(
        sa.select(sa.func.count(sa.distinct(pick.c.subscriber_id)))
        .join(letter, letter.c.id == pick.c.letter_id)
        .where(pick.c.paper_id.in_(same), letter.c.state == LetterState.SENT.value)
    ).scalar_one()
    said = connection.execute(
        sa.select(feedback.c.kind, sa.func.count(sa.distinct(feedback.c.subscriber_id)))
        .where(feedback.c.paper_id.in_(same))
        .group_by(feedback.c.kind)
    )
    return Reach(sent, {row[0]: row[1] for row in said})


def _has(word: str) -> sa.ColumnElement[bool]:
    # The databases fold the case of ASCII alone, so other words are looked for as people spell them.
    spelled = {word} if word.isascii() else {word, word.lower(), word.capitalize(), word.upper()}
    tests: list[sa.ColumnElement[bool]] = []
    for one in sorted(spelled):
        tests += [paper.c.title.icontains(one, autoescape=True), paper.c.abstract.icontains(one, autoescape=True)]
        # A list of names is stored as JSON, in which a letter with an accent is written as a number.
        names = sa.cast(paper.c.authors, sa.Text)
        tests.append(names.icontains(json.dumps(one)[1:-1], autoescape=True))
    return sa.or_(*tests)


def titled(connection: sa.Connection, text: str, limit: int) -> list[int]:
    """The ids of at most `limit` listed papers that have the text in their titles, the newest first."""
    listed_ones = sa.exists().where(listing.c.paper_id == paper.c.id)
    asked = sa.select(paper.c.id).where(paper.c.title.icontains(text, autoescape=True), listed_ones)
    return list(connection.execute(asked.order_by(paper.c.id.desc()).limit(limit)).scalars())
