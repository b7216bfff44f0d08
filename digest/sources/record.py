"""What a source tells of a paper → the paper as we show it, and a fold of it by which it is known again. Pure."""

from __future__ import annotations

from hashlib import blake2b
from urllib.parse import quote

from digest.latex import readable
from digest.model import Entry, Link, Paper, Record
from digest.sources.identity import title_key
from digest.sources.markup import plain
from digest.sources.weblinks import links_in

MOST_AUTHORS = 5_000  # the largest collaborations have some 3,000
LONGEST_ABSTRACT = 20_000  # characters; what is longer is a paper, not its abstract


def told(entry: Entry) -> Record:
    """An entry of a saved page, which is read line by line, as a record."""
    paper = entry.paper
    return Record(paper.title, paper=paper, position=entry.position, votes=entry.votes, line=entry.line)


def fold(record: Record) -> bytes:
    """16 bytes that stand for what a record says of its paper: all but its place, day and votes."""
    if (paper := record.paper) is not None:
        words = (paper.raw_title or paper.title, paper.raw_abstract or paper.abstract)
        said = (*words, *paper.authors, "", *paper.keys, "", *paper.categories)
        links = paper.links
    else:
        said = (record.title, record.abstract, *record.authors, "", *record.keys, "", *record.categories)
        links = record.links
    parts = [*said, *(f"{link.label} {link.url}" for link in links), "html" if record.html else ""]
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def paper_of(record: Record) -> Paper:
    """The paper that a record tells of: readable, with links that follow from an arXiv id, its title's key last."""
    if record.paper is not None:
        return record.paper
    title, abstract = record.title, record.abstract[:LONGEST_ABSTRACT]
    raw = (title, abstract)
    if record.html:
        title, abstract = plain(title), plain(abstract)
    return Paper(
        title=readable(title),
        abstract=readable(abstract),
        authors=tuple(name for one in record.authors[:MOST_AUTHORS] if (name := readable(one))),
        links=_links(record, abstract),
        keys=(*record.keys, title_key(title)),
        raw_title=raw[0],
        raw_abstract=raw[1],
        categories=record.categories,
    )


def _links(record: Record, abstract: str) -> tuple[Link, ...]:
    """One of each kind: what the source gives, what follows from the keys, and code that the abstract names."""
    links = {link.label: link for link in reversed(record.links)}
    if "code" not in links and "git" in abstract:
        links |= {link.label: link for link in reversed(links_in(abstract)) if link.label == "code"}
    for key in record.keys:
        if key.startswith("arxiv:"):
            number = key.removeprefix("arxiv:")
            links.setdefault("abstract", Link("abstract", f"https://arxiv.org/abs/{number}"))
            links.setdefault("pdf", Link("pdf", f"https://arxiv.org/pdf/{number}"))
    doi = next((key.removeprefix("doi:") for key in record.keys if key.startswith("doi:")), "")
    if doi and not links.keys() & {"abstract", "page"}:
        links["page"] = Link("page", f"https://doi.org/{quote(doi, safe='/:;()', errors='replace')}")
    return tuple(links[label] for label in ("abstract", "pdf", "code", "page") if label in links)
