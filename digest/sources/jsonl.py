"""Papers as JSON lines: what anybody can write by a program. `docs/jsonl.md` describes the keys. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from digest.errors import SourceUnreadable
from digest.model import Link, Record, Rejected
from digest.sources.dates import day_in
from digest.sources.identity import paper_key
from digest.sources.jsontext import DECODER
from digest.sources.names import split_names, tidy
from digest.sources.taking import categories_of, links_of, sound, title_fault, votes_of, web_link

LONGEST_LINE = 1_000_000  # bytes
_OTHER_FORMATS = (
    (b"\x1f\x8b", "it is compressed with gzip", "Unpack it"),
    (b"PK\x03\x04", "it is a ZIP archive", "Unpack it"),
    (b"\xff\xfe", "it is UTF-16", "Write it in UTF-8"),
    (b"\xfe\xff", "it is UTF-16", "Write it in UTF-8"),
    (b"[", "it is one JSON list", "Write one object on each line, e.g. with jq -c '.[]'"),
    (b"<", "it is XML or a web page", "Write one JSON object on each line"),
)
_decode = DECODER.decode


class _No(Exception):
    """Why a line cannot be taken."""


def records(lines: Iterable[bytes], name: str) -> Iterator[Record | Rejected]:
    """The papers of a file, a line at a time; what cannot be taken is told with its line, and the next one is read.

    `name` is what messages call the file. Raises SourceUnreadable where its first line shows another format.
    """
    first = True
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            yield Rejected(number, f"a line of {len(line)} bytes; {LONGEST_LINE} are the most")
            first = False
            continue
        if first:
            line = line.removeprefix(b"\xef\xbb\xbf")
        line = line.strip()
        if not line:
            continue
        if first:
            _check_format(line, name)
            first = False
        try:
            yield _record(line, number)
        except _No as no:
            yield Rejected(number, str(no))


def _check_format(line: bytes, name: str) -> None:
    for start, detail, remedy in _OTHER_FORMATS:
        if line.startswith(start):
            raise SourceUnreadable(source=name, detail=detail, remedy=remedy)


def _record(line: bytes, number: int) -> Record:
    item = _item(line)
    get = item.get
    if b"\\u" in line:  # only an escape can stand for half a surrogate pair, or for NUL
        item = _sound(item)
        get = item.get
    title = get("title")
    if not isinstance(title, str):
        raise _No("there is no `title`" if title is None else "the `title` is no text")
    if fault := title_fault(title):
        raise _No(fault)
    abstract = get("abstract") or get("summary")
    authors = get("authors")
    if type(authors) is list:
        names = tidy(one if type(one) is str else _name(one) for one in authors)
    else:
        names = split_names(authors, surname_first=True) if isinstance(authors, str) else ()
    keys, page = _identity(get)
    links: tuple[Link, ...] = (page,) if page else ()
    if "pdf" in item or "code" in item:
        links = links_of(web_link("pdf", get("pdf")), web_link("code", get("code")), page)
    categories = get("categories")
    position = get("position")
    return Record(
        title,
        abstract if isinstance(abstract, str) else "",
        names,
        keys,
        links,
        _categories(categories) if categories else (),
        False,
        _day(get("date") or get("day")),
        position if type(position) is int and position >= 1 else 0,
        next((votes for key in _VOTES if (votes := votes_of(get(key))) is not None), None),
        number,
    )


_VOTES = ("votes", "upvotes", "score", "points")


def _item(line: bytes) -> dict[str, Any]:
    try:
        item = _decode(line.decode())
    except UnicodeDecodeError as error:
        raise _No(f"it is not UTF-8: byte 0x{line[error.start]:02x} at place {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise _No(f"it is not JSON: {error.msg}, column {error.colno}") from None
    except RecursionError:
        raise _No("it is nested too deeply") from None
    if type(item) is not dict:
        raise _No("it is no JSON object")
    return item


def _identity(get: Any) -> tuple[tuple[str, ...], Link | None]:
    """The arXiv id and the DOI, of each the first, and the link to a page that is not arXiv's."""
    keys: dict[str, str] = {}
    page: Link | None = None
    for name in ("id", "arxiv", "arxiv_id", "doi", "url", "link", "page"):
        value = get(name)
        if not value or type(value) is not str:
            continue
        key = paper_key(value)
        if key is None and name == "doi":
            key = paper_key(f"doi:{value}")
        kind = key.partition(":")[0] if key else ""
        if key and kind in ("arxiv", "doi"):
            keys.setdefault(kind, key)
        if page is None and kind != "arxiv":
            page = web_link("page", value)
    if len(keys) == 2:
        return (keys["arxiv"], keys["doi"]), page
    return tuple(keys.values()), page


def _name(author: object) -> str:
    name = author.get("name") if isinstance(author, dict) else None
    return name if isinstance(name, str) else ""


def _categories(names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    return categories_of(names) if isinstance(names, list) else ()


def _day(value: object) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            if day := day_in(value):
                return day
    raise _No(f"the `date` is no day, as 2026-03-14 would be: {str(value)[:40]!r}")


def _sound(value: Any) -> Any:
    """A value with every text in it sound, keys aside."""
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, list):
        return [_sound(one) for one in value]
    if isinstance(value, dict):
        return {key: _sound(one) for key, one in value.items()}
    return value
