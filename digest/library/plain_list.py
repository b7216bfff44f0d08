"""A list of arXiv ids, DOIs, links and titles, one a line → the papers in it."""

from __future__ import annotations

import re

from digest.library.material import Item, Unusable, paper
from digest.model import Rejected
from digest.sources.identity import paper_key

_BULLET = re.compile(r"^(?:[-*•]|\d{1,5}[.)])\s+")
_LINK = re.compile(r"(?i)(?:https?://|www\.)\S+")


def parse(text: str) -> tuple[list[Item], list[Rejected]]:
    """A paper a line. A line may have an identifier and then a title; what follows a `#` is a comment."""
    items: list[Item] = []
    rejected: list[Rejected] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = _BULLET.sub("", raw.strip())
        if not line or line.startswith("#"):
            continue
        try:
            items.append(Item(paper(*_title_and_identifier(line)), number))
        except Unusable as error:
            rejected.append(Rejected(number, str(error)))
    return items, rejected


def _title_and_identifier(line: str) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    whole = re.split(r"\s#", line, maxsplit=1)[0].strip()
    if (key := paper_key(whole)) and not key.startswith("title:"):
        return "", "", (), (whole,)
    first, _, rest = line.partition(" ") if " " in line else line.partition("\t")
    identifier = first.strip(",;:")
    if (key := paper_key(identifier)) and not key.startswith("title:"):
        title = rest.strip(" \t-–—:,;")
        return "" if title.startswith("#") else title, "", (), (identifier,)
    if _LINK.fullmatch(whole):
        raise Unusable(f"{whole[:80]} names no arXiv id or DOI; give the title")
    return line, "", (), ()
