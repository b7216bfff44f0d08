"""Hugging Face's daily papers: the JSON of `/api/daily_papers` → records. Pure."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

from digest.errors import SourceUnreadable
from digest.model import Batch, Record
from digest.sources.identity import paper_key
from digest.sources.jsontext import document
from digest.sources.names import tidy
from digest.sources.taking import Taking, links_of, sound, text_of, votes_of, web_link
from digest.text import clean

BASE = "https://huggingface.co/api/daily_papers"
PAGE = 50  # papers of one answer; there is no more of a day with fewer
_LONGEST_MESSAGE = 200  # characters of what the server says


def url(base: str, day: date, page: int = 0) -> str:
    """Where the papers of a day are told, page by page; `base` "" is Hugging Face's own address."""
    base = base or BASE
    query = {"date": day.isoformat()} | ({"p": str(page)} if page else {})
    return f"{base}{'&' if '?' in base else '?'}{urlencode(query)}"


def parse(data: bytes, name: str, day: date, before: int = 0) -> Batch:
    """One page of an answer, asked for `day`; `name` is what messages call the source, `before` how many papers
    stand on the pages before it.

    The day of each record is `day`: the times in the answer are of papers, not of the listing, and one of them is
    New York's time called UTC. An empty list is a day without papers. Raises SourceUnreadable for what is no list.
    """
    items = document(data, name)
    if isinstance(items, dict) and "error" in items:
        raise SourceUnreadable(
            source=name, detail=f"the server says: {clean(str(items['error']))[:_LONGEST_MESSAGE]}"
        )
    if not isinstance(items, list):
        raise SourceUnreadable(source=name, detail="its answer is no list of papers")
    taking = Taking()
    for position, item in enumerate(items, before + 1):
        _take(item, position, day, taking)
    return taking.batch()


def _take(item: Any, position: int, day: date, taking: Taking) -> None:
    paper = item.get("paper") if isinstance(item, dict) else None
    if not isinstance(paper, dict):
        taking.reject(position, f"entry {position} has no paper")
        return
    if withdrawn := paper.get("withdrawnAt"):
        on = f" on {clean(withdrawn)[:10]}" if isinstance(withdrawn, str) else ""
        taking.reject(position, f"entry {position}: withdrawn{on}")
        return
    title = text_of(paper.get("title")) or text_of(item.get("title"))
    own_id = paper.get("id")
    key = paper_key(own_id) if isinstance(own_id, str) else None
    authors = paper.get("authors")
    taking.add(
        Record(
            title=" ".join(title.split()),
            abstract=(text_of(paper.get("summary")) or text_of(item.get("summary"))).strip(),
            authors=tidy(_name(one) for one in authors) if isinstance(authors, list) else (),
            keys=(sound(key),) if key else (),
            links=links_of(web_link("code", paper.get("githubRepo")), web_link("page", paper.get("projectPage"))),
            day=day,
            position=position,
            votes=votes_of(paper.get("upvotes")),
            line=position,
        )
    )


def _name(author: Any) -> str:
    if isinstance(author, dict):
        return "" if author.get("hidden") else text_of(author.get("name"))
    return text_of(author)
