"""HTML → its blocks of text in reading order, with their links, and what its head says. Pure.

No tree is built: of a page, however broken, only what stands between two block tags is kept, and how far the tags
around it were left in between. That tells which blocks lie in one card. No script is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from lxml import etree

from digest.errors import PageUnreadable
from digest.sources.identity import paper_key


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_INLINE = _names(
    "a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd mark nobr q s samp small span"
    " strike strong sub sup time tt u var wbr math mi mo mn ms mrow msup msub msubsup mfrac msqrt mroot mtext"
    " mstyle mspace semantics munder mover munderover script style svg template noscript"
)
# Their text is not shown, or belongs to no paper.
_SILENT = _names("script style template noscript title svg iframe textarea select object annotation")
_HEADINGS = _names("h1 h2 h3 h4 h5 h6")
_CARDS = _names("article li tr section dd")
_CONTROLS = _names("label button")
_PARAGRAPHS = _names("p blockquote dd")
_VOTE = re.compile(r"(?i)(?<![a-z])(up-?)?(vote|like)s?(?![a-z])")
_LOGIN = re.compile(r"(?i)/(login|signin)\b")
# What browsers write, and what SingleFile does.
_SAVED_FROM = re.compile(r"(?:saved from url=\(\d{1,9}\)|\burl: )(\S{1,2000})")
_JSON_MARK = '"dailyPapers"'
DEEPEST = 500_000  # tags around a text
# libxml2 looks for the partner of each end tag through all open ones; this many looks take some seconds.
_MOST_LOOKS = 2 * 10**9
_MOST_PIECES = 200  # in a block; each may be a paper, and its block is looked through for each
_STEP = 1 << 16  # bytes

# What kind of number may stand in an element: of something else, any, of votes by its place, of votes by its name.
OTHER, ANY, CONTROL, VOTE = -1, 0, 1, 2


class Piece(NamedTuple):
    """Text between two tags of whatever kind."""

    text: str
    link: int  # its place in `Document.links`; 0 is none
    kind: int  # OTHER … VOTE


@dataclass(slots=True)
class Block:
    """Text between two block tags."""

    low: int  # the fewest tags that were open at once since the first piece of the block before
    depth: int  # tags that are open at its first piece
    card: int  # tags that are open around the innermost article, list item, row or section; -1 where there is none
    heading: bool
    paragraph: bool
    pieces: list[Piece] = field(default_factory=list)

    def text(self, link: int = 0) -> str:
        """What is to be read, or what of it belongs to a link."""
        return "".join(piece.text for piece in self.pieces if link in (0, piece.link)).strip()


class Anchor(NamedTuple):
    href: str
    key: str  # of the arXiv paper that it leads to; "" if it does not


@dataclass
class Document:
    blocks: list[Block] = field(default_factory=list)
    links: list[Anchor] = field(default_factory=lambda: [Anchor("", "")])
    data: list[str] = field(default_factory=list)  # JSON that holds daily papers, as written
    addresses: list[str] = field(default_factory=list)  # where the page says that it comes from
    times: list[tuple[int, str]] = field(default_factory=list)  # the next block's place, and the moment


def read_html(text: str, name: str) -> Document:
    """The blocks of a page. Takes time linear in `text`; raises PageUnreadable if it is nested beyond measure."""
    source = text.replace("\x00", "").encode("utf-8", "replace")
    reader = _Reader(name, min(DEEPEST, max(512, _MOST_LOOKS // (source.count(b"</") + 1))))
    parser = etree.HTMLParser(target=reader, encoding="utf-8", huge_tree=True, no_network=True)
    try:
        for start in range(0, len(source), _STEP):
            parser.feed(source[start : start + _STEP])
        parser.close()
    except etree.LxmlError as error:
        raise PageUnreadable(path=name, detail=f"its HTML cannot be read: {str(error)[:200]}") from None
    return reader.document


def address_of(href: str) -> str:
    """A link's web address. Where it names no host, the site is told by the path: only these have such papers."""
    href = href.strip()
    if href.startswith(("/papers/", "/login")):
        return "https://huggingface.co" + href
    return "https://arxiv.org" + href if href.startswith(("/abs/", "/pdf/")) else href


class _Open(NamedTuple):
    tag: str
    link: int
    kind: int
    heading: bool
    paragraph: bool
    card: int


