"""A BibTeX or BibLaTeX file → the papers in it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from bibtexparser.entrypoint import parse_string
from bibtexparser.library import Library as Blocks
from bibtexparser.middlewares import RemoveEnclosingMiddleware, ResolveStringReferencesMiddleware
from bibtexparser.middlewares.names import parse_single_name_into_parts, split_multiple_persons_names
from bibtexparser.model import Block, Entry, ParsingFailedBlock, String

from digest.library.material import MOST_AUTHORS, Item, Unusable, moment, paper
from digest.model import Rejected
from digest.text import clean

# It logs what it also returns; we tell the user ourselves.
logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)

START = re.compile(r"^[ \t]*@[ \t]*\w+[ \t]*[{(]", re.MULTILINE)
# Where an arXiv id hides that has no field of its own: `journal = {arXiv preprint arXiv:2502.12345}`, and
# `volume = {abs/2502.12345}`.
_HIDDEN_IN = ("journal", "journaltitle", "volume", "note", "howpublished", "number", "pages")
_HIDDEN = re.compile(r"(?i:arxiv:\s*|arxiv\.org/abs/|\babs/)([a-z-]+(?:\.[A-Z]{2})?/\d{7}|\d{4}\.\d{4,5})")
# DBLP's `timestamp` says when DBLP changed the record; it is in another form, and so is not taken for a date.
_ADDED = ("date-added", "creationdate", "timestamp")


def parse(text: str) -> tuple[list[Item], list[Rejected]]:
    """Every entry in its order, and what cannot be taken, with its line."""
    blocks = parse_string(text, parse_stack=[]).blocks
    items: list[Item] = []
    rejected: list[Rejected] = []
    for entry in _entries(blocks, rejected):
        line = (entry.start_line or 0) + 1
        try:
            items.append(_item(entry, line))
        except Unusable as error:
            rejected.append(Rejected(line, f"{clean(entry.key)[:60]}: {error}"))
    return items, sorted(rejected, key=lambda one: one.line)


def _entries(blocks: Iterable[Block], rejected: list[Rejected]) -> list[Entry]:
    """The entries with their values filled in. Two entries with one citation key are two entries."""
    entries: list[Entry] = []
    strings: dict[str, String] = {}
    for block in blocks:
        inner = block.ignore_error_block if isinstance(block, ParsingFailedBlock) else block
        if isinstance(inner, Entry):
            entries.append(inner)
        elif isinstance(inner, String):
            strings[inner.key.lower()] = inner
        elif isinstance(block, ParsingFailedBlock):
            start = clean((block.raw or "")[:40])
            why = f"broken from here on: {start!r} … has no end, or a sign is missing"
            rejected.append(Rejected((block.start_line or 0) + 1, why))
    names = [entry.key for entry in entries]
    for number, entry in enumerate(entries):
        entry.key = str(number)
    filled = Blocks([*strings.values(), *entries], fail_on_duplicate_key=False)
    for middleware in (ResolveStringReferencesMiddleware(), RemoveEnclosingMiddleware()):
        filled = middleware.transform(filled)
    for entry, name in zip(filled.entries, names, strict=True):
        entry.key = name
    return filled.entries


def _item(entry: Entry, line: int) -> Item:
    fields: dict[str, str] = {}
    for field in entry.fields:
        fields.setdefault(field.key.lower(), str(field.value))

    def get(*names: str) -> str:
        return next((fields[name] for name in names if fields.get(name, "").strip()), "")

    hidden = [found[1] for name in _HIDDEN_IN if (found := _HIDDEN.search(fields.get(name, "")[:500]))]
    made = paper(
        get("title"),
        get("abstract"),
        _authors(get("author")),
        [get("eprint"), get("arxivid", "arxiv"), get("url"), *hidden, get("doi")],
        [get("primaryclass", "eprintclass")],
    )
    return Item(made, line, next(filter(None, (moment(fields.get(name, "")) for name in _ADDED)), None))


def _authors(text: str) -> list[str]:
    """`Fekete, Béla and Ada Ant and others` → Béla Fekete, Ada Ant; still in LaTeX."""
    names = []
    for name in split_multiple_persons_names(text)[:MOST_AUTHORS]:
        # It reads a name sign by sign; nobody's is that long.
        if name != "others" and len(name) <= 200:
            names.append(parse_single_name_into_parts(name, strict=False).merge_first_name_first)
    return names
