"""A Zotero library as JSON (the API's items, Better BibTeX JSON) or CSL JSON → the papers in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from digest.library.material import Item, Unusable, moment, paper
from digest.model import Rejected

START = re.compile(r"\s*(?:\[\s*(?:\{|\])|\{\s*[\"}])")
_LIST = re.compile(r"\s*(?:\[|\{(?:.*?[,{])?\s*\"items\"\s*:\s*\[)", re.DOTALL)
_SPACE = re.compile(r"[\s,]*")
_NOT_PAPERS = ("attachment", "note", "annotation")
_ARXIV = re.compile(
    r"(?i:arxiv(?: id)?:\s*)([a-z-]+(?:\.[A-Z]{2})?/\d{7}|\d{4}\.\d{4,5})(?:v\d+)?(?:\s*\[([\w.-]+)\])?"
)
_DOI = re.compile(r"(?im)^\s*doi:\s*(10\.\S+)")


def parse(text: str) -> tuple[list[Item], list[Rejected]]:
    """Every item in its order, and what cannot be taken, with its line; notes and attachments are passed over."""
    items: list[Item] = []
    rejected: list[Rejected] = []
    for line, value in _values(text):
        try:
            if isinstance(value, _Broken):
                raise Unusable(str(value))
            if not isinstance(value, dict):
                raise Unusable(f"not an item, but {json.dumps(value, ensure_ascii=False)[:40]}")
            data = value.get("data", value)
            if not isinstance(data, dict):
                raise Unusable("an item without data")
            if data.get("itemType") not in _NOT_PAPERS:
                items.append(_item(data, line))
        except Unusable as error:
            rejected.append(Rejected(line, str(error)))
    return items, rejected


class _Broken(ValueError):
    """Where the text is no JSON any more."""


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """(line, value) of each value in the list; the last may be a `_Broken`."""
    found = _LIST.match(text)
    if not found:
        yield 1, _Broken("no list of items; export the library as Zotero JSON, CSL JSON or BibTeX")
        return
    decoder = json.JSONDecoder()
    counted, line = 0, 1
    at = found.end()
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        line += text.count("\n", counted, at)
        counted = at
        if text.startswith("]", at):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except RecursionError:
            yield line, _Broken("nested too deeply; nothing after it was read")
            return
        except ValueError as error:
            where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
            what = "the file ends in the middle" if at >= len(text) else f"broken JSON{where}"
            yield line, _Broken(f"{what}; nothing after it was read")
            return
        yield line, value


def _item(data: Mapping[str, Any], line: int) -> Item:
    def text(*names: str) -> str:
        return next((one for name in names if isinstance(one := data.get(name), str) and one.strip()), "")

    extra = text("extra", "note")
    places = [text("archiveID"), text("number"), text("reportNumber"), extra[:2000]]
    hidden = [found for place in places for found in _ARXIV.finditer(place)]
    dois = [found[1] for found in _DOI.finditer(extra[:2000])]
    made = paper(
        text("title"),
        text("abstractNote", "abstract"),
        _authors(data.get("creators") or data.get("author")),
        [text("url", "URL"), *(found[1] for found in hidden), text("DOI", "doi"), *dois],
        [found[2] for found in hidden if found[2]],
    )
    return Item(made, line, moment(text("dateAdded")) or _accessed(data.get("accessed")))


def _authors(people: object) -> list[str]:
    names = []
    for one in people if isinstance(people, list) else ():
        if isinstance(one, dict) and one.get("creatorType", "author") == "author":
            parts = [one.get("firstName") or one.get("given"), one.get("non-dropping-particle")]
            parts += [one.get("lastName") or one.get("family") or one.get("name") or one.get("literal")]
            names.append(" ".join(part for part in parts if isinstance(part, str)))
    return names


def _accessed(value: object) -> datetime | None:
    """CSL's `{"date-parts": [[2026, 3, 14]]}`."""
    try:
        year, month, day = (int(part) for part in value["date-parts"][0][:3])  # type: ignore[index]
        return datetime(year, month, day, tzinfo=UTC)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        return None
