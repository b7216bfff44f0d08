"""Blocks of HTML → the papers that they show, by the links that lead to them. Pure.

A card is what lies around the links to one paper without a link to another one. Class names say nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from digest.sources.header import is_menu
from digest.sources.html_blocks import OTHER, VOTE, Anchor, Block, Document
from digest.sources.identity import paper_key
from digest.sources.items import MOST_VOTES, Item
from digest.sources.lines import Line, look_of
from digest.sources.weblinks import web_link
from digest.text import clean

_APART = 10**9  # no block lies in one card with a block at whose start so many tags are open
_LABELLED = re.compile(r"(?i)(title|authors?|abstract)\s*:?\s+")
_NO_TITLE = re.compile(
    r"(?i)(read|view|open|show|see|go to)\b.{0,30}|arxiv\b.{0,30}|(html|pdf|abs|abstract|link|alphaxiv|doi|bibtex"
    r"|cite|code|demo|website|poster|slides|video|bookmark|summary|chat|resources|other)( \d+)?|https?://\S*"
)
_VOTES = re.compile(
    r"(?i)(?:(?:up-?)?votes?|likes?|points?)\W{1,3}([0-9][0-9.,]*[km]?)"
    r"|([0-9][0-9.,]*[km]?) (?:(?:up-?)?votes?|likes?|points?)"
)
_NUMBER = re.compile(r"[0-9]{1,12}(?:[.,][0-9]{1,3}){0,4}([km]?)", re.IGNORECASE)
_NO_VOTES = ("-", "–", "—")
_BETWEEN_NAMES = re.compile(r"[,;] ?(?:and )?| and ")
_MOST_AUTHORS = 1000
_SHORTEST_ABSTRACT = 40  # characters


@dataclass(slots=True)
class _Card:
    key: str
    first: int  # its first block with a link to the paper
    last: int
    start: int = 0  # its first block
    stop: int = 0  # after its last one


def cards(document: Document) -> tuple[list[Item], int]:
    """The papers in their order, those without a title too; and the place of the first card's first block."""
    blocks = document.blocks
    found = _placed(document)
    items = []
    for index, card in enumerate(found):
        before = found[index - 1].stop if index else 0
        after = found[index + 1].start if index + 1 < len(found) else len(blocks)
        items.append(_item(document, card, before, after))
    return items, found[0].start if found else len(blocks)


def _placed(document: Document) -> list[_Card]:
    """The cards with their extents. Each block is looked at a bounded number of times."""
    blocks = document.blocks
    found: list[_Card] = []
    for place, block in enumerate(blocks):
        link = 0
        for piece in block.pieces:
            if piece.link == link or not (key := document.links[piece.link].key):
                continue
            link = piece.link
            if found and found[-1].key == key:
                found[-1].last = place
            else:
                found.append(_Card(key, place, place))
    # How many tags stay open from one card to the next: what a card has for itself lies deeper.
    between = [
        min((block.low for block in blocks[a.last + 1 : b.first + 1]), default=_APART) for a, b in pairwise(found)
    ]
    for index, card in enumerate(found):
        around = max(between[max(index - 1, 0) : index + 1], default=_alone(blocks[card.first]))
        start, stop = card.first, card.last + 1
        while start > 0 and blocks[start].low > around:
            start -= 1
        while stop < len(blocks) and blocks[stop].low > around:
            stop += 1
        card.start, card.stop = start, stop
    return found


def _alone(block: Block) -> int:
    """Around the only card of a page."""
    return block.card if block.card >= 0 else max(block.depth - 3, 0)


def _item(document: Document, card: _Card, before: int, after: int) -> Item:
    """`before` and `after` are where the neighbours end and begin; without real cards, the rest lies between."""
    blocks = document.blocks
    places = range(card.start, card.stop)
    below = range(card.stop, next((place for place in range(card.stop, after) if blocks[place].heading), after))
    title, at, headed = _title(document, card.key, places)
    if not title:
        above = range(card.start - 1, before - 1, -1)
        if (at := next((place for place in above if blocks[place].heading), -1)) >= 0:
            title, headed, places = blocks[at].text(), True, range(at, card.stop)
        elif (at := next((place for place in below if _labelled(blocks[place], "title")), -1)) >= 0:
            title, headed, places = _labelled(blocks[at], "title"), True, range(card.start, below.stop)
    abstract = _abstract(blocks, places, at)
    if not abstract:
        places = range(places.start, below.stop)
        abstract = _abstract(blocks, places, at)
    around = blocks[places.start : places.stop]
    authors = next((text for block in around if (text := _labelled(block, "author"))), "")
    return Item(
        name=card.key.removeprefix("arxiv:"),
        title=title,
        abstract=abstract,
        authors=tuple(name for name in _BETWEEN_NAMES.split(clean(authors)) if name)[:_MOST_AUTHORS],
        links=tuple(_links(document.links, around)),
        votes=_votes(around, title),
        headed=headed,
    )


