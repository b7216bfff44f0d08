"""Any feed (RSS 0.9x to 2.0, RDF, Atom, JSON Feed) → records. Pure: bytes in, nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from lxml import etree

from digest.errors import SourceUnreadable
from digest.model import Batch, Link, Record
from digest.sources.dates import day_in
from digest.sources.identity import paper_key
from digest.sources.jsontext import document
from digest.sources.markup import plain
from digest.sources.names import split_names, tidy
from digest.sources.taking import Taking, categories_of, links_of, sound, text_of, web_link
from digest.sources.xmltree import Element, decoded, joined, local, tree, unreadable

_ROOTS = ("rss", "RDF", "feed", "channel")
# Which vocabulary an element belongs to, by a part of its namespace; of one that nobody declared the prefix tells.
_VOCABULARIES = (
    ("purl.org/dc/", "dc"),
    ("prismstandard.org", "prism"),
    ("modules/content", "content"),
    ("feedburner", "feedburner"),
    ("arxiv.org/schemas", "arxiv"),
)
_CORE = ("", "http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#", "http://purl.org/rss/1.0/")
_CORE_PARTS = ("netscape.com/rdf", "backend.userland.com", "blogs.law.harvard.edu", "channel.netscape.com")

_DAYS = (
    "published", "pubDate", "issued", "dc:date", "dc:issued", "created", "updated", "modified",
    "prism:publicationDate", "prism:coverDisplayDate", "dc:modified",
)  # fmt: skip
_TEASER = 300  # characters; a shorter summary gives way to a longer content
_MOST_AUTHORS = 5_000
_PUBLISHERS_DOI = re.compile(
    r"/doi/(?:(?:abs|full|pdf|epdf|epub|pdfdirect)/)?(10\.[0-9]{4,9}/[^\s?#]+)", re.IGNORECASE
)
_NAMED_IN_MAIL = re.compile(r"[^\s()]{1,200}@[^\s()]{1,200}\s{0,9}\(([^()]{1,200})\)")


def parse(data: bytes, name: str, content_type: str, base: str) -> Batch:
    """One feed. `name` is what messages call it, `base` the address that its relative links start from.

    A feed that is not well-formed gives what can be read of it. A feed without entries is empty; what is no feed at
    all, or neither well-formed nor has an entry, raises SourceUnreadable.
    """
    text = decoded(data, content_type)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return _json_feed(text, name, base)
    root = tree(text, name, mend=True, base=base)
    if local(root) not in _ROOTS:
        raise unreadable(name, f"it is no feed, but a document of the kind <{local(root)[:40]}>")
    entries = [one for one in root.iter() if local(one) in ("item", "entry") and _key(one) in ("item", "entry")]
    if not entries:
        tree(text, name, mend=False)  # what is broken and empty says nothing of the day
    taking = Taking()
    for entry in entries:
        _take(_Entry(entry, base), taking)
    return taking.batch()


# ---- XML


class _Entry:
    """One entry with its children by name: `title`, `dc:creator`, …"""

    def __init__(self, element: Element, base: str) -> None:
        self.element = element
        self.base = base
        self.children: dict[str, list[Element]] = {}
        for child in element:
            if key := _key(child):
                self.children.setdefault(key, []).append(child)

    def all(self, *keys: str) -> Iterator[Element]:
        return (child for key in keys for child in self.children.get(key, ()))

    def words(self, *keys: str) -> str:
        """The text of the first of these that has any."""
        return next((text for child in self.all(*keys) if (text := _words(child))), "")

    def html(self, *keys: str) -> str:
        """The HTML of the first of these that has any."""
        return next((html for child in self.all(*keys) if (html := _html(child))), "")

    def address(self, of: Element, url: str | None) -> str:
        return joined(of.base or self.base, url or "")


def _key(element: Element) -> str:
    """An element's name with its vocabulary; "" for what is in none of ours, such as the title of a video."""
    tag = element.tag
    if not isinstance(tag, str):
        return ""
    namespace, _, name = tag[1:].rpartition("}") if tag[0] == "{" else ("", "", tag)
    prefix, colon, rest = name.rpartition(":")
    if colon:  # of a namespace that nobody declared
        return f"{prefix.lower()}:{rest}" if prefix.lower() != "atom" else rest
    if namespace in _CORE or any(part in namespace for part in _CORE_PARTS):
        return name
    return next((f"{short}:{name}" for part, short in _VOCABULARIES if part in namespace), "")


def _words(element: Element) -> str:
    return "".join(element.itertext()).strip()


def _html(element: Element) -> str:
    """The content of an element as HTML: escaped or not, or text."""
    kind = (element.get("type") or "").lower()
    if len(element):  # XHTML, or HTML that somebody forgot to escape
        whole: str = etree.tostring(element, encoding="unicode", with_tail=False)
        return whole[whole.find(">") + 1 : whole.rfind("<")].strip()
    text = (element.text or "").strip()
    # In Atom, text is text; an entity in it was escaped once too often, so that `&` may stay.
    return text.replace("<", "&lt;") if kind in ("text", "text/plain") else text


