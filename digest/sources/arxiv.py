"""arXiv: its daily feeds (Atom and RSS 2.0) and its query API → records. Pure: addresses and bytes, no network.

A feed says what was announced on a day; the API what was submitted in a span of days. Both tell text with LaTeX, no
HTML.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from digest.model import Batch, Record
from digest.sources.dates import day_in, utc_day
from digest.sources.identity import paper_key
from digest.sources.names import split_names, tidy
from digest.sources.taking import Taking, categories_of
from digest.sources.xmltree import Element, decoded, local, tree, unreadable
from digest.text import clean

FEEDS = "https://rss.arxiv.org/atom"
EASTERN = ZoneInfo("America/New_York")  # arXiv's own
API = "https://export.arxiv.org/api/query"

# Archives that are divided: the name alone is a feed of all parts, yet in the API no paper's category.
_DIVIDED = {"astro-ph", "cond-mat", "cs", "econ", "eess", "math", "nlin", "physics", "q-bio", "q-fin", "stat"}
_PREAMBLE = re.compile(
    r"\s*arXiv:\s?(\S{1,40})\s+Announce\s+Type:\s*([a-z-]{1,20})\s+(?:Abstract:\s*)?", re.IGNORECASE
)
_ABSTRACT = re.compile(r"\s*Abstract:\s", re.IGNORECASE)
_NAMED = re.compile(r"oai:arXiv\.org:", re.IGNORECASE)
_WITHDRAWN = re.compile(
    r"(?:^|[.;:(]\s{0,5})(?:(?:this|the|our)\s)?(?:(?:paper|article|submission|manuscript|preprint|work|version)\s)?"
    r"(?:(?:has|have)\sbeen\s|is\s|was\s)?(?:now\s|temporarily\s)?withdrawn\b(?!\sfrom\s)",
    re.IGNORECASE,
)
_SAID_EARLY = 300  # characters of an abstract; a later "withdrawn" is about something else
_MOST_DOIS = 5


@dataclass(frozen=True, slots=True)
class ArxivBatch:
    """What one answer of arXiv holds."""

    batch: Batch = field(default_factory=Batch)
    day: date | None = None  # of the announcement, in arXiv's own time zone; None from the API
    total: int = 0  # how many there are on all pages; fewer here may mean that another page is to be asked for
    skipped: int = 0  # of other kinds than were asked for, e.g. replacements


def feed_url(categories: Sequence[str], base: str = FEEDS) -> str:
    """Where today's announcements in these categories are told, all in one feed; `stat.*` is all of stat."""
    return f"{(base or FEEDS).rstrip('/')}/{'+'.join(name.removesuffix('.*') for name in categories)}"


def api_url(categories: Sequence[str], since: date, until: date, start: int, count: int, base: str = API) -> str:
    """One page of what was submitted to these categories from `since` to `until`, both included, in UTC.

    Oldest first, so that what is submitted meanwhile moves nothing from one page to another.
    """
    among = " OR ".join(f"cat:{name}.*" if name in _DIVIDED else f"cat:{name}" for name in categories)
    query = {
        "search_query": f"({among}) AND submittedDate:[{since:%Y%m%d}0000 TO {until:%Y%m%d}2359]",
        "sortBy": "submittedDate",
        "sortOrder": "ascending",
        "start": start,
        "max_results": count,
    }
    return f"{base or API}{'&' if '?' in base else '?'}{urlencode(query)}"


def parse_feed(data: bytes, name: str, announced: Collection[str]) -> ArxivBatch:
    """A day's announcements, those of the kinds `announced`: new, cross, replace, replace-cross.

    `name` is what messages call the source. A feed without entries is a day without announcements. Raises
    SourceUnreadable for anything that is no whole feed.
    """
    root = _root(data, name, ("feed", "rss", "RDF"))
    channel = next((one for one in root if local(one) == "channel"), root)
    entries = list(_entries(root))
    day = _first_day(channel, ("pubDate", "published", "date"))
    if day is None and (days := Counter(found for one in entries if (found := _first_day(one, _ENTRY_DAYS)))):
        day = days.most_common(1)[0][0]
    if day is None:  # when it was made: late in arXiv's evening that is tomorrow in UTC
        day = _first_day(channel, ("lastBuildDate", "updated"), partial(utc_day, zone=EASTERN))
    taking = Taking()
    skipped = 0
    for entry in entries:
        summary = _text(entry, "summary") or _text(entry, "description")
        preamble = _PREAMBLE.match(summary)
        kind = _text(entry, "announce_type").lower() or (preamble[2].lower() if preamble else "")
        if kind and kind.replace("replacement", "replace") not in announced:
            skipped += 1
            continue
        abstract = summary[preamble.end() :] if preamble else _ABSTRACT.sub("", summary, count=1)
        named = [_text(entry, "id"), _text(entry, "guid"), *_addresses(entry), preamble[1] if preamble else ""]
        creators = [_all_text(one) for one in entry if local(one) == "creator"]
        authors = [name for creator in creators for name in split_names(creator)]
        _take(entry, taking, named, abstract, authors, day)
    return ArxivBatch(taking.batch(), day, len(entries), skipped)


