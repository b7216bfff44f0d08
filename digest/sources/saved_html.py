"""A page of trending papers saved as HTML, or as a web archive (MHTML) → its papers. Pure: bytes in, `Page` out.

The page of daily papers holds them twice: as data for its own scripts, with abstracts and authors, and as cards.
The data goes first, the cards add what it lacks. Any other page has its papers where it links to arXiv, alphaXiv or
Hugging Face.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from digest.model import Entry, Page, Rejected, StatedDay
from digest.sources.cards import cards
from digest.sources.embedded import read_data
from digest.sources.encoding import html_text, unarchived
from digest.sources.header import stated_day
from digest.sources.html_blocks import Document, read_html
from digest.sources.identity import title_key
from digest.sources.items import Item, paper_of
from digest.sources.lines import LONGEST_TITLE, Line
from digest.text import clean

_DAY_IN_ADDRESS = re.compile(r"(?:/date/|[?&]date=)(\d{4}-\d\d-\d\d)(?!\d)")
_MOST_DAYS = 10  # told of a page that prints many
_ARXIV_ID = re.compile(r"(?<![0-9])[0-9]{4}\.[0-9]{4,5}(?![0-9])|\b[a-z]+(?:-[a-z]+)?/[0-9]{7}(?![0-9])")
_LINE_END = re.compile(r"\r\n?|\n")


def parse(data: bytes, name: str) -> Page:
    """One saved page. `name` is what messages call it.

    A page without papers, as one that asks to log in, has no entries; that is not an error. Raises PageUnreadable
    for what cannot be parsed at all.
    """
    data, address, charset = unarchived(data, name)
    text = html_text(data, charset)
    document = read_html(text, name)
    items, days = read_data(document.data)
    shown, first_card = cards(document)
    lines = _Lines(text)
    entries, rejected, flagged, repeated = _entries(items, shown, lines)
    stated = _stated(days, lines)
    if not stated:  # its address says which day was asked for, the print above the papers which was shown
        asked = [found[1] for one in (*document.addresses, address) if (found := _DAY_IN_ADDRESS.search(one))]
        stated = (*_stated(asked, lines), *_printed(document, first_card, lines))
    return Page(name, stated, tuple(entries), tuple(rejected), tuple(flagged), repeated)


class _Lines:
    """On which line of the source something stands first, from 1 on; 1 where it does not stand as it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [found.start() for found in _LINE_END.finditer(text)]

    def of(self, wanted: str) -> int:
        return self._at(self._text.find(wanted))

    def of_papers(self, keys: Iterable[str]) -> dict[str, int]:
        """All in one pass: there may be many."""
        missing = set(keys)
        found: dict[str, int] = {}
        for one in _ARXIV_ID.finditer(self._text):
            key = f"arxiv:{one[0]}"
            if key in missing:
                missing.discard(key)
                found[key] = self._at(one.start())
        return found

    def _at(self, place: int) -> int:
        return bisect_left(self._ends, max(place, 0)) + 1


# ---- papers


def _entries(
    items: list[Item], shown: list[Item], lines: _Lines
) -> tuple[list[Entry], list[Rejected], list[Rejected], int]:
    """Each paper once: as data tell it, completed from its card, and what only a card shows after these."""
    known: dict[str, Item] = {}
    repeated = 0
    for number, item in enumerate(items):
        name = item.key or item.name or f"#{number}"
        repeated += name in known
        known.setdefault(name, item)
    told = len(known)
    for item in shown:
        before = known.get(item.key)
        if before is None:
            if item.headed or not told:
                known[item.key] = item
        elif told:
            known[item.key] = replace(
                before,
                title=before.title or item.title,
                abstract=(before.abstract.strip() and before.abstract) or item.abstract,
                votes=item.votes if before.votes is None else before.votes,
            )
        elif item.title and before.title:
            repeated += 1
        elif item.title:
            known[item.key] = item
    entries: list[Entry] = []
    rejected: list[Rejected] = []
    flagged: list[Rejected] = []
    places = lines.of_papers(known)
    line = 1
    for name, item in known.items():
        line = places.get(name, line)
        if why := _fault(item):
            rejected.append(Rejected(line, why))
            continue
        paper = paper_of(item)
        entries.append(Entry(paper=paper, position=len(entries) + 1, line=line, votes=item.votes))
        if not paper.abstract:
            flagged.append(Rejected(line, f"a title without an abstract: {paper.title[:80]!r}"))
    return entries, rejected, flagged, repeated


def _fault(item: Item) -> str:
    title = clean(item.title)
    if not title:
        return f"a paper without a title: {item.key or item.name or 'it has no number either'}"
    if item.withdrawn:
        return f"withdrawn on {clean(item.withdrawn)[:10]}: {title[:80]!r}"
    if len(title) > LONGEST_TITLE:
        return f"a title of {len(title)} characters"
    return f"a title without letters or digits: {title[:40]!r}" if title_key(title) == title_key("") else ""


# ---- the day


def _stated(days: list[str], lines: _Lines) -> tuple[StatedDay, ...]:
    found = []
    for text in list(dict.fromkeys(days))[:_MOST_DAYS]:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            continue
        found.append(StatedDay(day.month, day.day, day.year, lines.of(text), text))
    return tuple(found)


def _printed(document: Document, first_card: int, lines: _Lines) -> tuple[StatedDay, ...]:
    """The days above the papers: a moment in the mark-up, else what reads like a date."""
    times = [moment.strip()[:10] for place, moment in document.times if place < first_card]
    if found := _stated(times, lines):
        return found
    days: dict[tuple[int, int, int | None], StatedDay] = {}
    for block in document.blocks[:first_card]:
        shown = clean(block.text()[:100])
        if day := stated_day(Line(0, shown, shown, True)):
            days.setdefault((day.month, day.day, day.year), replace(day, line=lines.of(block.text())))
            if len(days) == _MOST_DAYS:
                break
    return tuple(days.values())
