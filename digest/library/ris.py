"""A RIS file → the papers in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rispy import RisParser

from digest.library.material import Item, Unusable, moment, paper
from digest.model import Rejected
from digest.text import clean

START = re.compile(r"^[ \t\ufeff]*TY {1,2}-(?: |$)", re.MULTILINE)
# Some programs write one space too few, and some leave out the one after the dash.
_TAG = re.compile(r"([A-Z][A-Z0-9]) {1,2}-(?: |$)")
_TITLES = ("title", "primary_title", "translated_title")


def parse(text: str) -> tuple[list[Item], list[Rejected]]:
    """Every entry in its order, and what cannot be taken, with its line."""
    items: list[Item] = []
    rejected: list[Rejected] = []
    for line, lines in _records(text):
        try:
            # One record at a time: rispy loses one without its ER line, and names no lines.
            record = RisParser(skip_unknown_tags=True).parse("\n".join([*lines, "ER  - "]))[0]
            items.append(_item(record, line))
        except Unusable as error:
            rejected.append(Rejected(line, str(error)))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            rejected.append(Rejected(line, f"broken: {clean(lines[0])[:60]!r}"))
    return items, rejected


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, lines) of each record, from its TY to the line before its ER or the next TY.

    A value that goes on over several lines is one line here.
    """
    start, lines = 0, list[list[str]]()
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.lstrip("\ufeff \t")
        tag = _TAG.match(line)
        if tag and tag[1] in ("TY", "ER"):
            if lines:
                yield start, [" ".join(parts) for parts in lines]
            start, lines = number, [[f"TY  - {line[tag.end() :]}"]] if tag[1] == "TY" else []
        elif lines and tag:
            lines.append([f"{tag[1]}  - {line[tag.end() :]}"])
        elif lines and line:
            lines[-1].append(line)
    if lines:
        yield start, [" ".join(parts) for parts in lines]


def _item(record: dict[str, Any], line: int) -> Item:
    def text(*names: str) -> str:
        return next((str(record[name]) for name in names if str(record.get(name) or "").strip()), "")

    authors = [*record.get("authors", ()), *record.get("first_authors", ())]
    identifiers = [text("doi"), *record.get("urls", ()), text("accession_number"), text("number")]
    made = paper(
        text(*_TITLES), text("abstract", "notes_abstract"), [_turned(name) for name in authors], identifiers
    )
    return Item(made, line, moment(text("access_date")))


def _turned(name: str) -> str:
    """`Fekete, Béla, Jr.` → Béla Fekete Jr."""
    family, _, rest = name.partition(",")
    given, _, suffix = rest.partition(",")
    return f"{given.strip()} {family.strip()} {suffix.strip()}"