def parse_api(data: bytes, name: str) -> ArxivBatch:
    """A page of the API's answer. The day of each record is the one of its first version, in UTC.

    Raises SourceUnreadable for what is no whole answer, and for the API's errors, which it tells as a paper.
    """
    root = _root(data, name, ("feed",))
    taking = Taking()
    for entry in _entries(root):
        own_id = _text(entry, "id")
        if "/api/errors" in own_id:
            says = clean(_text(entry, "summary"))[:300] or "an error without words"
            raise unreadable(name, f"arXiv says: {says}", "Look at the categories of this source")
        authors = [_text(author, "name") for author in entry if local(author) == "author"]
        published = _text(entry, "published")
        _take(entry, taking, [own_id, *_addresses(entry)], _text(entry, "summary"), authors, utc_day(published))
    total = _text(root, "totalResults")
    whole = int(total) if total.isascii() and total.isdigit() and len(total) < 10 else 0
    return ArxivBatch(taking.batch(), None, whole)


_ENTRY_DAYS = ("published", "pubDate")


def _root(data: bytes, name: str, roots: tuple[str, ...]) -> Element:
    root = tree(decoded(data), name, mend=False)
    if local(root) not in roots:
        raise unreadable(name, f"it is no feed of arXiv, but a document of the kind <{local(root)}>")
    return root


def _take(
    entry: Element, taking: Taking, named: Iterable[str], abstract: str, authors: Iterable[str], day: date | None
) -> None:
    line = int(entry.sourceline or 0)
    title = " ".join(_text(entry, "title").split())
    own = next((key for one in named if (key := _arxiv_key(one))), None)
    if own is None:
        taking.reject(line, f"there is no arXiv id: {title[:80]!r}")
        return
    if _WITHDRAWN.search(abstract[:_SAID_EARLY]) or _WITHDRAWN.search(_text(entry, "comment")[:2000]):
        taking.reject(line, f"withdrawn: {own.removeprefix('arxiv:')}")
        return
    dois = [doi for one in entry if local(one).lower() == "doi" for doi in _all_text(one).split()[:_MOST_DOIS]]
    keys = (own, *(key for doi in dois if (key := paper_key(f"doi:{doi}")) and key.startswith("doi:")))
    first = [one.get("term") for one in entry if local(one) == "primary_category"]
    others = [one.get("term") or one.text for one in entry if local(one) == "category"]
    taking.add(
        Record(
            title=title,
            abstract=abstract.strip(),
            authors=tidy(" ".join(name.split()) for name in authors),
            keys=tuple(dict.fromkeys(keys)),
            categories=categories_of([*first, *others]),
            day=day,
            line=line,
        )
    )


def _arxiv_key(text: str) -> str | None:
    key = paper_key(_NAMED.sub("", text.strip(), count=1))
    return key if key and key.startswith("arxiv:") else None


def _entries(root: Element) -> Iterator[Element]:
    return (one for one in root.iter() if local(one) in ("entry", "item"))


def _addresses(entry: Element) -> Iterator[str]:
    for one in entry:
        if local(one) == "link":
            yield one.get("href") or one.text or ""


def _first_day(element: Element, names: Iterable[str], read: Callable[[str], date | None] = day_in) -> date | None:
    return next((day for name in names if (day := read(_text(element, name)))), None)


def _text(element: Element, name: str) -> str:
    """The text of the first child of this name; "" if there is none."""
    return next((_all_text(one) for one in element if local(one) == name), "")


def _all_text(element: Element) -> str:
    return "".join(element.itertext()).strip()
