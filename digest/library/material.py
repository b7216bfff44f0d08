"""What a library file says, whatever its format: papers, when each was put there, and what cannot be taken."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from digest.latex import readable
from digest.model import Paper, Rejected
from digest.sources.identity import paper_key, title_key
from digest.text import clean

LONGEST_TITLE = 1_000  # characters; more is not a title
LONGEST_ABSTRACT = 20_000  # characters; what is longer is the paper itself, and is cut
MOST_AUTHORS = 5_000  # the largest collaborations sign with three thousand


@dataclass(frozen=True, slots=True)
class Item:
    """One paper of a library. Its title may be empty: then only the store can tell which paper its keys name."""

    paper: Paper
    line: int  # where it starts in the file, for messages
    added: datetime | None = None  # when its owner put it there, as far as the file says


@dataclass(frozen=True, slots=True)
class Library:
    """What one file says."""

    format: str  # "BibTeX", "RIS", "Zotero JSON", "list"
    items: tuple[Item, ...]
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()  # what was not plain about reading it


class Unusable(Exception):
    """An entry that cannot be taken; the message says why."""


def paper(
    title: str,
    abstract: str = "",
    authors: Iterable[str] = (),
    identifiers: Iterable[str] = (),
    categories: Iterable[str] = (),
) -> Paper:
    """The paper of an entry, its words as people read them, with every key that `identifiers` give.

    An identifier that names no paper is passed over. Raises `Unusable` where nothing says which paper it is.
    """
    keys = dict.fromkeys(key for text in identifiers if (key := paper_key(text)) and not key.startswith("title:"))
    title, abstract = _TAGS.sub("", title), _TAGS.sub("", abstract[:LONGEST_ABSTRACT])
    title = title if len(title) <= LONGEST_TITLE else clean(title)
    if len(title) > LONGEST_TITLE:
        raise Unusable(f"a title of {len(title)} characters; at most {LONGEST_TITLE} are taken")
    plain = readable(title)
    named = title_key(title)
    if named != "title:":
        keys[named] = None
    elif not keys:
        raise Unusable(f"no letter or digit in the title {plain!r}" if plain else "no title, arXiv id or DOI")
    else:
        plain = ""
    names = (readable(name[:200]) for name, _ in zip(authors, range(MOST_AUTHORS), strict=False))
    return Paper(
        title=plain,
        abstract=readable(abstract),
        authors=tuple(dict.fromkeys(name for name in names if name)),
        keys=tuple(keys),
        raw_title=title if plain else "",
        raw_abstract=abstract,
        categories=tuple(dict.fromkeys(name for one in categories if _CATEGORY.fullmatch(name := one.strip()))),
    )


_CATEGORY = re.compile(r"[a-z]+(?:-[a-z]+)*(?:\.[A-Za-z]+(?:-[a-z]+)*)?")
# Zotero's rich text, and what publishers put into abstracts.
_TAGS = re.compile(r"</?(?:i|b|em|strong|su[bp]|sc|span|p|jats:[a-z-]{1,30})(?:\s[^<>]{0,200})?>", re.IGNORECASE)
_MOMENT = re.compile(
    r"(\d{4})[-./](\d\d?)[-./](\d\d?)(?:[T ]+(\d\d?):(\d\d)(?::(\d\d))?(?:\.\d+)?\s*(?:(Z)|([+-])(\d\d):?(\d\d))?)?"
)


def moment(text: str) -> datetime | None:
    """A date with or without a time, as reference managers write it; UTC where no zone is given, else None."""
    found = _MOMENT.match(text.strip()[:60])
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    offset = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0)) * (-1 if found[8] == "-" else 1)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
