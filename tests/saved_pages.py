"""Pages of daily papers as a browser saves them, with invented papers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from html import escape
from typing import Any


@dataclass(frozen=True)
class Shown:
    """One paper of such a page."""

    name: str
    title: str  # text, as in the data; a card escapes it
    abstract: str = ""
    authors: tuple[str, ...] = ()
    votes: int | None = None
    more: tuple[tuple[str, Any], ...] = ()  # of the paper's data: githubRepo, withdrawnAt, …

    def but(self, **changes: Any) -> Shown:
        return replace(self, **changes)


OAKS = Shown(
    "2603.10001",
    "SlowOak: Measuring Garden Growth with Forty Trees",
    "Oaks grow slowly, and nobody has measured how slowly in gardens.\nWe planted forty of them behind a library "
    "and watered every second row. Over nine years the watered trees gain 12\\% on the dry ones.",
    ("Ada Oak", "Bo Elm"),
    73,
    (("githubRepo", "https://github.com/oak/slow"), ("projectPage", "https://oaks.example.org/")),
)
CLOCKS = Shown(
    "2603.10002",
    "Do Harbour Clocks & Bells Drift with the Moon?",
    "Harbour clocks drift with salt and wind, which makes them poor instruments. We compare eleven northern ports "
    "and separate the tide from the weather with a filter of two parameters.",
    ("Cy Ash",),
    1204,
)
LOOM = Shown(
    "2603.10003",
    r"Loom-$\infty$: Weaving without an End",
    "Weaving machines stop when a spool is empty. We present a loom that splices the next spool while it runs, and "
    "show that careful knots cost only 3% of the strength.",
    ("Di Yew", "Ed Fir"),
    0,
)
DAY = [OAKS, CLOCKS, LOOM]


def data(papers: list[Shown], day: str = "2026-03-14", **more: object) -> str:
    """The page's data for its own scripts, as an attribute has it."""
    entries = []
    for one in papers:
        authors = [{"name": name, "hidden": False} for name in one.authors]
        paper = {"id": one.name, "title": one.title, "summary": one.abstract, "authors": authors, **dict(one.more)}
        paper |= {} if one.votes is None else {"upvotes": one.votes}
        # This moment is the one of another zone: never the page's day.
        entries.append({"paper": paper, "title": one.title, "publishedAt": "2026-03-09T23:11:00.000Z"})
    return escape(json.dumps({"dailyPapers": entries, "periodType": "day", "dateString": day} | more))


def card(one: Shown, site: str = "https://huggingface.co") -> str:
    votes = "-" if one.votes is None else f"{one.votes / 1000:.1f}k" if one.votes > 999 else one.votes
    home = f"{site}/papers/{one.name}"
    return f"""<article class="q1"><a href="{home}" class="q2"><img src="page_files/{one.name}.png"></a>
<div><div><a href="{site}/login?next=%2Fpapers%2F{one.name}"><svg></svg><div>{votes}</div></a></div>
<h3><a class="q3" href="{home}">{escape(one.title)}</a></h3>
<div>Submitted by <a href="{site}/birch"><img alt=""> birch</a></div>
<a href="{home}"><ul><li title="birch"></li></ul><span>·</span> {max(len(one.authors), 1)} authors</a>
<a href="{home}#community"><svg></svg> 3</a></div></article>"""


def daily_page(
    papers: list[Shown], *, told: str | None = None, day: str = "2026-03-14", printed: str = "Mar 14"
) -> str:
    """The page; `told` is its data, by default those of its papers; "" is a page without."""
    told = data(papers, day) if told is None else told
    cards = "\n".join(map(card, papers))
    props = f'<div data-props="{told}" class="contents"></div>' if told else ""
    return f"""<!DOCTYPE html>
<!-- saved from url=(0044)https://huggingface.co/papers/date/{day} -->
<html lang="en"><head><meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
<title>Daily Papers - Hugging Face</title><script>document.write("<h3>no paper</h3>")</script></head>
<body><header><a href="https://huggingface.co/papers">Daily Papers</a> <a href="/login">Log In</a></header>
<main>{props}<h1>Daily Papers</h1><p>by AK and the research community</p>
<div><a href="https://huggingface.co/papers/date/2026-03-13"><svg></svg></a><div>{printed}</div></div>
<section><div>
{cards}
</div></section></main>
<footer><p>Company</p><a href="https://arxiv.org/abs/1706.03762">Transformers</a></footer></body></html>
"""
