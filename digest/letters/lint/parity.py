"""The text part, beside the HTML: it says the same, in lines that a terminal shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from digest.letters.lint.finding import Finding, error, warning
from digest.letters.lint.letter import LetterPage, Section
from digest.letters.lint.page import BLOCKS, Node, squeezed
from digest.letters.subject import shorten
from digest.letters.wrap import columns

LINE = 78  # columns
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--")
_ENTITY = re.compile(r"&(#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]+);")
_NUMBER = re.compile(r"^\[\d+\] ")  # before the address in a list of links
_URL = re.compile(r"https?://\S+")


def lines(text: str, page: LetterPage | None) -> Iterator[Finding]:
    """No mark-up and no long lines. What the HTML shows as text, a title with “<b>” in it, is no mark-up."""
    shown = squeezed(page.words) if page else ""
    for number, line in enumerate(text.splitlines(), 1):
        where, bare = f"text line {number}", _URL.sub("", line)
        for pattern, what in ((_TAG, "a tag of HTML"), (_ENTITY, "an entity of HTML")):
            for found in pattern.finditer(bare):
                if squeezed(found[0]) not in shown:
                    yield error(
                        "text-markup",
                        where,
                        f"{what}, {shorten(found[0], 40)}, in the text part",
                        "Write plain text",
                    )
        width = columns(line.rstrip())
        if width > LINE and not _URL.fullmatch(_NUMBER.sub("", line.strip())):
            # The address cannot be broken; that something stands before it costs no more than a line break.
            last = line.split()[-1]
            short = _URL.fullmatch(last) and columns(line[: line.rfind(last)].rstrip()) <= LINE
            say = warning if short else error
            remedy = "Put the address on a line of its own" if short else f"Wrap it at {LINE} columns"
            yield say("text-line", where, f"a line of {width} columns", remedy)


def parity(page: LetterPage, text: str) -> Iterator[Finding]:
    """Every title, author line and link of the HTML stands in the text part."""
    flat = squeezed(text)
    for card in page.cards:
        assert card.heading is not None
        title = "" if card.heading.tag in BLOCKS and _holds_more(card.heading) else card.heading.words()
        if squeezed(title) not in flat:
            yield _missing("the heading", title, card.heading.where)
        for line in _authors(card, page):
            if squeezed(line.words()) not in flat:
                yield _missing("the line", line.words(), line.where)
    for link in page.links:
        url = link.get("href", "").strip()
        if url.lower().startswith("mailto:"):
            yield from _mailto(url, link.where, flat, text)
        elif url and not url.startswith("#") and url not in text:
            yield _missing("the link", url, link.where)
    numbered = 0
    for said in text.splitlines():
        numbered += said.lstrip().startswith(f"{numbered + 1}. ")
    if numbered > len(page.cards):
        what = f"the text part numbers {numbered} papers, and the HTML has {len(page.cards)} cards with a heading"
        yield error("card-heading", "HTML line 1", what, "Give each card an <h2> or <h3>")


def unsubscribe(page: LetterPage | None, text: str) -> Iterator[Finding]:
    if page is not None and page.unsubscribe is None:
        what = "the HTML has no link that says unsubscribe"
        yield error("unsubscribe", "HTML line 1", what, "Put one at its end; the law in most places asks for it")
    if text and "unsubscribe" not in text.lower():
        yield error(
            "unsubscribe", "text line 1", "the text part does not say how to unsubscribe", "Say it at its end"
        )


def _holds_more(heading: Node) -> bool:
    """A marked footer stands in for a heading; its words are no title."""
    return not re.fullmatch(r"h[1-6]", heading.tag)


def _authors(card: Section, page: LetterPage) -> list[Node]:
    """The line of authors: what is marked by its class, else the first block under the heading."""
    named = [one for one in card.nodes if {"author", "authors", "byline"} & set(one.classes())]
    if named:
        return named
    inner = set(card.heading.nodes()) if card.heading is not None else set()
    below = (one for one in card.nodes if one not in inner and one.tag in ("p", "div", "td") and one.words())
    return [one for one in below if page.seen(one)][:1]


def _mailto(url: str, where: str, flat: str, text: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    said = [unquote(parts.path), *parse_qs(parts.query).get("subject", [])]
    if url not in text and any(squeezed(one) not in flat for one in said):
        yield _missing("the address, or the subject, of", url, where)


def _missing(what: str, words: str, where: str) -> Finding:
    remedy = "Say it in both parts; some read only the text"
    return error("parity", where, f"{what} “{shorten(words, 60)}” is not in the text part", remedy)
