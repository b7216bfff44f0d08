"""Answers of sources, as they write them, of invented papers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from html import escape


@dataclass(frozen=True)
class Told:
    """A paper as a source tells of it."""

    number: str  # at arXiv
    title: str
    abstract: str
    votes: int | None = None
    day: date | None = None


TIDES = Told(
    "2603.00001",
    "Tides in Narrow Estuaries",
    "We measure how tides travel up narrow estuaries and compare the heights with a model of friction on the bed.",
)
BREAD = Told(
    "2603.00002",
    "Gas Cells in Rising Bread",
    "Bubbles in dough grow while it rests. With a scanner we follow each gas cell and count which of them merge.",
)
KNOTS = Told(
    "2603.00003",
    "Knots That Hold Wet Rope",
    "A wet rope slips where a dry one holds. We pull forty knots until they fail and rank them by force.",
)
OWLS = Told(
    "2603.00004",
    "Silent Flight in Owls",
    "The fringe of an owl's wing breaks up small eddies. Recordings in a hangar show at which speeds it is heard.",
)


def daily(*papers: Told) -> bytes:
    """Daily papers of a day, as Hugging Face's API gives them."""
    return json.dumps(
        [
            {
                "paper": {
                    "id": one.number,
                    "title": one.title,
                    "summary": one.abstract,
                    "authors": [{"name": "Ada Example", "hidden": False}],
                    "publishedAt": "2026-03-01T00:00:00.000Z",
                }
                | ({} if one.votes is None else {"upvotes": one.votes}),
                "title": one.title,
                "summary": one.abstract,
                "publishedAt": "2026-03-01T00:00:00.000Z",
            }
            for one in papers
        ]
    ).encode()


def announced(day: date, *papers: Told) -> bytes:
    """arXiv's feed of a day's announcements."""
    entries = "".join(
        f"""<entry><id>oai:arXiv.org:{one.number}v1</id><title>{escape(one.title)}</title>
<updated>{day}T04:00:00+00:00</updated><published>{day}T00:00:00-04:00</published>
<link href="https://arxiv.org/abs/{one.number}" rel="alternate" type="text/html"/>
<summary>arXiv:{one.number}v1 Announce Type: new \nAbstract: {escape(one.abstract)}</summary>
<category term="cs.CL"/><arxiv:announce_type>new</arxiv:announce_type>
<dc:creator>Ada Example, Bob Sample</dc:creator>
</entry>"""
        for one in papers
    )
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xml:lang="en-us">
<id>http://rss.arxiv.org/atom/cs.CL</id><title>cs.CL updates on arXiv.org</title>
<updated>{day}T04:00:00.000000+00:00</updated>{entries}</feed>""".encode()


def submitted(*papers: Told, total: int | None = None, start: int = 0) -> bytes:
    """arXiv's query API: each paper with the day of its submission."""
    entries = "".join(
        f"""<entry><id>http://arxiv.org/abs/{one.number}v1</id><updated>{one.day}T12:00:00Z</updated>
<published>{one.day}T12:00:00Z</published><title>{escape(one.title)}</title><summary>{escape(one.abstract)}</summary>
<author><name>Ada Example</name></author>
<arxiv:primary_category xmlns:arxiv="http://arxiv.org/schemas/atom" term="cs.CL"/><category term="cs.CL"/>
<link href="http://arxiv.org/abs/{one.number}v1" rel="alternate" type="text/html"/></entry>"""
        for one in papers
    )
    return _api(entries, len(papers) if total is None else total, start)


def api_error(words: str) -> bytes:
    """What arXiv's API answers to what it cannot do: an ordinary entry."""
    return _api(
        f"""<entry><id>http://arxiv.org/api/errors#wrong</id><title>Error</title><summary>{escape(words)}</summary>
<updated>2026-03-01T00:00:00-05:00</updated><author><name>arXiv api core</name></author></entry>""",
        1,
        0,
    )


def _api(entries: str, total: int, start: int) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title type="html">ArXiv Query</title><id>http://arxiv.org/api/x</id>
<updated>2026-03-01T00:00:00-05:00</updated>
<opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{total}</opensearch:totalResults>
<opensearch:startIndex xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{start}</opensearch:startIndex>
{entries}</feed>""".encode()


def rss(*papers: Told) -> bytes:
    """A journal's feed; an entry without a day says none."""
    items = "".join(
        f"<item><title>{escape(one.title)}</title><link>https://journal.example/{one.number}</link>"
        f"<description>&lt;p&gt;{escape(escape(one.abstract))}&lt;/p&gt;</description>{_dated(one)}</item>"
        for one in papers
    )
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>A Journal</title>{items}</channel></rss>'.encode()
    )


def _dated(one: Told) -> str:
    return f"<pubDate>{format_datetime(datetime.combine(one.day, time(9), UTC))}</pubDate>" if one.day else ""


def lines(papers: Sequence[Told]) -> bytes:
    """JSON lines."""
    rows = []
    for one in papers:
        told: dict[str, object] = {"arxiv_id": one.number, "title": one.title, "abstract": one.abstract}
        told |= {"date": str(one.day)} if one.day else {}
        rows.append(json.dumps(told))
    return ("\n".join(rows) + "\n").encode()
