"""What a reader says of one paper: find the paper that is meant, take the verdict or take it back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.errors import AmbiguousPaper, UnknownPaper
from digest.latex import readable
from digest.model import Feedback, FeedbackKind, LetterState, Paper, Subscriber
from digest.sources.identity import paper_key, title_key
from digest.store import feedback, letters, papers, subscribers
from digest.store.opening import Store
from digest.text import clean

MOST_NAMED = 5  # titles in a message
_PLACE = re.compile(r"#\s*(\d+)|(\d{1,2})")  # a shell takes an unquoted #3 for a comment
# A letter in one of these states may lie before its reader.
_SEEN = (LetterState.SENT, LetterState.SENDING, LetterState.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Said:
    """What became of one verdict."""

    paper: Paper
    before: FeedbackKind | None  # the verdict that was there
    after: FeedbackKind | None  # the one that is there now

    @property
    def changed(self) -> bool:
        return self.before != self.after


def say(
    store: Store, reader: Subscriber, paper: str, kind: FeedbackKind, now: datetime, *, source: str = "cli"
) -> Said:
    """The reader's verdict on the paper that the text names; it replaces an earlier one."""
    with store.write() as connection:
        found = find(connection, reader, paper)
        before = _verdict(connection, reader, found)
        if feedback.record(connection, reader.id, [Feedback(found.id, kind, now, source)]) and kind != "disliked":
            subscribers.asked(connection, reader.id, now)
        return Said(found, before, _verdict(connection, reader, found))


def take_back(store: Store, reader: Subscriber, paper: str, kind: FeedbackKind) -> Said:
    """Forget this verdict on the paper that the text names; another verdict on it stays."""
    with store.write() as connection:
        found = find(connection, reader, paper)
        before = _verdict(connection, reader, found)
        if before == kind:
            feedback.remove(connection, reader.id, [found.id])
        return Said(found, before, _verdict(connection, reader, found))


def find(connection: sa.Connection, reader: Subscriber, text: str) -> Paper:
    """The paper that a text names: a place in the reader's last letter (`#3`), an arXiv id, DOI, link or key, a
    title, or a part of one title alone.

    Raises `UnknownPaper` with the nearest titles, `AmbiguousPaper` with the papers that it may mean.
    """
    text = clean(text)
    if not text:
        raise UnknownPaper(name="''", nearest=" Give a title, an arXiv id, or a place in the last letter: '#3'.")
    if place := _PLACE.fullmatch(text):
        return _in_last_letter(connection, reader, text, int(place[1] or place[2]))
    if key := paper_key(text):
        ids = papers.ids_by_key(connection, [key])
        if not ids:
            raise UnknownPaper(name=text, nearest=" The store has no paper with this key; try its title.")
        return papers.by_ids(connection, ids.values())[0]
    titles = papers.titles(connection, reader.id)
    found = _titled(titles, text)
    if not found:
        raise UnknownPaper(name=f"“{text}”", nearest=_nearest(titles, text))
    if len(found) > 1:
        first = papers.by_ids(connection, found[:MOST_NAMED])
        alike = Counter(title_key(one.title) for one in first)
        named = [_named(one, alike[title_key(one.title)] > 1) for one in first]
        more = [f"\n  and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
        raise AmbiguousPaper(name=f"“{text}”", number=len(found), candidates="".join(named + more))
    return papers.by_ids(connection, found)[0]


def _in_last_letter(connection: sa.Connection, reader: Subscriber, text: str, place: int) -> Paper:
    sent = (one for one in letters.of_subscriber(connection, reader.id) if one.picks and one.state in _SEEN)
    last = next(sent, None)
    if last is None:
        raise UnknownPaper(name=text, nearest=f" No letter was sent to {reader.handle} yet.")
    if not 1 <= place <= len(last.picks):
        held = "1 paper" if len(last.picks) == 1 else f"{len(last.picks)} papers"
        raise UnknownPaper(name=text, nearest=f" The last letter of {reader.handle}, of {last.slot}, had {held}.")
    return last.picks[place - 1].paper


def _titled(titles: Iterable[tuple[int, str]], text: str) -> list[int]:
    """The papers with this title, however spelled; else those that have it in their titles."""
    whole = title_key(text)
    part = readable(text).casefold()
    within = [(i, title) for i, title in titles if part in title.casefold()]
    same = [i for i, title in within if title_key(title) == whole]
    if same or within:
        return same or [i for i, _ in within]
    return [i for i, title in titles if whole != "title:" and title_key(title) == whole]


def _named(paper: Paper, not_alone: bool) -> str:
    """A line of a list; with the paper's key, where that says more than the title."""
    key = paper.keys[0]  # in the order of the alphabet: arxiv, doi, title
    return f"\n  “{paper.title}”" + (f" ({key})" if not_alone or key != title_key(paper.title) else "")


def _nearest(titles: list[tuple[int, str]], text: str) -> str:
    """The three titles that share most groups of three letters with the text, if there are any like it."""
    wanted = _trigrams(text)
    alike = []
    for _, title in titles:
        has = _trigrams(title)
        shared = len(wanted & has)
        # Whoever types a part of a title is not asked for the rest of it.
        if shared >= 0.4 * min(len(wanted), len(has)):
            alike.append((-shared, abs(len(has) - len(wanted)), title))
    named = list(dict.fromkeys(title for *_, title in sorted(alike)))[:3]
    return " The nearest:" + "".join(f"\n  “{one}”" for one in named) if named else " No stored title is like it."


def _trigrams(text: str) -> set[str]:
    text = f" {text.casefold()} "
    return {text[at : at + 3] for at in range(len(text) - 2)}


def _verdict(connection: sa.Connection, reader: Subscriber, paper: Paper) -> FeedbackKind | None:
    said = feedback.on(connection, reader.id, paper.id)
    return said.kind if said else None
