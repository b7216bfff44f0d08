"""The data that a page of daily papers carries for its own scripts → its papers, and its day. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from digest.sources.items import MOST_VOTES, Item

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NAME = re.compile(r"[\w./-]{1,100}")


def read_data(texts: list[str]) -> tuple[list[Item], list[str]]:
    """The papers in their order, and the days that are said of the whole list, as "2026-03-14".

    What is not JSON, or not of the known form, is left out: the page shows its papers as well.
    """
    items: list[Item] = []
    days: list[str] = []
    for text in dict.fromkeys(texts):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        for listed in _lists(found):
            items += [item for entry in listed["dailyPapers"] if (item := _item(entry))]
            day = listed.get("dateString")
            # Of a week or a month the string is none of a day, and a paper's own times say when it was written.
            if listed.get("periodType", "day") == "day" and isinstance(day, str) and _DAY.match(day):
                days.append(day[:10])
    return items, days


def _lists(data: object) -> Iterator[dict[str, Any]]:
    """Every object that holds a list of daily papers, in the order of the text."""
    waiting = [data]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("dailyPapers"), list):
                yield one
            else:
                waiting += reversed(one.values())
        elif isinstance(one, list):
            waiting += reversed(one)


def _item(entry: object) -> Item | None:
    if not isinstance(entry, dict):
        return None
    paper = entry.get("paper")
    both = (paper, entry) if isinstance(paper, dict) else (entry,)

    def first(name: str) -> str:
        return next((value for one in both if isinstance(value := one.get(name), str) and value.strip()), "")

    name = first("id").strip()
    votes = next((one["upvotes"] for one in both if "upvotes" in one), None)
    return Item(
        name=name if _NAME.fullmatch(name) else "",
        title=first("title"),
        abstract=first("summary"),
        authors=_authors(next((one["authors"] for one in both if "authors" in one), None)),
        links=tuple(url for url in (first("githubRepo"), first("projectPage")) if url),
        votes=votes if type(votes) is int and 0 <= votes <= MOST_VOTES else None,
        withdrawn=first("withdrawnAt"),
    )


def _authors(found: object) -> tuple[str, ...]:
    """The names, but for those whom the site was asked to hide."""
    names = []
    for author in found if isinstance(found, list) else ():
        name = author if isinstance(author, str) else None
        if isinstance(author, dict) and not author.get("hidden"):
            name = author.get("name")
        if isinstance(name, str):
            names.append(name)
    return tuple(names)
