"""What the parsers share: records that are each taken once, links and numbers that can be trusted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from digest.model import Batch, Link, Record, Rejected
from digest.sources.markup import plain
from digest.sources.record import fold

LONGEST_TITLE = 2_000  # characters
_LONGEST_URL = 2_000
_MOST_VOTES = 1_000_000_000
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?(?::[0-9]{1,5})?")
_ASCII = "".join(chr(code) for code in range(33, 127) if chr(code) not in '"<>\\^`{|}')
# arXiv's names of subjects. Names that are ordinary words, such as `physics`, count only with a part of theirs.
_CATEGORY = re.compile(
    r"(?:astro-ph|cond-mat|cs|econ|eess|math|nlin|physics|q-bio|q-fin|stat)\.(?:[A-Z]{2}|[a-z]+(?:-[a-z]+)*)"
    r"|astro-ph|cond-mat|gr-qc|hep-(?:ex|lat|ph|th)|math-ph|nucl-(?:ex|th)|q-bio|q-fin|quant-ph"
)


class Taking:
    """The records of one answer, in its order; of what it holds twice, the first."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._rejected: list[Rejected] = []
        self._seen: set[object] = set()
        self._repeated = 0

    def add(self, record: Record, own_id: str = "") -> None:
        """Take a record, unless it has no title or was there before, by a key or by the own id and title."""
        if fault := title_fault(plain(record.title) if record.html else record.title):
            self.reject(record.line, fault)
            return
        marks: set[object] = set(record.keys) or {(own_id, record.title) if own_id else fold(record)}
        if self._seen.isdisjoint(marks):
            self._records.append(record)
        else:
            self._repeated += 1
        self._seen |= marks

    def reject(self, line: int, reason: str) -> None:
        self._rejected.append(Rejected(line, reason))

    def batch(self) -> Batch:
        return Batch(tuple(self._records), tuple(self._rejected), self._repeated)


def title_fault(title: str) -> str:
    """Why a title cannot be one; "" if it can."""
    if not title.strip():
        return "there is no title"
    if not (title[0].isalpha() or any(map(str.isalnum, title))):
        return f"a title without letters or digits: {title[:40]!r}"
    if len(title) > LONGEST_TITLE:
        return f"a title of {len(title)} characters; {LONGEST_TITLE} are the most"
    return ""


def sound(text: str) -> str:
    """Text that any store takes: without NUL and without halves of surrogate pairs."""
    text = text.replace("\0", "") if "\0" in text else text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "ignore").decode()
    return text


def text_of(value: Any) -> str:
    """A text of a JSON document, sound; "" for what is no text."""
    return sound(value) if isinstance(value, str) else ""


def web_link(label: Literal["pdf", "code", "page"], url: Any) -> Link | None:
    """A link to a page of the web; None for all else: other schemes, logins in the address, no host."""
    if not isinstance(url, str) or len(url) > _LONGEST_URL:
        return None
    url = url.strip()
    if url[:7].lower() != "http://" and url[:8].lower() != "https://":
        return None
    try:
        host = urlsplit(url).netloc
        safe = quote(url, safe=_ASCII)
    except ValueError:  # also half a surrogate pair
        return None
    return Link(label, safe) if _HOST.fullmatch(host) else None


def links_of(*found: Link | None) -> tuple[Link, ...]:
    return tuple(link for link in found if link)


def votes_of(value: Any) -> int | None:
    """Votes: a whole number from 0, also as `12.0` or `"12"`; None, unknown, for all else."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MOST_VOTES else None


def categories_of(names: Iterable[Any]) -> tuple[str, ...]:
    """Those of `names` that are arXiv's, each once."""
    return tuple(dict.fromkeys(n.strip() for n in names if isinstance(n, str) and _CATEGORY.fullmatch(n.strip())))