def _title(document: Document, key: str, own: range) -> tuple[str, int, bool]:
    """The title, its block and whether it is a heading: a heading that leads to the paper, any, a link to it."""
    blocks = document.blocks
    other = ("", -1, False)
    linked = ("", -1, False)
    for place in own:
        block = blocks[place]
        links = dict.fromkeys(piece.link for piece in block.pieces if document.links[piece.link].key == key)
        for link in links:
            text = block.text(link)
            if block.heading and any(map(str.isalnum, text)):
                return text, place, True
            if not linked[0] and _is_title(text):
                linked = (text, place, False)
        if not other[0]:
            heading = block.text() if block.heading and not links else ""
            text = heading if any(map(str.isalnum, heading)) else _labelled(block, "title")
            other = (text, place, True) if text else other
    return other if other[0] else linked


def _is_title(text: str) -> bool:
    """Might the text of a link be the title of what it leads to?"""
    text = clean(text[:1000]).strip("[]()|·• ")
    letters = sum(map(str.isalpha, text[:100]))
    return letters >= 4 and not is_menu(text) and not _NO_TITLE.fullmatch(text) and not paper_key(text)


def _labelled(block: Block, label: str) -> str:
    """What follows "Title:", "Authors:" at the start of a block."""
    text = block.text()
    found = _LABELLED.match(text)
    return text[found.end() :] if found and ":" in found[0] and found[1].lower().startswith(label) else ""


def _abstract(blocks: Sequence[Block], places: Iterable[int], title: int) -> str:
    """The longest paragraph beside the title that reads like prose."""
    longest = ""
    for place in places:
        block = blocks[place]
        text = block.text()
        if place == title or block.heading or len(text) <= max(len(longest), _SHORTEST_ABSTRACT):
            continue
        if _labelled(block, "author"):
            continue
        text = _labelled(block, "abstract") or text
        shown = clean(text)
        if shown and look_of(Line(0, text, shown, True)).as_abstract > (0 if block.paragraph else 2):
            longest = text
    return longest


def _votes(blocks: Iterable[Block], title: str) -> int | None:
    """The number in the control for votes, or the only number that stands alone; None where that is in doubt."""
    best = OTHER
    numbers: set[int | None] = set()
    for block in blocks:
        if block.heading:
            continue
        texts = [(piece.kind, piece.text.strip()) for piece in block.pieces if len(piece.text) <= 60]
        if said := _VOTES.fullmatch(clean(block.text()[:60])):
            texts.append((VOTE, said[1] or said[2]))
        for kind, text in texts:
            if kind == OTHER or text == title:
                continue
            if said := _VOTES.fullmatch(clean(text)):
                kind, text = VOTE, said[1] or said[2]
            if kind >= best and (_NUMBER.fullmatch(text) or text in _NO_VOTES):
                numbers = {_number(text)} if kind > best else numbers | {_number(text)}
                best = kind
    return numbers.pop() if len(numbers) == 1 else None


def _number(text: str) -> int | None:
    """ "73", "1,234" and "1.2k"; None for what is no number, as a "-"."""
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    whole, *parts = re.split("[.,]", text.rstrip("kKmM"))
    if found[1] and len(parts) <= 1:
        number = round(float(f"{whole}.{''.join(parts)}0") * {"k": 1000, "m": 1_000_000}[found[1].lower()])
    elif all(len(part) == 3 for part in parts) and not found[1]:
        number = int(whole + "".join(parts))
    else:
        return None
    return number if number <= MOST_VOTES else None


def _links(anchors: Sequence[Anchor], blocks: Iterable[Block]) -> Iterator[str]:
    """Code that a card links to."""
    for link in dict.fromkeys(piece.link for block in blocks for piece in block.pieces):
        known = web_link(anchors[link].href)
        if known and known.label == "code" and anchors[link].href.rstrip("/").count("/") >= 4:
            yield anchors[link].href