class _Reader:
    """What lxml calls with each tag and text."""

    def __init__(self, name: str, deepest: int) -> None:
        self.document = Document()
        self._name = name
        self._deepest = deepest
        self._open = [_Open("", 0, ANY, False, False, -1)]
        self._block: Block | None = None
        self._low = 0
        self._silent = 0  # tags that are open where the text fell silent; 0 = it is heard
        self._script: list[str] | None = None
        self._heard: list[str] = []  # the text since the last tag; the parser hands it over in parts

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        depth = len(self._open)
        if depth > self._deepest:
            detail = f"its tags are nested more than {self._deepest:,} deep, as in no page that a browser shows"
            raise PageUnreadable(path=self._name, detail=detail)
        self._hear()
        around = self._open[-1]
        if tag not in _INLINE and not self._silent:
            self._end_block()
        if attributes:
            self._look_into(tag, attributes)
        link = self._linked(attributes["href"]) if tag == "a" and "href" in attributes else around.link
        self._open.append(
            _Open(
                tag,
                link,
                self._kind(tag, attributes, around, link),
                around.heading or tag in _HEADINGS,
                around.paragraph or tag in _PARAGRAPHS,
                depth - 1 if tag in _CARDS else around.card,
            )
        )
        if not self._silent and (
            tag in _SILENT
            or (tag == "footer" and around.card < 0)  # the page's, not a card's
            or (attributes and ("hidden" in attributes or attributes.get("aria-hidden") == "true"))
        ):
            self._silent = depth
            if tag == "script" and "json" in attributes.get("type", ""):
                self._script = []
        elif link != around.link and not self._silent:
            self._add("")  # also a link without text has its place
        elif tag == "br" and self._block:
            self._add(" ")

    def end(self, tag: str) -> None:
        self._hear()
        if self._open.pop().tag not in _INLINE and not self._silent:
            self._end_block()
        depth = len(self._open)
        self._low = min(self._low, depth - 1)
        if depth <= self._silent:
            self._silent = 0
            if self._script is not None:
                if _JSON_MARK in (script := "".join(self._script)):
                    self.document.data.append(script)
                self._script = None

    def data(self, text: str) -> None:
        if self._silent:
            if self._script is not None:
                self._script.append(text)
        else:
            self._heard.append(text)

    def comment(self, text: str) -> None:
        if found := _SAVED_FROM.search(text):
            self.document.addresses.append(found[1])

    def close(self) -> None:
        self._hear()
        self._end_block()

    def _hear(self) -> None:
        if self._heard:
            text = "".join(self._heard)
            self._heard.clear()
            if self._block or not text.isspace():
                self._add(text)

    def _add(self, text: str) -> None:
        around = self._open[-1]
        if self._block and len(self._block.pieces) >= _MOST_PIECES:
            self._end_block()
        if self._block is None:
            depth = len(self._open) - 1
            self._block = Block(min(self._low, depth), depth, around.card, around.heading, around.paragraph)
            self._low = depth
        self._block.pieces.append(Piece(text, around.link, around.kind))

    def _end_block(self) -> None:
        if self._block:
            self.document.blocks.append(self._block)
            self._block = None

    def _look_into(self, tag: str, attributes: Mapping[str, str]) -> None:
        told = self.document
        told.data += [value for value in attributes.values() if _JSON_MARK in value]
        if tag == "link" and attributes.get("rel", "").lower() == "canonical":
            told.addresses.append(attributes.get("href", ""))
        elif tag == "meta" and attributes.get("property") == "og:url":
            told.addresses.append(attributes.get("content", ""))
        elif tag == "time" and "datetime" in attributes:
            told.times.append((len(told.blocks), attributes["datetime"]))

    def _linked(self, href: str) -> int:
        href = address_of(href)
        key = paper_key(href) if href.startswith(("https://", "http://")) else None
        self.document.links.append(Anchor(href, key if key and key.startswith("arxiv:") else ""))
        return len(self.document.links) - 1

    def _kind(self, tag: str, attributes: Mapping[str, str], around: _Open, link: int) -> int:
        if around.kind == OTHER or (not attributes and tag not in _CONTROLS):
            return around.kind
        anchor = self.document.links[link] if tag == "a" and link != around.link else None
        if anchor and "#" in anchor.href:
            return OTHER  # comments
        if not (anchor and anchor.key):  # what is said of a link to a paper may be the paper's title
            said = " ".join(attributes.get(name, "")[:200] for name in ("aria-label", "title", "name", "href"))
            if _VOTE.search(said):
                return VOTE
        if anchor and _LOGIN.search(anchor.href[:500]):
            return max(around.kind, CONTROL)
        if anchor and not anchor.key and _host(anchor.href):
            return OTHER  # another site's stars
        return max(around.kind, CONTROL) if tag in _CONTROLS else around.kind


def _host(href: str) -> str:
    try:
        return urlsplit(href).netloc
    except ValueError:
        return ""
