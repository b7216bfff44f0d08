"""A paper as a page on the web tells of it, on its way to be a `Paper`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from digest.latex import readable
from digest.model import Link, Paper
from digest.sources.identity import paper_key, title_key
from digest.sources.weblinks import links_in, web_link
from digest.text import clean

MOST_VOTES = 2**31 - 1  # what the store's numbers hold


@dataclass(frozen=True, slots=True)
class Item:
    """Text is as the source has it. What a source does not say is empty; votes that it does not say are None."""

    name: str  # the paper's name on the site, an arXiv id as a rule
    title: str = ""
    abstract: str = ""
    authors: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    votes: int | None = None
    withdrawn: str = ""  # when
    headed: bool = True  # its title stands in a heading, or in data

    @property
    def key(self) -> str:
        """The sure key; "" where the name is no arXiv id."""
        key = paper_key(self.name)
        return key if key and key.startswith("arxiv:") else ""


def paper_of(item: Item) -> Paper:
    """Its links: the abstract's page and the PDF by the arXiv id, then what the source and the abstract name."""
    identifier = item.key.removeprefix("arxiv:")
    at_arxiv: list[Link] = []
    if identifier:
        at_arxiv.append(Link("abstract", f"https://arxiv.org/abs/{identifier}"))
        at_arxiv.append(Link("pdf", f"https://arxiv.org/pdf/{identifier}"))
    told = (link for url in item.links if (link := web_link(url.strip())))
    links = {link.url: link for link in (*at_arxiv, *told, *links_in(item.abstract))}
    title, abstract = item.title.strip(), item.abstract.strip()
    return Paper(
        title=readable(title),
        abstract=readable(abstract),
        authors=tuple(dict.fromkeys(name for author in item.authors if (name := clean(author)))),
        links=tuple(links.values()),
        keys=(*([item.key] if item.key else []), title_key(title)),
        raw_title=title,
        raw_abstract=abstract,
    )