def _take(entry: _Entry, taking: Taking) -> None:
    guid = entry.words("id", "guid")
    permanent = next((one.get("isPermaLink", "true") for one in entry.all("guid")), "false").lower() != "false"
    page = _page(entry) or (joined(entry.base, guid) if permanent else "")
    taking.add(
        Record(
            title=_title(entry.html("title", "dc:title")),
            abstract=_abstract(
                entry.html("dc:description", "dc:abstract", "summary", "description"),
                entry.html("content", "content:encoded"),
            ),
            authors=_authors(entry),
            keys=_keys(
                [*map(_words, entry.all("dc:identifier", "prism:doi", "arxiv:doi", "arxiv:DOI", "prism:url"))],
                [guid, page, entry.words("feedburner:origLink")],
            ),
            links=_links(page, _file(entry)),
            categories=categories_of(
                word
                for one in entry.all("category", "dc:subject")
                for word in (one.get("term") or "".join(one.itertext())).split(",")[:50]
            ),
            html=True,
            day=_day(entry.words(key) for key in _DAYS),
            line=int(entry.element.sourceline or 0),
        ),
        guid,
    )


def _page(entry: _Entry) -> str:
    """The address of the page that an entry is about."""
    for one in entry.all("link"):
        url = one.get("href") or one.text
        if url and url.strip() and one.get("rel", "alternate") == "alternate":
            return entry.address(one, url)
    return ""


def _file(entry: _Entry) -> str:
    """The address of a PDF that comes with an entry."""
    for one in entry.all("link", "enclosure"):
        if one.get("type", "").lower().startswith("application/pdf"):
            return entry.address(one, one.get("href") or one.get("url"))
    return ""


def _authors(entry: _Entry) -> tuple[str, ...]:
    creators = [text for one in entry.all("dc:creator") if (text := _words(one))]
    if not creators:
        for one in entry.all("author"):
            names = [_words(child) for child in one if local(child) == "name"]
            creators += names or [_named_in(_words(one))]
    return split_names("\n".join(" ".join(one.split()) for one in creators), surname_first=True)


def _named_in(author: str) -> str:
    """RSS writes `ann@example.org (Ann Li)`."""
    found = _NAMED_IN_MAIL.fullmatch(author)
    return found[1] if found else author


# ---- JSON Feed


def _json_feed(text: str, name: str, base: str) -> Batch:
    feed = document(text.encode("utf-8", "replace"), name)
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(items, list):
        raise SourceUnreadable(source=name, detail="it is JSON, but no JSON Feed: it has no list of `items`")
    taking = Taking()
    for place, item in enumerate(items, 1):
        if not isinstance(item, dict):
            taking.reject(place, f"item {place} is no object")
            continue
        content = text_of(item.get("content_html")) or _escaped(text_of(item.get("content_text")))
        page = next((joined(base, url) for key in ("url", "external_url") if (url := text_of(item.get(key)))), "")
        own_id = text_of(item.get("id"))
        tags = item.get("tags")
        taking.add(
            Record(
                title=_title(_escaped(text_of(item.get("title")))),
                abstract=_abstract(_escaped(text_of(item.get("summary"))), content),
                authors=tidy(_json_authors(item)),
                keys=_keys((), [own_id, page, text_of(item.get("external_url"))]),
                links=_links(page, _json_file(item, base)),
                categories=categories_of(tags[:200] if isinstance(tags, list) else ()),
                html=True,
                day=_day(text_of(item.get(key)) for key in ("date_published", "date_modified")),
                line=place,
            ),
            own_id,
        )
    return taking.batch()


def _json_authors(item: dict[str, Any]) -> Iterator[str]:
    authors = item.get("authors")
    for author in authors[:_MOST_AUTHORS] if isinstance(authors, list) else [item.get("author")]:
        yield from split_names(text_of(author.get("name")) if isinstance(author, dict) else text_of(author))


def _json_file(item: dict[str, Any], base: str) -> str:
    attached = item.get("attachments")
    for one in attached if isinstance(attached, list) else ():
        if isinstance(one, dict) and one.get("mime_type") == "application/pdf":
            return joined(base, text_of(one.get("url")))
    return ""


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")


# ---- both


def _title(html: str) -> str:
    return " ".join(html.split())


def _abstract(summary: str, content: str) -> str:
    if len(summary) < _TEASER and len(content) > len(summary) and len(plain(content)) > len(plain(summary)):
        return content
    return summary


def _keys(identifiers: Iterable[str], addresses: Iterable[str]) -> tuple[str, ...]:
    """The entry's arXiv id and its DOI, of each the first; bare numbers count only where identifiers belong."""
    keys: dict[str, str] = {}
    for text in (*identifiers, *(one for one in addresses if not one[:1].isdigit() or one.startswith("10."))):
        text = re.sub(r"(?i)^oai:arxiv\.org:", "", text.strip())
        within = _PUBLISHERS_DOI.search(text) if text[:4].lower() == "http" and len(text) < 1000 else None
        if key := paper_key(text) or (paper_key(within[1]) if within else None):
            keys.setdefault(key.partition(":")[0], sound(key))
    return tuple(keys[kind] for kind in ("arxiv", "doi") if kind in keys)


def _links(page: str, file: str) -> tuple[Link, ...]:
    arxiv = (paper_key(page) or "").startswith("arxiv:")  # its links follow from the id
    return links_of(web_link("pdf", file), None if arxiv else web_link("page", page))


def _day(texts: Iterable[str]) -> date | None:
    return next((day for text in texts if text and (day := day_in(text))), None)
