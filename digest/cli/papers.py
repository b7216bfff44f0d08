"""`digest papers` and `digest paper`: what the store knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from digest.cli.common import Day, Json, app, load_config, note, opened, row, say, say_json, show, table
from digest.cli.sparkline import sparkline
from digest.errors import AmbiguousPaper, NoSuchPaper
from digest.fingerprint import fingerprint
from digest.model import Listing, Paper
from digest.sources.identity import paper_key, title_key
from digest.store import listings, papers, search
from digest.store.listings import Count
from digest.store.opening import Store
from digest.store.search import Reach
from digest.text import clean, count

MOST_NAMED = 10  # papers that an ambiguous title may mean
MOST_COUNTS = 30  # bars of a row of votes


@app.command(name="papers", epilog="Example: digest papers tool use --source hf")
def papers_list(
    query: Annotated[
        list[str] | None, typer.Argument(help="Words that stand in title, abstract or authors.", metavar="QUERY")
    ] = None,
    day: Day = None,
    source: Annotated[
        str | None,
        typer.Option(help="Of this source; “page” is any saved page.", metavar="NAME"),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000, metavar="N")] = 30,
    json: Json = False,
) -> None:
    """Papers that sources listed, the newest first.

    With QUERY only those that have each of its words, as a whole or within others, in title, abstract or authors.
    """
    words = clean(" ".join(query or [])).split(" ") if query else []
    config = load_config()
    if source in {one.name for one in config.sources if one.kind == "pages"}:
        source = "page"  # a page is a page, whoever took it
    with opened(config, create=False) as store, store.read() as connection:
        ids = search.find(connection, [one for one in words if one], limit + 1, day=day, source=source)
        more, ids = len(ids) > limit, ids[:limit]
        known = {one.id: one for one in papers.by_ids(connection, ids)}
        listed = search.listed(connection, ids)
    if json:
        say_json([_brief(known[i], listed.get(i, [])) for i in ids])
        return
    if not ids:
        say("no paper was found")
        return
    made = table("key", "title", "listed", "votes", right=["votes"], wide={"title": 1})
    for i in ids:
        there = listed.get(i, [])
        days = sorted({one.day for one in there})
        others = f" +{len(days) - 1}" if len(days) > 1 else ""
        votes = most_votes(there)
        row(made, short_key(known[i]), known[i].title, f"{days[-1]}{others}", "" if votes is None else votes)
    show(made)
    if more:
        note(f"there are more; --limit {limit * 10} shows them, or further words fewer")


@app.command(epilog="Example: digest paper 2502.12345")
def paper(
    key: Annotated[
        list[str], typer.Argument(help="An arXiv id, DOI, link, key, or a title or part of it.", metavar="KEY")
    ],
    json: Json = False,
) -> None:
    """All that the store knows of one paper.

    Where it was listed, its votes over time, and how many readers were sent it and what they said, without names.
    """
    with opened(load_config(), create=False) as store:
        found = find(store, clean(" ".join(key)))
        with store.read() as connection:
            there = search.listed(connection, [found.id]).get(found.id, [])
            counts = listings.votes(connection, found.id)
            reach = search.reach(connection, found.id)
    if json:
        say_json(_whole(found, there, counts, reach))
        return
    say(found.title)
    if found.authors:
        say(", ".join(found.authors))
    say()
    for label, values in (
        ("keys", [", ".join(found.keys)]),
        ("categories", [", ".join(found.categories)] if found.categories else []),
        ("links", [link.url for link in found.links]),
    ):
        for number, value in enumerate(values):
            say(f"{label if not number else '':<12}{value}")
    if found.abstract:
        say()
        say(found.abstract)
    say()
    if not there:
        say("No source listed it.")
    else:
        made = table(
            "listed by", "day", "place", "votes", "over time", right=["place", "votes"], wide={"listed by": 1}
        )
        for one in there:
            votes = "" if one.votes is None else one.votes
            row(made, one.source, one.day, f"{one.position}/{one.size}", votes, over_time(one, counts))
        show(made)
    say()
    said = ", ".join(f"{kind} by {number}" for kind, number in sorted(reach.said.items()))
    say(f"Sent to {count(reach.sent, 'subscriber')}" + (f"; {said}" if said else "") + ".")


def find(store: Store, text: str) -> Paper:
    """The paper that a text names: an arXiv id, a DOI, a link or key, a title, or a part of one title alone.

    Raises `NoSuchPaper`, `AmbiguousPaper`.
    """
    key = paper_key(text) or title_key(text)
    with store.read() as connection:
        ids = set(papers.ids_by_key(connection, [key]).values()) if fingerprint(text) else set()
        if not ids and not paper_key(text):
            ids = set(search.titled(connection, text, MOST_NAMED + 1))
        found = papers.by_ids(connection, {search.canonical(connection, one) for one in ids})
        if len(found) == 1:
            return found[0]
    if not found:
        raise NoSuchPaper(name=text or "''", nearest=" `digest papers WORD…` looks for words.")
    # A paper without an id is named by its whole title.
    named = "".join(f"\n  {one.title}{_known_by(one)}" for one in found[:MOST_NAMED])
    number = len(found) if len(found) <= MOST_NAMED else f"more than {MOST_NAMED}"
    raise AmbiguousPaper(name=f"“{text}”", number=number, candidates=named)


def short_key(one: Paper) -> str:
    """An arXiv id or DOI as people write it; else as much of the title's key as names it."""
    key = one.keys[0] if one.keys else ""  # in the order of the alphabet: arxiv, doi, title
    return key if not key.startswith("title:") else key[:24] + ("…" if len(key) > 24 else "")


def _known_by(one: Paper) -> str:
    key = one.keys[0] if one.keys else "title:"
    return "" if key.startswith("title:") else f" ({key})"


def most_votes(there: Sequence[Listing]) -> int | None:
    return max((one.votes for one in there if one.votes is not None), default=None)


def over_time(one: Listing, counts: Sequence[Count]) -> str:
    """ "▂▅█ 3→41 in 5 d": a bar for each count that differed from the one before."""
    mine = [each for each in counts if (each.source, each.day) == (one.source, one.day)]
    if len(mine) < 2:
        return ""
    first, last = mine[0], mine[-1]
    step = -(-len(mine) // MOST_COUNTS)
    shown = [*mine[:-1:step], last]
    took = last.at - first.at
    minutes = took.seconds // 60
    within = f"{took.days} d" if took.days else f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
    return f"{sparkline([each.votes for each in shown])} {first.votes}→{last.votes} in {within}"


def _brief(one: Paper, there: Sequence[Listing]) -> dict[str, object]:
    return {
        "keys": list(one.keys),
        "title": one.title,
        "authors": list(one.authors),
        "listings": [asdict(each) for each in there],
        "votes": most_votes(there),
    }


def _whole(one: Paper, there: Sequence[Listing], counts: Sequence[Count], reach: Reach) -> dict[str, object]:
    return _brief(one, there) | {
        "abstract": one.abstract,
        "categories": list(one.categories),
        "links": [asdict(link) for link in one.links],
        "votes_over_time": [asdict(each) for each in counts],
        "sent_to": reach.sent,
        "said": reach.said,
    }
